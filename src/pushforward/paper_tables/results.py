"""The results of a table: what its runs measured, cell by cell, beside what was published, and what each rule says of it."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pushforward.paper_tables.paper_table import Number, Place, Rule, rule_blocks
from pushforward.paper_tables.planned import Planned, Preset
from pushforward.report.plain_tables import figure
from pushforward.report.tables import relation
from pushforward.runs import Run

NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Result:
    """A cell: our numbers over seeds as they are shown, or why there are none."""

    values: tuple[float, ...] = ()
    unit: str = ""
    better: str | None = None
    relation: str = ""
    """= exact, ≤ and ≥ bounds, ≈ an estimate."""
    absent: str = ""
    """`not run`, `1 diverged`, n/a and the reason."""
    reference: bool = False

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.values) if self.values else None

    @property
    def std(self) -> float | None:
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Outcome:
    """A rule in a block: whether it holds, None where a number is lacking; cells: what it speaks of."""

    text: str
    holds: bool | None
    kind: str
    """order, bound, tolerance"""
    places: tuple[Place, ...]
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.holds is None:
            return NOT_COMPARABLE
        if self.kind == "tolerance":
            return "within tolerance" if self.holds else "not within tolerance"
        return f"{self.kind} holds" if self.holds else f"{self.kind} does not hold"


def results(preset: Preset, planned: Sequence[Planned]) -> dict[Place, Result]:
    """Return the cells of a preset, from the records of its runs."""
    runs: dict[tuple[str, str], list[Run]] = {}
    for one in planned:
        if one.run is not None:
            runs.setdefault((one.job.row, one.job.block), []).append(one.run)
    found = {}
    for place in preset.places:
        row = preset.table.rows[place.row]
        if row.reference is not None:
            beside = [run for (_, block), group in runs.items() if block == place.block for run in group]
            found[place] = referred(preset, place, row.reference, beside)
        else:
            found[place] = measured(preset, place, runs.get((place.row, place.block), []))
    return found


def measured(preset: Preset, place: Place, runs: Sequence[Run]) -> Result:
    """Return a cell over the runs of its row, scaled as its column says."""
    metric, column = preset.table.metric(place), preset.table.columns[place.column]
    values = [value for run in runs if (value := run.value(metric)) is not None]
    entries = [run.metrics[metric] for run in runs if metric in run.metrics and run.state == "finished"]
    states = Counter("not run" if run.state == "new" else run.state for run in runs if run.state != "finished")
    absent = ", ".join(
        f"{count} {state}" if count > 1 or state != "not run" else state for state, count in states.items()
    )
    if not values and not absent:
        absent = next(
            (f"n/a: {entry['na']}" for entry in entries if entry.get("na")), "not measured" if runs else "not run"
        )
    unit = column.unit if column.unit is not None else next((str(e["unit"]) for e in entries if e.get("unit")), "")
    better = next((e["card"]["better"] for e in entries if (e.get("card") or {}).get("better")), None)
    flips = better is not None and column.scale < 0
    better = {"lower": "higher", "higher": "lower"}[better] if better is not None and flips else better
    kinds = {str((e.get("card") or {}).get("kind") or "") for e in entries}
    return Result(shown(preset, place, values), unit, better, relation(kinds, better), absent)


def shown(preset: Preset, place: Place, values: Sequence[float]) -> tuple[float, ...]:
    column = preset.table.columns[place.column]
    return tuple(column.scale * value + column.offset for value in values)


def referred(preset: Preset, place: Place, label: str, runs: Sequence[Run]) -> Result:
    """Return a cell of what no model produced: as the cards of runs on the same data have it."""
    metric = preset.table.metric(place)
    for run in runs:
        entry = run.metrics.get(metric) or {}
        card = entry.get("card") or {}
        value = card.get("floor") if label == "floor" else (card.get("references") or {}).get(label)
        if value is not None:
            column = preset.table.columns[place.column]
            unit = column.unit if column.unit is not None else str(entry.get("unit") or "")
            return Result(shown(preset, place, [float(value)]), unit, reference=True)
    ran = any(run.state == "finished" for run in runs)
    return Result(absent="not measured" if ran else "not run", reference=True)


def outcomes(preset: Preset, found: Mapping[Place, Result]) -> list[Outcome]:
    """Return what each rule that the preset has says, block by block."""
    made = []
    for rule in preset.table.rules:
        if rule.presets is None or preset.name in rule.presets:
            for block in rule_blocks(preset.table, rule):
                made += list(applied(preset, rule, block, found))
    return made


def applied(preset: Preset, rule: Rule, block: str, found: Mapping[Place, Result]) -> Iterator[Outcome]:
    """Yield what a rule says in a block; nothing where the preset does not have what it speaks of."""
    table = preset.table
    if rule.order:
        places = [place for cell in rule.order if (place := table.resolved(cell, rule, block)) in found]
        if len(places) > 1:
            yield ordered(preset, rule, places, found)
    elif rule.pair:
        places = [place for cell in rule.pair if (place := table.resolved(cell, rule, block)) in found]
        if len(places) > 1 and (rule.spread or len(places) == 2):
            yield compared(preset, rule, places, found)
    else:
        for row in rule.rows or tuple(table.rows):
            place = table.resolved(row, rule, block)
            if rule.within is None and place in found:
                yield limited(preset, rule, place, found)
            elif place in found and place in table.published and (preset.full or found[place].reference):
                yield tolerated(preset, rule, place, found)


def ordered(preset: Preset, rule: Rule, places: Sequence[Place], found: Mapping[Place, Result]) -> Outcome:
    """`q: IWAE 50 < IWAE 5 < VAE: 84.8, 85.5, 86.8`."""
    means = [found[place].mean for place in places]
    sign, mark = (1, "<") if rule.ascending else (-1, ">")
    holds = None
    if all(mean is not None for mean in means):
        numbers = [sign * mean for mean in means if mean is not None]
        holds = all(b - a > rule.by for a, b in pairwise(numbers))
    step = f" by more than {rule.by:g}" if rule.by else ""
    text = f" {mark} ".join(words(preset, places)) + step
    near = any(close(found[a], found[b]) for a, b in pairwise(places))
    doubt = ", of which some differ by less than one standard error" * near
    return Outcome(
        f"{column_of(preset, places)}{text}: {listed(means)}{doubt}", holds, "order", tuple(places), rule.note
    )


def close(a: Result, b: Result) -> bool:
    """Whether two means differ by less than the standard error of their difference over seeds."""
    if a.std is None or b.std is None or a.mean is None or b.mean is None:
        return False
    return abs(a.mean - b.mean) < math.sqrt(a.std**2 / len(a.values) + b.std**2 / len(b.values))


def compared(preset: Preset, rule: Rule, places: Sequence[Place], found: Mapping[Place, Result]) -> Outcome:
    """A difference, a ratio or a spread within its limits."""
    means, value = [found[place].mean for place in places], None
    numbers = [mean for mean in means if mean is not None]
    if len(numbers) == len(means):
        value = max(numbers) - min(numbers) if rule.spread else numbers[0] - numbers[1] if rule.difference else (
            numbers[0] / numbers[1] if numbers[1] else math.inf
        )  # fmt: skip
    names = words(preset, places)
    what = f"spread of {', '.join(names)}" if rule.spread else (" − " if rule.difference else " / ").join(names)
    said = "no number yet" if value is None else figure(value, 4)
    return Outcome(
        f"{column_of(preset, places)}{what} {limits(rule)}: {said}",
        kept(rule, value),
        "order",
        tuple(places),
        rule.note,
    )


def limited(preset: Preset, rule: Rule, place: Place, found: Mapping[Place, Result]) -> Outcome:
    """A number within its limits: of every seed."""
    values = found[place].values
    holds = all(kept(rule, value) for value in values) if values else None
    text = f"{column_of(preset, [place])}{preset.table.title(place.row)} {limits(rule)}: {listed(values or [None])}"
    return Outcome(text, holds, "bound", (place,), rule.note)


def tolerated(preset: Preset, rule: Rule, place: Place, found: Mapping[Place, Result]) -> Outcome:
    """A number within the tolerance of the published one."""
    number, mean, allowed = preset.table.published[place], found[place].mean, rule.within
    assert allowed is not None
    most = max(
        allowed.absolute or 0.0,
        (allowed.relative or 0.0) * abs(number.value),
        (allowed.errors or 0.0) * (number.error or 0.0),
    )
    holds = None
    if mean is not None and (preset.full or found[place].reference):
        holds = abs(mean - number.value) <= most
    why = "" if preset.full or found[place].reference else f": not at {preset.name}"
    text = (
        f"{column_of(preset, [place])}{preset.table.title(place.row)} within {figure(most, 3)} of {number.value:g}{why}"
    )
    return Outcome(text, holds, "tolerance", (place,), rule.note)


def kept(rule: Rule, value: float | None) -> bool | None:
    if value is None:
        return None
    return (rule.above is None or value > rule.above) and (rule.below is None or value < rule.below)


def limits(rule: Rule) -> str:
    return " and ".join(
        f"{mark} {limit:g}" for mark, limit in ((">", rule.above), ("<", rule.below)) if limit is not None
    )


def column_of(preset: Preset, places: Sequence[Place]) -> str:
    """`MNIST: nll: ` where all cells are of one column."""
    several = {(place.block, place.column) for place in places}
    return f"{preset.table.heading(*several.pop())}: " if len(several) == 1 else ""


def words(preset: Preset, places: Sequence[Place]) -> list[str]:
    """The rows, and their columns where they differ."""
    several = len({(place.block, place.column) for place in places}) > 1
    return [
        preset.table.title(place.row) + (f" ({preset.table.heading(place.block, place.column)})" if several else "")
        for place in places
    ]


def listed(means: Sequence[float | None]) -> str:
    return ", ".join("–" if mean is None else figure(mean, 4) for mean in means)


def verdict(preset: Preset, place: Place, said: Sequence[Outcome]) -> str:
    """The verdict on a cell: by a tolerance where it may be held against what was published, else by the rules on it."""
    own = [outcome for outcome in said if place in outcome.places and outcome.holds is not None]
    for kind in ("tolerance", "order", "bound"):
        alike = [outcome for outcome in own if outcome.kind == kind]
        if alike:
            return next((one for one in alike if not one.holds), alike[0]).verdict
    return NOT_COMPARABLE


def delta(preset: Preset, place: Place, found: Mapping[Place, Result], outcomes: Sequence[Outcome]) -> float | None:
    """Ours less published; None where the budget is smaller than the published one, and no rule holds the two together."""
    number, own = preset.table.published.get(place), found[place]
    held = any(one.kind == "tolerance" and place in one.places for one in outcomes)
    if number is None or own.mean is None or not (preset.full or held):
        return None
    return own.mean - number.value


def replicated(preset: Preset, place: Place) -> list[tuple[str, Number]]:
    """The numbers that others obtained, and who."""
    return [(one.by, values[place]) for one, values in preset.table.replications if place in values]
