"""Players: the parts of a model that are optimised, how often, and by which rule."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch.optim import Optimizer

from pushforward.domains import Decay, Positive
from pushforward.schedules import Schedule

TOTAL = "total"
"""The name of the total that a player minimises, beside its terms: watched like them, for it may be spoilt alone."""


@dataclass(frozen=True)
class Player:
    """One party of a game: the submodules whose parameters it owns, and its part in a cycle.

    steps: optimiser steps a cycle.
    sees_data: each step draws a fresh batch; otherwise it is handed the last one drawn, which is not counted again.
    """

    name: str
    modules: tuple[str, ...]
    steps: int = 1
    sees_data: bool = True


@dataclass(frozen=True)
class Tuning:
    """The optimisation of a player.

    rule: a torch optimiser, waiting for parameters and `lr`.
    schedule: the factor on `lr` as a function of epochs seen; None: constant.
    clip: the largest norm of the player's gradient; None: unbounded.
    ema: the decay a step of the moving average of its weights, which evaluation uses; None: no average. After t steps it is
        at most (1 + t)/(10 + t), so that the first weights are soon forgotten.
    """

    rule: Callable[..., Optimizer]
    lr: Positive
    schedule: Schedule | None = None
    clip: Positive | None = None
    ema: Decay | None = None

    @property
    def optimizer(self) -> Callable[..., Optimizer]:
        """The optimiser's class."""
        return self.rule.func if isinstance(self.rule, partial) else self.rule

    @property
    def settings(self) -> dict[str, Any]:
        """The optimiser's settings by the rule, `lr` aside."""
        return self.rule.keywords if isinstance(self.rule, partial) else {}
