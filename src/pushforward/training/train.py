"""One run from its frozen config to its record."""

import contextlib
import gc
import math
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from pushforward import config, data_identity, run_identity
from pushforward.config import Trainer
from pushforward.crash_report import RESUMES, SYSTEM, explain, keep_trace, system_error
from pushforward.data import DataModule
from pushforward.errors import Busy, PushforwardError, Unreadable, described
from pushforward.families import Family, IterativeSampler
from pushforward.runs import RunDir, own_sources, source_fingerprint
from pushforward.signals import Interrupted, Requests, handled, reason
from pushforward.training import build, checkpoints, loggers
from pushforward.training.acceleration import Acceleration, check
from pushforward.training.callbacks import build_callbacks
from pushforward.training.console import opening, say, summary
from pushforward.training.curve_logger import CurveLogger, Opening
from pushforward.training.evaluate import choose, during, evaluate, features_for, measures
from pushforward.training.missing_results import apart, remedy
from pushforward.training.pictures import draw
from pushforward.training.progress import Bar
from pushforward.training.run_callback import Best, Plan, RunCallback
from pushforward.training.selection import Selector
from pushforward.training.session import Session
from pushforward.training.signatures import settle
from pushforward.training.strategy import SlicedDDP

GIT_SECONDS = 10.0
"""How long git has to name the commit: on a network file system it may hang."""
EXIT = {"finished": 0, "diverged": 1, "failed": 1, "stopped": 130}


