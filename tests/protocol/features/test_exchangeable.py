"""Features that need no labels, those that need an extra, and a person's own: each from a config, each the same again."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pushforward.allowed_targets import allowed
from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.data.sources import Digits, Toy2d
from pushforward.errors import PushforwardError
from pushforward.metrics.baselines import principal_components
from pushforward.protocol.features import Features, NoFeatures, inception, pixels, random
from pushforward.training.evaluate import features_for


@pytest.fixture(scope="module")
def data() -> DataModule:
    found = DataModule(Digits(), batch_size=64, validation=180)
    found.setup()
    return found


def points() -> DataModule:
    return DataModule(Toy2d("ring", 500, 100, 0), batch_size=64, validation=100)


def images(n: int = 20) -> Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))


FROM_CONFIG = {"lenet": 84, "random": 84, "pixels": 64}


@pytest.mark.parametrize("name", FROM_CONFIG)
def test_from_a_config(name: str, data: DataModule) -> None:
    node = compose(["data=digits", f"features={name}"])["features"]
    before = torch.get_rng_state()
    made, again = features_for(data, node), features_for(data, node)
    assert made is not None and again is not None
    assert made.name == made.card["features"] == name and torch.get_rng_state().equal(before)
    x = images()
    found = made.to("cpu")(x)
    assert found.shape == (20, FROM_CONFIG[name]) and found.dtype == torch.float32 and not found.requires_grad
    assert found.equal(again(x)) and made.card == again.card and len(made.card["features_hash"]) >= 8
    assert all(value is None or isinstance(value, str | int | float) for value in made.card.values())


def test_none_and_unknown(data: DataModule) -> None:
    assert len(FROM_CONFIG) == 3
    assert features_for(data, None) is features_for(data, {}) is features_for(data, {"name": None}) is None
    for override in ("features=none", "trainer=debug"):
        assert features_for(data, compose(["data=digits", override])["features"]) is None
    for name in FROM_CONFIG:
        assert features_for(points(), compose([f"features={name}"])["features"]) is None
    with pytest.raises(PushforwardError, match=r"features\.name=vgg is not known"):
        features_for(data, {"name": "vgg"})


class Own:
    """A person's own features."""

    name = "own"

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.card: dict[str, Any] = {"features": "own"}

    def __call__(self, x: Tensor) -> Tensor:
        return self.scale * x.flatten(1)[:, :3]

    def to(self, device: Any) -> "Own":
        return self


def own_for(data: DataModule, scale: float) -> Own:
    return Own(scale * data.spec.n_train)


def test_a_persons_own(data: DataModule) -> None:
    with allowed([__name__.partition(".")[0]]):
        ready = features_for(data, {"_target_": f"{__name__}.Own", "scale": 2.0})
        fitted = features_for(data, {"_target_": f"{__name__}.own_for", "_partial_": True, "scale": 2.0})
    assert ready is not None and fitted is not None
    assert torch.allclose(fitted(images()), data.spec.n_train * ready(images()))


def test_random_weights_are_what_they_were() -> None:
    """The hash stands in cards: a machine or a version with other weights would give other numbers under it."""
    features = random.RandomFeatures((1, 28, 28), 0)
    assert features.hash == "3b09241960910e67"
    assert features.hash != random.RandomFeatures((1, 28, 28), 1).hash
    weights = features._network.state_dict()
    assert float(weights["dense.0.weight"].abs().max()) == pytest.approx((6 / 512) ** 0.5, rel=1e-3)
    assert float(weights["dense.0.bias"].abs().max()) == 0
    assert all(value.equal(value.half().float()) for value in weights.values())


def test_components_span_what_the_singular_vectors_do() -> None:
    """float64: 64 dimensions, entries of order 1."""
    x = images(300).double()
    mean, basis, variances, total = principal_components(x, 10)
    flat = x.flatten(1) - x.flatten(1).mean(0)
    _, s, v = torch.linalg.svd(flat, full_matrices=False)
    torch.testing.assert_close(variances, s[:10].square() / 299, rtol=1e-9, atol=0)
    torch.testing.assert_close(basis @ basis.T, v[:10].T @ v[:10], rtol=0, atol=1e-9)
    torch.testing.assert_close(total, flat.var(0).sum(), rtol=1e-12, atol=0)
    assert bool((basis.gather(0, basis.abs().argmax(0, keepdim=True)) > 0).all())
    torch.testing.assert_close(mean, x.flatten(1).mean(0))


def test_all_components_keep_distances(data: DataModule) -> None:
    features = pixels.for_data(data)
    x = images()
    torch.testing.assert_close(torch.pdist(features(x)), torch.pdist(x.flatten(1)), rtol=1e-5, atol=0)
    few = pixels.for_data(data, components=5)
    assert few(x).shape == (20, 5) and few.hash != features.hash
    assert few.variance < features.variance == pytest.approx(1)


class Network(nn.Module):
    """Takes the place of torch-fidelity's InceptionV3, which is an extra: what it is given, and what it gives back."""

    def __init__(self, name: str, features_list: list[str], feature_extractor_weights_path: str | None) -> None:
        super().__init__()
        assert features_list == ["2048", "logits_unbiased"]
        if feature_extractor_weights_path is None:
            raise OSError("no route to host")
        self.load_state_dict(torch.load(feature_extractor_weights_path))

    def load_state_dict(self, state: Any) -> Any:  # type: ignore[override]
        self.weight = nn.Parameter(state["weight"])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        assert x.dtype == torch.uint8 and x.shape[1] == 3
        mean = x.float().mean((1, 2, 3))[:, None]
        return mean * self.weight, -mean * self.weight


def test_inception_without_its_extra(data: DataModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(PushforwardError, match=r"pip install 'pushforward\[inception\]'"):
        inception.for_data(data)
    with pytest.raises(PushforwardError, match=r"weights_path=.*there is no such file"):
        inception.for_data(data, str(tmp_path / "no.pth"))
    with pytest.raises(NoFeatures):
        inception.for_data(points())


def test_inception_hands_over_levels_in_rgb(data: DataModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.FeatureExtractorInceptionV3 = Network  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_fidelity", types.ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    torch.save({"weight": torch.arange(4.0)}, tmp_path / "w.pth")
    node = compose(["features=inception", f"features.weights_path={tmp_path / 'w.pth'}"])["features"]
    made = features_for(data, node)
    assert made is not None and made.card["features_weights"] == "w.pth"
    found = made(torch.full((2, 1, 8, 8), 0.6))
    assert found.tolist() == [[0, 153, 306, 459]] * 2 and (-found).equal(made.logits(torch.full((2, 1, 8, 8), 0.6)))  # type: ignore[attr-defined]
    assert inception.rgb(torch.tensor([-1.0, 2.0]).view(2, 1, 1, 1)).flatten(1).tolist() == [[0] * 3, [255] * 3]
    with pytest.raises(PushforwardError, match=r"weights cannot be downloaded .*features\.weights_path=FILE"):
        inception.for_data(data)
    (tmp_path / "w.pth").write_bytes(b"not weights")
    with pytest.raises(PushforwardError, match="no weights of torch-fidelity's InceptionV3"):
        features_for(data, node)


def test_the_protocol_is_met(data: DataModule) -> None:
    found: Features = random.for_data(data)
    assert isinstance(found.card, dict)
