"""Diffusions as families: what they offer, what they refuse, and that they learn digits."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from pushforward.diffusion import DDPM, Ancestral, Euler, FlowMatching, Heun, LinearBetas, Process
from pushforward.errors import PushforwardError
from pushforward.families import Decodes, Diffusion, Encodes, Tuning
from pushforward.networks import MLP, Conv
from pushforward.objectives import DiffusionBound, FieldError, Term
from pushforward.seeds import generator
from pushforward.spec import Batch, Block, DataSpec

DIGITS = DataSpec((1, 8, 8), 17, 1437, 10)
PROCESSES: dict[str, Callable[..., Process]] = {
    "ddpm": partial(DDPM, schedule=LinearBetas(200, 5e-4, 0.1), sampler=Ancestral(1.0)),
    "flow_matching": partial(FlowMatching, solver=Heun(), exact_up_to=2),
}


def diffusion(process: str, term: Term | None = None, network: Any = None, evaluations: int = 20) -> Diffusion:
    torch.manual_seed(0)
    return Diffusion(
        DIGITS,
        network or MLP((128, 128), activation="silu"),
        PROCESSES[process],
        evaluations,
        {"term": term or FieldError()},
        {"model": Tuning(torch.optim.Adam, 2e-3)},
    )


def digits() -> Tensor:
    return torch.tensor(load_digits().images / 16, dtype=torch.float32)[:, None]


def calls(family: Diffusion) -> list[int]:
    """Counts the field's calls from now on."""
    count = [0]

    def hook(*_: Any) -> None:
        count[0] += 1

    family.field.register_forward_hook(hook)
    return count


@pytest.mark.parametrize("process", PROCESSES)
def test_what_it_offers(process: str) -> None:
    family, x = diffusion(process), digits()[:8]
    count = calls(family)
    samples = family.sample(5, generator("cpu", 0, "s"))
    assert samples.shape == (5, 1, 8, 8) and samples.min() >= 0 and samples.max() <= 1 and count == [20]
    family.sample(5, generator("cpu", 0, "s"), evaluations=6)
    assert count == [26]
    scored = family.log_prob(x, generator("cpu", 0, "l"))
    assert scored.values.shape == (8,) and scored.evaluations <= 20 and count == [26 + scored.evaluations]
    assert scored.density == (process == "flow_matching")
    assert not isinstance(family, Encodes | Decodes)


@pytest.mark.parametrize("process", PROCESSES)
def test_an_untrained_field_errs_by_its_target(process: str) -> None:
    """A field of zero: the error is ‖target‖², summed over the image."""
    family, batch = diffusion(process), Batch(digits()[:8])
    with torch.no_grad():
        for p in family.field.parameters():
            p.zero_()
    noise = family.draw("model", 8, generator("cpu", 0, "n"))
    target = noise["noise"]
    if process == "flow_matching":
        target = 2 * (16 * batch.x + noise["dequantize"]) / 17 - 1 - target
    torch.testing.assert_close(
        family.loss("model", batch, noise).terms["term"], target.square().flatten(1).sum(1), rtol=1e-5, atol=1e-4
    )


def test_what_is_refused() -> None:
    with pytest.raises(PushforwardError, match="model=ddpm"):
        diffusion("flow_matching", DiffusionBound())
    with pytest.raises(PushforwardError, match="network=mlp or network=unet"):
        diffusion("ddpm", network=Conv(width=2))
    with pytest.raises(PushforwardError, match="evaluations=0"):
        diffusion("ddpm", evaluations=0)


def test_units() -> None:
    assert FieldError.unit == "squared error" and DiffusionBound.unit == "nats"


def test_a_solver_is_a_value() -> None:
    PROCESSES["euler"] = partial(FlowMatching, solver=Euler(), exact_up_to=2)
    family = diffusion("euler", evaluations=5)
    del PROCESSES["euler"]
    count = calls(family)
    family.sample(2, generator("cpu", 0, "s"))
    assert count == [5]


@pytest.mark.parametrize(
    ("process", "term"), [("ddpm", FieldError()), ("ddpm", DiffusionBound()), ("flow_matching", FieldError())]
)
def test_training_lowers_the_loss_and_raises_the_likelihood(process: str, term: Term) -> None:
    """320 steps on digits, measured on held-out ones with the same noise before and after."""
    family, x = diffusion(process, term), digits()
    family.configure_optimizers()
    assert family.stepper is not None
    held = Batch(x[1437:])
    noise = family.draw("model", len(held.x), generator("cpu", 0, "held"))

    def measured() -> tuple[float, float]:
        with torch.no_grad():
            loss = family.loss("model", held, noise).total.item()
            return loss, family.log_prob(held.x, generator("cpu", 0, "l")).values.mean().item()

    before = measured()
    order = torch.randint(1437, (20, 16, 64), generator=torch.Generator().manual_seed(0))
    for i, index in enumerate(order):
        family.stepper.block(Block(i, Batch(x[index])))
    after = measured()
    assert after[0] < 0.7 * before[0] and after[1] > before[1]
