"""What single things cost, in seconds: a step of one model or of replicas, the table, a metric of samples."""

import contextlib
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from pushforward.composition import compose
from pushforward.engine.stack import Stack
from pushforward.families import Family
from pushforward.report import table_render, terminal
from pushforward.report.run_list import RunList
from pushforward.runs import RunDir, every_run
from pushforward.spec import BLOCK, Batch, Block, DataSpec
from pushforward.training.build import build_family

AT_LEAST = 0.4
"""Seconds that a point is measured for."""
SMALL = ("model=vae", "network.hidden=[128]", "likelihood=bernoulli")
WIDE = ("model=vae", "network.hidden=[512]", "likelihood=bernoulli")
CONV = ("model=vae", "network=conv", "likelihood=bernoulli")
UNET = ("model=ddpm",)
FEATURES = 84
"""As many as FD-lenet has."""


def timed(call: Callable[[], Any], at_least: float = AT_LEAST) -> float:
    """The median of as many calls as fill `at_least` seconds, or three where they are short; the first doesn't count."""
    call()
    found: list[float] = []
    while sum(found) < at_least or (len(found) < 3 and sum(found) < 5 * at_least):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def family(overrides: Sequence[str], side: int, seed: int = 1) -> Family:
    """A model of grey images of side × side pixels, ready to take steps."""
    spec = DataSpec(shape=(1, side, side), levels=256, n_train=50_000, n_classes=10)
    built = build_family(compose([*overrides, f"seed={seed}"]), spec)
    built.configure_optimizers()
    return built


def step(overrides: Sequence[str], side: int, batch: int) -> float:
    """Seconds of one optimiser step, noise drawn with it."""
    model = family(overrides, side)
    assert model.stepper is not None
    x = torch.rand(BLOCK, batch, 1, side, side)
    return timed(lambda: model.stepper.block(Block(0, Batch(x)))) / BLOCK  # type: ignore[union-attr]


def replicas(k: int) -> float:
    """Seconds of one step of k replicas as one."""
    stack = Stack([family(SMALL, 8, seed=seed).get_stepper() for seed in range(k)])
    x = torch.rand(BLOCK, k, 64, 1, 8, 8)
    return timed(lambda: stack.block(Block(0, Batch(x)))) / BLOCK


def compared(metric: Callable[..., Any], n: int) -> float:
    """Seconds of a metric of n features against n."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, FEATURES, generator=generator) for _ in range(2))
    return timed(lambda: metric(real, fake))


def table(n: int) -> float:
    """Seconds of the table over n runs, read, shown and written, once they are in the file system's cache."""
    with made_up(n) as folder:

        def all_of_it() -> None:
            built = RunList(every_run()).table(["model", "weighting.beta"], ["all"])
            with contextlib.redirect_stdout(io.StringIO()):
                terminal.show_table(built)
            table_render.write(built, folder / "tables", "table")

        return timed(all_of_it)


@contextlib.contextmanager
def made_up(n: int) -> Iterator[Path]:
    """Outputs with n finished runs in them: ten models by betas by five seeds, forty numbers each."""
    before = os.environ.get("PUSHFORWARD_OUTPUTS")
    with TemporaryDirectory(prefix="pushforward-growth-") as folder:
        os.environ["PUSHFORWARD_OUTPUTS"] = folder
        try:
            write_runs(Path(folder) / "runs", n)
            yield Path(folder)
        finally:
            os.environ.pop("PUSHFORWARD_OUTPUTS")
            if before is not None:
                os.environ["PUSHFORWARD_OUTPUTS"] = before


def write_runs(folder: Path, n: int) -> None:
    """One run directory as training writes it, and its like."""
    first = RunDir.create(
        folder / "m0-digits-s0-0", compose(["model=vae", "data=digits", "seed=7654321", "weighting.beta=7.5"])
    )
    first.set_status(state="finished", fingerprint="made up", images_seen=100, budget_images=100)
    card = {
        "better": "lower",
        "split": "test",
        "n": 360,
        "weights": "best",
        "features": "lenet",
        "sampler": "own prior",
    }
    numbers = {f"number_{i}": {"value": i / 7, "unit": "nats", "card": card, "na": None} for i in range(40)}
    first.write_record(numbers, improving=False, cost={"train_seconds": 12.5, "images_per_second": 1e4})
    files = {name: (first.path / name).read_text() for name in ("config.yaml", "status.json", "record.json")}
    for i in range(n):
        path = folder / f"m{i % 10}-digits-s{i}"
        path.mkdir()
        for name, text in files.items():
            changed = text.replace("7654321", str(i // 10 % 5)).replace("7.5", f"{i // 50}.5")
            (path / name).write_text(changed.replace("model: vae", f"model: m{i % 10}"))
    first.lock.release()
    for file in sorted(first.path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    first.path.rmdir()
