"""A sweep on a Ray cluster: each job is a task of Ray's, which starts the job's process on the node that Ray chose."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.launch import freeze_to
from pushforward.runs import Run
from pushforward.signals import STOPPING, Asked
from pushforward.sweep import job_process, sweep_screen
from pushforward.sweep.cluster import cluster_jobs
from pushforward.sweep.devices import on_gpu
from pushforward.sweep.jobs import Job, jobs_of

SENT = ("PUSHFORWARD_", "WANDB_")
"""Beginnings of the environment variables that a job on another node needs as they are here."""


def run_jobs(
    frozen: list[dict[str, Any]], overrides: list[str], folder: Path, settings: Mapping[str, Any]
) -> list[int]:
    """Run the jobs that are not finished, as many at a time as the cluster has room for. Returns the exit codes.

    Ctrl-C and SIGTERM are handed to the running jobs, which checkpoint and stop; asked twice, they are killed.
    """
    ray = library()
    jobs = jobs_of(frozen, overrides, lambda frozen: max(1, int(settings["num_cpus"] or 1) // devices(frozen)))
    for job in jobs:
        if int(job.frozen["trainer"].get("num_nodes") or 1) > 1:
            raise PushforwardError(
                "trainer.num_nodes: hydra/launcher=ray runs a job on one node; hydra/launcher=slurm on several"
            )
    waiting = cluster_jobs.unfinished(jobs)
    cluster_jobs.rehearse(waiting)
    if waiting:
        connect(ray, settings)
        try:
            needs = {job.path: resources(job, settings) for job in waiting}
            room(ray, list(needs.values()), settings)
            before = sum(job.state == "skipped (finished)" for job in jobs)
            print(f"{len(jobs)} jobs: {before} finished before, {len(waiting)} to run on Ray", flush=True)
            follow(ray, jobs, waiting, needs, folder)
        finally:
            ray.shutdown()
    return sweep_screen.finish(jobs)


def library() -> Any:
    """Ray, sending nothing home. Raises PushforwardError where it is not installed."""
    for key, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")):
        os.environ.setdefault(key, value)
    try:
        import ray
    except ImportError:
        raise PushforwardError("hydra/launcher=ray needs Ray: pip install 'pushforward[ray]'") from None
    return ray


def connect(ray: Any, settings: Mapping[str, Any]) -> None:
    """Start Ray on this machine, or connects to a cluster. Raises PushforwardError in one line."""
    import logging

    address = settings["address"]
    local = {} if address else {"include_dashboard": False, "object_store_memory": 2**27, "num_cpus": settings["cores"]}
    try:
        ray.init(address or "local", logging_level=logging.ERROR, log_to_driver=False, configure_logging=True, **local)
    except Exception as error:
        raise PushforwardError(
            f"hydra.launcher.address={address}: {str(error).splitlines()[0]}; give the address of a running cluster, "
            "auto for the one of this machine, or null to start one here"
        ) from None


def devices(frozen: Mapping[str, Any]) -> int:
    return int(frozen["trainer"]["devices"])


def resources(job: Job, settings: Mapping[str, Any]) -> dict[str, float]:
    """Return cores and GPUs of a job: as asked, else a core for each of its threads and a GPU for each of its devices."""
    trainer = job.frozen["trainer"]
    cpus, gpus = settings["num_cpus"], settings["num_gpus"]
    return {
        "num_cpus": devices(job.frozen) * int(trainer["threads"]) if cpus is None else float(cpus),
        "num_gpus": devices(job.frozen) * on_gpu(job.frozen) if gpus is None else float(gpus),
    }


def room(ray: Any, needs: list[dict[str, float]], settings: Mapping[str, Any]) -> None:
    """Refuse what no node of a cluster that we started can ever run; another one may grow."""
    if settings["address"]:
        return
    there = ray.cluster_resources()
    for name, key in (("CPU", "num_cpus"), ("GPU", "num_gpus")):
        most = max(need[key] for need in needs)
        if most > there.get(name, 0):
            remedy = "trainer.threads, trainer.devices or hydra.launcher.num_cpus" if name == "CPU" else "trainer=cpu"
            raise PushforwardError(
                f"a job wants {most:g} {name}s and Ray finds {there.get(name, 0):g} here; see {remedy}"
            )


def follow(ray: Any, jobs: list[Job], waiting: list[Job], needs: dict[Path, dict[str, float]], folder: Path) -> None:
    """Hand the jobs to Ray and follows them until they are over."""
    halt = folder / "stop"  # the file system is what all nodes share
    halt.unlink(missing_ok=True)
    sent = {key: value for key, value in os.environ.items() if key.startswith(SENT)}
    task = ray.remote(max_retries=0)(work)
    handles = {}
    for job in waiting:
        file = freeze_to(job.frozen, job.path)
        handles[
            task.options(name=job.path.name, **needs[job.path]).remote(str(file), str(halt), sent, str(Path.cwd()))
        ] = job
    stop = Asked(*STOPPING)
    with stop, sweep_screen.Screen(jobs) as shown:
        while handles and len(stop.taken) < 2:
            if stop() and not halt.exists():
                halt.touch()
            ready, _ = ray.wait(list(handles), timeout=0.2)
            for handle in ready:
                conclude(ray, handles.pop(handle), handle)
            for job in handles.values():
                job.state = "running" if Run(job.path).state == "running" else "waiting"
            shown.update()
            time.sleep(0.1)
    halt.unlink(missing_ok=True)
    for job in handles.values():  # asked twice: they go with Ray
        job.state, job.code, job.cause = "stopped", 130, "killed; the same command resumes from its last checkpoint"


def conclude(ray: Any, job: Job, handle: Any) -> None:
    """Note how a job ended."""
    try:
        code = ray.get(handle)
    except Exception as error:  # the node or Ray's worker died, or the files are not there
        cluster_jobs.over(job, str(job.log))
        job.cause = f"{type(error).__name__}: {str(error).strip().splitlines()[-1].strip()}"
        job.code = 1
        return
    if code is None:
        job.state, job.code, job.cause = "not started", 130, "the sweep was stopped before its turn"
        return
    cluster_jobs.over(job, str(job.log))
    job.code = job.code and (code if code > 0 else 1)


def work(file: str, halt: str, sent: dict[str, str], cwd: str) -> int | None:
    """On the node: the job in a process of its own. Its exit code; None where the sweep was stopped before."""
    if not Path(file).is_file():
        raise FileNotFoundError(f"{file} is not on this node: outputs must be on a file system that all nodes share")
    if Path(halt).exists():
        return None
    if Path(cwd).is_dir():
        os.chdir(cwd)
    os.environ.update(sent)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    process = job_process.begin(Path(file), Path(file).with_name("job.log"), environment)
    return job_process.follow(process, Path(halt).exists, patience=600)
