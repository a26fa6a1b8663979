"""The config tree composes and binds."""

from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob

from pushforward import config
from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.runs import Run, RunDir
from pushforward.training.signatures import check_targets, nodes

CONF = config.conf_dir()
FILES = sorted(
    path.relative_to(CONF).with_suffix("") for path in CONF.rglob("*.yaml") if path.parent.name != config.TABLES
)

ALSO: dict[str, list[str]] = {
    "likelihood": ["model=vae"],
    "corruption": ["model=denoising_ae"],
    "data/folder": ["data.source.path={here}"],
    "data/npz": ["data.source.path={here}"],
    "measure": ["metrics=none", "metrics.images=100"],
    "density": ["metrics=none"],
}
"""What an option needs beside it."""
OF_RUNS = {
    "data/codes": r"data\.run: it has no default",
    "data/code_indices": r"data\.run: it has no default",
    "experiment/zoo_codes": r"data\.run=model=ae.* No runs",
    "experiment/zoo_reflow": r"init_from=model=flow_matching.* No runs",
}
"""Options that begin with another run, and what is said where there is none."""
AS = {
    "optimizer": "optimizer@optimizer.model={}",
    "measure": "+measure@metrics.{0}={0}",
    "density": "+density@metrics.densities.{0}={0}",
}
"""How a group is chosen where not by its folder's name."""


def overrides(file: Path, here: Path) -> list[str]:
    group, option = file.parts[0], "/".join(file.parts[1:])
    if not option:
        return []
    also = [*ALSO.get(group, []), *ALSO.get(str(file), [])]
    return [*(o.format(here=here) for o in also), AS.get(group, group + "={}").format(option)]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_composes_and_binds(file: Path, tmp_path: Path) -> None:
    if str(file) in OF_RUNS:  # a run is what it is made of: tests/training/test_first_stage.py has one
        with pytest.raises(PushforwardError, match=OF_RUNS[str(file)]):
            compose(overrides(file, tmp_path))
        return
    frozen = compose(overrides(file, tmp_path))
    check_targets(frozen)
    components = [path for path, _ in nodes(frozen, "")]
    assert {"data", "network", "model", "weighting"} <= set(components)
    assert "study" not in frozen and "study" not in frozen["choices"], "it belongs to the search, not to its runs"
    if len(file.parts) > 1 and file.parts[0] not in (*AS, "study"):
        assert frozen["choices"][file.parts[0]] == "/".join(file.parts[1:])


def test_files_found() -> None:
    groups = {file.parts[0] for file in FILES if len(file.parts) > 1}
    assert len(FILES) >= 50
    assert groups >= {
        "data",
        "network",
        "model",
        "weighting",
        "optimizer",
        "trainer",
        "logger",
        "features",
        "experiment",
        "study",
    }


def test_every_option_says_what_it_is() -> None:
    for file in FILES:
        lines = (CONF / f"{file}.yaml").read_text().splitlines()
        first = next(line for line in lines if not line.startswith("# @package"))
        assert first.startswith("# ") and len(first) > 10, file


def test_experiments_sweep_over_models_that_exist() -> None:
    parser, found = OverridesParser.create(), set()
    for path in CONF.glob("experiment/**/*.yaml"):
        params = (yaml.safe_load(path.read_text()).get("hydra") or {}).get("sweeper", {}).get("params") or {}
        if "model" in params:
            value = parser.parse_override(f"model={params['model']}").value()
            some = value.exclude if isinstance(value, Glob) else params["model"].split(",")
            assert some and set(some) <= set(config.options("model")), path
            found.add(type(value))
    assert len(found) >= 2, "lists of models, and patterns"


def test_a_raised_results_makes_runs_stale(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", {"choices": {}, "results": config.RESULTS})
    assert config.stale(run) == ""
    RunDir.create(tmp_path / "run", {"choices": {}, "results": 1})
    assert config.stale(Run(tmp_path / "run")) == f"it was trained under results 1, now {config.RESULTS}"
