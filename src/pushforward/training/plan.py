"""The plan of a run: its length, and when it logs, validates and draws, in images seen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pushforward import config
from pushforward.families import Family, IterativeSampler
from pushforward.spec import BLOCK
from pushforward.training import build, loggers


@dataclass
class Plan:
    """The length of a run, and the intervals of its work between blocks, in images seen."""

    cycles: int
    images: int
    log_blocks: int
    validate_images: float
    pictures_images: float | None
    checkpoint_share: float = 1.0
    """At most this share of the time goes into writing checkpoints; 1: one is written at every validation."""
    settled_images: float = 0.0
    """Nothing is chosen before: the objective still changes. Infinite where it does at the budget's end."""
    max_seconds: float = math.inf
    """Training stops at the end of the block in which so many seconds of this process have passed."""


def plan_of(frozen: Mapping[str, Any], family: Family) -> Plan:
    """Return the plan of a frozen config for this family."""
    n, trainer, images = family.spec.n_train, frozen["trainer"], build.budget_images(frozen, family.spec)
    per_block = BLOCK * family.batches_per_cycle * int(frozen["batch_size"])
    pictures = trainer["pictures_every"]
    if pictures is None and (frozen["logger"] or {}).get("_target_") and not isinstance(family, IterativeSampler):
        pictures = images / n / loggers.PICTURES
    return Plan(
        cycles=build.budget_cycles(frozen, family),
        images=images,
        log_blocks=max(1, round(trainer["log_every"] * n / per_block)),
        validate_images=frozen["selection"]["every"] * n,
        pictures_images=pictures * n if pictures else None,
        checkpoint_share=float(trainer["checkpoint_share"]),
        settled_images=build.settled_images(family, images),
        max_seconds=config.max_seconds(dict(frozen)) or math.inf,
    )


def passed(before: int, seen: int, every: float) -> bool:
    return math.floor(seen / every) > math.floor(before / every)
