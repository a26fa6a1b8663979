"""Evaluating a run: the weights that are measured, and the measures of its config, at the end and during training."""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from pushforward.data import DataModule
from pushforward.errors import PushforwardError, Unreadable
from pushforward.families import Family
from pushforward.protocol.features import Features, NoFeatures
from pushforward.protocol.measure import Measure
from pushforward.protocol.subject import Entries, NotApplicable, Subject, no_images
from pushforward.runs import RunDir
from pushforward.runs.weights import named
from pushforward.training import build, checkpoints
from pushforward.training.console import say
from pushforward.training.missing_results import Gaps, Stages, apart

__all__ = ["choose", "during", "evaluate", "evaluate_sets", "features_for", "sets_wanted"]

Settings = Mapping[str, Any]
Measuring = Callable[[Subject], Entries]
"""A `Measure`, or whatever else measures a subject."""


def choose(run: RunDir, family: Family, frozen: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
    """Puts the weights to evaluate into the family: best where validation chose any, else last; EMA where there are any.

    name: one of the sets `weights.SETS`, whatever this rule chooses.
    Returns what the card says of them. Raises NotApplicable where the run has no such set.
    """
    best, last = run.checkpoints / checkpoints.BEST, run.checkpoints / checkpoints.LAST
    chosen = best if os.path.lexists(best) and name in (None, "best") else last
    try:
        state = checkpoints.put(family, chosen, averaged=name != "last")
    except Unreadable as error:
        other = f"remove it to measure the last weights ({last.name})" if chosen == best else "train the run again"
        raise PushforwardError(f"{error}; {other}") from None
    metric, settled = frozen["selection"]["metric"], family.settled()
    by = f"validation {'+'.join(family.criterion or ['total']) if metric == 'auto' else metric}"
    if settled:
        by += f", from epoch {settled:g} on: until then the objective changes"
    never = math.isinf(build.settled_images(family, build.budget_images(frozen, family.spec)))
    changes = "the objective still changes when the budget ends"
    if name == "best" and chosen != best:
        raise NotApplicable(f"validation chose no weights ({changes if never else f'selection.metric={metric}'})")
    if name == "ema" and not state["ema"]:
        raise NotApplicable("its weights have no moving average (ema=exponential keeps one)")
    rule = {
        "selection": f"{metric}, on validation; last where nothing chooses",
        "chosen_by": by if chosen == best else f"nothing: {changes}" if never else None,
    }
    return {
        "weights": chosen.stem + (" (EMA)" if state["ema"] and name != "last" else ""),
        **({"chosen_by": f"weights={name}"} if name in ("last", "ema") else rule),
        "at_images": state["progress"]["images_seen"],
    }


FEW = 100
"""Images on which a number means little: a run says so."""


def features_node(settings: Settings | None) -> dict[str, Any] | None:
    """The component that a config's `features` is; None where there is none. Raises PushforwardError for a name alone."""
    node = dict(settings or {})
    if "_target_" in node:
        return node
    if node.get("name") is not None:
        raise PushforwardError(
            f"features.name={node['name']} is not known; choose features=lenet, random, pixels, inception or none, "
            f"or give features a _target_."
        )
    return None


def features_for(data: DataModule, settings: Settings | None) -> Features | None:
    """The features that a config's `features` names, of these data; None where it names none, or they are not available."""
    node = features_node(settings)
    if node is None:
        return None
    made = build.make(node, "features")
    try:
        return made(data.images) if node.get("_partial_") else made
    except NoFeatures:
        return None


@torch.no_grad()
def evaluate(
    family: Family, data: DataModule, features: Features | None, settings: Settings | None, card: dict[str, Any], run: RunDir,
    training: bool = False, weights: str = "",
) -> tuple[Entries, Gaps]:  # fmt: skip
    """Every number that the metrics of a config ask for; a measure that fails is said and leaves out its own numbers.

    training: the run's status says what is being measured. weights: the set that is in the family, where it is not the
    chosen one: nothing is kept for pictures. Returns the numbers, and why measures failed.
    """
    family.eval()
    entries: Entries = {}
    gaps: Gaps = {}
    keep, place = (None, f"metrics.weights.{weights}") if weights else (keeper(run), "metrics")
    subject = subject_of(family, data, features, settings or {}, card=card, keep=keep)
    known = measures(settings)
    if known and (n := subject.size(subject.split)) < FEW:
        say(run, f"note: {n} {subject.split} image{'s' * (n != 1)}: numbers measured on so few mean little")
    with Stages(run, list(known), training) as stages:
        for name, measure in known.items():
            with apart(run, gaps, f"{place}.{name}"):
                stages.begin(name)
                entries.update(checked(measured(measure, subject)))
    return entries, gaps


def evaluate_sets(
    names: Iterable[str], run: RunDir, frozen: Mapping[str, Any], family: Family, data: DataModule,
    features: Features | None, settings: Settings | None, card: Mapping[str, Any], training: bool = False,
) -> tuple[dict[str, dict[str, Any]], Gaps]:  # fmt: skip
    """`weights` of a record: numbers of each set of weights named, or the reason why the run has none such; and the gaps.

    card: what every card says beside the weights. The family has the chosen weights again when it returns.
    """
    found: dict[str, dict[str, Any]] = {}
    gaps: Gaps = {}
    for name in names:
        with apart(run, gaps, f"metrics.weights.{name}"):
            try:
                own = {**card, **choose(run, family, frozen, name)}
            except NotApplicable as reason:
                found[name] = {"metrics": {}, "na": str(reason)}
                continue
            entries, failed = evaluate(family, data, features, settings, own, run, training, name)
            found[name] = {"metrics": entries, "na": None}
            gaps |= failed
    if found or gaps:
        choose(run, family, frozen)
        family.eval()
    return found, gaps


def sets_wanted(settings: Settings | None) -> list[str]:
    """The sets of weights that `metrics.weights` names. Raises PushforwardError where one is none."""
    return named((settings or {}).get("weights"), "metrics.weights")


def measured(measure: Measuring, subject: Subject) -> Entries:
    """The entries of a measure. Raises PushforwardError where it fails for want of images."""
    try:
        return measure(subject)
    except Exception as error:
        if subject.size(subject.split) == 0:
            raise PushforwardError(no_images(subject.split)) from error
        raise


def checked(entries: Any) -> Entries:
    """A measure's result, checked. Raises PushforwardError where it is not {name: entry of a number or of none}."""
    if not isinstance(entries, Mapping):
        raise PushforwardError(f"it returned a {type(entries).__name__}; return {{name: subject.number(…)}}")
    for name, entry in entries.items():
        if not isinstance(entry, Mapping) or {"value", "unit", "card", "na"} - set(entry):
            raise PushforwardError(
                f"{name} is {entry!r:.60}; return subject.number(value, unit, better=…) or subject.na(…)"
            )
    return dict(entries)


def measures(settings: Settings | None) -> dict[str, Measuring]:
    """The measures of a config's `metrics`, by name: its entries with a `_target_`."""
    return {
        name: build.make(node, f"metrics.{name}")
        for name, node in (settings or {}).items()
        if isinstance(node, Mapping) and "_target_" in node
    }


def check_measures(settings: Settings | None, family: Family, data: DataModule) -> None:
    """Raises PushforwardError where measures cannot be built, or ask for what the config does not have."""
    subject, known = subject_of(family, data, None, settings or {}), measures(settings)
    check_during(settings, known)
    sets_wanted(settings)
    for measure in known.values():
        if isinstance(measure, Measure):
            measure.check(subject)


def check_during(settings: Settings | None, known: Mapping[str, Measuring]) -> list[str]:
    """The measures that `metrics.during` names. Raises PushforwardError where one is not among those known."""
    wanted = list((settings or {}).get("during") or [])
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise PushforwardError(
            f"metrics.during: {unknown[0]} is not measured; choose from {', '.join(known) or 'none'}"
        )
    return wanted


def during(
    settings: Settings | None, features: Features | None, run: RunDir
) -> Callable[[Family, DataModule], dict[str, float]] | None:
    """The measures of `metrics.during`, taken at each validation, on the validation split; None where it asks for nothing.

    A measure that fails is said, and not tried again.
    """
    known = measures(settings)
    wanted = check_during(settings, known)
    if not wanted:
        return None
    gaps: Gaps = {}

    def measured(family: Family, data: DataModule) -> dict[str, float]:
        subject, entries = subject_of(family, data, features, settings or {}, split="val"), Entries()
        for name in wanted:
            if f"metrics.during.{name}" not in gaps:
                with apart(run, gaps, f"metrics.during.{name}"):
                    entries.update(checked(known[name](subject)))
        return {key: entry["value"] for key, entry in entries.items() if entry["value"] is not None}

    return measured


def subject_of(family: Family, data: DataModule, features: Features | None, settings: Settings, **more: Any) -> Subject:
    """The family as measures see it, with the densities over codes that the config names."""
    wanted = {name: node for name, node in (settings.get("densities") or {}).items() if node}
    densities = {name: build.make(node, f"metrics.densities.{name}") for name, node in wanted.items()}
    affordable = settings.get("costly_images") or 1000
    return Subject(family, data, features=features, densities=densities, costly_images=int(affordable), **more)


def keeper(run: RunDir) -> Callable[[str, dict[str, Any]], None]:
    """Writes what measures keep for pictures into the run's arrays."""

    def keep(name: str, arrays: dict[str, Any]) -> None:
        run.write_arrays(
            name, **{key: value.cpu().numpy() if torch.is_tensor(value) else value for key, value in arrays.items()}
        )

    return keep
