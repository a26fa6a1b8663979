"""Denoising autoencoders one above the other: trained layer by layer, and then as one."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.bottlenecks import Bottleneck, Code
from pushforward.engine import Noise
from pushforward.errors import PushforwardError
from pushforward.families.autoencoder import GIVEN, DenoisingAutoencoder
from pushforward.networks.tied import Transposed, matrices
from pushforward.objectives import AutoencoderPass, LayerDenoising


class StackedDenoisingAutoencoder(DenoisingAutoencoder):
    """A layer's task is to undo a corruption of its own input, which the layers below it make of x. Vincent et al. 2010. Final.

    Terms are `LayerDenoising` and, of the whole, `Reconstruction`; their weights say which of them are on, and when. A layer's
    term has no gradient but in that layer and its mirror in the decoder: by an optimiser without momentum no other moves.
    Raises PushforwardError where the network is not of layers one after the other.
    """

    criterion = ("reconstruction",)
    gives = GIVEN | {"layers"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not set(self.criterion) <= set(self.objective.terms):
            self.criterion = None  # type: ignore[assignment, misc]
        up, down = self.layers()
        maps = [layer for part in (*up[:-1], *down) for layer in part if matrices(layer)]
        paired = isinstance(self.coder.decoder, nn.Sequential) and len(up) == len(down)
        if self.condition.size or not paired or not all(isinstance(m, nn.Linear | Transposed) for m in maps):
            raise PushforwardError(
                "model: it is trained layer by layer, encoder and decoder in pairs; use network=mlp and condition=none"
            )
        deepest = max(self.asked(), default=1)
        if deepest > len(up):
            raise PushforwardError(
                f"model.objective: a term is of layer {deepest}, and there are {len(up)}, the code's among them; "
                "give a term for each layer of network.hidden and one more"
            )
        with torch.no_grad():
            below = [self.below(torch.zeros(2, *self.spec.shape), layer) for layer in range(1, len(up) + 1)]
        self.shapes = [tuple(h.shape[1:]) for h in below]
        """Of each layer's input."""

    def asked(self) -> list[int]:
        """The layers that have a term."""
        return [term.layer for term in self.objective.terms.values() if isinstance(term, LayerDenoising)]

    def layers(self) -> tuple[list[list[nn.Module]], list[list[nn.Module]]]:
        """The encoder's layers, the bottleneck the last, and the decoder's mirrors of them, from the images inwards."""
        up = layers_of([*self.coder.encoder.children(), self.coder.bottleneck])
        return up, layers_of(self.coder.decoder.children())[::-1]

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        noise = super().draw(player, n, generator)
        for layer in self.asked():
            if layer > 1:
                noise[f"corruption {layer}"] = self.corruption.draw((n, *self.shapes[layer - 1]), generator)
        return noise

    def below(self, x: Tensor, layer: int) -> Tensor:
        """A layer's input, counted from 1: x, or the output of the layers below."""
        h = x
        for part in self.layers()[0][: layer - 1]:
            h = through(part, h)
        return h

    def layer_error(self, x: Tensor, noise: Noise, layer: int) -> Tensor:
        """−log p(x|h₁) in nats of the first layer, of others ½‖h − ĥ‖² of their input h, (n,), seen under corruption."""
        up, down = self.layers()
        h = self.below(x, layer).detach()
        corrupted = self.corruption(h, noise["corruption" if layer == 1 else f"corruption {layer}"])
        found = through(down[layer - 1], through(up[layer - 1], corrupted))
        if layer == 1:
            return self.likelihood.distortion(found, x)
        return 0.5 * (h - found).square().sum(1)

    def decoded(self, x: Tensor, code: Code, c: Tensor | None, noise: Noise) -> AutoencoderPass:
        return replace(super().decoded(x, code, c, noise), layer_error=partial(self.layer_error, x, noise))


def layers_of(modules: Iterable[nn.Module]) -> list[list[nn.Module]]:
    """Modules one after the other in groups, one that has weights first in each; what comes before is of the first."""
    found: list[list[nn.Module]] = []
    head: list[nn.Module] = []
    for module in modules:
        if matrices(module):
            found.append([*head, module])
            head = []
        elif found:
            found[-1].append(module)
        else:
            head.append(module)
    return found


def through(part: Iterable[nn.Module], h: Tensor) -> Tensor:
    """The output of modules one after the other; of a bottleneck its code."""
    for module in part:
        made = module(h, None).z if isinstance(module, Bottleneck) else module(h)
        assert isinstance(made, Tensor)
        h = made
    return h
