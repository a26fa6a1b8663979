"""The training streams of replicas that share their data, side by side: each in its own order, with its own noise."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pushforward.data.loader import Stream, gather_block
from pushforward.spec import Block


def side_by_side(streams: Sequence[Stream], start: int, stop: int) -> Iterator[Block]:
    """Blocks `start` to `stop` of K resident streams as one: its tensors are (m, K, n, …).

    The streams have the same data and layout, and the first one's tensors serve all.
    """
    first = streams[0]
    assert isinstance(first.x, Tensor)
    for number in range(start, stop):
        began = time.perf_counter()
        index = torch.stack([stream.layout.index(stream.order, number) for stream in streams], 1)
        raw = gather_block(first.x, first.y, index)
        waited = (time.perf_counter() - began) / len(streams)
        for stream in streams:
            stream.waited += waited
        if first.augmentation is not None:
            places = [stream.places(first.augmentation, number, len(index)) for stream in streams]
            raw = replace(raw, x=first.augmentation(raw.x, torch.stack(places, 1)))
        noises = [stream.noise(number, len(index)) for stream in streams]
        noise = tuple(torch.stack(same, 1) for same in zip(*noises, strict=True))
        yield Block(number, replace(raw, x=first.preparation(raw.x, noise)))
