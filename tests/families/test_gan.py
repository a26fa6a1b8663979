"""GANs: what is refused, what is counted, and that the game moves samples towards the data."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from pushforward.conditioning import Labels
from pushforward.errors import PushforwardError
from pushforward.families import GAN, Encodes, HasLikelihood, Reconstructs, Tuning
from pushforward.networks import MLP, Conv
from pushforward.objectives import (
    GradientPenalty,
    NonSaturatingCritic,
    NonSaturatingGenerator,
    Term,
    WassersteinCritic,
    WassersteinGenerator,
)
from pushforward.seeds import generator
from pushforward.spec import Batch, Block, DataSpec

DIGITS = DataSpec((1, 8, 8), 17, 1437, 10)
Terms = Mapping[str, Mapping[str, Term | None]]


def cross_entropy() -> Terms:
    return {"critic": {"adversarial": NonSaturatingCritic()}, "generator": {"adversarial": NonSaturatingGenerator()}}


def wasserstein() -> Terms:
    critic = {"adversarial": WassersteinCritic(), "penalty": GradientPenalty(10.0)}
    return {"critic": critic, "generator": {"adversarial": WassersteinGenerator()}}


def gan(objective: Terms | None = None, network: Any = None, spec: DataSpec = DIGITS, **changed: Any) -> GAN:
    torch.manual_seed(0)
    tuning = Tuning(partial(torch.optim.Adam, betas=(0.5, 0.999)), 1e-3)
    given: dict[str, Any] = {"code_dim": 8, "n_critic": 1, "critic": {}, **changed}
    return GAN(
        spec,
        network or MLP((64,)),
        objective=objective or cross_entropy(),
        optimizers={"critic": tuning, "generator": tuning},
        **given,
    )


def digits() -> Tensor:
    return torch.tensor(load_digits().images / 16, dtype=torch.float32)[:1437, None]


def test_what_is_refused() -> None:
    swapped = {"critic": cross_entropy()["generator"], "generator": cross_entropy()["critic"]}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"objective": wasserstein(), "network": Conv(width=2)}, r"slopes of the critic.*model\.critic\.norm=layer"),
        ({"objective": swapped}, "put it under objective"),
        ({"objective": {"critic": cross_entropy()["critic"]}}, "one for its critic and one for its generator"),
        ({"critic": {"nrom": "layer"}}, r"model\.critic\.nrom: MLP has no such field"),
        ({"n_critic": 0}, "n_critic=0"),
    ]
    for changed, message in cases:
        with pytest.raises(PushforwardError, match=message):
            gan(**changed)


def test_a_generators_term_is_refused_at_the_critic() -> None:
    with pytest.raises(PushforwardError, match=r"put it under objective\.generator"):
        gan({**cross_entropy(), "critic": cross_entropy()["generator"]})


def test_the_critic_can_have_another_norm() -> None:
    family = gan(wasserstein(), Conv(width=2), critic={"norm": "layer"})
    kinds = [type(m).__name__ for m in family.critic.modules()], [type(m).__name__ for m in family.generator.modules()]
    assert "BatchNorm" not in kinds[0] and "GroupNorm" in kinds[0] and "BatchNorm" in kinds[1]


def test_samples_lie_in_the_data_range_and_points_are_free() -> None:
    x = gan().sample(32, generator("cpu", 0, "samples"))
    assert x.shape == (32, 1, 8, 8) and x.min() >= 0 and x.max() <= 1
    free = DataSpec((2,), None, 100, low=-float("inf"), high=float("inf"))
    family = gan(spec=free)
    points = family.sample(32, generator("cpu", 0, "samples"))
    assert points.shape == (32, 2)
    code = torch.randn(4, 8)
    assert torch.equal(family.decode(code), family.generator(code)) and family.decode(100 * code).abs().max() > 1
    assert not isinstance(family, Encodes | HasLikelihood | Reconstructs)


def test_the_terms_are_those_of_the_scores() -> None:
    family, x = gan(wasserstein()), digits()[:16]
    noise = family.draw("critic", 16, generator("cpu", 0, "noise"))
    terms = family.loss("critic", Batch(x), noise).terms
    fake = family.generator(noise["code"])
    torch.testing.assert_close(terms["adversarial"], family.critic(fake) - family.critic(2 * x - 1))
    total = family.loss("critic", Batch(x), noise).total
    torch.testing.assert_close(total, terms["adversarial"].mean() + 10 * terms["penalty"].mean())


LABELLED = DataSpec((1, 8, 8), 17, 1437, 10, class_shares=(0.1,) * 10)
told = partial(Labels, 4, 0.0, 0.0)


def test_a_score_under_labels_is_a_projection() -> None:
    """w·h + b + v_y·h of the features h, so that scores of two labels differ by (v_a − v_b)·h. Miyato & Koyama 2018, eq. 5."""
    critic, x, y = gan(spec=LABELLED, condition=told).critic, digits()[:10], torch.arange(10)
    assert critic.classes is not None
    h, v = critic.encoder(x), critic.classes.weight
    torch.testing.assert_close(critic(x, y), critic.score(h)[:, 0] + torch.einsum("nf,nf->n", v[y], h))
    torch.testing.assert_close(critic(x, y) - critic(x, y.flip(0)), ((v - v.flip(0)) * h).sum(1), atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        v.zero_()  # and with no vectors it is the critic that knows no labels
    torch.testing.assert_close(critic(x, y), critic.score(h)[:, 0])


def test_real_and_generated_images_are_scored_under_the_labels_of_the_batch() -> None:
    family, x, y = gan(wasserstein(), spec=LABELLED, condition=told), digits()[:16], torch.arange(16) % 10
    noise = family.draw("critic", 16, generator("cpu", 0, "noise"))
    fake = family.generator(noise["code"], family.condition(y))
    terms = family.loss("critic", Batch(x, y), noise).terms
    torch.testing.assert_close(terms["adversarial"], family.critic(fake, y) - family.critic(2 * x - 1, y))
    torch.testing.assert_close(
        family.loss("generator", Batch(x, y), noise).terms["adversarial"], -family.critic(fake, y)
    )


def test_labels_are_learnt() -> None:
    """Two classes, black and white: samples of a label have its grey after 160 cycles, within a quarter of the range."""
    spec = DataSpec((1, 2, 2), 2, 100, 2, class_shares=(0.5, 0.5))
    family = gan(wasserstein(), spec=spec, condition=told)
    family.configure_optimizers()
    assert family.stepper is not None
    for i in range(10):
        y = torch.randint(2, (16, 64), generator=torch.Generator().manual_seed(i))
        family.stepper.block(Block(i, Batch(y[..., None, None, None].expand(16, 64, 1, 2, 2).float(), y)))
    y = torch.arange(2).repeat(100)
    with torch.no_grad():
        found = family.eval().sample(200, generator("cpu", 0, "samples"), y).flatten(1).mean(1)
    assert float(found[y == 0].mean()) < 0.25 and float(found[y == 1].mean()) > 0.75


@pytest.mark.parametrize("n_critic", [1, 3])
def test_counters(n_critic: int) -> None:
    """The critic's steps draw fresh batches and are counted; the generator's are not."""
    family = gan(n_critic=n_critic)
    family.configure_optimizers()
    assert family.batches_per_cycle == n_critic and family.stepper is not None
    family.stepper.block(Block(0, Batch(digits()[: 4 * n_critic * 8].view(4 * n_critic, 8, 1, 8, 8))))
    assert family.progress.images_seen == 4 * n_critic * 8
    assert family.progress.steps == {"critic": 4 * n_critic, "generator": 4}


def stepped(family: GAN) -> dict[str, dict[str, tuple[Tensor, Tensor, Tensor]]]:
    """Each player's parameters before and after its first step, and their gradient."""
    family.configure_optimizers()
    assert family.stepper is not None
    found = {}
    for player in family.players:
        before = {k: p.detach().clone() for k, p in family.parameters_of(player).items()}
        family.stepper.step(player, Batch(digits()[:16]), family.draw(player.name, 16, generator("cpu", 0, "n")), 0.0)
        found[player.name] = {
            k: (before[k], p.detach().clone(), p.grad)
            for k, p in family.parameters_of(player).items()
            if p.grad is not None
        }
    return found


