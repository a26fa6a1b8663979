"""Augmentation: of training images alone, a function of (seed, block), and no part of a run's id where none is chosen."""

import copy
from typing import Any

import pytest
import torch

from pushforward.composition import compose
from pushforward.config import run_id
from pushforward.data import DataModule, FlipAndCrop
from pushforward.data.sources import Digits, Toy2d
from pushforward.data.stacked_streams import side_by_side
from pushforward.errors import PushforwardError
from pushforward.training.build import build_data

BOTH = FlipAndCrop(0.5, 2)


def digits(augmentation: FlipAndCrop | None = BOTH, start: int = 0, seed: int = 0, **options: Any) -> DataModule:
    data = DataModule(Digits(), 48, 180, augmentation=augmentation, **options)
    data.cycles, data.seed, data.start_block = 48, seed, start
    return data


def blocks(data: DataModule) -> list[torch.Tensor]:
    return [block.batch.x for block in data.train_dataloader()]


def test_images_are_mirrored_and_moved_as_their_noise_says() -> None:
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).view(2, 3, 4, 5)
    assert torch.equal(FlipAndCrop(1.0, 0)(x, torch.rand(2, 3)), x.flip(-1))
    half = torch.tensor([[0.4, 0, 0], [0.6, 0, 0]])
    assert torch.equal(FlipAndCrop(0.5, 0)(x, half), torch.stack([x[0].flip(-1), x[1]]))
    # u = 0 is −pad, the largest u is +pad, ½ is 0
    moved = FlipAndCrop(0.0, 1)(x, torch.tensor([[0.9, 0.0, 0.999], [0.9, 0.5, 0.5]]))
    assert torch.equal(moved[0, :, :3, 1:], x[0, :, 1:, :4]) and torch.equal(moved[1], x[1])
    assert moved[0, :, 3].sum() == 0 == moved[0, :, :, 0].sum() and moved.dtype == torch.uint8


def test_offsets_and_mirrors_are_uniform() -> None:
    """5 offsets each way and a fair coin in 20,000 draws: 5 σ of each count."""
    n = 20_000
    one = torch.zeros(n, 1, 7, 7)
    one[:, 0, 3, 2] = 1
    places = FlipAndCrop(0.5, 2)(one, BOTH.draw(n, torch.Generator().manual_seed(0))).flatten(1).argmax(1)
    rows, columns = places // 7, places % 7
    # a mark in column 2 stands in column 4 once mirrored: offsets −2 to 2 of either
    expected = torch.tensor([1, 1, 2, 2, 2, 1, 1]) / 10
    for found, p in ((rows, torch.tensor([0, 1, 1, 1, 1, 1, 0]) / 5), (columns, expected)):
        counts = torch.bincount(found, minlength=7).double()
        assert bool(((counts - n * p).abs() <= 5 * (n * p * (1 - p)).sqrt()).all())


def test_training_images_alone_and_the_same_after_a_break_streamed_or_stacked() -> None:
    plain, data = digits(None), digits()
    first = blocks(data)
    assert len(first) == 3 and not torch.equal(first[0], first[1][: len(first[0])])
    share = torch.stack([(a == b).flatten(2).all(2) for a, b in zip(first, blocks(plain), strict=True)]).float().mean()
    assert share == pytest.approx(1 / 50, abs=5 * (0.02 / 2304) ** 0.5)  # no mirror and neither shift: ½ · ⅕ · ⅕
    for split in ("train", "val", "test"):
        assert torch.equal(data.tensor(split), plain.tensor(split))
    resumed = blocks(digits(start=1))
    assert all(torch.equal(a, b) for a, b in zip(first[1:], resumed, strict=True))
    streamed = blocks(digits(resident_limit_mb=0))
    assert all(torch.equal(a, b) for a, b in zip(first, streamed, strict=True))
    other = copy.copy(data)
    other.seed = 1
    stacked = list(side_by_side([data.train_dataloader(), other.train_dataloader()], 0, 3))
    for block, a, b in zip(stacked, first, blocks(digits(seed=1)), strict=True):
        assert torch.equal(block.batch.x[:, 0], a) and torch.equal(block.batch.x[:, 1], b)


def test_what_it_moves_is_the_levels_and_not_the_noise_of_preparing_them() -> None:
    """Black that moves in is level 0 for every preparation: with dequantisation it lies in [0, 1/17)."""
    x = torch.cat(blocks(digits(FlipAndCrop(0.0, 7), dequantize=True))).flatten(0, 1)
    levels = (x * 17).floor()
    assert ((levels == 0).float().mean((1, 2, 3)) > 0.9).any() and x.min() > 0
    assert bool((x[levels == 0] < 1 / 17).all()) and len(x[levels == 0].unique()) > 1000


def test_refused_for_points_and_borders_as_large_as_the_image() -> None:
    with pytest.raises(PushforwardError, match=r"ring has points, not images: data\.augmentation must be null"):
        DataModule(Toy2d("ring", 100, 50, 0), 10, 10, augmentation=BOTH).setup()
    with pytest.raises(PushforwardError, match=r"pad=8: images of digits are 8×8 pixels; give less"):
        digits(FlipAndCrop(0.0, 8)).setup()


def test_the_group_makes_another_run_and_none_is_as_before() -> None:
    plain, chosen = compose(["model=ae"]), compose(["model=ae", "augmentation=flip_crop", "data.augmentation.pad=1"])
    assert "augmentation" not in plain["data"] and plain["choices"]["augmentation"] == "none"
    assert run_id(plain) != run_id(chosen)
    data = build_data(chosen)
    assert data.augmentation is not None and vars(data.augmentation) == {"flip": 0.5, "pad": 1}
    assert data.card["augmentation"] == {"flip": 0.5, "pad": 1} and "augmentation" not in build_data(plain).card
    assert {compose([f"augmentation={name}"])["data"]["augmentation"]["pad"] for name in ("flip", "crop")} == {0, 4}
