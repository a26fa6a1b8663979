"""Samplers whose class accuracy is known, and who is measured at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.composition import compose
from pushforward.conditioning import Condition, Labels, NoCondition
from pushforward.data import DataModule
from pushforward.protocol import Subject
from pushforward.protocol.conditional import Conditional
from pushforward.training import build
from pushforward.training.evaluate import features_for

N = 360
Choose = Callable[[int, torch.Generator, Tensor | None], Tensor]


class Sampler:
    """Hands out training images of the classes that `choose` gives for those asked for."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, data: DataModule, condition: Condition, choose: Choose) -> None:
        self.data, self.condition, self.choose = data, condition, choose

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        train = self.data.labels("train")
        assert train is not None
        weights = (train == self.choose(n, generator, y)[:, None]).double()
        return self.data.tensor("train")[torch.multinomial(weights, 1, generator=generator)[:, 0]]


def told(n: int, g: torch.Generator, y: Tensor | None) -> Tensor:
    assert y is not None and y.shape == (n,)
    return y


def next_class(n: int, g: torch.Generator, y: Tensor | None) -> Tensor:
    assert y is not None
    return (y + 1) % 10


def deaf(n: int, g: torch.Generator, y: Tensor | None) -> Tensor:
    return torch.randint(10, (n,), generator=g)


@pytest.fixture(scope="module")
def data() -> DataModule:
    return build.build_data(compose(["data=digits"]))


@pytest.fixture(autouse=True)
def kept_there(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path_factory.getbasetemp() / "outputs"))


def measured(
    data: DataModule, choose: Choose, labels: bool = True, images: int = N, features: str = "lenet", **more: Any
):
    condition = Labels(4, 0.0, 0.0, spec=data.spec) if labels else NoCondition()
    extractor = features_for(data, compose([f"features={features}"])["features"])
    family: Any = Sampler(data, condition, choose)
    return Conditional(images, **more)(Subject(family, data, features=extractor))


def test_images_of_the_class_asked_for_score_as_training_images_do(data: DataModule) -> None:
    found = measured(data, told)
    accuracy, distance = found["class_accuracy"], found["fd_class_lenet"]
    assert accuracy["value"] > 0.97 and accuracy["value"] == pytest.approx(accuracy["card"]["floor"], abs=0.02)
    assert len(accuracy["card"]["by_class"]) == 10 == accuracy["card"]["classes"]
    # both are distances of training images: they differ by which
    assert distance["value"] == pytest.approx(distance["card"]["floor"], rel=0.25)
    assert distance["card"]["n_class"][0] < 84 and "read beside the floor" in distance["card"]["note"]
    assert accuracy["card"]["features_hash"] and accuracy["card"]["n"] == distance["card"]["n"] == N


def test_a_model_that_is_not_listening_scores_what_chance_does(data: DataModule) -> None:
    error = 4 * (0.1 * 0.9 / N) ** 0.5
    found = measured(data, deaf)["class_accuracy"]
    assert found["value"] == pytest.approx(0.1, abs=error)
    assert found["card"]["references"]["labels at random"] == pytest.approx(0.1, abs=0.01)
    unconditional = measured(data, deaf, labels=False, random_labels=True)
    assert unconditional["class_accuracy"]["value"] == pytest.approx(0.1, abs=error)
    assert "takes no labels" in unconditional["class_accuracy"]["card"]["note"]


def test_a_model_that_mistakes_every_class_scores_nothing(data: DataModule) -> None:
    found, right = measured(data, next_class), measured(data, told)
    assert found["class_accuracy"]["value"] < 0.03
    assert found["fd_class_lenet"]["value"] > 5 * right["fd_class_lenet"]["value"]


def test_who_is_measured(data: DataModule) -> None:
    assert measured(data, deaf, labels=False) == {}
    for entry in measured(data, told, features="random").values():
        assert entry["value"] is None and "features=lenet" in entry["na"]
    few = measured(data, told, images=12)
    assert few["class_accuracy"]["value"] is not None
    assert few["fd_class_lenet"]["value"] is None and "no covariance" in few["fd_class_lenet"]["na"]


def test_rows_of_samples_have_a_class_each(data: DataModule, tmp_path: Path) -> None:
    from pushforward.report.figures import draw
    from pushforward.training.pictures import images

    frozen = compose(["model=conditional_gan", "data=digits", "network.width=2"])
    family = build.build_family(frozen, data.spec).eval()
    with torch.no_grad():
        shown = images(family, data)["classes"]()
    assert shown["x"].shape == (10, 12, 1, 8, 8) and shown["y"].tolist() == list(range(10))
    import numpy as np

    np.savez(tmp_path / "classes.npz", **{key: value.float().numpy() for key, value in shown.items()})
    assert draw(tmp_path / "classes.npz", tmp_path / "classes.png")
    plain = build.build_family(compose(["model=gan", "data=digits", "network.width=2"]), data.spec)
    assert "classes" not in images(plain, data)
