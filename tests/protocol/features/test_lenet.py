import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from pushforward.data import DataModule
from pushforward.data.sources import Digits, Toy2d
from pushforward.data.sources.base import Arrays, Source, Split
from pushforward.errors import PushforwardError
from pushforward.protocol.features import NoFeatures, classifier, lenet
from pushforward.protocol.features.lenet import for_data, load, shipped

LEAST_ACCURACY = {"digits": 0.97, "mnist": 0.99, "fashion_mnist": 0.90}


@dataclass(frozen=True)
class Few(Source):
    """300 digits under another name, in colour, so that nothing is shipped for them."""

    labelled: bool = True
    name = "few"

    def load(self) -> Arrays:
        whole = Digits().load()

        def part(split: Split, n: int) -> Split:
            return Split(split.x[:n].expand(-1, 3, -1, -1).contiguous(), split.y[:n] if self.labelled else None)

        return Arrays(part(whole.train, 300), part(whole.test, 60), 17, 10 if self.labelled else None)


def digits(**kwargs) -> DataModule:
    return DataModule(Digits(), batch_size=64, validation=180, **kwargs)


def few(**kwargs) -> DataModule:
    return DataModule(Few(**kwargs), batch_size=64, validation=50)


@pytest.fixture
def short(monkeypatch):
    """The recipe in 30 steps."""
    recipe = replace(classifier.RECIPE, least=30 * 128, most=30 * 128)
    monkeypatch.setattr(classifier, "RECIPE", recipe)
    monkeypatch.setattr(lenet, "RECIPE", recipe)


@pytest.mark.parametrize("name", LEAST_ACCURACY)
def test_shipped_weights_are_small_whole_and_good(name):
    stem = shipped(name)
    extractor = load(stem, "shipped")
    card = json.loads(stem.with_suffix(".json").read_text())
    assert stem.with_suffix(".npz").stat().st_size < 200_000
    assert extractor.accuracy == card["test_accuracy"] >= LEAST_ACCURACY[name]
    assert card["recipe"] == vars(classifier.RECIPE), "the recipe has changed: run scripts/train_features.py"
    x = torch.rand(3, *card["shape"])
    assert extractor(x).shape == (3, 84) and extractor.logits(x).shape == (3, 10)
    assert float(extractor.classes(x).sum()) == pytest.approx(1)


def test_shipped_digits_have_the_accuracy_they_claim():
    data = digits()
    extractor = for_data(data)
    assert extractor is not None and extractor.source == "shipped"
    predicted = extractor.logits(data.raw_levels("test").float() / 16).argmax(1)
    assert float((predicted == data.labels("test")).double().mean()) == pytest.approx(extractor.accuracy, abs=1e-4)


def test_how_a_run_prepares_its_data_does_not_matter():
    hashes = {for_data(digits(**how)).hash for how in ({}, {"binarize": "static"}, {"dequantize": True})}
    assert len(hashes) == 1


def test_batches_do_not_matter():
    """Convolutions of other batch sizes round differently: float32 of sums of a few hundred terms near 1."""
    extractor, x = load(shipped("digits"), "shipped"), torch.rand(501, 1, 8, 8)
    together, alone = extractor(x), torch.cat([extractor(part) for part in x.split(100)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert not together.requires_grad


def test_trained_on_the_spot_once_and_the_same_again(tmp_path, short):
    data, before = few(), torch.get_rng_state()
    first = for_data(data, tmp_path / "a")
    (card,) = (tmp_path / "a").glob("*/lenet.json")
    written = card.stat().st_mtime_ns
    again = for_data(few(), tmp_path / "a")
    elsewhere = for_data(few(), tmp_path / "b")
    assert torch.get_rng_state().equal(before)
    assert first.hash == again.hash == elsewhere.hash
    assert card.stat().st_mtime_ns == written and first.source == "trained here"
    assert first(torch.rand(2, 3, 8, 8)).shape == (2, 84)
    assert first.accuracy > 0.22  # chance on 60 test images is 0.1, its 3σ 0.12; 30 steps are few


def test_other_data_get_other_weights(tmp_path, short):
    for_data(few(), tmp_path)
    for_data(DataModule(Few(), batch_size=64, validation=60), tmp_path)
    assert len(list(tmp_path.glob("*/lenet.json"))) == 2


def test_training_does_not_depend_on_threads_or_grad_mode(short):
    data, threads = few(), torch.get_num_threads()
    x, y = data.raw_levels("train"), data.labels("train")
    one = classifier.fit(x, y, 10, 17)
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            two = classifier.fit(x, y, 10, 17)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert a.equal(b)


def test_broken_weights_are_named(tmp_path, short):
    for_data(few(), tmp_path)
    (path,) = tmp_path.glob("*/lenet.npz")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PushforwardError, match=r"lenet\.npz: cannot be read .*delete"):
        for_data(few(), tmp_path)
    network = classifier.LeNet((3, 8, 8), 10)
    np.savez(path, **{k: v.half().numpy() for k, v in network.state_dict().items()})
    with pytest.raises(PushforwardError, match=r"lenet\.npz: hash .*, expected .*delete"):
        for_data(few(), tmp_path)


def test_no_features_and_why():
    points = DataModule(Toy2d("ring", 500, 100, 0), batch_size=64, validation=100)
    with pytest.raises(NoFeatures, match="the data are points, not images"):
        for_data(points)
    with pytest.raises(NoFeatures, match="the data have no labels: lenet needs labels"):
        for_data(few(labelled=False))


def test_shifts_move_the_image():
    x = torch.zeros(2, 1, 4, 4)
    x[:, 0, 1, 2] = 1
    moved = classifier._shifted(x, torch.tensor([[0, 2], [1, 1]]), 1)
    assert moved.shape == x.shape
    assert moved[0, 0].nonzero().tolist() == [[2, 2]] and moved[1, 0].nonzero().tolist() == [[0, 2]]


@dataclass(frozen=True)
class Labelled(Source):
    """300 digits with the labels that a test gives: of the training images, of the test images."""

    train: tuple[int, ...] | None
    test: tuple[int, ...] | None
    name = "labelled"

    def load(self) -> Arrays:
        whole = Digits().load()
        y, truth = (None if labels is None else torch.tensor(labels) for labels in (self.train, self.test))
        return Arrays(Split(whole.train.x[:300], y), Split(whole.test.x[:60], truth), 17, 300)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (None, None, "the data have no labels"),
        (None, (0, 1) * 30, "training images have no labels"),
        ((0, 1) * 150, None, "test images have no labels"),
        ((3,) * 300, (3,) * 60, "one class"),
        (tuple(range(300)), tuple(range(60)), "250 classes in 250 images: these labels are no classes"),
    ],
)
def test_labels_that_teach_nothing_are_known_before_training(train, test, said, monkeypatch):
    monkeypatch.setattr(lenet, "make", lambda *_: pytest.fail("a classifier was trained"))
    data = DataModule(Labelled(train, test), batch_size=64, validation=50)
    with pytest.raises(NoFeatures, match=said):
        for_data(data)
