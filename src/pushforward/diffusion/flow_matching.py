"""Flow matching along straight lines from noise to data."""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from pushforward.bijections import quantize
from pushforward.diffusion.coupling import OptimalTransport, Pairs, Reflow
from pushforward.diffusion.ode import Slope, Solver, density_along, integrate, positions, signs
from pushforward.diffusion.process import Field, Process, Scored, rows
from pushforward.distributions.gaussian import log_standard_normal
from pushforward.domains import Decay, Natural, Positive
from pushforward.errors import PushforwardError
from pushforward.numbers import number
from pushforward.objectives.passes import FieldPass
from pushforward.spec import DataSpec

FINEST = 100
"""Real-valued data are taken to have structure down to 1/FINEST of their unit."""


class Start(Protocol):
    """A density in the plane that paths may begin in, in place of N(0, I)."""

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """n points, (n, 2), and what they belong to; drawn on the CPU."""
        ...

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x), nats, (n,)."""
        ...


class FlowMatching(Process):
    """x_t = (1 − t)·ε + t·x, t from 0 to 1; the field predicts dx_t/dt = x − ε. Lipman et al. 2023. Final.

    sigma: x_t has Gaussian noise of this width beside (Tong et al. 2024, sec. 3.2: I-CFM, and with a coupling OT-CFM).
    sigma_min: ε shrinks to this width and not to 0, x_t = (1 − (1 − σ)t)·ε + t·x (Lipman et al. 2023, eq. 22). start: where
    ε comes from, of points in the plane; None: N(0, I).
    Data with levels are dequantised, so that they have a density. exact_up_to: dimensions up to which the likelihood's
    trace is exact; beyond, it is Hutchinson's estimate with one probe of signs an image. coupling: pairs a batch's noise
    with its images; None: they are independent. reflow: `pairs` of noise and image are learnt instead, where there are any.
    """

    sigma: Tensor
    shrinks: Tensor

    def __init__(
        self,
        solver: Solver,
        exact_up_to: Natural,
        coupling: OptimalTransport | None = None,
        reflow: Reflow | None = None,
        sigma: Positive | None = None,
        sigma_min: Decay | None = None,
        start: Start | None = None,
        *,
        spec: DataSpec,
    ) -> None:
        super().__init__(spec)
        if start is not None and (spec.bounded or spec.shape != (2,)):
            raise PushforwardError(
                "model.process.start: it is a density of points in the plane; use data=toy2d, or null"
            )
        self.solver, self.exact, self.start = solver, spec.dim <= exact_up_to, start
        self.blurred = sigma is not None
        number(self, "sigma", sigma or 0.0)
        number(self, "shrinks", 1 - (sigma_min or 0.0))
        self.coupling, self.reflow = coupling, reflow
        self.pairs: Pairs | None = None

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        if self.pairs is not None:
            device, dtype = generator.device, torch.get_default_dtype()
            self.pairs = self.pairs.to(device, dtype)
            rows = torch.randint(len(self.pairs.noise), (n,), generator=generator, device=device)
            return {**self.pairs.chosen(rows), "time": torch.rand(n, generator=generator, device=device)}
        noise = {
            "noise": self.begin(n, generator),
            "time": torch.rand(n, generator=generator, device=generator.device),
        }
        blur = {"blur": self.gaussian(n, generator)} if self.blurred else {}
        return {**noise, **blur, **self.draw_levels(n, generator)}

    def begin(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws of ε, (n, *shape)."""
        if self.start is None:
            return self.gaussian(n, generator)
        if generator.device.type != "cpu":
            seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
            points, _ = self.start.sample(n, torch.Generator().manual_seed(int(seed)))
        else:
            points, _ = self.start.sample(n, generator)
        return points.to(generator.device, torch.get_default_dtype())

    def paired(self, x: Tensor, noise: dict[str, Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        if self.coupling is None:
            return noise
        return {**noise, "noise": self.coupling(self.real(x, noise), noise["noise"], labels)}

    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        x1 = noise["end"] if "end" in noise else self.real(x, noise)
        x0, t = noise["noise"], noise["time"]
        share = rows(t, x1)
        xt = (1 - self.shrinks * share) * x0 + share * x1
        if self.blurred:
            xt = xt + self.sigma * noise["blur"]
        return FieldPass(field(xt, t), x1 - self.shrinks * x0)

    def sample(self, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        x = self.end(field, self.begin(n, generator), evaluations)
        return quantize(self.centre.inverse(x), self.spec)

    def end(self, field: Field, x: Tensor, evaluations: int) -> Tensor:
        """The end of the path that begins in x, centred and off the data's levels, (n, *shape)."""
        return integrate(self.solver, slope_of(field), x, 0.0, 1.0, evaluations)[0]

    def path(self, field: Field, x: Tensor, evaluations: int) -> Tensor:
        """The path that begins in x, in equal steps of t, (n, steps + 1, *shape), centred."""
        steps = max(1, evaluations // self.solver.evaluations)
        return torch.stack([x, *positions(self.solver, slope_of(field), x, 0.0, 1.0, steps)], 1)

    def log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        log_start = log_standard_normal if self.start is None else self.start.log_prob
        return straight_log_prob(self, field, x, generator, evaluations, self.exact, log_start)

    def describe(self) -> dict[str, str]:
        pairs = "; ε and x paired by optimal transport in a batch" if self.coupling else ""
        if self.reflow:
            pairs += "; ε and x paired by the flow that init_from names, else independent"
        if self.blurred:
            pairs += f"; beside it N(0, {float(self.sigma):g}²)"
        if self.start is not None:
            pairs += "; ε from another density than N(0, I)"
        left = 1 - float(self.shrinks)
        path = f"x − {1 - left:g}·ε in x_t = (1 − {1 - left:g}·t)·ε + t·x" if left else "x − ε in x_t = (1 − t)·ε + t·x"
        return {
            "target": f"{path}{pairs}; solved by {type(self.solver).__name__}",
            "likelihood": straight_likelihood(self.exact, self.discrete),
        }


def slope_of(field: Field) -> Slope:
    """The field as a function of one time for all of x."""
    return lambda x, t: field(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device))


def straight_log_prob(
    process: Process,
    velocity: Field,
    x: Tensor,
    generator: torch.Generator,
    evaluations: int,
    exact: bool,
    log_start: Callable[[Tensor], Tensor] = log_standard_normal,
) -> Scored:
    """log p₀(x(0)) − ∫ ∇·v dt along the path that ends in x, up to the solver's error. Chen et al. 2018.

    log_start: log p₀ of where the paths begin.

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
    values = log_start(x0.flatten(1)) + gain + process.centre.log_det
    return Scored(values.detach(), "estimate", True, {}, calls)


def straight_likelihood(exact: bool, dequantised: bool) -> str:
    """The kind of `straight_log_prob`, in a phrase."""
    trace = "exact trace" if exact else "Hutchinson's trace"
    return f"density by the flow's equation, {trace}, Runge–Kutta" + (", dequantised" if dequantised else "")
