"""The wrappers over two processes that have met, against one process with all the data."""

import json
import subprocess
import sys

import pytest
import torch

from pushforward.metrics.likelihood import MeanPerImage
from pushforward.metrics.reconstruction import Reconstruction
from pushforward.metrics.sample import FrechetDistance, ModeHistogram

RANK = """
import json, sys, torch
import torch.distributed as dist
from pushforward.metrics.likelihood import MeanPerImage
from pushforward.metrics.reconstruction import Reconstruction
from pushforward.metrics.sample import FrechetDistance, ModeHistogram

rank, store, data = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
x, y, z, v, logits = torch.load(data)
part = slice(0, 30) if rank == 0 else slice(30, None)  # unequal parts
fd, rec, mean, modes = FrechetDistance(5), Reconstruction(), MeanPerImage(), ModeHistogram(4)
fd.update(x[part], real=True); fd.update(y[part], real=False)
rec.update(z[part], z[part] * 0.5); mean.update(v[part]); modes.update(logits[part])
out = {"fd": float(fd.compute()), **{k: float(t) for k, t in {**rec.compute(), **mean.compute()}.items()},
       "modes": modes.compute().tolist()}
print(json.dumps(out))
dist.destroy_process_group()
"""


def test_two_processes_equal_one(tmp_path):
    g = torch.Generator().manual_seed(0)
    x, y, z = (torch.randn(50, 5, generator=g) + k for k in (0, 1, 2))
    v, logits = torch.randn(50, generator=g) + 100, torch.randn(50, 4, generator=g)
    torch.save((x, y, z, v, logits), tmp_path / "data.pt")
    (tmp_path / "rank.py").write_text(RANK)
    ranks = [
        subprocess.Popen(
            [sys.executable, tmp_path / "rank.py", str(rank), tmp_path / "store", tmp_path / "data.pt"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    found = [json.loads(rank.communicate()[0].splitlines()[-1]) for rank in ranks]

    fd, rec, mean, modes = FrechetDistance(5), Reconstruction(), MeanPerImage(), ModeHistogram(4)
    fd.update(x, real=True)
    fd.update(y, real=False)
    rec.update(z, z * 0.5)
    mean.update(v)
    modes.update(logits)
    one = {"fd": float(fd.compute()), **{k: float(t) for k, t in {**rec.compute(), **mean.compute()}.items()}}
    assert len(one) == 6
    for rank in found:
        assert rank.pop("modes") == modes.compute().tolist()
        assert rank == pytest.approx(one, rel=1e-10)  # float64, 50 summands
