"""What reparameterisation buys: the variance of the ELBO's gradient under it, and under the score function."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from pushforward.domains import Count, Domain, Natural
from pushforward.metrics.gradients import GradientSpread, disagreement, gradient_spread
from pushforward.protocol.subject import Entries, Subject, positive
from pushforward.spec import Batch

REPARAMETERIZED, SCORE, PLAIN = "reparameterized", "score", "score_no_baseline"
NAMES = {REPARAMETERIZED: "z = μ + σε", SCORE: "score function, running mean cost as baseline", PLAIN: "score function"}


@dataclass(frozen=True)
class Gradients:
    """Trace of the covariance, over draws of the noise, of the objective's gradient in encoder and bottleneck, nats².

    The same batch, weights and objective, once with z = μ + σε and once with the score function, with and without the
    running mean cost as its baseline; the factor is with it.

    images: of the evaluation split, the fixed batch over which the objective is averaged. repeats: draws of the noise.
    settle: further draws that the baseline is a running mean of, before it is held fixed.
    """

    images: Count
    repeats: Annotated[int, Domain(2)]
    settle: Natural

    def __post_init__(self) -> None:
        positive(self, "images", "repeats", "settle")

    def __call__(self, subject: Subject) -> Entries:
        family: Any = subject.family
        if not subject.can("posterior") or getattr(family, "gradient", None) is None:
            return {}
        x = subject.x(n=self.images).to(subject.device, family.dtype)
        card: dict[str, Any] = {"n": self.repeats, "batch": len(x), "with_respect_to": "encoder and bottleneck"}
        if "reconstruction" not in family.objective.terms:
            why = "no reconstruction term for the score function to weigh"
            units = {**{f"gradient_variance_{name}": "nats²" for name in NAMES}, "gradient_variance_factor": "times"}
            return {name: subject.na(why, unit, better=None, **card) for name, unit in units.items()}
        found, draws = self.spreads(subject, family, x)
        subject.keep("gradients", draws)
        card["dimensions"] = len(found[SCORE].mean)
        relative = {name: _relative_error(draws[f"{name}_noise"]) for name in NAMES}
        entries = {
            f"gradient_variance_{name}": subject.number(
                spread.total_variance,
                "nats²",
                better=None,
                standard_error=spread.total_variance * relative[name],
                estimator=NAMES[name],
                **card,
            )
            for name, spread in found.items()
        }
        factor = found[SCORE].total_variance / found[REPARAMETERIZED].total_variance
        entries["gradient_variance_factor"] = subject.number(
            factor,
            "times",
            better=None,
            standard_error=factor * (relative[SCORE] ** 2 + relative[REPARAMETERIZED] ** 2) ** 0.5,
            estimator=f"{NAMES[SCORE]} / {NAMES[REPARAMETERIZED]}",
            note=f"same mean: z² = {disagreement(found[SCORE], found[REPARAMETERIZED]):.2f}, 1 expected",
            **card,
        )
        return entries

    def spreads(self, subject: Subject, family: Any, x: Tensor) -> tuple[dict[str, GradientSpread], dict[str, Tensor]]:
        """The spread of each estimator, and per draw its part along the mean gradient and its distance from the mean."""
        player = family.players[0].name
        weights = [
            p for m in (family.coder.encoder, family.coder.bottleneck) for p in m.parameters() if p.requires_grad
        ]

        def gradient(g: torch.Generator) -> Tensor:
            with torch.enable_grad():
                total = family.loss(player, Batch(x), family.draw(player, len(x), g)).total
                return torch.cat([part.flatten() for part in torch.autograd.grad(total, weights)])

        found: dict[str, GradientSpread] = {}
        draws: dict[str, Tensor] = {}
        with _as_it_was(family):
            family.epochs.fill_(family.horizon)  # the weights that the objective ended with
            family.gradient = REPARAMETERIZED
            found[REPARAMETERIZED] = gradient_spread(gradient, self.repeats, subject.generator("gradients", 0))
            mean = found[REPARAMETERIZED].mean
            length = mean.norm()
            for stream, name in enumerate(NAMES):
                seen: list[Tensor] = []

                def look(g: Tensor, seen: list[Tensor] = seen) -> None:
                    g = g.detach().to(mean)
                    seen.append(torch.stack([g @ mean / length, (g - mean).norm()]))

                if name == REPARAMETERIZED:  # once more, now that the mean is known
                    g = subject.generator("gradients", stream)
                    for _ in range(self.repeats):
                        look(gradient(g))
                else:
                    family.gradient = "score"
                    family.baseline.zero_()
                    if name == SCORE:
                        self.settled(subject, family, x)
                    found[name] = gradient_spread(gradient, self.repeats, subject.generator("gradients", stream), look)
                along, noise = torch.stack(seen).cpu().unbind(1)
                draws |= {f"{name}_along": along, f"{name}_noise": noise}
        draws["mean_norm"] = length.cpu()
        return found, draws

    @torch.no_grad()
    def settled(self, subject: Subject, family: Any, x: Tensor) -> None:
        """Lets the family's own baseline settle on this batch, by noise that is not measured with."""
        player, g = family.players[0].name, subject.generator("gradients", "baseline")
        for _ in range(self.settle):
            family.absorb(player, family.loss(player, Batch(x), family.draw(player, len(x), g)).stats)


@contextmanager
def _as_it_was(family: Any) -> Iterator[None]:
    """Puts the estimator, its baseline and the epochs seen back."""
    gradient, buffers = family.gradient, {name: getattr(family, name).clone() for name in ("baseline", "epochs")}
    try:
        yield
    finally:
        family.gradient = gradient
        for name, before in buffers.items():
            getattr(family, name).copy_(before)


def _relative_error(noise: Tensor) -> float:
    """Standard error of a mean squared distance, as a share of it."""
    squared = noise.double().square()
    return float(squared.std() / squared.mean() / len(squared) ** 0.5)
