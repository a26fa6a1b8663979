"""Every recipe trains on grey and RGB images, samples, follows labels where it takes them, and resumes from a checkpoint."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo import AT_LEAST, RECIPES, Shape, batch_of, family_of

from pushforward.families import ClassConditional, Family, Reconstructs, Samples
from pushforward.seeds import generator
from pushforward.spec import Batch, Block
from pushforward.training import checkpoints

CASES = list(product(RECIPES, [(1, 8, 8), (3, 8, 8)]))
N = 6


def cycle(family: Family, index: int) -> None:
    """Trains a block of one cycle: each player takes its steps."""
    batches = [batch_of(family.spec, N, seed=10 * index + i) for i in range(family.batches_per_cycle)]
    x, y = (torch.stack([getattr(batch, name) for batch in batches]) for name in ("x", "y"))
    family.get_stepper().block(Block(index, Batch(x, y)))


def state(family: Family) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in family.state_dict().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name, value in one.items() if not torch.equal(value, other[name])]


@pytest.mark.parametrize(("recipe", "shape"), CASES, ids=lambda v: "x".join(map(str, v)) if isinstance(v, tuple) else v)
def test_it_trains_and_resumes_and_samples(recipe: str, shape: Shape, tmp_path: Path) -> None:
    """Two cycles: what is computed is finite and each player learns; the same seed and a checkpoint lead to the same bits."""
    family = family_of(recipe, shape)
    start = state(family)
    assert differing(start, state(family_of(recipe, shape, seed=2)))
    for index in range(2):
        cycle(family, index)
    [(means, bad)] = family.get_stepper().history.take()[-1:]
    assert means and bad is None and all(value.isfinite().all() for value in family.state_dict().values())
    moved = set(differing(start, state(family)))
    assert all(moved & set(family.parameters_of(player)) for player in family.players)

    again = family_of(recipe, shape)
    assert not differing(start, state(again))
    cycle(again, 0)
    checkpoints.save(tmp_path / "last.ckpt", again)
    resumed = family_of(recipe, shape)
    with torch.no_grad():
        for parameter in resumed.parameters():
            parameter.fill_(torch.nan)
    checkpoints.restore(resumed, checkpoints.load(tmp_path / "last.ckpt"))
    cycle(resumed, 1)
    assert not differing(state(family), state(resumed))
    assert family.progress == resumed.progress

    family.eval()
    with torch.no_grad():
        if isinstance(family, Samples):
            sound(family, family.sample(3, generator("cpu", 0)))
        if isinstance(family, Reconstructs):
            sound(family, family.reconstruct(batch_of(family.spec, 3).x))
    if listens(family):
        follows(family)


def sound(family: Family, images: Tensor) -> None:
    """Three finite images of the data's shape, in its range."""
    assert images.shape == (3, *family.spec.shape) and bool(images.isfinite().all())
    assert family.spec.low <= float(images.min()) and float(images.max()) <= family.spec.high


def follows(family: Any) -> None:
    """Of four images that differ in one label from four others, by the same noise, that one alone is another."""
    for parameter in family.parameters():  # what begins at zero hides what comes before it
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator("cpu", 2))
    with torch.no_grad():
        ours, theirs = (family.sample(4, generator("cpu", 0), torch.tensor([0, 1, 2, y])) for y in (3, 7))
    torch.testing.assert_close(ours[:3], theirs[:3], rtol=0, atol=1e-5)
    assert not torch.allclose(ours[3], theirs[3], rtol=0, atol=1e-3)


def listens(family: Family) -> bool:
    return isinstance(family, ClassConditional) and family.condition.classes > 0


def test_every_recipe_is_among_them() -> None:
    assert len(CASES) == 2 * len(RECIPES) >= 2 * AT_LEAST
    assert sum(listens(family_of(recipe, (1, 8, 8))) for recipe in RECIPES) >= 4
