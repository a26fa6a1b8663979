"""What a search found: best trials, what mattered, how it went, and the front of several metrics, as text and pictures."""

import csv
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from pushforward.atomic_files import write_whole
from pushforward.report import plots
from pushforward.sweep.search.objective import Objective
from pushforward.sweep.search.search_space import Dimension

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pushforward.sweep.search.study import Study

BEST = 5
"""How many trials of one metric are listed."""
NUMBERED = 15
"""Trials of a front that have their numbers in the picture."""
LEAST = 4
"""Complete trials from which importances are worth a picture."""


def report(study: "Study") -> list[str]:
    """Writes `trials.csv`, `report.md` and the pictures into the study's folder. Returns what to say in the terminal."""
    found, objectives, space = study.load(), study.settings.objectives, study.settings.space
    trials = found.get_trials(deepcopy=False)
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    folder = study.folder
    write_whole(folder / "trials.csv", as_csv(trials, objectives, space))
    counts = {s: sum(t.state == s for t in trials) for s in TrialState}
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running or stopped"}
    lines = [
        f"study {study.settings.name}: {len(trials)} of {study.total} trials: "
        + ", ".join(f"{counts[TrialState[s]]} {word}" for s, word in words.items() if counts[TrialState[s]])
    ]
    if not done:
        return lines
    best = best_trials(found, done)
    lines.append("best" if len(objectives) == 1 else f"Pareto front, {len(best)} trials")
    lines += [f"  {described(t, objectives, space)}" for t in best]
    matters = [importances(found, i, o) for i, o in enumerate(objectives)] if len(done) >= LEAST else []
    for objective, found_of in zip(objectives, matters, strict=False):
        parts = ", ".join(f"{key} {share:.2f}" for key, share in found_of.items())
        lines.append(f"what mattered to {objective.name} (PED-ANOVA, shares): {parts}")
    pictures = [draw_history(trials, objectives, folder / "history.png"), *draw_slices(done, objectives, space, folder)]
    if any(matters):
        pictures.append(draw_importances(matters, objectives, folder / "importances.png"))
    if len(objectives) == 2:
        pictures.append(draw_front(found, done, objectives, folder / "front.png"))
    text = ["# " + lines[0], "", "```", *lines[1:], "```", "", *(f"![]({p.name})" for p in pictures)]
    write_whole(folder / "report.md", "\n".join(text) + "\n")
    return [*lines, f"pictures and report in {folder}"]


def best_trials(study: optuna.Study, done: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The Pareto front of several metrics, along the first; else the best trials, best first, equals by number."""
    if len(study.directions) > 1:
        return sorted(study.best_trials, key=lambda t: t.values)
    sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
    return sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number))[:BEST]


def importances(study: optuna.Study, i: int, objective: Objective) -> dict[str, float]:
    """How much each key decides whether metric i is among the better ones, as shares of 1; none where nothing varies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that low values count as better: that is what the sign is for
        try:
            return optuna.importance.get_param_importances(study, target=lambda t: objective.sign * t.values[i])
        except (ValueError, RuntimeError):
            return {}


def described(trial: FrozenTrial, objectives: Sequence[Objective], space: Sequence[Dimension]) -> str:
    numbers = "  ".join(f"{o.name} {v:.6g}" for o, v in zip(objectives, trial.values, strict=True))
    params = " ".join(f"{d.key}={shown(trial.params[d.key])}" for d in space)
    return f"trial {trial.number:>3}  {numbers}  {params}  {trial.user_attrs.get('run', '')}"


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def as_csv(trials: Sequence[FrozenTrial], objectives: Sequence[Objective], space: Sequence[Dimension]) -> str:
    """Every trial on a line, numbers to the last digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", *(o.name for o in objectives), *(d.key for d in space), "run", "note"])
    for t in trials:
        values = t.values if t.state == TrialState.COMPLETE else [""] * len(objectives)
        params = [t.params.get(d.key, "") for d in space]
        notes = [t.user_attrs.get("run", ""), t.user_attrs.get("note", "")]
        writer.writerow([t.number, t.state.name.lower(), *values, *params, *notes])
    return text.getvalue()


# Pictures ------------------------------------------------------------------------------------------------------------


def draw_history(trials: Sequence[FrozenTrial], objectives: Sequence[Objective], path: Path) -> Path:
    """A panel a metric: every trial's value by its number, the best so far as a line, pruned trials along the bottom."""
    with plots._styled():
        figure, axes = plots._panels(1, len(objectives), 4.4, 3.0)
        for i, (ax, objective) in enumerate(zip(axes, objectives, strict=True)):
            there = [t for t in trials if t.state == TrialState.COMPLETE]
            x, y = np.array([t.number for t in there]), np.array([t.values[i] for t in there])
            ax.plot(x, y, "o", color=plots.BLUE, markersize=4, alpha=0.75, label="complete")
            so_far = np.maximum.accumulate(y) if objective.maximize else np.minimum.accumulate(y)
            ends = [*x, trials[-1].number], [*so_far, so_far[-1]]
            ax.step(*ends, where="post", color=plots.ORANGE, label="best so far")
            for state, mark in ((TrialState.PRUNED, "|"), (TrialState.FAIL, "x")):
                gone = [t.number for t in trials if t.state == state]
                if gone:
                    ax.plot(
                        gone, [0.02] * len(gone), mark, color="0.5", markersize=6, transform=ax.get_xaxis_transform(),
                        label={"PRUNED": "pruned", "FAIL": "failed"}[state.name],
                    )  # fmt: skip
            ax.set(title=objective.name, xlabel="trial")
            in_sight(ax, y, objective)
        axes[0].legend(fontsize=8)
        return plots._save(figure, path)


def in_sight(ax: "Axes", y: np.ndarray, objective: Objective) -> None:
    """A logarithmic axis where a few bad trials would press the good ones together."""
    if len(y) > 2 and y.min() > 0 and y.max() / np.median(y) > 10:
        ax.set_yscale("log")


def draw_importances(matters: Sequence[dict[str, float]], objectives: Sequence[Objective], path: Path) -> Path:
    """Bars of each key's share, the largest above; a panel a metric."""
    rows = max(len(m) for m in matters)
    with plots._styled():
        figure, axes = plots._panels(1, len(objectives), 4.4, 0.9 + 0.32 * rows)
        for ax, objective, shares in zip(axes, objectives, matters, strict=True):
            keys = list(shares)[::-1]
            bars = ax.barh(keys, [shares[k] for k in keys], color=plots.BLUE, height=0.6)
            ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8, color="0.25")
            ax.set(title=f"what mattered to {objective.name}", xlabel="share (PED-ANOVA)")
            ax.margins(x=0.15)
        return plots._save(figure, path)


