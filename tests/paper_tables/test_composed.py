"""Configs of many runs: what differs in nothing but its seed is composed once, and is what it would be alone."""

from pathlib import Path

import pytest

from pushforward.composition import compose
from pushforward.paper_tables.composed import Composer


@pytest.fixture
def composer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Composer, list[list[str]]]:
    """A composer, and what it has Hydra compose."""
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))
    made, asked = Composer(None), list[list[str]]()
    inner = made.loader.load_sweep_config
    monkeypatch.setattr(made.loader, "load_sweep_config", lambda *args: asked.append(args[1]) or inner(*args))
    return made, asked


def test_seeds_of_one_config_are_composed_once(composer: tuple[Composer, list[list[str]]]) -> None:
    made, asked = composer
    jobs = [[f"model={model}", "budget.epochs=2", f"seed={seed}"] for model in ("ae", "vae") for seed in (1, 2, 3)]
    found = [made.frozen(job) for job in jobs]
    assert found == [compose(job) for job in jobs] and len(asked) == 2
    found[0]["model"]["_target_"] = "other"
    assert found[1]["model"]["_target_"] != "other"


def test_a_seed_that_stands_elsewhere_too_is_composed_each_time(composer: tuple[Composer, list[list[str]]]) -> None:
    made, asked = composer
    found = [made.frozen(["tags=['s${seed}']", f"seed={seed}"]) for seed in (1, 2)]
    assert [one["tags"] for one in found] == [["s1"], ["s2"]] and len(asked) == 2
