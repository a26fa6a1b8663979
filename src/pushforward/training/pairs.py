"""Pairs of noise and image that a trained flow makes, for a run that learns them in place of images: reflow."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pushforward.diffusion import Pairs
from pushforward.families import Diffusion, Family
from pushforward.protocol.shared_numbers import cached_tensor
from pushforward.seeds import generator
from pushforward.training import checkpoints

CHUNK = 1000


def teach(family: Family, initial: Mapping[str, Any]) -> None:
    """Has a family that learns pairs learn those of the weights that its run starts from; of others nothing is changed.

    initial: what `pushforward.initial_weights` found. The pairs are made once and kept on disk.
    """
    if not isinstance(family, Diffusion) or family.reflow is None:
        return
    wanted, shape = family.reflow, family.spec.shape

    def make() -> Tensor:
        teacher = copy.deepcopy(family)
        checkpoints.initialise(teacher, initial)
        teacher.eval().float()
        g = generator("cpu", family.seed, "pairs")
        sizes = [min(CHUNK, wanted.pairs - i) for i in range(0, wanted.pairs, CHUNK)]
        parts = [teacher.draw_pairs(size, g, wanted.evaluations) for size in sizes]
        columns = [torch.cat([part.noise.flatten(1), part.ends.flatten(1), labelled(part)], 1) for part in parts]
        return torch.cat(columns)

    key = {
        "weights": initial["sha256"], "pairs": wanted.pairs, "evaluations": wanted.evaluations, "seed": family.seed,
        "sampler": family.sampler,
    }  # fmt: skip
    dim, table = family.spec.dim, cached_tensor("pairs", key, make)
    noise, ends, labels = table.split([dim, dim, table.shape[1] - 2 * dim], 1)
    kept = labels.flatten().long() if labels.shape[1] else None
    family.learn_pairs(Pairs(noise.reshape(-1, *shape), ends.reshape(-1, *shape), kept))


def labelled(pairs: Pairs) -> Tensor:
    """Their labels as a column, (n, 1); none, (n, 0), where they have none."""
    return pairs.noise.new_empty(len(pairs.noise), 0) if pairs.labels is None else pairs.labels[:, None].float()
