"""Two processes against one on the same global batch. Run as a script, this file is one of the two."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

Compose = Callable[..., dict[str, Any]]

CONV = ("network=conv", "network.width=4")
CASES = {
    "vae": ("model=vae",),
    "vae_conv": ("model=vae", *CONV, "network.norm=batch"),
    "vae_free_bits": ("model=vae", "weighting=free_bits"),
    "vae_score": ("model=vae", "model.gradient=score"),
    "sparse_ae": ("model=sparse_ae",),
    # float64: near a boundary between two vectors rounding decides
    "vq_vae": ("model=vq_vae", *CONV, "network.norm=none", "model.bottleneck.entries=32", "precision=fp64"),
    "gan": ("model=gan", "network=mlp"),
    "gan_conv": ("model=gan", *CONV, "network.norm=batch", "model.critic.norm=batch"),
    "wgan_gp": ("model=wgan_gp", "network=mlp", "precision=fp64"),  # a difference of scores: float32 cancels
}
CYCLES = 60


def recorded(frozen: dict[str, Any], folder: Path) -> dict[str, torch.Tensor]:
    """Trains the run; `player/term` -> (steps,): every term of every step, averaged over processes."""
    from pushforward.engine.history import History
    from pushforward.training import pictures
    from pushforward.training.train import train

    steps: dict[str, list[torch.Tensor]] = {}
    take = History.take

    def taken(self: History) -> Any:
        for name, column in self.steps().items():
            steps.setdefault(name, []).append(column)
        return take(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(History, "take", taken)
        patch.setattr(pictures, "draw", lambda *_: [])
        assert train(frozen, folder) == 0
    return {name: torch.cat(columns) for name, columns in steps.items()}


def main(folder: Path) -> None:
    """Every case one after the other, as one of two processes that were started from outside."""
    torch.set_num_threads(1)
    for number, file in enumerate(sorted(folder.glob("*.yaml"))):
        os.environ["MASTER_PORT"] = os.environ["PORTS"].split(",")[number]
        terms = recorded(yaml.safe_load(file.read_text()), file.with_suffix(""))
        torch.save(terms, file.with_suffix(f".{os.environ['LOCAL_RANK']}.pt"))


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def frozen_of(case: str, *more: str) -> dict[str, Any]:
    from pushforward.composition import compose

    quiet = ("features=none", "metrics=none", "logger=none", "trainer.threads=1", "trainer.progress=false")
    hidden = () if "network=conv" in CASES[case] else ("network.hidden=[32]",)
    budget = (f"budget.images={64 * CYCLES}", "budget.epochs=null", "selection.every=2")
    return compose(["data=digits", *quiet, *hidden, *budget, *CASES[case], *more])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, child_env: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("two")
    for case in CASES:
        frozen = frozen_of(case, "trainer=ddp_cpu", "trainer.devices=2", "trainer.threads=1", "trainer.progress=false")
        (folder / f"{case}.yaml").write_text(yaml.safe_dump(frozen, sort_keys=False))
    ports = ",".join(map(str, free_ports(len(CASES))))
    environment = {**child_env, "PORTS": ports, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env={**environment, "LOCAL_RANK": str(rank), "RANK": str(rank), "NODE_RANK": "0"},
            stdout=subprocess.DEVNULL if rank else None,
        )
        for rank in range(2)
    ]
    assert [p.wait() for p in processes] == [0, 0]
    return folder


@pytest.mark.parametrize("case", CASES)
def test_every_term_of_every_step_equals_one_process(case: str, two: Path, tmp_path: Path) -> None:
    """1e-5 relative: fp32 rounds at 6e-8, and 60 steps of Adam carry it on.

    Most cases stay below 5e-7. In a longer run a ReLU's input so near zero that rounding decides its sign sets the two
    apart by more, with either result as good: in float64 the same run agrees to the last digits.
    """
    one = recorded(frozen_of(case), tmp_path / "one")
    for rank in range(2):
        found = torch.load(two / f"{case}.{rank}.pt")
        assert found.keys() == one.keys() and len(one) >= 2
        assert max(map(len, one.values())) >= CYCLES
        for name, column in one.items():
            size = column.abs().clamp(min=float(column.abs().mean()))  # a Wasserstein term crosses zero
            deviation = float(((found[name] - column).abs() / size).max())
            print(f"{case} {name}: {deviation:.1e} relative")
            assert deviation <= 1e-5, name
    assert (two / case / "status.json").is_file()
    a, b = (torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (two / case, tmp_path / "one"))
    assert a["progress"] == b["progress"]
    for key, value in b["state_dict"].items():  # Adam divides by a root: near-zero gradients lose digits
        torch.testing.assert_close(
            a["state_dict"][key], value, rtol=1e-3, atol=1e-5, msg=lambda m, key=key: f"{key}: {m}"
        )


def test_one_run_directory_and_one_wandb_run(small: Compose, tmp_path: Path, child_env: dict[str, str]) -> None:
    """From the command line, which starts a job of its own, which starts the second process."""
    overrides = ["model=vae", "data=digits", "trainer=ddp_cpu", "trainer.devices=2", "trainer.threads=1"]
    overrides += ["logger=wandb", "logger.mode=offline", "budget.epochs=2", "features=none", "metrics=none"]
    program = [sys.executable, "-m", "pushforward", "train", *overrides, "network.hidden=[16]"]
    environment = {**child_env, "PUSHFORWARD_OUTPUTS": str(tmp_path / "outputs")}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished vae-digits-s1") == done.stdout.count("budget ") == 1
    [run] = (tmp_path / "outputs" / "runs").iterdir()
    assert len(list((run / "wandb").glob("offline-run-*/run-*.wandb"))) == 1
    rows = (run / "metrics.csv").read_text().splitlines()
    assert len(rows) == len(set(rows)) > 3
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
