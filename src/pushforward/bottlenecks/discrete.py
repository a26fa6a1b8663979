"""Bottlenecks whose posteriors are over discrete codes: one-hot vectors, relaxed or straight through, and bits."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from pushforward.bottlenecks.bottleneck import Bottleneck, affine
from pushforward.bottlenecks.code import BITS, ONE_HOT, Code, Codes, Posterior, Shape, flat, shaped
from pushforward.distributions.discrete import gumbel
from pushforward.domains import Count, Domain, NonNegative, Positive
from pushforward.errors import PushforwardError
from pushforward.numbers import number


@dataclass(frozen=True)
class CategoricalPosterior(Posterior):
    """Independent categorical variables, log p (n, variables, classes); a code is their one-hot vectors end to end."""

    log_p: Tensor

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.log_p.exp().flatten(-2)

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """One-hot vectors at the largest log p + Gumbel noise, of uniform noise (…, n, variables·classes)."""
        z = one_hot(self.perturbed(noise)).flatten(-2)
        return z, self.log_prob(z)

    def perturbed(self, noise: Tensor) -> Tensor:
        """log p + Gumbel noise, (…, n, variables, classes)."""
        return self.log_p + gumbel(noise).unflatten(-1, self.log_p.shape[-2:])

    def log_prob(self, z: Tensor) -> Tensor:
        return (z * self.log_p.flatten(-2)).sum(-1)


class Relaxed(Bottleneck):
    """Discrete variables with a gradient through a relaxation of their draws. Abstract.

    τ = max(floor, temperature·exp(−rate·epochs)). The decoder is trained on relaxed codes, and terms are reported of the
    discrete ones at the same noise; straight_through: it is trained on these, with the gradient of the relaxed (Jang, Gu &
    Poole 2017, sec. 2.2), or, gumbel: false, with that of the probabilities (Bengio, Léonard & Courville 2013).
    """

    gives = frozenset({"code", "posterior"})
    temperature: Tensor
    floor: Tensor
    rate: Tensor

    def __init__(
        self, temperature: Positive, floor: Positive, rate: NonNegative, straight_through: bool, gumbel: bool
    ) -> None:
        super().__init__()
        if not (gumbel or straight_through):
            raise PushforwardError(
                "bottleneck.gumbel=false: without noise in the relaxation draws are discrete alone; use straight_through=true"
            )
        self.straight_through, self.gumbel = straight_through, gumbel
        number(self, "temperature", temperature)
        number(self, "floor", floor)
        number(self, "rate", rate)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, self.dim, generator=generator, device=generator.device)

    def annealed(self, epochs: Tensor | None) -> Tensor:
        """τ after so many epochs."""
        if epochs is None:
            return self.temperature
        return torch.maximum(self.floor, self.temperature * torch.exp(-self.rate * epochs))

    def trained_on(self, exact: Tensor, relaxed: Tensor, q: Posterior) -> Code:
        """The code of a step, of flat ones. relaxed: what has the gradient."""
        if self.straight_through:
            return Code(shaped(relaxed + (exact - relaxed).detach(), self.shapes), q)
        return Code(shaped(relaxed, self.shapes), q, exact=shaped(exact, self.shapes))

    def how(self) -> str:
        """The gradient, in a phrase."""
        if not self.gumbel:
            return "straight through to their probabilities"
        return "straight through" if self.straight_through else "relaxed in training"


class Categorical(Relaxed):
    """`code_dim` variables of `classes` classes, relaxed to softmax((log p + Gumbel noise)/τ). Jang, Gu & Poole 2017."""

    support = ONE_HOT

    def __init__(
        self,
        in_shape: Shape,
        code_dim: Count,
        classes: Annotated[int, Domain(2)],
        temperature: Positive,
        floor: Positive,
        rate: NonNegative,
        straight_through: bool,
        gumbel: bool = True,
    ) -> None:
        super().__init__(temperature, floor, rate, straight_through, gumbel)
        if len(in_shape) > 1:
            raise PushforwardError("bottleneck: Categorical makes vectors; use model.code=vector")
        self.shapes, self.variables, self.classes = ((code_dim * classes,),), code_dim, classes
        self.linear = affine(in_shape, code_dim * classes)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        q = CategoricalPosterior(self.linear(features).unflatten(-1, (self.variables, -1)).log_softmax(-1))
        if noise is None:
            return Code(q.mean, q)
        perturbed = q.perturbed(noise)
        exact = one_hot(perturbed).flatten(-2)
        if not self.gumbel:
            return self.trained_on(exact, q.mean, q)
        return self.trained_on(exact, (perturbed / self.annealed(epochs)).softmax(-1).flatten(-2), q)

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        return one_hot(z.unflatten(-1, (self.variables, -1))).flatten(-2)

    def describe(self) -> str:
        return f"{self.variables} variables of {self.classes} classes, {self.how()}"


def one_hot(value: Tensor) -> Tensor:
    """One-hot vectors of the largest along the last axis, without a gradient."""
    classes = torch.arange(value.shape[-1], device=value.device)
    return (value.argmax(-1, keepdim=True) == classes).to(value.dtype)


@dataclass(frozen=True)
class BernoulliPosterior(Posterior):
    """Independent bits, logits (n, d)."""

    logits: Tensor

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.logits.sigmoid()

    @property
    def log_p(self) -> Tensor:
        """log of the probabilities of 0 and 1, (n, d, 2)."""
        return torch.stack((F.logsigmoid(-self.logits), F.logsigmoid(self.logits)), -1)

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """1 where uniform noise, (…, n, d), is below the probability."""
        z = (noise < self.mean).to(self.logits.dtype)
        return z, self.log_prob(z)

    def log_prob(self, z: Tensor) -> Tensor:
        return (z * F.logsigmoid(self.logits) + (1 - z) * F.logsigmoid(-self.logits)).sum(-1)


class Bernoulli(Bottleneck):
    """Bits, each 1 with the probability σ(W h + b). Their only gradient is the score function's. Mnih & Gregor 2014."""

    gives = frozenset({"code", "posterior"})
    support = BITS
    gradients = ("score",)

    def __init__(self, in_shape: Shape, code_dim: Count) -> None:
        super().__init__()
        self.shapes = ((code_dim, *in_shape[1:]),)
        self.linear = affine(in_shape, code_dim)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, self.dim, generator=generator, device=generator.device)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        q = BernoulliPosterior(flat(self.linear(features), self.shapes))
        return Code(shaped(q.mean if noise is None else q.draw(noise)[0], self.shapes), q)

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        return (z >= 0.5).to(z.dtype)

    def describe(self) -> str:
        return f"Bernoulli posterior over bits of {self.size()}"


