"""What no model produced: images of a Gaussian, of a mixture, of the memory, beside the held-out ones; kept on disk."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pushforward.metrics import baselines
from pushforward.priors import FittedMixture
from pushforward.protocol.cache import cached_parts, hashed
from pushforward.protocol.seen import Part, Seen, data_digest
from pushforward.protocol.subject import MEASURE_SEED, Subject
from pushforward.seeds import generator

DIMENSIONS, COMPONENTS, ROUNDS = 50, 10, 30
"""Principal components of pixels, Gaussians over them, and rounds of their fit, of the mixture's row."""

Rows = dict[str, dict[str, Any]]
"""Number -> {"floor": value, "references": {label: value}}."""


def mixture_on_pca(train: Float[Tensor, " m *shape"], n: int, g: torch.Generator) -> Float[Tensor, " n *shape"]:
    """`n` images of a mixture of full Gaussians on the leading principal components of training pixels, in [0, 1]."""
    mean, basis, *_ = baselines.principal_components(train, DIMENSIONS)
    codes = torch.cat([(part.double() - mean) @ basis for part in train.flatten(1).split(5000)])
    mixture = FittedMixture.fit(codes, components=COMPONENTS, seed=MEASURE_SEED, max_iter=ROUNDS)
    z = mixture.sample(n, g)
    return (mean + z @ basis.T).clamp(0, 1).unflatten(1, train.shape[1:]).to(train.dtype)


SAMPLERS: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {
    "Gaussian on pixels": baselines.gaussian_pixels,
    "mixture on PCA": mixture_on_pca,
    "memoriser": baselines.training_images,
}
"""Label of a row -> images (training images, n, generator)."""


def drawn(subject: Subject, n: int) -> dict[str, Callable[[], Tensor]]:
    """Each row's images."""

    def draw(label: str) -> Tensor:
        return SAMPLERS[label](subject.raw("train"), n, generator("cpu", MEASURE_SEED, "references", label))

    return {label: partial(draw, label) for label in SAMPLERS}


def references(subject: Subject, n: int, chosen: Mapping[str, Part]) -> dict[str, Rows]:
    """Floor and reference rows of each part's numbers: computed once for a data set, features and n, by whatever run."""
    seen = Seen(subject, n, drawn(subject, n))
    names = {f"{name}-{hashed(contents(part))}": name for name, part in chosen.items()}
    about = subject.features.card
    if not about.get("features_hash"):  # a person's own, that nothing identifies
        return subject.once(
            ("references", n, *names), lambda: {name: rows(seen, part) for name, part in chosen.items()}
        )
    key = {
        "features": {name: about[name] for name in ("features", "features_hash")},
        "n": n,
        "split": subject.split,
        "data": {split: data_digest(subject, split) for split in ("train", subject.split)},
        "mixture": [DIMENSIONS, COMPONENTS, ROUNDS],
    }
    found = cached_parts(
        "references", key, list(names), lambda missing: {file: rows(seen, chosen[names[file]]) for file in missing}
    )
    return {name: found[file] for file, name in names.items()}


def contents(part: Part) -> dict[str, Any]:
    """What a part's rows hold and hang on, so that rows kept by another version are not taken for them."""
    numbers = [number.name for number in part.numbers]
    return {"numbers": numbers, "floor": part.floor, "also": list(part.also), "card": dict(part.card or {})}


def rows(seen: Seen, part: Part) -> Rows:
    """One part's rows."""
    floor = part.of(seen, part.floor)
    others = {label: part.of(seen, label) for label in (*part.also, *seen.others)}
    return {
        number.name: {
            "floor": floor[i].value,
            "references": {label: found[i].value for label, found in others.items()},
        }
        for i, number in enumerate(part.numbers)
    }
