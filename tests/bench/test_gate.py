"""Rounds begin when they are told to and last whole epochs; what comes before them doesn't count."""

import socket
from collections.abc import Iterator

import pytest

from bench import gate as module
from bench.gate import Channel, Gate


class Clock:
    now = 100.0

    def perf_counter(self) -> float:
        return self.now

    time = perf_counter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    pair = socket.socketpair()
    yield Channel(pair[0]), Channel(pair[1])
    for end in pair:
        end.close()


def test_a_round(clock: Clock, ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    stopped: list[bool] = []
    gate = Gate(theirs, 90.0, lambda: stopped.append(True))
    ours.send(seconds=1.0, warm=0.5)
    gate.tick(10)
    assert ours.receive() == {"first_step": 10.0}
    for images, now, boundary in [
        (20, 100.4, True),  # warming up
        (30, 100.6, False),
        (40, 100.7, True),  # here it begins
        (50, 101.6, True),
        (60, 101.8, False),  # long enough, in the middle of an epoch
    ]:
        clock.now = now
        gate.tick(images, boundary)
    ours.send(stop=True)
    clock.now = 102.7
    gate.tick(70)
    found = ours.receive()
    assert found["images"] == 30
    assert found["seconds"] == pytest.approx(2.0)
    assert found["memory_mb"] > 1
    assert stopped == [True]
    gate.tick(80)  # a run that ends in order goes on for a while
    assert stopped == [True]


def test_nobody_left(clock: Clock) -> None:
    """Where whoever measures has gone, the contestant stops."""
    pair = socket.socketpair()
    stopped: list[bool] = []
    gate = Gate(Channel(pair[1]), 90.0, lambda: stopped.append(True))
    pair[0].shutdown(socket.SHUT_WR)
    gate.tick(10)
    assert stopped == [True]
    for end in pair:
        end.close()
