"""A run while it is trained."""

from dataclasses import dataclass, field
from typing import Any

from pushforward.data import DataModule
from pushforward.families import Family
from pushforward.runs import RunDir
from pushforward.training.conductor import Conductor
from pushforward.training.gaps import Gaps


@dataclass
class Session:
    """A run while it is trained: what its config has built, and the conductor that knows how it went."""

    frozen: dict[str, Any]
    run: RunDir
    data: DataModule
    family: Family
    features: Any
    mirrors: list[Any]
    conductor: Conductor
    execution: dict[str, Any] = field(default_factory=lambda: {"executed": "alone"})
    """How it was trained, for the record."""
    gaps: Gaps = field(default_factory=dict)
    """What could not be measured or drawn."""
