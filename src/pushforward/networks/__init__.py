"""Networks: frozen plain numbers that make modules of the data's shape. They take values, never a config."""

from pushforward.networks.conv import Conv
from pushforward.networks.mlp import MLP
from pushforward.networks.network import Encoder, Network

__all__ = ["MLP", "Conv", "Encoder", "Network"]
