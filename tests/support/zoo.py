"""The recipes that tests go through, made small.

A new recipe needs no line here, and a new network none where what it says of size is called as in the others.
"""

import functools
import math
from typing import Any

import torch
import yaml

from pushforward import config
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.spec import Batch, DataSpec
from pushforward.training.build import build_family

Shape = tuple[int, ...]
RECIPES = config.options("model")
AT_LEAST = 70
"""Recipes that a test over all of them finds at least."""
DEPTH = (
    "ae", "sparse_ae", "sparse_ae_topk", "denoising_ae", "vae", "beta_tc_vae", "iwae", "vamp_vae", "vq_vae", "gan", "wgan_gp",
    "conditional_gan", "realnvp", "spline_flow", "ddpm", "flow_matching", "aae",
)  # fmt: skip
"""One of each structure, for tests of every network and size: variants differ in terms, not in what they make of a shape."""
FLOWS = ("realnvp", "spline_flow")
"""Those that take no network."""
NETWORK = {
    "width": 4, "critic_width": 4, "hidden": 8, "decoder_hidden": 8, "pieces": 2, "multipliers": 1, "blocks": 1, "first": 3,
    "attention": 0,
}  # fmt: skip
"""Fields of size of networks, made small; a list becomes one of two at most."""
MODEL = {
    "code_dim": 4, "transforms": 2, "hidden_features": 8, "hidden": 8, "k": 2, "n_critic": 2, "components": 6,
    "evaluations": 4,
}  # fmt: skip
"""Keys of size of recipes, made small wherever it stands; a list keeps its length."""
QUIET = ("data=digits", "features=none", "metrics=none", "logger=none")


@functools.cache
def network_of(recipe: str) -> str:
    """The network that a recipe chooses."""
    return str(compose([f"model={recipe}", *QUIET])["choices"]["network"])


@functools.cache
def frozen_of(recipe: str, network: str | None = None, *more: str) -> dict[str, Any]:
    """A recipe's config on digits with a network, by default its own, and with all sizes made small. Not to be changed."""
    chosen = [] if network is None else [f"network={network}"]
    sizes = yaml.safe_load((config.conf_dir() / "network" / f"{network or network_of(recipe)}.yaml").read_text())
    given = {key: size for key, size in NETWORK.items() if sizes.get(key) is not None}
    small = [f"network.{k}={[n] * len(sizes[k][:2]) if isinstance(sizes[k], list) else n}" for k, n in given.items()]
    frozen = compose([f"model={recipe}", *chosen, *QUIET, *small, *more])
    return {**frozen, "model": _smaller(frozen["model"])}


def _smaller(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _small(v, MODEL[k]) if k in MODEL and v else _smaller(v) for k, v in node.items()}
    return node


def _small(size: Any, small: int) -> Any:
    return [small] * len(size) if isinstance(size, list) else small


def spec_of(shape: Shape) -> DataSpec:
    """Images of 256 levels, or points, of ten classes."""
    shares = (0.1,) * 10
    if len(shape) == 1:
        return DataSpec(shape, None, 100, 10, low=-math.inf, high=math.inf, class_shares=shares)
    return DataSpec(shape, 256, 100, 10, class_shares=shares)


def batch_of(spec: DataSpec, n: int, seed: int = 0) -> Batch:
    """Images of random levels, each of a higher contrast than the one before, or normal points; with labels."""
    g = torch.Generator().manual_seed(seed)
    if spec.levels is None:
        x = torch.randn(n, *spec.shape, generator=g)
    else:
        contrast = torch.linspace(1, 256, n + 1)[1:].view(-1, *[1] * len(spec.shape))
        x = (torch.rand(n, *spec.shape, generator=g) * contrast).floor() / 255
    return Batch(x, torch.randint(0, 10, (n,), generator=g))


def family_of(recipe: str, shape: Shape, network: str | None = None, *more: str, seed: int = 1) -> Family:
    """A recipe's family for images of a shape; for points, where its density is of such data.

    Where it refuses the data and names a likelihood or a code that takes them, with that one.
    """
    if recipe_takes_points(recipe):
        shape = (2,)
    try:
        return build_family({**frozen_of(recipe, network, *more), "seed": seed}, spec_of(shape))
    except PushforwardError as error:
        remedies = [remedy for remedy in ("likelihood=gaussian", "model.code=vector") if remedy in str(error)]
        if not remedies:
            raise
        return build_family({**frozen_of(recipe, network, *remedies, *more), "seed": seed}, spec_of(shape))


def recipe_takes_points(recipe: str) -> bool:
    """Whether a recipe's density is of real values without bounds."""
    return "GaussianMixture" in targets(frozen_of(recipe)["model"].get("likelihood"))


def targets(node: Any) -> set[str]:
    """The names of the classes and functions that a config names."""
    if isinstance(node, dict):
        own = {node["_target_"].rpartition(".")[2]} if "_target_" in node else set()
        return own.union(*(targets(value) for value in node.values()))
    return set()
