"""The run whose codes another run learns: its encoder and decoder, and what they make of its images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.bottlenecks import TakesFewValues
from pushforward.data import DataModule, ImageCodes
from pushforward.errors import PushforwardError
from pushforward.families import Decodes, Encodes, Family
from pushforward.families.capabilities import HasCoder
from pushforward.protocol.shared_numbers import cached_tensor
from pushforward.spec import DataSpec

CHUNK = 500
"""Images encoded at a time."""


@dataclass(kw_only=True)
class Coder:
    """A trained encoder and decoder by the name of its run. Raises PushforwardError where it does not encode and decode.

    spec: of the data that it was trained on. indices: its codes are shown as the numbers of the values that they take, a map
    of one channel. origin: where its own data are codes, what these are of.
    """

    run: str
    family: Family
    spec: DataSpec
    indices: bool = False
    origin: ImageCodes | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.family, Encodes) and isinstance(self.family, Decodes)):
            raise PushforwardError(
                f"data.run={self.run}: this model has no encoder and decoder; name a run of an autoencoder, such as model=vae"
            )
        if self.indices and (self.values is None or len(self.vectors) < 3):
            raise PushforwardError(
                f"data.run={self.run}: its codes are no map of places that take few values; name a run of model=vq_vae or "
                "model=fsq_vae, or use data=codes"
            )
        self.family.eval().requires_grad_(False)

    @property
    def values(self) -> TakesFewValues | None:
        """The bottleneck whose values `indices` are numbers of."""
        bottleneck = self.family.coder.bottleneck if isinstance(self.family, HasCoder) else None
        return bottleneck if isinstance(bottleneck, TakesFewValues) else None

    @property
    def vectors(self) -> tuple[int, ...]:
        """The shape of one code as the decoder takes it; several levels are laid end to end."""
        shapes = self.family.coder.shapes if isinstance(self.family, HasCoder) else ()
        return shapes[0] if len(shapes) == 1 else (-1,)

    @property
    def levels(self) -> int | None:
        """The values that a place of a code takes, where they are shown as numbers."""
        return self.values.entries if self.indices and self.values is not None else None

    def laid(self, flat: Tensor) -> Tensor:
        """Codes (n, d) in the shape in which they are learnt, float32; as numbers of values, int32, where they are shown so."""
        z = flat.view(len(flat), *self.vectors)
        if not self.indices:
            return z
        assert self.values is not None
        return self.values.indices(z).unsqueeze(1).to(torch.int32)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Codes of images, on their device; numbers of values as levels in [0, 1]."""
        family = self.family.to(x.device)
        assert isinstance(family, Encodes)
        own = self.spec.standardized(x if self.origin is None else self.origin.encode(x))
        z = self.laid(family.encode(own.to(family.dtype)).float())  # type: ignore[arg-type]
        return z if self.levels is None else z.float() / (self.levels - 1)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Images of codes (n, *shape), on their device."""
        family = self.family.to(codes.device)
        assert isinstance(family, Decodes)
        if self.indices:
            assert self.values is not None
            codes = self.values.values((codes[:, 0] * (self.values.entries - 1)).round().long())
        x = self.spec.original(family.decode(codes.flatten(1).to(family.dtype)))  # type: ignore[arg-type]
        return x if self.origin is None else self.origin.decode(x)


@dataclass(kw_only=True)
class FirstStage(Coder):
    """A trained encoder and decoder on its own data, as the origin of codes.

    weights: digest of its weights, by which codes are kept on disk. own: the data that it was trained on.
    """

    weights: str
    own: DataModule

    @property
    def data(self) -> DataModule:
        """The images: where the run itself learns codes, those that they are of."""
        return self.own.images

    @torch.no_grad()
    def codes(self, split: str) -> Tensor:
        """Codes of a split's images as they are evaluated, a posterior's means, on the CPU: made once and kept on disk."""

        def make() -> Tensor:
            family = self.family.cpu()
            assert isinstance(family, Encodes)
            parts = [family.encode(batch.x) for batch in self.own.batches(split, CHUNK)]
            return torch.cat(parts).float() if parts else torch.empty(0)

        if self.own.card["splits"][split] == 0:
            return self.codes("train")[:0]
        return self.laid(cached_tensor("codes", {"weights": self.weights, "split": split}, make))
