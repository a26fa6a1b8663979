"""What the one wrapper makes of a measure's values: entries with unit, card and place, and reasons where there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pushforward.composition import compose
from pushforward.domains import Count
from pushforward.errors import PushforwardError
from pushforward.protocol import Measure, NotApplicable, Number, Subject, Value, value
from pushforward.report.columns import headline, main, ordered
from pushforward.runs import Run, RunDir
from pushforward.training import build


@dataclass(frozen=True)
class Own(Measure):
    """A person's own."""

    order = 5
    images: Count
    given: Any = None

    def numbers(self, subject: Subject) -> Sequence[Number]:
        return (
            Number("b", "nats", "lower"),
            Number("a", "share", "higher", main=True, headline=1),
            Number("c", "count"),
        )

    def values(self, subject: Subject) -> Mapping[str, Value | NotApplicable]:
        if isinstance(self.given, NotApplicable):
            raise self.given
        return self.given


@pytest.fixture(scope="module")
def subject() -> Subject:
    frozen = compose(["model=ae", "data=digits", "network.hidden=[4]"])
    data = build.build_data(frozen)
    return Subject(build.build_family(frozen, data.spec).eval(), data)


def test_values_become_entries_and_those_left_out_are_left_out(subject: Subject) -> None:
    entries = Own(3, {"a": value(0.5, n=9), "b": NotApplicable("why", k=2)})(subject)
    assert list(entries) == ["b", "a"]
    assert entries["a"]["value"] == 0.5 and entries["a"]["unit"] == "share" and entries["a"]["na"] is None
    assert entries["a"]["card"]["better"] == "higher" and entries["a"]["card"]["n"] == 9
    assert entries["a"]["card"]["split"] == "test"
    assert entries["a"]["column"] == {"order": [5, 1], "main": True, "headline": 1}
    assert entries["b"]["value"] is None and entries["b"]["na"] == "why" and entries["b"]["card"]["k"] == 2
    assert entries["b"]["column"] == {"order": [5, 0]}


def test_a_reason_for_all_is_an_entry_for_each(subject: Subject) -> None:
    entries = Own(3, NotApplicable("no codes", k=1))(subject)
    assert {name: entry["unit"] for name, entry in entries.items()} == {"b": "nats", "a": "share", "c": "count"}
    assert {entry["na"] for entry in entries.values()} == {"no codes"}
    assert all(entry["card"]["k"] == 1 for entry in entries.values())


def test_a_mean_over_no_images_is_no_number(subject: Subject) -> None:
    assert "no test images" in Own(3, {"a": value(0.5, n=0)})(subject)["a"]["na"]


def test_what_is_not_declared_or_outside_its_domain_is_refused(subject: Subject) -> None:
    with pytest.raises(PushforwardError, match="Own gives d, which its `numbers` do not declare"):
        Own(3, {"d": value(1.0)})(subject)
    with pytest.raises(PushforwardError, match=r"Own.images=0: it must be a whole number of at least 1"):
        Own(0)


def test_a_run_s_numbers_stand_as_they_are_declared(subject: Subject, tmp_path: Any) -> None:
    """An own measure's like any other; a number that declares no place comes last."""
    entries = Own(3, {name: value(1.0) for name in "abc"})(subject)
    run = RunDir.create(tmp_path / "run", {})
    run.set_status(state="finished")
    run.write_record({"z": {"value": 1.0, "unit": "", "card": {}, "na": None}, **entries})
    metrics = Run(run.path).metrics
    assert ordered(metrics) == ["b", "a", "c", "z"] and main(metrics) == ["a"]
    assert headline(Run(run.path)) == "a"
