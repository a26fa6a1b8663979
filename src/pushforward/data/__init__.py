"""Data: sources (what a data set is), the module that cuts and prepares it, and the stream of training blocks."""

from pushforward.data.augmentation import FlipAndCrop
from pushforward.data.codes import CodesModule
from pushforward.data.loader import Stream
from pushforward.data.module import DataModule, ImageCodes, Origin

__all__ = ["CodesModule", "DataModule", "FlipAndCrop", "ImageCodes", "Origin", "Stream"]
