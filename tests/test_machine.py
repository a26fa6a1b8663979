"""Cores, threads and memory are those that a process may use, not those that the machine has."""

import os
from pathlib import Path

import pytest

from pushforward import config, machine
from pushforward.sweep import devices

V2 = {
    "proc": "0::/user/job\n",
    "user/job/cpu.max": "max 100000",
    "user/cpu.max": "350000 100000",
    "cpu.max": "max 100000",
}
V1 = {
    "proc": "3:memory:/\n2:cpu,cpuacct:/docker/abc\n0::/\n",
    "cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "50000",
    "memory/memory.limit_in_bytes": str(3 * 2**30), "memory/memory.usage_in_bytes": str(2**30),
}  # fmt: skip
NONE = {"proc": "2:cpu:/\n", "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shared node of 128 cores, all of which the scheduler would give."""
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(128)), raising=False)
    monkeypatch.setattr(machine, "CGROUPS", Path("/nowhere"))
    monkeypatch.setattr(machine, "ASKED", "")


def mount(files: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    monkeypatch.setattr(machine, "CGROUPS", root / "proc")
    monkeypatch.setattr(machine, "SYSTEM", root)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(("files", "cores"), [(V2, 3), (V1, 3), (NONE, 128), ({}, 128)])
def test_a_cgroup_s_quota_limits_the_cores(
    files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of either version, a parent's too, and where a container sees its own folder as the root."""
    mount(files, tmp_path, monkeypatch)
    assert machine.cores() == machine.threads() == devices.at_once([], None, []) == cores
    assert machine.threads(2) == cores // 2


@pytest.mark.usefixtures("many")
def test_affinity_and_omp_num_threads_count(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = {"trainer": {"threads": None, "devices": 2, "num_nodes": 1, "accelerator": "cpu"}}
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {4, 5, 6, 7}, raising=False)
    assert (machine.cores(), config.threads(frozen)) == (4, 2)
    assert machine.explanation().startswith(
        "128 cores, of which this process may use 4 by affinity; train uses 4 threads"
    )
    monkeypatch.setattr(machine, "ASKED", "3,1")
    assert config.threads(frozen) == 3 and "3 threads (OMP_NUM_THREADS=3,1" in machine.explanation()
    assert devices.at_once([frozen], None, []) == 1
    monkeypatch.setattr(machine, "ASKED", "many")
    assert machine.threads() == 4
    frozen["trainer"]["threads"] = 1
    assert config.threads(frozen) == 1


def test_memory_is_what_the_cgroup_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount(V1 | {"info": "MemTotal: 9 kB\nMemAvailable: 4194304 kB"}, tmp_path, monkeypatch)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "info")
    assert machine.free_memory() == 2 * 2**30
    mount({"memory/memory.limit_in_bytes": "9223372036854771712"}, tmp_path, monkeypatch)
    assert machine.free_memory() == 4 * 2**30


def test_doctor_says_what_train_uses() -> None:
    from pushforward.doctor import accelerators

    assert [text for _, subject, text in accelerators() if subject == "CPU"] == [machine.explanation()]
