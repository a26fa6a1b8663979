"""The messages of a run, on the terminal and in its console log."""

import contextlib
import logging
import warnings
from collections.abc import Sequence
from typing import Any

from pushforward.data import DataModule
from pushforward.families import Family
from pushforward.report.columns import main
from pushforward.report.plain_tables import figure
from pushforward.runs import Run, RunDir, by_weights
from pushforward.training import build


def opening(
    frozen: dict[str, Any], family: Family, data: DataModule, run: RunDir, images: int, restored: dict[str, Any] | None
) -> list[str]:
    """The opening lines of a run: objective, likelihood and σ, budget, folder."""
    described = family.describe()
    labels = {"model": "min"} if len(family.players) == 1 else {p.name: f"{p.name} min" for p in family.players}
    width = max(9, *(len(labels.get(key, key)) for key in described)) + 1
    lines = [f"{'run':<{width}}{run.id}"]
    lines += [f"{labels.get(key, key):<{width}}{text}" for key, text in described.items()]
    spec = data.spec
    epochs = images / spec.n_train
    of, held = "images" if spec.is_image else "points", data.card["splits"]
    lines.append(
        f"{'data':<{width}}{run.data} {'×'.join(map(str, spec.shape))}, {spec.n_train:,} training {of}"
        + (f", {spec.levels} levels" if spec.levels else "")
        + f"; {held['val']:,} for validation, {held['test']:,} for testing"
    )
    lines += [f"{'':<{width}}{note}" for note in data.notes]
    steps = build.budget_cycles(frozen, family)
    lines.append(
        f"{'budget':<{width}}{images:,} images = {epochs:g} epochs = {steps:,} cycles at global batch {frozen['batch_size']}; "
        f"{sum(p.numel() for p in family.parameters()):,} parameters"
    )
    lines.append(f"{'folder':<{width}}{run.path}")
    if restored:
        lines.append(f"{'resumes':<{width}}from {restored['progress']['images_seen']:,} images seen")
    return lines


SHOWN = 6
"""Numbers of a finished run that are shown: the main ones come first."""


def summary(run: RunDir) -> str:
    """The end of a run and its headline numbers, a line each; `pushforward show run` has all."""
    measured = {name: m for name, m in run.metrics.items() if m["value"] is not None}
    names = main(measured)[:SHOWN]
    width, state = max(map(len, names), default=0), run.status.get("state")
    lines = [f"finished {run.id}" if state == "finished" else f"measured, though {state}: {run.id}"]
    lines += [
        f"  {name:<{width}}  {figure(measured[name]['value'], 4)} {measured[name]['unit']}".rstrip() for name in names
    ]
    if len(measured) > len(names):
        lines.append(f"  {len(measured) - len(names)} more: pushforward show run {run.id}")
    for other in by_weights([run]):
        if other.weights != run.key("weights"):
            lines.append(f"  weights {other.weights}: {', '.join(_with(other, names)) or 'not measured'}")
    return "\n".join(lines)


def _with(run: Run, names: Sequence[str]) -> list[str]:
    """Those of the numbers that were measured with other weights, or why none was."""
    entries = {name: run.metrics[name] for name in names if name in run.metrics}
    if reason := next((m["na"] for m in entries.values() if m["na"]), None):
        return [f"n/a: {reason}"]
    return [f"{name} {figure(m['value'], 4)}" for name, m in entries.items() if m["value"] is not None]


def say(run: RunDir, *lines: str) -> None:
    """Prints lines, and keeps them in the run's console log."""
    print(*lines, sep="\n", flush=True)
    note(run, "\n".join(lines) + "\n")


def note(run: RunDir, text: str) -> None:
    with contextlib.suppress(OSError), (run.path / "console.log").open("a", encoding="utf-8") as log:
        log.write(text)


def quiet() -> None:
    """Lightning's advice about loaders and loggers does not concern a person who trains by config."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torchmetrics")
    warnings.filterwarnings("ignore", message=r".*(isinstance\(treespec|does not have many workers|GPU available).*")
