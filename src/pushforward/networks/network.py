"""The roles of networks, of which one may lack some, and building a module for a role."""

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from pushforward.errors import PushforwardError
from pushforward.networks.blocks import Layers

M = TypeVar("M", bound=nn.Module)

WITH_ROLE = {
    "encoder": ("mlp", "conv", "resnet"),
    "decoder": ("mlp", "conv", "resnet"),
    "field": ("mlp", "unet"),
    "map encoder": ("conv", "resnet"),
    "map decoder": ("conv", "resnet"),
    "autoregressive": ("mlp", "pixelcnn"),
}
"""The networks of no one paper that have each role: what an error names."""


class Network(Protocol):
    """Plain numbers, from which modules of the data's shape are made.

    A module built with the size of a `condition` takes c, (n, condition), as its last argument; without it is as if there
    were no such thing.
    """

    def encoder(self, shape: tuple[int, ...], condition: int = 0) -> "Encoder":
        """(n, *shape) → (n, out_features)."""
        ...

    def decoder(self, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0) -> nn.Module:
        """(n, in_features) → (n, parameters, *shape), unbounded."""
        ...

    def field(self, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
        """x (n, *shape), t (n,) in [0, 1] → (n, *shape)."""
        ...


@runtime_checkable
class AutoregressiveNetwork(Protocol):
    """A network that masks: its outputs at a dimension see the dimensions before it alone."""

    def autoregressive(self, shape: tuple[int, ...], parameters: int) -> nn.Module:
        """(n, *shape) → (n, parameters, *shape), unbounded."""
        ...


@runtime_checkable
class MapNetwork(Network, Protocol):
    """A network that also encodes to maps and decodes from them."""

    def map_encoder(self, shape: tuple[int, ...], condition: int = 0) -> "Encoder":
        """(n, *shape) → (n, c, h, w), its `out_shape`."""
        ...

    def map_decoder(
        self, code: tuple[int, ...], shape: tuple[int, ...], parameters: int = 1, condition: int = 0
    ) -> nn.Module:
        """(n, *code) → (n, parameters, *shape), unbounded; `code` has the height and width of the encoder's map."""
        ...


class Encoder(Layers):
    """Layers from (n, *shape) to features (n, out_features), or to a map (n, *out_shape)."""

    def __init__(self, layers: Iterable[nn.Module], out: int | tuple[int, ...]) -> None:
        super().__init__(*layers)
        self.out_shape = (out,) if isinstance(out, int) else tuple(out)
        self.out_features = math.prod(self.out_shape)


def given(module: nn.Module, c: Tensor | None) -> Callable[..., Tensor]:
    """The module as a function of its other inputs; without a condition itself, which may be a person's own that knows none."""
    return module if c is None else lambda *inputs: module(*inputs, c)


def missing(network: str, role: str) -> PushforwardError:
    """The error of a network that lacks a role."""
    others = " or ".join(f"network={name}" for name in WITH_ROLE[role])
    kind = "autoregressive network" if role == "autoregressive" else role
    return PushforwardError(f"network={network} makes no {kind}, which this model needs. Use {others}.")


def image_shape(network: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(c, h, w) of images that convolutions can read, or the error that says why not."""
    if len(shape) != 3 or min(shape[1:]) < 4:
        raise PushforwardError(
            f"network={network} reads images (c, h, w) with h, w ≥ 4; these are {tuple(shape)}. Use network=mlp."
        )
    return shape[0], shape[1], shape[2]


ROWS = 2
"""Images that a new module is tried on."""


def encoder_of(network: Network, shape: tuple[int, ...], condition: int = 0) -> Encoder:
    """The network's encoder. Raises PushforwardError where it does not give (n, out_features) on data of this shape."""
    encoder = _built(network, network.encoder, (shape,), condition)
    if not isinstance(getattr(encoder, "out_features", None), int):
        raise PushforwardError(
            f"network: the encoder of {type(network).__name__} does not say how many features it gives; "
            "set its attribute out_features, or return a pushforward.networks.Encoder"
        )
    _try(network, "encoder", encoder, (torch.zeros(ROWS, *shape),), (encoder.out_features,), shape, condition)
    return encoder


def decoder_of(
    network: Network, in_features: int, shape: tuple[int, ...], parameters: int = 1, condition: int = 0
) -> nn.Module:
    """The network's decoder. Raises PushforwardError where it does not give (n, parameters, *shape)."""
    decoder = _built(network, network.decoder, (in_features, shape, parameters), condition)
    _try(network, "decoder", decoder, (torch.zeros(ROWS, in_features),), (parameters, *shape), shape, condition)
    return decoder


def field_of(network: Network, shape: tuple[int, ...], condition: int = 0) -> nn.Module:
    """The network's field. Raises PushforwardError where it does not give (n, *shape)."""
    field = _built(network, network.field, (shape,), condition)
    _try(network, "field", field, (torch.zeros(ROWS, *shape), torch.zeros(ROWS)), shape, shape, condition)
    return field


def map_encoder_of(network: Network, shape: tuple[int, ...], condition: int = 0) -> Encoder:
    """The network's encoder to maps. Raises PushforwardError where it has none, or it does not give (n, *out_shape)."""
    if not isinstance(network, MapNetwork):
        raise unmapped(network, "map encoder")
    encoder = _built(network, network.map_encoder, (shape,), condition)
    _try(network, "map encoder", encoder, (torch.zeros(ROWS, *shape),), encoder.out_shape, shape, condition)
    return encoder


def map_decoder_of(
    network: Network, code: tuple[int, ...], shape: tuple[int, ...], parameters: int = 1, condition: int = 0
) -> nn.Module:
    """The network's decoder from maps (n, *code). Raises PushforwardError where it has none, or one of another shape."""
    if not isinstance(network, MapNetwork):
        raise unmapped(network, "map decoder")
    decoder = _built(network, network.map_decoder, (code, shape, parameters), condition)
    _try(network, "map decoder", decoder, (torch.zeros(ROWS, *code),), (parameters, *shape), shape, condition)
    return decoder


def unmapped(network: Network, role: str) -> PushforwardError:
    """The error of a network that knows no maps."""
    return PushforwardError(
        f"{missing(type(network).__name__.lower(), role)} A code of vectors takes any: model.code=vector."
    )


def autoregressive_of(network: Any, shape: tuple[int, ...], parameters: int) -> nn.Module:
    """The network with masks. Raises PushforwardError where it has none, or does not give (n, parameters, *shape)."""
    if not isinstance(network, AutoregressiveNetwork):
        raise missing(type(network).__name__.lower(), "autoregressive")
    module = network.autoregressive(shape, parameters)
    _try(network, "autoregressive network", module, (torch.zeros(ROWS, *shape),), (parameters, *shape), shape, 0)
    return module


def _built(network: Network, make: Callable[..., M], sizes: tuple[Any, ...], condition: int) -> M:
    """A role's module. A network of one's own may know no condition, as long as it is given none."""
    if not condition:
        return make(*sizes)
    if "condition" not in inspect.signature(make).parameters:
        raise PushforwardError(
            f"network: the {make.__name__} of {type(network).__name__} takes no condition; give it an argument "
            "condition, the size of a vector that its module takes beside its input, or use condition=none"
        )
    return make(*sizes, condition=condition)


def _try(
    network: Any, role: str, module: nn.Module, given: tuple[Tensor, ...], wanted: tuple[int, ...],
    shape: tuple[int, ...], condition: int,
) -> None:  # fmt: skip
    if condition:
        given = (*given, torch.zeros(ROWS, condition))
    modes = {part: part.training for part in module.modules()}
    module.eval()  # batch norms must not learn from it
    check_shape(f"the {role} of network {type(network).__name__}", lambda: module(*given), wanted, shape)
    for part, mode in modes.items():
        part.training = mode


def check_shape(what: str, give: Callable[[], Tensor], wanted: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raises PushforwardError unless `give()` is of shape (ROWS, *wanted) on data of `shape`; no random number is used up."""
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            found = give()
    except PushforwardError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise PushforwardError(f"{what} fails on data of shape {shape}: {type(error).__name__}: {reason}") from error
    got = tuple(found.shape) if isinstance(found, Tensor) else None
    if got != (ROWS, *wanted):
        gives = f"{ROWS} images as {got}" if got is not None else f"a {type(found).__name__}"
        raise PushforwardError(
            f"{what} gives {gives}, where data of shape {shape} need {(ROWS, *wanted)}; "
            "make its layers from the shape that it is given"
        )
