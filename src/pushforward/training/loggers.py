"""Weights & Biases and TensorBoard as mirrors of the run directory; a run is never lost to them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pushforward.domains import Positive
from pushforward.errors import PushforwardError
from pushforward.runs import Run, data_name

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

MODES = ("auto", "online", "offline")
SWEEP = "PUSHFORWARD_SWEEP"
"""The environment variable in which a job finds the name of its sweep: its W&B group, unless logger.group names one."""


LONGEST_TAG, LONGEST_PROJECT = 64, 128
REFUSED_SIGNS = "/\\#?%:"
"""Signs that W&B takes in no project's name."""
PICTURES = 5
"""Times that pictures are drawn for a logger, unless trainer.pictures_every says; fewer where drawing takes long."""


def check_logger(frozen: Mapping[str, Any]) -> None:
    """Raises PushforwardError for what W&B would refuse when the run is trained."""
    node = frozen["logger"] or {}
    if not str(node.get("_target_")).endswith(".wandb_logger"):
        return
    check_names(str(node.get("project") or ""), tags(frozen), str(node["mode"]))


def check_names(project: str, labels: Sequence[str], mode: str) -> None:
    """Raises PushforwardError for names that W&B does not take."""
    wrong = [sign for sign in REFUSED_SIGNS if sign in project]
    if wrong or not 0 < len(project) <= LONGEST_PROJECT:
        said = f"it has {' '.join(wrong)}" if wrong else f"it has {len(project)} characters"
        raise PushforwardError(
            f"logger.project={project:.40}: {said}; a W&B project has 1 to {LONGEST_PROJECT}, none of {REFUSED_SIGNS}"
        )
    for tag in labels:
        if not 0 < len(tag) <= LONGEST_TAG:
            raise PushforwardError(f"tags: {tag!r:.40} has {len(tag)} characters; a W&B tag has 1 to {LONGEST_TAG}")
    if mode not in MODES:
        raise PushforwardError(f"logger.mode={mode}: choose from {', '.join(MODES)}")


def tags(frozen: Mapping[str, Any]) -> list[str]:
    """A run's W&B tags: model, data, and a person's own."""
    return [str(frozen["choices"]["model"]), str(data_name(frozen)), *map(str, frozen["tags"])]


def wandb_logger(
    run: Path, frozen: dict[str, Any], project: str, entity: str | None, group: str | None, mode: str,
    init_timeout: Positive, log_model: bool, job_type: str = "train",
) -> "WandbMirror":  # fmt: skip
    """A W&B run named and identified by the run directory, so that a resumed run continues in it.

    mode: auto is online where there is a key, offline where there is none or no answer within `init_timeout` seconds.
    """
    from pushforward.training.rerun_command import command

    check_names(project, tags(frozen), mode)
    experiment = start(
        run, mode, init_timeout, project, entity,
        id=run.name, group=group or os.environ.get(SWEEP), job_type=job_type,
        tags=tags(frozen), config=frozen, notes=command(Run(run)), system=True,
    )  # fmt: skip
    experiment.define_metric("images_seen")
    experiment.define_metric("*", step_metric="images_seen")
    offline = bool(experiment.settings._offline)
    if offline:
        print(f"wandb: this run is logged offline; pushforward sync {run.name} sends it", flush=True)
    return WandbMirror(experiment, sends=log_model and not offline)


def start(
    folder: Path, mode: str, init_timeout: float, project: str, entity: str | None, id: str, system: bool = False,
    **more: Any,
) -> Any:  # fmt: skip
    """A W&B run named `id` whose files are in `folder`; offline where there is no key or no answer. system: its metrics, too.

    Under `wandb agent`, the sweep there names the run, its project and its owner.
    """
    import wandb

    wanted = os.environ.get("WANDB_MODE") or mode
    if wanted == "auto":
        wanted = "online" if has_key() else "offline"
    theirs = {} if os.environ.get("WANDB_SWEEP_ID") else {"id": id, "project": project, "entity": entity}

    def begin(mode: str) -> Any:
        settings = wandb.Settings(init_timeout=init_timeout, console="off", x_disable_stats=not system, silent=True)
        how = {"mode": mode, "settings": settings, "reinit": "create_new"}  # runs trained as one are open side by side
        return wandb.init(name=id, dir=str(folder), resume="allow", **how, **theirs, **more)  # type: ignore[arg-type]

    try:
        return begin(wanted)
    except Exception as error:
        if wanted != "online":
            raise
        why = str(error).splitlines()[0]
        print(f"wandb: no answer ({why})", flush=True)
        wandb.teardown()
        return begin("offline")


