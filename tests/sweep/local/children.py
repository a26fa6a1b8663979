"""What children of a fork server do in its tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

LOADED = "torch" in sys.modules


def describe(args: list[str]) -> int:
    import torch

    a = torch.randn(400, 400)
    b = a @ a
    close = torch.allclose(b[:1], a[:1] @ a, atol=1e-3)
    said = {
        "threads": torch.get_num_threads(), "product": int(close), "cuda": os.environ["CUDA_VISIBLE_DEVICES"],
        "mark": os.environ["MARK"], "folder": Path.cwd(), "leader": int(os.getsid(0) == os.getpid()),
        "stdin": sys.stdin.read(), "torch before": int(LOADED),
        "int": signal.getsignal(signal.SIGINT).__name__, "term": int(signal.getsignal(signal.SIGTERM)),
    }  # fmt: skip
    Path(args[0]).write_text("\n".join(f"{key}={value}" for key, value in said.items()))
    print("to the log")
    return 7


def end(args: list[str]) -> int:
    if args[0].isdigit():
        return int(args[0])
    if args[0] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if args[0] == "raise":
        raise ValueError("as asked")
    if args[0] == "memory":
        bytearray(2**30)
        return 0
    if args[0] == "family":
        folder, depth = Path(args[1]), int(os.environ.get("DEPTH", "0"))
        (folder / f"{depth}.pid").write_text(str(os.getpid()))
        if depth < 2:
            call = "import sys, children; children.end(sys.argv[1:])"
            subprocess.Popen([sys.executable, "-c", call, *args], env={**os.environ, "DEPTH": str(depth + 1)})
    signal.pause()
    return 0
