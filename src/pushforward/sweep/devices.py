"""Divide what this machine has among the jobs of a sweep: cores and GPUs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from pushforward import config, machine
from pushforward.machine import cores


def gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the GPUs that a job may see, as `CUDA_VISIBLE_DEVICES` takes them. CUDA is not touched in this process."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        end = next((i for i, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:end]  # CUDA, too, reads up to the first that is none
    if shutil.which("nvidia-smi"):
        return listed(_ask(["nvidia-smi", "-L"]))
    count = _ask([sys.executable, "-c", "import torch; print(torch.cuda.device_count())"])
    return [str(i) for i in range(int(count))] if count.strip().isdigit() else []


def listed(text: str) -> list[str]:
    """Return GPUs in what `nvidia-smi -L` prints: their numbers, or the names of MIG instances where there are any."""
    instances = re.findall(r"^\s+MIG .*\(UUID: (MIG-[^)\s]+)\)", text, re.MULTILINE)
    return instances or re.findall(r"^GPU (\d+):", text, re.MULTILINE)


def _ask(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def on_gpu(frozen: Mapping[str, Any]) -> bool:
    """Whether a job asks for GPUs."""
    return frozen["trainer"]["accelerator"] in ("gpu", "cuda")


def at_once(jobs: list[dict[str, Any]], parallel: int | None, gpus: list[str]) -> int:
    """Return how many of these jobs run side by side: `parallel`, else what there are devices for, at least one."""
    if parallel:
        return parallel
    if any(on_gpu(job) for job in jobs):
        return max(1, len(gpus) // max(int(job["trainer"]["devices"]) for job in jobs if on_gpu(job)))
    each = machine.asked() or 1
    wanted = max((config.devices(job) * int(job["trainer"]["threads"] or each) for job in jobs), default=1)
    return max(1, cores() // wanted)


class Devices:
    """GPUs by the number of jobs on each."""

    def __init__(self, names: list[str]) -> None:
        self.load = dict.fromkeys(names, 0)

    def take(self, count: int) -> list[str]:
        """Return the `count` least used."""
        chosen = sorted(self.load, key=lambda name: self.load[name])[:count]
        for name in chosen:
            self.load[name] += 1
        return chosen

    def give_back(self, names: list[str]) -> None:
        for name in names:
            self.load[name] -= 1
