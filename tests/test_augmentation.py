"""Augmentations: noise at its middle changes nothing, places are exact, gradients pass."""

import pytest
import torch

from pushforward.augmentation import KINDS, Augmentation, translate
from pushforward.errors import PushforwardError
from pushforward.seeds import generator
from pushforward.spec import DataSpec

RGB = DataSpec((3, 8, 8), 256, 10)


def images(n: int = 3) -> torch.Tensor:
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_middle_of_the_noise_leaves_colour_and_place() -> None:
    augment = Augmentation(["colour", "translation"], 0.25, 0.5, spec=RGB)
    x = images()
    torch.testing.assert_close(augment(x, torch.full((3, 7), 0.5)), x)


def test_images_move_by_whole_pixels() -> None:
    x = images(2)
    moved = translate(x, torch.tensor([2, -1]), torch.tensor([0, 3]))
    torch.testing.assert_close(moved[0, :, 2:], x[0, :, :-2])
    assert bool((moved[0, :, :2] == 0).all())
    torch.testing.assert_close(moved[1, :, :-1, 3:], x[1, :, 1:, :-3])
    assert bool((moved[1, :, -1] == 0).all()) and bool((moved[1, :, :, :3] == 0).all())


def test_a_hole_is_a_square_of_half_the_side() -> None:
    augment = Augmentation(["cutout"], 0.0, 0.5, spec=RGB)
    changed = augment(images() + 5, torch.full((3, 7), 0.5)) == 0
    assert changed.sum((1, 2, 3)).tolist() == [3 * 16] * 3


def test_shifts_are_uniform_over_the_whole_range() -> None:
    """Side 8, an eighth: −1, 0 and 1, a third each; 4 standard errors of 30,000 draws are 1.1 %."""
    u = torch.rand(30_000, generator=torch.Generator().manual_seed(0))
    offsets = Augmentation(KINDS, 0.125, 0.5, spec=RGB).offsets(u, 8)
    assert offsets.unique().tolist() == [-1, 0, 1]
    torch.testing.assert_close((torch.bincount(offsets + 1) / len(u)), torch.full((3,), 1 / 3), rtol=0, atol=0.011)


def test_gradients_reach_the_images() -> None:
    augment, x = Augmentation(KINDS, 0.125, 0.5, spec=RGB), images().requires_grad_()
    augment(x, augment.draw(3, generator("cpu", 0, "a"))).square().sum().backward()
    assert x.grad is not None and float(x.grad.abs().sum()) > 0


def test_what_is_refused() -> None:
    with pytest.raises(PushforwardError, match="flip is not known"):
        Augmentation(["flip"], 0.1, 0.5, spec=RGB)
    with pytest.raises(PushforwardError, match="are points"):
        Augmentation(KINDS, 0.1, 0.5, spec=DataSpec((2,), None, 10))
