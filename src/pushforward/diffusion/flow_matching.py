"""Flow matching along straight lines from noise to data."""

import math

import torch
from torch import Tensor

from pushforward.bijections import quantize
from pushforward.diffusion.coupling import OptimalTransport, Pairs, Reflow
from pushforward.diffusion.ode import Slope, Solver, density_along, integrate, positions, signs
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
    trace is exact; beyond, it is Hutchinson's estimate with one probe of signs an image. coupling: pairs a batch's noise
    with its images; None: they are independent. reflow: `pairs` of noise and image are learnt instead, where there are any.
    """

    def __init__(
        self,
        solver: Solver,
        exact_up_to: Natural,
        coupling: OptimalTransport | None = None,
        reflow: Reflow | None = None,
        *,
        spec: DataSpec,
    ) -> None:
        super().__init__(spec)
        self.solver, self.exact = solver, spec.dim <= exact_up_to
        self.coupling, self.reflow = coupling, reflow
        self.pairs: Pairs | None = None

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        if self.pairs is not None:
            device, dtype = generator.device, torch.get_default_dtype()
            self.pairs = self.pairs.to(device, dtype)
            rows = torch.randint(len(self.pairs.noise), (n,), generator=generator, device=device)
            return {**self.pairs.chosen(rows), "time": torch.rand(n, generator=generator, device=device)}
        noise = {
            "noise": self.gaussian(n, generator),
            "time": torch.rand(n, generator=generator, device=generator.device),
        }
        return {**noise, **self.draw_levels(n, generator)}

    def paired(self, x: Tensor, noise: dict[str, Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        if self.coupling is None:
            return noise
        return {**noise, "noise": self.coupling(self.real(x, noise), noise["noise"], labels)}

    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        x1 = noise["end"] if "end" in noise else self.real(x, noise)
        x0, t = noise["noise"], noise["time"]
        share = rows(t, x1)
        return FieldPass(field((1 - share) * x0 + share * x1, t), x1 - x0)

    def sample(self, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        x = self.end(field, self.gaussian(n, generator), evaluations)
        return quantize(self.centre.inverse(x), self.spec)

    def end(self, field: Field, x: Tensor, evaluations: int) -> Tensor:
        """The end of the path that begins in x, centred and off the data's levels, (n, *shape)."""
        return integrate(self.solver, slope_of(field), x, 0.0, 1.0, evaluations)[0]

    def path(self, field: Field, x: Tensor, evaluations: int) -> Tensor:
        """The path that begins in x, in equal steps of t, (n, steps + 1, *shape), centred."""
        steps = max(1, evaluations // self.solver.evaluations)
        return torch.stack([x, *positions(self.solver, slope_of(field), x, 0.0, 1.0, steps)], 1)

    def log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        return straight_log_prob(self, field, x, generator, evaluations, self.exact)

    def describe(self) -> dict[str, str]:
        pairs = "; ε and x paired by optimal transport in a batch" if self.coupling else ""
        if self.reflow:
            pairs += "; ε and x paired by the flow that init_from names, else independent"
        return {
            "target": f"x − ε in x_t = (1 − t)·ε + t·x{pairs}; solved by {type(self.solver).__name__}",
            "likelihood": straight_likelihood(self.exact, self.discrete),
        }


def slope_of(field: Field) -> Slope:
    """The field as a function of one time for all of x."""
    return lambda x, t: field(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device))


def straight_log_prob(
    process: Process, velocity: Field, x: Tensor, generator: torch.Generator, evaluations: int, exact: bool
) -> Scored:
    """log N(x(0)) − ∫ ∇·v dt along the path that ends in x, up to the solver's error. Chen et al. 2018.

    With s = 1 − t, steps are equal in log(s + δ), δ a level's width: where s nears it, −∇·v grows as D/s, and equal
    steps in t would miss most of the integral.
    """
    x1 = process.real(x, process.draw_levels(len(x), generator))
    probe = None if exact else signs(x1, generator)

    width = 1 / (process.spec.levels or FINEST)
    length = math.log1p(1 / width)

    def slope(x: Tensor, u: float) -> Tensor:
        s = width * math.expm1(u * length)
        t = torch.full((len(x),), 1 - s, dtype=x.dtype, device=x.device)
        return -length * (s + width) * velocity(x, t)

    x0, gain, calls = density_along(slope, x1, 0.0, 1.0, evaluations, probe)
    values = log_standard_normal(x0.flatten(1)) + gain + process.centre.log_det
    return Scored(values.detach(), "estimate", True, {}, calls)


def straight_likelihood(exact: bool, dequantised: bool) -> str:
    """The kind of `straight_log_prob`, in a phrase."""
    trace = "exact trace" if exact else "Hutchinson's trace"
    return f"density by the flow's equation, {trace}, Runge–Kutta" + (", dequantised" if dequantised else "")
