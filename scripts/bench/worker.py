"""`python scripts/bench worker CASE ROW …`: one contestant, in a process of its own, until no round will follow."""

import argparse
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from bench.cases import CASES, Case
from bench.gate import Channel, Gate


class Over(Exception):
    """No round will follow."""


def over() -> None:
    raise Over


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("row")
    parser.add_argument("--images", type=Path, help="training images (n, c, h, w) in [0, 1], .npy")
    parser.add_argument("--folder", type=Path, help="where it may write")
    parser.add_argument("--channel", type=int, help="descriptor of the socket to whoever measures")
    parser.add_argument("--born", type=float, help="when it was ordered, by the clock")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device")
    parser.add_argument("--metrics", action="store_true", help="pushforward: measure the trained run too")
    asked = parser.parse_args(arguments)
    case, channel = CASES[asked.case], Channel(socket.socket(fileno=asked.channel))
    if asked.row == "pushforward":
        pushforward(case, channel, asked)
    else:
        another(case, channel, asked)
    channel.send(done=True)
    sys.stdout.flush()
    os._exit(0)  # at once: what Lightning still wants to write is nobody's


def another(case: Case, channel: Channel, asked: argparse.Namespace) -> None:
    import torch

    from bench import rows

    torch.set_num_threads(asked.threads)
    run = {"hand-written": rows.hand_written, "lightning": rows.in_lightning}[asked.row]
    try:
        run(case, asked.images, asked.device, Gate(channel, asked.born, over, waiting(asked.device)))
    except Over:
        return


def pushforward(case: Case, channel: Channel, asked: argparse.Namespace) -> None:
    from pushforward import composition, config

    trainer = ["trainer=gpu", "trainer.devices=1"] if asked.device == "cuda" else ["trainer=cpu"]
    endless = [f"trainer.threads={asked.threads}", "budget.epochs=1000000", "features=none"]
    frozen = composition.compose([*trainer, *case.command, *endless])
    config.calm(frozen)  # as the command line does, before torch is imported
    import numpy as np

    from bench import rows

    period = frozen["selection"]["every"] * len(np.load(asked.images, mmap_mode="r"))
    rows.in_pushforward(frozen, asked.folder, period, Gate(channel, asked.born, rows.end, waiting(asked.device)))
    if asked.metrics:
        channel.send(metrics_seconds=rows.measure(asked.folder))


def waiting(device: str) -> Callable[[], None] | None:
    """What waits until the device has done what it was told."""
    if device != "cuda":
        return None
    import torch

    return torch.cuda.synchronize
