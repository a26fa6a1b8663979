"""Take the signals that ask a program to stop: at once by an exception, or remembered until it is convenient."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Ctrl-C, `kill` and schedulers, a closed terminal, and the warning of a scheduler before the time is up."""


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop. Its text is for a person; `code` is the exit code by the shell's convention."""

    def __init__(self, number: int) -> None:
        super().__init__(reason(number))
        self.code = 128 + number


def reason(number: int) -> str:
    """`interrupted` of Ctrl-C; of another signal with its name."""
    return "interrupted" if number == signal.SIGINT else f"interrupted by {signal.Signals(number).name}"


@contextmanager
def handled(take: Callable[[int, Any], None], numbers: Sequence[int] = STOPPING) -> Iterator[None]:
    """The signals call `take` while this lasts. In another thread than the main one, none can be taken: nothing changes."""
    old: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                old[number] = signal.signal(number, take)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def interrupt(number: int, frame: Any = None) -> None:
    """A handler that raises."""
    raise Interrupted(number)


class Requests:
    """Signals to a run while it lasts: they interrupt, but where it is `patient` the first one is only remembered."""

    def __init__(self) -> None:
        self.taken = 0
        self.patient = False

    def take(self, number: int, frame: Any = None) -> None:
        first, self.taken = not self.taken, self.taken or int(number)
        if not (self.patient and first):
            raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted where one has been remembered."""
        if self.taken:
            raise Interrupted(self.taken)


class Asked:
    """Signals, remembered while the context lasts."""

    def __init__(self, *numbers: int) -> None:
        self.numbers, self.taken = tuple(dict.fromkeys(numbers)), list[int]()

    def __enter__(self) -> "Asked":
        self.handled = handled(lambda number, frame: self.taken.append(number), self.numbers)
        self.handled.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.handled.__exit__(None, None, None)

    def __call__(self) -> bool:
        return bool(self.taken)

    def request(self) -> None:
        """Ask as a signal would, where none has come."""
        if not self.taken:
            self.taken.append(self.numbers[0])
