"""A sweep that is killed again and again by `kill -9` of its process group, and what has been trained and is left then."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from pushforward.report import table_render
from pushforward.report.run_list import RunList
from pushforward.runs import Run, every_run

BATCH, BLOCK, IMAGES = 8, 16, 1257
INTERVAL = -(-IMAGES // (BATCH * BLOCK)) * BATCH * BLOCK
"""Images between two checkpoints at the most: an epoch of digits, to the end of its last block."""
NOT_TIME = ("wall_time", "images_per_second", "data_wait")


def arguments(jobs: int, epochs: int) -> list[str]:
    """Small VAEs; a row of metrics.csv after each block, so that the files say what has been trained."""
    return [
        "model=vae", "data=digits", "network.hidden=[16]", f"seed=1..{jobs}", f"budget.epochs={epochs}",
        f"batch_size={BATCH}", "selection.every=1", "trainer.log_every=0.01", "trainer.threads=1", "trainer.checkpoint_share=1",
        "features=none", "logger=none", "metrics=none", "+measure@metrics.reconstruction=reconstruction",
        "+measure@metrics.likelihood=likelihood", "metrics.reconstruction.scales=1",
    ]  # fmt: skip


def start(outputs: Path, *args: str) -> subprocess.Popen[bytes]:
    """`pushforward train -m`, the leader of a process group of its own, its output in a file."""
    outputs.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PUSHFORWARD_OUTPUTS": str(outputs), "OMP_NUM_THREADS": "1"}
    with (outputs / "sweep.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pushforward", "train", "-m", *args],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, start_new_session=True,
        )  # fmt: skip


def alive(outputs: Path) -> dict[int, str]:
    """Every process that writes to these outputs, by its environment: jobs, their servers, ranks and workers."""
    mark, found = f"PUSHFORWARD_OUTPUTS={outputs}".encode(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):  # a process that is over has none
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


@dataclass
class Leg:
    """What a run has trained between two looks at its files."""

    openings: int = 0
    images: int = 0


@dataclass
class Killed:
    """What became of a sweep that was killed: for each kill, the jobs it hit and seconds until nothing lived."""

    outputs: Path
    hit: list[int] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)
    trained: int = 0
    legs: dict[str, Leg] = field(default_factory=dict)

    def seen(self) -> dict[str, int]:
        """Images in the last row of each run's curves."""
        return {run.id: last_row(run.path) for run in every_run(self.outputs / "runs")}

    def look(self) -> int:
        """Adds what has been trained since the last look, when nothing runs. Returns how many runs had been going.

        A run that opens says from where it resumes; its last row says how far it came.
        """
        going = 0
        for run in every_run(self.outputs / "runs"):
            lines = read(run.path / "console.log").splitlines()
            openings = [i for i, line in enumerate(lines) if line.split()[:1] == ["run"]]
            leg = self.legs.setdefault(run.id, Leg())
            if len(openings) > leg.openings:
                opening = lines[openings[-1] :]
                on = [line.split()[2].replace(",", "") for line in opening if line.startswith("resumes")]
                self.trained += max(0, last_row(run.path) - int(on[0] if on else 0))
                going += run.state != "finished"
                assert len(openings) == leg.openings + 1, f"{run.id} was started twice at once"
            leg.openings = len(openings)
        return going


def last_row(run: Path) -> int:
    lines = read(run / "metrics.csv").splitlines(keepends=True)[1:]
    whole = [line for line in lines if line.endswith("\n")]
    return int(whole[-1].split(",")[0]) if whole else 0


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def kill_again_and_again(outputs: Path, jobs: int, epochs: int, kills: int, seed: int, *more: str) -> Killed:
    """Starts the sweep, kills it when a random share of all images has been trained, and so on; then lets it end."""
    chance, sweep = random.Random(seed), Killed(outputs)
    shares = sorted(chance.uniform(0.03, 0.85) for _ in range(kills))
    for share in shares:
        process = start(outputs, *arguments(jobs, epochs), *more)
        before = sum(sweep.seen().values())
        until = max(share * jobs * epochs * IMAGES, before + 1)  # at the least something has been trained again
        while sum(sweep.seen().values()) < until:
            assert process.poll() is None, f"it ended before it was killed:\n{read(outputs / 'sweep.txt')}"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        process.wait()
        while alive(outputs):
            time.sleep(0.02)
        sweep.gone.append(time.monotonic() - killed)
        sweep.hit.append(sweep.look())
    process = start(outputs, *arguments(jobs, epochs), *more)
    assert process.wait() == 0, read(outputs / "sweep.txt")
    sweep.look()
    return sweep


def check(sweep: Killed, jobs: int, epochs: int, reference: Path) -> str:
    """What a killed sweep owes: every run finished, little trained twice, the table of an undisturbed one. A report.

    Raises AssertionError.
    """
    runs = every_run(sweep.outputs / "runs")
    assert [run.state for run in runs] == ["finished"] * jobs
    whole = sum(last_row(run.path) for run in runs)
    most = whole + sum(sweep.hit) * INTERVAL
    assert whole == sum(last_row(run.path) for run in every_run(reference / "runs"))
    assert whole <= sweep.trained <= most, (whole, sweep.trained, most)
    assert table(runs) == table(every_run(reference / "runs"))
    return (
        f"{jobs} jobs of {epochs} epochs, killed {len(sweep.hit)} times with {sweep.hit} jobs running: {len(runs)} finished\n"
        f"epochs trained {sweep.trained / IMAGES:.1f}; undisturbed {whole / IMAGES:.1f}; "
        f"allowed {most / IMAGES:.1f} (one interval of {INTERVAL:,} images for each job hit)\n"
        f"seconds until no process was alive: {', '.join(f'{s:.2f}' for s in sweep.gone)}\n"
        f"the table equals the undisturbed one's to the last digit: {len(table(runs).splitlines()) - 1} cells"
    )


def table(runs: list[Run]) -> str:
    """Every number that is no time, at full precision."""
    names = sorted({name for run in runs for name in run.metrics if name not in NOT_TIME})
    return table_render.csv(RunList(runs).table(rows=("model", "seed"), columns=names))
