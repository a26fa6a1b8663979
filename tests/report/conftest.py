"""Run directories as training writes them, made up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushforward.runs import Run, RunDir


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Run]:
    """make(model, seed, mse=0.5, …): a finished run; a metric is a number, (number, card changes) or (None, reason)."""

    def made(model: str, seed: int = 1, data: str = "digits", beta: float = 1, status: Any = (), **metrics: Any) -> Run:
        choices = {"model": model, "data": data, "network": "mlp", "weighting": "constant", "logger": f"l{seed}"}
        config = {"choices": choices, "seed": seed, "model": {"_target_": model}, "weighting": {"beta": beta}}
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
    card: dict[str, Any] = {"better": better, "split": "test", "n": 360, "weights": "last"}
    number, extra = value if isinstance(value, tuple) else (value, {})
    if isinstance(extra, str):
        return {"value": None, "unit": unit, "card": card, "na": extra}
    return {"value": number, "unit": unit, "card": card | extra, "na": None}
