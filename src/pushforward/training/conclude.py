"""The end of a run: measured, recorded and drawn where it is finished; said in one line where it is not."""

import contextlib
import math
import platform
import sys
import time

import pytorch_lightning as pl
import torch

from pushforward import config
from pushforward.crash_report import RESUMES, SYSTEM, explain, keep_trace, system_error
from pushforward.errors import PushforwardError, described
from pushforward.parallel import rank
from pushforward.report.columns import collapses
from pushforward.report.terminal import waiting
from pushforward.runs import RunDir
from pushforward.runs.weights import BY_CARD, merged
from pushforward.signals import Interrupted
from pushforward.training import checkpoints, pictures
from pushforward.training.console import say, summary
from pushforward.training.evaluate import choose, evaluate, evaluate_sets, sets_wanted
from pushforward.training.missing_results import apart, remedy
from pushforward.training.session import Session

EXIT = {"finished": 0, "diverged": 1, "failed": 1, "stopped": 130}


def conclude(session: Session) -> int:
    """Measures, records and draws a finished run, closes its loggers and says how it ended. Return its exit code."""
    outcome = session.outcome
    if session.requests.taken and outcome.state == "finished":
        session.stop()  # trained already, it resumes with its measures
    if rank() == 0 and outcome.state == "finished":
        complete(session)
    close_loggers(session, failed=outcome.state in ("failed", "diverged"))
    return told(session) if rank() == 0 else EXIT[outcome.state]


def complete(session: Session) -> None:
    """Measures, records and draws a finished run."""
    run, outcome, gaps = session.run, session.outcome, session.gaps
    if outcome.early:
        say(run, "stopped early by {by} at {images_seen:,} of {of_images:,} images".format(**outcome.early))
    waited = waiting(session.waited / outcome.seconds) if outcome.seconds else ""
    say(run, f"trained  {outcome.images:,} images in {outcome.seconds:.1f} s{waited and ', ' + waited}")
    with apart(run, gaps, "record.json"):
        record(session)
    drawn = pictures.draw(run, session.family, session.data, gaps)
    for mirror in session.mirrors:
        with apart(run, gaps, "logger"):
            mirror.pictures(drawn, outcome.images)
            mirror.checkpoint(run.checkpoints / checkpoints.LAST)
            numbers = {f"test/{k}": m["value"] for k, m in run.metrics.items() if m["value"] is not None}
            mirror.numbers(numbers, outcome.images)
            if math.isfinite(session.best.value):
                mirror.best({"val/criterion": session.best.value, "images_seen": session.best.images_seen})
    if gaps and "record.json" not in gaps:
        with apart(run, gaps, "record.json"):
            run.update_record({}, failed=gaps)


def record(session: Session) -> None:
    """Measures the chosen weights and writes record.json: first how it was trained, which no failure of a measure loses."""
    frozen, run, family, outcome = session.frozen, session.run, session.family, session.outcome
    card = choose(run, family, frozen)
    run.write_record(
        {},
        identity=run.identity,
        improving=session.best.improving,
        stopped_early=outcome.early,
        init_from=frozen.get("initial"),
        objective=family.describe(),
        cost={
            "parameters": sum(p.numel() for p in family.parameters()),
            "images_per_second": outcome.images / outcome.seconds if outcome.seconds else None,
            "train_seconds": outcome.seconds,
            "data_wait": session.waited / outcome.seconds if outcome.seconds else None,
            "images_seen": outcome.images,
            "steps": dict(family.progress.steps),
        },
        execution={
            "threads": torch.get_num_threads(), "devices": config.devices(frozen), **session.execution,
            "accelerator": frozen["trainer"]["accelerator"], "precision": frozen["precision"],
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
            "torch": torch.__version__, "lightning": pl.__version__, "python": platform.python_version(),
        },
    )  # fmt: skip
    started = time.perf_counter()
    features, measured = session.selector.features, frozen["metrics"]
    found, gaps = evaluate(family, session.data, features, measured, card, run, training=True)
    session.gaps |= gaps
    run.update_record(found, failed=session.gaps)
    names = [name for name in sets_wanted(measured) if name != BY_CARD[card["weights"]]]
    others, gaps = evaluate_sets(names, run, frozen, family, session.data, features, measured, {}, training=True)
    session.gaps |= gaps
    cost = {**run.record["cost"], "evaluate_seconds": time.perf_counter() - started}
    more = {"weights": merged(run.record, others)} if others else {}
    run.update_record({}, cost=cost, failed=session.gaps, **more)


def close_loggers(session: Session, failed: bool) -> None:
    """Closes the run's loggers, once: what they raise is a gap, and ends no run."""
    while session.mirrors:
        with apart(session.run, session.gaps, "logger"):
            session.mirrors.pop(0).finish(failed)


def told(session: Session) -> int:
    """Writes and says how the run ended. Returns its exit code."""
    run, outcome = session.run, session.outcome
    latest = session.closing() or run.status.get("latest")
    unwritten = session.gaps.get("record.json")
    error = outcome.reason or (unwritten and f"record.json: {unwritten}")
    run.set_status(
        state=outcome.state, error=error, images_seen=session.family.progress.images_seen, latest=latest,
        phase=None, stage=None,
    )  # fmt: skip
    if outcome.state == "finished":
        (run.checkpoints / checkpoints.BEFORE).unlink(missing_ok=True)
        say(run, summary(run), *(f"collapsed: {text}" for text in collapses(run)), *remedy(run, session.gaps))
    else:
        say(run, f"{outcome.reason}{RESUMES}" if outcome.state == "stopped" else f"{outcome.state}: {outcome.reason}")
    return 128 + outcome.signal if outcome.signal else EXIT[outcome.state]


def fail(run: RunDir, error: BaseException) -> int:
    """Writes and says, in one line, that an exception has ended the run; its log has the traceback. Returns an exit code.

    What a signal or the operating system has stopped resumes by the same command; any other exception has failed.
    """
    stopped, refused = interrupted(error), system_error(error)
    line = str(stopped) or "interrupted" if stopped else explain(error) if refused else described(error)
    # on a full disk, or in a folder that is gone, the lock that nobody holds says that the run has stopped
    with contextlib.suppress(OSError):
        run.set_status(state="stopped" if stopped or refused else "failed", error=line)
    if stopped:
        say(run, line + RESUMES)
        return stopped.code if isinstance(stopped, Interrupted) else EXIT["stopped"]
    where = keep_trace(error, run.path / "console.log")
    if refused:
        print(f"stopped: {line}; {safe(run)}{RESUMES}; {where}", file=sys.stderr)
        return SYSTEM
    if not isinstance(error, PushforwardError):
        print(f"failed: {line}; {where}", file=sys.stderr)
    return EXIT["failed"]


def interrupted(error: BaseException) -> KeyboardInterrupt | None:
    """The exception by which a user ended the run; Lightning turns Ctrl-C into an exit. An exit out of a model is a failure."""
    asked = error.__context__ if isinstance(error, SystemExit) else error
    return asked if isinstance(asked, KeyboardInterrupt) else None


def safe(run: RunDir) -> str:
    """The part of a run that is on disk."""
    with contextlib.suppress(Exception):
        seen = checkpoints.load(run.checkpoints / checkpoints.LAST)["progress"]["images_seen"]
        return f"what was trained up to {seen:,} images is safe"
    return "no checkpoint was written yet"