def rank() -> int:
    """This process's rank, known before processes have met."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID") or 0)


def train(frozen: dict[str, Any], path: Path) -> int:
    """Trains, evaluates and records the run at `path`, going on from its last checkpoint. Returns the exit code.

    Raises PushforwardError where another process is training it, or where input is bad (the run is then `failed`).
    """
    run, requests = RunDir(path), Requests()
    data_identity.check(frozen)
    if rank() == 0 and not run.lock.acquire():
        raise Busy(f"{path}: another process is training this run; see pushforward status")
    try:
        with handled(requests.take):
            return _train(frozen, run, requests)
    except BaseException as error:
        code = fail(run, error) if rank() == 0 else EXIT["failed"]
        full = isinstance(error, Exception) and os.environ.get("PUSHFORWARD_FULL_ERROR")
        if full or isinstance(error, PushforwardError):
            raise
        return code
    finally:
        run.lock.release()


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
    """What a person ended the run by; Lightning turns their Ctrl-C into an exit. An exit out of a model is a failure."""
    asked = error.__context__ if isinstance(error, SystemExit) else error
    return asked if isinstance(asked, KeyboardInterrupt) else None


def safe(run: RunDir) -> str:
    """What of a run is on the disk."""
    with contextlib.suppress(Exception):
        seen = checkpoints.load(run.checkpoints / "last.ckpt")["progress"]["images_seen"]
        return f"what was trained up to {seen:,} images is safe"
    return "no checkpoint was written yet"


def _train(frozen: dict[str, Any], run: RunDir, requests: Requests) -> int:
    session = prepare(frozen, run)
    session.callback.requests = requests
    failed = True
    try:
        fit(session)
        if requests.taken:
            stop(session, requests.taken)
        conclude(session)
        failed = session.callback.outcome.state in ("failed", "diverged")
    finally:
        finish(session, failed)
    return told(session) if rank() == 0 else EXIT[session.callback.outcome.state]


def prepare(frozen: dict[str, Any], run: RunDir, data: DataModule | None = None) -> Session:
    """Builds the run, as its last checkpoint left it, and says so; data: set up already, by a run of the same data."""
    quiet()
    run_identity.check_identity(run, frozen)
    own = run_identity.identity(frozen)
    frozen = settle(frozen)
    chief = rank() == 0
    status = run.status
    threads = int(status.get("threads") or config.threads(frozen))  # they change bits, so a resumed run keeps them
    torch.set_num_threads(threads)
    if chief:
        run = reopen(run, frozen)
        run.set_status(
            state="running", error=None, phase=None, stage=None, threads=threads,
            identity=own, own=own_sources(frozen), fingerprint=source_fingerprint(), commit=commit(),
            command=" ".join(sys.argv),
        )  # fmt: skip
    if data is None:
        data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    if chief:
        build.write_spec(run, data.spec)
    check(frozen, family)
    images = build.budget_images(frozen, data.spec)
    cycles = build.budget_cycles(frozen, family)
    restored = last_checkpoint(run, family)
    if restored is None and frozen.get("initial"):
        checkpoints.initialise(family, frozen["initial"])
    data.per_cycle, data.cycles = family.batches_per_cycle, cycles
    data.start_block = restored["blocks"] if restored else 0
    if chief:
        run.set_status(
            units=family.units(),
            budget_images=images,
            settled_images=build.settled_images(family, images),
            test_images=int(data.card["splits"]["test"]),
            images_seen=restored["progress"]["images_seen"] if restored else 0,
        )
        say(run, *opening(frozen, family, data, run, images, restored))

    wanted = frozen["selection"]["metric"]
    # where nothing is measured, no classifier is trained for it
    needed = wanted.startswith("fd_") or (chief and bool(measures(frozen["metrics"])))
    features = features_for(data, frozen["features"]) if needed else None
    selector = Selector(wanted, features, during(frozen["metrics"], features, run) if chief else None)
    mirrors = make_mirrors(frozen, run) if chief else []
    callback = RunCallback(
        run, data, plan(frozen, family, cycles, images), selector, mirrors, restored,
        lambda family, seen: mirror_pictures(mirrors, draw(run, family, data, {}), seen), build_callbacks(frozen),
    )  # fmt: skip
    return Session(frozen, run, data, family, features, mirrors, callback)


def conclude(session: Session) -> None:
    """A finished run is measured, recorded and drawn, by the first process alone."""
    run, family, data, outcome = session.run, session.family, session.data, session.callback.outcome
    if rank() != 0 or outcome.state != "finished":
        return
    if outcome.early:
        say(run, "stopped early by {by} at {images_seen:,} of {of_images:,} images".format(**outcome.early))
    say(run, f"trained  {outcome.images:,} images in {outcome.seconds:.1f} s")
    gaps = session.gaps
    with apart(run, gaps, "record.json"):
        record(session)
    pictures = draw(run, family, data, gaps)
    for mirror in session.mirrors:
        with apart(run, gaps, "logger"):
            mirror_pictures([mirror], pictures, outcome.images)
            loggers.log_checkpoint(mirror, run.checkpoints / "last.ckpt")
            numbers = {f"test/{k}": m["value"] for k, m in run.metrics.items() if m["value"] is not None}
            loggers.log_numbers(mirror, numbers, outcome.images)
            best = session.callback.best
            if math.isfinite(best.value):
                loggers.log_best(mirror, {"val/criterion": best.value, "images_seen": best.images_seen})
    if gaps and "record.json" not in gaps:
        with apart(run, gaps, "record.json"):
            run.update_record({}, failed=gaps)


def finish(session: Session, failed: bool) -> None:
    """Closes the loggers: what they raise is a gap, and ends no run."""
    for mirror in session.mirrors:
        with apart(session.run, session.gaps, "logger"):
            loggers.finish(mirror, failed)


def stop(session: Session, number: int) -> None:
    """A signal has stopped the run: if it is trained already, it resumes with its measures."""
    outcome = session.callback.outcome
    if outcome.state == "finished":
        outcome.state, outcome.signal, outcome.reason = "stopped", number, reason(number)


def told(session: Session) -> int:
    """Writes and says how the run ended. Returns its exit code."""
    run, outcome = session.run, session.callback.outcome
    latest = session.callback.closing() or run.status.get("latest")
    unwritten = session.gaps.get("record.json")
    error = outcome.reason or (unwritten and f"record.json: {unwritten}")
    run.set_status(
        state=outcome.state, error=error, images_seen=session.family.progress.images_seen, latest=latest,
        phase=None, stage=None,
    )  # fmt: skip
    if outcome.state == "finished":
        (run.checkpoints / checkpoints.BEFORE).unlink(missing_ok=True)
        say(run, summary(run), *remedy(run, session.gaps))
    else:
        say(run, f"{outcome.reason}{RESUMES}" if outcome.state == "stopped" else f"{outcome.state}: {outcome.reason}")
    return 128 + outcome.signal if outcome.signal else EXIT[outcome.state]


def reopen(run: RunDir, frozen: dict[str, Any]) -> RunDir:
    """The run directory with its config, under the lock that `run` holds."""
    opened = RunDir.create(run.path, frozen)
    opened.lock = run.lock
    return opened


def fit(session: Session) -> None:
    """Lightning hosts: devices, processes and precision are its own; what happens between blocks is the callback's."""
    frozen, family, data, callback = session.frozen, session.family, session.data, session.callback
    settings = frozen["trainer"]
    family.hosted = True
    acceleration = Acceleration(session)
    own = callback.callbacks
    # the callback comes last: what callbacks did at the end of a block is in the checkpoint that it writes there
    callbacks: list[pl.Callback] = [Opening(callback), acceleration, *own.values(), callback]
    if settings["progress"] and rank() == 0:
        callbacks.append(Bar(callback, callback.plan.images))
    if callback.trained:
        callback.already_trained(family)
        return
    trainer = make_trainer(
        frozen, callbacks, CurveLogger(callback) if own else None, profiler(settings.get("profiler"), session.run)
    )
    acceleration.prepare(family)
    gc.freeze()  # what is there by now stays: looking through all of Lightning for garbage took a quarter of a second
    try:
        trainer.fit(family, datamodule=data)
    finally:
        callback.requests.patient = False
        gc.unfreeze()
    # Lightning leaves the model on the CPU; precision=fp64 is for training, measures and pictures take float32
    family.to(callback.device).float()
    acceleration.finish(family)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # what is measured now is measured by one process


