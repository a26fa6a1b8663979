"""Planning stacks: jobs of a sweep that are trained as one, how many at a time, and why others are not; by trial."""

import copy
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pushforward import config, machine
from pushforward.data import DataModule
from pushforward.engine import Stack, Trainable
from pushforward.engine.stack_structure import difference, structure
from pushforward.errors import PushforwardError
from pushforward.families import Family
from pushforward.spec import BLOCK, Batch, Block
from pushforward.training import build
from pushforward.training.signatures import kind
from pushforward.training.stacked_runs import device_of

SAME = ("batch_size", "data", "budget", "precision", "selection", "trainer", "metrics", "features", "logger")
"""Keys in which the runs of a stack agree; in all others they may differ as far as their models' structure allows."""
CLOSE = 1e-3
"""Relative deviation of a stack's first losses from those of its replicas alone: sums are taken in another order."""
PROBE = 4
"""Replicas of the first stack that is measured."""
SECONDS = 0.15
"""The seconds for which a step is measured."""


def main(args: Sequence[str]) -> int:
    """`arrange` in a process of its own. args: frozen configs (JSON), the answer's file, jobs at once, most in a stack or 0."""
    frozen = json.loads(Path(args[0]).read_text(encoding="utf-8"))
    config.calm(frozen[0])
    torch.set_num_threads(config.threads(frozen[0]))
    Path(args[1]).write_text(json.dumps(arrange(frozen, int(args[2]), int(args[3]) or None)), encoding="utf-8")
    return 0


def arrange(jobs: Sequence[Mapping[str, Any]], at_once: int, most: int | None) -> dict[str, Any]:
    """{"stacks": lists of positions, "alone": {position: why}, "notes": what was measured}. at_once: processes."""
    stacks: list[list[int]] = []
    alone: dict[int, str] = {}
    notes: list[str] = []
    kinds = Kinds(jobs)
    for members in kinds.groups(alone):
        first = members[0]
        if len(members) == 1:
            alone[first] = kinds.lonely(first)
            continue
        try:
            size, note = worthwhile(kinds, members, math.ceil(len(members) / at_once), most)
        except Exception as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            size, note = 1, f"cannot be stacked: {line}"
        if size < 2:
            alone.update(dict.fromkeys(members, note))
            continue
        notes.append(note)
        pieces = math.ceil(len(members) / size)
        stacks += [members[i::pieces] for i in range(pieces)]
    return {"stacks": stacks, "alone": alone, "notes": notes}


