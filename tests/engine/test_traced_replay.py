"""Recorded moves: bit for bit those of autograd, or not recorded."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.composition import compose
from pushforward.engine import player_step
from pushforward.engine.optimizer_update import OptimizerUpdate
from pushforward.errors import PushforwardError
from pushforward.families import Family, VariationalAutoencoder
from pushforward.training import build

Trained = Callable[..., Family]
FAR = 10**9
"""A move that is never reached."""


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    def train(overrides: str, at: int, blocks: int = 3, cast: bool = False) -> Family:
        """The family after so many blocks, its moves recorded at the move `at`."""
        monkeypatch.setattr(player_step, "RECORDED_AT", at)
        monkeypatch.setattr(
            player_step, "SLOW", math.inf
        )  # on a loaded machine a step takes long, and would not be recorded
        frozen = compose(["data=digits", *overrides.split()])
        data = build.build_data(frozen)
        family = build.build_family(frozen, data.spec)
        data.per_cycle, data.cycles = family.batches_per_cycle, 16 * blocks
        family.configure_optimizers()
        assert family.stepper is not None
        for block in data.train_dataloader():
            with torch.autocast("cpu", torch.bfloat16, cast, cache_enabled=False):
                family.stepper.block(block)
        return family

    return train


@pytest.mark.parametrize(
    "overrides",
    [
        "model=vae network.hidden=[32] optimizer.model.clip=0.5 optimizer.model.ema=0.9",
        "model=vae network.hidden=[32] model.gradient=score",
        "model=beta_vae network.hidden=[32] weighting=cyclical weighting.beta=3 weighting.period=2 weighting.ramp=0.5",
        "model=sparse_ae network.hidden=[32] optimizer@optimizer.model=sgd",
        "model=denoising_ae network=conv network.width=4 batch_size=16",
        "model=gan network.width=4 batch_size=16",
        "model=wgan_gp network.width=4 batch_size=8",
        "model=realnvp model.bijection.transforms=2 model.bijection.hidden=[16] batch_size=16",
        "model=ddpm network.width=4 network.multipliers=[1,1] network.attention=0 batch_size=4",
        "model=conditional_gan network.width=4 batch_size=16",
        "model=vae network.hidden=[32] condition=labels",
    ],
)
def test_a_recorded_run_is_the_run_bit_for_bit(trained: Trained, overrides: str) -> None:
    alone, recorded = trained(overrides, FAR), trained(overrides, 8)
    for a, b in zip(alone.state_dict().values(), recorded.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    steppers = alone.stepper, recorded.stepper
    assert steppers[0] is not None and steppers[1] is not None
    assert all(move.recording for move in steppers[1].player_steps.values())
    histories = [stepper.history.steps() for stepper in steppers if stepper is not None]
    assert histories[0].keys() == histories[1].keys()
    assert all(torch.equal(histories[0][key], histories[1][key]) for key in histories[0])
    for name, average in steppers[0].averages.items():
        assert all(torch.equal(a, b) for a, b in zip(average, steppers[1].averages[name], strict=True))
        assert not any(a.requires_grad for a in average)


def test_casts_to_bf16_are_recorded_too(trained: Trained) -> None:
    overrides = "model=vae network.hidden=[32]"
    alone, recorded = trained(overrides, FAR, cast=True), trained(overrides, 8, cast=True)
    assert recorded.stepper is not None and recorded.stepper.player_steps["model"].recording
    for a, b in zip(alone.state_dict().values(), recorded.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_looks_at_values_is_left_to_autograd(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = VariationalAutoencoder.loss

    def looks(self: VariationalAutoencoder, *args: Any) -> Any:
        found = loss(self, *args)
        return found._replace(total=found.total * 2) if found.total > 0 else found

    monkeypatch.setattr(VariationalAutoencoder, "loss", looks)
    move = trained("model=vae network.hidden=[8]", 8).stepper.player_steps["model"]  # type: ignore[union-attr]
    assert move.recording is None and not move.records and move.why_not


def test_a_loss_with_randomness_of_its_own_draws_the_same(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the contract, as nn.Dropout is; neither recording nor comparing may move the global generator."""
    loss = VariationalAutoencoder.loss

    def random(self: VariationalAutoencoder, *args: Any) -> Any:
        found = loss(self, *args)
        return found._replace(total=found.total * (1 + torch.rand(())))

    monkeypatch.setattr(VariationalAutoencoder, "loss", random)
    overrides = "model=vae network.hidden=[8]"
    torch.manual_seed(0)
    alone = trained(overrides, FAR)
    torch.manual_seed(0)
    recorded = trained(overrides, 8)
    assert recorded.stepper is not None and recorded.stepper.player_steps["model"].recording
    for a, b in zip(alone.state_dict().values(), recorded.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_loss_that_python_changes_on_its_way_is_an_error(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = VariationalAutoencoder.loss

    def changes(self: VariationalAutoencoder, *args: Any) -> Any:
        found = loss(self, *args)
        return found._replace(total=found.total * 2) if self.progress.cycles > 12 else found

    monkeypatch.setattr(VariationalAutoencoder, "loss", changes)
    with pytest.raises(PushforwardError, match=r"no function of parameters.*trainer\.record=false"):
        trained("model=vae network.hidden=[8]", 8)


@pytest.mark.parametrize("rule", [torch.optim.Adam, torch.optim.AdamW])
def test_an_update_is_the_optimizers_step(rule: Any) -> None:
    def weights() -> list[torch.nn.Parameter]:
        source = torch.Generator().manual_seed(0)
        return [torch.nn.Parameter(torch.randn(5, 3, generator=source)), torch.nn.Parameter(torch.ones(7))]

    def gradients(step: int) -> list[Tensor]:
        source = torch.Generator().manual_seed(step)
        return [torch.randn(p.shape, generator=source) for p in weights()]

    ours, theirs = weights(), weights()
    one, other = (rule(own, lr=0.01, weight_decay=0.1, fused=True) for own in (ours, theirs))
    update = OptimizerUpdate(one, ours)
    assert update.direct
    for step in range(6):
        if step == 3:  # given other states, as by a checkpoint
            one.load_state_dict(one.state_dict())
        update(gradients(step))
        for parameter, grad in zip(theirs, gradients(step), strict=True):
            parameter.grad = grad
        other.step()
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    one.register_step_post_hook(lambda *_: told.append(True))
    told: list[bool] = []
    update(gradients(6))
    assert told
