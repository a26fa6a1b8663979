"""Several runs trained as one stack in one process; each is logged, saved, measured and resumed as a run of its own."""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from pushforward import config, data_identity
from pushforward.data import DataModule
from pushforward.data.stacked_streams import side_by_side
from pushforward.engine.stack import Stack
from pushforward.runs import RunDir
from pushforward.signals import Requests, handled
from pushforward.spec import BLOCK
from pushforward.training import build
from pushforward.training.block_schedule import between_blocks
from pushforward.training.conclude import close_loggers, conclude, fail, interrupted
from pushforward.training.prepare import prepare
from pushforward.training.session import Session


def main(files: Sequence[str]) -> int:
    """Trains the runs of these frozen configs that no other process trains. Returns 0: the runs' statuses tell."""
    frozen = {Path(file).parent: yaml.safe_load(Path(file).read_text(encoding="utf-8")) for file in files}
    torch.set_num_threads(config.threads(next(iter(frozen.values()))))
    runs = [run for run in map(RunDir, frozen) if run.lock.acquire()]
    for path in set(frozen) - {run.path for run in runs}:
        print(f"{path}: another process is training this run; see pushforward status")
    requests = Requests()
    try:
        with handled(requests.take):
            train([(frozen[run.path], run) for run in runs], requests)
    except KeyboardInterrupt:
        pass  # each run has said so
    finally:
        for run in runs:
            run.lock.release()
    return 0


def train(runs: list[tuple[dict[str, Any], RunDir]], requests: Requests) -> None:
    """Trains runs that are locked, of one structure and of the same data; writes how each ended into its status."""
    sessions, threads = list[Session](), torch.get_num_threads()
    data: DataModule | None = None
    try:
        for frozen, run in runs:
            with ending(run):
                data_identity.check(frozen)
                data = build.build_data(frozen) if data is None else copy.copy(data)
                data.seed = int(frozen["seed"])
                sessions.append(prepare(frozen, run, requests, data))
        torch.set_num_threads(threads)  # a resumed run has asked for as many as it had alone
        requests.patient = True
        fit(sessions)
        requests.patient = False
        while sessions:
            session = sessions.pop(0)
            with ending(session.run, session):
                conclude(session)
    except BaseException as error:
        for session in sessions:
            failed(error, session.run, session)
        if interrupted(error):
            raise


def failed(error: BaseException, run: RunDir, session: Session | None) -> None:
    """An exception has ended the run."""
    fail(run, error)
    if session is not None:
        close_loggers(session, failed=True)


@contextlib.contextmanager
def ending(run: RunDir, session: Session | None = None) -> Iterator[None]:
    """Within it, an exception ends the run and no other."""
    try:
        yield
    except BaseException as error:
        failed(error, run, session)
        if interrupted(error):
            raise


def fit(sessions: Sequence[Session]) -> None:
    """Trains all to the end of their budget: those that are behind first, then all that have come as far as one stack."""
    waiting = []
    for session in sessions:
        family = session.family
        family.hosted = True
        if session.trained:
            session.restore_trained()
            continue
        family.to(device_of(session.frozen))
        session.data.device = family.device
        family.configure_optimizers()
        session.open()
        waiting.append(session)
    for session in waiting:
        session.share = 1 / len(waiting)
        session.execution = {"executed": "vectorized", "replicas": len(waiting)}
        session.begin()
    unfinished = list(waiting)
    while unfinished:
        reached = sorted({session.family.progress.cycles for session in unfinished})
        behind = [session for session in unfinished if session.family.progress.cycles == reached[0]]
        train_until([*reached[1:], behind[0].plan.cycles][0], behind)
        if behind[0].family.progress.cycles == reached[0]:
            break  # the data gave nothing: `close` says so
        unfinished = [
            s for s in unfinished if s.outcome.state == "running" and s.family.progress.cycles < s.plan.cycles
        ]
        if unfinished and unfinished[0].requests.taken:
            for session in unfinished:  # what was waiting for those behind it is as its checkpoint has it
                session.stop()
            break
    for session in waiting:
        session.close()


def train_until(cycles: int, sessions: Sequence[Session]) -> None:
    """Trains runs that have come equally far as a stack, until so many cycles are done, or until one of them has ended."""
    stack = Stack([session.family.get_stepper() for session in sessions])
    by_family = {id(session.family): session for session in sessions}
    ordered = [by_family[id(family)] for family in stack.families]
    streams = [session.data.train_dataloader() for session in ordered]
    for stream in streams:
        stream.x, stream.y = streams[0].x, streams[0].y
    start = -(-ordered[0].family.progress.cycles // BLOCK)
    for block in side_by_side(streams, start, -(-cycles // BLOCK)):
        stack.block(block)
        between_blocks(stack, ordered, block.index)
        if any(session.outcome.state != "running" for session in ordered):
            break
    stack.hand_back()


def device_of(frozen: dict[str, Any]) -> torch.device:
    return torch.device("cpu" if frozen["trainer"]["accelerator"] == "cpu" else "cuda")
