"""Which jobs are trained as one, and what is said of the others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushforward.training import stack_planning
from pushforward.training.stack_planning import arrange, main

Compose = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack's step costs what one alone costs: what is measured on a busy machine decides no test."""
    monkeypatch.setattr(stack_planning, "repeated", lambda step, device: step() or 1.0)


def test_what_differs_in_numbers_is_one_and_the_rest_is_named(small: Compose) -> None:
    jobs = [
        small("model=vae"),
        small("model=vae", "seed=2"),
        small("model=vae", "weighting.beta=4", "optimizer.model.lr=1e-2"),
        small("model=vae", "model.code_dim=3"),
        small("model=vae", "precision=bf16"),
        small("model=ae"),
        small("model=sparse_ae_topk", "model.bottleneck.k=2"),
        small("model=sparse_ae_topk", "model.bottleneck.k=3"),
        small("model=vae", "batch_size=32"),
        small("model=vae", "+data.resident_limit_mb=0"),
        small("model=vae", "trainer.devices=2", "trainer.strategy=ddp"),
    ]
    found = arrange(jobs, 1, None)
    assert found["stacks"] == [[0, 1, 2]]
    assert sorted(found["alone"]) == list(range(3, 11))
    for job, why in {
        3: "code_dim is 3 in one and 16 in another", 4: "precision=bf16", 5: "no other job has its model",
        6: "bottleneck.k is 2 in one and 3 in another, and no tensor", 8: "batch_size differs",
        9: "data.resident_limit_mb", 10: "several devices",
    }.items():  # fmt: skip
        assert why in found["alone"][job], found["alone"][job]


def test_a_stack_for_each_process_and_as_many_as_memory_holds(small: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [small("model=vae", f"seed={s}") for s in range(1, 10)]
    assert [len(stack) for stack in arrange(jobs, 2, None)["stacks"]] == [5, 4]
    assert [len(stack) for stack in arrange(jobs, 2, 3)["stacks"]] == [3, 3, 3]
    need = []
    monkeypatch.setattr(stack_planning, "memory", lambda device: need[0] * 2.5)
    compared = stack_planning.compared
    monkeypatch.setattr(stack_planning, "compared", lambda *args: need.append(compared(*args)[0]) or (need[0], 1.0))
    found = arrange(jobs, 1, None)
    assert {len(stack) for stack in found["stacks"]} == {1, 2} and sorted(
        job for stack in found["stacks"] for job in stack
    ) == list(range(9))
    assert "as many as fit in memory" in found["notes"][0]
    assert need[0] > 5e5, "weights, optimiser and what the backward pass needs"


def test_what_is_slower_stacked_is_not(small: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((1.0, 9.0))  # alone; four as one
    monkeypatch.setattr(stack_planning, "repeated", lambda step, device: next(times))
    found = arrange([small("model=vae", f"seed={s}") for s in range(1, 9)], 1, None)
    assert found["stacks"] == [] and set(found["alone"].values()) == {
        "a stack of 4 is slower than one after the other here"
    }


def test_what_cannot_be_run_stacked_says_why(small: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    from pushforward.families import VariationalAutoencoder

    def drawn(self: Any, loss: Any) -> None:
        raise RuntimeError("vmap: no rule for this\nmore")

    monkeypatch.setattr(stack_planning.Stack, "block", drawn)
    found = arrange([small("model=vae", f"seed={s}") for s in (1, 2)], 1, None)
    assert set(found["alone"].values()) == {"cannot be stacked: vmap: no rule for this"}
    monkeypatch.undo()
    monkeypatch.setattr(VariationalAutoencoder, "stackable", "it asks a file")
    found = arrange([small("model=vae", f"seed={s}") for s in (1, 2)], 1, None)
    assert set(found["alone"].values()) == {"it asks a file"}


def test_what_comes_out_different_stacked_is_not(small: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    means = stack_planning.Stack.means
    monkeypatch.setattr(stack_planning.Stack, "means", lambda self, steps: means(self, steps) * 1.01)
    found = arrange([small("model=vae", f"seed={s}") for s in (1, 2)], 1, None)
    assert "in a stack and" in found["alone"][0] and "alone" in found["alone"][0]


def test_its_process(small: Compose, tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text(json.dumps([small("model=ae", f"seed={s}") for s in (1, 2)]))
    assert main([str(tmp_path / "jobs"), str(tmp_path / "answer"), "1", "0"]) == 0
    assert json.loads((tmp_path / "answer").read_text())["stacks"] == [[0, 1]]
