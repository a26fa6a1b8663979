"""How a command reads its words."""

import argparse
from typing import NoReturn

from pushforward.errors import PushforwardError


class Parser(argparse.ArgumentParser):
    """Says what is wrong on one line."""

    def error(self, message: str) -> NoReturn:
        raise PushforwardError(f"{self.prog}: {message}; see {self.prog} --help")


def add_allow_modules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-modules",
        default="",
        metavar="A,B",
        help="modules of yours that a run's config may name (docs/trust.md)",
    )


def words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def two(flag: str, text: str) -> tuple[str, str]:
    parts = words(text)
    if len(parts) != 2:
        raise PushforwardError(f"{flag} {text}: give two with a comma between, such as {flag} A,B")
    return parts[0], parts[1]