def draw_slices(
    done: Sequence[FrozenTrial], objectives: Sequence[Objective], space: Sequence[Dimension], folder: Path
) -> list[Path]:
    """A picture a metric, a panel a key: the value of every trial against the key's, later trials darker."""
    made = []
    for i, objective in enumerate(objectives):
        with plots._styled():
            across = min(3, len(space))
            figure, axes = plots._panels(-(-len(space) // across), across, 3.0, 2.5)
            y, order = np.array([t.values[i] for t in done]), np.array([t.number for t in done])
            for ax in axes[len(space) :]:
                ax.set_visible(False)
            for ax, d in zip(axes, space, strict=False):
                x = [t.params[d.key] for t in done]
                ax.scatter([str(v) for v in x] if d.kind == "choice" else x, y, c=order, cmap="Blues", s=18,
                           vmin=-0.5 * (order.max() + 1), edgecolors="0.35", linewidths=0.4)  # fmt: skip
                if d.kind.startswith("log"):
                    ax.set_xscale("log")
                ax.set_xlabel(d.key)
                in_sight(ax, y, objective)
            for ax in axes[::across]:
                ax.set_ylabel(objective.name)
            suffix = "" if len(objectives) == 1 else f"-{objective.name.replace('/', '_')}"
            made.append(plots._save(figure, folder / f"slices{suffix}.png"))
    return made


def draw_front(study: optuna.Study, done: Sequence[FrozenTrial], objectives: Sequence[Objective], path: Path) -> Path:
    """Both metrics of every trial; those that no other beats in both joined by steps, with their numbers."""
    best = np.array([t.values for t in best_trials(study, done)])
    every = np.array([t.values for t in done])
    with plots._styled():
        figure, (ax,) = plots._panels(1, 1, 4.8, 3.8)
        ax.plot(*plots.columns(every), "o", color=plots.BLUE, markersize=4, alpha=0.5, label="trials")
        where: Any = "pre" if objectives[1].maximize else "post"
        ax.step(*plots.columns(best), where=where, color=plots.ORANGE, label="Pareto front")
        ax.plot(*plots.columns(best), "o", color=plots.ORANGE, markersize=5)
        shown_best = best_trials(study, done)
        for t in shown_best if len(shown_best) <= NUMBERED else []:
            ax.annotate(str(t.number), t.values, xytext=(5, 4), textcoords="offset points", fontsize=7, color="0.3")  # type: ignore[arg-type]
        ax.set(xlabel=objectives[0].name, ylabel=objectives[1].name)
        ax.margins(0.1)
        ax.legend()
        return plots._save(figure, path)
