"""What the commands print: the table, how every run stands, one run's numbers. Plain where the output is no terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable
from rich.text import Text

from pushforward.report import render
from pushforward.report.layout import Table
from pushforward.runs import Run

STYLES = {"finished": "green", "running": "cyan", "failed": "red", "diverged": "red", "stopped": "yellow"}
MAIN = ("bpd", "nll", "fd_lenet", "mse")
"""The metric a status line shows: the first of these that the run has."""


def console() -> Console:
    """As wide as the terminal; 160 columns where there is none."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=160)


def show_table(table: Table) -> None:
    """The comparison table in the terminal."""
    out = console()
    out.print(render.rich(table, width=out.width))


def show_status(runs: Sequence[Run]) -> None:
    """A line a run: state, images seen of the budget, age of the last news, main metric; then counts."""
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "state", "images seen", "updated", "main metric", ""):
        table.add_column(name, overflow="fold")
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.state] = counts.get(run.state, 0) + 1
        error = str(run.status.get("error") or "")
        table.add_row(
            run.id, Text(run.state, style=STYLES.get(run.state.split()[0], "")), progress(run), age(run), main_metric(run),
            escape(error[:80]),
        )  # fmt: skip
    out = console()
    out.print(table)
    out.print(
        f"{len(runs)} runs: " + ", ".join(f"{n} {state}" for state, n in sorted(counts.items())) if runs else "no runs"
    )


def progress(run: Run) -> str:
    seen, budget = run.status.get("images_seen"), run.status.get("budget_images")
    if not seen or not budget:
        return ""
    return f"{seen:,} of {budget:,} ({min(1.0, seen / budget):.0%})"


def age(run: Run) -> str:
    """Time since the run's last news."""
    when = run.when()
    if when is None:
        return ""
    seconds = (datetime.now(UTC) - when).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


def main_metric(run: Run) -> str:
    for name in MAIN:
        value = run.value(name)
        if value is not None:
            return f"{name} {value:.4g} {run.metrics[name]['unit']}"
    latest = run.status.get("latest") or {}
    return "  ".join(f"{name} {value:.4g}" for name, value in list(latest.items())[:2])


def show_run(run: Run) -> None:
    """A run's objective, numbers with what matters of their cards, cost, and where its files are."""
    out = console()
    out.print(f"[bold]{run.id}[/bold]: {run.state}", f"({progress(run)})" if progress(run) else "")
    for name, text in (run.record.get("objective") or {}).items():
        out.print(f"  {name:<12}{escape(text)}")
    table = RichTable(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    for name in ("metric", "value", "unit", "how"):
        table.add_column(name, overflow="fold", justify="right" if name == "value" else "left")
    for name, metric in run.metrics.items():
        value = metric["value"]
        table.add_row(
            name,
            "n/a" if value is None else f"{value:.5g}",
            metric["unit"],
            escape(metric["na"] or how(metric["card"])),
        )
    if run.metrics:
        out.print(table)
    cost = run.record.get("cost") or {}
    if cost:
        speed = cost.get("images_per_second")
        parts = [f"{cost.get('parameters', 0):,} parameters", f"{cost.get('train_seconds', 0):.1f} s of training"]
        out.print("  " + ", ".join(parts + ([f"{speed:,.0f} images/s"] if speed else [])))
    if run.status.get("error"):
        out.print(f"  error: {escape(str(run.status['error']))}")
    out.print(f"  {run.path}", soft_wrap=True)


def how(card: dict[str, object]) -> str:
    """The card in a few words: split and n, weights, kind, sampler."""
    words = [
        f"{card['split']}, n = {card['n']}" if card.get("n") else str(card.get("split") or ""), str(card.get("weights") or ""),
        str(card.get("kind") or ""), str(card.get("sampler") or ""),
    ]  # fmt: skip
    return "; ".join(word for word in words if word)