def log_sweep(
    folder: Path, node: dict[str, Any], group: str, columns: list[str], rows: list[list[Any]], failed: bool
) -> None:
    """One small W&B run of job type sweep, in the group of its jobs: their table. node: how they log, `logger`."""
    import wandb

    experiment = start(
        folder, node["mode"], node["init_timeout"], node["project"], node["entity"],
        id=f"sweep-{group.rpartition(' ')[2]}", group=node["group"] or group, job_type="sweep",
    )  # fmt: skip
    experiment.log({"summary": wandb.Table(columns=list(columns), data=rows)})
    experiment.finish(exit_code=int(failed))


def has_key() -> bool:
    """Whether W&B has a key to log in with."""
    import wandb

    try:
        return bool(os.environ.get("WANDB_API_KEY") or wandb.login(prompt=False, verify=False))
    except Exception:
        return False


def tensorboard_logger(run: Path, frozen: dict[str, Any]) -> "TensorBoardMirror":
    """TensorBoard event files in `<run>/tensorboard`."""
    from pytorch_lightning.loggers import TensorBoardLogger

    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise PushforwardError("logger=tensorboard needs tensorboard: pip install 'pushforward[tensorboard]'") from None
    return TensorBoardMirror(TensorBoardLogger(str(run), name="tensorboard", version=""))


class Mirror:
    """Any logger of Lightning's as a mirror of a run: it has the curves, and what it cannot show is left out."""

    def __init__(self, logger: "Logger") -> None:
        self.logger = logger

    def numbers(self, row: dict[str, float], images_seen: int) -> None:
        """Logs a row of the curves."""
        self.logger.log_metrics(row, step=images_seen)

    def pictures(self, files: list[Path], images_seen: int) -> None:
        """Logs pictures of the run directory."""

    def best(self, values: Mapping[str, float]) -> None:
        """Logs the best values, where a table of runs shows them."""

    def checkpoint(self, path: Path) -> None:
        """Sends the final checkpoint."""

    def finish(self, failed: bool) -> None:
        """Closes the logger."""
        self.logger.finalize("failed" if failed else "success")


class TensorBoardMirror(Mirror):
    """TensorBoard's event files, with pictures."""

    def pictures(self, files: list[Path], images_seen: int) -> None:
        import numpy as np
        from PIL import Image

        for path in files:
            image = np.asarray(Image.open(path).convert("RGB"))
            self.logger.experiment.add_image(f"pictures/{path.stem}", image, images_seen, dataformats="HWC")  # type: ignore[attr-defined]


class WandbMirror(Mirror):
    """A run of W&B's. sends: whether the final checkpoint becomes an artifact."""

    def __init__(self, experiment: Any, sends: bool) -> None:
        self.experiment, self.sends = experiment, sends

    def numbers(self, row: dict[str, float], images_seen: int) -> None:
        self.experiment.log({**row, "images_seen": images_seen})

    def pictures(self, files: list[Path], images_seen: int) -> None:
        import wandb

        media = {f"pictures/{path.stem}": wandb.Image(str(path)) for path in files}
        self.experiment.log({**media, "images_seen": images_seen})

    def best(self, values: Mapping[str, float]) -> None:
        self.experiment.summary.update({f"best/{name}": value for name, value in values.items()})

    def checkpoint(self, path: Path) -> None:
        if self.sends:
            import wandb

            artifact = wandb.Artifact(f"model-{path.parents[1].name}", type="model")
            artifact.add_file(str(path))
            self.experiment.log_artifact(artifact)

    def finish(self, failed: bool) -> None:
        """With the right exit code, so that the next job of a process does not land in the same run."""
        self.experiment.finish(exit_code=int(failed))
