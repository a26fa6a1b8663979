"""Count what this process may use of its machine: cores, threads, memory; keep it from wasting it. Imports no torch."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ASKED = os.environ.get("OMP_NUM_THREADS", "")
"""The variable as this process found it: what `config.calm` puts there later is not a person's wish."""
MEMINFO, CGROUPS, SYSTEM = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the garbage collector: thousands of records are trees that live to the end, which it would walk again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def affinity() -> int:
    """Return CPU cores that the scheduler may run this process on."""
    count = os.cpu_count() or 1
    return min(count, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else count


def quota() -> float | None:
    """Return cores that the cgroup of this process pays for, its parents' limits included; None without a limit."""
    limits = [_ratio(_read(folder / "cpu.max").split()) for folder in _folders("")]
    for folder in _folders("cpu"):
        limits.append(_ratio([_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]))
    return min((limit for limit in limits if limit is not None), default=None)


def cores() -> int:
    """Return CPU cores that this process may keep busy: by affinity and by quota, at least one."""
    limit = quota()
    return affinity() if limit is None else max(1, min(affinity(), int(limit)))


def threads(processes: int = 1) -> int:
    """Return CPU threads of each of so many processes: OMP_NUM_THREADS where a person has set it, else a share of the cores."""
    return asked() or max(1, cores() // processes)


def asked() -> int | None:
    """Return what OMP_NUM_THREADS said when this process began: the first number of a list; None where it says none."""
    first = ASKED.split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else None


def explanation() -> str:
    """Return the threads that `train` uses, and why."""
    count, limit = os.cpu_count() or 1, quota()
    allowed = [f"{affinity()} by affinity"] if affinity() < count else []
    allowed += [f"{limit:g} by the cgroup's quota"] if limit is not None and limit < count else []
    why = f"OMP_NUM_THREADS={ASKED}" if asked() else "one for each core it may use"
    of = f", of which this process may use {' and '.join(allowed)}" if allowed else ""
    return f"{count} cores{of}; train uses {threads()} threads ({why}; trainer.threads sets another number)"


def free_memory() -> float | None:
    """Return the bytes that can be taken without swapping, within the cgroup's limit; None where the system does not say."""
    lines = [line for line in _read(MEMINFO).splitlines() if line.startswith("MemAvailable")]
    left = [1024 * float(lines[0].split()[1])] if lines else []
    files = [(f / "memory.max", f / "memory.current") for f in _folders("")]
    files += [(f / "memory.limit_in_bytes", f / "memory.usage_in_bytes") for f in _folders("memory")]
    for most, now in files:
        limit, used = _read(most), _read(now)
        if limit.isdigit() and used.isdigit():
            left.append(max(0.0, float(limit) - float(used)))
    return min(left, default=None)


def _folders(controller: str) -> list[Path]:
    """Folders of this process's cgroup and of its parents; controller: of version 1, empty for version 2.

    Inside a container the path that the kernel names may lie outside of what is mounted: the mounted root counts then.
    """
    for line in _read(CGROUPS).splitlines():
        _, names, path = line.split(":", 2)
        if controller not in names.split(","):
            continue
        for root in (SYSTEM / names, SYSTEM / controller) if names else (SYSTEM, SYSTEM / "unified"):
            own = root / path.strip("/")
            found = [folder for folder in (own, *own.parents) if folder.is_relative_to(root) and folder.is_dir()]
            if found:
                return found
    return []


def _ratio(words: list[str]) -> float | None:
    """Quota over period; None where there is none (`max`, -1, or no file)."""
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None
    return int(words[0]) / int(words[1]) if int(words[1]) else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
