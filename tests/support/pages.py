"""Runs with all that a page shows, made up, and the page over them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pushforward.report import page
from pushforward.report.run_list import RunList
from pushforward.runs import Run, RunDir

SIDE, EVIL = 5, "</script><img src=x onerror=alert(1)>"


def arrays(run: RunDir, rng: np.random.Generator, size: int = 8, steps: int = 9) -> None:
    """Every array that the page reads, of images whose grey says where they stand."""
    grey = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE, 1, 1, 1) * 10
    codes = rng.normal(size=(40, 2)).astype(np.float32)
    extent = np.array([-3, 3, -4, 4], np.float32)
    off = np.tile(np.linspace(0, 2, 6, dtype=np.float32), (6, 1))
    noise = rng.random((16, 1, size, size), dtype=np.float32)
    run.write_arrays("reconstructions", x=noise, reconstruction=noise**2)
    run.write_arrays("samples", x=noise)
    for seen in (100, 200):
        run.write_arrays(f"samples-{seen:09d}", x=(noise * seen).astype(np.uint8))
    run.write_arrays(
        "plane", x=np.broadcast_to(grey, (SIDE, SIDE, 1, size, size)), extent=extent, codes=codes,
        y=rng.integers(0, 3, 40), dimensions=np.float32(2), share=np.float32(1), log_prior=-off,
    )  # fmt: skip
    run.write_arrays("holes_map", ratio=off, extent=extent, codes=codes)
    ways = np.broadcast_to(np.arange(3 * steps, dtype=np.uint8).reshape(3, steps, 1, 1, 1), (3, steps, 1, size, size))
    run.write_arrays("between", x=ways, images=np.full((3, 1, size, size), 9, np.uint8))
    run.write_arrays("traversal", x=rng.random((2, 11, 1, size, size), dtype=np.float32))
    run.write_arrays(
        "trajectory",
        x=rng.integers(0, 255, (4, 3, 1, size, size), dtype=np.uint8),
        calls=np.arange(4),
        all=np.float32(3),
    )


def finished(
    make: Callable[..., Run], rng: np.random.Generator, model: str, seed: int, size: int = 8, **numbers: Any
) -> Run:
    run = RunDir(make(model, seed, parameters=1000 * len(model), **numbers).path)
    lines = [f"{x},{1 / x + seed},{'' if x % 2 else 2 / x}" for x in range(1, 11)]
    (run.path / "metrics.csv").write_text("images_seen,train/kl,val/kl\n" + "\n".join(lines) + "\n")
    arrays(run, rng, size)
    return Run(run.path)


def some(make: Callable[..., Run]) -> RunList:
    """Two seeds of an AE and a VAE, one of a GAN whose cards hold text that would be markup."""
    rng = np.random.default_rng(0)
    runs = [
        finished(
            make, rng, model, seed, mse=0.1 * len(model) + 0.01 * seed, rate=seed + len(model), distortion=9.0 - seed
        )
        for model in ("ae", "vae")
        for seed in (1, 2)
    ]
    return RunList([*runs, finished(make, rng, "gan", 1, mse=(0.05, {"sampler": EVIL, "floor": 0.01}))])


def written(make: Callable[..., Run], out: Path) -> Path:
    runs = some(make)
    return page.write(runs, runs.table(allow_mixed=True), out, title="A page & its runs")
