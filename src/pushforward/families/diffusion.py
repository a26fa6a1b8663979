"""The way there in many small steps, each learned by regression on noised data."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pushforward.conditioning import Condition, condition_of
from pushforward.diffusion import HasProbabilityFlow, Process
from pushforward.diffusion.process import Field
from pushforward.domains import Count
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import IterativeLikelihood, IterativeLogProb, IterativeSampler
from pushforward.families.family import Family, Likelihoods
from pushforward.networks import Network, field_of, given
from pushforward.objectives import Objective, Term
from pushforward.spec import Batch, DataSpec


class Diffusion(Family, IterativeSampler, IterativeLikelihood):
    """A field f(x_t, t) over a process, with one player, `model`. Final.

    process: waits for spec; says what the field is asked for, how to sample with it and how likely it makes an image.
    evaluations: calls of the field for a sample or a likelihood, unless asked otherwise. condition: waits for spec; what the
    field is told. A likelihood without labels y is that of images whose label is withheld.
    """

    players = (Player("model", ("field", "condition")),)

    def __init__(
        self,
        spec: DataSpec,
        network: Network,
        process: Callable[..., Process],
        evaluations: Count,
        objective: Mapping[str, Term | None],
        optimizers: Mapping[str, Tuning],
        condition: Callable[..., Condition] | None = None,
    ) -> None:
        super().__init__(spec, optimizers)
        if evaluations < 1:
            raise PushforwardError(f"model.evaluations={evaluations}: sampling takes at least one call of the field")
        self.condition = condition_of(condition, spec, guides=True)
        self.field = field_of(network, spec.shape, self.condition.size)
        self.process = process(spec=spec)
        self.evaluations = evaluations
        self.objective = Objective(objective, self.process.gives)

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        return {**self.process.draw(n, generator), **self.condition.draw(n, generator)}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        field = given(self.field, self.condition.told(batch.y, len(batch.x), noise))
        total, terms, _ = self.objective(self.process.noised(field, batch.x, noise), self.epochs)
        return Loss(total, terms)

    @property
    def objectives(self) -> dict[str, Objective]:
        return {"model": self.objective}

    def sample(
        self, n: int, generator: torch.Generator, y: Tensor | None = None, evaluations: int | None = None
    ) -> Tensor:
        """n draws, (n, *shape), with at most `evaluations` calls of the field each; of a conditional model under labels y, or
        drawn ones."""
        y, calls = self.condition.choose(y, n, generator), evaluations or self.evaluations
        field = given(self.field, self.condition(y))
        if w := self.condition.guidance:
            free = given(self.field, self.condition.told(None, n))
            guided: Field = lambda x, t: (1 + w) * field(x, t) - w * free(x, t)  # noqa: E731
            return self.process.sample(guided, n, generator, max(1, calls // 2))
        return self.process.sample(field, n, generator, calls)

    def log_prob(
        self, x: Tensor, generator: torch.Generator, evaluations: int | None = None, y: Tensor | None = None
    ) -> Likelihoods:
        """log p(x), nats per image, as the process has it: a lower bound, or an estimate."""
        field = given(self.field, self.condition.told(y, len(x)))
        return Likelihoods(*self.process.log_prob(field, x, generator, evaluations or self.evaluations))

    @property
    def flow_log_prob(self) -> IterativeLogProb | None:
        """log p(x) along the deterministic flow with the process's marginals: an estimate. None where it has no other."""
        process = self.process
        if not isinstance(process, HasProbabilityFlow):
            return None

        def log_prob(x: Tensor, generator: torch.Generator, evaluations: int | None = None) -> Likelihoods:
            field = given(self.field, self.condition.told(None, len(x)))
            return Likelihoods(*process.flow_log_prob(field, x, generator, evaluations or self.evaluations))

        return log_prob

    @property
    def sampler(self) -> str:
        guided = f"guided with w = {self.condition.guidance:g}; " if self.condition.guidance else ""
        return f"{self.evaluations} evaluations at most; {guided}{self.process.describe()['target']}"

    def describe(self) -> dict[str, str]:
        return {"model": self.objective.describe(), **self.process.describe()}
