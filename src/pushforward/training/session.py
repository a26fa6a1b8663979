"""A run while it is trained."""

from dataclasses import dataclass, field
from typing import Any

from pushforward.data import DataModule
from pushforward.families import Family
from pushforward.runs import RunDir
from pushforward.training.missing_results import Gaps
from pushforward.training.run_callback import RunCallback


@dataclass
class Session:
    """A run while it is trained: what its config has built, and the callback that knows how it went."""

    frozen: dict[str, Any]
    run: RunDir
    data: DataModule
    family: Family
    features: Any
    mirrors: list[Any]
    callback: RunCallback
    execution: dict[str, Any] = field(default_factory=lambda: {"executed": "alone"})
    """How it was trained, for the record."""
    gaps: Gaps = field(default_factory=dict)
    """What could not be measured or drawn."""
