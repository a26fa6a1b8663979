"""The run directory: states, locks, filters, fingerprints. What is expected follows from the contract in `runs`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import pushforward
from pushforward import atomic_files
from pushforward.atomic_files import CurveWriter, Lock, is_locked, write_whole
from pushforward.errors import PushforwardError
from pushforward.runs import KILLED, Run, RunDir, sources

runs = sys.modules["pushforward.runs"]  # `pushforward.runs` by attribute is the function

CONFIG = {"choices": {"model": "vae", "data": "mnist", "network": "mlp", "model/prior": "vamp"}, "seed": 1}
CONFIG |= {"model": {"_target_": "a.B", "lr": 0.001}, "weighting": {"beta": 4}, "sizes": [3, 5]}


def make(root: Path, name: str, **changes: object) -> RunDir:
    return RunDir.create(root / name, CONFIG | changes)


def test_outputs_follow_the_environment_then_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PUSHFORWARD_OUTPUTS", raising=False)
    assert runs.outputs() == tmp_path / "outputs"
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path / "there"))
    assert runs.runs_dir() == tmp_path / "there" / "runs"


def test_written_whole_or_not_at_all(tmp_path):
    file = tmp_path / "deep" / "a.json"
    write_whole(file, "old")
    with pytest.raises(RuntimeError), atomic_files.whole(file) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old" and [p.name for p in file.parent.iterdir()] == ["a.json"]


def test_run_reads_what_rundir_wrote(tmp_path):
    run = make(tmp_path, "vae-mnist-s1-3f9a2c")
    run.set_status(state="finished", images_seen=10)
    run.set_status(images_seen=20, fingerprint="ab")
    run.write_record({"mse": {"value": np.float32(0.5), "unit": "", "card": {"N": np.int64(3)}}}, improving=True)
    run.update_record({"psnr": {"value": float("inf"), "unit": "dB", "card": {}}})
    run.write_arrays("samples", x=np.zeros((2, 1, 4, 4)))
    read = Run(run.path)
    assert (read.id, read.state, read.status["images_seen"]) == ("vae-mnist-s1-3f9a2c", "finished", 20)
    assert read.value("mse") == 0.5 and read.value("psnr") is None and read.value("other") is None
    assert read.record["improving"] is True and read.metrics["mse"]["card"]["N"] == 3
    assert np.load(read.arrays / "samples.npz")["x"].shape == (2, 1, 4, 4)
    assert read.when() is not None and read.when("started") is not None


def test_keys_are_config_values_and_options(tmp_path):
    run = make(tmp_path, "a")
    keys = {"model": "vae", "model.prior": "vamp", "weighting.beta": 4, "model.lr": 0.001, "sizes.1": 5, "seed": 1}
    assert {key: run.key(key) for key in keys} == keys and run.key("no.such") is None


@pytest.mark.parametrize("how", ["lock", "pid"])
def test_running_is_believed_only_while_its_process_lives(tmp_path, how):
    run = make(tmp_path, "a")
    hold = "import sys; from pushforward.runs import RunDir; r = RunDir(sys.argv[1]); "
    hold += "r.lock.acquire(); " if how == "lock" else ""
    hold += "r.set_status(state='running'); print('ready', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        assert Run(run.path).state == "running"
        if how == "lock":
            assert atomic_files.holder(run.path) == process.pid and not Lock(run.path).acquire()
    finally:
        process.kill()
        process.wait()
    assert Run(run.path).state == KILLED
    assert not is_locked(run.path) and Lock(run.path).acquire()


def test_lock_is_exclusive_within_a_process_and_survives_being_asked(tmp_path):
    first, second = Lock(tmp_path), Lock(tmp_path)
    with first:
        assert is_locked(tmp_path) and not second.acquire()
        # another process still finds it held: asking above did not close, and so drop, the lock
        ask = "import sys; from pushforward.atomic_files import Lock; print(Lock(sys.argv[1]).acquire())"
        assert subprocess.check_output([sys.executable, "-c", ask, str(tmp_path)], text=True) == "False\n"
    assert not is_locked(tmp_path)
    assert second.acquire()
    second.release()


def test_curves_grow_columns_and_are_cut_back(tmp_path):
    file = tmp_path / "metrics.csv"
    writer = CurveWriter(file)
    writer.append(16, {"rate": 1.5})
    writer.append(32, {"rate": 2.5, "val/neg_elbo": 9.0})
    writer.append(48, {"rate": float("nan")})
    writer.close()
    with file.open("a") as torn:
        torn.write("64,0.1")  # killed in the middle of a row
    curves = Run(tmp_path).curves()
    assert list(curves) == ["images_seen", "rate", "val/neg_elbo"]
    np.testing.assert_array_equal(curves["images_seen"], [16, 32, 48])
    np.testing.assert_array_equal(curves["val/neg_elbo"], [np.nan, 9, np.nan])
    again = CurveWriter(file)
    again.cut(32)
    again.append(48, {"rate": 3.5})
    np.testing.assert_array_equal(Run(tmp_path).curves()["rate"], [1.5, 2.5, 3.5])


def test_find_by_folder_prefix_latest_and_filter(tmp_path):
    for seed in (1, 2):
        make(tmp_path, f"vae-mnist-s{seed}-aaa", seed=seed).set_status(state="finished")
    make(tmp_path, "ae-mnist-s1-bbb", choices={"model": "ae", "data": "mnist"}, weighting={"beta": 1e-3})
    for seed, mse in ((1, 0.2), (2, 0.3)):
        run = runs.RunDir(tmp_path / f"vae-mnist-s{seed}-aaa")
        run.set_status(images_seen=100 * seed, state="finished", updated=f"2026-01-0{3 - seed}")
        run.write_record({"mse": {"value": mse}})
    (tmp_path / "not-a-run").mkdir()
    cases = {
        str(tmp_path / "ae-mnist-s1-bbb"): ["ae-mnist-s1-bbb"],
        "vae": ["vae-mnist-s1-aaa", "vae-mnist-s2-aaa"],
        "latest": ["vae-mnist-s1-aaa"],
        "model=vae,seed=2": ["vae-mnist-s2-aaa"],
        "weighting.beta=4.0": ["vae-mnist-s1-aaa", "vae-mnist-s2-aaa"],
        "weighting.beta=1e-3, data=mnist": ["ae-mnist-s1-bbb"],
        "state=finished,seed=1": ["vae-mnist-s1-aaa"],
        "weighting.beta>=4,seed<2": ["vae-mnist-s1-aaa"],
        "weighting.beta<4": ["ae-mnist-s1-bbb"],
        "model!=vae": ["ae-mnist-s1-bbb"],
        "mse > 0.2": ["vae-mnist-s2-aaa"],
        "images_seen<=100": ["vae-mnist-s1-aaa"],
    }
    found = {spec: [run.id for run in runs.find(spec, tmp_path)] for spec in cases}
    assert found == cases and len(cases) == 12
    assert [r.id for r in runs.runs(tmp_path, model="vae", seed=[2, 3], weighting__beta=4)] == ["vae-mnist-s2-aaa"]
    with pytest.raises(PushforwardError, match=r"No run matches 'vea-mnist'.*Nearest: (vae|ae)-mnist"):
        runs.find("vea-mnist", tmp_path)
    with pytest.raises(PushforwardError, match="KEY=VALUE"):
        runs.find("model=vae,mnist", tmp_path)
    with pytest.raises(PushforwardError, match="many after > is no number"):
        runs.find("mse>many", tmp_path)
    with pytest.raises(PushforwardError, match="No runs in"):
        runs.find("latest", tmp_path / "empty")


def test_frame_without_pandas_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    make(tmp_path, "a")
    with pytest.raises(PushforwardError, match="pip install"):
        pushforward.runs(tmp_path).frame()


def test_frame_has_options_varying_keys_and_metrics(tmp_path):
    pandas = pytest.importorskip("pandas")
    for beta in (1, 4):
        make(tmp_path, f"b{beta}", weighting={"beta": beta}).write_record({"mse": {"value": beta / 10}})
    frame = pushforward.runs(tmp_path).frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame["weighting.beta"]) == [1, 4]
    assert list(frame["mse"]) == [0.1, 0.4] and set(frame["model"]) == {"vae"} and "sizes.0" not in frame


@pytest.mark.parametrize("package", [False, True])
def test_only_own_modules_make_a_run_stale(tmp_path, monkeypatch, package):
    """One answer for all commands, also where the module is not in reach, as it is for those that only read."""
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    file = tmp_path / "src" / "my_own_vae" / "__init__.py" if package else tmp_path / "src" / "my_own_vae.py"
    file.parent.mkdir(parents=True)
    file.write_text("a = 1")
    config = {"model": {"_target_": "my_own_vae.VAE", "x": [{"_target_": "torch.nn.ReLU"}]}}
    config["metrics"] = {"mine": {"_target_": "my_measure.f"}}
    assert sources.own_modules(config) == ["my_own_vae"], "what only measures trains nothing"
    run = make(tmp_path, "own", **config)
    run.set_status(state="finished", own=runs.own_sources(config), fingerprint="the package's, then")
    assert list(run.status["own"]) == ["my_own_vae"] and runs.changed(run) == []
    monkeypatch.undo()
    assert runs.changed(run) == []
    file.write_text("a = 2")
    assert runs.changed(run) == ["my_own_vae"]
    file.unlink()
    assert runs.changed(run) == []


def test_fingerprint_is_of_what_the_process_has_imported(tmp_path, monkeypatch):
    """Sources edited while a sweep runs do not change what its warm process runs, nor what it says it runs."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "networks.py").write_text("a = 1")
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "runs" / "sources.py"))
    sources.package_sources.cache_clear()
    try:
        before = runs.source_fingerprint()
        (tmp_path / "networks.py").write_text("a = 2")
        assert runs.source_fingerprint() == before
        sources.package_sources.cache_clear()
        assert runs.source_fingerprint() != before
    finally:
        sources.package_sources.cache_clear()


