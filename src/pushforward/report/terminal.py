"""The output of commands: the table, one run's numbers. Plain where the output is no terminal."""

from rich.console import Console
from rich.table import Table as RichTable

from pushforward.report.card_text import kind
from pushforward.report.plain_tables import figure
from pushforward.report.table_layout import Table
from pushforward.report.table_text import rich
from pushforward.runs import UNREADABLE, Run
from pushforward.runs.weights import sets
from pushforward.untrusted_text import markup


def console() -> Console:
    """As wide as the terminal; 160 columns where there is none."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=160)


def show_table(table: Table) -> None:
    """The comparison table in the terminal."""
    out = console()
    out.print(rich(table, width=out.width))


def progress(run: Run) -> str:
    seen, budget = run.status.get("images_seen"), run.status.get("budget_images")
    if not seen or not budget:
        return ""
    return f"{seen:,} of {budget:,} ({share(run)})"


def share(run: Run) -> str:
    """The share of its images that a run has seen."""
    seen, budget = run.status.get("images_seen"), run.status.get("budget_images")
    return f"{min(1.0, seen / budget):.0%}" if seen and budget else ""


def show_run(run: Run) -> None:
    """A run's objective, numbers with what matters of their cards, cost, and where its files are."""
    out = console()
    if found := run.damage():
        out.print(f"[bold]{markup(run.id)}[/bold]: {UNREADABLE}: {markup(found)}", soft_wrap=True)
        return
    out.print(f"[bold]{markup(run.id)}[/bold]: {run.state}", f"({progress(run)})" if progress(run) else "")
    for name, text in (run.record.get("objective") or {}).items():
        out.print(f"  {markup(name):<12}{markup(text)}")
    table = RichTable(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    for name in ("metric", "value", "unit", "how"):
        table.add_column(name, overflow="fold", justify="right" if name == "value" else "left")
    for name, metric in run.metrics.items():
        value = metric["value"]
        table.add_row(
            markup(name),
            "n/a" if value is None else figure(value, 5),
            markup(metric["unit"]),
            markup(metric["na"] or how(metric["card"])),
        )
    if run.metrics:
        out.print(table)
    cost = run.record.get("cost") or {}
    if cost and "wall_time" not in run.metrics:  # with the measure `cost`, they stand above
        speed = cost.get("images_per_second")
        parts = [f"{cost.get('parameters', 0):,} parameters", f"{cost.get('train_seconds', 0):.1f} s of training"]
        more = [f"{speed:,.0f} images/s"] if speed else []
        out.print("  " + ", ".join([*parts, *more, *filter(None, [waiting(cost.get("data_wait") or 0.0)])]))
    for name, why in (run.record.get("failed") or {}).items():
        out.print(f"  {markup(name)} failed: {markup(why)}")
    if run.record.get("failed"):
        out.print(f"  pushforward evaluate {markup(run.id)} tries again", soft_wrap=True)
    if run.status.get("error"):
        out.print(f"  error: {markup(run.status['error'])}")
    if others := [name for name in sets(run.record) if name != run.key("weights")]:
        said = f"  weights {', '.join(others)}: pushforward table --rows weights --runs {markup(run.id)}"
        out.print(said, soft_wrap=True)
    out.print(f"  {markup(run.path)}", soft_wrap=True)


def waiting(share: float) -> str:
    """The share of training in which it waited for data; empty where it is a hundredth or less."""
    return f"{100 * share:.0f} % of it waiting for data" if share > 0.01 else ""


def how(card: dict[str, object]) -> str:
    """The card in a few words: split and n, weights, kind, sampler."""
    words = [
        f"{card['split']}, n = {card['n']}" if card.get("n") else str(card.get("split") or ""), str(card.get("weights") or ""),
        kind(card) or "", str(card.get("sampler") or ""),
    ]  # fmt: skip
    return "; ".join(word for word in words if word)
