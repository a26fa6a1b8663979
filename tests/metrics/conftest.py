"""Two processes that have met."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

RANK = """
import json, sys, torch
import torch.distributed as dist
rank, store, data = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{{store}}", rank=rank, world_size=2)
tensors = torch.load(data)
part = slice(0, 3 * len(tensors[0]) // 5) if rank == 0 else slice(3 * len(tensors[0]) // 5, None)
mine = [t[part] for t in tensors]
{body}
print(json.dumps(found))
dist.destroy_process_group()
"""


@pytest.fixture
def two_processes(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """(body, *tensors) -> what each of two processes found.

    body: source that makes the dict `found` of plain numbers from `mine`, that process's unequal part of the tensors.
    """

    def run(body: str, *tensors: torch.Tensor) -> list[dict[str, Any]]:
        torch.save(tensors, tmp_path / "data.pt")
        (tmp_path / "rank.py").write_text(RANK.format(body=body))
        command = [sys.executable, str(tmp_path / "rank.py")]
        ranks = [
            subprocess.Popen(
                [*command, str(rank), str(tmp_path / "store"), str(tmp_path / "data.pt")],
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        return [json.loads(rank.communicate()[0].splitlines()[-1]) for rank in ranks]

    return run
