"""The commands by name. Imports no torch."""

from collections.abc import Callable

from pushforward.cli.commands_about import doctor, list_, tour
from pushforward.cli.commands_figure import figure
from pushforward.cli.commands_paper_tables import cite, reproduce
from pushforward.cli.commands_report import report
from pushforward.cli.commands_runs import export, sample, show, status, sync, why
from pushforward.cli.commands_table import records, table
from pushforward.cli.commands_train import evaluate, train

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "evaluate": evaluate,
    "table": table,
    "records": records,
    "reproduce": reproduce,
    "cite": cite,
    "report": report,
    "figure": figure,
    "why": why,
    "status": status,
    "sync": sync,
    "show": show,
    "sample": sample,
    "export": export,
    "tour": tour,
    "list": list_,
    "doctor": doctor,
}
