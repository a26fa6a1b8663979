"""Known answers: a code equal to the factors scores high, a constant, duplicated or independent one about 0."""

from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.metrics import mutual_info_score

from pushforward.errors import PushforwardError
from pushforward.metrics import disentanglement as dis
from pushforward.metrics.disentanglement.predictors import completeness, disentanglement, squared_correlation
from pushforward.metrics.disentanglement.votes import sharing
from pushforward.seeds import generator

SIZES = (3, 4, 6, 5)
K = len(SIZES)
N, M = 3000, 1500
QUICK = dis.Settings(votes=1500, test_votes=1000, continuous=True)
CHANCE = 1 / K
NEAR = 4 * (CHANCE * (1 - CHANCE) / QUICK.test_votes) ** 0.5
"""Four standard errors of a share of the test votes."""


def factors(n: int, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(size, (n,), generator=g) for size in SIZES], 1)


def scored(code, settings=QUICK):
    v, w = factors(N, 0), factors(M, 1)
    return dis.scores(code(v), v, code(w), w, partial(generator, "cpu", 0), settings)


def moved(v):
    """The factors permuted, scaled and shifted."""
    return (v * torch.tensor([2.0, -0.5, 1.0, 3.0]) + 1)[:, [2, 0, 3, 1]]


def rotated(v):
    q = torch.linalg.qr(torch.randn(K, K, generator=torch.Generator().manual_seed(3))).Q
    return (v - torch.tensor(SIZES) / 2) / torch.tensor(SIZES) @ q


def noise(v):
    return torch.randn(len(v), K, generator=torch.Generator().manual_seed(len(v)))


def test_a_code_equal_to_the_factors_scores_high_in_any_order_and_scale():
    same, other = scored(lambda v: v.float()), scored(moved)
    assert len(same) == 8 and min(same.values()) > 0.98
    # forests and votes draw anew for another order of dimensions; all else is a sum in another order
    assert other == pytest.approx(same, abs=0.01)


def test_a_rotated_code_is_in_between():
    low, high = scored(noise), scored(lambda v: v.float())
    found = scored(rotated)
    assert all(low[name] < found[name] < high[name] for name in high), found
    assert found["mig"] < 0.5 and found["dci_disentanglement"] < 0.5 and found["dci_informativeness"] > 0.8


def test_a_constant_code_scores_nothing():
    found = scored(lambda v: torch.full((len(v), K), 7.0))
    zero = ("mig", "dci_disentanglement", "dci_completeness", "sap", "modularity", "factor_vae_score")
    assert {name: found[name] for name in zero} == dict.fromkeys(zero, 0.0)
    assert found["beta_vae_score"] == pytest.approx(CHANCE, abs=NEAR)
    assert found["dci_informativeness"] == pytest.approx(np.mean([1 / size for size in SIZES]), abs=0.05)


def test_an_independent_code_is_at_chance():
    found = scored(noise)
    assert max(found[name] for name in ("mig", "sap", "dci_disentanglement", "dci_completeness")) < 0.03
    # the winner among unlike dimensions is as good as random
    assert found["factor_vae_score"] == pytest.approx(CHANCE, abs=NEAR)
    assert found["beta_vae_score"] == pytest.approx(CHANCE, abs=NEAR)


def test_copies_of_one_factor_are_modular_and_nothing_else():
    found = scored(lambda v: v[:, [2] * K].float())
    assert found["mig"] == found["sap"] == 0.0
    assert found["dci_disentanglement"] < 0.1 and found["dci_completeness"] < 0.1
    assert found["modularity"] > 0.99  # each dimension stands for one factor, if for the same one
    # the votes of one factor are told, the other k − 1 at random
    assert found["beta_vae_score"] == pytest.approx(2 / K, abs=NEAR + 0.01)


def test_a_code_twice_is_complete_no_more():
    found = scored(lambda v: torch.cat([v, v], 1).float())
    assert found["mig"] == found["sap"] == 0.0
    assert found["dci_disentanglement"] > 0.98
    assert found["dci_completeness"] == pytest.approx(1 - np.log(2) / np.log(2 * K), abs=0.1)  # two dimensions a factor


def test_mutual_information_is_that_of_scikit_learn_on_histogram_bins():
    worst = 0.0
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        z, v = torch.randn(500, 3, generator=g) * torch.tensor([1.0, 10, 0.01]), factors(500, seed)
        z[:, 0] = z[:, 0].round()  # values that fall on edges
        bins = dis.discretize(z)
        found = dis.mutual_information(bins, v)
        for i in range(3):
            a = z[:, i].double().numpy()
            wanted = np.digitize(a, np.histogram(a, 20)[1][:-1])
            assert (wanted - 1 == bins[:, i].numpy()).all()
            for j in range(K):
                worst = max(worst, abs(float(found[i, j]) - mutual_info_score(wanted, v[:, j].numpy())))
    assert worst < 1e-12  # float64, some 120 cells; found 2e-15


def test_mig_by_hand():
    v = factors(N, 0)
    z = torch.stack([v[:, 0], v[:, 0], v[:, 1], v[:, 2]], 1).float()  # factor 0 twice, factor 3 not at all
    information = [[mutual_info_score(z[:, i], v[:, j]) for j in range(K)] for i in range(4)]
    top = np.sort(np.array(information), 0)
    entropies = [scipy.stats.entropy(np.bincount(v[:, j])) for j in range(K)]
    assert dis.mig(z, v) == pytest.approx(np.mean((top[-1] - top[-2]) / entropies), rel=1e-9)


