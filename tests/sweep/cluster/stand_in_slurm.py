"""A cluster of one node that says of itself what SLURM does: `python stand_in_slurm.py COMMAND ARGS`, state in $SLURM_STAND_IN.

It knows what submitit and pushforward call: sbatch, srun, scontrol requeue, sacct, squeue, scancel --signal.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ.get("SLURM_STAND_IN", "."))


def sbatch(script: str) -> None:
    """Keeps the script, and runs each element of its array unless HOLD says to leave it in the queue."""
    text = Path(script).read_text()
    number = 4001 + 100 * len(list(HOME.glob("*.sbatch")))
    (HOME / f"{number}.sbatch").write_text(text)
    array = re.search(r"--array=0-(\d+)", text)
    names = [f"{number}_{i}" for i in range(int(array.group(1)) + 1)] if array else [f"{number}"]
    for name in names:
        (HOME / f"{name}.state").write_text("PENDING")
        if not (HOME / "hold").exists():
            command = [sys.executable, __file__, "node", str(number), name]
            null = subprocess.DEVNULL
            subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
    print(f"Submitted batch job {number}")


def node(number: str, name: str) -> None:
    """Runs a job's script until nobody asks to requeue it."""
    script, state, again = HOME / f"{number}.sbatch", HOME / f"{name}.state", HOME / f"{name}.requeue"
    found = re.search(r"--ntasks-per-node=(\d+)", script.read_text())
    tasks = found.group(1) if found else "1"
    index = name.partition("_")[2]
    said = {
        "SLURM_JOB_ID": str(int(number) + int(index or 0)), "SLURM_JOB_NAME": "pushforward", "SLURM_NTASKS": tasks,
        "SLURM_NTASKS_PER_NODE": tasks, "SLURM_JOB_NUM_NODES": "1", "SLURM_NNODES": "1", "SLURM_NODELIST": "127.0.0.1",
        "SLURM_JOB_NODELIST": "127.0.0.1", "STAND_IN_NAME": name,
        **({"SLURM_ARRAY_JOB_ID": number, "SLURM_ARRAY_TASK_ID": index} if index else {}),
    }  # fmt: skip
    again.touch()
    while again.exists():
        again.unlink()
        state.write_text("RUNNING")
        code = subprocess.run(["bash", str(script)], env={**os.environ, **said}).returncode
    state.write_text("COMPLETED" if code == 0 else "FAILED")


def srun(*args: str) -> None:
    """The command, once a task; signals that a step would get go to the tasks."""
    start = next(i for i, arg in enumerate(args) if "python" in Path(arg).name)
    flags, command = args[:start], list(args[start:])
    name, number = os.environ["STAND_IN_NAME"], os.environ.get("SLURM_ARRAY_JOB_ID", os.environ["SLURM_JOB_ID"])
    out = flags[flags.index("--output") + 1].replace("%A_%a", name).replace("%j", number)
    tasks = []
    for rank in range(int(os.environ["SLURM_NTASKS"])):
        said = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_NODEID": "0"}
        with Path(out.replace("%t", str(rank))).open("a") as log:
            tasks.append(subprocess.Popen(command, env={**os.environ, **said}, stdout=log, stderr=subprocess.STDOUT))
    (HOME / f"{name}.tasks").write_text(" ".join(str(task.pid) for task in tasks))
    sys.exit(max(abs(task.wait()) for task in tasks))


def scontrol(action: str, name: str) -> None:
    assert action == "requeue"
    (HOME / f"{name}.requeue").touch()


def scancel(name: str, flag: str, number: str) -> None:
    assert flag == "--signal"
    for pid in (HOME / f"{name}.tasks").read_text().split():
        os.kill(int(pid), getattr(signal, f"SIG{number.removeprefix('SIG')}"))


def sacct(*args: str) -> None:
    print("JobID|State|NodeList")
    for file in sorted(HOME.glob("*.state")):
        print(f"{file.stem}|{file.read_text()}|here")


def squeue(*args: str) -> None:
    file = HOME / f"{args[args.index('-j') + 1]}.state"
    if not file.exists():
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    if file.read_text() in ("PENDING", "RUNNING"):
        print(file.read_text())


if __name__ == "__main__":
    {f.__name__: f for f in (sbatch, node, srun, scontrol, scancel, sacct, squeue)}[sys.argv[1]](*sys.argv[2:])
