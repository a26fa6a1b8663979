"""What a sweep's exit code says."""

import signal

import pytest

from pushforward.launch import of_sweep


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([], 0), ([0, 0], 0), ([0, 1], 1), ([1], 1), ([130, 0], 130), ([-signal.SIGTERM, 143], 130), ([130, 1], 1),
        ([-signal.SIGKILL], 1), ([-signal.SIGSEGV, 130], 1), ([128 + signal.SIGHUP], 130), ([2], 1), ([74], 1),
    ],
)  # fmt: skip
def test_a_failure_is_no_interruption(codes: list[int], said: int) -> None:
    assert of_sweep(codes) == said
