"""The variance of the ELBO's gradient, reparameterised and by the score function."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor

from pushforward.domains import Count, Domain, Natural
from pushforward.engine import Loss
from pushforward.families import EstimatesGradient
from pushforward.families.autoencoder import update_baseline
from pushforward.metrics.gradients import GradientSpread, disagreement, gradient_spread
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import NotApplicable, Subject
from pushforward.spec import Batch

REPARAMETERIZED, SCORE, PLAIN = "reparameterized", "score", "score_no_baseline"
NAMES = {REPARAMETERIZED: "z = μ + σε", SCORE: "score function, running mean cost as baseline", PLAIN: "score function"}


@dataclass(frozen=True)
class Gradients(Measure):
    """Trace of the covariance, over draws of the noise, of the objective's gradient in encoder and bottleneck, nats².

    The same batch, weights and objective, once with z = μ + σε and once with the score function, with and without the
    running mean cost as its baseline; the factor is with it.

    images: of the evaluation split, the fixed batch over which the objective is averaged. repeats: draws of the noise.
    settle: further draws that the baseline is a running mean of, before it is held fixed.
    """

    order = 130
    images: Count
    repeats: Annotated[int, Domain(2)]
    settle: Natural

    def numbers(self, subject: Subject) -> Sequence[Number]:
        if not isinstance(subject.family, EstimatesGradient):
            return ()
        variances = [Number(f"gradient_variance_{name}", "nats²") for name in NAMES]
        return (*variances, Number("gradient_variance_factor", "times"))

    def values(self, subject: Subject) -> dict[str, Value]:
        family = subject.need(EstimatesGradient, "no choice of gradient")
        if missing := {REPARAMETERIZED, SCORE} - set(family.gradients):
            raise NotApplicable(f"this posterior has no {missing.pop()} gradient to compare")
        batch = subject.batch(n=self.images)
        card: dict[str, Any] = {"n": self.repeats, "batch": len(batch.x), "with_respect_to": "encoder and bottleneck"}
        if "reconstruction" not in family.objective.terms:
            raise NotApplicable("no reconstruction term for the score function to weigh", **card)
        spreads, draws = self.spreads(subject, batch)
        subject.keep("gradients", draws)
        card["dimensions"] = len(spreads[SCORE].mean)
        relative = {name: _relative_error(draws[f"{name}_noise"]) for name in NAMES}
        values = {
            f"gradient_variance_{name}": value(
                spread.total_variance,
                standard_error=spread.total_variance * relative[name],
                estimator=NAMES[name],
                **card,
            )
            for name, spread in spreads.items()
        }
        factor = spreads[SCORE].total_variance / spreads[REPARAMETERIZED].total_variance
        z2 = disagreement(spreads[SCORE], spreads[REPARAMETERIZED])
        values["gradient_variance_factor"] = value(
            factor,
            standard_error=factor * (relative[SCORE] ** 2 + relative[REPARAMETERIZED] ** 2) ** 0.5,
            estimator=f"{NAMES[SCORE]} / {NAMES[REPARAMETERIZED]}",
            note=f"same mean: z² = {z2:.2f}, 1 expected",
            **card,
        )
        return values

    def spreads(self, subject: Subject, batch: Batch) -> tuple[dict[str, GradientSpread], dict[str, Tensor]]:
        """The spread of each estimator, and per draw its part along the mean gradient and its distance from the mean."""
        family = subject.need(EstimatesGradient, "no choice of gradient")
        weights = family.encoding_parameters()

        def gradient(g: torch.Generator, estimator: str, baseline: Tensor) -> Tensor:
            with torch.enable_grad():
                total = self.loss(subject, family, batch, g, estimator, baseline).total
                return torch.cat([part.flatten() for part in torch.autograd.grad(total, weights)])

        none = batch.x.new_zeros(2)
        first = partial(gradient, estimator=REPARAMETERIZED, baseline=none)
        spreads = {REPARAMETERIZED: gradient_spread(first, self.repeats, subject.generator("gradients", 0))}
        draws: dict[str, Tensor] = {}
        mean = spreads[REPARAMETERIZED].mean
        length = mean.norm()
        for stream, name in enumerate(NAMES):
            looked: list[Tensor] = []

            def look(g: Tensor, looked: list[Tensor] = looked) -> None:
                g = g.detach().to(mean)
                looked.append(torch.stack([g @ mean / length, (g - mean).norm()]))

            g = subject.generator("gradients", stream)
            if name == REPARAMETERIZED:  # once more, now that the mean is known
                for _ in range(self.repeats):
                    look(first(g))
            else:
                baseline = self.settled(subject, family, batch) if name == SCORE else none
                score = partial(gradient, estimator="score", baseline=baseline)
                spreads[name] = gradient_spread(score, self.repeats, g, look)
            along, noise = torch.stack(looked).cpu().unbind(1)
            draws |= {f"{name}_along": along, f"{name}_noise": noise}
        draws["mean_norm"] = length.cpu()
        return spreads, draws

    @torch.no_grad()
    def settled(self, subject: Subject, family: EstimatesGradient, batch: Batch) -> Tensor:
        """The score function's baseline on this batch, by noise that is not measured with."""
        baseline, g = batch.x.new_zeros(2), subject.generator("gradients", "baseline")
        for _ in range(self.settle):
            update_baseline(baseline, self.loss(subject, family, batch, g, "score", baseline).stats["cost"])
        return baseline

    def loss(
        self,
        subject: Subject,
        family: EstimatesGradient,
        batch: Batch,
        g: torch.Generator,
        estimator: str,
        baseline: Tensor,
    ) -> Loss:
        """The objective with the weights that it ended with, and one draw of noise."""
        noise = subject.family.draw(subject.family.players[0].name, len(batch.x), g)
        epochs = torch.full_like(subject.family.epochs, subject.family.horizon)
        return family.estimated_loss(batch, noise, epochs, estimator, baseline)


def _relative_error(noise: Tensor) -> float:
    """Standard error of a mean squared distance, as a share of it."""
    squared = noise.double().square()
    return float(squared.std() / squared.mean() / len(squared) ** 0.5)
