"""What each recipe's family can do: the types that measures test for, as a table."""

from collections.abc import Mapping

import pytest
from zoo import AT_LEAST, RECIPES, family_of

from pushforward import families
from pushforward.composition import compose
from pushforward.families import capabilities
from pushforward.spec import DataSpec
from pushforward.training.build import build_family

CODES = {"Encodes", "Decodes", "HasCodes", "Reconstructs", "HasPrior", "DecodesToLikelihood"}
VARIATIONAL = CODES | {"Samples", "ClassConditional", "HasLikelihood", "HasPosterior", "EstimatesGradient"}
FLOW = {"Samples", "ClassConditional", "Encodes", "Decodes", "HasCodes", "HasLikelihood", "WorksOnLogits"}
GAN = {"Samples", "ClassConditional", "Decodes", "HasPrior"}
ITERATIVE = {
    "Samples", "ClassConditional", "HasLikelihood", "IterativeSampler", "IterativeLikelihood", "FollowsPaths",
    "TakesOtherSamplers", "ShowsSteps",
}  # fmt: skip
ENCODED_GAN = GAN | {"Encodes", "HasCodes", "Reconstructs"}
OF_CLASS: Mapping[str, set[str]] = {
    "PlainAutoencoder": CODES, "SparseAutoencoder": CODES | {"Sparse"}, "DenoisingAutoencoder": CODES | {"Denoises"},
    "WassersteinAutoencoder": CODES | {"Samples", "ClassConditional"},
    "AdversarialAutoencoder": CODES | {"Samples", "ClassConditional"},
    "VariationalAutoencoder": VARIATIONAL, "Flow": FLOW, "GAN": GAN, "Diffusion": ITERATIVE,
    "EncodedGAN": ENCODED_GAN,
    "Autoregressive": {"Samples", "HasLikelihood"},
}  # fmt: skip
"""A class that is not here has the capabilities of its nearest base that is."""
TYPES = {name: getattr(families, name) for name in families.__all__ if hasattr(capabilities, name)}
PROTOCOLS = {name: kind for name, kind in TYPES.items() if getattr(kind, "_is_runtime_protocol", False)}


def test_recipes_and_types_are_all_there() -> None:
    assert len(RECIPES) >= AT_LEAST and len(PROTOCOLS) >= 14
    assert set().union(*OF_CLASS.values()) == set(PROTOCOLS)


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_has_the_capabilities_of_its_class(recipe: str) -> None:
    family = family_of(recipe, (1, 8, 8))
    able = {name for name, kind in PROTOCOLS.items() if isinstance(family, kind)}
    known = next(kind.__name__ for kind in type(family).__mro__ if kind.__name__ in OF_CLASS)
    assert able == OF_CLASS[known]


def test_what_depends_on_the_instance_may_be_none() -> None:
    spec = DataSpec((1, 8, 8), levels=17, n_train=100)
    built = {
        r: build_family(compose([f"model={r}", "data=digits"]), spec) for r in ("ae", "vae", "ddpm", "flow_matching")
    }
    assert isinstance(built["ae"], families.HasPrior) and built["ae"].prior is None
    assert isinstance(built["vae"], families.HasPrior) and built["vae"].prior is not None
    for recipe, there in (("ddpm", True), ("flow_matching", False)):
        family = built[recipe]
        assert isinstance(family, families.IterativeLikelihood) and (family.flow_log_prob is not None) == there


def test_sparse_codes_say_their_target() -> None:
    spec = DataSpec((1, 8, 8), levels=17, n_train=100)
    for recipe, target in (("sparse_ae", 0.05), ("sparse_ae_l1", None), ("sparse_ae_topk", None)):
        family = build_family(compose([f"model={recipe}", "data=digits"]), spec)
        assert isinstance(family, families.Sparse) and family.target_activation == (target and pytest.approx(target))
