"""Contestants in processes of their own, and rounds in turn: A B C, A B C, … so that a busy machine is busy for all."""

import os
import select
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import PROGRAM
from bench.cases import Case
from bench.gate import Channel
from pushforward.errors import PushforwardError

PATIENCE = 300.0
"""Seconds that a contestant may take for its start, and for a round."""


@dataclass(frozen=True)
class Settings:
    """rounds of `seconds` each, after `warm` seconds that don't count; threads of each contestant."""

    rounds: int = 5
    seconds: float = 0.8
    warm: float = 0.2
    threads: int = 1
    device: str = "cpu"
    metrics: bool = False


@dataclass
class Figures:
    """What is known of a contestant: images a second of each round, and the rest once. error: why there is nothing."""

    rates: list[float] = field(default_factory=list)
    first_step: float = 0.0
    memory_mb: float = 0.0
    metrics_seconds: float | None = None
    error: str | None = None

    @property
    def images_per_second(self) -> float:
        return statistics.median(self.rates)


class Contestant:
    """A process that trains in rounds. command: what starts it, but for descriptor, time and threads."""

    def __init__(self, row: str, command: Sequence[str], settings: Settings, folder: Path) -> None:
        self.row, self.settings, self.figures = row, settings, Figures()
        self.log = folder / f"{row}.log"
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ, "OMP_NUM_THREADS": str(settings.threads), "OMP_WAIT_POLICY": "PASSIVE",
            "PUSHFORWARD_OUTPUTS": str(folder / "outputs"),
        }  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *command, "--channel", str(theirs.fileno()), "--born", repr(time.time()), "--threads",
                    str(settings.threads), "--device", settings.device,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs.fileno()], env=environment,
            )  # fmt: skip
        theirs.close()
        self.socket, self.channel = ours, Channel(ours)

    def answer(self) -> dict[str, Any]:
        """Its next message. Raises PushforwardError where it has died or is too slow."""
        if not select.select([self.socket], [], [], PATIENCE)[0]:
            raise PushforwardError(f"no answer in {PATIENCE:.0f} s")
        message = self.channel.receive()
        if not message:
            raise PushforwardError(self.last_words())
        return message

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with code {self.process.wait()}"

    def attempt(self, what: Callable[[], None]) -> None:
        """A contestant that fails leaves the others to themselves."""
        if self.figures.error is None:
            try:
                what()
            except PushforwardError as error:
                self.figures.error = str(error)
            except OSError:  # it died between rounds, and the socket with it
                self.figures.error = self.last_words()

    def begin(self) -> None:
        self.figures.first_step = self.answer()["first_step"]

    def round(self) -> None:
        self.channel.send(seconds=self.settings.seconds, warm=self.settings.warm)
        found = self.answer()
        self.figures.rates.append(found["images"] / found["seconds"])
        self.figures.memory_mb = found["memory_mb"]

    def finish(self) -> None:
        self.channel.send(stop=True)
        message = self.answer()
        while not message.get("done"):
            self.figures.metrics_seconds = message.get("metrics_seconds")
            message = self.answer()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.close()


def worker(case: Case, row: str, images: Path, folder: Path, settings: Settings) -> list[str]:
    """The command of a row that comes with the package."""
    more = ["--metrics"] if settings.metrics else []
    return [
        *PROGRAM, "worker", case.name, row,
        "--images", str(images), "--folder", str(folder / "run"), *more,
    ]  # fmt: skip


def compete(
    commands: Mapping[str, Sequence[str]], settings: Settings, folder: Path, tell: Callable[[str], None]
) -> dict[str, Figures]:
    """The figures of each row, from rounds in turn."""
    contestants: list[Contestant] = []
    try:
        for row, command in commands.items():  # one after the other: the time to the first step is its own
            tell(f"{row} starts")
            contestants.append(Contestant(row, command, settings, folder))
            contestants[-1].attempt(contestants[-1].begin)
        for number in range(settings.rounds):
            for contestant in contestants:
                tell(f"{contestant.row}, round {number + 1} of {settings.rounds}")
                contestant.attempt(contestant.round)
        for contestant in contestants:
            tell(f"{contestant.row} ends")
            contestant.attempt(contestant.finish)
    finally:
        for contestant in contestants:
            contestant.close()
    return {contestant.row: contestant.figures for contestant in contestants}


def images_of(case: Case, folder: Path) -> Path:
    """The case's training images as the rows without pushforward read them, .npy; cases share them."""
    path = folder / ("-".join(word for word in case.command if word.startswith("data")) + ".npy")
    if path.is_file():
        return path
    done = subprocess.run([*PROGRAM, "images", str(path), *case.command], capture_output=True, text=True)
    if done.returncode:
        raise PushforwardError(f"{case.name}: its data are not available: {done.stderr.strip().splitlines()[-1]}")
    return path


def write_images(arguments: Sequence[str]) -> int:
    """`python scripts/bench images FILE OVERRIDES…`: the training images of a command line, as a file."""
    import numpy as np

    from pushforward.composition import compose
    from pushforward.training.build import build_data

    path, *command = arguments
    np.save(path, build_data(compose(command)).tensor("train").numpy())
    return 0
