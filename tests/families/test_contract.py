"""The promises of every recipe's losses, on its own network; and of one of each structure on other networks and shapes.

That each trains, samples and resumes, test_every_recipe.py tells.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._pytree import tree_map
from zoo import AT_LEAST, DEPTH, FLOWS, RECIPES, Shape, batch_of, family_of

from pushforward.bottlenecks import Bottleneck
from pushforward.diffusion import OptimalTransport
from pushforward.errors import PushforwardError
from pushforward.families import GAN, Family, Loss
from pushforward.networks.blocks import BatchNorm
from pushforward.networks.network import WITH_ROLE
from pushforward.objectives import Objective
from pushforward.spec import Batch

SHAPES = [(1, 28, 28), (3, 32, 32), (2,)]
"""Beside small images, grey and RGB, which every recipe has."""
NETWORKS = ("mlp", "conv", "unet")
SMALL = [(1, 8, 8), (3, 8, 8)]
N = 6


class Case(NamedTuple):
    recipe: str
    network: str | None
    shape: Shape

    def __str__(self) -> str:
        return f"{self.recipe}-{self.network or 'own'}-{'x'.join(map(str, self.shape))}"


def fits(case: Case) -> bool:
    """Whether the network has the role that the recipe needs, and takes the data: points are for dense layers."""
    role = {"ddpm": "field", "flow_matching": "field"}.get(case.recipe, "decoder")
    return case.network in WITH_ROLE[role] and (len(case.shape) == 3 or case.network == "mlp")


WALK = [
    Case(recipe, network, shape)
    for recipe in DEPTH
    for network in ((None,) if recipe in FLOWS else NETWORKS)
    for shape in SHAPES
]
FITTING = [Case(recipe, None, shape) for recipe in RECIPES for shape in SMALL]
FITTING += [case for case in WALK if case.network is None or fits(case)]
REFUSED = [case for case in WALK if case not in FITTING]
each = pytest.mark.parametrize("case", FITTING, ids=str)


def build(case: Case, seed: int = 1) -> Family:
    return family_of(case.recipe, case.shape, case.network, seed=seed)


def data_of(family: Family, seed: int = 0) -> Batch:
    return batch_of(family.spec, N, seed)


def noise_of(family: Family, player: str, n: int = N, seed: int = 3) -> dict[str, Tensor]:
    noise = family.draw(player, n, torch.Generator().manual_seed(seed))
    return {k: v.to(family.dtype) if v.is_floating_point() else v for k, v in noise.items()}


def couples(family: Family) -> dict[str, bool]:
    """term -> whether it couples the batch, over all objectives of the family."""
    objectives = [module for module in family.modules() if isinstance(module, Objective)]
    return {name: term.couples_batch for o in objectives for name, term in o.terms.items()}


def test_the_walk_finds_every_recipe_on_every_shape() -> None:
    """Thirteen with encoders on two networks with images and one with points, two fields alike, two flows; all on small."""
    assert len(RECIPES) >= AT_LEAST and len(FITTING) == 2 * len(RECIPES) + 13 * (2 * 2 + 1) + 2 * (2 * 2 + 1) + 2 * 3
    assert len(REFUSED) == 13 * 4 + 2 * 4


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_is_refused_is_refused_in_one_line_with_a_remedy(case: Case) -> None:
    with pytest.raises(PushforwardError) as refusal:
        build(case)
    said = str(refusal.value)
    assert "\n" not in said and ("network=" in said or "Use " in said or "use " in said)


@each
def test_losses_are_deterministic_and_their_terms_as_declared(case: Case) -> None:
    family = build(case)
    batch = data_of(family)
    for player in family.players:
        noise = noise_of(family, player.name)
        assert all(len(v) == N for v in noise.values())
        state = torch.get_rng_state()
        losses = [family.loss(player.name, batch, noise) for _ in range(2)]
        assert torch.equal(state, torch.get_rng_state()), "it drew from the global generator"
        one, two = losses
        assert one.total.shape == () and torch.equal(one.total, two.total) and bool(one.total.isfinite())
        assert one.terms.keys() == two.terms.keys() and one.terms
        for name, term in one.terms.items():
            assert torch.equal(term, two.terms[name]) and bool(term.isfinite().all())
            images = N // family.pack if isinstance(family, GAN) else N
            assert term.shape == (() if couples(family)[name] else (images,)), name


@each
def test_each_player_moves_itself_alone(case: Case) -> None:
    """Gradients, parameters and buffers of the others are what they were; within a whole cycle of steps."""
    family = build(case)
    batch = data_of(family)
    family.configure_optimizers()
    assert family.stepper is not None
    owners = [name for player in family.players for name in family.parameters_of(player)]
    assert sorted(owners) == sorted(name for name, p in family.named_parameters() if p.requires_grad)
    for player in family.players:
        own = set(family.parameters_of(player))
        for parameter in family.parameters():
            parameter.grad = None
        before = {k: v.clone() for k, v in family.state_dict().items()}
        family.stepper.step(player, batch, noise_of(family, player.name), 0.0)
        for name, parameter in family.named_parameters():
            assert (parameter.grad is not None) == (name in own), name
        changed = {k for k, v in family.state_dict().items() if not torch.equal(v, before[k])}
        assert changed & own
        prefixes = tuple(f"{module}." for module in player.modules)
        left = {k for k in changed - own if not k.startswith(prefixes)}
        assert left <= {"baseline"}, left


@each
def test_a_loss_per_image_does_not_depend_on_the_batch(case: Case) -> None:
    family, half = build(case).eval(), N // 2
    batch, kinds = data_of(family), Family | Bottleneck | OptimalTransport
    if mixing := [m for m in (family, *family.modules()) if isinstance(m, kinds) and m.couples_batch]:
        assert type(mixing[0]).__name__ in family.coupled()
        return
    for player in family.players:
        noise = noise_of(family, player.name)
        part = {k: v[:half] for k, v in noise.items()}
        some = batch.map(lambda t: t[:half])
        terms, fewer = (family.loss(player.name, *given).terms for given in ((batch, noise), (some, part)))
        assert terms.keys() == fewer.keys()
        for name, term in terms.items():
            if not couples(family)[name]:
                torch.testing.assert_close(term[:half], fewer[name], rtol=1e-4, atol=1e-4, msg=f"{player.name}/{name}")


def different(family: Family, factor: float) -> Family:
    """The family with every number that a sweep may vary multiplied."""
    changed = 0
    for name, buffer in family.named_buffers():
        if buffer.ndim == 0 and buffer.is_floating_point() and name != "epochs" and bool(buffer.isfinite()):
            buffer.mul_(factor)
            changed += 1
    assert changed
    family.epochs.fill_(3 * factor)
    return family


def gradients(total: Tensor, parameters: dict[str, Tensor], own: set[str]) -> dict[str, Tensor]:
    chosen = [parameters[name] for name in sorted(own)]
    return dict(zip(sorted(own), torch.autograd.grad(total, chosen), strict=True))


@each
def test_two_replicas_stacked_equal_the_two_alone(case: Case) -> None:
    """Replicas of other weights, numbers, batches and noise; losses, terms and gradients. A family that cannot says why.

    In float64, since a batch norm of nearly constant features multiplies rounding; likelihoods still round to float32.
    """
    replicas = [different(build(case, seed), factor).double() for seed, factor in ((1, 1.0), (2, 1.25))]
    base = replicas[0]
    if base.stackable is not True:
        assert isinstance(base.stackable, str) and len(base.stackable) > 10
        return
    for player in base.players:
        own = set(base.parameters_of(player))
        batches = [data_of(base, seed=i).to("cpu", torch.float64) for i in range(2)]
        noises = [noise_of(r, player.name, seed=i) for i, r in enumerate(replicas)]
        parameters, buffers = stack_module_state(replicas)  # type: ignore[arg-type]
        batch = tree_map(lambda *tensors: torch.stack(tensors), *batches)
        noise = {k: torch.stack([n[k] for n in noises]) for k in noises[0]}
        alone = [r.loss(player.name, b, n) for r, b, n in zip(replicas, batches, noises, strict=True)]
        moved = [dict(r.named_buffers()) for r in replicas]
        together = stacked(base, player.name)(parameters, buffers, batch, noise)
        for i, loss in enumerate(alone):
            close(together.total[i], loss.total, "total")
            for name, term in loss.terms.items():
                close(together.terms[name][i], term, name)
            for name, buffer in moved[i].items():
                if buffer.is_floating_point():
                    close(buffers[name][i], buffer, name)
        wanted = [gradients(a.total, dict(r.named_parameters()), own) for a, r in zip(alone, replicas, strict=True)]
        found = gradients(together.total.sum(), parameters, own)
        for i in range(2):  # against the largest: a gradient that is zero but for rounding has no scale of its own
            scale = max(float(g.abs().max()) for g in wanted[i].values())
            for name in own:
                torch.testing.assert_close(found[name][i], wanted[i][name], rtol=1e-4, atol=1e-5 * scale, msg=name)


def stacked(base: Family, player: str) -> Callable[..., Loss]:
    def alone(parameters: Any, buffers: Any, batch: Batch, noise: Any) -> Loss:
        return functional_call(base, (parameters, buffers), (player, batch, noise))

    return vmap(alone)


def close(found: Tensor, wanted: Tensor, what: str) -> None:
    """1e-5: float32 rounds at 6e-8, and sums over thousands of pixels are taken in another order."""
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6, msg=lambda m: f"{what}: {m}")


def test_some_cases_have_batch_norms_and_most_are_stacked() -> None:
    families = [family_of(recipe, SMALL[0]) for recipe in RECIPES]
    assert sum(any(isinstance(m, BatchNorm) for m in f.modules()) for f in families) >= 15
    assert {len(f.players) for f in families} >= {1, 2}
    assert sum(f.stackable is True for f in families) >= 0.9 * len(families)
