"""Conditions: what a model is told of an image beside the image, as vectors that its networks take in."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pushforward.domains import Count, Decay, NonNegative
from pushforward.errors import PushforwardError
from pushforward.numbers import number
from pushforward.spec import DataSpec


class Condition(nn.Module, ABC):
    """From class labels to vectors, (n, size), for networks that were built for a condition of that size. Abstract.

    classes: how many labels a model is told apart, a withheld one included; 0 without a condition. guidance: w of a guided
    sampler.
    """

    size: int
    classes: int
    guidance: float = 0.0

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """All randomness of a training step."""

    @abstractmethod
    def labels(self, y: Tensor | None, n: int, noise: dict[str, Tensor] | None = None) -> Int[Tensor, " n"] | None:
        """Labels as the model is told them: in training some are withheld, without y all are. None: there is no condition.

        Raises PushforwardError where there are none and the model has not learnt to do without.
        """

    @abstractmethod
    def choose(self, y: Tensor | None, n: int, generator: torch.Generator) -> Int[Tensor, " n"] | None:
        """Labels of n samples: y, or draws with the frequencies of the training labels."""

    @abstractmethod
    def forward(self, labels: Int[Tensor, " n"] | None) -> Float[Tensor, "n size"] | None:
        """The vectors of these labels; None where there is no condition."""

    def told(self, y: Tensor | None, n: int, noise: dict[str, Tensor] | None = None) -> Float[Tensor, "n size"] | None:
        """The vectors of `labels`."""
        return self(self.labels(y, n, noise))


@final
class NoCondition(Condition):
    """Nothing is told."""

    size = 0
    classes = 0

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {}

    def labels(self, y: Tensor | None, n: int, noise: dict[str, Tensor] | None = None) -> None:
        return None

    def choose(self, y: Tensor | None, n: int, generator: torch.Generator) -> None:
        if y is not None:
            raise PushforwardError("this model takes no labels; train it with condition=labels")

    def forward(self, labels: Int[Tensor, " n"] | None) -> None:
        return None


@final
class Labels(Condition):
    """A trained vector for each class, and one more for a withheld label where some are withheld.

    size: of a vector. drop: the share of training images whose label is withheld, so that the model learns to do without
    as well; with 0 it cannot. guidance: w in (1 + w)·f(x, c) − w·f(x, ∅), by which the samplers of diffusion move away from
    what the model draws without a label. Ho & Salimans 2022, eq. 6.

    Raises PushforwardError where the training images have no labels.
    """

    shares: Tensor
    drop: Tensor

    def __init__(self, size: Count, drop: Decay, guidance: NonNegative, *, spec: DataSpec) -> None:
        super().__init__()
        if not spec.class_shares:
            raise PushforwardError(
                "condition=labels needs labels of the training images, and these data have none; use condition=none"
            )
        if guidance and not drop:
            raise PushforwardError(
                f"condition.guidance={guidance:g} needs what the model draws without a label; set condition.drop, such as 0.1"
            )
        self.size, self.guidance, self.withholds = size, float(guidance), drop > 0
        self.classes = len(spec.class_shares) + self.withholds
        self.vectors = nn.Embedding(self.classes, size)
        # not persistent: a run's spec has them
        self.register_buffer("shares", torch.tensor(spec.class_shares, dtype=torch.float32), persistent=False)
        number(self, "drop", drop)

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"withheld": torch.rand(n, generator=generator, device=generator.device)} if self.withholds else {}

    def labels(self, y: Tensor | None, n: int, noise: dict[str, Tensor] | None = None) -> Int[Tensor, " n"]:
        if y is None and not self.withholds:
            raise PushforwardError(
                "this model is told a label of every image: give y, or train it with condition.drop above 0"
            )
        if y is None:
            return torch.full((n,), self.classes - 1, device=self.shares.device)
        if noise is None or not self.withholds:
            return y
        return torch.where(noise["withheld"] < self.drop, self.classes - 1, y)

    def choose(self, y: Tensor | None, n: int, generator: torch.Generator) -> Int[Tensor, " n"]:
        if y is None:
            return torch.multinomial(self.shares.to(generator.device), n, True, generator=generator)
        if y.shape != (n,) or y.is_floating_point() or not bool(((y >= 0) & (y < len(self.shares))).all()):
            raise PushforwardError(f"y: give {n} whole numbers from 0 to {len(self.shares) - 1}, one for each sample")
        return y.to(self.shares.device)

    def forward(self, labels: Int[Tensor, " n"] | None) -> Float[Tensor, "n size"]:
        return self.vectors(labels)


def condition_of(make: Callable[..., Condition] | None, spec: DataSpec, guides: bool = False) -> Condition:
    """A family's condition for data of this spec. Raises PushforwardError where it asks for guidance and nothing guides."""
    found = NoCondition() if make is None else make(spec=spec)
    if found.guidance and not guides:
        raise PushforwardError(
            f"condition.guidance={found.guidance:g}: only samplers of diffusion are guided; use condition.guidance=0"
        )
    return found
