"""Every recipe with every network that it can have, on images of any size: two steps, and images of the right shape."""

import functools
import random
from typing import Any

import pytest
import torch
from zoo import DEPTH, frozen_of

from pushforward.families import Reconstructs, Samples
from pushforward.networks.network import WITH_ROLE
from pushforward.seeds import generator
from pushforward.spec import Batch, Block, DataSpec
from pushforward.training.build import build_family

EDGES = [(4, 4), (4, 256), (27, 33), (30, 30), (28, 28), (256, 256)]
SIZES = 40


def sizes(n: int, seed: int) -> list[tuple[int, int, int]]:
    """The edges, and seeded (c, h, w) with sides from 4 to 256, most of them small."""
    draws = random.Random(seed)
    drawn = [(draws.randint(4, most), draws.randint(4, most)) for most in draws.choices((24, 64, 256), (3, 2, 1), k=n)]
    return [(draws.choice((1, 3)), h, w) for h, w in [*EDGES, *drawn][:n]]


def networks(recipe: str) -> list[str | None]:
    """Those of the role that a recipe needs; a linear field of a large image has a weight for each pair of pixels."""
    model = frozen_of(recipe)["model"]
    if "network" not in model:
        return [None]
    if "process" in model:
        return [*WITH_ROLE["field"]]
    return [*WITH_ROLE["map decoder"]] if model.get("code") == "map" else [*WITH_ROLE["decoder"], "linear"]


PAIRS = [(recipe, network) for recipe in DEPTH for network in networks(recipe)]


@functools.cache
def frozen(recipe: str, network: str | None) -> dict[str, Any]:
    field = ["model.evaluations=2"] if "process" in frozen_of(recipe)["model"] else []
    # a step of Adam moves an output of a linear map by lr × pixels: at 1e-3 and 10⁵ pixels exp(log σ) overflows
    rate = ["optimizer.model.lr=1e-5"] if network == "linear" and "gan" not in recipe else []
    return frozen_of(recipe, network, "batch_size=2", *field, *rate)


def two_steps(recipe: str, network: str | None, shape: tuple[int, int, int]) -> None:
    spec = DataSpec(shape, levels=256, n_train=64, class_shares=(0.5, 0.5))
    family: Any = build_family(frozen(recipe, network), spec)
    family.configure_optimizers()
    x = torch.randint(256, (2 * family.batches_per_cycle, 2, *shape), generator=torch.Generator().manual_seed(0)) / 255
    family.stepper.block(Block(0, Batch(x, torch.zeros(x.shape[:2], dtype=torch.int64))))
    [(means, bad)] = family.stepper.history.take()
    assert means and bad is None, (recipe, network, shape, bad)
    assert set(family.progress.steps.values()) >= {2}
    family.eval()
    made = {}
    with torch.no_grad():
        if isinstance(family, Samples):
            made["sample"] = family.sample(2, generator("cpu", 0))
        if isinstance(family, Reconstructs):
            made["reconstruct"] = family.reconstruct(x[0])
    assert made
    for what, images in made.items():
        assert images.shape == (2, *shape), (recipe, network, shape, what)


def test_pairs_found() -> None:
    """Seven autoencoders with four networks, two GANs with four, two diffusions with two, two flows with none."""
    assert {recipe for recipe, _ in PAIRS} == set(DEPTH)
    assert len(PAIRS) >= 7 * 4 + 2 * 4 + 2 * 2 + 2


@pytest.mark.parametrize(("recipe", "network"), PAIRS)
def test_two_steps_on_a_size(recipe: str, network: str | None) -> None:
    """A small size for each pair, another for another pair."""
    draws = random.Random(f"{recipe} {network}")
    two_steps(recipe, network, (draws.choice((1, 3)), draws.randint(4, 40), draws.randint(4, 40)))


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "network"), PAIRS)
def test_two_steps_on_every_size(recipe: str, network: str | None) -> None:
    drawn = sizes(SIZES, 0)
    assert len(drawn) == SIZES
    for shape in drawn:
        two_steps(recipe, network, shape)