def test_a_thousand_runs_are_listed_without_parsing_a_config(tmp_path, monkeypatch):
    """That is what would take long, on any machine."""
    config = yaml.safe_dump(CONFIG)
    status = json.dumps({"state": "running", "updated": "2026-01-01T00:00:00+00:00", "images_seen": 1})
    for i in range(1000):
        folder = tmp_path / f"vae-mnist-s{i}"
        folder.mkdir()
        (folder / "config.yaml").write_text(config)
        (folder / "status.json").write_text(status)
        (folder / ".lock").touch()
    parsed: list[object] = []
    monkeypatch.setattr(yaml, "load", lambda *_, **__: parsed.append(_))
    found = [(r.state, r.record) for r in runs.every_run(tmp_path)]
    assert len(found) == 1000 and not parsed


def test_runs_imports_neither_torch_nor_hydra():
    code = "import sys, pushforward.runs; print({'torch', 'hydra', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_a_live_run_of_another_user_is_running_though_nothing_there_may_be_written(tmp_path, monkeypatch):
    """Asking for the lock opens it for reading; where even that is refused, its process tells."""
    run = make(tmp_path, "a")
    with Lock(run.path):
        run.set_status(state="running")
        ask = (
            "import os, sys; op = os.open; os.open = lambda p, f, *m: op(p, f, *m) if f & 3 == os.O_RDONLY else 1 / 0; "
        )
        ask += "from pushforward.runs import Run; print(Run(sys.argv[1]).state)"
        assert subprocess.check_output([sys.executable, "-c", ask, str(run.path)], text=True) == "running\n"

    opened = os.open

    def refused(path: Path, *flags: int) -> int:
        if Path(path).name == ".lock":
            raise PermissionError(13, "Permission denied")
        return opened(path, *flags)

    monkeypatch.setattr("pushforward.atomic_files.os.open", refused)
    assert Run(run.path).state == "running", "of this process, which lives"
    run.__dict__.pop("status", None)
    (run.path / "status.json").write_text(json.dumps(run.status | {"pid": 2**22 + 1}))
    assert Run(run.path).state == KILLED


@pytest.mark.parametrize("number", ["ENOLCK", "EOPNOTSUPP"])
@pytest.mark.parametrize("blocking", [False, True])
def test_a_file_system_without_locks_is_said_in_one_line(tmp_path, monkeypatch, number, blocking):
    import errno

    def lockf(*_: object) -> None:
        raise OSError(getattr(errno, number), "no locks")

    run = make(tmp_path, "a")
    run.set_status(state="running")
    monkeypatch.setattr("pushforward.atomic_files.fcntl.lockf", lockf)
    monkeypatch.setattr("pushforward.atomic_files.fcntl.fcntl", lockf)
    with pytest.raises(PushforwardError, match=r"gives no locks.*PUSHFORWARD_OUTPUTS"):
        Lock(run.path).acquire(blocking)
    run.lock.file.touch()
    assert Run(run.path).state == "running", "reading goes by the process"
