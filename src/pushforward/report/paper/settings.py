"""What a person says of a figure, and what is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Settings:
    """width: inches. images: in a row. lines: rows of images for each model; 0: as many as usual. columns: numbers or terms.

    by: the config keys that make a row. split: of curves, train, val or both. log: axes on a scale of powers.
    """

    width: float
    images: int = 10
    lines: int = 0
    columns: tuple[str, ...] = ()
    by: tuple[str, ...] = ("model",)
    names: Mapping[str, str] = field(default_factory=dict)
    split: str = "val"
    log: str = ""


class Drawn(NamedTuple):
    """A figure, and what its caption should say: what was left out, over how many seeds."""

    figure: "Figure"
    notes: list[str]
