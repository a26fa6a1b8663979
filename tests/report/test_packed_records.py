"""Packed records make the table that the run directories make, and what is no such file is refused in one line."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from pushforward.cli import main
from pushforward.errors import PushforwardError
from pushforward.report import table_render
from pushforward.report.run_list import RunList
from pushforward.runs import Run, among, every_run, pack, unpack
from pushforward.runs.packed import PackedRun


@pytest.fixture
def runs(make):  # type: ignore[no-untyped-def]
    drawn = {"floor": 0.1, "references": {"memoriser": 3.0}, "reference_draws": {"floor": [0.05, 0.15]}}
    made = [
        make(m, s, mse=v + s / 10, fd_lenet=(v, drawn), bpd=(None, "no density"))
        for m, v in (("ae", 1), ("vae", 2)) for s in range(3)
    ]  # fmt: skip
    made.append(make("gan", 1, status={"state": "diverged", "pid": 1, "host": "mine"}))
    return RunList([*made, make("ddpm", 1, status={"state": "running", "host": "mine"})])


def test_the_table_of_packed_records_is_the_table_of_the_runs(runs, tmp_path):
    pack(runs, file := tmp_path / "all.json.gz")
    for form in (table_render.markdown, table_render.latex, table_render.csv):
        assert form(RunList(unpack(file)).table(rows=("model", "seed"))) == form(runs.table(rows=("model", "seed")))
    found = {run.id: run for run in unpack(file)}
    assert [(run.id, run.state, run.metrics) for run in runs] == [
        (run.id, found[run.id].state, found[run.id].metrics) for run in runs
    ]
    assert [run.id for run in among(list(found.values()), "model=vae,seed=1", "here")] == ["vae-digits-s1-1"]


def test_the_same_runs_in_any_order_are_the_same_bytes(runs, tmp_path):
    pack(runs, tmp_path / "a.json.gz")
    pack([*map(Run, [run.path for run in reversed(runs)]), runs[0]], tmp_path / "b.json.gz")
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()
    text = gzip.decompress((tmp_path / "a.json.gz").read_bytes()).decode()
    assert "mine" not in text and str(tmp_path) not in text and len(text.splitlines()) == 1 + len(runs)


def test_packed_again_it_stays_the_same(runs, tmp_path):
    pack(runs, tmp_path / "a.json.gz")
    pack(unpack(tmp_path / "a.json.gz"), tmp_path / "b.json.gz")
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


LINES = {
    "no packed records": b"no gzip",
    "cut short": gzip.compress(json.dumps({"pushforward records": 1}).encode(), mtime=0)[:-9],
    "a line of it is no run": gzip.compress(b'{"pushforward records": 1}\n{"id": "../x"}', mtime=0),
    "format 9": gzip.compress(b'{"pushforward records": 9}', mtime=0),
    "or they are damaged": gzip.compress(b"[1", mtime=0),
}


@pytest.mark.parametrize(("said", "content"), LINES.items())
def test_what_is_no_file_of_records_is_refused_in_one_line(tmp_path, said, content):
    assert len(LINES) == 5
    (tmp_path / "x.json.gz").write_bytes(content)
    with pytest.raises(PushforwardError, match=said) as refused:
        unpack(tmp_path / "x.json.gz")
    assert "x.json.gz: " in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(PushforwardError, match="no such file"):
        unpack(tmp_path / "y.json.gz")


def test_a_damaged_line_is_an_unreadable_run(tmp_path):
    packed = {"id": "vae-s1", "status": {"state": "finished"}, "record": {"metrics": {"mse": {"value": "much"}}}}
    run = PackedRun(tmp_path / "x.json.gz", packed)
    assert run.state == "unreadable" and "record in x.json.gz: metrics.mse.value is 'much'" in str(run.damage())


def test_on_the_command_line(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    assert len(every_run()) == len(runs)
    file = tmp_path / "records" / "mine.json.gz"

    def said(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as done:
            main(words)
        assert done.value.code == code
        return "".join(capsys.readouterr())

    assert f"{file}: 5 runs, " in said("records", "pack", "mine", "--runs", "model=ae", "--runs", "seed=1,model!=ddpm")
    said("table", "there", "--runs", "model=ae", "--runs", "seed=1,model!=ddpm")
    shutil.rmtree(tmp_path / "runs")
    said("table", "here", "--records", str(file), "--runs", "model!=ddpm")
    for suffix in ("md", "tex", "csv"):
        there, here = ((tmp_path / "tables" / f"{name}.{suffix}").read_text() for name in ("there", "here"))
        assert there == here
    assert "No run matches 'model=nice'" in said("table", "--records", str(file), "--runs", "model=nice", code=2)
    assert "--pictures" in said("table", "--records", str(file), "--pictures", code=2)
    assert "no such file" in said("table", "--records", str(Path("nowhere.json.gz")), code=2)
