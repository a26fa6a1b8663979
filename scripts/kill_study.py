"""A search of 30 trials killed with `kill -9` after about 10 and about 20, against the undisturbed one; then two share one.

python scripts/kill_study.py FOLDER
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TRIALS = 30
SMALL = [
    "study=vae_tuning", f"study.trials={TRIALS}", "budget.epochs=3", "features=none", "metrics=none", "logger=none",
    "trainer.threads=1", "study.pruner_options.n_warmup_steps=0",
]  # fmt: skip


def search(outputs: Path, *more: str) -> subprocess.Popen[bytes]:
    """The command line, in a process group of its own."""
    outputs.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PUSHFORWARD_OUTPUTS": str(outputs), "PUSHFORWARD_FULL_ERROR": "1"}
    with (outputs / "search.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pushforward", "train", "-m", *SMALL, *more],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def ended(outputs: Path) -> int:
    try:
        status = json.loads((outputs / "studies" / "vae_tuning" / "status.json").read_text())
    except FileNotFoundError:
        return 0
    return int(status["complete"] + status["pruned"] + status["failed"])


def kill_at(outputs: Path, trials: int) -> None:
    """Starts or goes on with the search, and kills all its processes when so many trials have ended, in mid-training."""
    process = search(outputs)
    while ended(outputs) < trials:
        assert process.poll() is None, f"it ended by itself: see {outputs / 'search.log'}"
        time.sleep(0.05)
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    at = states(trials_of(outputs))
    time.sleep(5)
    alive = [line for line in ps() if str(outputs) in line]
    print(f"killed with {at}; {len(alive)} processes of it alive 5 s later", flush=True)


def ps() -> list[str]:
    """Command lines of this machine's processes, with the folder that each writes to."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid():
                found.append((entry / "environ").read_text(errors="replace"))
        except OSError:
            continue
    return found


def trials_of(outputs: Path) -> list[Any]:
    from pushforward.sweep.search.study_journal import open_storage

    storage = open_storage(outputs / "studies" / "vae_tuning")
    return storage.get_all_trials(storage.get_all_studies()[0]._study_id)


def states(trials: list[Any]) -> dict[str, int]:
    names = [t.state.name.lower() for t in trials]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def told(trials: list[Any]) -> list[tuple[Any, ...]]:
    return [
        (t.number, t.state.name, t.values, t.params, t.intermediate_values, t.user_attrs.get("run")) for t in trials
    ]


def points(trials: list[Any]) -> int:
    return len({(t.params["optimizer.model.lr"], t.params["model.code_dim"]) for t in trials})


def main(folder: Path) -> int:
    killed, whole, shared = (folder / name for name in ("killed", "whole", "shared"))
    for trials in (10, 20):
        kill_at(killed, trials)
    assert search(killed).wait() == 0
    assert search(whole).wait() == 0
    a, b = trials_of(killed), trials_of(whole)
    print(f"killed twice: {len(a)} trials, {states(a)}, {points(a)} different points", flush=True)
    print(f"undisturbed:  {len(b)} trials, {states(b)}, {points(b)} different points", flush=True)
    same = told(a) == told(b)
    print(f"equal, to the last digit of every parameter, value and intermediate value: {same}", flush=True)
    both = [search(shared), search(shared)]
    assert [p.wait() for p in both] == [0, 0]
    c = trials_of(shared)
    drivers = [t.user_attrs["driver"] for t in c]
    print(
        f"two processes: {len(c)} trials, {states(c)}, {points(c)} different points, "
        f"{len({t.user_attrs['run'] for t in c})} runs, {[drivers.count(d) for d in dict.fromkeys(drivers)]} each",
        flush=True,
    )
    return 0 if same and len(a) == len(c) == TRIALS == points(a) == points(c) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
