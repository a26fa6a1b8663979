"""A batch is a pytree: whatever walks one finds the tensors that it has, and nothing else."""

import torch
from torch.func import vmap
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from pushforward.spec import Batch


def batch(n: int = 4) -> Batch:
    return Batch(torch.rand(n, 1, 2, 2), torch.arange(n), {"angle": torch.rand(n, 3)})


def same(a: Batch, b: Batch) -> bool:
    one, other = a.named(), b.named()
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_it_is_flattened_to_the_tensors_that_it_has() -> None:
    for some, count in ((batch(), 3), (Batch(torch.rand(4, 2)), 1), (Batch(torch.rand(4, 2), torch.arange(4)), 2)):
        leaves, structure = tree_flatten(some)
        assert len(leaves) == count and all(isinstance(leaf, torch.Tensor) for leaf in leaves)
        assert same(tree_unflatten(leaves, structure), some)
        assert same(tree_map(lambda t: t[:2], some), some.map(lambda t: t[:2]))


def test_vmap_walks_over_its_tensors() -> None:
    several = [batch(), batch()]
    stacked = Batch.of({name: torch.stack([b.named()[name] for b in several]) for name in several[0].named()})

    def value(b: Batch) -> torch.Tensor:
        assert b.y is not None
        return b.x.flatten(1).sum(1) * b.y + b.extras["angle"].sum(1)

    assert torch.equal(vmap(value)(stacked), torch.stack([value(b) for b in several]))
    assert [same(a, b) for a, b in zip(stacked.unbind(), several, strict=True)] == [True, True]


def test_moving_it_casts_what_is_real_and_nothing_else() -> None:
    moved = batch().to("cpu", torch.float64)
    assert moved.x.dtype == moved.extras["angle"].dtype == torch.float64
    assert moved.y is not None and moved.y.dtype == torch.int64
