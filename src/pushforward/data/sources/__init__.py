"""Sources of data. Each is a frozen dataclass with `load() -> Arrays`."""

from pushforward.data.sources.base import Arrays, Lazy, Source, Split
from pushforward.data.sources.cifar10 import Cifar10
from pushforward.data.sources.digits import Digits
from pushforward.data.sources.folder import Folder
from pushforward.data.sources.idx import KMNIST, MNIST, FashionMNIST
from pushforward.data.sources.npz import Npz
from pushforward.data.sources.sprites import Sprites
from pushforward.data.sources.toy2d import Toy2d

__all__ = [
    "KMNIST",
    "MNIST",
    "Arrays",
    "Cifar10",
    "Digits",
    "FashionMNIST",
    "Folder",
    "Lazy",
    "Npz",
    "Source",
    "Split",
    "Sprites",
    "Toy2d",
]
