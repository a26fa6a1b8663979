"""The summary of a recipe."""

from pathlib import Path

import pytest

from pushforward.config import options
from pushforward.training.model_summary import called, show_model


@pytest.fixture(scope="module")
def shown() -> str:
    return show_model("wgan_gp", ["network=mlp", "network.hidden=[8]"])


@pytest.mark.parametrize(
    "said",
    [
        "wgan_gp: Wasserstein GAN with a gradient penalty; on digits with network=mlp\n",
        "  objective       critic min D(G(z)) − D(x) + 10·(‖∇D(x̂)‖ − 1)²",
        "  family          Generative adversarial networks (GAN)\n",
        "  network         MLP(hidden=[8],",
        "  term            gradient_penalty of player critic: 10·(‖∇D(x̂)‖ − 1)², slope² (GradientPenalty)\n",
        "  player          critic: ",
        "  takes           data= network= ",
        "  source          Gulrajani et al. 2017, arXiv:1704.00028\n",
        "  try             pushforward train model=wgan_gp",
        "\n@inproceedings{gulrajani2017improved,\n",
    ],
)
def test_a_recipe_is_shown_by_equation_parts_options_and_paper(shown: str, said: str) -> None:
    assert said in shown


def test_a_persons_own_recipe_with_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# mine: My own: min −log p(x|z).\n# pushforward train model=mine\n# measured on digits: mse 0.1\n"
        "defaults:\n  - ae\n  - _self_\n"
    )
    shown = show_model("mine", ["network.hidden=[8]"], tmp_path)
    assert shown.startswith("mine: My own; on digits") and "  measured        digits: mse 0.1\n" in shown
    assert "  family          Autoencoders (PlainAutoencoder)\n" in shown and "@" not in shown
    assert "mine" not in options("model")


def test_components_as_python_writes_them() -> None:
    node = {"_target_": "a.b.C", "_partial_": True, "n": 3, "x": 0.5, "gone": None, "inner": {"_target_": "d.E"}}
    assert called(node) == "C(n=3, x=0.5, inner=E)" and called([1, "a"]) == "[1, a]"
