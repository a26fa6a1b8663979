"""Sets of weights side by side: as rows, as groups of columns, as a filter."""

import pytest

from pushforward.errors import PushforwardError
from pushforward.report.intervals import comparisons
from pushforward.report.run_list import RunList
from pushforward.report.tables import build
from pushforward.runs import RunDir, among, by_weights, pack, unpack

NONE = "its weights have no moving average"


@pytest.fixture
def runs(make):  # type: ignore[no-untyped-def]
    """Three seeds of a VAE that was measured with all sets, of an autoencoder without an average; one that diverged."""
    rule = {"weights": "best", "selection": "auto, on validation; last where nothing chooses"}
    made = []
    for model, value in (("ae", 1.0), ("vae", 2.0)):
        for seed in range(3):
            run = make(model, seed, mse=(value + seed / 100, rule))
            others = {}
            for name, more in (("last", 0.5), ("ema", -0.5)):
                entry = {
                    **run.metrics["mse"],
                    "value": value + more + seed / 100,
                    "card": {"better": "lower", "split": "test", "n": 360, "weights": f"{name}"},
                }
                others[name] = {"metrics": {"mse": entry}}
            if model == "ae":
                others["ema"] = {"metrics": {}, "na": NONE}
            RunDir(run.path).update_record({}, weights=others)
            made.append(type(run)(run.path))
    return RunList([*made, make("gan", 1, status={"state": "diverged"})])


def test_they_are_rows_in_their_order_and_ranked_with_each_other(runs):
    table = build(runs, rows=["model", "weights"])
    assert [row.label for row in table.rows] == [
        f"{m} {w}" for m in ("ae", "vae", "gan") for w in ("best", "last", "ema")
    ]
    assert table.cell("vae last", "mse").mean == pytest.approx(2.51)
    assert table.cell("ae ema", "mse").state == "n/a" and any(NONE in note for note in table.notes)
    assert [row.label for row in table.rows if row.cells[0].bold] == ["ae best"]
    assert table.cell("gan ema", "mse").state == "diverged" and table.rows[-1].others == "1 diverged"
    assert not any("cards differ" in note for note in table.notes)


def test_they_are_groups_of_columns(runs):
    table = build(runs, across=["weights"])
    assert [column.label for column in table.columns] == ["best.mse", "last.mse", "ema.mse"]
    assert [cell.mean for cell in table.rows[1].cells] == pytest.approx([2.01, 2.51, 1.51])
    assert table.rows[0].cells[2].state == "n/a"


def test_a_run_measured_with_one_set_has_no_number_of_the_others(runs, make):
    table = build([*runs, make("ddpm", 1, mse=(9.0, {"weights": "last"}))], across=["weights"])
    row = next(row for row in table.rows if row.label == "ddpm")
    assert [cell.state for cell in row.cells] == ["missing", "value", "missing"]


def test_a_filter_takes_one_set_and_a_mean_over_several_is_refused(runs):
    table = build(among(runs, "weights=last,model=vae", "here"), columns=["mse"])
    assert table.cell("vae", "mse").mean == pytest.approx(2.51) and "measured with weights: last" in table.notes
    assert build(runs).cell("vae", "mse").mean == pytest.approx(2.01)
    with pytest.raises(PushforwardError, match="numbers of several sets of weights would be averaged"):
        build(among(runs, "weights!=best", "here"))
    with pytest.raises(PushforwardError, match="No run matches 'weights=newest'"):
        among(runs, "weights=newest", "here")


def test_sets_are_compared_in_pairs_over_seeds(runs):
    own = by_weights([run for run in runs if run.key("model") == "vae"])
    table = build(own, rows=["weights"])
    (line,) = comparisons(table, own, "last", "best")
    assert "3 seeds in pairs" in line and "+0.5" in line


def test_packed_records_carry_them(runs, tmp_path):
    pack(runs, file := tmp_path / "a.json.gz")
    for options in ({"rows": ["model", "weights"]}, {"across": ["weights"]}):
        assert build(unpack(file), **options).rows[0].cells[0].values == build(runs, **options).rows[0].cells[0].values
    pack(unpack(file), again := tmp_path / "b.json.gz")
    pack(by_weights(runs), third := tmp_path / "c.json.gz")  # a run read by one of its sets is packed whole
    assert file.read_bytes() == again.read_bytes() == third.read_bytes()
