"""pushforward: every family of generative models on one bench.

import pushforward as pf
pf.train("model=vae", "data=digits")        # the run, trained or as it was
pf.runs(model="vae").frame()                # what there is
pf.load("latest").sample(64)                # a trained model
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

# OpenMP reads it when torch is imported: threads that spin while they wait made a run of two threads twenty to a hundred
# times slower beside another job
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pushforward.allowed_targets import allowed
from pushforward.errors import PushforwardError
from pushforward.report.run_list import RunList
from pushforward.report.table_layout import Table
from pushforward.runs import Run
from pushforward.runs import catalogue as _catalogue

if TYPE_CHECKING:
    from pushforward.training.load_run import Trained

_TURN = threading.RLock()
"""Runs of this process are trained one after the other: the generators and the default precision are the process's."""


def _run_html(run: Run) -> str:
    from pushforward.report import notebook

    return notebook.run(run)


def _table_html(table: Table) -> str:
    from pushforward.report import table_render

    return table_render.html(table)


Run.as_html, Table.as_html = _run_html, _table_html

__all__ = ["PushforwardError", "Run", "RunList", "export", "find", "load", "runs", "train"]


def runs(root: Path | str | None = None, **filters: Any) -> RunList:
    """Return runs whose config has these values: `runs(model="vae", seed=[1, 2], weighting__beta=4)`; `__` is a dot."""
    return RunList(_catalogue.runs(root, **filters))


def find(spec: str, root: Path | str | None = None) -> RunList:
    """Return the runs meant by RUN: a folder, an id or its beginning, `latest`, or a filter: `model=vae,weighting.beta=4`."""
    return RunList(_catalogue.find(spec, root))


def load(run: "Run | str | Path", allow_modules: Sequence[str] = ()) -> "Trained":
    """Return a trained model: `sample`, `encode`, `decode`, `reconstruct`, `log_prob`, and `family` and `data` themselves.

    run: a Run, RUN as on the command line, or an exported model: its folder, or `hf://user/name[@revision]` on the hub.
    allow_modules: modules of your own that its config may name. No code that lies beside the weights is run.
    Raises PushforwardError where RUN means none or several runs, where its config names other modules, and where a file is
    missing or damaged.
    """
    from pushforward.training.load_run import load as load_run

    chosen = _one(run)
    with allowed(allow_modules):
        return load_run(chosen)


def export(
    run: "Run | str", folder: Path | str, *, force: bool = False, license: str = "", allow_modules: Sequence[str] = ()
) -> Path:
    """Write a finished run into `folder` as `pushforward export RUN DIR` does, for `load` elsewhere; returns the folder."""
    from pushforward.exports import export as write

    chosen = _one(run)
    with allowed(allow_modules):
        return write(chosen, Path(folder), force, license)


def _one(run: "Run | str | Path") -> Run:
    if isinstance(run, Run):
        return run
    found = find(str(run))
    if len(found) != 1:
        raise PushforwardError(f"'{run}' means {len(found)} runs; name one: {', '.join(r.id for r in found[:4])} …")
    return found[0]


def train(*overrides: str, allow_modules: Sequence[str] = (), **more: Any) -> Run:
    """Train one run as `pushforward train OVERRIDES` does, or finds it finished; returns it.

    more: values by key, as they are: `seed=3`, `**{"data.source.path": Path("it's mine.npz"), "network.hidden": (64, 32)}`.
    allow_modules: modules of your own that the overrides may name in a `_target_`. Threads take turns.

    Raises PushforwardError for bad input, and where training ended otherwise than finished.
    """
    from pushforward import composition, config, launch
    from pushforward.overrides import override, read
    from pushforward.runs import runs_dir

    asked = read([*overrides, *(override(key, value) for key, value in more.items())])
    frozen = composition.compose(asked)
    with _TURN, allowed(allow_modules):
        code = launch.start(frozen, asked)
    run = Run(runs_dir() / config.run_id(frozen))
    if code:
        raise PushforwardError(f"{run.id}: {run.state}: {run.status.get('error')}")
    return run
