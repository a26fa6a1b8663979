"""Known answers of a codebook: what is nearest, its gradient, its running means, its use; and it resumes bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.bottlenecks import Deterministic, FiniteScalarQuantizer, TakesFewValues, VectorQuantizer
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.objectives import AutoencoderPass, Commitment, Objective, Perplexity
from pushforward.spec import Batch
from pushforward.training import build, checkpoints

K, D, N = 8, 3, 50


def quantizer(in_shape: tuple[int, ...] = (D, 2, 4), decay: float = 0.9, smoothing: float = 1e-5) -> VectorQuantizer:
    """One whose affine map is the identity."""
    torch.manual_seed(0)
    found = VectorQuantizer(in_shape, D, K, decay, smoothing)
    with torch.no_grad():
        found.linear.weight.copy_(torch.eye(D).view_as(found.linear.weight))
        found.linear.bias.zero_()
    return found


def features(*places: int, n: int = N) -> Tensor:
    return torch.randn(n, D, *places, generator=torch.Generator().manual_seed(1))


def passed(bottleneck: VectorQuantizer, h: Tensor) -> Any:
    return AutoencoderPass(h, bottleneck(h), h.flatten(1), h, None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("places", [(2, 4), ()])
def test_each_place_has_the_nearest_vector_and_quantising_twice_is_quantising_once(places: tuple[int, ...]) -> None:
    bottleneck, h = quantizer((D, *places)), features(*places)
    z = bottleneck(h).z
    rows, found = h.movedim(1, -1).reshape(-1, D), z.movedim(1, -1).reshape(-1, D)
    nearest = bottleneck.vectors[torch.cdist(rows, bottleneck.vectors).argmin(1)]
    torch.testing.assert_close(found, nearest)
    torch.testing.assert_close(bottleneck(z).z, z)
    assert torch.equal(bottleneck.valid(z), bottleneck.valid(bottleneck.valid(z)))
    torch.testing.assert_close(bottleneck.valid(h), z)
    assert bottleneck.shapes == ((D, *places),) and str(K) in bottleneck.describe()


def test_the_gradient_passes_straight_through() -> None:
    """∂z/∂(W h + b) is the identity, and no gradient reaches the vectors, which are no parameters."""
    bottleneck, h = quantizer(), features(2, 4).requires_grad_()
    weights = torch.randn(N, D, 2, 4)
    (grad,) = torch.autograd.grad((bottleneck(h).z * weights).sum(), h)
    torch.testing.assert_close(grad, weights)
    assert [name for name, _ in bottleneck.named_parameters()] == ["linear.weight", "linear.bias"]


def test_commitment_pulls_features_to_their_vectors_alone() -> None:
    """Σ‖zₑ − e‖² over places, with the gradient 2(zₑ − e)."""
    bottleneck, h = quantizer(), features(2, 4).requires_grad_()
    value = Commitment()(passed(bottleneck, h))
    distance = h - bottleneck.valid(h.detach())
    torch.testing.assert_close(value, distance.square().flatten(1).sum(1))
    torch.testing.assert_close(torch.autograd.grad(value.sum(), h)[0], 2 * distance)


def test_perplexity_is_one_for_one_vector_and_k_for_all_alike() -> None:
    bottleneck = quantizer((D,))
    every, one = bottleneck.vectors.repeat(5, 1), bottleneck.vectors[:1].repeat(5, 1)
    for h, known in ((every, K), (one, 1.0), (bottleneck.vectors[:2], 2.0)):
        torch.testing.assert_close(Perplexity()(passed(bottleneck, h)), torch.tensor(float(known)))
    assert 1 <= float(Perplexity()(passed(quantizer(), features(2, 4)))) <= K


def test_vectors_are_running_means_with_smoothed_counts() -> None:
    """One step by hand: counts and sums per image, N̂ = (N + ε)/(ΣN + Kε)·ΣN."""
    bottleneck, h, gamma, epsilon, places = quantizer(smoothing=0.5), features(2, 4), 0.9, 0.5, 8
    rows, start = h.movedim(1, -1).reshape(-1, D), bottleneck.vectors.clone()
    nearest = torch.nn.functional.one_hot(torch.cdist(rows, start).argmin(1), K).float()
    counts = gamma * places / K + (1 - gamma) * nearest.sum(0) / N
    sums = gamma * start * places / K + (1 - gamma) * nearest.T @ rows / N
    bottleneck.absorb(bottleneck(h).stats)
    smoothed = (counts + epsilon) / (counts.sum() + K * epsilon) * counts.sum()
    torch.testing.assert_close(bottleneck.vectors, sums / smoothed[:, None])
    assert float(bottleneck.counts.sum()) == pytest.approx(places)


def test_vectors_tend_to_the_means_of_their_clusters() -> None:
    """Points about K well separated centres, from vectors near these; a vector without points stays where it is."""
    centres = 10 * torch.eye(D).repeat(3, 1)[: K - 1] * torch.tensor([1.0] * 3 + [-1.0] * 3 + [2.0])[:, None]
    points = (centres[None] + 0.5 * torch.randn(40, K - 1, D)).flatten(0, 1)
    bottleneck = quantizer((D,))
    with torch.no_grad():
        bottleneck.vectors.copy_(torch.cat([centres + 1.0, torch.full((1, D), 99.0)]))
        bottleneck.sums.copy_(bottleneck.vectors / K)
    for _ in range(200):
        bottleneck.absorb(bottleneck(points).stats)
    means = points.view(40, K - 1, D).mean(0)
    torch.testing.assert_close(bottleneck.vectors[:-1], means, rtol=0, atol=2e-3)  # ε is 1e-5 beside shares of 1/7
    # smoothing pulls one without points by ε/N = 1e-5 / (0.9¹⁰/8) of itself
    torch.testing.assert_close(untouched((D,))[1:], quantizer((D,)).vectors[1:], rtol=2.5e-4, atol=0)


def untouched(in_shape: tuple[int, ...]) -> Tensor:
    """The vectors after ten steps without one image assigned to any but the first."""
    bottleneck = quantizer(in_shape)
    first = bottleneck.vectors[:1].clone()
    for _ in range(10):
        bottleneck.absorb(bottleneck(first).stats)
    return bottleneck.vectors


def vq_vae(seed: int = 1) -> tuple[Family, Any]:
    small = ("network.width=4", "network.norm=none", "model.bottleneck.entries=16", "model.code_dim=4", "batch_size=16")
    quiet = ("features=none", "metrics=none", "logger=none")
    frozen = compose(["model=vq_vae", "data=digits", f"seed={seed}", *small, *quiet])
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    data.per_cycle, data.cycles = 1, 40
    family.configure_optimizers()
    return family, data


def test_a_batch_shown_twice_has_the_same_loss_and_moves_the_codebook_alike() -> None:
    """Rounding alone: means over 20 and over 40 images are taken in another order."""
    x, found = vq_vae()[1].tensor("train", 20), []
    for batch in (x, torch.cat((x, x))):
        family, _ = vq_vae()
        assert family.stepper is not None
        loss = family.loss("model", Batch(batch), {})
        family.stepper.step(family.players[0], Batch(batch), {}, 0.0)
        found.append((loss.total, {k: v.mean() for k, v in loss.terms.items()}, dict(family.named_buffers())))
    (total, terms, buffers), (twice, their_terms, their_buffers) = found
    torch.testing.assert_close(total, twice, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(terms, their_terms, rtol=1e-5, atol=1e-6)
    assert "coder.bottleneck.vectors" in buffers
    torch.testing.assert_close(buffers, their_buffers, rtol=1e-5, atol=1e-7)


def test_a_codebook_in_use_resumes_bit_for_bit(tmp_path: Path) -> None:
    """40 steps at once, and 16 and 24 with a checkpoint between."""
    whole, data = vq_vae()
    assert whole.stepper is not None
    blocks = list(data.train_dataloader())
    assert len(blocks) == 3
    for block in blocks:
        whole.stepper.block(block)
    first, _ = vq_vae()
    assert first.stepper is not None
    first.stepper.block(blocks[0])
    checkpoints.save(tmp_path / "last.ckpt", first)
    second, _ = vq_vae()
    assert second.stepper is not None
    checkpoints.restore(second, checkpoints.load(tmp_path / "last.ckpt"))
    for block in blocks[1:]:
        second.stepper.block(block)
    ours, theirs = whole.state_dict(), second.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    moved = dict(vq_vae()[0].named_buffers())["coder.bottleneck.vectors"]
    assert not torch.equal(ours["coder.bottleneck.vectors"], moved)


def test_parts_of_a_batch_give_the_stats_of_the_whole() -> None:
    family, data = vq_vae()
    assert family.stepper is not None
    step = family.stepper.player_steps["model"]
    batch = Batch(data.tensor("train", 12))
    whole, parts = [step.gradient(batch, {})[2] for step.parts in (1, 3)]
    assert whole.keys() == {"counts", "sums"}
    torch.testing.assert_close(parts, whole)


def test_a_codebook_is_what_its_terms_need() -> None:
    with pytest.raises(PushforwardError, match=r"Commitment needs codebook.*model=vq_vae"):
        Objective({"commitment": Commitment()}, Deterministic.gives)


@pytest.mark.parametrize("kind", ["vectors", "levels"])
def test_values_and_their_numbers_are_one_to_one(kind: str) -> None:
    made = quantizer() if kind == "vectors" else FiniteScalarQuantizer((D, 2, 4), 3, (8, 5, 4))
    assert isinstance(made, TakesFewValues) and made.entries == (K if kind == "vectors" else 160)
    numbers = torch.arange(made.entries).view(-1, 1, 1)
    codes = made.values(numbers)
    assert codes.shape == (made.entries, 3, 1, 1) and len(codes.flatten(1).unique(dim=0)) == made.entries
    assert torch.equal(made.indices(codes), numbers)
    assert torch.equal(made.valid(codes), codes)
