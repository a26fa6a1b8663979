"""Figure of training: a panel for each term, a line for each model, a band from the lowest seed to the highest."""

import difflib
import fnmatch
from collections.abc import Sequence
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.report.page import charts
from pushforward.report.paper.settings import Drawn, Settings
from pushforward.report.paper.style import legend, look, panels
from pushforward.report.table_layout import Row

MOST = 6
"""Terms that are drawn where none is named."""


def curves(rows: Sequence[Row], settings: Settings) -> Drawn:
    """Terms over images seen, of validation where a term has such a curve."""
    from matplotlib.ticker import EngFormatter

    found = charts.curves(rows)
    # a measure's during training has a unit that curves do not say
    trained = {one["term"] for one in found if one["split"] == "train"} | {"total", "criterion"}
    if settings.split != "both":
        found = preferred(found, settings.split)
    terms = wanted(found, settings.columns)
    figure, axes = panels(len(terms), settings.width, 1.7)
    titles = [row.title for row in rows]
    for ax, term in zip(axes, terms, strict=True):
        for curve in (one for one in found if one["term"] == term):
            style = look(titles.index(curve["row"]))
            if settings.split == "both":
                style["linestyle"] = "-" if curve["split"] == "val" else (0, (1, 1.2))
            label = curve["row"] + (f", {curve['split']}" if settings.split == "both" else "")
            mark = "." if len(curve["x"]) < 3 else None
            ax.plot(curve["x"], curve["y"], label=label, marker=mark, **style)
            if "low" in curve:
                ax.fill_between(curve["x"], curve["low"], curve["high"], color=style["color"], alpha=0.2, linewidth=0)
        own = [one["unit"] or ("nats" if term in trained else "") for one in found if one["term"] == term]
        ax.set_title(settings.names.get(term, term.replace("_", " ")), parse_math=False)
        ax.set_ylabel(" or ".join(filter(None, dict.fromkeys(own))), parse_math=False)
        ax.set_xlabel("images seen")
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.locator_params(axis="x", nbins=4)
        ax.ticklabel_format(axis="y", useOffset=False)
        if "y" in settings.log:
            ax.set_yscale("log")
        if "x" in settings.log:
            ax.set_xscale("log")
    legend(figure, max(axes, key=lambda ax: len(ax.get_lines())), settings.width)
    counts = sorted({len(row.runs) for row in rows})
    over = " or ".join(map(str, counts))
    notes = [f"mean over {over} seeds; bands from the lowest to the highest"] if counts[-1] > 1 else []
    splits = sorted({one["split"] for one in found if one["term"] in terms})
    without = [title for title in titles if not any(one["row"] == title and one["term"] in terms for one in found)]
    return Drawn(
        figure,
        [
            *notes,
            f"curves of {' and '.join(splits)}",
            *([f"left out, without these: {', '.join(without)}"] if without else []),
        ],
    )


def preferred(found: Sequence[dict[str, Any]], split: str) -> list[dict[str, Any]]:
    """Each row's and term's curve of a split; where it has none, of the other."""
    of_split = {(one["row"], one["term"]) for one in found if one["split"] == split}
    return [one for one in found if one["split"] == split or (one["row"], one["term"]) not in of_split]


def wanted(found: Sequence[dict[str, Any]], named: Sequence[str]) -> list[str]:
    """The terms that are named, by patterns too; else those that most rows have, the total first."""
    counts: dict[str, set[str]] = {}
    for one in found:
        counts.setdefault(one["term"], set()).add(one["row"])
    if not counts:
        raise PushforwardError("none of these runs has curves (metrics.csv)")
    if not named:
        usual = sorted(counts, key=lambda term: (term != "total", -len(counts[term])))
        return [term for term in usual if term != "criterion" or len(counts) == 1][:MOST]
    terms: dict[str, None] = {}
    for name in named:
        matching = fnmatch.filter(counts, name)
        if not matching:
            near = difflib.get_close_matches(name, counts, n=3) or list(counts)[:6]
            raise PushforwardError(f"--columns {name}: no run has a curve of this term. Nearest: {', '.join(near)}.")
        terms |= dict.fromkeys(matching)
    return list(terms)
