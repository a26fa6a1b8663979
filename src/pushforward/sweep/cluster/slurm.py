"""A sweep on SLURM, by submitit: submitted and left to itself, one task a device, requeued runs resume."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

from pushforward.atomic_files import write_whole
from pushforward.errors import PushforwardError
from pushforward.launch import freeze_to
from pushforward.runs import Run, RunDir
from pushforward.sweep import sweep_screen
from pushforward.sweep.cluster import cluster_jobs
from pushforward.sweep.cluster.slurm_task import Task
from pushforward.sweep.devices import on_gpu
from pushforward.sweep.jobs import ELSEWHERE, Job, jobs_of

TICKET = "submitted.json"
"""In a run directory: the job that it was submitted as."""


def library() -> Any:
    """submitit. Raises PushforwardError where it is not installed."""
    try:
        import submitit
    except ImportError:
        raise PushforwardError("hydra/launcher=slurm needs submitit: pip install 'pushforward[slurm]'") from None
    return submitit


def cluster_of(asked: str | None) -> str:
    """slurm, local or debug. Raises PushforwardError where there is no SLURM."""
    if asked not in (None, "slurm", "local", "debug"):
        raise PushforwardError(f"hydra.launcher.cluster={asked}: choose from null (SLURM), local, debug")
    if asked in (None, "slurm") and which("srun") is None:
        raise PushforwardError(
            "hydra/launcher=slurm: there is no srun here; submit from a login node of the cluster, "
            "or try it out on this machine with hydra.launcher.cluster=local"
        )
    return asked or "slurm"


def run_jobs(
    frozen: list[dict[str, Any]], overrides: list[str], folder: Path, settings: Mapping[str, Any]
) -> list[int]:
    """Submit the jobs that are not finished and not in the queue. Returns exit codes: 0 for what was submitted.

    With settings["wait"] it follows them until they are over, and returns how they ended.
    """
    library()
    cluster = cluster_of(settings["cluster"])
    jobs = jobs_of(frozen, overrides, lambda frozen: int(settings["cpus_per_task"]))
    waiting = [job for job in cluster_jobs.unfinished(jobs) if not queued(job)]
    cluster_jobs.rehearse(waiting)
    before = sum(job.state == "skipped (finished)" for job in jobs)
    print(f"{len(jobs)} jobs: {before} finished before, {len(waiting)} to submit to {cluster}", flush=True)
    handles = submit(waiting, folder / "jobs", cluster, settings)
    for job, handle in handles:
        print(f"  {handle.job_id:<12} {job.path.name} ({job.overrides})")
    if handles:
        print(
            f"logs: job.log in each run's folder, and {folder / 'jobs'}; how they stand: pushforward status", flush=True
        )
    if handles and (settings["wait"] or cluster == "debug"):
        wait(jobs, handles)
    return sweep_screen.finish(jobs)


# Submission ----------------------------------------------------------------------------------------------------------


def submit(jobs: list[Job], folder: Path, cluster: str, settings: Mapping[str, Any]) -> list[tuple[Job, Any]]:
    """Return the jobs with submitit's handles: one array for jobs that need the same devices."""
    handles: list[tuple[Job, Any]] = []
    groups: dict[tuple[int, int, int], list[Job]] = {}
    for job in jobs:
        trainer = job.frozen["trainer"]
        gpus = settings["gpus_per_node"]
        gpus = int(trainer["devices"]) * on_gpu(job.frozen) if gpus is None else int(gpus)
        groups.setdefault((int(trainer["devices"]), int(trainer.get("num_nodes") or 1), gpus), []).append(job)
    for needs, group in groups.items():
        executor = executor_for(folder, cluster, settings, *needs)
        mine = [job for job in group if enqueue(job)]
        if not mine:
            continue
        tasks = [Task(job.path / "frozen.yaml", 0.8 * float(settings["signal_delay_s"])) for job in mine]
        try:
            with on_their_own():
                found = executor.submit_array(tasks)
        except Exception as error:
            for job in mine:
                RunDir(job.path).set_status(state="stopped", error="it could not be submitted")
            raise PushforwardError(f"hydra/launcher=slurm: {last(str(error))}") from None
        for job, handle in zip(mine, found, strict=True):
            ticket = {"cluster": cluster, "job": handle.job_id, "host": socket.gethostname(), "time": now()}
            write_whole(job.path / TICKET, json.dumps({**ticket, "logs": str(folder)}) + "\n")
            job.state = "submitted"
            handles.append((job, handle))
    return handles


