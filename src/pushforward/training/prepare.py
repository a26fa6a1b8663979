"""From a frozen config to a run that is ready to train, at its start or where its last checkpoint left it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pushforward import config, run_identity
from pushforward.data import DataModule
from pushforward.errors import Unreadable
from pushforward.parallel import rank
from pushforward.runs import RunDir, own_sources, source_fingerprint
from pushforward.signals import Requests
from pushforward.spec import BLOCK
from pushforward.training import build, checkpoints
from pushforward.training.acceleration import check
from pushforward.training.callbacks import build_callbacks
from pushforward.training.console import opening, quiet, say
from pushforward.training.evaluate import during, features_for, measures
from pushforward.training.loggers import Mirror
from pushforward.training.pairs import teach
from pushforward.training.plan import plan_of
from pushforward.training.selection import Selector
from pushforward.training.session import Best, Session
from pushforward.training.signatures import settle

GIT_SECONDS = 10.0
"""The seconds that git has to name the commit: on a network file system it may hang."""


def prepare(frozen: dict[str, Any], run: RunDir, requests: Requests, data: DataModule | None = None) -> Session:
    """Builds the run, as its last checkpoint left it, and says so; data: set up already, by a run of the same data."""
    quiet()
    run_identity.check_identity(run, frozen)
    own = run_identity.identity(frozen)
    frozen = settle(frozen)
    chief = rank() == 0
    threads = int(run.status.get("threads") or config.threads(frozen))  # they change bits, so a resumed run keeps them
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
    family.attach_data(data)
    check(frozen, family)
    plan = plan_of(frozen, family)
    restored = last_checkpoint(run)
    if frozen.get("initial"):
        if restored is None:
            checkpoints.initialise(family, frozen["initial"])
        teach(family, frozen["initial"])
    data.per_cycle, data.cycles = family.batches_per_cycle, plan.cycles
    data.start_block = -(-restored["progress"]["cycles"] // BLOCK) if restored else 0
    if chief:
        run.set_status(
            units=family.units(),
            budget_images=plan.images,
            settled_images=plan.settled_images,
            test_images=int(data.card["splits"]["test"]),
            images_seen=restored["progress"]["images_seen"] if restored else 0,
        )
        say(run, *opening(frozen, family, data, run, plan.images, restored))
    wanted = frozen["selection"]["metric"]
    # where nothing is measured, no classifier is trained for it
    needed = wanted.startswith("fd_") or (chief and bool(measures(frozen["metrics"])))
    features = features_for(data, frozen["features"]) if needed else None
    selector = Selector(wanted, features, during(frozen["metrics"], features, run) if chief else None)
    mirrors = make_mirrors(frozen, run) if chief else []
    return Session(frozen, run, data, family, plan, selector, mirrors, build_callbacks(frozen), restored, requests)


def reopen(run: RunDir, frozen: dict[str, Any]) -> RunDir:
    """The run directory with its config, under the lock that `run` holds."""
    opened = RunDir.create(run.path, frozen)
    opened.lock = run.lock
    return opened


def last_checkpoint(run: RunDir) -> dict[str, Any] | None:
    """The state to resume from, or None at the start. Best weights that are damaged are set aside and chosen anew.

    Raises PushforwardError where there are checkpoints and all are damaged.
    """
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
    return state


def make_mirrors(frozen: Mapping[str, Any], run: RunDir) -> list[Mirror]:
    """The loggers that a run's config asks for, open."""
    node = frozen["logger"]
    if not node or "_target_" not in node:
        return []
    # frozen holds targets of its own
    made = build.make(node, "logger", _partial_=True)(run=run.path, frozen=dict(frozen))
    return [made if isinstance(made, Mirror) else Mirror(made)]


def commit() -> str | None:
    """The commit of the checkout that the package runs from; None where there is none, or no git that tells."""
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, encoding="ascii", errors="replace", timeout=GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
