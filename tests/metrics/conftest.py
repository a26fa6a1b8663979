"""Two processes that have met: started once, for all tests that compare them with one."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

RANK = """
import json, sys, traceback, torch
import torch.distributed as dist
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
for order in sys.stdin:
    body, data = json.loads(order)
    tensors = torch.load(data)
    part = slice(0, 3 * len(tensors[0]) // 5) if rank == 0 else slice(3 * len(tensors[0]) // 5, None)
    names = {"torch": torch, "dist": dist, "rank": rank, "tensors": tensors, "mine": [t[part] for t in tensors]}
    exec(body, names)
    print(json.dumps(names["found"]), flush=True)
"""


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], "list[subprocess.Popen[str]]"]]:
    """-> the two processes; others where a test has ended them."""
    started: list[subprocess.Popen[str]] = []

    def both() -> "list[subprocess.Popen[str]]":
        if len(started) < 2 or any(process.poll() is not None for process in started[-2:]):
            command = [sys.executable, "-c", RANK]
            store, pipe = str(tmp_path_factory.mktemp("met") / "store"), subprocess.PIPE
            for rank in range(2):
                started.append(subprocess.Popen([*command, str(rank), store], stdin=pipe, stdout=pipe, text=True))
        return started[-2:]

    yield both
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def two_processes(
    ranks: Callable[[], "list[subprocess.Popen[str]]"], tmp_path: Path
) -> Callable[..., list[dict[str, Any]]]:
    """(body, *tensors) -> what each of two processes found.

    body: source that makes the dict `found` of plain numbers from `mine`, that process's unequal part of the tensors.
    """

    def run(body: str, *tensors: torch.Tensor) -> list[dict[str, Any]]:
        torch.save(tensors, tmp_path / "data.pt")
        both = ranks()
        for process in both:
            assert process.stdin is not None
            process.stdin.write(json.dumps([body, str(tmp_path / "data.pt")]) + "\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in both if process.stdout is not None]
        if not all(answers):  # one has failed, and the other may wait for it
            for process in both:
                process.kill()
                process.wait()
        return [json.loads(answer) for answer in answers]

    return run
