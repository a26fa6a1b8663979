"""The process that starts a sweep's jobs: warm, it has imported what training needs, and a job is a fork of it.

It does no tensor work: after one parallel operation in it, every child would hang. When the sweep ends, however it
ended, this process sees its socket close and takes the processes of all jobs with it.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pushforward.allowed_targets import reach

HELD = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Signals that the server ignores, and its jobs do not."""
Order = dict[str, Any]
"""A job to start: id, call, args, command, fresh, environment, folder, log, threads, memory_gb: see `forkserver_client`."""


def main() -> int:
    """`python -m pushforward.sweep.local.forkserver DESCRIPTOR PARENT MODULE…`. In a child: what the child was forked for."""
    descriptor, parent, *modules = sys.argv[1:]
    for number in (signal.SIGINT, *HELD):
        signal.signal(number, signal.SIG_IGN)  # the sweep decides what a signal means for its jobs
    die_with(int(parent))  # while importing, nobody looks at the socket
    connection = socket.socket(fileno=int(descriptor))
    connection.set_inheritable(False)
    warm = bool(modules) and warmed(modules)
    die_with(None)
    task = Server(connection, warm).serve()
    if task is None:
        os._exit(0)  # at once: whoever ends the sweep waits for this
    return task()


def warmed(modules: Iterable[str]) -> bool:
    """Import the modules. Returns whether forking is safe: other threads than this one would be missing in a child."""
    from pushforward.runs.sources import package_sources

    package_sources()  # what is imported here is what jobs run, whatever is edited meanwhile
    for name in modules:
        with contextlib.suppress(Exception):  # a job that needs it says what is wrong with it
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError):
        threads = len(list(Path("/proc/self/task").iterdir()))
        if threads > 1:
            print(f"jobs start fresh: imports have left {threads} threads", file=sys.stderr)
        return threads == 1
    return True


def die_with(parent: int | None) -> None:
    """Has the kernel kill this process when its parent goes (Linux; None: no more). Ends it if that has happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL if parent else 0, 0, 0, 0)  # 1: PR_SET_PDEATHSIG
    if parent and os.getppid() != parent:
        os._exit(1)


class Server:
    """Starts jobs on order, tells how each ended, and hands on signals; one JSON text a line in both directions."""

    def __init__(self, connection: socket.socket, warm: bool) -> None:
        self.connection, self.warm, self.pid = connection, warm, os.getpid()
        self.children: dict[int, int] = {}  # process → order

    def serve(self) -> Callable[[], int] | None:
        """Return None when the sweep has gone; in a child, what the child is to do."""
        woken, waker = socket.socketpair()
        waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno())
        waiting = selectors.DefaultSelector()
        waiting.register(self.connection, selectors.EVENT_READ)
        waiting.register(woken, selectors.EVENT_READ)
        rest = b""
        while True:
            ready = [key.fileobj for key, _ in waiting.select()]
            if woken in ready:
                woken.recv(4096)
            try:
                self.reap()
                if self.connection not in ready:
                    continue
                received = self.connection.recv(1 << 16)
            except OSError:
                received = b""
            if not received:
                break
            *lines, rest = (rest + received).split(b"\n")
            for order in map(json.loads, lines):
                if "signal" in order:
                    self.signal(**order)
                    continue
                # the server ignores SIGTERM: one that comes before the child has handlers of its own would be lost
                signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    for end in (waiting, woken, waker, self.connection):
                        end.close()
                    return become(order, self.pid, self.warm)
                self.children[child] = order["id"]
                signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        signal.set_wakeup_fd(-1)
        for child in self.children:
            kill_group(child, signal.SIGKILL)
        return None

    def reap(self) -> None:
        """Tell of the jobs that have ended, and ends what they left running."""
        for child in list(self.children):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child, signal.SIGKILL)
                self.tell(id=self.children.pop(child), code=os.waitstatus_to_exitcode(status))

    def tell(self, **what: Any) -> None:
        self.connection.sendall(json.dumps(what).encode() + b"\n")

    def signal(self, id: int, signal: int, group: bool) -> None:
        for child in (child for child, order in self.children.items() if order == id):
            if group:
                kill_group(child, signal)
            else:
                os.kill(child, signal)


def kill_group(child: int, number: int) -> None:
    """A signal for a job and all processes it has started. `child` has not been waited for, so it is no other's id."""
    try:
        os.killpg(child, number)
    except (ProcessLookupError, PermissionError):  # it has no session of its own yet
        os.kill(child, number)


# In the child --------------------------------------------------------------------------------------------------------


def become(order: Order, server: int, warm: bool) -> Callable[[], int]:
    """Make this fork what a process started from a shell would be: session, signals, environment, folder, output.

    Returns its task, unless the order is to start fresh: then it is another program when this returns, which is never.
    """
    os.setsid()
    die_with(server)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGCHLD, *HELD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    for path, flags, descriptors in (
        (os.devnull, os.O_RDONLY, (0,)),
        (order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, (1, 2)),
    ):
        opened = os.open(path, flags, 0o644)
        for descriptor in descriptors:
            os.dup2(opened, descriptor)
        os.close(opened)
    limit(order["memory_gb"])
    if order["command"] and (order["fresh"] or not warm):
        os.execve(sys.executable, [sys.executable, *order["command"]], os.environ)
    reach()
    if warm:
        use(order["threads"])

    def task() -> int:
        module, _, name = order["call"].rpartition(".")
        return int(getattr(importlib.import_module(module), name)(order["args"]))

    return task


def limit(memory_gb: float | None) -> None:
    """At most so much memory for each process of the job; and if the machine's runs out, this goes before the sweep."""
    if memory_gb:
        most = int(memory_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="utf-8")


def use(threads: int) -> None:
    """CPU threads for libraries that were loaded before the environment named a number."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


if __name__ == "__main__":
    sys.exit(main())
