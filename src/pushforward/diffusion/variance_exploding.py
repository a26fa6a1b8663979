"""Diffusions in continuous noise, x_σ = x + σε: EDM's preconditioned denoiser, and the score."""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from pushforward.diffusion.ode import density_along, signs
from pushforward.diffusion.process import EXACT_UP_TO, Field, Process, Scored, rows
from pushforward.diffusion.samplers import Sampler
from pushforward.distributions.gaussian import log_standard_normal
from pushforward.domains import Positive, Real
from pushforward.errors import PushforwardError
from pushforward.objectives.passes import FieldPass
from pushforward.spec import DataSpec


class VarianceExploding(Process):
    """x_σ = x + σε for σ from `low` to `high`, sampled along σ_i with equal steps in σ^{1/ρ}. Karras et al. 2022. Abstract.

    The field is given log σ, scaled to [0, 1] between `low` and `high`.
    """

    def __init__(self, low: Positive, high: Positive, rho: Positive, sampler: Sampler, *, spec: DataSpec) -> None:
        super().__init__(spec)
        if not low < high:
            raise PushforwardError(f"model.process: low={low:g} must be less than high={high:g}")
        self.low, self.high, self.rho, self.sampler = low, high, rho, sampler

    @abstractmethod
    def image(self, field: Field, xs: Tensor, sigma: Tensor) -> Tensor:
        """x̂ of x_σ, unclipped; sigma (n,)."""

    def time(self, sigma: Tensor) -> Tensor:
        """log σ as the field is given it, in [0, 1] between `low` and `high`, (n,)."""
        return (sigma.log() - math.log(self.low)) / math.log(self.high / self.low)

    def levels(self, steps: int) -> Tensor:
        """σ_1 < … < σ_steps, float64. Karras et al. 2022, eq. 5."""
        ends = self.low ** (1 / self.rho), self.high ** (1 / self.rho)
        return torch.linspace(*ends, steps, dtype=torch.float64) ** self.rho if steps > 1 else torch.tensor([self.high])

    def sample(self, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        sigmas = self.levels(self.sampler.steps(evaluations)).double()
        first = self.gaussian(n, generator)
        # x/√(1 + σ²) is √ᾱ·x + √(1 − ᾱ)·ε with ᾱ = 1/(1 + σ²): the samplers of chains take it so
        log_alpha_bar = -torch.log1p(sigmas.square()).to(first.device)

        def denoise(x: Tensor, i: int) -> Tensor:
            sigma = float(sigmas[i])
            return self.bounded(self.image(field, x * math.hypot(1, sigma), x.new_full((n,), sigma)))

        scale = self.high / math.hypot(1, self.high)
        x = self.sampler(denoise, log_alpha_bar, scale * first, lambda: self.gaussian(n, generator))
        return self.on_levels(self.centre.inverse(x))

    def log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        """log p(x) by the probability flow dx/d log σ = x − x̂, up to the solver's error. Song et al. 2021, app. D.

        Of data with levels the mass is bounded by the density of x_σ at the σ of a level's half width, as in `DDPM`; of
        real-valued data the density at the least σ stands for x's.
        """
        x0 = self.centre(x)
        probe = None if self.spec.dim <= EXACT_UP_TO else signs(x0, generator)

        def slope(xs: Tensor, u: float) -> Tensor:
            return xs - self.image(field, xs, xs.new_full((len(xs),), math.exp(u)))

        def density(xs: Tensor, sigma: float, calls: int) -> tuple[Tensor, int]:
            end, gain, spent = density_along(slope, xs, math.log(sigma), math.log(self.high), calls, probe)
            base = log_standard_normal(end.flatten(1) / self.high) - self.spec.dim * math.log(self.high)
            return (base + gain).detach(), spent

        if not self.discrete:
            values, calls = density(x0, self.low, evaluations)
            return Scored(values + self.centre.log_det, "estimate", True, {}, calls)
        sigma = max(self.low, self.least)
        eps = self.gaussian(len(x), generator).to(x0)
        xs = x0 + sigma * eps
        values, calls = density(xs, sigma, max(1, evaluations - 1))
        mean = self.bounded(self.image(field, xs, xs.new_full((len(xs),), sigma)))
        return Scored(self.mass(values, x0, mean, eps, xs.new_tensor(sigma)), "estimate", False, {}, calls + 1)

    def likelihood(self) -> str:
        return "probability flow by Runge–Kutta" + (", its mass of levels a bound" if self.discrete else "")


class EDM(VarianceExploding):
    """x̂ = c_skip·x_σ + c_out·F(c_in·x_σ, σ), log σ ~ N(mean, std²). Karras, Aittala, Aila & Laine 2022. Final.

    The field F has a target of unit variance, (x − c_skip·x_σ)/c_out; its squared error is λ(σ)‖x̂ − x‖² with λ = 1/c_out².
    data_std: σ_data, of the data scaled to [−1, 1], or as they are where they have no bounds.
    """

    def __init__(
        self,
        low: Positive,
        high: Positive,
        rho: Positive,
        sampler: Sampler,
        data_std: Positive,
        mean: Real,
        std: Positive,
        *,
        spec: DataSpec,
    ) -> None:
        super().__init__(low, high, rho, sampler, spec=spec)
        self.data_std, self.mean, self.std = data_std, mean, std

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "level": torch.randn(n, generator=generator, device=generator.device),
            "noise": self.gaussian(n, generator),
        }

    def scales(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """c_skip, c_out and c_in. Karras et al. 2022, table 1."""
        total = sigma.square() + self.data_std**2
        return self.data_std**2 / total, sigma * self.data_std / total.sqrt(), 1 / total.sqrt()

    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        x0 = self.centre(x)
        sigma = (self.mean + self.std * noise["level"]).exp().clamp(self.low, self.high)
        skip, out, into = (rows(scale, x0) for scale in self.scales(sigma))
        xs = x0 + rows(sigma, x0) * noise["noise"]
        return FieldPass(field(into * xs, self.time(sigma)), (x0 - skip * xs) / out)

    def image(self, field: Field, xs: Tensor, sigma: Tensor) -> Tensor:
        skip, out, into = (rows(scale, xs) for scale in self.scales(sigma))
        return skip * xs + out * field(into * xs, self.time(sigma))

    def describe(self) -> dict[str, str]:
        return {
            "target": f"(x − c_skip·x_σ)/c_out in x_σ = x + σε, log σ ~ N({self.mean:g}, {self.std:g}²), "
            f"σ_data = {self.data_std:g}; sampled by {self.sampler.describe()}",
            "likelihood": self.likelihood(),
        }


class ScoreMatching(VarianceExploding):
    """σ·∇log p(x_σ) ≈ −f(x_σ/√(1 + σ²), σ), log σ uniform: denoising score matching. Song et al. 2021, eq. 7. Final.

    The field's target is ε, so its squared error is σ²‖s − ∇log p(x_σ|x)‖², the weighting λ(σ) = σ² of the paper.
    """

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "level": torch.rand(n, generator=generator, device=generator.device),
            "noise": self.gaussian(n, generator),
        }

    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        x0, eps = self.centre(x), noise["noise"]
        sigma = self.low * (self.high / self.low) ** noise["level"]
        return FieldPass(self.field(field, x0 + rows(sigma, x0) * eps, sigma), eps)

    def field(self, field: Field, xs: Tensor, sigma: Tensor) -> Tensor:
        return field(xs * rows(torch.rsqrt(1 + sigma.square()), xs), self.time(sigma))

    def image(self, field: Field, xs: Tensor, sigma: Tensor) -> Tensor:
        return xs - rows(sigma, xs) * self.field(field, xs, sigma)

    def describe(self) -> dict[str, str]:
        return {
            "target": f"−σ∇log p(x_σ) in x_σ = x + σε, log σ uniform from {self.low:g} to {self.high:g}; "
            f"sampled by {self.sampler.describe()}",
            "likelihood": self.likelihood(),
        }
