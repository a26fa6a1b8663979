"""The encoder, bottleneck and decoder of one network: a module for every family that has them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.bottlenecks import Bottleneck, Code, Codes, Shape, flat, shaped
from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.networks import Network, decoder_of, encoder_of, given, map_decoder_of, map_encoder_of

FORMS = ("vector", "map")


class EncoderDecoder(nn.Module):
    """x (n, *shape) → features → code → a decoder's outputs (n, outputs, *shape).

    bottleneck: waits for in_shape and code_dim. form: whether features are vectors or maps. outputs: numbers for each
    dimension of x. condition: size of a vector c that encoder and decoder take beside.
    A family's players own it whole, or its parts by name: `coder.encoder`, `coder.bottleneck`, `coder.decoder`.
    What a family shows of codes is flat, (n, d); of several levels, they are laid end to end.
    """

    def __init__(
        self,
        network: Network,
        shape: Shape,
        bottleneck: Callable[..., Bottleneck],
        code_dim: Count,
        form: str = "vector",
        outputs: int = 1,
        condition: int = 0,
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise PushforwardError(f"model.code={form}: choose from {', '.join(FORMS)}")
        if form == "map":
            self.encoder = map_encoder_of(network, shape, condition)
            in_shape = self.encoder.out_shape
        else:
            self.encoder = encoder_of(network, shape, condition)
            in_shape = (self.encoder.out_features,)
        self.bottleneck = bottleneck(in_shape=in_shape, code_dim=code_dim)
        self.code_dim = code_dim
        joined = tuple(self.joined(self.bottleneck.read(shaped(torch.zeros(1, self.dim), self.shapes))).shape[1:])
        if len(joined) == 1:
            self.decoder = decoder_of(network, joined[0], shape, outputs, condition)
        else:
            self.decoder = map_decoder_of(network, joined, shape, outputs, condition)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of a code's levels."""
        return self.bottleneck.shapes

    @property
    def dim(self) -> int:
        """Numbers in a code."""
        return self.bottleneck.dim

    def forward(
        self, x: Tensor, noise: Tensor | None = None, c: Tensor | None = None, epochs: Tensor | None = None
    ) -> Code:
        """The code of x; with noise=None its representative value. epochs: in a step of training, those seen so far."""
        return self.bottleneck(given(self.encoder, c)(x), noise, epochs)

    def decode(self, z: Codes, c: Tensor | None = None) -> Tensor:
        """The decoder's outputs at codes z, (…, outputs, *shape)."""
        parts = z if isinstance(z, tuple) else (z,)
        leading = parts[0].shape[: parts[0].ndim - len(self.shapes[0])]
        rows = tuple(part.flatten(0, len(leading) - 1) for part in parts)
        read = self.joined(self.bottleneck.read(rows if isinstance(z, tuple) else rows[0]))
        each = None if c is None else c.expand(*leading, -1).flatten(0, -2)
        return given(self.decoder, each)(read).unflatten(0, leading)

    def encode(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The representative code of x, flat, (n, d)."""
        return self.flat(self(x, None, c).z)

    def decode_flat(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The decoder's outputs at the valid codes nearest to flat ones, (n, outputs, *shape)."""
        return self.decode(self.bottleneck.valid(shaped(z, self.shapes)), c)

    def flat(self, z: Codes) -> Tensor:
        """Codes laid end to end, (…, d)."""
        return flat(z, self.shapes)

    @staticmethod
    def joined(z: Codes) -> Tensor:
        """The decoder's input: of several levels vectors end to end, or maps as channels of the largest one."""
        if not isinstance(z, tuple):
            return z
        if all(part.ndim == 2 for part in z):
            return torch.cat(z, 1)
        maps = [part if part.ndim == 4 else part[:, :, None, None] for part in z]
        largest = max(part.shape[2:] for part in maps)
        return torch.cat([F.interpolate(part, largest) for part in maps], 1)
