"""A person's own data: fingerprint, name, and a run whose data moved or changed. What is expected follows from `content`."""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import pushforward as pf
from pushforward import cli, config, data_identity, job, launch
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.report.tables import build
from pushforward.runs import RunDir, find, runs_dir
from pushforward.training.rerun_command import command

BRIEF = [
    "model=vae", "data=npz", "network.hidden=[8]", "budget.images=192", "budget.epochs=null", "features=none", "logger=none",
    "metrics=none", "+measure@metrics.reconstruction=reconstruction", "metrics.images=20", "trainer.threads=1",
    "trainer.progress=false",
]  # fmt: skip


def write(path: Path, darker: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=(255 - darker - 15 * load_digits().images[:300]).astype(np.uint8))
    return path


def test_a_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cat.png").write_bytes(b"cat")
        (tmp_path / name / ".DS_Store").write_bytes(name.encode())

    def sha(name: str) -> str:
        return data_identity.fingerprint(tmp_path / name)["sha256"]

    assert sha("a") == sha("b")
    (tmp_path / "b" / "cat.png").rename(tmp_path / "b" / "dog.png")
    assert sha("a") != sha("b")
    with pytest.raises(PushforwardError, match="no such file or folder"):
        sha("c")


def test_contents_are_read_once_as_long_as_they_do_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, read = write(tmp_path / "cats.npz"), []
    true = data_identity.hashlib.file_digest
    monkeypatch.setattr(
        data_identity.hashlib, "file_digest", lambda stream, name: read.append(name) or true(stream, name)
    )
    asked = [compose(["data=npz", f"data.source.path={file}", f"seed={seed}"]) for seed in range(8)]
    assert len(read) == 1
    data_identity.HASHED.clear()  # a job's own process: the listing tells
    data_identity.check(asked[0])
    assert len(read) == 1
    os.utime(file, ns=(1, 1))
    data_identity.check(asked[0])
    assert len(read) == 2, "touched, and equal"
    write(file, 2)
    with pytest.raises(PushforwardError, match=r"path=.*: what lies there is not what the run was trained on[^\n]*$"):
        data_identity.check(asked[0])


NAMES = [("cats.npz", "cats"), ("my cats/x.v2.npz", "x_v2"), ("Kätzchen.npz", "Katzchen"), ("猫.npz", "npz")]
BAD = ["../up", "a/b", ".hidden", "", "a b", "x" * 65]


