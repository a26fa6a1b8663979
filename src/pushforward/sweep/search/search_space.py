"""A search space as YAML has it: {key: {kind: …}}, checked in words, and as Optuna's distributions.

    weighting.beta: {log: [0.1, 10]}              a number, even in its logarithm
    corruption.fraction: {float: [0, 0.5]}        a number; with step: 0.1 one of 0, 0.1 … 0.5
    model.code_dim: {int: [2, 32]}                a whole number; with step: 2 every second
    batch_size: {log_int: [16, 512]}              a whole number, even in its logarithm
    network: {choice: [mlp, conv]}                one of these: options of a group, or values of a key

`points: 5` beside float or log says how many values a grid takes of it.
"""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pushforward.errors import PushforwardError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

KINDS = {"float": ("step", "points"), "log": ("points",), "int": ("step",), "log_int": (), "choice": ()}
"""Kinds of dimension, and what may stand beside each."""


@dataclass(frozen=True)
class Dimension:
    """One key of the space."""

    key: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    points: int | None = None
    values: tuple[Any, ...] = ()

    @property
    def continuous(self) -> bool:
        return self.kind in ("float", "log") and self.step is None and self.low < self.high

    @property
    def labels(self) -> list[Any]:
        """The choices as Optuna takes them: lists and mappings as text."""
        return [json.dumps(v) if isinstance(v, list | dict) else v for v in self.values]

    def value(self, suggested: Any) -> Any:
        """Return what the config gets for what was suggested."""
        if self.kind == "choice":
            return self.values[self.labels.index(suggested)]
        return int(suggested) if "int" in self.kind else float(suggested)

    def suggest(self, trial: "Trial") -> Any:
        return trial._suggest(self.key, self.distribution())

    def distribution(self) -> "BaseDistribution":
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "choice":
            return CategoricalDistribution(self.labels)
        log = self.kind.startswith("log")
        if "int" in self.kind:
            return IntDistribution(int(self.low), int(self.high), log=log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=log, step=self.step)

    def at(self, u: float) -> Any:
        """Return the value at the quantile u in [0, 1)."""
        if self.kind == "choice":
            return self.labels[int(u * len(self.labels))]
        if self.kind == "log_int":  # each whole number has its share of the logarithm
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return int(min(max(round(math.exp(low + u * (high - low))), self.low), self.high))
        if self.step or self.kind == "int":
            step = self.step or 1
            value = self.low + step * int(u * (self.count or 1))
            return int(value) if self.kind == "int" else min(value, self.high)
        return self._between(u)

    def _between(self, u: float) -> float:
        if self.kind == "log":
            return min(max(math.exp(math.log(self.low) + u * math.log(self.high / self.low)), self.low), self.high)
        return self.low + u * (self.high - self.low)

    @property
    def count(self) -> int | None:
        """The number of its values; None where it is infinite."""
        if self.kind == "choice":
            return len(self.values)
        if self.continuous:
            return None
        return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    def grid(self) -> list[Any]:
        """Return every value, or `points` of them, ends included."""
        if self.kind == "choice":
            return self.labels
        if self.points:
            return [self._between(i / max(1, self.points - 1)) for i in range(self.points)]
        if self.count is None:
            raise PushforwardError(
                f"study.space.{self.key}: a grid needs to know how many values: add points: 5, or choose another sampler"
            )
        if self.kind == "log_int":
            return list(range(int(self.low), int(self.high) + 1))
        return [self.at((i + 0.5) / self.count) for i in range(self.count)]


def parse(space: Any) -> list[Dimension]:
    """Return the dimensions of `study.space`. Raises PushforwardError naming the key and the remedy."""
    if not isinstance(space, Mapping) or not space:
        raise PushforwardError(
            "study.space: it is empty; give keys to search, such as weighting.beta: {log: [0.1, 10]}"
        )
    return [_dimension(str(key), node) for key, node in space.items()]


def _dimension(key: str, node: Any) -> Dimension:
    where = f"study.space.{key}"
    if not isinstance(node, Mapping):
        raise PushforwardError(f"{where}={node}: write a kind and its range, such as {{log: [0.1, 10]}}")
    kinds = [kind for kind in KINDS if kind in node]
    if len(kinds) != 1:
        given = next((str(k) for k in node if k not in KINDS), "")
        close = difflib.get_close_matches(given, KINDS, n=1)
        hint = f"did you mean {close[0]}?" if close and not kinds else f"choose one of {', '.join(KINDS)}"
        raise PushforwardError(f"{where}: {' and '.join(kinds) or given or 'nothing'} is no kind of range; {hint}")
    kind = kinds[0]
    allowed = KINDS[kind]
    for extra in node:
        if extra != kind and extra not in allowed:
            hint = f"beside {kind} stands {' or '.join(allowed)}" if allowed else f"beside {kind} stands nothing"
            raise PushforwardError(f"{where}.{extra}: there is no such key; {hint}")
    if kind == "choice":
        return _choice(where, key, node["choice"])
    return _range(where, key, kind, node)


def _choice(where: str, key: str, values: Any) -> Dimension:
    if not isinstance(values, list | tuple) or not values:
        raise PushforwardError(f"{where}.choice={values}: give a list, such as [mlp, conv]")
    dimension = Dimension(key, "choice", values=tuple(values))
    labels = dimension.labels
    if any(label in labels[:i] for i, label in enumerate(labels)):  # to Optuna, too, 1 and true are one
        raise PushforwardError(f"{where}.choice={list(values)}: a value stands there twice")
    return dimension


def _range(where: str, key: str, kind: str, node: Mapping[str, Any]) -> Dimension:
    ends = node[kind]
    numbers = (int,) if "int" in kind else (int, float)
    word = "whole numbers" if "int" in kind else "numbers"
    if (
        not isinstance(ends, list | tuple)
        or len(ends) != 2
        or not all(isinstance(e, numbers) and not isinstance(e, bool) and math.isfinite(e) for e in ends)
    ):
        raise PushforwardError(f"{where}.{kind}={ends}: give two {word}, the lowest and the highest")
    low, high = ends
    if low > high:
        raise PushforwardError(f"{where}.{kind}={list(ends)}: the lowest comes first: [{high}, {low}]")
    if kind.startswith("log") and low <= 0:
        raise PushforwardError(f"{where}.{kind}={list(ends)}: a logarithm needs ends above 0")
    step, points = node.get("step"), node.get("points")
    if step is not None and not (isinstance(step, numbers) and step > 0):
        raise PushforwardError(f"{where}.step={step}: it must be above 0{' and whole' * ('int' in kind)}")
    if points is not None and not (isinstance(points, int) and points > 0):
        raise PushforwardError(f"{where}.points={points}: it must be a whole number above 0")
    return Dimension(key, kind, float(low), float(high), step, points)
