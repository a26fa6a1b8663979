"""The config tree composes and binds, and a run's identity moves with what it trains and with nothing else."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pushforward import config
from pushforward.errors import PushforwardError
from pushforward.launch import compose
from pushforward.training.bind import check_targets, nodes

CONF = config.conf_dir()
FILES = sorted(path.relative_to(CONF).with_suffix("") for path in CONF.rglob("*.yaml"))

ALSO: dict[str, list[str]] = {
    "likelihood": ["model=vae"],
    "corruption": ["model=denoising_ae"],
    "data/folder": ["data.source.path={here}"],
    "data/npz": ["data.source.path={here}"],
    "measure": ["metrics=none", "metrics.images=100"],
    "density": ["metrics=none"],
}
"""What an option needs beside it."""
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
    found = 0
    for path in CONF.glob("experiment/**/*.yaml"):
        params = (yaml.safe_load(path.read_text()).get("hydra") or {}).get("sweeper", {}).get("params") or {}
        if "model" in params:
            found += 1
            assert set(params["model"].split(",")) <= set(config.options("model")), path
    assert found >= 1


# Identity ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frozen() -> dict[str, Any]:
    return compose(["model=vae", "data=digits"])


MOVES = [
    "seed=2", "weighting.beta=4", "weighting=warmup", "budget.epochs=21", "batch_size=32", "precision=bf16",
    "model.code_dim=8", "network.hidden=[400]", "network=conv", "optimizer.model.lr=1e-2", "data.validation=100",
    "data.binarize=static", "selection.every=2", "likelihood=gaussian", "trainer=debug",
]  # fmt: skip
STAYS = [
    "trainer.threads=1", "trainer.devices=2", "trainer=ddp_cpu", "trainer=gpu", "trainer.progress=false",
    "trainer.log_every=1", "logger=none", "logger=wandb", "metrics=none", "features=none", "tags=[a,b]", "retry=stale",
    "budget.epochs=20.0", "weighting.beta=1", "optimizer.model.lr=0.001", "+data.workers=3", "+data.resident_limit_mb=1",
    "+model.later=null",
]  # fmt: skip


def test_identity_cases_found() -> None:
    assert len(MOVES) == 15 and len(STAYS) == 18


@pytest.mark.parametrize("override", MOVES)
def test_what_is_trained_moves_the_identity(override: str, frozen: dict[str, Any]) -> None:
    assert config.identity(compose(["model=vae", "data=digits", override])) != config.identity(frozen)


@pytest.mark.parametrize("override", STAYS)
def test_what_only_runs_or_shows_it_does_not(override: str, frozen: dict[str, Any]) -> None:
    assert config.identity(compose(["model=vae", "data=digits", override])) == config.identity(frozen)


def test_canonical() -> None:
    assert config.canonical({"b": 1.0, "a": None, "c": [2.0, 0.5, {"d": None}]}) == {"b": 1, "c": [2, 0.5, {}]}
    assert config.canonical(True) is True


def test_a_raised_results_number_is_another_run(frozen: dict[str, Any]) -> None:
    changed = copy.deepcopy(frozen)
    changed["results"] += 1
    assert config.identity(changed) != config.identity(frozen)


def test_run_id_is_readable(frozen: dict[str, Any]) -> None:
    assert config.run_id(frozen) == f"vae-digits-s1-{config.identity(frozen)[:6]}"


def test_own_data_enter_by_content(tmp_path: Path) -> None:
    """The same arrays elsewhere are the same run; other arrays at the same place are another."""
    zeros, ones = np.zeros((4, 8, 8), np.uint8), np.ones((4, 8, 8), np.uint8)
    one, two = tmp_path / "one.npz", tmp_path / "elsewhere" / "two.npz"
    two.parent.mkdir()
    np.savez(one, x=zeros)
    two.write_bytes(one.read_bytes())

    def identity(path: Path) -> str:
        return config.identity(compose(["data=npz", f"data.source.path={path}"]))

    first = identity(one)
    assert identity(two) == first
    np.savez(two, x=ones)
    assert identity(two) != first


def test_a_folder_enters_by_names_and_contents(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cat.png").write_bytes(b"cat")
        (tmp_path / name / ".DS_Store").write_bytes(name.encode())
    fingerprint = config.content_fingerprint
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    (tmp_path / "b" / "cat.png").rename(tmp_path / "b" / "dog.png")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
    with pytest.raises(PushforwardError, match="no such file or folder"):
        fingerprint(tmp_path / "c")


def test_own_modules_are_those_of_no_library(frozen: dict[str, Any]) -> None:
    assert config.own_modules(frozen) == []
    assert config.own_modules({"model": {"_target_": "mine.models.VAE", "x": [{"_target_": "torch.nn.ReLU"}]}}) == [
        "mine"
    ]
