import math

import pytest
import torch

from pushforward.metrics.sparsity import hoyer, lifetime_sparsity, population_sparsity, summary

G = torch.Generator().manual_seed(0)
Z = torch.randn(400, 12, generator=G)


def test_one_unit_alone_is_one_and_all_alike_is_zero():
    alone, alike = torch.eye(6)[:1] * -3, torch.full((1, 6), -0.2)
    for measure in (hoyer, population_sparsity):
        assert measure(torch.cat((alone, alike))).tolist() == pytest.approx([1, 0], abs=1e-15)
    assert lifetime_sparsity(torch.eye(6)).tolist() == pytest.approx([1] * 6, abs=1e-15)
    assert lifetime_sparsity(torch.ones(5, 3)).tolist() == pytest.approx([0] * 3, abs=1e-15)


@pytest.mark.parametrize(("d", "k"), [(16, 1), (16, 4), (100, 25), (9, 9)])
def test_k_equal_units_of_d(d, k):
    """‖z‖₁/‖z‖₂ = √k; ⟨|z|⟩²/⟨z²⟩ = k/d."""
    z = torch.zeros(1, d)
    z[:, :k] = 0.7
    assert float(hoyer(z)) == pytest.approx((math.sqrt(d) - math.sqrt(k)) / (math.sqrt(d) - 1), abs=1e-14)
    assert float(population_sparsity(z)) == pytest.approx((1 - k / d) / (1 - 1 / d), abs=1e-14)


def test_neither_scale_nor_sign_matters():
    for measure in (hoyer, population_sparsity, lifetime_sparsity):
        torch.testing.assert_close(measure(Z), measure(-4 * Z), rtol=1e-12, atol=0)


def test_gaussian_and_exponential_responses():
    """⟨|r|⟩²/⟨r²⟩ is 2/π and ½. By the delta method its spread over n units and images is below 1.2/√n."""
    n, d = 20_000, 10
    bound = 5 * 1.2 / math.sqrt(n * d)
    normal = torch.randn(n, d, generator=G)
    assert float(lifetime_sparsity(normal).mean()) == pytest.approx(1 - 2 / math.pi, abs=bound)
    assert float(lifetime_sparsity(-torch.rand(n, d, generator=G).log()).mean()) == pytest.approx(0.5, abs=bound)


def test_what_is_always_zero_is_left_out_and_counted():
    z = torch.zeros(8, 4)
    z[:4, 0] = 1.0  # images 4 to 7 are silent, units 1 to 3 asleep
    found = summary(z, None)
    assert found["hoyer"][0] == found["population_sparsity"][0] == pytest.approx(1)
    assert found["hoyer"][2]["note"] == "without 4 zero codes"
    assert found["lifetime_sparsity"][0] == pytest.approx((1 - 0.5) / (1 - 1 / 8))
    assert found["lifetime_sparsity"][2]["note"] == "without 3 units always 0"
    assert found["dead_units"][0] == 0.75
    assert found["active_per_image"][:2] == (0.5, "units an image") and found["active_per_image"][2] == {"on": "z ≠ 0"}


def test_sigmoid_codes_with_a_target():
    z = torch.tensor([[0.9, 0.04, 0.5], [0.7, 0.06, 0.4]], dtype=torch.float64)
    found = summary(z, 0.05)
    assert found["mean_activation"][0] == pytest.approx(float(z.mean()))
    assert found["active_per_image"][0] == 1.0 and found["active_per_image"][2] == {"on": "z > 1/2"}
    assert found["units_on_target"][0] == pytest.approx(1 / 3)
    assert "units_on_target" not in summary(z, None)


def test_one_unit_has_no_sparsity_over_units():
    found = summary(Z[:, :1], None)
    assert math.isnan(found["hoyer"][0]) and math.isnan(found["population_sparsity"][0])
    assert 0 < found["lifetime_sparsity"][0] < 1


def test_means_far_above_the_spread():
    z = Z * torch.linspace(0, 2, 12) + 100  # a unit that never moves
    found = {name: value for name, (value, _, _) in summary(z, 0.1).items()}
    assert found == pytest.approx({
        "hoyer": float(hoyer(z).mean()), "population_sparsity": float(population_sparsity(z).mean()),
        "lifetime_sparsity": float(lifetime_sparsity(z).mean()), "mean_activation": float(z.double().mean()),
        "active_per_image": 12.0, "dead_units": 1 / 12, "units_on_target": 0.0,
    }, rel=1e-9, abs=1e-12)  # fmt: skip
