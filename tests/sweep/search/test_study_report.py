"""What a search leaves for a person: best trials, what mattered, pictures."""

import csv
import io
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")
sys.path.insert(0, str(Path(__file__).parent))
from stand_in import search, wanted

from pushforward.sweep.search.study import Study
from pushforward.sweep.search.study_report import report


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    monkeypatch.setattr("os.fsync", lambda _: None)
    return tmp_path / "studies" / "s"


def test_one_metric(folder: Path) -> None:
    asked = wanted(trials=20, pruner="median")
    search(folder, asked)
    with Study(asked, folder) as study:
        lines = report(study)
        found = study.trials()
    rows = list(csv.DictReader(io.StringIO((folder / "trials.csv").read_text())))
    assert [int(row["trial"]) for row in rows] == list(range(20))
    done = [row for row in rows if row["state"] == "complete"]
    best = min(done, key=lambda row: float(row["val/criterion"]))
    assert lines[0] == f"study s: 20 of 20 trials: {len(done)} complete, {20 - len(done)} pruned"
    assert lines[2].split()[:2] == ["trial", best["trial"]] and best["run"] in lines[2]
    assert float(best["x"]) == found[int(best["trial"])].params["x"], "to the last digit"
    assert all(row["val/criterion"] == "" and "pruned by study s" in row["note"] for row in rows if row not in done)
    mattered = next(line for line in lines if line.startswith("what mattered to val/criterion"))
    shares = [float(part.split()[-1]) for part in mattered.partition(": ")[2].split(", ")]
    assert sum(shares) == pytest.approx(1, abs=0.03) and shares == sorted(shares, reverse=True)
    for name in ("history", "importances", "slices"):
        assert (folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert f"({name}.png)" in (folder / "report.md").read_text()


def test_several_metrics_have_a_front(folder: Path) -> None:
    asked = wanted(trials=12, metric={"rate": "val/kl", "distortion": "val/reconstruction"})
    search(folder, asked)
    with Study(asked, folder) as study:
        lines = report(study)
        values = [t.values for t in study.trials()]
    front = [v for v in values if not any(w[0] <= v[0] and w[1] <= v[1] and w != v for w in values)]
    assert lines[1] == f"Pareto front, {len(front)} trials"
    rates = [float(line.split("rate ")[1].split()[0]) for line in lines[2 : 2 + len(front)]]
    assert rates == sorted(rates)
    for name in ("history-rate", "history-distortion", "front", "slices-rate", "slices-distortion", "importances-rate"):
        assert (folder / f"{name}.png").is_file()


def test_nothing_done_nothing_drawn(folder: Path) -> None:
    with Study(wanted(trials=2), folder) as study:
        study.ask()
        assert report(study) == ["study s: 1 of 2 trials: 1 running or stopped"]
    assert not list(folder.glob("*.png"))
