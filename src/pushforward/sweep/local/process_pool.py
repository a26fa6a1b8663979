"""Many jobs, each in a process of its own: bounded parallelism, cores and GPUs divided, no job takes another with it."""

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pushforward import config, machine
from pushforward.crash_report import SYSTEM, explain
from pushforward.errors import PushforwardError
from pushforward.launch import freeze_to, to_measure
from pushforward.runs import Run
from pushforward.signals import STOPPING, Asked
from pushforward.sweep import devices, sweep_screen
from pushforward.sweep.jobs import ELSEWHERE, Job, ended, jobs_of, memory_kills, settled, unique
from pushforward.sweep.local import stacking
from pushforward.sweep.local.forkserver_client import Gone, Server, shared, targets

LOOK_AGAIN = 1.0
"""Seconds between looks at runs that another process trains."""
PATIENCE = 2.0
"""Seconds that a job has to end when a person has asked twice."""


def run_jobs(
    frozen: list[dict[str, Any]], overrides: list[str], folder: Path, parallel: int | None = None,
    warm: bool = True, fail_fast: bool = False, memory_gb: float | None = None, replicas: int | None = 1,
) -> list[int]:  # fmt: skip
    """Run the jobs that are not finished, `parallel` at a time; a job's failure is its own. Returns the exit codes.

    replicas: at most so many jobs are trained as one in a process, as far as they can be; None: as many as are fastest.

    Ctrl-C and SIGTERM are handed to the running jobs, which checkpoint and stop; asked twice, they stop at once.
    """
    names = devices.gpus() if any(map(devices.on_gpu, frozen)) else []
    at_once = devices.at_once(frozen, parallel, names)
    side_by_side = min(at_once, len(frozen))
    jobs = jobs_of(frozen, overrides, lambda one: machine.threads(side_by_side * config.devices(one)))
    pool = Pool(jobs, at_once, devices.Devices(names), warm, fail_fast, memory_gb)
    if pool.waiting:
        for job, seconds in zip(
            pool.waiting, rehearse(pool.server(), [job.frozen for job in pool.waiting]), strict=False
        ):
            job.expected = seconds
    sweep_screen.show(jobs, pool.waiting, at_once)
    if replicas != 1:
        stacking.arrange(pool.server(), pool.waiting, at_once, replicas, folder)
    pool.run()
    return sweep_screen.finish(jobs)


def rehearse(server: Server, jobs: list[dict[str, Any]]) -> list[float | None]:
    """Try every distinct job once, in a process of its own; return about how many seconds each job takes.

    Raises PushforwardError with all that is wrong. Where trying fails otherwise, the list is empty: the job will fail and say
    so, and the others are none the worse.
    """
    text, _ = server.answer("pushforward.sweep.local.process_pool.rehearsed", jobs)
    if text is None:
        return []
    answer = json.loads(text)
    if "wrong" in answer:
        raise PushforwardError(answer["wrong"])
    return list(answer["seconds"])


def rehearsed(args: list[str]) -> int:
    """`rehearse` in its process."""
    jobs = json.loads(Path(args[0]).read_text(encoding="utf-8"))
    config.calm(jobs[0])
    from pushforward.training.dry_run import rehearse

    try:
        answer: dict[str, Any] = {"seconds": rehearse(jobs)}
    except PushforwardError as error:
        answer = {"wrong": str(error)}
    Path(args[1]).write_text(json.dumps(answer), encoding="utf-8")
    return 0


def measure(server: Server, job: Job) -> None:
    """Measure a finished run as the job asks, in a process of its own; where it fails, the job's log says why."""
    arguments = ["evaluate", str(job.path), *(to_measure(Run(job.path), job.frozen) or [])]
    command = ["-P", "-m", "pushforward", *arguments]
    server.start("pushforward.cli.run", arguments, log=job.log, command=command).wait()


