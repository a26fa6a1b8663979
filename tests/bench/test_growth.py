"""Costs against sizes: measured, written, drawn."""

import json
from pathlib import Path

import pytest
import torch

from bench import costs, growth
from bench.growth import Curve, Panel
from pushforward.metrics.sample import frechet_distance_of
from pushforward.runs import every_run


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "AT_LEAST", 0.001)


def test_what_is_measured() -> None:
    """Each of the costs, at its smallest."""
    assert 0 < costs.step(costs.SMALL, 8, 16) < 5
    assert 0 < costs.replicas(2) < 5
    assert 0 < costs.compared(frechet_distance_of, 100) < 5
    assert 0 < costs.table(3) < 5


def test_made_up_runs_differ() -> None:
    with costs.made_up(60):
        found = every_run()
        assert len(found) == 60
        assert {run.key("model") for run in found} == {f"m{i}" for i in range(10)}
        assert {run.key("seed") for run in found} == set(range(5))
        assert {run.key("weighting.beta") for run in found} == {0.5, 1.5}
        assert len(found[0].record["metrics"]) == 40


def test_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panels = [
        Panel("a step", "batch", "ms a step and image", 1e3, [Curve("VAE", (2, 4), lambda n: 0.5 * n)], per_size=True),
        Panel("the table", "runs", "s", 1.0, [Curve("table", (1, 10, 100), lambda n: n / 10)]),
    ]
    assert growth.report(torch.get_num_threads(), tmp_path, wanted=panels) == 0
    assert "VAE:  2: 500  4: 500" in capsys.readouterr().out
    found = json.loads((tmp_path / "growth.json").read_text())
    assert found["panels"][1]["curves"]["table"] == {"sizes": [1, 10, 100], "seconds": [0.1, 1.0, 10.0]}
    assert (tmp_path / "growth.png").read_bytes()[:4] == b"\x89PNG"


def test_ranges() -> None:
    sizes = {panel.axis: {n for curve in panel.curves for n in curve.sizes} for panel in growth.panels()}
    assert {1, 128} <= sizes["replicas"] and {16, 4096} <= sizes["batch"] and {8, 64} <= sizes["pixels a side"]
    assert {10, 1000} <= sizes["runs"] and len(sizes) == 5
