"""The run whose codes another run learns: its encoder and decoder, and what they make of its images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.families import Decodes, Encodes, Family
from pushforward.families.capabilities import HasCoder
from pushforward.protocol.shared_numbers import cached_tensor

CHUNK = 500
"""Images encoded at a time."""


@dataclass
class FirstStage:
    """A trained run on its own data, as the origin of codes. Raises PushforwardError where it does not encode and decode.

    weights: digest of its weights, by which codes are kept on disk. own: the data that it was trained on.
    """

    run: str
    weights: str
    family: Family
    own: DataModule

    def __post_init__(self) -> None:
        if not (isinstance(self.family, Encodes) and isinstance(self.family, Decodes)):
            raise PushforwardError(
                f"data.run={self.run}: this model has no encoder and decoder; name a run of an autoencoder, such as model=vae"
            )
        self.family.eval().requires_grad_(False)

    @property
    def data(self) -> DataModule:
        """The images: where the run itself learns codes, those that they are of."""
        return self.own.images

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one code; several levels are laid end to end."""
        shapes = self.family.coder.shapes if isinstance(self.family, HasCoder) else ()
        return shapes[0] if len(shapes) == 1 else (-1,)

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
        flat = cached_tensor("codes", {"weights": self.weights, "split": split}, make)
        return flat.view(len(flat), *self.shape)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Images of codes (n, *shape), on their device."""
        family = self.family.to(codes.device)
        assert isinstance(family, Decodes)
        x = self.own.spec.original(family.decode(codes.flatten(1).to(family.dtype)))  # type: ignore[arg-type]
        return x if self.own.origin is None else self.own.origin.decode(x)
