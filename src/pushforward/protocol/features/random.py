"""Features of a network that nothing was taught: they need no labels and favour no class. After Naeem et al. 2020, sec. 4."""

import math
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.data import DataModule
from pushforward.domains import Seed
from pushforward.networks.lenet import LeNet
from pushforward.protocol.features.base import NoFeatures, batched, digest
from pushforward.seeds import generator


class RandomFeatures:
    """images (n, c, h, w) in [0, 1] → features (n, 84): the last hidden layer of an untrained LeNet.

    Weights are uniform in ±√(6/fan-in) (He et al. 2015, which keeps the scale through the layers), biases zero, rounded to
    half precision: the same on every machine.
    """

    name = "random"

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        with torch.device("meta"):  # no initial weights: they would advance the global generator
            network = LeNet(shape, 1)
        g = generator("cpu", seed, "features", "random")
        weights = {key: drawn(value.shape, g) for key, value in sorted(network.state_dict().items())}
        network.load_state_dict(weights, assign=True)
        self.seed = seed
        self.hash = digest(*(part for key, w in weights.items() for part in (key.encode(), w.half().numpy())))[:16]
        self._network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 84"]:
        return batched(self._network.features, x, next(self._network.parameters()).device)

    def to(self, device: torch.device | str) -> Self:
        self._network.to(device)
        return self

    @property
    def card(self) -> dict[str, Any]:
        return {
            "features": self.name,
            "features_hash": self.hash,
            "features_layer": "84 units of an untrained LeNet",
            "features_weights": f"drawn, seed {self.seed}",
            "preprocessing": "images in [0, 1], as they are",
        }


def drawn(shape: torch.Size, g: torch.Generator) -> Tensor:
    """Zeros for a bias; for a weight, uniform draws in ±√(6/fan-in), rounded to half precision."""
    if len(shape) < 2:
        return torch.zeros(shape)
    fan_in = math.prod(shape[1:])
    return ((2 * torch.rand(shape, generator=g) - 1) * (6 / fan_in) ** 0.5).half().float()


def for_data(data: DataModule, seed: Seed = 0) -> RandomFeatures:
    """Features for the data's shape. Raises NoFeatures of points."""
    if not data.spec.is_image:
        raise NoFeatures("the data are points, not images")
    return RandomFeatures(tuple(data.spec.shape), seed)
