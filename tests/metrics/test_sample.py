import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import _compute_fid

from pushforward.errors import PushforwardError
from pushforward.metrics.sample import (
    class_accuracy,
    class_kl,
    classifier_score,
    fd_protocol,
    frechet_distance,
    frechet_distance_of,
    frechet_error,
    frechet_within_classes,
    mode_histogram,
    protocol_size,
    subset,
)

D = 12


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(seed: int, d: int = D) -> tuple[torch.Tensor, torch.Tensor]:
    a = normal(d, 2 * d, seed=seed)
    return normal(d, seed=seed + 100), a @ a.T / (2 * d)


def rotation(seed: int) -> torch.Tensor:
    return torch.linalg.qr(normal(D, D, seed=seed)).Q


def test_commuting_covariances():
    """‖Δμ‖² + Σ(√λ₁ − √λ₂)²."""
    q, l1, l2 = rotation(0), torch.linspace(0, 3, D).double(), torch.linspace(2, 0.1, D).double()
    m1, m2 = normal(D, seed=1), normal(D, seed=2)
    expected = (m1 - m2).square().sum() + (l1.sqrt() - l2.sqrt()).square().sum()
    found = frechet_distance(m1, q @ l1.diag() @ q.T, m2, q @ l2.diag() @ q.T)
    # an eigenvalue 0 comes out as ~1e-16·λmax, whose root is 1e-8
    assert float(found) == pytest.approx(float(expected), abs=1e-6)


def test_the_root_is_scipys_and_the_distance_that_of_torchmetrics_on_twenty_random_inputs():
    """torchmetrics sums the roots of the eigenvalues of S₁S₂, which is not symmetric; all three in float64."""
    worst = 0.0
    for seed in range(20):
        x, y = normal(90, D, seed=seed), 1.3 * normal(70, D, seed=100 + seed) + 0.2
        (m1, s1), (m2, s2) = ((z.mean(0), z.T.cov()) for z in (x, y))
        root = scipy.linalg.sqrtm(s1.numpy() @ s2.numpy())
        by_root = float((m1 - m2).square().sum() + torch.trace(s1 + s2)) - 2 * np.trace(root).real
        found = frechet_distance_of(x, y)
        for theirs in (by_root, float(_compute_fid(m1, s1, m2, s2))):
            worst = max(worst, abs(found - theirs) / theirs)
    assert worst < 1e-9


def test_invariances():
    (m1, s1), (m2, s2) = gaussian(1), gaussian(2)
    value, q, c = float(frechet_distance(m1, s1, m2, s2)), rotation(3), 2.5
    rotated = frechet_distance(q @ m1, q @ s1 @ q.T, q @ m2, q @ s2 @ q.T)
    scaled = frechet_distance(c * m1, c**2 * s1, c * m2, c**2 * s2)
    assert float(rotated) == pytest.approx(value, rel=1e-10)
    assert float(scaled) == pytest.approx(c**2 * value, rel=1e-10)
    assert float(frechet_distance(m2, s2, m1, s1)) == pytest.approx(value, rel=1e-10)
    assert 0 <= float(frechet_distance(m1, s1, m1, s1)) < 1e-10


def test_the_spread_over_draws_is_what_the_jackknife_says():
    """60 draws of 400: a standard deviation of theirs is known to 1/√120 = 9 %, the jackknife's of ten groups about as well."""
    real = normal(400, 6, seed=999)
    draws = [1.2 * normal(400, 6, seed=s) + 0.3 for s in range(60)]
    values = torch.tensor([frechet_distance_of(x, real) for x in draws])
    said = torch.tensor([frechet_error(x, real) for x in draws]).square().mean().sqrt()
    assert 0.7 < float(values.std() / said) < 1.4
    assert frechet_error(draws[0][:19], real) is None and frechet_error(normal(30, 600), normal(30, 600)) is None


def test_features_that_are_not_finite_are_refused():
    x = normal(5, 3)
    with pytest.raises(PushforwardError, match="a feature is not finite"):
        frechet_distance_of(torch.where(x > 1, torch.inf, x), x)