class Kinds:
    """The jobs' models, one built for each distinct config but for its seed."""

    def __init__(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        self.jobs = jobs
        self.data: dict[str, DataModule] = {}
        self.families: dict[str, Family] = {}

    def data_of(self, job: int) -> DataModule:
        key = json.dumps(self.jobs[job]["data"], sort_keys=True)
        if key not in self.data:
            self.data[key] = build.build_data(self.jobs[job])
        return self.data[key]

    def family(self, job: int) -> Family:
        key = kind(self.jobs[job])
        if key not in self.families:
            self.families[key] = build.build_family(self.jobs[job], self.data_of(job).spec)
        return self.families[key]

    def groups(self, alone: dict[int, str]) -> list[list[int]]:
        """Jobs of one structure; what rules a job out by itself goes into `alone`."""
        found: dict[str, list[int]] = {}
        for job, frozen in enumerate(self.jobs):
            why = unfit(frozen) or self.unfit(job)
            if why:
                alone[job] = why
                continue
            # a run that starts from weights may learn what they make, and then draws other noise
            same = {**{key: frozen.get(key) for key in SAME}, "begun": bool(frozen.get("initial"))}
            agreed = json.dumps(same, sort_keys=True)
            found.setdefault(agreed + json.dumps(structure(self.family(job)), sort_keys=True), []).append(job)
        return list(found.values())

    def unfit(self, job: int) -> str | None:
        family, x = self.family(job), self.data_of(job)._levels("train")
        if family.stackable is not True:
            return str(family.stackable)
        if not isinstance(x, torch.Tensor):
            return "its data are read while it trains (data.resident_limit_mb)"
        return None

    def lonely(self, job: int) -> str:
        """Why no other job has this one's structure."""
        frozen = self.jobs[job]
        for other, theirs in enumerate(self.jobs):
            if other == job or frozen["choices"].get("model") != theirs["choices"].get("model"):
                continue
            for key in SAME:
                if frozen.get(key) != theirs.get(key):
                    return f"{key} differs from job {other}'s"
            why = difference(self.family(job), self.family(other))
            if why:
                return why
        return "no other job has its model"


def unfit(frozen: Mapping[str, Any]) -> str | None:
    """Why a run is not stacked whatever its model."""
    settings = frozen["trainer"]
    if config.devices(dict(frozen)) > 1 or settings["strategy"] != "auto":
        return "it runs on several devices"
    if frozen["precision"] != "fp32":
        return f"precision={frozen['precision']}: stacks are float32"
    if settings["accelerator"] not in ("cpu", "gpu", "cuda"):
        return f"trainer.accelerator={settings['accelerator']}: stacks run on cpu and gpu"
    if config.accumulate(frozen) > 1:
        return "trainer.accumulate is for a run alone"
    if frozen.get("callbacks"):
        return "it has callbacks, which are for a run alone"
    for choice in ("compile", "channels_last", "cuda_graph", "max_time", "profiler"):
        if settings.get(choice):
            return f"trainer.{choice} is for a run alone"
    return None


def worthwhile(kinds: Kinds, members: Sequence[int], share: int, most: int | None) -> tuple[int, str]:
    """The number of replicas at which a stack is fastest, or 1 where one alone is faster; and what was measured.

    Raises where the stack cannot be run, or gives other losses than its replicas alone.
    """
    if share < 2:  # no trial: of many recipes with two seeds each these would take minutes
        return 1, "there are no more jobs than processes at once: each has one of its own (hydra.launcher.parallel)"
    device = device_of(dict(kinds.jobs[members[0]]))
    some = [copy.deepcopy(kinds.family(job)).to(device) for job in members[:2]]
    for seed, family in enumerate(some):
        family.seed = seed
    batch_size, cycle = int(kinds.jobs[members[0]]["batch_size"]), some[0].batches_per_cycle
    batch = first_images(kinds.data_of(members[0]), batch_size * cycle).to(device)
    batch = batch.map(lambda t: t.view(cycle, batch_size, *t.shape[1:]))
    need, alone = compared(some, batch)
    fits = max(1, int(memory(device) / need))
    largest = min(share, fits, most or share)
    best, fastest = 1, alone
    sizes = [min(PROBE, largest), *(largest // part for part in (1, 2, 4) if largest // part > PROBE)]
    for size in sizes if largest > 1 else ():
        seconds = timed(Stack([copy.deepcopy(some[0]).get_stepper() for _ in range(size)]), batch) / size
        if seconds < fastest:
            best, fastest = size, seconds
        if best == 1:  # what a few don't gain, many won't
            break
    speed = alone / fastest
    if best == 1:
        return 1, lone(fits, most, need, sizes[0])
    bound = f", as many as fit in memory ({need / 2**20:.0f} MB each)" if largest == fits < share else ""
    return best, f"stacks of {best}{bound}: {speed:.1f} times one alone, {1 / fastest:,.0f} steps/s"


def lone(fits: int, most: int | None, need: float, tried: int) -> str:
    """Why no two are stacked."""
    if most == 1:
        return "hydra.launcher.replicas=1"
    if fits < 2:
        return f"no memory for two: a replica takes {need / 2**20:,.0f} MB"
    return f"a stack of {tried} is slower than one after the other here"


def first_images(data: DataModule, n: int) -> Batch:
    """n training images, prepared; from the beginning again where there are fewer."""
    first = next(data.batches("train", n, n))
    rows = torch.arange(n) % len(first.x)
    return first.map(lambda t: t[rows])


def compared(families: list[Family], batch: Batch) -> tuple[float, float]:
    """Runs two families as a stack and alone. Returns bytes a replica needs, and seconds of a cycle alone."""
    alone = [copy.deepcopy(family) for family in families]
    saved = [0]

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[0] += tensor.nbytes
        return tensor

    for family in alone:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            family.get_stepper().block(Block(0, batch))
    wanted = [family.get_stepper().history.take()[0].terms for family in alone]
    stack = Stack([family.get_stepper() for family in families])
    stack.block(Block(0, replicated(batch, 2)))
    for own, found in zip(stack.families, stack.history.take(), strict=True):
        for name, value in wanted[list[Trainable](families).index(own)].items():
            if not math.isclose(found.terms[name], value, rel_tol=CLOSE, abs_tol=CLOSE):
                raise PushforwardError(f"{name} is {found.terms[name]:.6g} in a stack and {value:.6g} alone")
    tensors = sum(t.nbytes for t in (*families[0].parameters(), *families[0].buffers()))
    blocks = batch.x[0].nbytes * BLOCK * 2
    return saved[0] + 6 * tensors + blocks, repeated(
        lambda: alone[0].get_stepper().block(Block(1, batch)), batch.x.device
    )


def timed(stack: Stack, batch: Batch) -> float:
    """Seconds of a cycle."""
    block = Block(1, replicated(batch, len(stack)))
    return repeated(lambda: stack.block(block), batch.x.device)


def replicated(batch: Batch, k: int) -> Batch:
    """The batches (m, n, …) of one as those of k replicas, (m, k, n, …)."""
    return batch.map(lambda t: t.unsqueeze(1).expand(-1, k, *t.shape[1:]))


def repeated(step: Callable[[], None], device: torch.device) -> float:
    """Seconds of a step: the least of three looks, as a busy machine only adds."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()
    wait()
    looks = []
    for _ in range(3):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS / 3:
            step()
            wait()
            count += 1
        looks.append((time.perf_counter() - began) / count)
    return min(looks)


def memory(device: torch.device) -> float:
    """Bytes that a stack may take: of what is free now four fifths on a GPU, a quarter of the machine's."""
    if device.type == "cuda":
        return 0.8 * torch.cuda.mem_get_info(device)[0]
    return 0.25 * (machine.free_memory() or 2.0**33)
