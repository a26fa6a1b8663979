"""Conditions: what is told, what is withheld, what is drawn, and that families listen to it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.composition import compose
from pushforward.conditioning import Labels, NoCondition, condition_of
from pushforward.errors import PushforwardError
from pushforward.families import ClassConditional, Diffusion, Family, VariationalAutoencoder
from pushforward.run_identity import identity
from pushforward.seeds import generator
from pushforward.spec import Batch, DataSpec
from pushforward.training.build import build_family

SPEC = DataSpec((1, 8, 8), 17, 100, 3, class_shares=(0.5, 0.0, 0.5))
RECIPES = (
    "ae",
    "denoising_ae",
    "sparse_ae",
    "vae",
    "iwae",
    "vamp_vae",
    "gan",
    "wgan_gp",
    "ddpm",
    "flow_matching",
    "realnvp",
)


def labels(drop: float = 0.25, guidance: float = 0.0) -> Labels:
    return Labels(4, drop, guidance, spec=SPEC)


def test_withheld_labels_are_those_that_the_noise_says() -> None:
    condition, y = labels(), torch.tensor([0, 1, 2, 0])
    noise = {"withheld": torch.tensor([0.1, 0.3, 0.24, 0.25])}
    assert condition.labels(y, 4, noise).tolist() == [3, 1, 3, 0]
    assert torch.equal(condition.labels(y, 4), y), "evaluation is told all"
    assert condition.labels(None, 4).tolist() == [3] * 4
    vectors = condition.told(y, 4, noise)
    assert torch.equal(vectors, condition.vectors.weight[[3, 1, 3, 0]])
    share = (condition.draw(20_000, generator("cpu", 0))["withheld"] < condition.drop).double().mean()
    assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 20_000) ** 0.5)


def test_without_dropout_every_label_is_needed() -> None:
    condition = labels(0.0)
    assert condition.classes == 3 and condition.draw(4, generator("cpu", 0)) == {}
    with pytest.raises(PushforwardError, match=r"give y, or train it with condition\.drop above 0"):
        condition.labels(None, 4)


def test_labels_of_samples_come_as_often_as_in_training() -> None:
    chosen = labels().choose(None, 10_000, generator("cpu", 0)).bincount(minlength=3) / 10_000
    assert chosen[1] == 0 and float(chosen[0]) == pytest.approx(0.5, abs=4 * 0.5 / 100)
    assert labels().choose(torch.tensor([1, 1]), 2, generator("cpu", 0)).tolist() == [1, 1]
    for wrong in (torch.tensor([3, 0]), torch.tensor([0]), torch.tensor([0.0, 1.0]), torch.tensor([-1, 0])):
        with pytest.raises(PushforwardError, match="give 2 whole numbers from 0 to 2"):
            labels().choose(wrong, 2, generator("cpu", 0))
    with pytest.raises(PushforwardError, match="takes no labels"):
        NoCondition().choose(torch.tensor([0]), 1, generator("cpu", 0))


def test_what_is_refused() -> None:
    with pytest.raises(PushforwardError, match=r"needs labels of the training images.*condition=none"):
        Labels(4, 0.1, 0.0, spec=DataSpec((2,), None, 10))
    with pytest.raises(PushforwardError, match=r"condition\.drop"):
        labels(0.0, 1.0)
    with pytest.raises(PushforwardError, match="only samplers of diffusion are guided"):
        condition_of(lambda spec: labels(0.1, 1.0), SPEC)
    with pytest.raises(PushforwardError, match="this model takes none"):
        compose(["model=vae", "condition=labels", "model.condition=null"])


def frozen_of(recipe: str, *more: str) -> dict[str, Any]:
    small = {
        "ddpm": ["network=mlp"], "flow_matching": ["network=mlp"], "realnvp": ["model.bijection.hidden=[8]"],
        "gan": ["network=mlp"], "wgan_gp": ["network=mlp"],
    }  # fmt: skip
    hidden = [] if recipe == "realnvp" else ["network.hidden=[16]"]
    return compose([f"model={recipe}", "data=digits", *small.get(recipe, []), *hidden, *more])


def family_of(recipe: str, *more: str) -> Family:
    return build_family(frozen_of(recipe, *more), SPEC)


def batch() -> Batch:
    x = torch.randint(0, 17, (6, 1, 8, 8), generator=generator("cpu", 1)) / 16
    return Batch(x, torch.tensor([0, 2, 0, 2, 1, 0]))


@pytest.mark.parametrize("recipe", RECIPES)
def test_losses_and_samples_depend_on_labels_and_every_parameter_is_trained(recipe: str) -> None:
    family = family_of(recipe, "condition=labels", "condition.drop=0.3")
    for parameter in family.parameters():  # what begins at zero hides what comes before it
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator("cpu", 2))
    given, other = batch(), Batch(batch().x, torch.tensor([2, 0, 2, 0, 0, 2]))
    owners = [name for player in family.players for name in family.parameters_of(player)]
    assert sorted(owners) == sorted(name for name, _ in family.named_parameters())
    assert any(name.startswith("condition.") for name in owners)
    for player in family.players:
        noise = family.draw(player.name, 6, generator("cpu", 3))
        assert noise["withheld"].shape == (6,)
        found, changed = (family.loss(player.name, b, noise).total for b in (given, other))
        assert found != changed
        own = list(family.parameters_of(player).values())
        assert all(g.isfinite().all() for g in torch.autograd.grad(found, own))  # raises where one is not reached
    if not isinstance(family, ClassConditional):
        return
    family.eval()
    with torch.no_grad():
        drawn = [family.sample(6, generator("cpu", 0), y) for y in (given.y, given.y, other.y, None)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert drawn[3].shape == drawn[0].shape


def test_as_many_recipes_as_families() -> None:
    assert {type(family_of(recipe)).__name__ for recipe in RECIPES} == {
        "PlainAutoencoder", "DenoisingAutoencoder", "SparseAutoencoder", "VariationalAutoencoder", "GAN", "Diffusion", "Flow",
    }  # fmt: skip


def test_no_condition_is_no_part_of_a_run() -> None:
    plain, none = frozen_of("vae"), frozen_of("vae", "condition=none")
    del plain["condition"], plain["model"]["condition"]
    assert identity(plain) == identity(none)
    conditional = {identity(frozen_of("vae", "condition=labels", *more)) for more in ((), ("condition.drop=0.2",))}
    assert len(conditional | {identity(none)}) == 3


def test_a_bound_under_labels_is_that_of_the_model_told_them() -> None:
    """k samples an image: each decoded under its own image's label, as one image alone is."""
    family = family_of("vae", "condition=labels").eval()
    assert isinstance(family, VariationalAutoencoder)
    x, y = batch().x, batch().y
    assert y is not None
    with torch.no_grad():
        q, g = family.posterior(x, y), generator("cpu", 4)
        z = q.mean[:, None] + q.log_std.exp()[:, None] * torch.randn(6, 3, q.mean.shape[1], generator=g)
        each = [family.log_likelihood(x[i].expand(3, -1, -1, -1), z[i], y[i].expand(3)) for i in range(6)]
        weights = (
            torch.stack(each)
            + family.prior.log_prob(z.flatten(0, 1)).view(6, 3)
            - torch.stack(
                [type(q)(q.mean[i].expand(3, -1), q.log_std[i].expand(3, -1)).log_prob(z[i]) for i in range(6)]
            )
        )
        found = family.log_prob(x, generator("cpu", 4), 3, y).values
    torch.testing.assert_close(found, weights.logsumexp(1) - torch.tensor(3.0).log(), rtol=1e-4, atol=1e-3)


def test_guidance_leads_away_from_what_is_drawn_without_a_label() -> None:
    """At w = 0 nothing is mixed; the guided field is (1 + w)·f(x, c) − w·f(x, ∅), at half as many steps."""
    seen: list[tuple[Tensor, int]] = []

    def look(field: Any, n: int, g: torch.Generator, calls: int) -> Tensor:
        x = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).expand(n, -1, -1, -1)
        seen.append((field(x, torch.full((n,), 0.5)), calls))
        return x

    y = torch.tensor([0, 2])
    for w in (0.0, 2.0):
        family = family_of("ddpm", "condition=labels", f"condition.guidance={w}").eval()
        assert isinstance(family, Diffusion)
        family.process.sample = look  # type: ignore[method-assign, assignment]
        with torch.no_grad():
            family.sample(2, generator("cpu", 0), y)
            x, t = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).expand(2, -1, -1, -1), torch.full((2,), 0.5)
            told, free = (family.field(x, t, family.condition.told(labels, 2)) for labels in (y, None))
            torch.testing.assert_close(seen[-1][0], (1 + w) * told - w * free)
        assert ("guided with w = 2" in family.sampler) == (w == 2)
    assert [calls for _, calls in seen] == [50, 25]
