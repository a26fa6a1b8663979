"""The picture of a denoiser."""

import numpy as np
import pytest
from PIL import Image

from pushforward.report import denoising_plot, figures, plots

LEVEL = np.array([0.1, 0.25, 0.5], dtype=np.float32)
ARRAYS = {"level": LEVEL, "before": -20 * np.log10(LEVEL), "after": np.array([14.0, 13.0, 11.0])}


@pytest.mark.parametrize("trained", [None, [False, False, True], [False] * 3])
def test_before_after_and_what_was_trained_on(tmp_path, monkeypatch, trained):
    kept = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: kept.append(figure) or path)
    denoising_plot.draw(ARRAYS | ({} if trained is None else {"trained": np.array(trained)}), tmp_path / "d.png")
    (ax,) = kept[0].axes
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_allclose(lines["noisy"].get_ydata(), ARRAYS["before"])
    np.testing.assert_allclose(lines["reconstructed"].get_xdata(), LEVEL)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("σ of Gaussian noise", "PSNR, dB")
    if trained and any(trained):
        assert lines["trained on"].get_xdata().tolist() == [0.5]
    else:
        assert "trained on" not in lines


def test_a_runs_arrays_are_drawn(tmp_path):
    np.savez(tmp_path / "denoising.npz", **ARRAYS)
    out = figures.draw(tmp_path / "denoising.npz", tmp_path / "denoising.png")
    assert out is not None and np.asarray(Image.open(out)).std() > 0