def executor_for(folder: Path, cluster: str, settings: Mapping[str, Any], devices: int, nodes: int, gpus: int) -> Any:
    """submitit's executor for jobs with these devices: a task a device. Raises PushforwardError for what it refuses."""
    cpus, extra, setup = int(settings["cpus_per_task"]), dict(settings["sbatch"]), list(settings["setup"])
    # srun takes neither from sbatch: the cores of a task, and that one rank's end is the end of all
    flags = [f"--cpus-per-task={cpus}", "--kill-on-bad-exit=1", *extra.pop("srun_args", [])]
    named = {key: settings[key] for key in ("partition", "array_parallelism", "signal_delay_s")} | extra
    slurm = {f"slurm_{key}": value for key, value in named.items() if value is not None}
    memory = {} if settings["mem_gb"] is None else {"mem_gb": settings["mem_gb"]}
    retries = {f"{kind}_max_num_timeout": int(settings["timeouts"]) for kind in ("slurm", "local") if kind == cluster}
    try:
        executor = library().AutoExecutor(folder=folder, cluster=cluster, **retries)
        executor.update_parameters(
            name="pushforward", timeout_min=settings["timeout_min"], nodes=nodes, tasks_per_node=devices,
            cpus_per_task=cpus, gpus_per_node=gpus, **memory, **slurm, slurm_srun_args=flags,
            **({"slurm_setup": setup, "local_setup": setup} if setup else {}),
        )  # fmt: skip
    except (AssertionError, NameError, TypeError, ValueError, RuntimeError) as error:
        raise PushforwardError(f"hydra/launcher=slurm: {str(error).splitlines()[0]}") from None
    return executor


def enqueue(job: Job) -> bool:
    """Write the run directory as it stands in the queue. False where another process has begun to train it."""
    run = RunDir(job.path)
    if not run.lock.acquire():
        job.state, job.code, job.cause = ELSEWHERE, 1, "another process is training it"
        return False
    try:
        RunDir.create(job.path, job.frozen).set_status(state="queued", error=None)
        freeze_to(job.frozen, job.path)
    finally:
        run.lock.release()
    return True


def queued(job: Job) -> bool:
    """Whether the run is in a queue since an earlier submission, or just begins."""
    try:
        ticket = json.loads((job.path / TICKET).read_text())
    except (OSError, ValueError):
        return False
    name = str(ticket["job"])
    if ticket["cluster"] == "slurm":
        with suppress(OSError):
            asked = subprocess.run(["squeue", "-h", "-o", "%T", "-j", name], capture_output=True, text=True)
            if asked.returncode == 0 and asked.stdout.strip():
                job.state = f"in the queue as {name}"
                return True
    elif ticket["cluster"] == "local" and ticket["host"] == socket.gethostname() and runs_submitit(int(name)):
        job.state = f"in the queue as {name}"
        return True
    return False


def runs_submitit(pid: int) -> bool:
    """Whether that process is one of submitit's local controllers, not another that has its number by now."""
    listed = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return "submitit" in listed.stdout


@contextmanager
def on_their_own() -> Iterator[None]:
    """Return what is started here outlives this command: deaf to Ctrl-C and a closed terminal, and no writer to its pipes.

    submitit's local executor starts its processes as children of this one; on SLURM there are none.
    """
    old = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    sys.stdout.flush()
    kept = [os.dup(number) for number in range(3)]
    null = os.open(os.devnull, os.O_RDWR)
    try:
        for number in range(3):
            os.dup2(null, number)
        yield
    finally:
        for number, file in enumerate(kept):
            os.dup2(file, number)
            os.close(file)
        os.close(null)
        for signum, handler in old.items():
            signal.signal(signum, handler)


# Waiting -------------------------------------------------------------------------------------------------------------


def wait(jobs: list[Job], handles: list[tuple[Job, Any]]) -> None:
    """Follow the jobs until they are over. Ctrl-C ends this command, not the jobs."""
    left = list(handles)
    for job, _ in left:
        job.state = "waiting"
    try:
        with sweep_screen.Screen(jobs) as shown:
            while left:
                for job, handle in left:
                    if handle.done():
                        cluster_jobs.over(job, str(handle.paths.stderr))
                    elif Run(job.path).state == "running":
                        job.state = "running"
                left = [(job, handle) for job, handle in left if job.state in ("waiting", "running")]
                shown.update()
                time.sleep(0.5)
    except KeyboardInterrupt:
        names = " ".join(handle.job_id for _, handle in left)
        stop = f"{'scancel' if which('srun') else 'kill'} {names}"
        print(f"the jobs continue: pushforward status shows their state; {stop} stops them, resumably", flush=True)
        raise


def last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it could not be submitted"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
