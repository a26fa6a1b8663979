"""Optimal transport between noise and images of a batch, against the sorted matching; pairs that are learnt in their place."""

import math
from itertools import permutations

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.func import vmap

from pushforward.diffusion import FlowMatching, Heun, OptimalTransport, Pairs, Reflow
from pushforward.diffusion.coupling import MANY, assignment
from pushforward.seeds import generator
from pushforward.spec import DataSpec

LINE = DataSpec((1,), None, 100, low=-math.inf, high=math.inf)


def drawn(n: int, d: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=g, dtype=torch.float64) + 3, torch.randn(n, d, generator=g, dtype=torch.float64)


def test_on_a_line_the_smallest_goes_to_the_smallest() -> None:
    """In one dimension and at a convex cost the sorted matching is optimal."""
    x, noise = drawn(50, 1)
    paired = OptimalTransport()(x, noise, None)
    assert torch.equal(paired[x[:, 0].argsort()], noise[noise[:, 0].argsort()])


def test_no_permutation_is_cheaper() -> None:
    x, noise = drawn(6, 2)
    paired = OptimalTransport()(x, noise, None)
    costs = [float((x - noise[list(order)]).square().sum()) for order in permutations(range(6))]
    assert float((x - paired).square().sum()) == pytest.approx(min(costs), rel=1e-12)


def test_noise_stays_within_its_label() -> None:
    """Each label's noise is matched within the label, sorted; over all labels another matching would be cheaper."""
    x, noise = drawn(40, 1)
    labels = torch.arange(40) % 2
    x = x + 10 * labels[:, None]
    paired = OptimalTransport()(x, noise, labels)
    for y in (0, 1):
        own = labels == y
        assert torch.equal(paired[own][x[own][:, 0].argsort()], noise[own].sort(0).values)
    assert not torch.equal(paired, OptimalTransport()(x, noise, None))


def test_stacked_as_alone() -> None:
    costs = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(vmap(assignment)(costs), torch.stack([assignment(cost) for cost in costs]))
    assert torch.equal(vmap(vmap(assignment), 1)(costs[:, None])[0], assignment(costs))


def test_a_step_takes_the_pairs() -> None:
    """x_t and the target of flow matching are those of the paired noise, at the image's own time."""
    process = FlowMatching(Heun(), 2, OptimalTransport(), spec=LINE)
    noise, x = process.draw(20, generator("cpu", 0, "n")), drawn(20, 1)[0].float()
    paired = process.paired(x, noise, None)
    found = process.noised(lambda xt, t: xt, x, paired)
    order = x[:, 0].argsort()
    ends, starts, t = x[order], noise["noise"].sort(0).values, noise["time"][order, None]
    torch.testing.assert_close(found.target[order], ends - starts)
    torch.testing.assert_close(found.prediction[order], (1 - t) * starts + t * ends)


def test_pairs_are_learnt_in_place_of_images() -> None:
    """With z₁ = 2z₀ the paths are straight and do not cross: E‖z₁ − z₀ − v‖² is 0 for v(z, t) = z/(1 + t)."""
    process = FlowMatching(Heun(), 2, None, Reflow(100, 10), spec=LINE)
    assert set(process.draw(3, generator("cpu", 0, "n"))) == {"noise", "time"}
    start = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    process.pairs = Pairs(start, 2 * start, torch.arange(100))
    noise = process.draw(30, generator("cpu", 0, "n"))
    assert torch.equal(noise["noise"], start[noise["label"]]) and len(noise["label"].unique()) > 15
    found = process.noised(lambda z, t: z / (1 + t[:, None]), torch.full((30, 1), math.nan), noise)
    torch.testing.assert_close(found.prediction, found.target)


def test_both_solvers_find_the_same_pairs() -> None:
    x, noise = drawn(MANY + 44, 2)
    cost = torch.cdist(x, noise).square()
    assert torch.equal(assignment(cost), torch.from_numpy(linear_sum_assignment(cost.numpy())[1]))
    labels = torch.arange(len(x)) % 2
    apart = cost.masked_fill(labels[:, None] != labels, torch.inf)
    assert torch.equal(assignment(apart) % 2, labels), "what must not be paired is not, however many there are"
