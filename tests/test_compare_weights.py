"""What the comparison of two checkouts' weights says of runs that agree, differ, or are not there."""

from pathlib import Path

import pytest
import torch

from compare_weights import compared


def run(folder: Path, **weights: float) -> str:
    (folder / "checkpoints").mkdir(parents=True)
    state = {"state_dict": {name: torch.full((2,), value) for name, value in weights.items()}, "ema": {}}
    torch.save(state, folder / "checkpoints" / "last.ckpt")
    return str(folder)


@pytest.mark.parametrize(
    ("there", "renames", "same", "said"),
    [
        ({"a": 1.0, "b": 2.0}, [], True, "the same bits in 2 tensors"),
        ({"x.a": 1.0, "b": 2.0}, [(r"^x\.", "")], True, "the same bits in 2 tensors"),
        ({"a": 1.0, "b": 2.5}, [], False, "1 of 2 tensors differ, by up to 0.5: b"),
        ({"a": 1.0}, [], False, "1 tensors in one alone: b here"),
    ],
)
def test_what_is_said(
    tmp_path: Path, there: dict[str, float], renames: list[tuple[str, str]], same: bool, said: str
) -> None:
    ours, theirs = run(tmp_path / "here", a=1.0, b=2.0), run(tmp_path / "there", **there)
    assert compared(ours, theirs, renames) == (same, said)


def test_a_recipe_that_was_not_trained() -> None:
    assert compared("runs/vae", "!out of luck", []) == (False, "not trained there: out of luck")
