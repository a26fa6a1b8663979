"""The way there in many small steps, each learned by regression on noised data."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pushforward.conditioning import Condition, condition_of
from pushforward.diffusion import FlowMatching, HasProbabilityFlow, Pairs, Process, Reflow, Sampler, TakesSamplers
from pushforward.diffusion.process import Field
from pushforward.domains import Count
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import (
    Draw,
    FollowsPaths,
    IterativeLikelihood,
    IterativeLogProb,
    Paths,
    ShowsSteps,
    TakesOtherSamplers,
)
from pushforward.families.family import Family, Likelihoods
from pushforward.networks import Network, field_of
from pushforward.objectives import Objective, Term
from pushforward.spec import Batch, DataSpec


class Diffusion(Family, FollowsPaths, IterativeLikelihood, TakesOtherSamplers, ShowsSteps):
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
        self.process = process(spec=spec)
        self.condition = condition_of(condition, spec, guides=self.process.size == 0)
        self.field = field_of(network, spec.shape, self.condition.size + self.process.size)
        if not self.process.chooses:
            self.criterion = ()
        self.evaluations = evaluations
        self.objective = Objective(objective, self.process.gives)

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        return {**self.process.draw(n, generator), **self.condition.draw(n, generator)}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        labels = self.condition.labels(noise.get("label", batch.y), len(batch.x), noise)
        field = self.process.told(self.field, self.condition(labels))
        noise = self.process.paired(batch.x, noise, labels)
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
        field, calls = self.guided(self.condition.choose(y, n, generator), n, evaluations or self.evaluations)
        return self.process.sample(field, n, generator, calls)

    def sampled_by(self, sampler: Sampler, evaluations: int) -> Draw | None:
        """Draws as `sample` gives them, by another sampler; None where the process has one way alone."""
        process = self.process
        if not isinstance(process, TakesSamplers):
            return None

        def draw(n: int, generator: torch.Generator) -> Tensor:
            field, calls = self.guided(self.condition.choose(None, n, generator), n, evaluations)
            return process.sample_by(sampler, field, n, generator, calls)

        return draw

    def sampling_steps(self, n: int, generator: torch.Generator, evaluations: int) -> list[Tensor]:
        """Inputs of the field at each of at most `evaluations` calls, then the n samples, (n, *shape) each."""
        field, calls = self.guided(self.condition.choose(None, n, generator), n, min(evaluations, self.evaluations))
        seen: list[Tensor] = []

        # one time, of mean flow two
        def watched(x: Tensor, *times: Tensor) -> Tensor:
            seen.append(self.process.centre.inverse(x))
            return field(x, *times)

        made = self.process.sample(watched, n, generator, calls)
        return [*seen, made]

    def guided(self, y: Tensor | None, n: int, evaluations: int) -> tuple[Field, int]:
        """The field that n samples under labels y are drawn with, and how often it may be called."""
        field = self.process.told(self.field, self.condition(y))
        w = self.condition.guidance
        if not w:
            return field, evaluations
        free = self.process.told(self.field, self.condition.told(None, n))
        return lambda x, t: (1 + w) * field(x, t) - w * free(x, t), max(1, evaluations // 2)

    @property
    def paths(self) -> Paths | None:
        """Paths of flow matching; the chains of other processes move in time of their own."""
        process = self.process
        if not isinstance(process, FlowMatching):
            return None

        def paths(n: int, generator: torch.Generator, evaluations: int | None = None) -> Tensor:
            y, noise = self.condition.choose(None, n, generator), process.begin(n, generator)
            field, calls = self.guided(y, n, evaluations or self.evaluations)
            return process.path(field, noise, calls)

        return paths

    @property
    def reflow(self) -> Reflow | None:
        """The pairs of noise and image that it would learn of a trained flow; None where it learns none."""
        return self.process.reflow if isinstance(self.process, FlowMatching) else None

    @torch.no_grad()
    def draw_pairs(self, n: int, generator: torch.Generator, evaluations: int) -> Pairs:
        """n draws of noise, and where it ends with at most `evaluations` calls of the field each."""
        assert isinstance(self.process, FlowMatching)
        y, noise = self.condition.choose(None, n, generator), self.process.begin(n, generator)
        field, calls = self.guided(y, n, evaluations)
        return Pairs(noise, self.process.end(field, noise, calls), y)

    def learn_pairs(self, pairs: Pairs) -> None:
        """Has it learn these pairs from now on, in place of images with noise of their own."""
        assert isinstance(self.process, FlowMatching)
        self.process.pairs = pairs

    def log_prob(
        self, x: Tensor, generator: torch.Generator, evaluations: int | None = None, y: Tensor | None = None
    ) -> Likelihoods:
        """log p(x), nats per image, as the process has it: a lower bound, or an estimate."""
        field = self.process.told(self.field, self.condition.told(y, len(x)))
        return Likelihoods(*self.process.log_prob(field, x, generator, evaluations or self.evaluations))

    @property
    def flow_log_prob(self) -> IterativeLogProb | None:
        """log p(x) along the deterministic flow with the process's marginals: an estimate. None where it has no other."""
        process = self.process
        if not isinstance(process, HasProbabilityFlow):
            return None

        def log_prob(x: Tensor, generator: torch.Generator, evaluations: int | None = None) -> Likelihoods:
            field = self.process.told(self.field, self.condition.told(None, len(x)))
            return Likelihoods(*process.flow_log_prob(field, x, generator, evaluations or self.evaluations))

        return log_prob

    @property
    def sampler(self) -> str:
        guided = f"guided with w = {self.condition.guidance:g}; " if self.condition.guidance else ""
        return f"{self.evaluations} evaluations at most; {guided}{self.process.describe()['target']}"

    def describe(self) -> dict[str, str]:
        return {"model": self.objective.describe(), **self.process.describe()}
