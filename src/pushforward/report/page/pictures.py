"""Pictures of runs side by side at one scale, from `arrays/*.npz`: samples, reconstructions, paths, moments of training."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pushforward.errors import PushforwardError
from pushforward.report import figures
from pushforward.report.page import sprites
from pushforward.report.table_layout import Row
from pushforward.runs import Run

SHOWN = 16
"""Images in a row."""
MOMENTS = 12
"""Moments of training, at the most."""
ROOM = 1_500_000
"""Bytes that all strips behind sliders may take, of moments and of trajectories each."""

T = TypeVar("T")


class Kept:
    """The arrays that runs have kept; what cannot be shown is noted in `gaps` and left out."""

    def __init__(self) -> None:
        self.gaps: list[str] = []

    def show(self, run: Run, name: str, make: Callable[[figures.Arrays], T | None]) -> T | None:
        """Pictures of `arrays/NAME.npz`; None where there is none, or it is damaged."""
        path = run.arrays / f"{name}.npz"
        if not path.is_file():
            return None
        try:
            return make(figures.load(path))
        except PushforwardError as error:
            self.gaps.append(str(error))
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            self.gaps.append(f"{run.id}: arrays/{name}.npz has not the arrays that it should have")
        return None

    def room(self, label: str, shown: Iterable[sprites.Sprite], left: int) -> int:
        """The bytes that are left of `left` after pictures; below 0 they are left out, which is noted."""
        left -= sum(len(sprite.uri) for sprite in shown)
        if left < 0:
            self.gaps.append(f"{label}: the page would grow too large; name fewer runs")
        return left

    def first(self, row: Row, name: str, make: Callable[[figures.Arrays], T | None]) -> tuple[Run, T] | None:
        """That of the row's first run that has it."""
        for run in row.runs:
            if (found := self.show(run, name, make)) is not None:
                return run, found
        return None


def names(runs: Iterable[Run], pattern: str) -> list[str]:
    """Names of the arrays of runs that match, in their order."""
    return sorted({path.stem for run in runs for path in run.arrays.glob("*.npz") if re.fullmatch(pattern, path.stem)})


def by_data(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of models by the images that they were trained on."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if not row.reference and row.runs:
            found.setdefault(str(row.runs[0].images), []).append(row)
    return found


def strip(x: np.ndarray) -> sprites.Sprite:
    """The first images of (n, c, h, w) in a row. Raises ValueError where these are no images."""
    if x.ndim != 4 or not len(x):
        raise ValueError("no images")
    return sprites.strip(x[:SHOWN])


def samples(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    """For each data set the real images and a strip for each row; one more for each density that codes are drawn from."""
    return [
        {"data": data, "strips": strips}
        for data, own in by_data(rows).items()
        if len(strips := [*_real(own, kept), *_samples(own, kept)]) > 1
    ]


def _real(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    for row in rows:
        if found := kept.first(row, "reconstructions", lambda a: strip(a["x"])):
            return [
                {"label": "real data", "note": "", "alt": f"{found[1].n} real images, held out", "sprite": found[1]}
            ]
    return []


def _samples(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    strips = []
    for row in rows:
        for name in names(row.runs, r"samples(_\w+)?"):
            density = name.removeprefix("samples").strip("_")
            if found := kept.first(row, name, _images):
                run, sprite = found
                drawn = f"from {density}" if density else "from its prior"
                alt = f"{sprite.n} samples of {row.title}, {drawn}, seed {run.key('seed')}"
                strips.append({"label": row.title, "note": density, "alt": alt, "sprite": sprite})
    return strips


def _images(a: figures.Arrays, key: str = "x") -> sprites.Sprite | None:
    """A strip; None of points in the plane, which are shown in their own way."""
    return None if a[key].ndim == 2 else strip(a[key])


def reconstructions(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    """For each data set the real images and what each row's model makes of them, and of what where they were corrupted."""
    found = []
    for data, own in by_data(rows).items():
        strips = []
        for row in own:
            for key, note in (("corrupted", "what it was shown"), ("reconstruction", "")):
                made = kept.first(row, "reconstructions", lambda a, key=key: strip(a[key]) if key in a else None)  # type: ignore[misc]
                if made:
                    alt = f"{note or 'reconstructions'} of {row.title}, seed {made[0].key('seed')}"
                    strips.append({"label": row.title, "note": note, "alt": alt, "sprite": made[1]})
        if strips:
            found.append({"data": data, "strips": [*_real(own, kept), *strips]})
    return found


def planes(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    """Pictures of runs on points in the plane: data beside samples."""
    found = []
    for row in (row for row in rows if not row.reference):
        for run in row.runs:
            picture = run.samples / "points.png"
            if (uri := _picture(picture)) is not None:
                alt = f"data and samples of {row.title} on {run.data}, seed {run.key('seed')}"
                found.append({"label": row.title, "note": str(run.data), "alt": alt, "uri": uri})
                break
    return found


def _picture(path: Path) -> str | None:
    """A run's own picture as a data URI, read and written anew: what is no picture is left out."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return sprites.uri(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def moments(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    """For each row samples at moments of training, the last at its end: a strip each; reconstructions where it has no prior."""
    found = []
    for row in (row for row in rows if not row.reference):
        for run, (what, key) in product(row.runs, (("samples", "x"), ("reconstructions", "reconstruction"))):
            at = [(int(name.partition("-")[2]), name) for name in names([run], what + r"-\d{1,15}")]
            at = [at[i] for i in np.unique(np.linspace(0, len(at) - 1, MOMENTS).round().astype(int))] if at else []
            moments = [*((f"{seen:,} images", name) for seen, name in at), ("the end", what)]
            shown = [(label, kept.show(run, name, lambda a, key=key: _images(a, key))) for label, name in moments]  # type: ignore[misc]
            steps = [{"at": label, "sprite": sprite} for label, sprite in shown if sprite is not None]
            if len(steps) > 2:
                label = row.title + ", reconstructions" * (what == "reconstructions")
                found.append({"label": label, "run": run.id, "steps": steps})
                break
    return _fitting(found, "moments of training", kept)


def trajectories(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    """For each row of a model that samples in steps: a strip at each of some moments from noise to images."""
    found = []
    for row in (row for row in rows if not row.reference):
        if made := kept.first(row, "trajectory", _moments):
            found.append({"label": row.title, "run": made[0].id, "steps": made[1]})
    return _fitting(found, "from noise to images", kept)


def _fitting(found: list[dict[str, Any]], what: str, kept: Kept) -> list[dict[str, Any]]:
    """The first of what has steps, as far as there is room."""
    left = ROOM
    for i, one in enumerate(found):
        left = kept.room(f"{what}, from {one['label']} on", (step["sprite"] for step in one["steps"]), left)
        if left < 0:
            return found[:i]
    return found


def _moments(a: figures.Arrays) -> list[dict[str, Any]]:
    calls = int(a["all"])
    return [
        {"at": f"{int(call)} of {calls} calls", "sprite": strip(x)} for x, call in zip(a["x"], a["calls"], strict=True)
    ]
