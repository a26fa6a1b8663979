"""The cost of training as columns: read from the record, never written into it twice."""

import json

from pushforward.report.run_list import RunList
from pushforward.runs import Run, RunDir
from pushforward.runs.training_cost import columns

EXECUTION = {"device": "cpu", "devices": 1, "threads": 2, "precision": "fp32", "executed": "alone", "torch": "2"}
COST = {"parameters": 12, "train_seconds": 3.5, "images_per_second": None, "images_seen": 700, "steps": {"model": 11}}


def made(path, metrics=None) -> RunDir:
    run = RunDir.create(path, {"choices": {"model": "vae", "data": "digits"}, "seed": 1})
    run.set_status(state="finished")
    run.write_record(metrics or {}, cost=COST, execution=EXECUTION)
    return run


def test_times_have_units_and_say_where_they_were_taken():
    found = columns({"cost": COST | {"images_per_second": 200.0, "data_wait": 0.25}, "execution": EXECUTION})
    assert {name: (entry["value"], entry["unit"]) for name, entry in found.items()} == {
        "parameters": (12, "count"), "wall_time": (3.5, "s"), "images_per_second": (200, "images/s"),
        "data_wait": (0.25, "share"),
    }  # fmt: skip
    card = found["wall_time"]["card"]
    assert (card["threads"], card["device"], card["precision"], card["images"]) == (2, "cpu", "fp32", "about 700")
    assert [entry["card"]["better"] for entry in found.values()] == [None, "lower", "higher", "lower"]
    assert columns({}) == {}


def test_a_run_has_them_beside_what_was_measured(tmp_path):
    own = {"value": 13.0, "unit": "count", "card": {"better": None}, "na": None}
    run = made(tmp_path / "a", {"parameters": own})
    assert list(run.metrics) == ["parameters", "wall_time"]
    assert (run.value("parameters"), run.value("wall_time")) == (13, 3.5)  # what was measured comes first
    run.update_record({"mse": own})
    written = json.loads((run.path / "record.json").read_text())
    assert list(written["metrics"]) == ["parameters", "mse"] and written["cost"] == COST
    assert list(Run(run.path).metrics) == ["parameters", "mse", "wall_time"]


def test_they_are_columns_of_a_table(tmp_path):
    table = RunList([Run(made(tmp_path / "a").path)]).table(columns=["parameters", "wall_time"])
    assert [(column.name, column.unit, column.better) for column in table.columns] == [
        ("parameters", "count", None), ("wall_time", "s", "lower"),
    ]  # fmt: skip
    assert [cell.values for cell in table.rows[0].cells] == [(12,), (3.5,)]
