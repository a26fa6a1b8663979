"""Compressors on images whose bits are known: noise cannot be compressed, a constant costs next to nothing."""

import lzma
import zlib

import numpy as np
import pytest
import torch

from pushforward.errors import PushforwardError
from pushforward.metrics import compressors
from pushforward.metrics.compressors import bits_per_dim, sheets

NAMES = ["zlib", "lzma", "PNG", "WebP"]
FILES = ["PNG per image", "WebP per image"]


def noise(n: int, c: int, side: int, levels: int = 256) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.randint(levels, (n, c, side, side), generator=g, dtype=torch.uint8)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_noise_costs_its_entropy(channels: int) -> None:
    """8 bits, or 4 where only 16 levels occur: no less but by the chance of so few pixels, and headers ≤ 4 % more."""
    x = noise(64, channels, 32)
    found = bits_per_dim(x)
    assert list(found) == NAMES
    for value in found.values():
        assert 7.99 < value < 8.3
    few = bits_per_dim(noise(64, channels, 32, 16))
    assert all(3.99 < value < 5.2 for value in few.values())  # a Huffman code of pairs and filters waste some


def test_bits_of_binary_noise_are_one_a_pixel() -> None:
    found = bits_per_dim(noise(64, 1, 32, 2), levels=2)
    assert all(0.99 < value < 1.1 for value in found.values()), found


def test_a_constant_costs_nothing_but_headers() -> None:
    found = bits_per_dim(torch.full((400, 1, 28, 28), 7, dtype=torch.uint8), tools=[*NAMES, *FILES])
    assert list(found) == [*NAMES, *FILES]
    assert all(found[name] < 0.04 for name in NAMES)  # a match of deflate holds at most 258 bytes
    assert found["PNG per image"] > 0.5  # 57 bytes of signature and chunks at the least, over 784 pixels


def test_streams_are_the_whole_set_at_once() -> None:
    x = noise(8, 1, 16, 4)
    stream = x.numpy().tobytes()
    found = bits_per_dim(x)
    assert found["zlib"] == 8 * len(zlib.compress(stream, 9)) / x.numel()
    assert found["lzma"] == 8 * len(lzma.compress(stream, preset=9)) / x.numel()


@pytest.mark.parametrize("n", [1, 2, 7, 16, 23])
@pytest.mark.parametrize("widest", [9, 16383])
def test_sheets_hold_each_picture_once(n: int, widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressors, "WIDEST", widest)
    pictures = np.arange(n * 3 * 4 * 2).reshape(n, 3, 4, 2)
    found = []
    for sheet in sheets(pictures):
        height, width, c = sheet.shape
        assert c == 2 and height <= max(widest, 3) and width <= max(widest, 4)
        found += [sheet[i : i + 3, j : j + 4] for i in range(0, height, 3) for j in range(0, width, 4)]
    assert np.array_equal(np.stack(found), pictures)


def test_refusals() -> None:
    with pytest.raises(PushforwardError, match="no images"):
        bits_per_dim(torch.zeros(0, 1, 2, 2, dtype=torch.uint8))
    with pytest.raises(PushforwardError, match="gzip is not known"):
        bits_per_dim(noise(1, 1, 2), tools=["gzip"])
    with pytest.raises(PushforwardError, match="level 3, expected 0 … 1"):
        bits_per_dim(torch.full((1, 1, 2, 2), 3, dtype=torch.uint8), levels=2)


def test_what_comes_back_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zlib, "decompress", lambda packed: b"")
    with pytest.raises(RuntimeError, match="did not come back"):
        bits_per_dim(noise(2, 1, 4))
