"""References that no model produced: images of a Gaussian, of a mixture, of the memory, beside the held-out ones; kept on disk.

Each row is drawn several times, since one draw of few images says little: it is their mean, and the card has them all."""

import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pushforward.metrics import baselines
from pushforward.priors import FittedMixture
from pushforward.protocol.feature_sets import TEST, TRAIN, FeatureSets, Part, data_digest
from pushforward.protocol.shared_numbers import cached_parts, hashed
from pushforward.protocol.subject import MEASURE_SEED, Subject
from pushforward.seeds import generator

DIMENSIONS, COMPONENTS, ROUNDS = 50, 10, 30
"""Principal components of pixels, Gaussians over them, and rounds of their fit, of the mixture's row."""

IMAGES, LEAST, MOST = 20_000, 3, 10
"""Images that all draws of a row come to about, and the fewest and most draws: 10 of 360 images, 3 of 10,000."""

Sampler = Callable[[int, torch.Generator], Tensor]
Rows = dict[str, dict[str, Any]]
"""Number -> {"floor": mean, "references": {label: mean}, "reference_draws": {"floor" or label: values}}."""


def mixture_on_pca(train: Tensor) -> Sampler:
    """Draws of a mixture of full Gaussians on the leading principal components of training pixels, in [0, 1]."""
    mean, basis, *_ = baselines.principal_components(train, DIMENSIONS)
    codes = torch.cat([(part.double() - mean) @ basis for part in train.flatten(1).split(5000)])
    mixture = FittedMixture.fit(codes, components=COMPONENTS, seed=MEASURE_SEED, max_iter=ROUNDS)

    def draw(n: int, g: torch.Generator) -> Tensor:
        z = mixture.sample(n, g)
        return (mean + z @ basis.T).clamp(0, 1).unflatten(1, train.shape[1:]).to(train.dtype)

    return draw


SAMPLERS: dict[str, Callable[[Tensor], Sampler]] = {
    "Gaussian on pixels": lambda train: partial(baselines.gaussian_pixels, train),
    "mixture on PCA": mixture_on_pca,
    "memoriser": lambda train: partial(baselines.training_images, train),
}
"""Label of a row -> what draws its images, given the training images."""


def draws(n: int) -> int:
    """The number of draws of a row of n images."""
    return max(LEAST, min(MOST, IMAGES // n))


def drawn(subject: Subject, n: int) -> dict[str, dict[str, Callable[[], Tensor]]]:
    """Each row's sets of images by label and name: several draws, and of training images one where all of them stand in it."""
    train = partial(subject.raw, "train")

    def draw(label: str, number: int) -> Tensor:
        g = generator("cpu", MEASURE_SEED, "references", label, number)
        if label == TRAIN:
            return baselines.training_images(train(), n, g)
        return subject.once(("reference", label), lambda: SAMPLERS[label](train()))(n, g)

    found: dict[str, dict[str, Callable[[], Tensor]]] = {
        label: {f"{label}, draw {number}": partial(draw, label, number) for number in range(draws(n))}
        for label in (TRAIN, *SAMPLERS)
    }
    if n >= subject.size("train"):
        found[TRAIN] = {TRAIN: partial(train, n)}
    return found


def references(subject: Subject, n: int, chosen: Mapping[str, Part]) -> dict[str, Rows]:
    """Floor and reference rows of each part's numbers: computed once for a data set, features and n, by whatever run."""
    names = {f"{name}-{hashed(contents(part))}": name for name, part in chosen.items()}
    about = subject.extractor.card
    if not about.get("features_hash"):  # a person's own, that nothing identifies
        return subject.once(("references", n, *names), lambda: rows(subject, n, chosen))
    key = {
        "features": {name: about[name] for name in ("features", "features_hash")},
        "n": n,
        "draws": draws(n),
        "split": subject.split,
        "data": {split: data_digest(subject, split) for split in ("train", subject.split)},
        "mixture": [DIMENSIONS, COMPONENTS, ROUNDS],
    }

    def make(missing: list[str]) -> dict[str, Rows]:
        made = rows(subject, n, {names[file]: chosen[names[file]] for file in missing})
        return {file: made[names[file]] for file in missing}

    found = cached_parts("references", key, list(names), make)
    return {name: found[file] for file, name in names.items()}


def contents(part: Part) -> dict[str, Any]:
    """A part's rows and the settings they depend on, so that rows kept by another version are not taken for them."""
    numbers = [number.name for number in part.numbers]
    return {"numbers": numbers, "floor": part.floor, "also": list(part.also), "card": dict(part.card or {})}


def rows(subject: Subject, n: int, chosen: Mapping[str, Part]) -> dict[str, Rows]:
    """Each part's rows; one set of images after another, so that no more than one is in memory."""
    made = drawn(subject, n)
    compared = FeatureSets(subject, n, {name: make for own in made.values() for name, make in own.items()})
    sets = {label: list(own) for label, own in made.items()} | {TEST: [TEST]}
    values: dict[str, dict[str, list[list[float]]]] = {name: {} for name in chosen}
    for label, own in sets.items():
        wanted = {name: part for name, part in chosen.items() if label in (part.floor, *part.also, *SAMPLERS)}
        for one in own if wanted else ():
            for name, part in wanted.items():
                values[name].setdefault(label, []).append([float(found.value) for found in part.of(compared, one)])
            compared.forget(one)
    return {name: part_rows(part, values[name]) for name, part in chosen.items()}


def part_rows(part: Part, values: Mapping[str, list[list[float]]]) -> Rows:
    """values: label -> draws -> one value for each number."""
    made: Rows = {}
    for i, number in enumerate(part.numbers):
        of_number = {label: [draw[i] for draw in found] for label, found in values.items()}
        labels = [label for label in (*part.also, *SAMPLERS) if label in of_number]
        several = {"floor": of_number[part.floor], **{label: of_number[label] for label in labels}}
        made[number.name] = {
            "floor": statistics.fmean(of_number[part.floor]),
            "references": {label: statistics.fmean(of_number[label]) for label in labels},
            "reference_draws": {label: found for label, found in several.items() if len(found) > 1},
        }
    return made
