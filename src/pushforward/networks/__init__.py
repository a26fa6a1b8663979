"""Networks: frozen plain numbers that make modules of the data's shape. They take values, never a config."""

from pushforward.networks.conv import Conv
from pushforward.networks.lenet import LeNet
from pushforward.networks.mlp import MLP
from pushforward.networks.network import (
    Encoder,
    Network,
    decoder_of,
    encoder_of,
    field_of,
    given,
    map_decoder_of,
    map_encoder_of,
)
from pushforward.networks.resnet import ResNet
from pushforward.networks.unet import UNet

__all__ = [
    "MLP",
    "Conv",
    "Encoder",
    "LeNet",
    "Network",
    "ResNet",
    "UNet",
    "decoder_of",
    "encoder_of",
    "field_of",
    "given",
    "map_decoder_of",
    "map_encoder_of",
]
