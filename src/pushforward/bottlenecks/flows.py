"""Bottlenecks whose posterior is a Gaussian carried by a flow: inverse autoregressive steps, and planar ones."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pushforward.bijections.autoregressive import gated_autoregressive
from pushforward.bottlenecks.bottleneck import Bottleneck, affine
from pushforward.bottlenecks.code import Code, GaussianPosterior, Posterior, Shape
from pushforward.domains import Count, Natural, Real
from pushforward.errors import PushforwardError

Steps = Callable[[Tensor], tuple[Tensor, Tensor]]


class FlowPosterior(Posterior):
    """f(z₀), z₀ ~ N(μ, diag σ²): log q(z|x) = log N(z₀; μ, σ²) − log |det ∂f/∂z₀|, known of its own draws alone.

    steps: z₀ (…, n, d) to f(z₀) and log |det ∂f/∂z₀|, (…, n).
    """

    def __init__(self, base: GaussianPosterior, steps: Steps) -> None:
        self.base, self.steps = base, steps

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """f(μ), which represents the code."""
        return self.steps(self.base.mean)[0]

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        z, log_q = self.base.draw(noise)
        z, ladj = self.steps(z)
        return z, log_q - ladj

    def log_prob(self, z: Tensor) -> Tensor:
        raise PushforwardError("a flow's posterior has the density of its own draws alone; use model=vae")


class FlowBottleneck(Bottleneck):
    """A Gaussian whose draws pass through steps that depend on x. Abstract: `parameters_of_steps` numbers, and `steps`."""

    gives = frozenset({"code", "posterior"})
    gradients = ("reparameterized",)

    def __init__(self, in_shape: Shape, code_dim: int, numbers: int) -> None:
        super().__init__()
        if len(in_shape) > 1:
            raise PushforwardError(f"bottleneck: {type(self).__name__} makes vectors; use model.code=vector")
        self.shapes, self.numbers = ((code_dim,),), numbers
        self.linear = affine(in_shape, 2 * code_dim + numbers)

    def noise(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.dim, generator=generator, device=generator.device)

    @abstractmethod
    def steps(self, context: Tensor) -> Steps:
        """The steps, of the encoder's numbers for them, (n, numbers)."""

    def forward(self, features: Tensor, noise: Tensor | None = None, epochs: Tensor | None = None) -> Code:
        mean, log_std, context = self.linear(features).split((self.dim, self.dim, self.numbers), -1)
        q = FlowPosterior(GaussianPosterior(mean, log_std), self.steps(context))
        if noise is None:
            return Code(q.mean, q)
        z, log_q = q.draw(noise)
        return Code(z, q, log_q=log_q)


class InverseAutoregressive(FlowBottleneck):
    """z_t = g_t ⊙ z_{t−1} + (1 − g_t) ⊙ m_t, gate g and m autoregressive in z_{t−1}, given h(x). Kingma et al. 2016.

    transforms: T, each in the reverse order of the one before. hidden: units of a network's layers. context: numbers of h.
    forget: the gates begin at σ(forget).
    """

    def __init__(
        self,
        in_shape: Shape,
        code_dim: Count,
        transforms: Count,
        hidden: Sequence[Count],
        context: Natural,
        forget: Real,
    ) -> None:
        super().__init__(in_shape, code_dim, context)
        self.flow = gated_autoregressive(code_dim, transforms, tuple(hidden), forget, context)

    def steps(self, context: Tensor) -> Steps:
        return self.flow(context if self.numbers else None).call_and_ladj

    def describe(self) -> str:
        return f"posterior of {len(self.flow.transforms)} inverse autoregressive steps over {self.size()}"


class Planar(FlowBottleneck):
    """z_t = z_{t−1} + û tanh(wᵀz_{t−1} + b), K times, u, w and b functions of x. Rezende & Mohamed 2015, eq. 10, app. A.1.

    transforms: K.
    """

    def __init__(self, in_shape: Shape, code_dim: Count, transforms: Count) -> None:
        super().__init__(in_shape, code_dim, transforms * (2 * code_dim + 1))
        self.transforms = transforms

    def steps(self, context: Tensor) -> Steps:
        each = context.unflatten(-1, (self.transforms, -1)).split((self.dim, self.dim, 1), -1)

        def apply(z: Tensor) -> tuple[Tensor, Tensor]:
            ladj = torch.zeros_like(z[..., 0])
            for u, w, b in zip(*(part.unbind(-2) for part in each), strict=True):
                inner = (w * u).sum(-1, keepdim=True)
                # m(wᵀu) = softplus(wᵀu) − 1 > −1 in the place of wᵀu: the step can be inverted
                kept = F.softplus(inner) - 1
                reach = u + (kept - inner) * w / w.square().sum(-1, keepdim=True).clamp(min=1e-12)
                activation = torch.tanh((w * z).sum(-1, keepdim=True) + b)
                z = z + reach * activation
                ladj = ladj + torch.log1p((1 - activation.square()) * kept)[..., 0]
            return z, ladj

        return apply

    def describe(self) -> str:
        return f"posterior of {self.transforms} planar steps over {self.size()}"
