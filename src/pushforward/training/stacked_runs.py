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
from pushforward.seeds import generator
from pushforward.signals import Requests, handled
from pushforward.spec import BLOCK, Block
from pushforward.training import build, loggers
from pushforward.training.train import Session, conclude, fail, finish, interrupted, prepare, stop, told


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
    ended = set[int]()
    try:
        for frozen, run in runs:
            with ending(run):
                data_identity.check(frozen)
                data = build.build_data(frozen) if data is None else copy.copy(data)
                data.seed = int(frozen["seed"])
                sessions.append(prepare(frozen, run, data))
        torch.set_num_threads(threads)  # a run that is taken up again has asked for as many as it had alone
        requests.patient = True
        fit(sessions, requests)
        requests.patient = False
        for session in sessions:
            if requests.taken:
                stop(session, requests.taken)
            with ending(session.run, session.mirrors):
                ended.add(id(session))
                conclude(session)
                told(session)
                finish(session, session.callback.outcome.state in ("failed", "diverged"))
    except BaseException as error:
        for session in sessions:
            if id(session) not in ended:
                failed(session.run, session.mirrors, error)
        if interrupted(error):
            raise


def failed(run: RunDir, mirrors: Sequence[Any], error: BaseException) -> None:
    """An exception has ended the run."""
    fail(run, error)
    for mirror in mirrors:
        loggers.finish(mirror, True)


@contextlib.contextmanager
def ending(run: RunDir, mirrors: Sequence[Any] = ()) -> Iterator[None]:
    """Within it, an exception ends the run and no other."""
    try:
        yield
    except BaseException as error:
        failed(run, mirrors, error)
        if interrupted(error):
            raise


def fit(sessions: list[Session], signals: Requests) -> None:
    """Trains all to the end of their budget: those that are behind first, then all that have come as far together."""
    waiting = []
    for session in sessions:
        callback, family = session.callback, session.family
        family.hosted = True
        if callback.trained:
            callback.already_trained(family)
            continue
        family.to(device_of(session.frozen))
        session.data.device = family.device
        family.configure_optimizers()
        callback.open(family)
        waiting.append(session)
    for session in waiting:
        session.callback.share = 1 / len(waiting)
        session.execution = {"executed": "vectorized", "replicas": len(waiting)}
        session.callback.begin(session.family)
    unfinished = list(waiting)
    while unfinished:
        reached = sorted({session.family.progress.cycles for session in unfinished})
        together = [session for session in unfinished if session.family.progress.cycles == reached[0]]
        StackedRuns(together, signals).go([*reached[1:], together[0].callback.plan.cycles][0])
        if together[0].family.progress.cycles == reached[0]:
            break  # the data gave nothing: `close` says so
        unfinished = [
            session for session in unfinished
            if session.callback.outcome.state == "running"
            and session.family.progress.cycles < session.callback.plan.cycles
        ]  # fmt: skip
        if signals.taken:
            for session in unfinished:  # what was waiting for those behind it is as its checkpoint has it
                stop(session, signals.taken)
            break
    for session in waiting:
        session.callback.close(session.family)


def device_of(frozen: dict[str, Any]) -> torch.device:
    return torch.device("cpu" if frozen["trainer"]["accelerator"] == "cpu" else "cuda")


class StackedRuns:
    """A stack of runs that have come equally far: what a callback does between blocks, for all of them."""

    def __init__(self, sessions: list[Session], signals: Requests) -> None:
        self.stack, self.signals = Stack([session.family.get_stepper() for session in sessions]), signals
        by_family = {id(session.family): session for session in sessions}
        self.sessions = [by_family[id(family)] for family in self.stack.families]
        self.lead = self.sessions[0].callback
        streams = [session.data.train_dataloader() for session in self.sessions]
        for stream in streams:
            stream.x, stream.y = streams[0].x, streams[0].y
        self.streams = streams

    def go(self, cycles: int) -> None:
        """Trains until so many cycles are done, a signal came, or one has diverged: the others go on without it."""
        start = -(-self.stack.base.progress.cycles // BLOCK)
        for block in side_by_side(self.streams, start, -(-cycles // BLOCK)):
            self.stack.block(block)
            self.between(block)
            if any(session.callback.outcome.state != "running" for session in self.sessions):
                break
        self.stack.hand_back()

    def between(self, block: Block) -> None:
        """As `RunCallback.on_train_batch_end`."""
        plan, progress = self.lead.plan, self.stack.base.progress
        seen = progress.images_seen
        before = seen - block.batch.x.shape[0] * block.batch.x.shape[2]
        last, stopped = progress.cycles >= plan.cycles, bool(self.signals.taken)
        validate = last or self.lead.passed(before, seen, plan.validate_images)
        if validate or stopped or (block.index + 1) % plan.log_blocks == 0:
            for session, (means, bad) in zip(self.sessions, self.stack.take(), strict=True):
                session.callback.note_terms(session.family, means, bad, seen)
        if validate or stopped:
            for player, marks in self.stack.spoilt().items():
                for session, spoilt in zip(self.sessions, marks, strict=True):
                    if spoilt:
                        session.callback.note_weights(session.family, player)
        if validate:
            for session, values in zip(self.sessions, self.validation(), strict=True):
                if session.callback.outcome.state != "diverged":
                    session.callback.note_values(session.family, values, seen)
        good = [session for session in self.sessions if session.callback.outcome.state != "diverged"]
        if (validate or stopped) and any(session.callback.due(last or stopped) for session in good):
            self.stack.hand_back()
            for session in good:
                session.callback.checkpoint(session.family, at_once=last or stopped)
        for session in good:
            if plan.pictures_images and self.lead.passed(before, seen, plan.pictures_images) and not last:
                session.callback.draw_pictures(session.family, seen)
            if stopped and not last:
                stop(session, self.signals.taken)
            session.callback.tell(session.family)

    @torch.no_grad()
    def validation(self) -> list[dict[str, float]]:
        """What `Selector.measure` gives for each, in one pass for all where the selection needs terms alone."""
        selectors = [session.callback.selector for session in self.sessions]
        stack, base = self.stack, self.stack.base
        if selectors[0].metric.startswith("fd_") or selectors[0].during is not None:
            return [
                s.measure(session.family, session.data) for s, session in zip(selectors, self.sessions, strict=True)
            ]
        if not selectors[0].chooses(self.sessions[0].family, self.sessions[0].data):
            return [{} for _ in selectors]
        player, count, sums = base.players[0].name, 0, dict[str, torch.Tensor]()
        base.eval()
        stack.swap()
        for position, batch in enumerate(self.sessions[0].data.batches("val")):
            n = len(batch.x)
            drawn = [f.draw(player, n, generator(f.device, f.seed, "validation", position)) for f in stack.families]
            noise = {key: torch.stack([own[key] for own in drawn]) for key in drawn[0]}
            for name, value in stack.judge(stack.parameters, stack.buffers, batch.to(base.device), noise).items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device, dtype=torch.float64)) + value * n
            count += n
        stack.swap()
        base.train()
        values = (torch.stack(list(sums.values()), 1) / count).tolist()
        return [s.named(dict(zip(sums, row, strict=True))) for s, row in zip(selectors, values, strict=True)]
