"""LPIPS against torchmetrics' own, both on one random AlexNet: the published weights are not available where tests run."""

import pytest
import torch
from torchmetrics.functional.image import lpips as theirs

from pushforward.errors import PushforwardError
from pushforward.metrics.perceptual import LAYERS, LPIPS, alexnet, heads, load


@pytest.fixture(scope="module")
def features() -> torch.nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return alexnet()


def pair(n: int, c: int, h: int, w: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(2)
    x = torch.rand(n, c, h, w, generator=g)
    strength = torch.linspace(0.01, 1, n).view(-1, 1, 1, 1)
    return x, (x + strength * torch.randn(x.shape, generator=g)).clamp(0, 1)


@pytest.mark.parametrize(("shape", "resize"), [((20, 3, 70, 64), None), ((20, 1, 28, 28), 64), ((20, 3, 80, 33), 64)])
def test_it_is_that_of_torchmetrics(features, monkeypatch, shape, resize):
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda net, pretrained=False: features)
    network = theirs._NoTrainLpips(net="alex", pnet_rand=True)
    x, y = pair(*shape)
    mine = LPIPS(features)(x, y)
    if resize:  # theirs shrinks by area what is larger, on both sides or none: it is handed what ours made
        x, y = (torch.nn.functional.interpolate(image, (64, 64), mode="bilinear") for image in (x, y))
    expected = network(x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1), normalize=True).flatten()
    assert len(mine) == 20 and (mine > 0).all()
    torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-9)  # float32 through five layers


def test_known_answers(features):
    x, y = pair(4, 1, 28, 28)
    distance = LPIPS(features)
    assert distance(x, x).tolist() == [0] * 4
    torch.testing.assert_close(distance(x, y), distance(y, x))
    assert distance(x, y).diff().gt(0).all()  # the noise grows from pair to pair
    assert [w.shape[1] for w in heads()] == [64, 192, 384, 256, 256] and all((w >= 0).all() for w in heads())
    assert all(isinstance(alexnet()[i], torch.nn.ReLU) for i in LAYERS)


def test_weights_come_from_a_file_as_torchvision_writes_it(features, tmp_path):
    state = {f"features.{key}": value for key, value in features.state_dict().items()}
    torch.save(state | {"classifier.1.weight": torch.zeros(2)}, tmp_path / "alexnet.pth")
    loaded = load(tmp_path / "alexnet.pth")
    assert loaded.hash == LPIPS(features).hash != LPIPS(alexnet()).hash
    assert not any(p.requires_grad for p in loaded.features.parameters())


def test_weights_that_cannot_be_had(features, tmp_path, monkeypatch):
    with pytest.raises(PushforwardError, match=r"none\.pth is not available .*weights_path=FILE") as error:
        load(tmp_path / "none.pth")
    assert "\n" not in str(error.value)
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(PushforwardError, match=r"other\.pth has not the weights of torchvision's alexnet"):
        load(tmp_path / "other.pth")

    def offline(*args, **kwargs):
        raise OSError("no\nnetwork")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(PushforwardError, match=r"AlexNet's weights is not available \(no network\); download https"):
        load()
