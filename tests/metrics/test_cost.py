"""Operations, parameters and calls of layers that are known."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pushforward.metrics import cost
from pushforward.metrics.cost import Tally

CPU = torch.device("cpu")


def test_linear_layers_cost_two_in_out_an_image_and_twice_that_backward():
    n, sizes = 7, [5, 11, 3]
    net = nn.Sequential(nn.Linear(5, 11), nn.ReLU(), nn.Linear(11, 3))
    x = torch.rand(n, 5, requires_grad=True)
    forward = sum(2 * n * a * b for a, b in pairwise(sizes))
    with Tally(net) as tally:
        net(x)
    assert tally.flops == forward
    with Tally(net) as tally:
        net(x).sum().backward()
    assert tally.flops == 3 * forward
    with Tally(net) as tally:  # data need no gradient: the first layer's backward has the weights' half alone
        net(x.detach()).sum().backward()
    assert tally.flops == 3 * forward - 2 * n * 5 * 11


def test_convolution_and_attention():
    conv = nn.Conv2d(3, 8, 5, padding=2)
    with Tally(conv) as tally, torch.no_grad():
        conv(torch.rand(2, 3, 9, 10))
    assert tally.flops == 2 * (2 * 9 * 10) * 8 * (3 * 25)
    q = torch.rand(2, 4, 6, 8, requires_grad=True)
    once = 2 * 2 * (2 * 4 * 6 * 6 * 8)  # two products of 6×6×8 for each of 2×4 heads
    with Tally(conv) as tally:
        F.scaled_dot_product_attention(q, q, q)
    assert tally.flops == once
    with Tally(conv) as tally:  # backward the scores again and the gradients of four products
        F.scaled_dot_product_attention(q, q, q).sum().backward()
    assert tally.flops == once + once // 2 * 5


def test_elementwise_operations_are_not_counted():
    net = nn.LayerNorm(6)
    with Tally(net) as tally:
        net(torch.rand(3, 6)).exp().sum().backward()
    assert tally.flops == 0 and tally.parameters == {"weight", "bias"}


class Partly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(4, 4), nn.Linear(4, 4)
        self.masked = nn.Parameter(torch.ones(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.used(x)
        return F.linear(x, 2 * self.masked)


def test_parameters_that_are_used_and_calls_of_the_busiest_layer():
    net = Partly()
    with torch.no_grad(), Tally(net) as tally:
        net(torch.rand(2, 4))
    assert tally.parameters == {"used.weight", "used.bias", "masked"}
    assert tally.calls == 3
    net(torch.rand(2, 4))
    assert tally.calls == 3 and not net.used._forward_pre_hooks  # nothing is counted outside


def test_a_gradient_within_a_loss_is_counted():
    net = nn.Linear(5, 1, bias=False)
    x = torch.rand(3, 5)
    with Tally(net) as tally:
        slope = torch.func.grad(lambda x: net(x).sum())(x)
        slope.square().sum().backward()
    assert tally.flops >= 2 * (2 * 3 * 5)  # forward and the input's gradient at least
    assert net.weight.grad is not None


def test_a_tally_is_closed_by_an_error():
    net = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="in between"), Tally(net):
        raise ValueError("in between")
    assert not net._forward_pre_hooks


def test_seconds(monkeypatch):
    calls: list[float] = []

    def call() -> None:
        calls.append(1.0 if calls else 4.0)

    monkeypatch.setattr(cost.time, "perf_counter", lambda: sum(calls))
    assert cost.seconds(call, CPU, enough=10.0, most=4) == (1.0, 4) and len(calls) == 5  # the first, slow one warms up
    calls.clear()
    assert cost.seconds(call, CPU, enough=3.5) == (4.0, 1) and len(calls) == 1  # it alone took long enough


def test_memory_is_at_least_what_is_held():
    held = torch.ones(4_000_000, dtype=torch.float64)
    found = cost.peak_memory(CPU)
    assert found is not None and found[0] >= held.numel() * 8 and "ru_maxrss" in found[1]
    status = Path("/proc/self/status")
    if status.is_file():  # Linux's own mark, in kB; a process that another started can have that one's, which is higher
        mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert found[0] >= 0.98 * int(mark.split()[1]) * 1024  # counted in batches of pages


def test_hardware_names_the_threads():
    assert cost.hardware(CPU)["threads"] == torch.get_num_threads() and cost.hardware(CPU)["device"]
