"""The wrappers over two processes that have met, against one process with all the data."""

import pytest
import torch

from pushforward.metrics.likelihood import MeanPerImage
from pushforward.metrics.reconstruction import Reconstruction
from pushforward.metrics.sample import FrechetDistance, ModeHistogram

BODY = """
from pushforward.metrics.likelihood import MeanPerImage
from pushforward.metrics.reconstruction import Reconstruction
from pushforward.metrics.sample import FrechetDistance, ModeHistogram

x, y, z, v, logits = mine
fd, rec, mean, modes = FrechetDistance(5), Reconstruction(), MeanPerImage(), ModeHistogram(4)
fd.update(x, real=True); fd.update(y, real=False)
rec.update(z, z * 0.5); mean.update(v); modes.update(logits)
found = {"fd": float(fd.compute()), **{k: float(t) for k, t in {**rec.compute(), **mean.compute()}.items()},
         "modes": modes.compute().tolist()}
"""


def test_two_processes_equal_one(two_processes):
    g = torch.Generator().manual_seed(0)
    x, y, z = (torch.randn(50, 5, generator=g) + k for k in (0, 1, 2))
    v, logits = torch.randn(50, generator=g) + 100, torch.randn(50, 4, generator=g)
    ranks = two_processes(BODY, x, y, z, v, logits)

    fd, rec, mean, modes = FrechetDistance(5), Reconstruction(), MeanPerImage(), ModeHistogram(4)
    fd.update(x, real=True)
    fd.update(y, real=False)
    rec.update(z, z * 0.5)
    mean.update(v)
    modes.update(logits)
    one = {"fd": float(fd.compute()), **{k: float(t) for k, t in {**rec.compute(), **mean.compute()}.items()}}
    assert len(one) == 6
    for rank in ranks:
        assert rank.pop("modes") == modes.compute().tolist()
        assert rank == pytest.approx(one, rel=1e-10)  # float64, 50 summands
