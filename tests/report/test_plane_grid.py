"""Samples over densities: where a sample stands in its panel, and which panel is whose."""

from pathlib import Path

import numpy as np
from PIL import Image

from pushforward.report.plane_grid import SAMPLE, TILE, draw, panel


def arrays(x: list[list[float]]) -> dict[str, np.ndarray]:
    """Points over a density that is high in the lower left quarter of [0, 1]²."""
    density = np.full((10, 10), -50.0)
    density[:5, :5] = 0
    return {"x": np.array(x), "data": np.zeros((1, 2)), "log_density": density, "extent": np.array([0.0, 1, 0, 1])}


def test_samples_and_density_stand_where_they_are() -> None:
    """x to the right, y upwards; what is outside or no number is left out."""
    found = panel(arrays([[0.999, 0.999], [5.0, 0.5], [np.nan, 0.5]]))
    assert found.shape == (TILE, TILE, 3)
    assert (found[0, -1] == SAMPLE).all() and ((found == SAMPLE).all(2)).sum() == 1
    assert found[-1, 0, 0] < 200 and (found[0, 0] == 255).all()


def test_a_column_for_each_model_and_a_row_for_each_distribution(tmp_path: Path) -> None:
    cells = {("a", "ring"): arrays([[0.5, 0.5]]), ("b", "grid"): arrays([[0.1, 0.1], [0.9, 0.9]])}
    sheet = np.asarray(Image.open(draw(cells, ["a", "b"], ["ring", "grid"], tmp_path / "sheet.png")))
    up, across = np.nonzero((sheet == SAMPLE).all(2))
    assert len(up) == 3 and (tmp_path / "sheet.png").stat().st_size < 200_000
    [ring] = np.nonzero(up < sheet.shape[0] // 2)
    assert len(ring) == 1 and (across[ring] < np.delete(across, ring).min()).all()
