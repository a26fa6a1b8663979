"""Copies are found, what is drawn anew is not."""

import torch

from pushforward.metrics.nearest import isolation, memorised, nearest


def normal(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


def test_copies_are_all_memorised_and_new_data_about_half() -> None:
    train, test, fresh = normal(800, 0), normal(800, 1), normal(800, 2)
    copies = memorised(train[:300] + 1e-3, train, test)
    assert copies.share == 1.0 and copies.ratio < 0.01
    anew = memorised(fresh, train, test)
    assert abs(anew.ratio - 1) < 0.1
    # a new point and the others are exchangeable, but its nearest point is chosen: the share is near ½, as for held-out data
    assert (
        abs(anew.share - memorised(test, train, fresh).share) < 4 * (2 * 0.25 / 800) ** 0.5 and 0.35 < anew.share < 0.65
    )
    half = memorised(torch.cat((train[:400] + 1e-3, fresh[:400])), train, test)
    assert abs(half.share - (1 + anew.share) / 2) < 0.06


def test_nearest_by_hand_in_blocks() -> None:
    distance, index = nearest(torch.tensor([[0.2], [5.0]]), torch.tensor([[0.0], [4.0], [9.0]]), block=1)
    assert index.tolist() == [0, 1]
    torch.testing.assert_close(distance, torch.tensor([0.2, 1.0], dtype=torch.float64), rtol=0, atol=1e-7)
    assert isolation(torch.tensor([[0.0], [4.0], [9.0], [9.0]]), torch.tensor([1, 3]), block=1).tolist() == [4, 0]
