"""Flow matching along straight lines from noise to data."""

import math

import torch
from torch import Tensor

from pushforward.bijections import quantize
from pushforward.diffusion.ode import Solver, density_along, integrate, signs
from pushforward.diffusion.process import Field, Process, Scored, rows
from pushforward.distributions.gaussian import log_standard_normal
from pushforward.domains import Natural
from pushforward.objectives.passes import FieldPass
from pushforward.spec import DataSpec

FINEST = 100
"""Real-valued data are taken to have structure down to 1/FINEST of their unit."""


class FlowMatching(Process):
    """x_t = (1 − t)·ε + t·x, t from 0 to 1; the field predicts dx_t/dt = x − ε. Lipman et al. 2023. Final.

    Data with levels are dequantised, so that they have a density. exact_up_to: dimensions up to which the likelihood's
    trace is exact; beyond, it is Hutchinson's estimate with one probe of signs an image.
    """

    def __init__(self, solver: Solver, exact_up_to: Natural, *, spec: DataSpec) -> None:
        super().__init__(spec)
        self.solver, self.exact = solver, spec.dim <= exact_up_to

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        noise = {
            "noise": self.gaussian(n, generator),
            "time": torch.rand(n, generator=generator, device=generator.device),
        }
        return {**noise, **self.draw_levels(n, generator)}

    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        x1, x0, t = self.real(x, noise), noise["noise"], noise["time"]
        share = rows(t, x1)
        return FieldPass(field((1 - share) * x0 + share * x1, t), x1 - x0)

    def sample(self, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        def slope(x: Tensor, t: float) -> Tensor:
            return field(x, torch.full((n,), t, dtype=x.dtype, device=x.device))

        x, _ = integrate(self.solver, slope, self.gaussian(n, generator), 0.0, 1.0, evaluations)
        return quantize(self.centre.inverse(x), self.spec)

    def log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        """log N(x(0)) − ∫ ∇·v dt along the path that ends in x, up to the solver's error. Chen et al. 2018.

        With s = 1 − t, steps are equal in log(s + δ), δ a level's width: where s nears it, −∇·v grows as D/s, and equal
        steps in t would miss most of the integral.
        """
        x1 = self.real(x, self.draw_levels(len(x), generator))
        probe = None if self.exact else signs(x1, generator)

        width = 1 / (self.spec.levels or FINEST)
        length = math.log1p(1 / width)

        def slope(x: Tensor, u: float) -> Tensor:
            s = width * math.expm1(u * length)
            t = torch.full((len(x),), 1 - s, dtype=x.dtype, device=x.device)
            return -length * (s + width) * field(x, t)

        x0, gain, calls = density_along(slope, x1, 0.0, 1.0, evaluations, probe)
        values = log_standard_normal(x0.flatten(1)) + gain + self.centre.log_det
        return Scored(values.detach(), "estimate", True, {}, calls)

    def describe(self) -> dict[str, str]:
        trace = "exact trace" if self.exact else "Hutchinson's trace"
        return {
            "target": f"x − ε in x_t = (1 − t)·ε + t·x; solved by {type(self.solver).__name__}",
            "likelihood": f"density by the flow's equation, {trace}, Runge–Kutta"
            + (", dequantised" if self.discrete else ""),
        }
