"""The numbers of plots 1 and 2: entropy, and what a wrong code costs."""

import math
from typing import Any

import torch

from pushforward.metrics import compressors
from pushforward.metrics.histograms import PixelHistogram, shares
from pushforward.metrics.information import cross_entropy, entropy, kl_divergence, probabilities
from pushforward.training.tour.bench import Bench

DIGIT = 3
FEW = 5
"""Images that the badly informed code of plot 2 has seen."""


def of_entropy(bench: Bench) -> dict[str, Any]:
    data = bench.data
    p = torch.linspace(0, 1, 201, dtype=torch.float64)
    places = counted(bench, "train")
    pooled = shares(places.counts.sum(0))
    labels = data.labels("train")
    assert labels is not None
    share = (labels == DIGIT).double().mean()
    coins = entropy(torch.stack([p, 1 - p], -1), unit="bits")
    return {
        "p": p,
        "coin": coins,
        "digit": DIGIT,
        "share": share,
        "share_bits": entropy(torch.stack([share, 1 - share]), unit="bits"),
        "levels": pooled,
        "pooled_bits": entropy(pooled, unit="bits"),
        "map_bits": entropy(shares(places.counts), unit="bits").view(data.spec.shape[1:]),
    }


def of_code(bench: Bench) -> dict[str, Any]:
    data, levels = bench.data, bench.data.spec.levels
    assert levels is not None
    test, train = counted(bench, "test"), counted(bench, "train")
    p = shares(test.counts.sum(0))
    few = PixelHistogram(data.spec.dim, levels)
    few.update(data.raw_levels("train", FEW))
    qs = {
        "q: all levels alike": torch.full_like(p, 1 / levels),
        "q: geometric, of the same mean": geometric(p),
        f"q: shares in {FEW} training images": shares(few.counts.sum(0), 0.5),
        f"q: shares in all {data.spec.n_train:,}": shares(train.counts.sum(0), 0.5),
    }
    q = torch.stack(list(qs.values()))
    codes = codes_of(bench, test, train, float(cross_entropy(p, q[-1], unit="bits")))
    return {
        "p": p,
        "names": list(qs),
        "q": q,
        "cross": cross_entropy(p.expand_as(q), q, unit="bits"),
        "kl": kl_divergence(p.expand_as(q), q, unit="bits"),
        "entropy": entropy(p, unit="bits"),
        "n_train": data.spec.n_train,
        "codes": [name for name, _, _ in codes],
        "code_kind": [kind for _, kind, _ in codes],
        "code_bits": [bits for _, _, bits in codes],
    }


def codes_of(bench: Bench, test: PixelHistogram, train: PixelHistogram, pooled: float) -> list[tuple[str, str, float]]:
    """(name, kind, bits/dim) of what codes pay for the test images."""
    spec = bench.data.spec
    assert spec.levels is not None
    found = [
        ("fixed length", "code", math.log2(spec.levels)),
        ("shares of levels", "code", pooled),
        ("shares at each place", "code", float(test.code_length(train))),
    ]
    sizes = compressors.bits_per_dim(bench.data.raw_levels("test"), spec.levels)
    found += [(name, "compressor", bits) for name, bits in sizes.items()]
    for name, label in (("flow", "flow (exact)"), ("VAE", "VAE (bound)")):
        family = bench.trained(name).family
        with torch.no_grad():
            log_prob = family.log_prob(bench.data.tensor("test"), bench.generator("code", name))
        bits = spec.bits_per_dim(-log_prob.values.double().mean(), density=log_prob.density)
        found.append((label, "model", float(bits)))
    return found


def counted(bench: Bench, split: str) -> PixelHistogram:
    """How often each place takes each grey level."""
    spec = bench.data.spec
    assert spec.levels is not None
    histogram = PixelHistogram(spec.dim, spec.levels)
    histogram.update(bench.data.raw_levels(split))
    return histogram


def geometric(p: torch.Tensor) -> torch.Tensor:
    """q(k) ∝ rᵏ over p's levels with r = m/(1 + m), m the mean of p: what a Golomb code is made for."""
    levels = torch.arange(len(p), dtype=torch.float64)
    mean = (p * levels).sum()
    mass = (mean / (1 + mean)) ** levels
    return probabilities(mass / mass.sum())
