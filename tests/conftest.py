"""What tests of several folders share."""

import copy
import hashlib
import json
import os
import pickle
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pushforward.atomic_files import write_whole
from pushforward.composition import Loader, RunMode
from pushforward.sweep.compose_cache import Once

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores, and threads that wait for each other spin
    os.environ.setdefault("OMP_NUM_THREADS", "1")


SHELF = pytest.StashKey[list[Path]]()


def payloads(path: Path) -> Iterator[bytes]:
    """The entries of a LevelDB-style log: blocks of 32 KiB; (crc, length, kind) before each part; parts 2, 3, 4 make one."""
    data, position, parts = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while position + 7 <= len(data):
        left = 2**15 - position % 2**15
        if left < 7:  # a header never straddles two blocks
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


class Logged:
    """What a W&B file holds."""

    def __init__(self, run: Path) -> None:
        from wandb.proto import wandb_internal_pb2 as pb

        [path] = (run / "wandb").glob("offline-run-*/run-*.wandb")
        self.config: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.runs: list[Any] = []
        self.summary: dict[str, Any] = {}
        self.exit_code: int | None = None
        for payload in payloads(path):
            record = pb.Record()
            record.ParseFromString(payload)
            if record.HasField("run"):
                self.runs.append(record.run)
            for update in (record.run.config.update, record.config.update):
                self.config |= {item.key: json.loads(item.value_json) for item in update}
            if record.HasField("history"):
                row: dict[str, Any] = {}
                for item in record.history.item:
                    key, *inner = [item.key] if item.key else item.nested_key
                    value = json.loads(item.value_json)
                    row[key] = {**row.get(key, {}), inner[0]: value} if inner else value
                self.history.append(row)
            for item in record.summary.update:
                self.summary[".".join([item.key] if item.key else item.nested_key)] = json.loads(item.value_json)
            if record.HasField("exit"):
                self.exit_code = record.exit.exit_code

    def column(self, name: str) -> dict[int, Any]:
        return {row["images_seen"]: row[name] for row in self.history if name in row}


@pytest.fixture
def read_wandb() -> type[Logged]:
    """A run directory -> what its one offline W&B file holds."""
    return Logged


def pytest_configure(config: pytest.Config) -> None:
    """`composition.compose` asks Hydra once for the same options, in tests and where they are collected.

    Values are set in a copy, as in a sweep's jobs: that this equals what Hydra composes, tests/sweep/test_compose_cache.py
    tells. Command lines compose afresh.
    """
    load, split = Loader.load_configuration, Once(None).split  # type: ignore[arg-type]
    bases: dict[tuple[str, ...], DictConfig] = {}
    shelf = config.stash.setdefault(SHELF, [])

    def kept(others: tuple[str, ...], fresh: Callable[[list[str]], DictConfig]) -> DictConfig:
        """The config of these options: this worker's, or another's, or a new one."""
        if others not in bases:
            files = [folder / hashlib.sha1(repr(others).encode()).hexdigest() for folder in shelf]
            if found := [file for file in files if file.exists()]:
                bases[others] = pickle.loads(found[0].read_bytes())
            else:
                bases[others] = fresh([*others])
                for file in files:
                    write_whole(file, pickle.dumps(bases[others]), durable=False)
        return bases[others]

    def shared(
        self: Loader, config_name: str, overrides: list[str], run_mode: RunMode, from_shell: bool = True, **more: Any
    ) -> DictConfig:
        def fresh(asked: list[str]) -> DictConfig:
            return load(self, config_name, asked, run_mode, from_shell, **more)

        if from_shell or self.folder is not None:
            return fresh(overrides)
        try:
            values, others = split(overrides)
            if len({choice.partition("=")[0] for choice in others if choice[0] not in "+~"}) == len(others):
                others.sort()  # each chooses another group's option, in whatever order
            cfg = copy.deepcopy(kept(tuple(others), fresh))
            for key, value in values:
                OmegaConf.update(cfg, key, value, merge=True)
            return cfg
        except (OmegaConfBaseException, HydraException):
            return fresh(overrides)

    patch = pytest.MonkeyPatch()
    patch.setattr(Loader, "load_configuration", shared)
    config.add_cleanup(patch.undo)


@pytest.fixture(scope="session", autouse=True)
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The folder in which workers that run side by side find what others have composed."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "composed"
        folder.mkdir(exist_ok=True)
        request.config.stash[SHELF].append(folder)