class RelaxedBernoulli(Relaxed):
    """Bits of probability σ(W h + b), relaxed to σ((W h + b + logit u)/τ), u uniform. Maddison, Mnih & Teh 2017, sec. 3.3.

    The difference of two Gumbel draws is logistic: `Categorical` of two classes, of which the decoder sees one.
    """

    support = BITS

    def __init__(
        self,
        in_shape: Shape,
        code_dim: Count,
        temperature: Positive,
        floor: Positive,
        rate: NonNegative,
        straight_through: bool,
        gumbel: bool = True,
    ) -> None:
        super().__init__(temperature, floor, rate, straight_through, gumbel)
        self.shapes = ((code_dim, *in_shape[1:]),)
        self.linear = affine(in_shape, code_dim)

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        q = BernoulliPosterior(flat(self.linear(features), self.shapes))
        if noise is None:
            return Code(shaped(q.mean, self.shapes), q)
        # 1 where u < p, as `BernoulliPosterior.draw` has it: where logit p − logit u > 0
        perturbed = q.logits - noise.clamp(1e-30, 1 - 2.0**-24).logit()
        exact = (perturbed > 0).to(perturbed.dtype)
        relaxed = q.mean.expand_as(exact) if not self.gumbel else (perturbed / self.annealed(epochs)).sigmoid()
        return self.trained_on(exact, relaxed, q)

    def valid(self, z: Codes) -> Codes:
        assert isinstance(z, Tensor)
        return (z >= 0.5).to(z.dtype)

    def describe(self) -> str:
        return f"bits of {self.size()}, {self.how()}"
