"""Report what a search found: best trials, what mattered, the front of several metrics, as text and as Optuna's plots."""

import csv
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from pushforward.atomic_files import whole, write_whole
from pushforward.sweep.search.objective import Objective
from pushforward.sweep.search.search_space import Dimension

if TYPE_CHECKING:
    from pushforward.sweep.search.study import Study

BEST = 5
"""The number of trials listed for one metric."""
LEAST = 4
"""Complete trials from which importances are worth a picture."""


def report(study: "Study") -> list[str]:
    """Write `trials.csv`, `report.md` and the pictures into the study's folder. Returns what to say in the terminal."""
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
    pictures = draw(found, objectives, all(matters) and bool(matters), folder)
    text = ["# " + lines[0], "", "```", *lines[1:], "```", "", *(f"![]({p.name})" for p in pictures)]
    write_whole(folder / "report.md", "\n".join(text) + "\n")
    return [*lines, f"pictures and report in {folder}"]


def best_trials(study: optuna.Study, done: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the Pareto front of several metrics, along the first; else the best trials, best first, equals by number."""
    if len(study.directions) > 1:
        return sorted(study.best_trials, key=lambda t: t.values)
    sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
    return sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number))[:BEST]


def importances(study: optuna.Study, i: int, objective: Objective) -> dict[str, float]:
    """Return how much each key decides whether metric i is among the better ones, as shares of 1; none where nothing varies."""
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
    """Return CSV with every trial on a line, numbers to the last digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", *(o.name for o in objectives), *(d.key for d in space), "run", "note"])
    for t in trials:
        values = t.values if t.state == TrialState.COMPLETE else [""] * len(objectives)
        params = [t.params.get(d.key, "") for d in space]
        notes = [t.user_attrs.get("run", ""), t.user_attrs.get("note", "")]
        writer.writerow([t.number, t.state.name.lower(), *values, *params, *notes])
    return text.getvalue()


def draw(study: optuna.Study, objectives: Sequence[Objective], matters: bool, folder: Path) -> list[Path]:
    """Draw Optuna's plots of each metric, and of two metrics their front. Returns the files."""
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as plots

    plt.switch_backend("agg")
    made = []

    def save(name: str, axes: Any, values: Sequence[float] = ()) -> None:
        path, axes = folder / f"{name.replace('/', '_')}.png", np.atleast_1d(axes)
        if len(values) > 2 and min(values) > 0 and max(values) / np.median(values) > 10:
            axes[0].set_yscale("log")  # else a few bad trials press the good ones together
        with whole(path) as aside:
            axes[0].figure.savefig(aside, dpi=130, bbox_inches="tight")
        made.append(path)

    with plt.rc_context(), warnings.catch_warnings():  # Optuna sets a style for the whole process, and calls itself new
        warnings.simplefilter("ignore")
        for i, objective in enumerate(objectives):
            suffix = "" if len(objectives) == 1 else f"-{objective.name}"
            how: Any = {"target_name": objective.name}
            how["target"] = None if len(objectives) == 1 else lambda t, i=i: t.values[i]
            values = [t.values[i] for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
            save(f"history{suffix}", plots.plot_optimization_history(study, **how), values)
            save(f"slices{suffix}", plots.plot_slice(study, **how), values)
            if matters:
                how["target"] = lambda t, i=i, sign=objective.sign: sign * t.values[i]
                save(f"importances{suffix}", plots.plot_param_importances(study, **how))
        if len(objectives) == 2:
            save("front", plots.plot_pareto_front(study, target_names=[o.name for o in objectives]))
        plt.close("all")
    return made
