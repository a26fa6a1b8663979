"""What memory cannot hold is refused before it is taken."""

import pytest
import torch
from torch import nn

from pushforward import machine
from pushforward.errors import PushforwardError
from pushforward.spec import DataSpec
from pushforward.training.memory import check_batch, within_memory


def test_a_model_that_fits_is_built_as_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: 1e9)
    torch.manual_seed(1)
    wanted = nn.Linear(30, 40).weight
    torch.manual_seed(1)
    with within_memory():
        made = nn.Linear(30, 40).weight
    assert torch.equal(made, wanted)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Linear(10**6, 10**6),
        lambda: nn.Sequential(*(nn.Linear(3000, 3000) for _ in range(100))),
        lambda: torch.linspace(0, 1, 10**12),
        lambda: torch.arange(10**12),
        lambda: torch.zeros(10**10),
    ],
    ids=["one layer", "many layers", "linspace", "arange", "zeros"],
)
def test_a_model_beyond_memory_is_refused(build: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: 4e9)
    with pytest.raises(PushforwardError, match=r"takes more than 1 GB in parameters alone"), within_memory():
        build()  # type: ignore[operator]


def test_a_batch_beyond_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = DataSpec((1, 8, 8), 17, 1000)
    monkeypatch.setattr(machine, "free_memory", lambda: 1e9)
    check_batch({"batch_size": 1000}, spec)
    with pytest.raises(
        PushforwardError, match=r"batch_size=1000000000: its images take 256 GB, and 1 GB are free here"
    ):
        check_batch({"batch_size": 10**9}, spec)
    monkeypatch.setattr(machine, "free_memory", lambda: None)
    check_batch({"batch_size": 10**9}, spec)
