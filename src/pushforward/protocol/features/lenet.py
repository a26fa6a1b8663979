"""The features of FD-lenet: those of a small classifier of the data's own labels, frozen, trained by one recipe.

Its weights for digits, MNIST and Fashion-MNIST are shipped, so that numbers compare between machines. Other labelled
images get theirs by the same recipe on the spot, once, kept under `outputs/features`.
"""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

import pushforward
from pushforward.atomic_files import Lock, whole, write_whole
from pushforward.data import DataModule
from pushforward.errors import PushforwardError
from pushforward.metrics.sample import mode_histogram
from pushforward.networks.lenet import LeNet
from pushforward.protocol.features.base import CHUNK, NoFeatures, batched, digest
from pushforward.protocol.features.classifier import RECIPE, fit, unit
from pushforward.runs import outputs


class FeatureExtractor:
    """images (n, c, h, w) in [0, 1] → features (n, 84), on the classifier's device, in fp32.

    No nn.Module: held by a family or a metric it would enter their parameters and follow their `.train()`.
    hash: of the weights; two numbers compare where it is equal. accuracy: of the classifier on the data's test split.
    """

    name = "lenet"
    layer = "84 units before the logits"

    def __init__(self, network: LeNet, hash: str, accuracy: float, source: str) -> None:
        self.hash, self.accuracy, self.source = hash, accuracy, source
        self._network = network.float().eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 84"]:
        return self._batched(self._network.features, images)

    def logits(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self._batched(self._network, images)

    def classes(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, " k"]:
        """Share of images taken for each class."""
        return mode_histogram(self.logits(images))

    def to(self, device: torch.device | str) -> Self:
        """The same extractor, moved."""
        self._network.to(device)
        return self

    @property
    def card(self) -> dict[str, Any]:
        """The settings on which a number computed on these features depends."""
        return {
            "features": self.name,
            "features_hash": self.hash,
            "features_accuracy": self.accuracy,
            "features_layer": self.layer,
            "features_weights": self.source,
            "preprocessing": "images in [0, 1], as they are",
        }

    def _batched(self, f: Any, x: Tensor) -> Tensor:
        return batched(f, x, next(self._network.parameters()).device)


def for_data(data: DataModule, cache: Path | None = None) -> FeatureExtractor:
    """The data's extractor: shipped where there is one, else trained now and kept in `cache` (`outputs/features`).

    The images are the source's grey levels, however a run binarises or dequantises them, so the features stay the same.
    Raises NoFeatures of points, and of images without labels or of one class.
    """
    if not data.spec.is_image:
        raise NoFeatures("the data are points, not images")
    if why := unlearnable(data):
        raise NoFeatures(f"{why}; features=random and features=pixels need no labels")
    arrays = data.arrays
    name, shape = data.source.name, tuple(data.spec.shape)
    own = shipped(name)
    if own.with_suffix(".json").is_file() and json.loads(own.with_suffix(".json").read_text())["shape"] == list(shape):
        return load(own, "shipped")
    x, y = _levels(data, "train"), _labels(data, "train")
    classes = arrays.n_classes or int(y.max()) + 1
    key = digest(json.dumps([asdict(RECIPE), shape, classes, arrays.levels]).encode(), x.numpy(), y.numpy())[:12]
    folder = (outputs() / "features" if cache is None else cache) / f"{FeatureExtractor.name}-{name}-{key}"
    stem = folder / FeatureExtractor.name
    lock = Lock(folder)
    lock.acquire(blocking=True)  # of several runs that start together, one trains and the others read
    try:
        if not stem.with_suffix(".json").is_file():
            print(
                f"features   training a classifier of the {classes} classes of {name} for Fréchet distances (fd_lenet), once: "
                "1 to 4 minutes and more for large images; features=random and features=pixels need none",
                flush=True,
            )
            make(data, stem)
    finally:
        lock.release()
    return load(stem, "trained here")


def unlearnable(data: DataModule) -> str | None:
    """Why a classifier of the data's labels would say nothing, or None: known before minutes are spent on it."""
    y, truth = data.labels("train"), data.labels("test")
    if y is None and truth is None:
        return "the data have no labels: lenet needs labels"
    if y is None:
        return "the training images have no labels, so lenet has nothing to learn from"
    if truth is None:
        return "the test images have no labels, so it is not known how well lenet's classifier tells them apart"
    classes = len(y.unique())
    if classes < 2:
        return "the data have one class, of which lenet learns nothing"
    if 2 * classes > len(y):
        return f"the data have {classes:,} classes in {len(y):,} images: these labels are no classes to learn"
    return None


def make(data: DataModule, stem: Path) -> dict[str, Any]:
    """Trains by the recipe on the train split; writes `stem`.npz (half precision), then `stem`.json: returned."""
    x, y = _levels(data, "train"), _labels(data, "train")
    levels, classes = data.arrays.levels, data.arrays.n_classes or int(y.max()) + 1
    network = fit(x, y, classes, levels)
    weights = {name: value.to(torch.float16).numpy() for name, value in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(value).float() for name, value in weights.items()})
    extractor = FeatureExtractor(network, _hash(weights), math.nan, "")
    card = {
        "data": data.source.name,
        "shape": list(x.shape[1:]),
        "classes": classes,
        "hash": extractor.hash,
        "test_accuracy": round(_accuracy(extractor, data), 4),
        "n_train": len(x),
        "n_test": len(_labels(data, "test")),
        "recipe": asdict(RECIPE),
    }
    with whole(stem.with_suffix(".npz")) as aside:
        np.savez_compressed(aside, **weights)  # type: ignore[arg-type]
    write_whole(
        stem.with_suffix(".json"), json.dumps(card, indent=1) + "\n"
    )  # last: it says that the weights are whole
    return card


