"""The parsers of commands."""

import argparse
import csv
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


def pairs(flag: str, text: str) -> dict[str, str]:
    """`A=B,C=D` as a mapping; `"A=B, too"` in double quotes is one pair."""
    found: dict[str, str] = {}
    for item in next(csv.reader([" ".join(text.split())], skipinitialspace=True), []):
        name, equals, value = (word.strip() for word in item.partition("="))
        if not (name and equals and value):
            raise PushforwardError(f"{flag} {text}: give pairs, such as {flag} 'fd_lenet=FD,vae=VAE'")
        if found.setdefault(name, value) != value:
            raise PushforwardError(f"{flag} {text}: {name} twice")
    return found


def signed(flag: str, args: list[str]) -> list[str]:
    """`FLAG -x` as `FLAG=-x`: argparse takes a value that begins with - for a flag."""
    joined: list[str] = []
    for word in args:
        takes = joined[-1:] == [flag] and word.startswith("-") and not word.startswith("--")
        joined[-1:] = [f"{flag}={word}"] if takes else [*joined[-1:], word]
    return joined
