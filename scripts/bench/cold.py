"""From the shell to the first logged step of a run, and where the seconds go.

A process of its own imports what the command line does in the same order, and looks at the clock between; the command
line itself, watched from outside, says whether that is the whole of it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich import box
from rich.table import Table

from pushforward.atomic_files import write_whole
from pushforward.errors import PushforwardError
from pushforward.report.terminal import console

COMMAND = ("model=vae", "data=digits")
PATIENCE = 120.0
CHILD = (
    "import time; up = time.time(); import sys; sys.path[0] = sys.argv.pop(1); "
    "from bench.cold import child; child(up, sys.argv[1:])"
)
"""Told where this package lies, it starts the clock before it imports anything."""


def report(rounds: int, threads: int, file: Path | None) -> int:
    """Prints the table of medians, and writes `file`. Returns the exit code."""
    out, load = console(), os.getloadavg()[0]
    command = [*COMMAND, f"trainer.threads={threads}"]
    inside, outside = list[dict[str, float]](), list[float]()
    for _ in range(rounds):
        outside.append(watched(command))
        inside.append(taken_apart(command))
    phases = {name: statistics.median(found[name] for found in inside) for name in inside[0]}
    whole = statistics.median(outside)
    made = Table(box=box.MARKDOWN)
    made.add_column("from the shell to the first logged step")
    made.add_column("s", justify="right")
    for name, seconds in phases.items():
        made.add_row(name, f"{seconds:.2f}")
    made.add_row("in all", f"{statistics.median(sum(found.values()) for found in inside):.2f}")
    made.add_row("pushforward train itself, seen from outside", f"{whole:.2f}")
    out.print(made)
    out.print(
        f"pushforward train {' '.join(command)}: medians of {rounds}, {min(outside):.2f} to {max(outside):.2f} s; "
        f"load {load:.1f} on {os.cpu_count()} cores"
    )
    if file:
        found = {"command": command, "outside": outside, "inside": inside, "load": load, "median": whole}
        write_whole(file, json.dumps({**found, "phases": phases}, indent=1) + "\n")
        out.print(str(file))
    return 0


def environment(outputs: str) -> dict[str, str]:
    """A person's shell, with nothing there yet."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")}
    return {**kept, "PUSHFORWARD_OUTPUTS": outputs}


def watched(command: Sequence[str]) -> float:
    """Seconds from the order until the run's curves have a row."""
    with TemporaryDirectory(prefix="pushforward-start-") as outputs:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "pushforward", "train", *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(outputs), text=True,
        )  # fmt: skip
        try:
            while not any(len(f.read_bytes().splitlines()) > 1 for f in Path(outputs).glob("runs/*/metrics.csv")):
                if process.poll() is not None or time.perf_counter() - begun > PATIENCE:
                    process.kill()
                    raise PushforwardError(f"no step was logged: {last(process.communicate()[1])}")
                time.sleep(0.002)
            return time.perf_counter() - begun
        finally:
            process.kill()
            process.wait()


def taken_apart(command: Sequence[str]) -> dict[str, float]:
    """Seconds of each phase, in turn."""
    with TemporaryDirectory(prefix="pushforward-start-") as outputs:
        written = Path(outputs) / "phases.json"
        start = [sys.executable, "-c", CHILD, str(Path(__file__).parents[1]), repr(time.time()), str(written)]
        done = subprocess.run(
            [*start, *command],
            capture_output=True, text=True, env=environment(outputs), timeout=PATIENCE,
        )  # fmt: skip
        if not written.is_file():
            raise PushforwardError(f"no step was logged: {last(done.stderr)}")
        found: dict[str, float] = json.loads(written.read_text(encoding="utf-8"))
        return found


def last(text: str) -> str:
    return (text.strip().splitlines() or ["the run ended before"])[-1]


# In the process that is taken apart ----------------------------------------------------------------------------------


class Clock:
    """Phases: each lasts from the end of the one before to its own, less what was counted under another name meanwhile."""

    def __init__(self, born: float) -> None:
        self.at, self.phases, self.elsewhere = born, dict[str, float](), 0.0

    def mark(self, name: str, now: float | None = None) -> None:
        now = time.time() if now is None else now
        self.phases[name] = self.phases.get(name, 0.0) + now - self.at - self.elsewhere
        self.at, self.elsewhere = now, 0.0

    def timed(self, owner: Any, function: str, name: str) -> None:
        """Has every call of owner.function count under `name`."""
        original: Callable[..., Any] = getattr(owner, function)

        @wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            begun, before = time.time(), self.elsewhere
            try:
                return original(*args, **kwargs)
            finally:
                spent = time.time() - begun - (self.elsewhere - before)
                self.phases[name] = self.phases.get(name, 0.0) + spent
                self.elsewhere += spent

        setattr(owner, function, call)


def child(up: float, arguments: Sequence[str]) -> None:
    """`pushforward train` with a clock: writes its phases and ends at the first row of its curves."""
    born, file, *command = arguments
    clock = Clock(float(born))
    clock.mark("python", up)
    from pushforward import command_line, config, launch

    clock.mark("imports: hydra's config, pushforward's")
    start = launch.start

    def timed_start(frozen: dict[str, Any], overrides: Sequence[str] = ()) -> int:
        clock.mark("imports: hydra; composing")
        config.calm(frozen)
        import torch  # noqa: F401

        clock.mark("imports: torch")
        import pytorch_lightning  # noqa: F401

        clock.mark("imports: lightning, torchmetrics")
        from pushforward.training import build, dry_run, prepare, train
        from pushforward.training.lightning_host import RunCallback
        from pushforward.training.session import Session

        clock.mark("imports: the rest of pushforward")
        clock.timed(build, "build_data", "data")
        clock.timed(build, "build_family", "model")
        clock.timed(prepare, "features_for", "features")
        assert dry_run.build is build
        on_train_start, write = RunCallback.on_train_start, Session.write

        def begins(*args: Any) -> None:
            clock.mark("Lightning's start")
            on_train_start(*args)

        def written(*args: Any, **more: Any) -> None:
            write(*args, **more)
            clock.mark("first block of steps")
            Path(file).write_text(json.dumps(clock.phases), encoding="utf-8")
            os._exit(0)

        fit = train.fit

        def fits(*args: Any) -> None:
            clock.mark("run directory")
            fit(*args)

        train.fit = fits  # type: ignore[assignment]
        RunCallback.on_train_start = begins  # type: ignore[method-assign, assignment]
        Session.write = written  # type: ignore[method-assign, assignment]
        return start(frozen, overrides)

    launch.start = timed_start
    command_line.hydra_train(command)
