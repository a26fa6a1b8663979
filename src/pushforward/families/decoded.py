"""A model over codes seen as a model of the images that they decode to: it has samples, and nothing else that is of images."""

from collections.abc import Callable

import torch
from torch import Tensor

from pushforward.conditioning import Condition
from pushforward.engine import Loss, Noise
from pushforward.families.capabilities import ClassConditional, IterativeSampler, Samples
from pushforward.families.family import Family
from pushforward.objectives import Objective
from pushforward.spec import Batch, DataSpec

Decode = Callable[[Tensor], Tensor]


class Decoded(Family):
    """A trained model over codes, which does not sample. Its objectives are of codes.

    decode: standardised codes to images. spec: of the images.
    """

    players = ()

    def __init__(self, codes: Family, decode: Decode, spec: DataSpec, by: str) -> None:
        super().__init__(spec, {})
        self.codes, self.by = codes, by
        self.to(codes.device, codes.dtype)  # type: ignore[arg-type]
        self._decode = decode

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        return self.codes.draw(player, n, generator)

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        return self.codes.loss(player, batch, noise)

    @property
    def objectives(self) -> dict[str, Objective]:
        return self.codes.objectives

    def describe(self) -> dict[str, str]:
        return {**self.codes.describe(), "decoder": self.by}


class DecodedSamples(Decoded, Samples):
    """One that samples."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        assert isinstance(self.codes, Samples)
        return self._decode(self.codes.sample(n, generator))


class DecodedClasses(Decoded, ClassConditional):
    """One that samples given classes."""

    @property
    def condition(self) -> Condition:  # type: ignore[override]
        assert isinstance(self.codes, ClassConditional)
        return self.codes.condition

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        assert isinstance(self.codes, ClassConditional)
        return self._decode(self.codes.sample(n, generator, y))


class DecodedSteps(DecodedClasses, IterativeSampler):
    """One that calls its network many times for a sample."""

    @property
    def evaluations(self) -> int:  # type: ignore[override]
        assert isinstance(self.codes, IterativeSampler)
        return self.codes.evaluations

    @property
    def sampler(self) -> str:
        assert isinstance(self.codes, IterativeSampler)
        return f"{self.codes.sampler}; decoded by {self.by}"

    def sample(
        self, n: int, generator: torch.Generator, y: Tensor | None = None, evaluations: int | None = None
    ) -> Tensor:
        assert isinstance(self.codes, IterativeSampler)
        return self._decode(self.codes.sample(n, generator, y, evaluations))


def decoded(codes: Family, decode: Decode, spec: DataSpec, by: str) -> Decoded:
    """The model over codes as a model of images, with the capabilities that it has as such."""
    kinds = ((IterativeSampler, DecodedSteps), (ClassConditional, DecodedClasses), (Samples, DecodedSamples))
    kind = next((kind for capability, kind in kinds if isinstance(codes, capability)), Decoded)
    return kind(codes, decode, spec, by)
