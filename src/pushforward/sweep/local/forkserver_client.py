"""The sweep's end of the fork server: orders jobs, hears how they ended."""

import atexit
import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BASE = ("pushforward.training.dry_run", "pushforward.training.train", "sklearn.datasets")
"""Modules that every job imports, and whose import starts no thread."""


class Gone(Exception):
    """The server has died; the kernel has killed its jobs with it."""


class Process:
    """A job's process, as `subprocess.Popen` would show it; its exit code is minus the signal that killed it."""

    def __init__(self, server: "Server", number: int) -> None:
        self.server, self.number = server, number
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        self.server.listen(0)
        return self.returncode

    def wait(self) -> int:
        while self.returncode is None:
            self.server.listen(1)
        return self.returncode

    def send_signal(self, which: int, group: bool = False) -> None:
        """A signal for it; `group`: and for all processes it has started."""
        with contextlib.suppress(Gone):
            self.server.tell(id=self.number, signal=int(which), group=group)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL, group=True)


class Server:
    """A fork server: a process that starts jobs, each in a session of its own, and ends when this one does."""

    def __init__(self, modules: Iterable[str] = ()) -> None:
        """`modules`: what to import beforehand. None: every job starts fresh."""
        self.gone = self.used = False
        self.running: dict[int, Process] = {}
        self.numbers = itertools.count()
        self.rest = b""
        self.sources = stamp()
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE",
            # looking for a GPU must not initialise CUDA before a fork, nor may pyarrow, where it is there, start a thread
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false",
        }  # fmt: skip
        self.connection, theirs = socket.socketpair()
        with theirs:
            ours = ["-P", "-m", "pushforward.sweep.local.forkserver", str(theirs.fileno()), str(os.getpid())]
            self.process = subprocess.Popen(
                [sys.executable, *ours, *modules], pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment,
            )  # fmt: skip

    def start(
        self, call: str, args: Sequence[str], *, log: Path, environment: Mapping[str, str] = os.environ,
        threads: int = 1, memory_gb: float | None = None, command: Sequence[str] = (), fresh: bool = False,
    ) -> Process:  # fmt: skip
        """Start a process that calls `call(args)` or, where it starts fresh, runs `python COMMAND`.

        It starts fresh where that is asked for, where the server is not warm, and where the sources have changed since
        the server imported them. Raises Gone.
        """
        process = Process(self, next(self.numbers))
        self.running[process.number] = process
        self.used = True
        self.tell(
            id=process.number, call=call, args=list(args), command=list(command), environment=dict(environment),
            fresh=fresh or self.sources != stamp(), folder=str(Path.cwd()), log=str(log), threads=threads,
            memory_gb=memory_gb,
        )  # fmt: skip
        return process

    def answer(self, call: str, jobs: Sequence[Any], *more: str, threads: int = 1) -> tuple[str | None, str]:
        """Run `call([JOBS, ANSWER, *more])` in a process of its own; return what it writes into ANSWER and its last line.

        JOBS: a file with the jobs as JSON. None: it has written nothing.
        """
        with tempfile.TemporaryDirectory() as name:
            file, answer, log = (Path(name) / part for part in ("jobs.json", "answer", "log"))
            file.write_text(json.dumps(jobs), encoding="utf-8")
            self.start(call, [str(file), str(answer), *more], log=log, threads=threads).wait()
            said = (log.read_text(encoding="utf-8").strip().splitlines() or ["its process was killed"])[-1]
            return answer.read_text(encoding="utf-8") if answer.exists() else None, said

    def tell(self, **what: Any) -> None:
        try:
            self.connection.sendall(json.dumps(what).encode() + b"\n")
        except OSError:
            self.lost()
            raise Gone from None

    def listen(self, seconds: float) -> None:
        """Hear which processes have ended, having waited for one at the most so long."""
        if self.gone or not select.select([self.connection], [], [], seconds)[0]:
            return
        try:
            received = self.connection.recv(1 << 16)
        except OSError:
            received = b""
        if not received:
            return self.lost()
        *lines, self.rest = (self.rest + received).split(b"\n")
        for line in lines:
            told = json.loads(line)
            self.running.pop(told["id"]).returncode = told["code"]

    def lost(self) -> None:
        self.gone = True
        for process in self.running.values():
            process.returncode = -signal.SIGKILL
        self.running.clear()

    def close(self) -> None:
        """End the server, and what it has started."""
        self.connection.close()
        if not self.used:
            self.process.kill()  # it may still be importing, for nobody
        self.lost()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it is importing
            self.process.kill()
            self.process.wait()


_shared: dict[bool, Server] = {}


def shared(warm: bool, modules: Iterable[str] = ()) -> Server:
    """This process's server: a search calls for jobs many times, and the imports are done once."""
    server = _shared.get(warm)
    if server is None or server.gone:
        server = _shared[warm] = Server([*BASE, *modules] if warm else ())
        atexit.register(server.close)
    return server


def targets(node: Any) -> set[str]:
    """Modules of this package that a config's targets are in. A person's own are never imported ahead."""
    found: set[str] = set()
    if isinstance(node, Mapping):
        target = str(node.get("_target_", ""))
        if target.startswith("pushforward."):
            found.add(target.rpartition(".")[0])
        if target.endswith(".wandb_logger"):
            found.add("wandb")
        found.update(*map(targets, node.values()))
    elif isinstance(node, list):
        found.update(*map(targets, node))
    return found


def stamp() -> tuple[int, int]:
    """Changes when a source of this package does."""
    times = [path.stat().st_mtime_ns for path in Path(__file__).parents[2].rglob("*.py")]
    return len(times), max(times)
