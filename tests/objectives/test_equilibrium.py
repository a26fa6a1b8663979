"""BEGAN's losses, its state and its measure of convergence, against the paper's equations by hand."""

from functools import partial
from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.families import GAN, AutoencodingCritic, Tuning
from pushforward.networks import MLP
from pushforward.objectives import (
    ConvergenceMeasure,
    CriticPass,
    Equilibrium,
    EquilibriumCritic,
    EquilibriumGenerator,
    EquilibriumState,
)
from pushforward.seeds import generator
from pushforward.spec import Batch, DataSpec
from pushforward.training.build import build_family

SPEC = DataSpec((1, 2, 2), 17, 100)
REAL, FAKE, K, GAMMA = torch.tensor([0.4, 0.2]), torch.tensor([0.3, 0.3]), torch.tensor(0.25), torch.tensor(0.5)


def passed() -> CriticPass:
    x, balance = torch.zeros(2, 1, 2, 2), Equilibrium(K, GAMMA)
    return CriticPass(x, FAKE, lambda x: x, SPEC, None, x, REAL, None, torch.zeros(2), None, balance)


def test_the_losses_and_the_measure_are_the_papers() -> None:
    """L(x) − k·L(G(z)), L(G(z)), and M = .3 + |.5 · .3 − .3|."""
    torch.testing.assert_close(EquilibriumCritic()(passed()), torch.tensor([0.4 - 0.075, 0.2 - 0.075]))
    assert torch.equal(EquilibriumGenerator()(passed()), FAKE)
    assert float(ConvergenceMeasure(0.0)(passed())) == pytest.approx(0.3 + 0.15)
    assert float(EquilibriumState(0.0)(passed())) == 0.25


def critic(code_dim: int = 3, diversity: float = 0.5, gain: float = 0.1) -> AutoencodingCritic:
    torch.manual_seed(0)
    return AutoencodingCritic(code_dim, diversity, gain, network=MLP(()), spec=SPEC)


def test_a_score_is_the_mean_error_of_the_autoencoder() -> None:
    """Of one that gives 0 it is the mean of |x|; of the identity, a linear map through four units, 0."""
    net, x = critic(4), torch.tensor([[1.0, -1.0, 0.5, 0.0], [0.2, 0.2, 0.2, -0.2]]).view(2, 1, 2, 2)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        torch.testing.assert_close(net(x), torch.tensor([0.625, 0.2]))
        for parameter in net.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.eye(4))
        assert torch.equal(net(x), torch.zeros(2))


def test_k_follows_its_closed_form() -> None:
    """Under errors that stay it is t·λ(γ·real − fake), no less than 0 and no more than 1; at γ·real = fake it rests."""
    net = critic()
    found = []
    for _ in range(60):
        net.absorb(torch.tensor(0.6), torch.tensor(0.1))
        found.append(float(net.k))
    assert found == pytest.approx([min(1.0, 0.1 * 0.2 * t) for t in range(1, 61)], abs=1e-6)  # 60 roundings of 6e-8
    net.absorb(torch.tensor(0.2), torch.tensor(0.1))
    assert float(net.k) == 1
    net.absorb(torch.tensor(0.0), torch.tensor(100.0))
    assert float(net.k) == 0


def began(*more: str) -> GAN:
    quiet = ("features=none", "metrics=none", "logger=none")
    small = (
        "network=mlp",
        "network.hidden=[8]",
        "model.autoencoder.code_dim=2",
        "model.autoencoder.gain=0.1",
        "model.autoencoder.diversity=0.5",
    )
    made = build_family(compose(["model=began", *small, *quiet, *more]), SPEC)
    assert isinstance(made, GAN)
    return made


def test_the_critics_step_moves_k_by_its_own_errors_and_the_generators_leaves_it() -> None:
    made, x = began(), Batch(torch.rand(8, 1, 2, 2, generator=torch.Generator().manual_seed(0)))
    made.configure_optimizers()
    assert made.stepper is not None and "critic.k" in made.state_dict()
    made.critic.k.fill_(0.3)  # type: ignore[union-attr, operator]
    noise = made.draw("critic", 8, generator("cpu", 0, "noise"))
    with torch.no_grad():
        fake, real = made.generator(noise["code"]), 2 * x.x - 1
        errors = made.critic(real).mean(), made.critic(fake).mean()
    loss = made.loss("critic", x, noise)
    torch.testing.assert_close(loss.total, errors[0] - 0.3 * errors[1])
    torch.testing.assert_close(loss.terms["convergence"], errors[0] + (0.5 * errors[0] - errors[1]).abs())
    critic, player = made.players
    made.stepper.step(critic, x, noise, 0.0)
    wanted = float((0.3 + 0.1 * (0.5 * errors[0] - errors[1])).clamp(0, 1))
    assert float(made.critic.k) == pytest.approx(wanted, abs=1e-6) and wanted != 0.3  # type: ignore[arg-type]
    assert float(loss.terms["state"]) == pytest.approx(0.3)  # a copy, which the step does not reach
    made.stepper.step(player, x, made.draw("generator", 8, generator("cpu", 0, "noise")), 0.0)
    assert float(made.critic.k) == pytest.approx(wanted, abs=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["model.objective.critic.adversarial._target_=pushforward.objectives.NonSaturatingCritic"], "scores of real and"),
        (["model.objective.generator.adversarial._target_=pushforward.objectives.WassersteinGenerator"], "needs scores of"),
        (["model.autoencoder=null"], r"errors of the critic's autoencoder.*model=began"),
        (["condition=all_labels"], r"model\.autoencoder: a critic that autoencodes takes no labels"),
    ],
)  # fmt: skip
def test_what_is_refused(options: list[str], message: str) -> None:
    spec: Any = DataSpec((1, 2, 2), 17, 100, 2, class_shares=(0.5, 0.5))
    with pytest.raises(PushforwardError, match=message) as refused:
        build_family(compose(["model=began", "network=mlp", "network.hidden=[8]", *options]), spec)
    assert "\n" not in str(refused.value)


def test_an_autoencoding_critic_reads_packed_points_too() -> None:
    free = DataSpec((2,), None, 100, low=-float("inf"), high=float("inf"))
    tuning = Tuning(partial(torch.optim.Adam), 1e-3)
    made = GAN(
        free, MLP((8,)), 2, 1, {}, {"critic": {"a": EquilibriumCritic()}, "generator": {"a": EquilibriumGenerator()}},
        {"critic": tuning, "generator": tuning}, pack=2, autoencoder=partial(AutoencodingCritic, 2, 0.5, 0.1),
    )  # fmt: skip
    noise = made.draw("critic", 6, generator("cpu", 0, "noise"))
    assert made.loss("critic", Batch(torch.randn(6, 2)), noise).terms["a"].shape == (3,)
