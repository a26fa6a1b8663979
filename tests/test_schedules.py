"""Factors on the learning rate, at points where they are known; and that a run's optimiser follows them."""

import math
from functools import partial

import pytest
import torch

from pushforward.bottlenecks import Deterministic
from pushforward.distributions import Gaussian
from pushforward.families import PlainAutoencoder, Tuning
from pushforward.networks import MLP
from pushforward.objectives import Reconstruction
from pushforward.schedules import Cosine, Exponential, Linear, Schedule
from pushforward.spec import Batch, Block, DataSpec

CASES = [
    (Linear(warmup=4, start=0.2), {0: 0.2, 2: 0.6, 4: 1.0, 9: 1.0}),
    (Linear(warmup=0), {0.001: 1.0}),
    (Cosine(), {0: 1.0, 5: 0.5, 10: 0.0, 12: 0.0, 2.5: 0.5 * (1 + math.cos(math.pi / 4))}),
    (Cosine(epochs=6, warmup=2, final=0.1), {0: 0.0, 1: 0.5, 2: 1.0, 4: 0.55, 6: 0.1, 9: 0.1}),
    (Exponential(rate=0.9), {0: 1.0, 1: 0.9, 3: 0.729}),
]


@pytest.mark.parametrize(("schedule", "values"), CASES, ids=lambda v: type(v).__name__)
def test_known_values(schedule: Schedule, values: dict[float, float]) -> None:
    """The numbers are float32 buffers: 1e-6."""
    for epochs, value in values.items():
        found = schedule(torch.tensor(float(epochs), dtype=torch.float64), 10.0)
        assert found.shape == () and float(found) == pytest.approx(value, abs=1e-6)


def test_cosine_is_torchs() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for epoch in range(10):
        assert float(Cosine()(torch.tensor(float(epoch)), 10.0)) == pytest.approx(theirs.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        theirs.step()


def test_the_optimiser_follows_the_epochs_seen() -> None:
    """A step's factor is that of the images seen before its batch, as torch's schedulers count: none is at rate 0."""
    tuning = Tuning(partial(torch.optim.SGD), lr=0.5, schedule=Cosine())
    family = PlainAutoencoder(
        DataSpec((2,), None, 40, low=-math.inf, high=math.inf), MLP(hidden=()), 1, Deterministic, Gaussian,
        {"reconstruction": Reconstruction()}, {"model": tuning},
    )  # fmt: skip
    family.horizon = 4.0
    family.configure_optimizers()
    assert family.stepper is not None
    optimizer = family.stepper.optimizers["model"]
    rates, theirs = list[float](), torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    family.stepper.block(Block(0, Batch(torch.randn(16, 10, 2))))
    assert family.progress.images_seen == 160 and float(family.epochs) == 3.75
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=16)
    for rate in rates:
        assert rate == pytest.approx(scheduler.get_last_lr()[0], abs=1e-6)
        theirs.step()
        scheduler.step()
    assert len(rates) == 16 and rates[0] == 0.5 and rates[-1] > 0.004
