"""Sources of data. Each is a frozen dataclass with `load() -> Arrays`."""

from pushforward.data.sources.base import Arrays, Lazy, Source, Split
from pushforward.data.sources.celeba import CelebA
from pushforward.data.sources.cifar10 import Cifar10
from pushforward.data.sources.densities import plane_density
from pushforward.data.sources.digits import Digits
from pushforward.data.sources.dsprites import DSprites
from pushforward.data.sources.folder import Folder
from pushforward.data.sources.hub import Hub
from pushforward.data.sources.idx import KMNIST, MNIST, FashionMNIST
from pushforward.data.sources.npz import Npz
from pushforward.data.sources.omniglot import Omniglot
from pushforward.data.sources.sprites import Sprites
from pushforward.data.sources.stacked_mnist import StackedMNIST
from pushforward.data.sources.svhn import SVHN
from pushforward.data.sources.toy2d import Toy2d

__all__ = [
    "KMNIST",
    "MNIST",
    "SVHN",
    "Arrays",
    "CelebA",
    "Cifar10",
    "DSprites",
    "Digits",
    "FashionMNIST",
    "Folder",
    "Hub",
    "Lazy",
    "Npz",
    "Omniglot",
    "Source",
    "Split",
    "Sprites",
    "StackedMNIST",
    "Toy2d",
    "plane_density",
]
