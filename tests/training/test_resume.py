"""Runs that are killed, stopped, diverge or are asked for again. Run as a script, this file is the process that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

Compose = Callable[..., dict[str, Any]]

BATCH, BLOCK = 8, 16
PLAN = (f"batch_size={BATCH}", "budget.epochs=3", "trainer.log_every=0.3", "logger=none")
VAE = (
    "model=vae", "data.binarize=dynamic", "weighting=warmup", "weighting.epochs=2", "optimizer.model.ema=0.9",
    "optimizer.model.schedule={_target_: pushforward.schedules.Cosine, warmup: 0.5}",
)  # fmt: skip
GAN = ("model=conditional_gan", "network=mlp", "optimizer.generator.ema=0.9")
FAMILIES = {"vae": VAE, "gan": GAN}
KILLED_AT = 300
"""Steps of the first player, in the middle of an epoch of 158 steps and of a block of 16."""


# What is killed ------------------------------------------------------------------------------------------------------


def in_mid_epoch(marker: Path) -> None:
    """The first player's step number `KILLED_AT` never ends."""
    from pushforward.engine.stepper import Stepper

    step = Stepper.step

    def stuck(self: Stepper, player: Any, *args: Any) -> Any:
        if player is self.family.players[0] and self.family.progress.steps.get(player.name, 0) == KILLED_AT:
            reached(marker)
        return step(self, player, *args)

    Stepper.step = stuck  # type: ignore[method-assign]


def in_mid_checkpoint(marker: Path) -> None:
    """The second epoch's `last.ckpt` is written by half."""
    save, count = torch.save, [0]

    def half(state: Any, file: Any) -> None:
        count[0] += "last" in file.name
        save(state, file)
        if count[0] == 2 and "last" in file.name:
            written = file if isinstance(file, Path) else Path(file.name)
            os.truncate(written, written.stat().st_size // 2)
            reached(marker)

    torch.save = half  # type: ignore[assignment]


def until_signalled(marker: Path) -> None:
    """The first player's step number `KILLED_AT` ends when the signal has come."""
    from pushforward.engine.stepper import Stepper

    step = Stepper.step

    def waiting(self: Stepper, player: Any, *args: Any) -> Any:
        if self.family.progress.steps.get(player.name, 0) == KILLED_AT:
            marker.write_text(str(os.getpid()))
            while not signal.getsignal(signal.SIGTERM).__self__.taken:  # type: ignore[union-attr]
                time.sleep(0.01)
        return step(self, player, *args)

    Stepper.step = waiting  # type: ignore[method-assign]


def reached(marker: Path) -> None:
    marker.write_text(str(os.getpid()))
    while True:
        signal.pause()


SPOTS = {"epoch": in_mid_epoch, "checkpoint": in_mid_checkpoint, "SIGTERM": until_signalled, "SIGINT": until_signalled}


def main(folder: Path) -> None:
    """Imports once, and forks a run for each case; writes each one's exit code."""
    import pushforward.training.train  # noqa: F401
    from pushforward import job

    children = {}
    for case in sorted(folder.glob("*/*/frozen.yaml")):
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                without_pictures()
                SPOTS[case.parent.parent.name.split("-")[1]](case.parent / "marker")
                code = job.main([str(case)])
            finally:
                os._exit(code)
        children[pid] = case.parent
    for pid, case_folder in children.items():
        status = os.waitpid(pid, 0)[1]
        (case_folder / "code").write_text(str(os.waitstatus_to_exitcode(status)))


def without_pictures() -> None:
    from pushforward.training import pictures

    pictures.draw = lambda *_: []  # type: ignore[assignment]


# The cases -----------------------------------------------------------------------------------------------------------

CASES = [
    ("vae", "epoch"),
    ("vae", "checkpoint"),
    ("vae", "SIGTERM"),
    ("vae", "SIGINT"),
    ("gan", "epoch"),
    ("gan", "checkpoint"),
]


def frozen_of(family: str, *more: str) -> dict[str, Any]:
    from pushforward.composition import compose

    quiet = ("features=none", "metrics=none", "trainer.threads=1", "trainer.progress=false")
    return compose(["data=digits", "network.hidden=[16]", *quiet, *PLAN, *FAMILIES[family], *more])


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Path]]:
    """Each case's run directory, interrupted, all of them by children of one process."""
    from pushforward.config import run_id
    from pushforward.launch import freeze_to

    root = tmp_path_factory.mktemp("interrupted")
    folders = {}
    for family, spot in CASES:
        frozen = frozen_of(family)
        folders[family, spot] = folder = root / f"{family}-{spot}" / run_id(frozen)
        freeze_to(frozen, folder)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, __file__, str(root)], env=environment, stdout=subprocess.DEVNULL)
    for (_, spot), folder in folders.items():
        while not (folder / "marker").exists() or not (folder / "marker").read_text():
            assert not (folder / "code").exists(), f"{folder}: the spot was not reached"
            time.sleep(0.02)
        os.kill(int((folder / "marker").read_text()), getattr(signal, spot) if spot in dir(signal) else signal.SIGKILL)
    assert process.wait() == 0
    yield folders


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each family's run directory, trained without interruption."""
    root, folders = tmp_path_factory.mktemp("whole"), {}
    for family in FAMILIES:
        folders[family] = root / family
        assert train_quietly(frozen_of(family), folders[family]) == 0
    return folders


