"""Every recipe's run id on three data sets, held fixed: a run that was trained is found again by the same command.

Only a raised `RESULTS` in `pushforward.config` changes an id, and only a new recipe adds one: `python tests/test_run_ids.py`
records those, and nothing else.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig

from pushforward import composition, config

FILE = Path(__file__).with_name("run_ids.json")
DATA = ("digits", "mnist", "sprites", "toy2d")
PLANE = ("flow_matching", "gan", "realnvp", "spline_flow")
"""Recipes that train on points in the plane, too, with an MLP."""


def composed(loader: composition.Loader, *overrides: str) -> DictConfig:
    return loader.load_configuration(composition.ROOT, [*overrides], composition.RunMode.RUN, from_shell=False)


def ids() -> Iterator[str]:
    """Run ids, all recipes by name and data set. Hydra composes a recipe once: data sets differ in their own node alone."""
    loader = composition.Loader()
    data = {name: composed(loader, f"data={name}") for name in DATA}
    for recipe in config.options("model"):
        cfg = composed(loader, f"model={recipe}")
        for name in DATA[:3]:
            yield on(cfg, data[name], name)
        if recipe in PLANE:
            yield on(composed(loader, f"model={recipe}", "network=mlp"), data["toy2d"], "toy2d")


def on(cfg: DictConfig, other: DictConfig, name: str) -> str:
    """The run id of a composed config on another data set."""
    cfg.data, cfg.hydra.runtime.choices.data = other.data, name
    return config.run_id(composition.frozen(cfg))


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_OUTPUTS", str(tmp_path))


def test_ids_are_those_recorded() -> None:
    recorded = json.loads(FILE.read_text())
    assert recorded["results"] == config.RESULTS, (
        "RESULTS was raised: python tests/test_run_ids.py records the ids anew"
    )
    found = list(ids())
    assert found == recorded["ids"] and len(found) == 3 * len(config.options("model")) + len(PLANE)


def test_data_are_exchanged_as_hydra_composes_them() -> None:
    frozen = composition.compose(["model=vae", "data=mnist"])
    assert config.run_id(frozen) in json.loads(FILE.read_text())["ids"]


def record() -> None:
    """Writes the ids. Those of recipes that were there change with `RESULTS` alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PUSHFORWARD_OUTPUTS"] = folder
        found = list(ids())
    old = json.loads(FILE.read_text()) if FILE.is_file() else {"results": 0, "ids": []}
    if old["results"] == config.RESULTS and (lost := sorted(set(old["ids"]) - set(found))):
        sys.exit(f"ids changed, and RESULTS is still {config.RESULTS}: {', '.join(lost)}")
    FILE.write_text(json.dumps({"results": config.RESULTS, "ids": found}, indent=1) + "\n")


if __name__ == "__main__":
    record()
