"""Run directories as training writes them, made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushforward.runs import Run, RunDir

MODELS = ("ae", "sparse_ae", "denoising_ae", "vae", "beta_vae", "gan", "wgan_gp", "realnvp", "spline_flow", "ddpm")
COLUMNS = (
    "mse",
    "psnr",
    "ssim",
    "rate",
    "distortion",
    "neg_elbo",
    "generalisation_gap",
    "nll",
    "bpd",
    "fd_",
    "precision_",
)
MAIN = (
    "mse",
    "psnr",
    "rate",
    "distortion",
    "neg_elbo",
    "bpd",
    "fd_lenet",
    "fd_lenet_mixture",
    "fd_random",
    "precision_lenet",
    "parameters",
)
HEADLINES = ("bpd", "nll", "fd_lenet", "mse")
"""Recipes and numbers in the order that they declare."""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Run]:
    """make(model, seed, mse=0.5, …): a finished run; a metric is a number, (number, card changes) or (None, reason)."""

    def made(model: str, seed: int = 1, data: str = "digits", beta: float = 1, status: Any = (), **metrics: Any) -> Run:
        choices = {"model": model, "data": data, "network": "mlp", "weighting": "constant", "logger": f"l{seed}"}
        config = {"choices": choices, "seed": seed, "model": {"_target_": model}, "weighting": {"beta": beta}}
        config |= {"row_order": MODELS.index(model)} if model in MODELS else {}
        run = RunDir.create(tmp_path / "runs" / f"{model}-{data}-s{seed}-{beta}", config)
        state = {"state": "finished", "fingerprint": "now", "images_seen": 100, "budget_images": 100} | dict(status)
        run.set_status(**state)
        if state["state"] == "finished":
            record = {name: _metric(name, value) for name, value in metrics.items() if name != "improving"}
            run.write_record(record, improving=metrics.get("improving", False))
        return Run(run.path)

    return made


def _metric(name: str, value: Any) -> dict[str, Any]:
    better = {"psnr": "higher", "parameters": None}.get(name, "lower")
    unit = {"bpd": "bits/dim", "neg_elbo": "nats", "psnr": "dB", "fd_lenet": "feature²"}.get(name, "")
    place = next((i for i, part in enumerate(COLUMNS) if name.startswith(part)), len(COLUMNS))
    column = {"order": [place], "main": name in MAIN} | (
        {"headline": HEADLINES.index(name)} if name in HEADLINES else {}
    )
    card: dict[str, Any] = {"better": better, "split": "test", "n": 360, "weights": "last"}
    number, extra = value if isinstance(value, tuple) else (value, {})
    if isinstance(extra, str):
        return {"value": None, "unit": unit, "card": card, "na": extra, "column": column}
    return {"value": number, "unit": unit, "card": card | extra, "na": None, "column": column}
