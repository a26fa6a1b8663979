"""The commands by name. Imports no torch."""

from collections.abc import Callable

from pushforward.cli.about import doctor, list_, tour
from pushforward.cli.reads import sample, show, status, sync, table, why
from pushforward.cli.trains import evaluate, train

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "evaluate": evaluate,
    "table": table,
    "why": why,
    "status": status,
    "sync": sync,
    "show": show,
    "sample": sample,
    "tour": tour,
    "list": list_,
    "doctor": doctor,
}