def test_data_are_named_by_their_path_or_by_the_user(tmp_path: Path) -> None:
    assert (len(NAMES), len(BAD)) == (4, 6)
    for file, name in NAMES:
        data: dict[str, Any] = {"name": None, "source": {"path": str(write(tmp_path / file))}}
        assert data_identity.described(data, "npz")[0]["name"] == name
    for name in BAD:
        with pytest.raises(PushforwardError, match=r"data\.name="):
            data_identity.described({"name": name}, "npz")
    assert data_identity.described({"source": {"path": None}}, "sprites") == ({"source": {"path": None}}, {})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs with a run on data at a relative path, trained in another folder than that of the tests."""
    root = tmp_path_factory.mktemp("content")
    write(root / "there" / "cats.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUSHFORWARD_OUTPUTS", str(root / "outputs"))
        patch.chdir(root / "there")
        assert launch.start(compose([*BRIEF, "data.source.path=cats.npz"])) == 0
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of `trained` whose data are where the run was trained."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "outputs"))
    shutil.copytree(trained / "outputs", tmp_path / "outputs")
    yield tmp_path
    write(trained / "there" / "cats.npz")


def test_a_run_bears_its_datas_name(root: Path, trained: Path) -> None:
    [run] = pf.runs(data="cats")
    assert run.id.startswith("vae-cats-s1-") and run.key("data") == "cats" and len(pf.runs(data="npz")) == 1
    assert not pf.runs(data="dogs") and [r.id for r in find("data=cats")] == [run.id]
    assert build([run], rows=("data",)).rows[0].key == ("cats",)
    assert run.metrics["mse"]["card"]["data"]["data"] == "cats"
    assert run.config["data"]["source"]["path"] == str(trained / "there" / "cats.npz")
    again = compose(shlex.split(command(run))[2:])
    assert config.run_id(again) == run.id
    moved = write(root / "moved" / "pets.npz")
    frozen = compose([*BRIEF, f"data.source.path={moved}"])
    assert config.run_id(frozen) == run.id and launch.standing(runs_dir() / run.id, frozen) == 0


def test_data_that_changed_are_not_measured(root: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [run] = pf.runs()
    before = (run.path / "record.json").read_bytes()
    write(trained / "there" / "cats.npz", 2)
    assert cli.run(["evaluate", run.id]) == 2
    said = capsys.readouterr().err
    assert "is not what the run was trained on" in said and said.count("\n") == 1
    other = write(root / "other.npz", 3)
    assert cli.run(["evaluate", run.id, f"data.source.path={other}"]) == 2
    assert "other data than the run was trained on" in capsys.readouterr().err
    assert (run.path / "record.json").read_bytes() == before
    file = launch.freeze_to(run.config, run.path)
    assert job.main([str(file)]) == 2 and pf.runs()[0].state == "finished", (
        "a job that is taken up again stops with one line"
    )


def test_what_is_asked_of_a_finished_run_is_answered(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [run] = pf.runs()
    own = next(iter(run.config["content"])) + "=" + run.config["data"]["source"]["path"]
    assert launch.start(compose([*BRIEF, own])) == 0
    assert "pushforward evaluate" not in capsys.readouterr().out
    launch.start(compose([*BRIEF, own, "metrics.images=10", "logger=csv", "tags=[later]"]))
    said = capsys.readouterr().out
    assert f"to measure it by other metrics: pushforward evaluate {run.id} metrics.images=10\n" in said
    assert "tags added: later" in said and [r.id for r in pf.runs(tags="later")] == [run.id]
    [after] = pf.runs()
    assert after.state == "finished" and after.metrics == run.metrics
    anew = [*BRIEF[:7], "trainer.threads=1", own, "metrics=all", "metrics.images=20"]
    launch.start(compose(anew))
    assert f"pushforward evaluate {run.id} metrics=all metrics.images=20\n" in capsys.readouterr().out


def test_what_was_measured_since_is_asked_of_a_finished_run_no_more(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = pf.runs()
    own = next(iter(run.config["content"])) + "=" + run.config["data"]["source"]["path"]
    wanted, usual = compose([*BRIEF, own, "metrics.images=10"]), compose([*BRIEF, own])
    assert cli.run(["evaluate", run.id, *launch.to_measure(run, wanted)]) == 0
    capsys.readouterr()
    assert launch.start(wanted) == 0 and "evaluate" not in capsys.readouterr().out
    assert launch.start(usual) == 0 and f"metrics: pushforward evaluate {run.id}\n" in capsys.readouterr().out


def test_what_is_asked_of_a_sweeps_finished_runs_is_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [run] = pf.runs()
    own = next(iter(run.config["content"])) + "=" + run.config["data"]["source"]["path"]
    frozen = compose([*BRIEF, own, "seed=2"])
    again = RunDir.create(runs_dir() / config.run_id(frozen), frozen)
    again.set_status(state="finished", images_seen=64)
    again.write_record({})
    lines = ["train", "-m", *BRIEF, own, "seed=1,2", "metrics.images=10"]
    for line in (lines, [*lines, "--plan"]):
        assert cli.run(line) == 0
        said = capsys.readouterr().out
        command = f"pushforward evaluate {run.id} {again.id} metrics.images=10\n"
        assert said.count(f"2 of the runs are trained; to measure them by other metrics: {command}") == 1
        assert "evaluate" not in said.replace(command, "")


def test_data_that_moved_are_measured_and_samples_need_none(root: Path, trained: Path) -> None:
    [run] = pf.runs()
    mse = run.metrics["mse"]["value"]
    moved = write(root / "moved" / "cats.npz")
    (trained / "there" / "cats.npz").unlink()
    assert tuple(pf.load(run).sample(3).shape) == (3, 1, 8, 8)
    with pytest.raises(PushforwardError, match="no longer there; say where: pushforward evaluate RUN data"):
        pf.load(run).data
    assert cli.run(["evaluate", run.id, f"data.source.path={moved}"]) == 0
    [measured] = pf.runs()
    assert measured.metrics["mse"]["value"] == pytest.approx(mse, rel=1e-6)
