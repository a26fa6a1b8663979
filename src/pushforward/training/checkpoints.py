"""Checkpoints that `kill -9` cannot break: written whole or not at all, and all that a run needs to go on bit for bit."""

from pathlib import Path
from typing import Any

import torch

from pushforward.families import Family
from pushforward.runs import whole


def save(path: Path, family: Family, **more: Any) -> None:
    """Weights, EMA weights beside the raw ones, optimisers, counters, and what else is named.

    Noise and data order are functions of (seed, position), so no generator state is among them.
    """
    assert family.stepper is not None
    write(path, {"state_dict": family.state_dict(), **family.stepper.state_dict(), **more})


def snapshot(family: Family) -> dict[str, Any]:
    """A copy of what evaluation needs: the weights, EMA weights beside them, and the counters."""
    assert family.stepper is not None
    state = family.stepper.state_dict()
    copies = {
        name: {key: value.detach().clone() for key, value in tensors.items()}
        for name, tensors in (("state_dict", family.state_dict()), ("ema", state["ema"]))
    }
    return {**copies, "progress": state["progress"]}


def write(path: Path, state: dict[str, Any]) -> None:
    """Writes a state, whole or not at all; of a view only what it shows, not all that it is a view of."""
    with whole(path) as aside:
        torch.save(compact(state), aside)


def compact(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.untyped_storage().nbytes() > value.nbytes:
        return value.clone()
    if isinstance(value, dict):
        return {key: compact(item) for key, item in value.items()}
    return [compact(item) for item in value] if isinstance(value, list) else value


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """The checkpoint at `path`, without running any code it may hold."""
    return torch.load(path, map_location=map_location, weights_only=True)


def restore(family: Family, state: dict[str, Any]) -> None:
    """Puts weights, optimisers, averages and counters back."""
    family.load_state_dict(state["state_dict"])
    assert family.stepper is not None
    family.stepper.load_state_dict(state)


def weights(state: dict[str, Any], ema: bool = True) -> dict[str, Any]:
    """The weights to evaluate: the moving averages where there are any (and `ema` asks for them), else the raw ones."""
    return {**state["state_dict"], **(state["ema"] if ema else {})}