class Pool:
    """Jobs waiting, running, and trained by another process; the server that starts them."""

    def __init__(
        self, jobs: list[Job], at_once: int, gpus: devices.Devices, warm: bool, fail_fast: bool, memory_gb: float | None
    ) -> None:
        self.jobs, self.at_once, self.gpus = jobs, at_once, gpus
        self.warm, self.fail_fast, self.memory_gb = warm, fail_fast, memory_gb
        self.waiting = [job for job in unique(jobs) if not settled(job)]
        self.running: list[Job] = []
        self.stop = Stop()
        self.looked, self.said, self.deaths = 0.0, False, 0

    def server(self) -> Server:
        return server_for([job.frozen for job in self.jobs], self.warm)

    def run(self) -> None:
        """Until every job is over, or those that were running when it was told to stop."""
        with self.stop, sweep_screen.Screen(self.jobs) as shown:
            while self.running or (not self.stop() and (self.waiting or self.elsewhere())):
                self.step()
                shown.update()
        for job in self.waiting:
            job.state, job.code, job.cause = "not started", 130, "the sweep was stopped before its turn"

    def step(self) -> None:
        """Start what there is room for, and takes note of what has ended."""
        if not self.stop():
            self.look_again()
        if not (self.running or self.waiting):
            return time.sleep(0.1)
        server = self.server()
        if not self.stop():
            while self.waiting and self.processes() < self.at_once and not server.gone:
                job = self.waiting.pop(0)
                others = [twin for twin in self.waiting if job.stack is not None and twin.stack == job.stack]
                self.waiting = [twin for twin in self.waiting if twin not in others]
                trainer = job.frozen["trainer"]
                job.devices = self.gpus.take(int(trainer["devices"])) if devices.on_gpu(job.frozen) else []
                try:
                    with suppress(Gone):
                        begin(job, server, self.memory_gb, others)
                except OSError as error:  # a full disk
                    for each in (job, *others):
                        each.state, each.code, each.cause = "stopped", SYSTEM, explain(error)
                    self.gpus.give_back(job.devices)
                    continue
                self.running += [job, *others]
        server.listen(0.1)
        if server.gone:
            return self.start_over()
        for job in self.running:
            ended(job)
            if job.state != "running":
                self.gpus.give_back(job.devices)  # a stack's are its first job's
                if job.code and job.state != ELSEWHERE and self.fail_fast:
                    self.stop.request()
        self.running = [job for job in self.running if job.state == "running"]
        self.stop.tell(self.running)

    def processes(self) -> int:
        return len({id(job.process) for job in self.running})

    def start_over(self) -> None:
        """The server was killed, and its jobs with it: they resume from their checkpoints under another, once."""
        self.deaths += 1
        if self.deaths > 1:
            raise PushforwardError("the process that starts jobs was killed twice; the same command resumes")
        for job in self.running:
            self.gpus.give_back(job.devices)
            job.state = "waiting"
        self.waiting, self.running = [*self.running, *self.waiting], []

    def elsewhere(self) -> list[Job]:
        return [job for job in unique(self.jobs) if job.state == ELSEWHERE]

    def look_again(self) -> None:
        """Jobs that another process trained may be finished now; those that it left are resumed here."""
        others = self.elsewhere()
        if others and time.monotonic() - self.looked > LOOK_AGAIN:
            self.waiting += [job for job in others if not settled(job)]
            self.looked = time.monotonic()
            if len(self.elsewhere()) == len(others) and not self.waiting and not self.running and not self.said:
                print(f"waiting for what other processes train: {', '.join(j.path.name for j in others)}", flush=True)
                self.said = True


def server_for(jobs: Iterable[dict[str, Any]], warm: bool = True) -> Server:
    """This process's server; when it starts, it imports what these jobs will."""
    return shared(warm, sorted(set().union(*map(targets, jobs))))


def begin(job: Job, server: Server | None = None, memory_gb: float | None = None, others: Iterable[Job] = ()) -> Job:
    """Start a job, and `others` with it as one, in a session of its own, its output in its log. Raises Gone."""
    trainer, jobs = job.frozen["trainer"], [job, *others]
    files = [freeze_to(each.frozen, each.path) for each in jobs]
    # a resumed run keeps its own; in a stack, where threads change no more than stacking does, the launcher's count
    threads = int((len(jobs) == 1 and Run(job.path).status.get("threads")) or trainer["threads"])
    for each in jobs:
        each.memory_kills, each.stopping, each.state = memory_kills(), False, "running"
        if len(jobs) == 1:
            each.stack = None
    process = (server or server_for([job.frozen])).start(
        "pushforward.job.main", [str(file) for file in files], log=job.log, threads=threads, memory_gb=memory_gb,
        command=command(*files), environment=environment(threads, job.devices),
        fresh=config.devices(job.frozen) > 1 or trainer["strategy"] != "auto",  # the other ranks start from argv
    )  # fmt: skip
    for each in jobs:
        each.process = process
    return job


def command(*files: Path) -> list[str]:
    """Return what Python is given to run a job from its frozen config, or several as one."""
    return ["-P", "-m", "pushforward.job", *map(str, files)]


def environment(threads: int, gpus: Iterable[str]) -> dict[str, str]:
    """Return a job's environment: its threads, and the GPUs that it may see."""
    named = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    visible = ",".join(gpus)
    return {**os.environ, **named, **({"CUDA_VISIBLE_DEVICES": visible} if visible else {})}


class Stop(Asked):
    """The signals that stop a sweep, and how often that has been handed on."""

    def __init__(self) -> None:
        super().__init__(*STOPPING)
        self.told, self.end = 0, 0.0

    def tell(self, running: Iterable[Job]) -> None:
        """The first time jobs checkpoint and stop, the second time they stop at once, and soon after are killed."""
        processes = {id(job.process): job.process for job in running if job.process is not None}.values()
        if self.told >= 2 and time.monotonic() > self.end:
            for process in processes:
                process.kill()
        if self.told < min(len(self.taken), 2):
            self.told += 1
            self.end = time.monotonic() + PATIENCE
            for job in running:
                job.stopping = True
            for process in processes:
                process.terminate()