def make_trainer(
    frozen: Mapping[str, Any],
    callbacks: list[pl.Callback],
    logger: CurveLogger | None = None,
    profiler: Profiler | None = None,
) -> pl.Trainer:
    """Lightning's trainer for a run. Raises PushforwardError for devices that it does not find."""
    settings = frozen["trainer"]
    strategy: Any = SlicedDDP() if settings["strategy"] == "ddp" else settings["strategy"]
    try:
        return pl.Trainer(
            accelerator=settings["accelerator"],
            devices=settings["devices"],
            num_nodes=settings.get("num_nodes") or 1,
            strategy=strategy,
            precision=build.PRECISIONS[frozen["precision"]],  # type: ignore[arg-type]
            max_epochs=1,  # one long epoch: the loader is the budget
            logger=logger or False,
            log_every_n_steps=1,  # blocks
            callbacks=callbacks,
            profiler=profiler,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            barebones=False,
        )
    except (MisconfigurationException, ValueError, ModuleNotFoundError, ImportError) as error:
        given = ", ".join(f"trainer.{key}={settings[key]}" for key in ("accelerator", "devices", "strategy"))
        raise PushforwardError(f"{given}: {str(error).splitlines()[0]}") from None


def plan(frozen: dict[str, Any], family: Family, cycles: int, images: int) -> Plan:
    """When to log, validate and draw, in images seen."""
    from pushforward.spec import BLOCK

    n = family.spec.n_train
    per_block = BLOCK * family.batches_per_cycle * int(frozen["batch_size"])
    pictures = frozen["trainer"]["pictures_every"]
    if pictures is None and (frozen["logger"] or {}).get("_target_") and not isinstance(family, IterativeSampler):
        pictures = images / n / loggers.PICTURES
    return Plan(
        cycles=cycles,
        images=images,
        log_blocks=max(1, round(frozen["trainer"]["log_every"] * n / per_block)),
        validate_images=frozen["selection"]["every"] * n,
        pictures_images=pictures * n if pictures else None,
        checkpoint_share=float(frozen["trainer"].get("checkpoint_share") or Trainer.checkpoint_share),
        settled_images=build.settled_images(family, images),
        max_seconds=config.max_seconds(frozen) or math.inf,
    )


def profiler(name: str | None, run: RunDir) -> Profiler | None:
    """Lightning's profiler of that name, whose report is written into the run directory as `fit-profile.txt`."""
    kinds: dict[str, type[Profiler]] = {
        "simple": SimpleProfiler,
        "advanced": AdvancedProfiler,
        "pytorch": PyTorchProfiler,
    }
    return None if name is None else kinds[name](dirpath=run.path, filename="profile")


def last_checkpoint(run: RunDir, family: Family) -> dict[str, Any] | None:
    """The state to resume from, or None at the start. Best weights that are damaged are set aside and chosen anew.

    Raises PushforwardError where there are checkpoints and all are damaged.
    """
    from pushforward.spec import BLOCK

    state, said = checkpoints.latest(run.checkpoints)
    if state is None:
        return None
    best = run.checkpoints / checkpoints.BEST
    try:
        if os.path.lexists(best):
            checkpoints.load(best)
    except Unreadable as error:
        said = f"{said}; {error}: weights are chosen anew" if said else f"{error}: weights are chosen anew"
        state["best"] = asdict(Best())
        if rank() == 0:
            best.rename(best.with_suffix(".damaged"))
    if said and rank() == 0:
        say(run, said)
    done = state["progress"]["cycles"]
    return {**state, "blocks": -(-done // BLOCK)}


def record(session: Session) -> None:
    """Measures the chosen weights and writes record.json: first how it was trained, which no failure of a measure loses."""
    frozen, run, family, callback = session.frozen, session.run, session.family, session.callback
    outcome = callback.outcome
    card = choose(run, family, frozen)
    run.write_record(
        {},
        identity=run.identity,
        improving=callback.improving,
        stopped_early=outcome.early,
        init_from=frozen.get("initial"),
        objective=family.describe(),
        cost={
            "parameters": sum(p.numel() for p in family.parameters()),
            "images_per_second": outcome.images / outcome.seconds if outcome.seconds else None,
            "train_seconds": outcome.seconds,
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
    found, gaps = evaluate(family, session.data, session.features, frozen["metrics"], card, run, training=True)
    session.gaps |= gaps
    cost = {**run.record["cost"], "evaluate_seconds": time.perf_counter() - started}
    run.update_record(found, cost=cost, failed=session.gaps)


def make_mirrors(frozen: Mapping[str, Any], run: RunDir) -> list[Any]:
    node = frozen["logger"]
    if not node or "_target_" not in node:
        return []
    return [
        build.make(node, "logger", _partial_=True)(run=run.path, frozen=dict(frozen))
    ]  # frozen holds targets of its own


def mirror_pictures(mirrors: list[Any], pictures: list[Path], seen: int) -> None:
    for mirror in mirrors:
        loggers.log_pictures(mirror, pictures, seen)


def commit() -> str | None:
    """The commit of the checkout that the package runs from; None where there is none, or no git that tells."""
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, encoding="ascii", errors="replace", timeout=GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def quiet() -> None:
    """Lightning's advice about loaders and loggers does not concern a person who trains by config."""
    import logging

    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torchmetrics")
    warnings.filterwarnings("ignore", message=r".*(isinstance\(treespec|does not have many workers|GPU available).*")