def load(stem: Path, source: str) -> FeatureExtractor:
    """The extractor in `stem`.npz and `stem`.json, whose hash must agree."""
    card = json.loads(stem.with_suffix(".json").read_text())
    path = stem.with_suffix(".npz")
    try:
        with np.load(path) as file:
            weights = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise PushforwardError(f"{path}: cannot be read ({error}); {_remedy(path, source)}.") from None
    if _hash(weights) != card["hash"]:
        raise PushforwardError(f"{path}: hash {_hash(weights)}, expected {card['hash']}; {_remedy(path, source)}.")
    with torch.device("meta"):  # no initial weights: they would advance the global generator
        network = LeNet(tuple(card["shape"]), card["classes"])
    network.load_state_dict({name: torch.from_numpy(value).float() for name, value in weights.items()}, assign=True)
    return FeatureExtractor(network, card["hash"], card["test_accuracy"], source)


def shipped(name: str) -> Path:
    """The path of the package's weights for a data set, without suffix; they need not be there."""
    return Path(pushforward.__file__).parent / "assets" / f"{FeatureExtractor.name}-{name}"


def _levels(data: DataModule, split: str) -> Tensor:
    return data.raw_levels(split) if data.arrays.levels else data.tensor(split)


def _labels(data: DataModule, split: str) -> Int[Tensor, " n"]:
    y = data.labels(split)
    assert y is not None  # for_data has looked
    return y


def _accuracy(extractor: FeatureExtractor, data: DataModule) -> float:
    x, y, levels = _levels(data, "test"), _labels(data, "test"), data.arrays.levels
    right = [
        (extractor.logits(unit(a, levels)).argmax(1) == b).sum()
        for a, b in zip(x.split(CHUNK), y.split(CHUNK), strict=True)
    ]
    return float(sum(right)) / len(y) if len(y) else math.nan


def _hash(weights: Mapping[str, np.ndarray]) -> str:
    """16 hex digits of SHA-256 over names and half-precision values."""
    parts = [part for name in sorted(weights) for part in (name.encode(), weights[name].astype("<f2"))]
    return digest(*parts)[:16]


def _remedy(path: Path, source: str) -> str:
    return "reinstall pushforward" if source == "shipped" else f"delete {path.parent} to train it again"
