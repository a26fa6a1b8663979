"""Who trains a case: the hand-written loop, Lightning as usually written, and pushforward itself."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.cases import Case
from bench.gate import Gate
from bench.written import diffusion, flow, gan, vae

VAES: dict[str, Callable[[], vae.VAE]] = {
    "vae-digits-small": lambda: vae.mlp(64, (128,), 1),
    "vae-digits": lambda: vae.mlp(64, (512, 256), 2),
    "vae-mnist": lambda: vae.mlp(784, (512,), 1),
    "conv-vae-mnist": lambda: vae.conv(2),
}


def likelihood(case: Case) -> tuple[str, int]:
    """Its name in the written loops, and how many levels a pixel has."""
    return "bernoulli" if "likelihood=bernoulli" in case.overrides else "logistic", 17 if case.data == "digits" else 256


def images(path: Path) -> Tensor:
    """What every row but pushforward's trains on: the same training images, float32 in [0, 1]."""
    return torch.from_numpy(np.load(path))


def steps(case: Case, x: Tensor) -> Iterator[Tensor]:
    """The hand-written loop."""
    if case.name in VAES:
        name, levels = likelihood(case)
        return vae.steps(VAES[case.name](), name, x, case.batch, levels)
    others = {"gan-mnist": gan.steps, "flow-digits": flow.steps, "diffusion-digits": diffusion.steps}
    return others[case.name](x, case.batch)


def hand_written(case: Case, path: Path, device: str, gate: Gate) -> None:
    seen = 0
    for _ in steps(case, images(path).to(device)):
        seen += case.batch
        gate.tick(seen)


def in_lightning(case: Case, path: Path, device: str, gate: Gate) -> None:
    from bench import lightning
    from pushforward.training.console import quiet

    quiet()
    x = images(path)
    if case.name in VAES:
        module: Any = lightning.VAE(VAES[case.name](), *likelihood(case))
    else:
        others: dict[str, Callable[[], Any]] = {
            "gan-mnist": lightning.GAN,
            "flow-digits": lambda: lightning.Flow(x[0].numel(), 17),
            "diffusion-digits": lambda: lightning.Diffusion(tuple(x.shape[1:])),
        }
        module = others[case.name]()
    lightning.fit(module, x, case.batch, gate.tick, device)


class Mirror:
    """A logger to which a run mirrors its curves: it holds the run between rounds.

    period: images between validations. Of the rows of curves, the first after a validation was due comes before that
    validation is made: between one such and the next, everything that happens in an epoch has happened once.
    """

    def __init__(self, gate: Gate, period: float) -> None:
        self.gate, self.period, self.seen = gate, period, 0

    def log_metrics(self, row: dict[str, float], step: int) -> None:
        boundary, self.seen = step // self.period > self.seen // self.period, step
        self.gate.tick(step, boundary)

    def finalize(self, status: str) -> None:
        """The run has ended."""


MIRRORS: list[Mirror] = []


def mirror(run: Path, frozen: dict[str, Any]) -> Mirror:
    """The logger of this process's one run."""
    return MIRRORS[0]


def end() -> None:
    """As a person's Ctrl-C would: the run is saved and ends in order."""
    os.kill(os.getpid(), signal.SIGTERM)


def in_pushforward(frozen: dict[str, Any], folder: Path, period: float, gate: Gate) -> None:
    """A real run, with a budget that it does not reach."""
    from pushforward.allowed_targets import allowed
    from pushforward.training.train import train

    MIRRORS.append(Mirror(gate, period))
    with allowed([__name__.partition(".")[0]]):
        train({**frozen, "logger": {"_target_": f"{__name__}.mirror"}}, folder)


def measure(folder: Path) -> float:
    """Seconds that the metrics of a finished run would take, on the run as it stands."""
    from pushforward.runs import Run
    from pushforward.training.evaluate_again import evaluate_again

    evaluate_again(Run(folder), ["features=lenet"])
    return float(Run(folder).record["cost"]["evaluate_seconds"])
