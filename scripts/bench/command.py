"""Run `python scripts/bench`. Imports no torch: contestants have processes of their own."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import cold
from bench.cases import CASES, ROWS, Case, absent, chosen
from bench.rounds import Figures, Settings, compete, images_of, worker
from bench.table import plain, table
from pushforward.atomic_files import write_whole
from pushforward.errors import PushforwardError
from pushforward.report.terminal import console
from pushforward.runs import outputs


def run(asked: Namespace) -> int:
    """The command line's options, told to whoever measures. Returns the exit code."""
    if asked.list:
        print(listed())
        return 0
    for flag, value in (("--rounds", asked.rounds), ("--seconds", asked.seconds), ("--threads", asked.threads)):
        if not value > 0:
            raise PushforwardError(f"{flag} {value}: it must be above 0")
    settings = Settings(
        rounds=asked.rounds, seconds=asked.seconds, threads=asked.threads, device=asked.device, metrics=asked.metrics
    )
    if asked.start:
        return cold.report(asked.rounds, asked.threads, asked.json)
    if asked.growth:
        os.environ |= {"OMP_NUM_THREADS": str(asked.threads), "OMP_WAIT_POLICY": "PASSIVE"}  # before torch is imported
        from bench import growth

        return growth.report(asked.threads, outputs() / "bench", asked.json)
    return bench(asked.cases, settings, asked.json)


More = Callable[[Case, Path], Mapping[str, Sequence[str]]]
"""Further rows of a case, whose images are in a file: name -> command."""


def listed() -> str:
    """Cases and rows, one a line."""
    lines = [f"{case.name:<18} {case.title}: pushforward train {' '.join(case.command)}" for case in CASES.values()]
    return "\n".join([*lines, "", *(f"{row:<18} {what}" for row, what in ROWS.items())])


def bench(names: str, settings: Settings, file: Path | None = None, more: More | None = None) -> int:
    """Measures the cases, prints their table, and writes `file`. Returns the exit code: 1 where a row failed."""
    out, load, found = console(), [os.getloadavg()[0]], dict[Case, dict[str, Figures]]()
    with TemporaryDirectory(prefix="pushforward-bench-") as scratch:
        for case in chosen(names):
            if why := absent(case):
                out.print(why)
                continue
            folder = Path(scratch) / case.name
            folder.mkdir()
            with told(case) as tell:
                tell("its images")
                images = images_of(case, Path(scratch))
                commands = {row: worker(case, row, images, folder, settings) for row in ROWS}
                commands |= {row: list(command) for row, command in (more(case, images) if more else {}).items()}
                found[case] = compete(commands, settings, folder, tell)
    load.append(os.getloadavg()[0])
    if not found:
        return 0
    out.print(table(found))
    out.print(
        f"medians of {settings.rounds} rounds of {settings.seconds:g} s, in turn; {settings.threads} threads on "
        f"{os.cpu_count()} cores, load {load[0]:.1f} before and {load[1]:.1f} after"
    )
    if file:
        write_whole(file, json.dumps(plain(found, settings, load), indent=1) + "\n")
        out.print(str(file))
    return int(any(figures.error for rows in found.values() for figures in rows.values()))


class told:
    """Shows on one line of the terminal what is being measured; nothing where there is no terminal."""

    def __init__(self, case: Case) -> None:
        self.case, self.shown = case, sys.stderr.isatty()

    def __enter__(self) -> Callable[[str], None]:
        return self.tell

    def tell(self, what: str) -> None:
        if self.shown:
            print(f"\r\033[K{self.case.name}: {what}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
