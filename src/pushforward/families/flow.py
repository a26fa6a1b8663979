"""One map that can be inverted: exact density one way, samples the other."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Protocol, runtime_checkable

import torch
from torch import Tensor
from zuko.distributions import DiagNormal
from zuko.lazy import Flow as ZukoFlow
from zuko.lazy import LazyTransform

from pushforward.bijections import Logit, quantize
from pushforward.conditioning import Condition, condition_of
from pushforward.distributions.gaussian import log_standard_normal
from pushforward.domains import Domain
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import ClassConditional, HasCodes, WorksOnLogits
from pushforward.families.family import Family, Likelihoods
from pushforward.networks.network import ROWS, check_shape
from pushforward.objectives import DensityPass, Objective, Term
from pushforward.spec import Batch, DataSpec


@runtime_checkable
class StartsFromData(Protocol):
    """A bijection with parameters whose first values are found from data."""

    def initialize(self, x: Tensor, c: Tensor | None) -> None:
        """Set them, in place, by real-valued x (n, D) and their condition; once, whatever is given later."""


class Flow(Family, ClassConditional, HasCodes, WorksOnLogits):
    """x → dequantised → logit → bijection → z ~ N(0, I), with one player, `model`. Final.

    bijection: waits for `features`, or for `shape`; gives a zuko LazyTransform, or a zuko flow over a standard normal, from
    data to z, both flat. One that `StartsFromData` is shown the first batch before the first step.
    alpha: keeps the logit of bounded data away from its poles. condition: waits for spec; the bijection's context. Whatever
    takes no labels y is computed as of images whose label is withheld.
    """

    players = (Player("model", ("bijection", "condition")),)

    def __init__(
        self,
        spec: DataSpec,
        bijection: Callable[..., LazyTransform | ZukoFlow],
        alpha: Annotated[float, Domain(0, 0.5, above=True, below=True)],
        objective: Mapping[str, Term | None],
        optimizers: Mapping[str, Tuning],
        condition: Callable[..., Condition] | None = None,
    ) -> None:
        super().__init__(spec, optimizers)
        if spec.bounded and not 0 < alpha < 0.5:
            raise PushforwardError(f"model.alpha={alpha:g}: it must lie between 0 and 0.5, such as 0.05")
        self.logit = Logit(spec, alpha)
        self.condition = condition_of(condition, spec)
        context = {"context": self.condition.size} if self.condition.size else {}
        wanted = inspect.signature(bijection).parameters
        if context and "context" not in wanted:
            raise PushforwardError("model.bijection takes no argument context, so no condition; use condition=none")
        size = {"shape": spec.shape} if "shape" in wanted else {"features": spec.dim}
        built = bijection(**size, **context)
        self.bijection = transform_of(built) if isinstance(built, ZukoFlow) else built
        c = torch.zeros(ROWS, self.condition.size) if context else None
        check_shape("model.bijection", lambda: self.bijection(c)(torch.zeros(ROWS, spec.dim)), (spec.dim,), spec.shape)
        self.objective = Objective(objective, frozenset({"density"}))

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        return {**self.draw_levels(n, generator), **self.condition.draw(n, generator)}

    def draw_levels(self, n: int, generator: torch.Generator) -> Noise:
        """The place of each pixel within its level's bin; nothing for real-valued data."""
        if not self.dequantizes:
            return {}
        return {"dequantize": torch.rand(n, *self.spec.shape, generator=generator, device=generator.device)}

    def initialize(self, player: str, batch: Batch, noise: Noise) -> None:
        if isinstance(self.bijection, StartsFromData):
            x, c = self.given(batch, noise)
            self.bijection.initialize(self.logit(x)[0], c)

    def given(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor | None]:
        """A step's x, dequantised, and condition."""
        x = self.spec.dequantize(batch.x, noise["dequantize"]) if self.dequantizes else batch.x
        return x, self.condition.told(batch.y, len(x), noise)

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        x, c = self.given(batch, noise)
        total, terms, _ = self.objective(DensityPass(self.density(x, c), self.spec), self.epochs)
        return Loss(total, terms)

    def density(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """log p(x) of real-valued (dequantised) x, nats per image, (n,): log N(z; 0, I) + log |det ∂z/∂x|."""
        v, log_det = self.logit(x)
        z, ladj = self.bijection(c).call_and_ladj(v)
        return log_standard_normal(z) + ladj + log_det

    @property
    def dequantizes(self) -> bool:
        return self.spec.levels is not None and not self.spec.dequantized

    def log_prob(self, x: Tensor, generator: torch.Generator, y: Tensor | None = None) -> Likelihoods:
        """The exact log-density of x, uniformly dequantised where it has levels, nats per image."""
        real = self.spec.dequantize(x, self.draw_levels(len(x), generator).get("dequantize", x))
        return Likelihoods(self.density(real, self.condition.told(y, len(x))), "exact", True)

    def logits(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The logits v of x, dequantised as `log_prob` does with the same noise, (n, D), and log |det ∂v/∂x|, (n,)."""
        return self.logit(self.spec.dequantize(x, self.draw_levels(len(x), generator).get("dequantize", x)))

    @property
    def objectives(self) -> dict[str, Objective]:
        return {"model": self.objective}

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        """n draws, (n, *shape), on the data's levels; of a conditional model under labels y, or drawn ones."""
        y = self.condition.choose(y, n, generator)
        return self.decode(torch.randn(n, self.spec.dim, generator=generator, device=generator.device), y)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """z of x at its bin's centre, (n, D)."""
        v, _ = self.logit(self.spec.dequantize(x, torch.full_like(x, 0.5)))
        return self.bijection(self.condition.told(y, len(x)))(v)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """x of z, (n, *shape), on the data's levels."""
        return quantize(self.logit.inverse(self.bijection(self.condition.told(y, len(z))).inv(z)), self.spec)

    def describe(self) -> dict[str, str]:
        how = f"exact density of x + u/{self.spec.levels}" if self.dequantizes else "exact density"
        space = f", logit with α = {float(self.logit.alpha):g}" if self.spec.bounded else ""
        return {"model": self.objective.describe(), "likelihood": f"{how}{space}"}


def transform_of(flow: ZukoFlow) -> LazyTransform:
    """The transform of a zuko flow over a standard normal.

    Raises PushforwardError where its base is another: z ~ N(0, I) is what `encode`, `decode` and `sample` promise.
    """
    base = flow.base
    if getattr(base, "f", None) is not DiagNormal or any(p.requires_grad for p in base.parameters()):
        raise PushforwardError(
            f"model.bijection: {type(flow).__name__} has a base other than N(0, I); use a flow over a standard normal, "
            "such as zuko.flows.NSF"
        )
    return flow.transform
