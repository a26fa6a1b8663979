"""The benchmark's table, and what is kept of it as JSON."""

import os
import platform
import statistics
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from bench.cases import ROWS, Case
from bench.rounds import Figures, Settings

COLUMNS = (
    "case", "row", "images/s", "steps/s", "× hand-written", "rounds", "first step, s", "peak memory, MB",
)  # fmt: skip
FIRST = next(iter(ROWS))


def ratios(figures: Figures, first: Figures | None) -> list[float]:
    """Round by round beside the hand-written loop: what the machine did meanwhile, it did to both."""
    return [a / b for a, b in zip(figures.rates, first.rates, strict=False)] if first is not None else []


def cells(case: Case, row: str, figures: Figures, first: Figures | None) -> list[str]:
    """A line of the table: medians, and between which values the rounds lie."""
    name = case.name if row == FIRST else ""
    if figures.error or not figures.rates:
        return [name, row, f"failed: {figures.error}", *[""] * (len(COLUMNS) - 3)]
    rate, beside = figures.images_per_second, ratios(figures, first)
    return [
        name, row, f"{rate:,.0f}", f"{rate / case.batch:,.1f}",
        f"{statistics.median(beside):.2f}" if beside else "", f"{min(beside):.2f} to {max(beside):.2f}" if beside else "",
        f"{figures.first_step:.1f}", f"{figures.memory_mb:,.0f}",
    ]  # fmt: skip


def table(found: Mapping[Case, Mapping[str, Figures]]) -> Table:
    """Cases and their rows, as Markdown that a terminal shows too."""
    made = Table(box=box.MARKDOWN, header_style="bold")
    measured = any(f.metrics_seconds is not None for rows in found.values() for f in rows.values())
    for i, column in enumerate((*COLUMNS, *(["metrics at the end, s"] if measured else []))):
        made.add_column(column, justify="left" if i < 2 else "right", no_wrap=True)
    for case, rows in found.items():
        for row, figures in rows.items():
            line = cells(case, row, figures, rows.get(FIRST))
            if measured:
                line.append("" if figures.metrics_seconds is None else f"{figures.metrics_seconds:.1f}")
            made.add_row(*line)
    return made


def plain(found: Mapping[Case, Mapping[str, Figures]], settings: Settings, load: list[float]) -> dict[str, Any]:
    """Everything that was measured, for a file."""
    return {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), **versions()},
        "load": load,
        "settings": vars(settings),
        "cases": {
            case.name: {
                "title": case.title,
                "command": ["pushforward", "train", *case.command],
                "rows": {row: line(case, figures, rows.get(FIRST)) for row, figures in rows.items()},
            }
            for case, rows in found.items()
        },
    }


def line(case: Case, figures: Figures, first: Figures | None) -> dict[str, Any]:
    if figures.error or not figures.rates:
        return {"error": figures.error}
    beside = ratios(figures, first)
    return {
        "images_per_second": figures.images_per_second,
        "steps_per_second": figures.images_per_second / case.batch,
        "ratio": statistics.median(beside) if beside else None,
        "ratios": beside,
        "rounds_images_per_second": figures.rates,
        "first_step_seconds": figures.first_step,
        "peak_memory_mb": figures.memory_mb,
        "metrics_seconds": figures.metrics_seconds,
    }


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"python": platform.python_version(), **{name: version(name) for name in ("torch", "pytorch-lightning")}}