def test_modularity_by_hand():
    v = factors(N, 0)
    z = torch.stack([v[:, 0], v[:, 0] + 10 * v[:, 1], torch.zeros(N)], 1).float()
    squared = np.array([[mutual_info_score(dis.discretize(z)[:, i], v[:, j]) for j in range(K)] for i in range(2)]) ** 2
    each = 1 - (squared.sum(1) - squared.max(1)) / squared.max(1) / (K - 1)
    assert dis.modularity(z, v) == pytest.approx(each.sum() / 3, rel=1e-9)  # the constant dimension counts 0


def test_dci_of_a_matrix_by_hand():
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        r = torch.rand(5, 3, generator=g, dtype=torch.float64) ** 4
        d = 1 - scipy.stats.entropy(r.T.numpy(), base=3)
        c = 1 - scipy.stats.entropy(r.numpy(), base=5)
        assert disentanglement(r) == pytest.approx(float((d * r.sum(1).numpy()).sum() / r.sum()), rel=1e-9)
        assert completeness(r) == pytest.approx(float((c * r.sum(0).numpy()).sum() / r.sum()), rel=1e-9)
    assert disentanglement(torch.eye(4)) == completeness(torch.eye(4)) == 1.0
    assert disentanglement(torch.zeros(4, 3)) == completeness(torch.zeros(4, 3)) == 0.0


def test_squared_correlation_is_numpys():
    for seed in range(20):
        z, v = torch.randn(200, 3, generator=torch.Generator().manual_seed(seed)), factors(200, seed)
        wanted = np.corrcoef(z.T.double().numpy(), v.T.double().numpy())[:3, 3:] ** 2
        assert np.allclose(squared_correlation(z, v).numpy(), wanted, rtol=1e-9, atol=1e-14)


def test_sap_by_a_line_through_one_dimension():
    discrete = dis.Settings(votes=100, test_votes=100)
    same, between, low = (scored(code, discrete)["sap"] for code in (lambda v: v.float(), rotated, noise))
    assert same > 0.3 > between > 0.03 > low
    assert scored(moved, discrete)["sap"] == pytest.approx(same, abs=0.01)


def test_rows_that_share_a_value_share_it_and_all_of_them_occur():
    v = factors(60, 0)[:, 2]
    rows = torch.arange(60)
    drawn = sharing(v, rows, 500, torch.Generator().manual_seed(0))
    assert (v[drawn] == v.unsqueeze(1)).all()
    assert all(set(drawn[i].tolist()) == set((v == v[i]).nonzero().flatten().tolist()) for i in range(60))


def test_collapsed_dimensions_cannot_win():
    v = factors(N, 0)
    z = torch.cat([v.float(), 1e-4 * torch.randn(N, 2, generator=torch.Generator().manual_seed(0))], 1)
    g = partial(torch.Generator().manual_seed, 0)
    assert dis.factor_vae_score(z, v, g(), train=500, test=500) == 1.0


@pytest.mark.parametrize("code", [rotated, lambda v: v.double(), lambda v: torch.cat([rotated(v), noise(v)], 1)])
def test_no_score_depends_on_the_scale_of_a_unit(code):
    """Powers of two scale floats without rounding, so nothing but a dependence on scale could move a score."""
    scales = 2.0 ** torch.tensor([9, -30, 0, 14, -3, 5, 21, -12])
    plain = scored(code)
    assert scored(lambda v: code(v) * scales[: code(v).shape[1]]) == plain
    # of any one unit, by 21: to the rounding of edges of bins and of standardised codes
    for unit in range(K):
        scale = torch.ones(code(factors(2, 0)).shape[1]).index_fill(0, torch.tensor(unit), 21.0)
        assert scored(lambda v, scale=scale: code(v) * scale) == pytest.approx(plain, abs=0.02)


@pytest.mark.parametrize("value", [7.0, 0.1, -1e-9])
def test_a_constant_unit_is_left_out(value):
    v = factors(N, 0)
    code = torch.cat([torch.full((N, 1), value, dtype=torch.float64), v], 1)
    assert dis.factor_vae_score(code, v, torch.Generator().manual_seed(0), train=500, test=500) == 1.0


def test_factor_vae_of_a_perfect_code_is_1_in_any_order_and_scale():
    v, g = factors(N, 0), partial(torch.Generator().manual_seed, 0)
    for scales in ([1, 1, 1, 1], [21, 1, 1, 1], [1, 21, 0.01, 300], [1e-6, 1e6, 1, 1]):
        code = (v * torch.tensor(scales, dtype=torch.float64) - 5)[:, [2, 0, 3, 1]]
        assert dis.factor_vae_score(code, v, g(), train=500, test=500) == 1.0


def test_randomness_is_the_generators_alone():
    torch.manual_seed(1)
    first = scored(rotated)
    state = torch.get_rng_state()
    assert scored(rotated) == first and (torch.get_rng_state() == state).all()


def test_a_factor_that_does_not_vary_is_refused():
    v = factors(50, 0)
    v[:, 1] = 2
    with pytest.raises(PushforwardError, match="one value"):
        dis.scores(v.float(), v, v.float(), v, partial(generator, "cpu", 0), QUICK)
