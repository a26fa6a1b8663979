import math

import pytest
import torch
from torchmetrics.image import PeakSignalNoiseRatio

from pushforward.metrics.reconstruction import Reconstruction, mse, psnr

G = torch.Generator().manual_seed(0)
X, Y = torch.rand(20, 3, 8, 8, generator=G), torch.rand(20, 3, 8, 8, generator=G)


def test_mse_is_per_pixel_and_per_image():
    x = torch.zeros(2, 1, 2, 2)
    x_hat = torch.tensor([[[[1.0, 0], [0, 0]]], [[[0.5, 0.5], [0.5, 0.5]]]])
    assert mse(x, x_hat).tolist() == [0.25, 0.25]


def test_psnr_is_that_of_torchmetrics():
    theirs = PeakSignalNoiseRatio(data_range=1.0)
    assert psnr(mse(X, Y).mean()) == pytest.approx(float(theirs(Y, X)), abs=1e-4)  # theirs is float32, ~10 dB


def test_known_psnr():
    assert psnr(0.01) == pytest.approx(20)
    assert psnr(0.0) == math.inf
    assert psnr(4.0, peak=2.0) == pytest.approx(0)


@pytest.mark.parametrize("size", [1, 7, 20])
def test_batches_do_not_matter(size):
    metric = Reconstruction()
    for a, b in zip(X.split(size), Y.split(size), strict=True):
        metric.update(a, b)
    values = metric.compute()
    assert float(values["mse"]) == pytest.approx(float(mse(X, Y).mean()), rel=1e-12)
    assert float(values["psnr"]) == pytest.approx(psnr(mse(X, Y).mean()), rel=1e-12)
    assert values["mse"].dtype == torch.float64


def test_perfect_reconstruction_is_infinite():
    metric = Reconstruction()
    metric.update(X, X)
    assert float(metric.compute()["psnr"]) == math.inf
