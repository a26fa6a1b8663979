import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from pushforward.corruption import Corruption, GaussianNoise, Masking, SaltAndPepper
from pushforward.errors import PushforwardError

SHAPE = (500, 1, 20, 20)
N = 200_000  # dimensions in SHAPE
KINDS: list[tuple[type, float, float]] = [(GaussianNoise, 0.5, 1.5), (Masking, 0.3, 0.6), (SaltAndPepper, 0.2, 0.4)]


def corrupted(corruption: Corruption, value: float) -> torch.Tensor:
    noise = corruption.draw(SHAPE, torch.Generator().manual_seed(0))
    assert noise.shape == SHAPE
    x = torch.full(SHAPE, value)
    out = corruption(x, noise)
    assert torch.equal(out, corruption(x, noise))
    assert out.dtype == x.dtype
    return out


def test_gaussian_noise_has_its_deviation_and_is_not_clipped() -> None:
    """Standard errors with N draws: σ/√N of the mean, σ/√2N of the deviation; 5 of them."""
    out = corrupted(GaussianNoise(0.5), 0.9)
    assert abs(out.mean().item() - 0.9) < 5 * 0.5 / N**0.5
    assert abs(out.std().item() - 0.5) < 5 * 0.5 / (2 * N) ** 0.5
    assert out.max() > 1.5 and out.min() < 0


def test_masking_zeroes_a_fraction_and_leaves_the_rest() -> None:
    """A fraction's standard error is √(p(1−p)/N); 5 of them."""
    out = corrupted(Masking(0.3), 0.7)
    assert set(out.unique().tolist()) == {0.0, torch.tensor(0.7).item()}
    assert abs((out == 0).float().mean().item() - 0.3) < 5 * (0.21 / N) ** 0.5


def test_salt_and_pepper_are_equally_many() -> None:
    out = corrupted(SaltAndPepper(0.2), 0.7)
    for value in (0, 1):
        assert abs((out == value).float().mean().item() - 0.1) < 5 * (0.09 / N) ** 0.5
    assert out.unique().numel() == 3


@pytest.mark.parametrize(("kind", "a", "b"), KINDS)
def test_numbers_are_buffers_so_that_replicas_can_differ(kind: type, a: float, b: float) -> None:
    replicas = [kind(a), kind(b)]
    assert not replicas[0].state_dict() and not list(replicas[0].parameters())
    x, noise = torch.rand(9, 1, 4, 4), replicas[0].draw((9, 1, 4, 4), torch.Generator().manual_seed(0))
    _, buffers = stack_module_state(replicas)
    out = vmap(lambda b: functional_call(replicas[0], b, (x, noise)))(buffers)
    for k, replica in enumerate(replicas):
        assert torch.equal(out[k], replica(x, noise))
    assert not torch.equal(out[0], out[1])


def test_says_what_it_is() -> None:
    assert GaussianNoise(0.5).describe() == "Gaussian noise, σ = 0.5"
    assert Masking(0.3).describe() == "masking, p = 0.3"
    assert SaltAndPepper(0.2).describe() == "salt and pepper, p = 0.2"


def test_bad_numbers_are_refused() -> None:
    for make in (lambda: GaussianNoise(-1), lambda: Masking(1.2), lambda: SaltAndPepper(-0.1)):
        with pytest.raises(PushforwardError, match="corruption"):
            make()


def test_nothing_is_lost_at_zero() -> None:
    for kind, _, _ in KINDS:
        assert (corrupted(kind(0.0), 0.7) == 0.7).all()
