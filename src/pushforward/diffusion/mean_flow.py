"""Mean flow: the average velocity of a flow between two times, with which one call of the network makes a sample."""

import torch
from torch import Tensor, nn

from pushforward.bijections import quantize
from pushforward.diffusion.flow_matching import straight_likelihood, straight_log_prob
from pushforward.diffusion.process import Field, Process, Scored, rows
from pushforward.domains import Natural, Positive, Real, Share
from pushforward.networks.blocks import TimeFeatures
from pushforward.objectives.passes import FieldPass
from pushforward.spec import DataSpec

TIMES = 32
"""Features of each of the two times."""
HIGHEST = 10.0
"""Their highest frequency. The target has du/dt in it: with frequencies of 100, one step of points in the plane is three times
as far from the data, in W2, as with 10."""


class MeanFlow(Process):
    """u(x_t, t, s) = 1/s·∫ₜᵗ⁺ˢ v dτ over a span s of the flow of x_t = (1 − t)·ε + t·x. Geng et al. 2025. Final.

    Times are those of `FlowMatching`: noise at 0, data at 1, where the paper has them the other way round. In training 1 − t
    and the other end are the larger and the smaller of two draws of σ(N(mean, std²)); in a share `apart` of images they
    differ, in the others the span is 0 and u is v. exact_up_to: as in `FlowMatching`.
    """

    chooses = False  # the target moves with the network, and its error is no smaller where samples are better
    size = 2 * TIMES

    def __init__(self, mean: Real, std: Positive, apart: Share, exact_up_to: Natural, *, spec: DataSpec) -> None:
        super().__init__(spec)
        self.mean, self.std, self.apart, self.exact = mean, std, apart, spec.dim <= exact_up_to
        self.features = TimeFeatures(TIMES, HIGHEST)

    def told(self, module: nn.Module, c: Tensor | None) -> Field:
        """The network told t and t + s beside c. Its own features of time are those of 0: they change too fast."""

        def field(x: Tensor, t: Tensor, span: Tensor) -> Tensor:
            both = torch.cat((self.features(t), self.features(t + span)), 1).to(x)
            return module(x, torch.zeros_like(t), both if c is None else torch.cat((both, c), 1))

        return field

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        noise = {
            "noise": self.gaussian(n, generator),
            "times": torch.randn(n, 2, generator=generator, device=generator.device),
            "apart": torch.rand(n, generator=generator, device=generator.device),
        }
        return {**noise, **self.draw_levels(n, generator)}

    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        x1, x0 = self.real(x, noise), noise["noise"]
        left = torch.sigmoid(self.mean + self.std * noise["times"])
        t = 1 - left.amax(1)
        span = torch.where(noise["apart"] < self.apart, left.amax(1) - left.amin(1), 0.0)
        share = rows(t, x1)
        return matched(field, (1 - share) * x0 + share * x1, x1 - x0, t, span)

    def sample(self, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        x, span = self.gaussian(n, generator), 1 / evaluations
        for i in range(evaluations):
            t = x.new_full((n,), i * span)
            x = x + span * field(x, t, torch.full_like(t, span))
        return quantize(self.centre.inverse(x), self.spec)

    def log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        """That of the flow whose velocity is u over a span of 0."""

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            return field(x, t, torch.zeros_like(t))

        return straight_log_prob(self, velocity, x, generator, evaluations, self.exact)

    def describe(self) -> dict[str, str]:
        return {
            "target": "(x − ε) + s·du/dt, the average velocity over the span s, in x_t = (1 − t)·ε + t·x",
            "likelihood": straight_likelihood(self.exact, self.discrete),
        }


def matched(field: Field, x: Tensor, velocity: Tensor, t: Tensor, span: Tensor) -> FieldPass:
    """u(x, t, s) and its target v + s·du/dt along the path, the other end t + s fixed. Geng et al. 2025, eq. 6–11.

    From s·u = ∫ₜᵗ⁺ˢ v dτ: by t, −u + s·du/dt = −v, and du/dt = v·∂ₓu + ∂ₜu − ∂ₛu. The target has no gradient.
    """
    along = velocity, torch.ones_like(t), -torch.ones_like(span)
    # autocast leaves derivatives along a direction in another precision than the weights
    with torch.autocast(x.device.type, enabled=False):
        u, change = torch.func.jvp(field, (x, t, span), along)  # type: ignore[misc]
    return FieldPass(u, (velocity + rows(span, x) * change).detach())
