"""Between training and whoever measures it: rounds begin when told to, and last a whole number of epochs.

Standard library alone: a package without pushforward in its environment runs it too.
"""

import json
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Any


class Channel:
    """Messages, one JSON object a line, over a socket that a process was born with."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("r")

    def send(self, **message: Any) -> None:
        self.connection.sendall((json.dumps(message) + "\n").encode())

    def receive(self) -> dict[str, Any]:
        """The next message; {} where the other side is gone."""
        line = self.lines.readline()
        return json.loads(line) if line else {}


class Gate:
    """Training calls `tick` as it goes; it returns at once within a round, and between rounds when the next begins.

    born: when the process was ordered, in seconds of the clock. wait: waits for the device. stop: called when no round
    will follow.
    """

    def __init__(
        self, channel: Channel, born: float, stop: Callable[[], None], wait: Callable[[], None] | None = None
    ) -> None:
        self.channel, self.born, self.stop, self.wait = channel, born, stop, wait or (lambda: None)
        self.first = True
        self.over = False
        self.order: dict[str, Any] = {}
        self.begun = 0.0
        self.start: tuple[float, int] | None = None

    def tick(self, images: int, boundary: bool = True) -> None:
        """So many images have been trained on. A round begins and ends at a boundary: there each epoch is alike."""
        if self.over:
            return
        if self.first:
            self.first = False
            self.wait()
            self.channel.send(first_step=time.time() - self.born)
            self.next_round()
        elif boundary:
            now = time.perf_counter()
            if self.start is None:
                if now - self.begun >= self.order["warm"]:
                    self.wait()
                    self.start = (time.perf_counter(), images)
            elif now - self.start[0] >= self.order["seconds"]:
                self.wait()
                seconds = time.perf_counter() - self.start[0]
                self.channel.send(images=images - self.start[1], seconds=seconds, memory_mb=peak_memory())
                self.next_round()

    def next_round(self) -> None:
        self.order, self.start = self.channel.receive(), None
        self.begun = time.perf_counter()
        if "seconds" not in self.order:
            self.over = True
            self.stop()


def peak_memory() -> float:
    """The most memory that this process has held, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
