"""Measuring a run once more: as its config has it and overrides change it, with the weights that were chosen or with others."""

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pushforward import data_identity
from pushforward.errors import PushforwardError
from pushforward.protocol.features import Features
from pushforward.report.figures import draw_all
from pushforward.runs import Run, RunDir
from pushforward.runs.weights import BY_CARD, merged
from pushforward.training import safe_weights
from pushforward.training.console import quiet, summary
from pushforward.training.evaluate import evaluate, evaluate_sets, features_for, measures, sets_wanted
from pushforward.training.load_run import Trained, as_configured, complete
from pushforward.training.missing_results import Gaps, apart, remedy
from pushforward.training.pictures import draw, lacking
from pushforward.training.signatures import check_targets, taken_only

MEASURING = re.compile(r"[+~]*(metrics|features|measure|density)\b")
"""Overrides that change what is measured, and nothing that was trained."""


def settings_of(run: Run, overrides: list[str], config_dir: Path | None = None) -> dict[str, Any]:
    """`metrics` and `features` of a run's config, and what overrides change of them; a group that is chosen anew replaces it.

    Raises PushforwardError where an override is of anything else, or cannot be composed.
    """
    from pushforward import composition, config

    wrong = [o for o in overrides if not MEASURING.match(o)]
    if wrong:
        raise PushforwardError(f"evaluate {wrong[0]}: only metrics and features can change after training")
    measured = any(isinstance(node, dict) and "_target_" in node for node in (run.config.get("metrics") or {}).values())
    own = {"metrics": run.config.get("metrics") if measured else None, "features": run.config.get("features")}
    if measured and not overrides:
        return own
    chosen = {group: run.choices.get(group) for group in own}
    anew = {group: any(o.startswith(f"{group}=") for o in overrides) for group in own}
    kept = [f"{group}={chosen[group]}" for group in own if chosen[group] and own[group] is not None and not anew[group]]
    usual = composition.compose(kept, config_dir)["choices"]
    kept += [
        f"+{where}={option}"  # a measure or density that the run was trained with beside those of its group
        for where, option in run.choices.items()
        if (group := where.partition("@")[0]) in ("measure", "density")
        and not anew["metrics"]
        and where not in usual
        and not any(f"{where}=" in o for o in overrides)
        and option in config.options(group)
    ]
    before, after = (composition.compose([*kept, *more], config_dir) for more in ([], overrides))
    check_targets({group: after[group] for group in own})
    return {
        group: after[group] if anew[group] or node is None else changed(node, before[group], after[group])
        for group, node in own.items()
    }


def changed(own: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`own` with what differs between `before` and `after`."""
    found = {key: value for key, value in own.items() if key in after or key not in before}
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        nodes = own.get(key), before.get(key), value
        found[key] = changed(*nodes) if all(isinstance(node, Mapping) for node in nodes) else value  # type: ignore[arg-type]
    return found


def measured_by(run: Run) -> dict[str, Any]:
    """`metrics` and `features` that the numbers of a run's record come from."""
    own = run.record.get("measured") or run.config
    return {"metrics": own.get("metrics"), "features": own.get("features")}


def evaluate_again(
    run: Run,
    overrides: list[str],
    config_dir: Path | None = None,
    moved: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> tuple[str, list[str]]:
    """Measures a run once more, as its config has it and overrides change it. Returns what to say of it, and what failed.

    config_dir: a person's own folder of `measure`, `density`, `features` or `metrics`; moved: `data.source.path=NEW` of data
    that lie elsewhere now. weights: the sets of weights that are measured, in place of the chosen one and those of
    `metrics.weights`.
    """
    quiet()
    complete(run)
    with as_configured(run):
        kept = {key: taken_only(node, key) for key, node in settings_of(run, overrides, config_dir).items()}
    settings = {key: node for key, (node, _) in kept.items()}
    gone = [key for _, keys in kept.values() for key in keys]
    note = [f"note: left out, as there is no such argument any more: {', '.join(gone)}"] if gone else []
    config = data_identity.moved(run.config, moved)
    folder = [] if config_dir is None else ["--config-dir", str(config_dir)]
    named = [f"weights={','.join(weights)}"] * bool(weights)
    command = shlex.join(["pushforward", "evaluate", run.id, *named, *overrides, *moved, *folder])
    writer = RunDir(run.path)
    if not writer.lock.acquire():
        raise PushforwardError(f"{run.id}: another process is training or measuring it; see pushforward status")
    try:
        trained = Trained(run, config)
        own = BY_CARD.get(str(trained.weights.get("weights")), "best")
        wanted = weights or [own, *sets_wanted(settings["metrics"])]
        if set(wanted) - {own} and safe_weights.is_export(run):
            raise PushforwardError(f"{run.id}: weights={','.join(weights)}: an export has one set of weights, {own}")
        features = features_for(trained.data, settings["features"])
        gaps = measure_chosen(trained, settings, features, writer, command) if own in wanted else {}
        others = [name for name in wanted if name != own]
        gaps |= measure_others(others, trained, settings, features, writer, command) if others else {}
        return "\n".join([*note, summary(writer), *remedy(writer, gaps, command)]), list(gaps)
    finally:
        writer.lock.release()


def measure_chosen(
    trained: Trained, settings: Mapping[str, Any], features: Features | None, writer: RunDir, command: str
) -> Gaps:
    """Measures the chosen weights into the record, and draws what pictures there are. Returns what failed."""
    run, family, data = trained.run, trained.family, trained.data
    started = time.perf_counter()
    found, gaps = evaluate(family, data, features, settings["metrics"], {**trained.weights, "command": command}, writer)
    cost = {**(run.record.get("cost") or {}), "evaluate_seconds": time.perf_counter() - started}
    before = run.record.get("failed") or {}
    new = lacking(writer, family, data)
    if not run.record or new or any(name.startswith("pictures.") for name in before):
        draw(writer, family, data, gaps)
    else:
        draw_all(run.path, lambda name: apart(writer, gaps, f"pictures.{name}"))
    tried = {f"metrics.{name}" for name in measures(settings["metrics"])} | set(found)
    left = {name: why for name, why in before.items() if name.startswith("metrics.") and name not in tried}
    by = {**settings, "metrics": {**(measured_by(run)["metrics"] or {}), **(settings["metrics"] or {})}}
    writer.update_record(found, measured=by, cost=cost, failed=left | gaps, objective=family.describe())
    if run.state == "finished" and run.status.get("error"):
        writer.set_status(error=None)  # it had no record
    return gaps


def measure_others(
    names: Sequence[str], trained: Trained, settings: Mapping[str, Any], features: Features | None, writer: RunDir,
    command: str,
) -> Gaps:  # fmt: skip
    """Measures sets of weights beside the chosen one into the record, whose other numbers stay. Returns what failed."""
    found, gaps = evaluate_sets(
        names, writer, trained.config, trained.family, trained.data, features, settings["metrics"], {"command": command}
    )
    places = tuple(f"metrics.weights.{name}" for name in names)
    before = writer.record.get("failed") or {}
    left = {name: why for name, why in before.items() if not name.startswith(places)}
    writer.update_record({}, weights=merged(writer.record, found), failed=left | gaps)
    return gaps
