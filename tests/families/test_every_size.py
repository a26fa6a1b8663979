"""Every recipe with every network that it can have, on images of any size: two steps, and images of the right shape."""

import functools
import random
from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.families import Reconstructs, Samples
from pushforward.networks.network import WITH_ROLE
from pushforward.seeds import generator
from pushforward.spec import Batch, Block, DataSpec
from pushforward.training.build import build_family

RECIPES = (
    "ae", "sparse_ae", "sparse_ae_topk", "denoising_ae", "vae", "beta_tc_vae", "iwae", "vamp_vae", "vq_vae", "gan", "wgan_gp",
    "conditional_gan", "realnvp", "spline_flow", "ddpm", "flow_matching", "aae",
)  # fmt: skip
"""One of each structure: variants differ in terms, not in what they make of a shape."""
ROLE = {"ddpm": "field", "flow_matching": "field"}
"""What a recipe needs of its network, where it is no encoder and decoder."""
NONE = ("realnvp", "spline_flow")
MAPS = ("vq_vae",)
"""Recipes whose codes are maps."""
SMALL = {
    "mlp": ["network.hidden=[8]"], "linear": [], "conv": ["network.width=2"], "resnet": ["network.width=2"],
    "unet": ["network.width=4"], None: ["model.bijection.transforms=2", "model.bijection.hidden=[4]"],
}  # fmt: skip
EDGES = [(4, 4), (4, 256), (27, 33), (30, 30), (28, 28), (256, 256)]
SIZES = 40


def sizes(n: int, seed: int) -> list[tuple[int, int, int]]:
    """The edges, and seeded (c, h, w) with sides from 4 to 256, most of them small."""
    draws = random.Random(seed)
    drawn = [(draws.randint(4, most), draws.randint(4, most)) for most in draws.choices((24, 64, 256), (3, 2, 1), k=n)]
    return [(draws.choice((1, 3)), h, w) for h, w in [*EDGES, *drawn][:n]]


def networks(recipe: str) -> list[str | None]:
    """Those of the role that a recipe needs; a linear field of a large image has a weight for each pair of pixels."""
    if recipe in NONE:
        return [None]
    if recipe in MAPS:
        return [*WITH_ROLE["map decoder"]]
    having = WITH_ROLE[ROLE.get(recipe, "decoder")]
    return [*having, *(["linear"] if recipe not in ROLE else [])]


PAIRS = [(recipe, network) for recipe in RECIPES for network in networks(recipe)]


@functools.cache
def frozen(recipe: str, network: str | None) -> dict[str, Any]:
    choice = [f"network={network}"] if network else []
    field = ["model.evaluations=2"] if recipe in ROLE else []
    code = ["model.code_dim=3"] if recipe not in ROLE and recipe not in NONE else []
    k = ["model.bottleneck.k=2"] if recipe == "sparse_ae_topk" else []
    # a step of Adam moves an output of a linear map by lr × pixels: at 1e-3 and 10⁵ pixels exp(log σ) overflows
    rate = ["optimizer.model.lr=1e-5"] if network == "linear" and "gan" not in recipe else []
    return compose([f"model={recipe}", "batch_size=2", *choice, *SMALL[network], *field, *code, *k, *rate])


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
    recipes = {recipe for recipe, _ in PAIRS}
    assert recipes == set(RECIPES) and len(recipes) >= 16
    assert len(PAIRS) >= 7 * 4 + 2 * 4 + 2 * 2 + 2


@pytest.mark.parametrize(("recipe", "network"), PAIRS)
def test_two_steps_on_some_sizes(recipe: str, network: str | None) -> None:
    """Two small sizes for each pair, others for another pair."""
    draws = random.Random(f"{recipe} {network}")
    for _ in range(2):
        two_steps(recipe, network, (draws.choice((1, 3)), draws.randint(4, 40), draws.randint(4, 40)))


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "network"), PAIRS)
def test_two_steps_on_every_size(recipe: str, network: str | None) -> None:
    drawn = sizes(SIZES, 0)
    assert len(drawn) == SIZES
    for shape in drawn:
        two_steps(recipe, network, shape)
