"""What rules out that two models are trained as one."""

import pytest

from pushforward.composition import compose
from pushforward.engine.stack_structure import difference, tuned
from pushforward.families import Family
from pushforward.spec import DataSpec
from pushforward.training.build import build_family


def family_of(*overrides: str) -> Family:
    frozen = compose(["data=digits", "features=none", "metrics=none", "logger=none", "network.hidden=[12]", *overrides])
    return build_family(frozen, DataSpec((1, 8, 8), 17, 64, 10))


@pytest.mark.parametrize(
    "override",
    ["seed=2", "weighting.beta=7", "optimizer.model.lr=1", "optimizer.model.clip=1", "optimizer.model.rule.betas=[0,0.9]",
     "likelihood=gaussian likelihood.sigma=.1"],
)  # fmt: skip
def test_numbers_may_differ(override: str) -> None:
    both = ["likelihood=gaussian"] if "likelihood" in override else []
    assert difference(family_of("model=vae", *both), family_of("model=vae", *override.split())) is None


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["model=vae", "model.code_dim=3"], "code_dim"),
        (["model=vae", "network.hidden=[13]"], "encoder"),
        (["model=vae", "network.activation=tanh"], "encoder"),
        (["model=vae", "weighting=warmup"], "weight"),
        (["model=vae", "model.gradient=score"], "gradient"),
        (["model=vae", "optimizer@optimizer.model=sgd"], "optimizer.model.rule"),
        (["model=vae", "optimizer.model.ema=0.9"], "optimizer.model.ema"),
        (["model=vae", "budget.epochs=7"], "horizon"),
        (["model=ae"], "family"),
    ],
)
def test_structure_may_not(overrides: list[str], named: str) -> None:
    why = difference(family_of("model=vae"), family_of(*overrides))
    assert why is not None and named in why and "\n" not in why


def test_a_plain_number_is_named() -> None:
    a, b = (family_of("model=sparse_ae_topk", f"model.bottleneck.k={k}") for k in (2, 3))
    assert difference(a, b) == "coder.bottleneck.k is 2 in one and 3 in another, and no tensor"


def test_what_a_family_says_of_itself() -> None:
    a, b = family_of("model=vae"), family_of("model=vae")
    b.stackable = "it asks a file"  # type: ignore[misc]
    assert difference(a, b) == "it asks a file"


def test_tunings_in_words() -> None:
    cosine = "optimizer.model.schedule={{_target_: pushforward.schedules.Cosine, warmup: {}}}"
    same, other = (tuned(family_of("model=vae", cosine.format(w)).tunings["model"]) for w in (1, 2))
    assert same == tuned(family_of("model=vae", "seed=3", cosine.format(1)).tunings["model"]) != other