def train_quietly(frozen: dict[str, Any], path: Path) -> int:
    from pushforward.training import pictures
    from pushforward.training.train import train

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw", lambda *_: [])
        return train(frozen, path)


def assert_same(a: Any, b: Any, where: str = "") -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if key not in ("seconds", "waited", "curves"):  # curves: a checksum of the file, which is compared itself
                assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def checkpoint(folder: Path, name: str = "last") -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


@pytest.mark.parametrize(("family", "spot"), CASES)
def test_goes_on_and_equals_an_uninterrupted_run(
    family: str, spot: str, interrupted: dict[tuple[str, str], Path], whole: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Bit for bit: weights, averages, optimisers, counters, the best weights, the curves."""
    from pushforward.engine.stepper import Stepper
    from pushforward.runs import Run

    folder, killed = interrupted[family, spot], spot in ("epoch", "checkpoint")
    stopped = Run(folder)
    assert stopped.state == ("stopped (killed)" if killed else "stopped")
    assert int((folder / "code").read_text()) == (-signal.SIGKILL if killed else 128 + getattr(signal, spot))
    left = list((folder / "checkpoints").glob(".aside-*"))
    assert len(left) == (spot == "checkpoint")
    before = checkpoint(folder)["progress"]["cycles"]
    epoch, total = -(-1257 // (BATCH * BLOCK)) * BLOCK, -(-3 * 1257 // BATCH)
    steps: list[str] = []
    step = Stepper.step

    def counted(self: Stepper, player: Any, *args: Any) -> Any:
        steps.append(player.name)
        return step(self, player, *args)

    monkeypatch.setattr(Stepper, "step", counted)
    assert train_quietly(frozen_of(family), folder) == 0
    assert f"from {before * BATCH:,} images seen" in capfd.readouterr().out
    assert steps.count(steps[0]) == total - before
    if spot == "epoch":
        assert 0 < KILLED_AT - before <= epoch
    elif spot == "checkpoint":
        assert before == epoch  # the second checkpoint was being written: one interval is trained again
    else:
        assert before == -(-(KILLED_AT + 1) // BLOCK) * BLOCK  # it stops at the end of the block, having saved
    assert not list((folder / "checkpoints").glob(".aside-*"))
    assert Run(folder).state == "finished"
    for name in ("last", "best") if family == "vae" else ("last",):
        assert_same(checkpoint(folder, name), checkpoint(whole[family], name), name)
    curves, expected = (Run(f).curves() for f in (folder, whole[family]))
    if killed:
        assert (folder / "metrics.csv").read_bytes() == (whole[family] / "metrics.csv").read_bytes()
    else:  # a stopped run has one row more, where it stopped
        rows = [i for i, seen in enumerate(curves["images_seen"]) if seen not in expected["images_seen"]]
        assert len(rows) <= 1
        assert len(curves["images_seen"]) - len(rows) == len(expected["images_seen"])


def test_the_average_validates_and_is_measured_beside_the_raw_weights(whole: dict[str, Path]) -> None:
    from pushforward.runs import RunDir
    from pushforward.training import build, checkpoints
    from pushforward.training.evaluate import choose
    from pushforward.training.selection import Selector, measure

    frozen = frozen_of("vae")
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    family.configure_optimizers()
    state = checkpoint(whole["vae"])
    checkpoints.restore(family, state)
    raw = {k: v.clone() for k, v in family.state_dict().items()}
    assert set(state["ema"]) == {name for name, _ in family.named_parameters()}
    assert all(not torch.equal(mean, raw[name]) for name, mean in state["ema"].items())

    def validated() -> dict[str, float]:
        return measure(family.get_stepper(), [family], [Selector("auto")], [data])[0]

    shown = validated()
    assert_same(dict(family.state_dict()), raw)
    family.load_state_dict(checkpoints.weights(state))
    family.get_stepper().averages = {}
    assert validated() == shown
    family.load_state_dict(state["state_dict"])
    assert validated() != shown
    card = choose(RunDir(whole["vae"]), family, frozen)
    assert card["weights"] == "best (EMA)"
    best = checkpoint(whole["vae"], "best")
    assert all(torch.equal(family.state_dict()[name], mean) for name, mean in best["ema"].items())


# Divergence ----------------------------------------------------------------------------------------------------------


def test_a_learning_rate_out_of_range_ends_as_diverged(small: Compose, tmp_path: Path, capsys: Any) -> None:
    from pushforward.runs import Run

    assert train_quietly(small("model=vae", "budget.epochs=2", "optimizer.model.lr=1e30"), tmp_path / "run") == 1
    run = Run(tmp_path / "run")
    assert run.state == "diverged"
    assert run.status["error"] == "reconstruction of player model is not finite from step 1 on"
    assert not list(run.checkpoints.iterdir())
    assert "diverged: reconstruction" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ("loss", "kl of player model is not finite from step 300 on"),
        ("weights", "the weights of player model are not finite after step 319"),
    ],
)
def test_divergence_leaves_the_last_good_checkpoint(
    small: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str, why: str
) -> None:
    """The second checkpoint is due after step 319: what spoils the weights there leaves every term finite."""
    from pushforward.engine.stepper import Stepper
    from pushforward.families import VariationalAutoencoder
    from pushforward.runs import Run

    step, loss = Stepper.step, VariationalAutoencoder.loss

    def spoils_weights(self: Stepper, *args: Any) -> Any:
        terms = step(self, *args)
        if self.family.progress.steps["model"] == 320:
            next(self.family.parameters()).data.fill_(torch.inf)
        return terms

    def spoils_loss(self: VariationalAutoencoder, *args: Any) -> Any:
        found = loss(self, *args)
        late = self.epochs > 299.5 * 8 / self.spec.n_train
        found.terms["kl"] = torch.where(late, torch.nan, found.terms["kl"])
        return found

    monkeypatch.setattr(
        *((Stepper, "step", spoils_weights) if spoilt == "weights" else (VariationalAutoencoder, "loss", spoils_loss))
    )
    assert train_quietly(small("model=vae", *PLAN), tmp_path / "run") == 1
    run = Run(tmp_path / "run")
    assert (run.state, run.status["error"]) == ("diverged", why)
    for name in ("last", "best"):
        state = checkpoint(run.path, name)
        assert state["progress"]["cycles"] == 160
        assert all(bool(v.isfinite().all()) for v in state["state_dict"].values())


# Asked for again -----------------------------------------------------------------------------------------------------


def test_a_finished_run_returns_its_numbers_without_torch(small: Compose, tmp_path: Path) -> None:
    from pushforward.config import run_id

    overrides = ["model=vae", "budget.images=1024", "budget.epochs=null", "metrics=default", "trainer.threads=1"]
    overrides += ["network.hidden=[32]", "features=none", "logger=none", "data=digits", "trainer.progress=false"]
    from pushforward.composition import compose

    frozen = compose(overrides)
    assert train_quietly(frozen, tmp_path / "outputs" / "runs" / run_id(frozen)) == 0
    code = (
        "import sys; from pushforward.cli import run; "
        "sys.exit(run(['train', *sys.argv[1:]]) or 50 * ('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, *overrides], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert run_id(frozen) in done.stdout and "psnr" in done.stdout.lower()


def test_a_stale_run_is_said_and_left_alone_unless_asked(small: Compose, tmp_path: Path, capsys: Any) -> None:
    from pushforward import config
    from pushforward.launch import standing
    from pushforward.runs import Run, RunDir, runs_dir

    frozen = small("model=vae", "budget.images=1024", "budget.epochs=null")
    path = runs_dir() / config.run_id(frozen)
    assert train_quietly(frozen, path) == 0
    assert standing(path, frozen) == 0
    assert "stale:" not in capsys.readouterr().out
    RunDir(path).set_status(own={"json": {"path": json.__file__, "sha256": "then"}})
    assert standing(path, frozen) == 0
    assert "stale: json changed since it was trained. To train it again: retry=stale" in capsys.readouterr().out
    again = {**frozen, "retry": "stale"}
    assert standing(path, again) is None
    old = path.with_name(f".{path.name}.1")
    assert (old / "checkpoints" / "last.ckpt").is_file() and not path.exists()
    assert train_quietly(again, path) == 0
    assert Run(path).state == "finished" and not config.stale(Run(path))
    assert_same(checkpoint(path), checkpoint(old))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
