"""Two gloo processes against one on the same global batch. Run as a script, this file is one of the processes."""

import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from pushforward.distributions.input_gradient import input_gradient
from pushforward.networks import Conv
from pushforward.networks.blocks import BatchNorm
from pushforward.parallel import gather, gather_batch, world


def coupled(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A loss that couples the batch twice: in batch norms, and in the log-determinant of the codes' covariance."""
    z = gather_batch(model(x))
    return torch.logdet(torch.cov(z.T) + torch.eye(z.shape[1], dtype=z.dtype)) + z.square().mean()


def separate(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A mean over images, which each rank takes over its own."""
    return model(x).sin().sum(1).mean()


def penalty(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A gradient penalty through a batch norm: the adjoint sums over ranks, and is differentiated once more."""
    return input_gradient(lambda x: model(x).sin().sum(1), x).square().flatten(1).sum(1).mean()


LOSSES = {"coupled": coupled, "separate": separate, "penalty": penalty}


def case(rank: int, size: int) -> dict[str, torch.Tensor]:
    """Each loss, its gradients averaged over the ranks, and the running statistics."""
    torch.manual_seed(0)
    model = nn.Sequential(Conv(width=4).encoder((1, 8, 8)), nn.Linear(64, 5)).double()
    batch = torch.rand(8, 1, 8, 8, dtype=torch.float64)
    x = batch.chunk(size)[rank]
    found: dict[str, torch.Tensor] = {}
    for name, loss in LOSSES.items():
        for module in model.modules():
            if isinstance(module, BatchNorm):
                module.track = name != "penalty"
        model.zero_grad()
        value = loss(model, x)
        value.backward()
        found[name] = value.detach()
        found |= {f"{name}/{key}": p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}
    if size > 1:
        for value in found.values():
            dist.all_reduce(value)
            value /= size
    return found | {key: b.clone() for key, b in model.named_buffers()}


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """float64, so that 1e-10 is above rounding and below any mistake in a moment or a factor."""
    processes = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [p.wait() for p in processes] == [0, 0]
    one = case(0, 1)
    assert len(one) > 20
    for rank in range(2):
        two = torch.load(tmp_path / f"{rank}.pt")
        assert two.keys() == one.keys()
        for key in one:
            torch.testing.assert_close(two[key], one[key], rtol=1e-10, atol=1e-10, msg=lambda m, key=key: f"{key}: {m}")


def test_one_process_is_the_identity() -> None:
    x = torch.rand(3, 2)
    assert world() == (0, 1)
    assert gather_batch(x) is x
    assert torch.equal(gather(x), x[None])


def main(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    labels = gather_batch(torch.tensor([2 * rank, 2 * rank + 1]))
    assert labels.tolist() == [0, 1, 2, 3]
    x = torch.full((2, 1), float(rank + 1), requires_grad=True)
    gathered = gather_batch(x)
    assert gathered.flatten().tolist() == [1, 1, 2, 2]
    gathered.sum().backward()
    assert x.grad is not None and x.grad.flatten().tolist() == [2, 2]
    torch.save(case(rank, 2), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), Path(sys.argv[2]))
