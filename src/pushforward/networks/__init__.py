"""Networks: frozen plain numbers that make modules of the data's shape. They take values, never a config."""

from pushforward.networks.conv import Conv
from pushforward.networks.lenet import LeNet
from pushforward.networks.masked import PixelCNN
from pushforward.networks.mlp import MLP
from pushforward.networks.network import (
    Encoder,
    Network,
    autoregressive_of,
    decoder_of,
    encoder_of,
    field_of,
    given,
    map_decoder_of,
    map_encoder_of,
)
from pushforward.networks.published import DCGAN, InfoGANConv, MaxoutMLP, SNGANResNet
from pushforward.networks.resnet import ResNet
from pushforward.networks.unet import UNet

__all__ = [
    "DCGAN",
    "MLP",
    "Conv",
    "Encoder",
    "InfoGANConv",
    "LeNet",
    "MaxoutMLP",
    "Network",
    "PixelCNN",
    "ResNet",
    "SNGANResNet",
    "UNet",
    "autoregressive_of",
    "decoder_of",
    "encoder_of",
    "field_of",
    "given",
    "map_decoder_of",
    "map_encoder_of",
]