def test_fewer_images_than_features_are_well_behaved():
    x, y = normal(5, 40), normal(5, 40, seed=1)
    assert frechet_distance_of(x, y) > 0
    assert frechet_distance_of(x, x) == pytest.approx(0, abs=1e-5)  # 36 null eigenvalues of ~1e-16, roots of 1e-8


def test_bias_of_equal_whitened_distributions():
    """E = d(d+1)/2N + 2d/N to first order; over 40 repetitions within 4 standard errors and a second order of 1 %."""
    d, n = 10, 1000
    values = torch.tensor(
        [frechet_distance_of(normal(n, d, seed=2 * i), normal(n, d, seed=2 * i + 1)) for i in range(40)]
    )
    expected = d * (d + 1) / (2 * n) + 2 * d / n
    assert float(values.mean()) == pytest.approx(expected, abs=4 * float(values.std()) / 40**0.5 + 0.01 * expected)


def test_the_protocol_compares_equal_numbers():
    train, test = normal(300, 3), normal(100, 3, seed=1)
    found = fd_protocol(normal(500, 3, seed=2) + 1, test, train)
    assert found.n == 100 == protocol_size(100, 300)
    assert found.floor == frechet_distance_of(subset(train, 100, 0, "train"), test)
    assert found.value > found.floor
    assert fd_protocol(train[:50], test, train, limit=50).n == 50
    with pytest.raises(PushforwardError, match="generate 100"):
        fd_protocol(train[:99], test, train)


def test_subsets_are_fixed_and_leave_global_randomness_alone():
    x, before = torch.arange(100), torch.get_rng_state()
    chosen = subset(x, 10, 0, "train")
    assert chosen.equal(subset(x, 10, 0, "train")) and len(chosen.unique()) == 10
    assert not chosen.equal(subset(x, 10, 0, "test")) and not chosen.equal(subset(x, 10, 1, "train"))
    assert subset(x, 100, 0, "train").equal(x)
    assert torch.get_rng_state().equal(before)


def test_mode_histogram():
    logits = torch.eye(4)[[0, 0, 0, 2]]
    assert mode_histogram(logits).tolist() == [0.75, 0, 0.25, 0]


def test_classifier_score_of_sure_and_balanced_predictions_is_the_number_of_classes() -> None:
    sure = 200.0 * torch.eye(7).repeat(5, 1)
    assert classifier_score(sure) == pytest.approx(7, rel=1e-12)
    assert classifier_score(sure[:1].repeat(9, 1)) == pytest.approx(1, rel=1e-12)  # one class
    assert classifier_score(torch.zeros(9, 7)) == pytest.approx(1, rel=1e-12)  # never sure
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).double()
    p = logits.softmax(1)
    expected = (p * (p / p.mean(0)).log()).sum(1).mean().exp()
    assert classifier_score(logits) == pytest.approx(float(expected), rel=1e-12)


def test_class_kl_by_hand() -> None:
    even, odd = torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1])
    assert class_kl(odd, even) == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2), rel=1e-7)  # float32 shares
    assert class_kl(even, even) == 0 and math.isinf(class_kl(even, torch.tensor([1.0, 0.0])))


def test_a_distance_within_classes_knows_each_class() -> None:
    """Each class moved by a vector of its own: the squared length of that; of swapped classes, the distance of the classes."""
    generator = torch.Generator().manual_seed(0)
    y = torch.tensor([1, 0]).repeat(50)
    real = torch.randn(100, 3, generator=generator, dtype=torch.float64) + 10 * y[:, None]
    moves = torch.tensor([[1.0, 2.0, 2.0], [0.0, 3.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(frechet_within_classes(real + moves[y], real, y), torch.tensor([9.0, 25.0]).double())
    assert frechet_within_classes(real.roll(1, 0), real, y).min() > 200
    assert class_accuracy(torch.eye(3)[[0, 1, 2, 2]], torch.tensor([0, 1, 2, 0])) == 0.75
