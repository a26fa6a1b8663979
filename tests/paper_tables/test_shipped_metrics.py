"""Columns of the tables that are shipped name numbers that their rows' measures declare."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.paper_tables import table_file
from pushforward.paper_tables.planned import Preset, frozen_of, jobs
from pushforward.training import build
from pushforward.training.evaluate import measures, subject_of

SMALL = {"toy2d": ["data=toy2d", "data.source.n_train=400", "data.source.n_test=100", "data.validation=100"]}
SMALL |= {"dsprites": ["data=sprites", "data.source.size=16"], "stacked_mnist": ["data=sprites", "data.source.size=28"]}
"""In the place of large data sets those with the same numbers; of all others digits."""


def stand_in(name: str) -> DataModule:
    data = build.build_data(compose(SMALL.get(name, ["data=digits"])))
    if name == "stacked_mnist":
        data._arrays = replace(data.arrays, channels_of="mnist")
    return data


@pytest.mark.parametrize("name", sorted(table_file.files()))
def test_a_column_is_a_number_of_the_rows_measures(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each row that has numbers of its own, and of the first of those that take the columns' own."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    table = table_file.load(name)
    which, budget = next(iter(table.budgets.items()))
    preset = Preset(table, which, budget, (1,))
    rows = {str(sorted(table.rows[job.row].metrics.items())): job for job in reversed(jobs(preset))}
    assert rows
    for job, frozen in zip(rows.values(), frozen_of(preset, name, list(rows.values())), strict=True):
        data = stand_in(frozen["choices"]["data"])
        family = build.build_family(frozen, data.spec).eval()
        features: Any = SimpleNamespace(name=frozen["choices"]["features"])
        subject = subject_of(family, data, features, frozen["metrics"])
        declared = {number.name for one in measures(frozen["metrics"]).values() for number in one.numbers(subject)}  # type: ignore[attr-defined]
        wanted = {table.metric(place) for place in table.places(budget) if place.row == job.row}
        assert wanted <= declared, f"{job.row}: {sorted(wanted - declared)}"
