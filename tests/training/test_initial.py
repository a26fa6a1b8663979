"""Runs that start from another run's weights: which they are, what is refused, and that they are runs of their own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.run_identity import identity, run_id
from pushforward.runs import Run, runs_dir
from pushforward.training.dry_run import rehearse
from pushforward.training.train import train

Compose = Callable[..., dict[str, Any]]
QUICK = ("model=vae", "budget={epochs:null,images:1024}")


@pytest.fixture
def trained(small: Compose) -> Run:
    frozen = small(*QUICK, "ema=exponential")
    assert train(frozen, runs_dir() / run_id(frozen)) == 0
    return Run(runs_dir() / run_id(frozen))


def test_a_run_starts_from_the_chosen_weights_and_is_another_run(small: Compose, tmp_path: Path, trained: Run) -> None:
    """At a rate of almost nothing it ends with what it started from, the averages; the record says whose they are."""
    frozen = small(*QUICK, "optimizer.model.lr=1e-30", "init_from=latest")
    plain = small(*QUICK, "optimizer.model.lr=1e-30")
    assert identity(frozen) != identity(plain)
    rehearse([frozen])
    assert train(frozen, tmp_path / "tuned") == 0
    found = torch.load(tmp_path / "tuned" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    chosen = torch.load(trained.checkpoints / "best.ckpt", weights_only=True)
    wanted = {**chosen["state_dict"], **chosen["ema"]}
    assert all(torch.equal(found[key], value) for key, value in wanted.items())
    said = Run(tmp_path / "tuned").record["init_from"]
    assert said["run"] == trained.id and said["identity"] == trained.identity and len(said["sha256"]) == 64


def test_the_identity_has_the_weights_and_not_where_they_lie(small: Compose, tmp_path: Path, trained: Run) -> None:
    by_name, by_folder = small(*QUICK, f"init_from={trained.id}"), small(*QUICK, f"init_from={trained.path}")
    assert identity(by_name) == identity(by_folder)
    files = [shutil.copy(trained.checkpoints / "best.ckpt", tmp_path / name) for name in ("a.ckpt", "b.ckpt")]
    first, second = (small(*QUICK, f"init_from={file}") for file in files)
    assert identity(first) == identity(second)
    torch.save({**torch.load(files[1], weights_only=True), "more": 1}, files[1])
    changed = small(*QUICK, f"init_from={files[1]}")
    assert identity(changed) != identity(first)
    assert len({identity(f) for f in (by_name, first, changed, small(*QUICK))}) == 4
    with pytest.raises(PushforwardError, match=r"b\.ckpt holds other weights now; start the command again"):
        train(second, tmp_path / "run")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("network.hidden=[16]",), r"^init_from: .* does not fit .* of another shape \(\S*enc\S+ \(32, 64\) for \(16, 64\)"),
        (("model=ae",), r"does not fit the model: .*(missing|does not have|another shape)"),
        (("network.hidden=[32,32]",), r"\d+ missing \(\S+, \S+, \S+, …\)"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_in_one_line(
    small: Compose, trained: Run, more: tuple[str, ...], line: str
) -> None:
    with pytest.raises(PushforwardError, match=line) as refused:
        rehearse([small(*QUICK, f"init_from={trained.id}", *more)])
    assert "\n" not in str(refused.value)


def test_what_is_no_finished_run_is_refused(small: Compose, trained: Run, tmp_path: Path) -> None:
    for given, line in (
        ("nothing", "No run matches"),
        ("/no/such.ckpt", "there is no such file"),
        ("model=gan", "No run matches"),
    ):
        with pytest.raises(PushforwardError, match=rf"^init_from={given}: .*{line}"):
            small(*QUICK, f"init_from='{given}'")
    stopped = small(*QUICK, "seed=2", "trainer.max_time=1e-9", "batch_size=16")
    assert train(stopped, runs_dir() / run_id(stopped)) == 130
    with pytest.raises(PushforwardError, match=r"is stopped; train it to its end, or name a checkpoint file$"):
        small(*QUICK, f"init_from={run_id(stopped)}")
    with pytest.raises(PushforwardError, match=r"2 runs match"):
        compose(["model=vae", "data=digits", "init_from='model=vae'"])
