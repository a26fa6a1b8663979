"""Denoising diffusion in discrete time."""

import math
from typing import Literal

import torch
from torch import Tensor

from pushforward.diffusion.chain import by_log_snr, chain_of, evenly, finest
from pushforward.diffusion.noise_schedules import Betas
from pushforward.diffusion.ode import density_along, signs
from pushforward.diffusion.process import EXACT_UP_TO, Field, Process, Scored, rows
from pushforward.diffusion.samplers import Sampler
from pushforward.distributions.gaussian import kl_standard_normal, log_standard_normal
from pushforward.errors import PushforwardError
from pushforward.objectives.passes import FieldPass
from pushforward.spec import DataSpec

ENOUGH = 7.0
"""λ = log σ/α at which the data are gone: α < 1e-3, so N(0, I) is right to α·‖x‖, a hundredth of a nat."""
PREDICTIONS = {"noise": "ε", "image": "x", "velocity": "v = √ᾱ_t·ε − √(1 − ᾱ_t)·x"}


class DDPM(Process):
    """x_t = √ᾱ_t x₀ + √(1 − ᾱ_t) ε; the field predicts ε, x₀ or v = √ᾱ_t ε − √(1 − ᾱ_t) x₀. Ho et al. 2020. Final.

    schedule: β_1 … β_T. sampler: steps along levels of the chain. predicts: noise, image or velocity (Salimans & Ho 2022).
    """

    gives = frozenset({"field", "bound", "snr"})
    betas: Tensor
    log_alpha_bar: Tensor
    drop: Tensor
    spare: Tensor

    def __init__(
        self,
        schedule: Betas,
        sampler: Sampler,
        predicts: Literal["noise", "image", "velocity"] = "noise",
        *,
        spec: DataSpec,
    ) -> None:
        super().__init__(spec)
        if predicts not in PREDICTIONS:
            raise PushforwardError(f"model.process.predicts={predicts}: choose from {', '.join(PREDICTIONS)}")
        self.sampler, self.predicts = sampler, predicts
        betas = schedule.betas()
        if not bool(((betas > 0) & (betas < 1)).all()):
            raise PushforwardError("model.process.schedule: every β must lie between 0 and 1")
        chain = chain_of(betas, torch.arange(1, len(betas) + 1), wide=not self.discrete)
        self.timesteps = len(betas)
        # tables are buffers, so that replicas with different schedules can be stacked
        self.register_buffer("betas", betas, persistent=False)
        self.register_buffer("log_alpha_bar", chain.log_alpha_bar.float(), persistent=False)
        self.register_buffer("drop", chain.drop.float(), persistent=False)
        self.register_buffer("spare", chain.spare.float(), persistent=False)

    def draw(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "time": torch.rand(n, generator=generator, device=generator.device),
            "noise": self.gaussian(n, generator),
        }

    def noised(self, field: Field, x: Tensor, noise: dict[str, Tensor]) -> FieldPass:
        x0, eps = self.centre(x), noise["noise"]
        i = (noise["time"] * self.timesteps).long().clamp(max=self.timesteps - 1)
        log_alpha_bar = rows(self.log_alpha_bar[i], x0)
        alpha, sigma = self.scales(log_alpha_bar)
        xt = alpha * x0 + sigma * eps
        prediction = field(xt, (i + 1) / self.timesteps)

        def bound() -> Tensor:
            # unclipped: where x̂₀ is clipped it has no gradient
            denoised = self.image(xt, prediction, alpha, sigma)
            first = torch.exp(0.5 * torch.log(-torch.expm1(self.log_alpha_bar[0])))
            later = self.drop[i] * square(x0 - denoised) + self.spare[i] * self.spec.dim
            step = torch.where(i == 0, self.decoder(x0, denoised, first), later)
            return self.prior(x0, self.log_alpha_bar[-1]) + self.timesteps * step

        target = {"noise": eps, "image": x0, "velocity": None}[self.predicts]
        if target is None:
            target = alpha * eps - sigma * x0
        return FieldPass(prediction, target, bound, self.snr(log_alpha_bar), self.per_error(log_alpha_bar))

    def image(self, xt: Tensor, prediction: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """x̂₀ of the field's output at x_t = αx₀ + σε, (n, *shape)."""
        if self.predicts == "noise":
            return (xt - sigma * prediction) / alpha
        return prediction if self.predicts == "image" else alpha * xt - sigma * prediction

    def noise_of(self, xt: Tensor, prediction: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """ε̂ of the field's output at x_t = αx₀ + σε, (n, *shape)."""
        if self.predicts == "noise":
            return prediction
        return (xt - alpha * prediction) / sigma if self.predicts == "image" else sigma * xt + alpha * prediction

    @staticmethod
    def snr(log_alpha_bar: Tensor) -> Tensor:
        """ᾱ_t/(1 − ᾱ_t), (n,)."""
        return 1 / torch.expm1(-log_alpha_bar.flatten())

    def per_error(self, log_alpha_bar: Tensor) -> Tensor:
        """‖x₀ − x̂₀‖² over the squared error of the field, (n,)."""
        la = log_alpha_bar.flatten()
        if self.predicts == "image":
            return torch.ones_like(la)
        return torch.expm1(-la) if self.predicts == "noise" else -torch.expm1(la)

    def denoised(self, field: Field, xt: Tensor, t: Tensor, log_alpha_bar: Tensor) -> Tensor:
        """x̂₀, in the data's range where they have one."""
        prediction = field(xt, (t / self.timesteps).to(xt).expand(len(xt)))
        x0 = self.image(xt, prediction, *(scale.to(xt) for scale in self.scales(log_alpha_bar)))
        return self.bounded(x0)

    def sample(self, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        return self.sample_by(self.sampler, field, n, generator, evaluations)

    def sample_by(self, sampler: Sampler, field: Field, n: int, generator: torch.Generator, evaluations: int) -> Tensor:
        """As `sample`, by another sampler."""
        steps = min(sampler.steps(evaluations), self.timesteps)
        chain = chain_of(self.betas, evenly(self.betas, steps))

        def denoise(x: Tensor, i: int) -> Tensor:
            return self.denoised(field, x, chain.t[i], chain.log_alpha_bar[i])

        def gaussian() -> Tensor:
            return self.gaussian(n, generator).to(self.log_alpha_bar)

        x = sampler(denoise, chain.log_alpha_bar, gaussian(), gaussian)
        return self.on_levels(self.centre.inverse(x))

    def log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        """The ELBO of a chain of at most `evaluations` steps, with one draw of each x_i. Ho et al. 2020, eq. 5.

        rate: KL(q(x_T|x₀) ‖ N(0, I)) + Σᵢ KL(q(x_{i−1}|x_i, x₀) ‖ p(x_{i−1}|x_i)); distortion: −log p(x₀|x₁).
        """
        levels = by_log_snr(self.betas, min(evaluations, self.timesteps), self.least)
        chain = chain_of(self.betas, levels, wide=not self.discrete)
        x0 = self.centre(x)
        rate, distortion = self.prior(x0, chain.log_alpha_bar[-1].to(x0)), None
        for i in range(len(chain.t)):
            now = chain.log_alpha_bar[i]
            alpha, sigma = (scale.to(x0) for scale in self.scales(now))
            xt = alpha * x0 + sigma * self.gaussian(len(x), generator).to(x0)
            denoised = self.denoised(field, xt, chain.t[i], now)
            if i == 0:
                distortion = self.decoder(x0, denoised, sigma)
            else:
                rate = rate + chain.drop[i].to(x0) * square(x0 - denoised) + chain.spare[i].to(x0) * self.spec.dim
        assert distortion is not None
        parts = {"rate": rate, "distortion": distortion}
        return Scored(-rate - distortion, "lower bound", not self.discrete, parts, len(chain.t))

    def flow_log_prob(self, field: Field, x: Tensor, generator: torch.Generator, evaluations: int) -> Scored:
        """log p(x) by the probability flow, up to the solver's error, with one draw of noise. Song et al. 2021, app. D.

        The flow gives the density of x_i at the least noise of the chain. Of data with levels the mass is bounded by it as
        the chain's own is, log p(x_i) + log p(x₀|x_i) − log q(x_i|x₀) with x_i ~ q(x_i|x₀): the model knows levels under
        noise, and has no density of uniformly dequantised ones. Of real-valued data the density at αx stands for x's.
        """
        x0, first = self.centre(x), finest(self.betas, self.least) - 1
        alpha, sigma = self.scales(self.log_alpha_bar[first])
        if not self.discrete:
            values, calls = self.density_of(field, alpha * x0, first, generator, evaluations)
            return Scored(values + self.spec.dim * alpha.log() + self.centre.log_det, "estimate", True, {}, calls)
        eps = self.gaussian(len(x), generator).to(x0)
        xt = alpha * x0 + sigma * eps
        values, calls = self.density_of(field, xt, first, generator, max(1, evaluations - 1))
        t = torch.as_tensor(first + 1, device=x0.device)
        mean = self.denoised(field, xt, t, self.log_alpha_bar[first])
        return Scored(self.mass(values, x0, mean, eps, sigma), "estimate", False, {}, calls + 1)

    def density_of(
        self, field: Field, xt: Tensor, first: int, generator: torch.Generator, evaluations: int
    ) -> tuple[Tensor, int]:
        """log-density of x_t at a level counted from 0, nats, (n,), by the flow from there, and calls of the field.

        In λ = log σ_t/α_t the flow is dx/dλ = −σ²x + σε̂(x, t). It ends at the last level, or at λ = `ENOUGH`. Steps are
        equal in u = log w, w(1 + w) = σ/α: as in λ where the data are near, and twice as long where all is noise and
        little moves.
        """
        noise_levels = 0.5 * torch.log(torch.expm1(-self.log_alpha_bar.double()))

        def slope(x: Tensor, u: float) -> Tensor:
            w = math.exp(u)
            noise_level = u + math.log1p(w)
            variance = noise_levels.new_tensor(2 * noise_level).sigmoid().to(x)
            t = position(noise_levels, noise_level) / self.timesteps
            out = field(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device))
            eps = self.noise_of(x, out, (1 - variance).sqrt(), variance.sqrt())
            return (1 + w / (1 + w)) * (variance.sqrt() * eps - variance * x)

        ends = float(noise_levels[first]), min(float(noise_levels[-1]), ENOUGH)
        start, end = (math.log(0.5 * math.sqrt(1 + 4 * math.exp(v)) - 0.5) for v in ends)
        probe = None if self.spec.dim <= EXACT_UP_TO else signs(xt, generator)
        xT, gain, calls = density_along(slope, xt, start, end, evaluations, probe)
        return (log_standard_normal(xT.flatten(1)) + gain).detach(), calls

    @staticmethod
    def scales(log_alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
        """α and σ of x_t = αx₀ + σε."""
        return torch.exp(0.5 * log_alpha_bar), torch.sqrt(-torch.expm1(log_alpha_bar))

    def prior(self, x0: Tensor, log_alpha_bar: Tensor) -> Tensor:
        """KL(q(x_T|x₀) ‖ N(0, I)), nats per image, (n,)."""
        mean = (torch.exp(0.5 * log_alpha_bar) * x0).flatten(1)
        log_std = 0.5 * torch.log(-torch.expm1(log_alpha_bar))
        return kl_standard_normal(mean, log_std.expand_as(mean)).sum(1)

    def decoder(self, x0: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
        """−log p(x₀|x₁), nats per image, (n,): of x₀'s level under N(x̂₀, σ²), or of the density of real-valued data."""
        if self.discrete:
            return -self.log_mass(x0, mean, sigma)
        e = (x0 - mean) / sigma
        return (0.5 * e.square() + sigma.log() + 0.5 * math.log(2 * math.pi)).flatten(1).sum(1) - self.centre.log_det

    def describe(self) -> dict[str, str]:
        mass = "of levels" if self.discrete else "of a density"
        return {
            "target": f"{PREDICTIONS[self.predicts]} in x_t = √ᾱ_t·x + √(1 − ᾱ_t)·ε, T = {self.timesteps}; "
            f"sampled by {self.sampler.describe()}",
            "likelihood": f"variational bound {mass}",
            "flow": "probability flow by Runge–Kutta" + (", its mass of levels a bound" if self.discrete else ""),
        }


def position(table: Tensor, value: float) -> float:
    """The position of `value` in a rising table, counted from 1, by linear interpolation."""
    i = int(torch.searchsorted(table, value).clamp(1, len(table) - 1))
    low, high = float(table[i - 1]), float(table[i])
    return min(max(i + (value - low) / (high - low), 1.0), float(len(table)))


def square(e: Tensor) -> Tensor:
    """‖e‖² per image, (n,)."""
    return e.square().flatten(1).sum(1)
