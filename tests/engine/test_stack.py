"""Replicas of other seeds and numbers, trained as one, equal each trained alone."""

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.composition import compose
from pushforward.engine.stack import Stack
from pushforward.families import Family, Tuning
from pushforward.spec import BLOCK, Batch, Block, DataSpec
from pushforward.training.build import build_family

SPEC = DataSpec((1, 8, 8), 17, 64, 10, class_shares=(0.1,) * 10)
N = 8
FIRST = ["seed=1"]
COSINE = "optimizer.model.schedule={_target_: pushforward.schedules.Cosine, warmup: 0.5}"
UNET = ["network=unet", "network.width=4", "network.multipliers=[1,1]", "network.attention=0"]
COUPLINGS = ["model.bijection.transforms=2", "model.bijection.hidden=[8]"]
CASES: dict[str, tuple[list[str], list[list[str]]]] = {
    "weights": (["model=vae"], [["weighting.beta=1"], ["weighting.beta=10"], ["weighting.beta=100"]]),
    "rates": (["model=vae", COSINE], [["optimizer.model.lr=1e-2"], ["optimizer.model.lr=1e-3"], ["seed=2"]]),
    "averages": (["model=vae", "optimizer.model.ema=0.7"], [["optimizer.model.ema=0.5"], ["optimizer.model.ema=0.9"]]),
    "equal averages": (["model=vae", "optimizer.model.ema=0.9"], [["seed=2"], ["seed=3"]]),
    "clips": (["model=ae"], [["optimizer.model.clip=0.1"], ["optimizer.model.clip=1"], ["optimizer.model.clip=null"]]),
    "momentum": (["model=ae", "optimizer@optimizer.model=sgd"], [["seed=2"], ["optimizer.model.rule.momentum=0.5"]]),
    "targets": (["model=sparse_ae"], [["model.objective.sparsity.rho=0.1"], ["seed=2"]]),
    "corruption": (["model=denoising_ae"], [["seed=2"], ["corruption.sigma=0.3"]]),
    "warm-up": (["model=vae", "weighting=warmup"], [["weighting.epochs=1"], ["weighting.epochs=3"]]),
    "score": (["model=vae", "model.gradient=score"], [["seed=2"], ["weighting.beta=2"]]),
    "two players": (["model=gan", "network=mlp"], [["seed=2"], ["optimizer.critic.lr=1e-3"]]),
    "batch norms": (["model=gan", "network=conv", "network.width=2"], [["seed=2"], ["optimizer.generator.lr=1e-3"]]),
    "penalty": (["model=wgan_gp", "network=mlp"], [["seed=2"], ["model.objective.critic.gradient_penalty.weight=3"]]),
    "labels": (["model=gan", "network=mlp", "condition=labels"], [["seed=2"], ["condition.drop=0.5"]]),
    "codebook": (
        ["model=vq_vae", "network=conv", "network.width=2", "network.norm=none", "model.bottleneck.entries=16"],
        [["seed=2"], ["model.bottleneck.decay=0.9"], ["model.objective.commitment.weight=1"]],
    ),
    "flow": (["model=realnvp", *COUPLINGS], [["seed=2"], ["optimizer.model.lr=1e-4"]]),
    "diffusion": (["model=ddpm", *UNET], [["seed=2", "optimizer.model.lr=1e-4"]]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Noise, too, is float64: what a stack and its replicas do differs in the order of sums alone."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def family_of(*overrides: str) -> Family:
    sized = [] if any(o.startswith("network=") and "mlp" not in o for o in overrides) else ["network.hidden=[12]"]
    frozen = compose(
        ["data=digits", "features=none", "metrics=none", "logger=none", "budget.epochs=4", *sized, *overrides]
    )
    family = build_family(frozen, SPEC).double()
    family.configure_optimizers()
    return family


def block(families: list[Family], index: int) -> Batch:
    """(m, K, n, …)"""
    generator = torch.Generator().manual_seed(index)
    m = BLOCK * families[0].batches_per_cycle
    x = torch.randint(0, 17, (m, len(families), N, *SPEC.shape), generator=generator).double() / 16
    return Batch(x, torch.randint(0, 10, x.shape[:3], generator=generator))


def of(batch: Batch, replicas: int | list[int]) -> Batch:
    """The batches of one replica, or of several in this order."""
    return batch.map(lambda t: t[:, replicas])


def train(families: list[Family], blocks: range) -> list[dict[str, float]]:
    """Each alone; the means of their terms."""
    for i in blocks:
        x = block(families, i)
        for k, family in enumerate(families):
            assert family.stepper is not None
            family.stepper.block(Block(i, of(x, k)))
    return [family.get_stepper().history.take()[0].terms for family in families]


def train_stacked(families: list[Family], blocks: range) -> list[dict[str, float]]:
    stack = Stack([family.get_stepper() for family in families])
    order = [families.index(family) for family in stack.families]
    for i in blocks:
        stack.block(Block(i, of(block(families, i), order)))
    stack.hand_back()
    found = stack.history.take()
    return [found[order.index(k)].terms for k in range(len(families))]


def close(found: Any, wanted: Any, at: str = "") -> int:
    """Compares nested states; how many tensors. 1e-5: likelihoods round to float32, and Adam enlarges a small gradient."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), at
        return sum(close(found[key], wanted[key], f"{at}/{key}") for key in wanted)
    if isinstance(wanted, list | tuple):
        return sum(close(f, w, at) for f, w in zip(found, wanted, strict=True))
    if isinstance(wanted, Tensor):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5, msg=lambda m: f"{at}: {m}")
        return 1
    assert found == wanted or found == pytest.approx(wanted, rel=1e-5), at
    return 0


@pytest.mark.parametrize("case", CASES)
def test_a_stack_trains_what_each_trains_alone(case: str) -> None:
    """Weights, buffers, optimiser states, averages, counters and terms, after two blocks, handed over after the first."""
    common, different = CASES[case]
    replicas = [family_of(*common, *own) for own in [FIRST, *different]]
    alone = [family_of(*common, *own) for own in [FIRST, *different]]
    train_stacked(replicas, range(1))
    found = train_stacked(replicas, range(1, 2))  # another stack goes on from the families' own states
    train(alone, range(1))
    wanted = train(alone, range(1, 2))
    for k, (replica, family) in enumerate(zip(replicas, alone, strict=True)):
        assert replica.stepper is not None and family.stepper is not None
        assert close(found[k], wanted[k], f"{k}") == 0
        assert close(replica.state_dict(), family.state_dict(), f"{k}") > 3
        assert close(replica.stepper.state_dict(), family.stepper.state_dict(), f"{k}") > 3
    first, second = (torch.cat([p.flatten() for p in family.parameters()]) for family in alone[:2])
    assert not torch.allclose(first, second, atol=1e-3), "the replicas do differ"


def test_replicas_of_one_tuning_share_a_group() -> None:
    families = [family_of("model=vae", f"seed={s}", f"optimizer.model.lr={lr}") for s, lr in ((1, 1), (2, 2), (3, 1))]
    stack = Stack([family.get_stepper() for family in families])
    assert [group.stop - group.start for group in stack.optimizers["model"].groups] == [2, 1]
    assert [family.tunings["model"].lr for family in stack.families] == [1, 1, 2]


def test_an_optimiser_that_sees_whole_tensors_has_a_group_for_each() -> None:
    families, alone = ([family_of("model=ae", f"seed={s}") for s in (1, 2)] for _ in range(2))
    for family in [*families, *alone]:
        family.tunings = {"model": Tuning(functools.partial(torch.optim.Adafactor), lr=0.01)}
        family.configure_optimizers()
    assert len(Stack([family.get_stepper() for family in families]).optimizers["model"].groups) == 2
    train_stacked(families, range(2))
    train(alone, range(2))
    assert close([f.state_dict() for f in families], [f.state_dict() for f in alone]) > 3


def test_what_diverges_is_named_and_spoils_no_other() -> None:
    bad = "optimizer.model.lr=1e30"
    families = [family_of("model=vae", f"seed={s}", *([bad] if s == 2 else [])) for s in (1, 2, 3)]
    alone = [family_of("model=vae", f"seed={s}") for s in (1, 3)]
    stack = Stack([family.get_stepper() for family in families])
    order = [families.index(family) for family in stack.families]
    stack.block(Block(0, of(block(families, 0), order)))
    told = {families[order[k]].seed: bad for k, (_, bad) in enumerate(stack.history.take())}
    assert told[1] is None and told[3] is None
    assert told[2] is not None and told[2][0].startswith("model/") and 0 < told[2][1] <= 2
    spoilt = dict(zip([f.seed for f in stack.families], stack.spoilt(), strict=True))
    assert spoilt == {1: None, 2: "model", 3: None}
    x = block(families, 0)
    for family, k in zip(alone, (0, 2), strict=True):
        assert family.stepper is not None
        family.stepper.block(Block(0, of(x, k)))
    assert close([families[0].state_dict(), families[2].state_dict()], [f.state_dict() for f in alone]) > 3
