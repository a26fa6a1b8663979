"""Splitting a source's images into training, validation and test images."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pushforward.data.sources.base import Arrays, Lazy
from pushforward.errors import PushforwardError
from pushforward.seeds import generator

MANY = 0.01
"""A share of the images: a larger set of equal ones is trained on, as a split of it alone would say nothing."""
HASHED = 2**21
"""Words that are hashed at once."""


def split_images(
    arrays: Arrays, name: str, validation: int | float, test: int | float, seed: int
) -> tuple[dict[str, Tensor], list[str]]:
    """The images of each split, in the order of `seed`, and notes on them. Equal images stand in one split.

    A split of the source's own is taken as it is. Raises PushforwardError where the counts leave nothing to train on.
    """
    n = len(arrays.train)
    order = torch.rand(n, dtype=torch.float64, generator=generator("cpu", seed, "split")).argsort(stable=True)
    t = 0 if arrays.test is not None else count(test, n, "test", name)
    v = t + (0 if arrays.val is not None else count(validation, n, "validation", name))
    if v >= n:
        asked = [f"data.{k}={s}" for k, s, c in (("validation", validation, v - t), ("test", test, t)) if c]
        raise PushforwardError(f"{name}: {' and '.join(asked)} leaves nothing of {n} images to train on: give less.")
    said = []
    keys = image_keys(arrays.train.x)
    if keys is not None and (copies := n - len(keys.unique())):
        order = together(order, keys)
        if v:
            said.append(f"{copies} images are copies of others: equal ones stand in one split")
        edges = after(keys[order], t), after(keys[order], v)
        if edges[1] < n:
            t, v = edges
        elif v:
            said[-1] = f"{copies} images are copies of others, too many for each to stand in one split"
    cut = {"train": order[v:], "val": order[t:v], "test": order[:t]}
    for own, part in (("val", arrays.val), ("test", arrays.test)):
        if part is None:
            continue
        cut[own] = torch.arange(len(part))
        others = image_keys(part.x) if keys is not None and arrays.notes else None  # public sets are as they are
        if keys is not None and others is not None and (common := int(torch.isin(others, keys).sum())):
            said.append(f"{common} of {len(part)} {own} images stand in the training split too")
    return cut, said


def count(share: int | float, n: int, key: str, name: str) -> int:
    """A count as it is; a fraction of n as a count, at least 1 of what is above 0."""
    whole = float(share).is_integer() and share != 1.0 if isinstance(share, float) else True
    if isinstance(share, bool) or not share >= 0 or not (whole or share < 1):
        raise PushforwardError(f"data.{key}={share} is no share of {n} images: give a count, or a fraction below 1.")
    found = int(share) if whole else max(1, round(share * n)) if share else 0
    if found >= n:
        raise PushforwardError(f"data.{key}={share} leaves nothing of {n} images of {name}: give fewer, or a fraction.")
    return found


def image_keys(x: Tensor | Lazy) -> Tensor | None:
    """A number for each image, (n,) int64, equal for equal ones; None of points, which may repeat by right.

    Σ_j f(w_j) r_j modulo 2⁶⁴ over an image's words of 8 bytes, f mixing bits, r odd and random: two different images share
    it once in 10¹⁹.
    """
    if isinstance(x, Lazy):
        return x.keys()
    if x.ndim != 4:
        return None
    flat = x.reshape(len(x), -1).view(torch.uint8)
    words = nn.functional.pad(flat, (0, -flat.shape[1] % 8)).view(torch.int64)
    factors = torch.randint(-(2**62), 2**62, (words.shape[1] + 1,), generator=generator("cpu", 0, "image keys")) * 2 + 1
    parts = []
    for part in words.split(max(1, HASHED // words.shape[1])):
        mixed = (part ^ (part >> 32)) * factors[0]
        parts.append((mixed ^ (mixed >> 29)) @ factors[1:])
    return torch.cat(parts)


def together(order: Tensor, keys: Tensor) -> Tensor:
    """The order with equal images side by side where the first of them stood; large sets at the end."""
    _, group, sizes = keys[order].unique(return_inverse=True, return_counts=True)
    place = torch.arange(len(order))
    first = torch.full_like(sizes, len(order)).scatter_reduce(0, group, place, "amin")
    large = (sizes > max(1, MANY * len(order))).long() * len(order)
    return order[(first + large)[group].argsort(stable=True)]


def after(keys: Tensor, place: int) -> int:
    """`place`, or the next one that does not part equal images."""
    while 0 < place < len(keys) and keys[place] == keys[place - 1]:
        place += 1
    return place


def moments(points: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each dimension, of maps of each channel, float64, (d,); 1 for one that does not vary."""
    points = points.movedim(1, -1).flatten(0, -2)
    mean, spread = points.double().mean(0), points.double().std(0, correction=0)
    if not bool(mean.isfinite().all() and spread.isfinite().all()):
        raise PushforwardError(f"{name}: the points are too large to take their mean and deviation of: scale them.")
    return mean, torch.where(spread > 1e-12 * mean.abs(), spread, 1.0)


def classes_note(labels: Mapping[str, Tensor | None], names: tuple[str, ...]) -> str:
    """Says which classes there are, how many training images each has, and where labels are missing."""
    known = [split for split, y in labels.items() if y is not None and len(y)]
    if not known:
        return "no labels"
    y = labels["train"] if labels["train"] is not None else labels[known[0]]
    assert y is not None
    counts = torch.bincount(y, minlength=len(names)).tolist()
    shown = ", ".join(f"{name} {n}" for name, n in list(zip(names, counts, strict=True))[:8])
    lacking = [split for split, y in labels.items() if y is None]
    return f"{len(names)} {'class' if len(names) == 1 else 'classes'}: {shown}{', …' * (len(names) > 8)}" + (
        f"; no labels in {', '.join(lacking)}" if lacking else ""
    )