def plain(lr: float, ema: float | None = None) -> Tuning:
    return Tuning(torch.optim.SGD, lr, ema=ema)


def test_each_player_has_a_time_scale_of_its_own() -> None:
    """Heusel et al. 2017: by plain gradient steps, w − lr·∇ with the player's lr."""
    family = gan()
    family.tunings = {"critic": plain(0.1), "generator": plain(0.001)}
    for player, moves in stepped(family).items():
        assert moves
        for before, after, slope in moves.values():
            torch.testing.assert_close(after, before - {"critic": 0.1, "generator": 0.001}[player] * slope)


def test_the_generators_average_alone_is_what_is_sampled() -> None:
    """After the first step the average is 0.1·w₀ + 0.9·w₁ (the decay is at most (1 + t)/(10 + t)); the critic has none."""
    family = gan()
    family.tunings = {"critic": plain(0.1), "generator": plain(0.1, ema=0.999)}
    moves = stepped(family)["generator"]
    critic = {k: v.clone() for k, v in family.critic.state_dict().items()}
    raw = family.sample(4, generator("cpu", 0, "samples"))
    family.on_validation_epoch_start()
    for name, (before, after, _) in moves.items():
        torch.testing.assert_close(family.get_parameter(name).detach(), 0.1 * before + 0.9 * after)
    assert all(torch.equal(v, critic[k]) for k, v in family.critic.state_dict().items())
    averaged = family.sample(4, generator("cpu", 0, "samples"))
    family.on_validation_epoch_end()
    assert not torch.allclose(raw, averaged) and torch.equal(family.sample(4, generator("cpu", 0, "samples")), raw)


@pytest.mark.parametrize("objective", [cross_entropy, wasserstein])
def test_training_moves_samples_towards_the_data(objective: Any) -> None:
    """Mean image: after 320 cycles nearer by a third at least; it rests at 1.5 (Wasserstein) and below 1."""
    family, x = gan(objective()), digits()
    family.configure_optimizers()
    assert family.stepper is not None

    def away() -> float:
        return (family.sample(500, generator("cpu", 0, "samples")).mean(0) - x.mean(0)).norm().item()

    with torch.no_grad():
        before = away()
    order = torch.randint(len(x), (20, 16, 64), generator=torch.Generator().manual_seed(0))
    for i, index in enumerate(order):
        family.stepper.block(Block(i, Batch(x[index])))
    with torch.no_grad():
        assert away() < before * 2 / 3
