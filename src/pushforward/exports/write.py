"""Write a finished run as a folder of its own: weights as they were measured, config, record and model card.

The folder reads as a run's directory does, without checkpoints, curves, arrays and logs, and without places of this machine.
"""

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pushforward.atomic_files import refuse_links, write_whole
from pushforward.errors import PushforwardError
from pushforward.exports import card
from pushforward.runs import Run
from pushforward.training import build, safe_weights
from pushforward.training.load_run import Trained

LEFT_OUT = ("logger", "retry")
"""Keys of a config that say nothing of the model."""
STATUS = (
    "run_id", "model", "data", "state", "started", "updated", "identity", "commit", "images_seen", "budget_images", "units",
    "train_seconds",
)  # fmt: skip
"""The parts of a run's status that travel."""
PICTURES = ("samples", "points", "reconstructions")
"""Pictures of a run; the first that there is stands in its card."""
OURS = (
    "config.yaml", "README.md", "record.json", "status.json", build.SPEC, safe_weights.WEIGHTS,
    *(f"{name}.png" for name in PICTURES),
)  # fmt: skip
PLACE = re.compile(r"(?<![\w/:.~])~?/(?:[^\s/'\"=,;]+/)+(?=[^\s/])")
"""The folders of an absolute path, within a text."""


def export(run: Run, folder: Path, force: bool = False, license: str = "") -> Path:
    """Write the export of a finished run into `folder`; force: in the place of the model in it. Returns the folder.

    license: the weights' license in the card, such as mit. Raises PushforwardError where the run is not finished, or the
    folder is not free.
    """
    run.readable()
    if run.state != "finished":
        raise PushforwardError(f"{run.id} is {run.state}: train it to its end, then export it")
    check_free(folder, force)
    trained = Trained(run)
    clear(folder)
    write(trained, folder, license)
    return folder


def check_free(folder: Path, force: bool) -> None:
    """Raise PushforwardError where nothing may be written into a folder."""
    if folder.exists() and not folder.is_dir():
        raise PushforwardError(f"{folder} is a file: name a folder that is empty, or does not exist yet")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if any((folder / name).exists() for name in ("checkpoints", "runs")):
        raise PushforwardError(f"{folder} holds runs, and no model is written among them: name another folder")
    refuse_links(folder)
    if not force:
        raise PushforwardError(f"{folder} is not empty: name another folder, or replace the model in it by --force")


def clear(folder: Path) -> None:
    """Remove an export's files from a folder, the config first: without it the rest is no model."""
    for name in OURS:
        (folder / name).unlink(missing_ok=True)
    if (folder / safe_weights.FIRST_STAGE).is_dir():
        clear(folder / safe_weights.FIRST_STAGE)


def write(trained: Trained, folder: Path, license: str = "") -> None:
    """Write a loaded model's files, its config last, and under them those of the model whose codes it learnt."""
    folder.mkdir(parents=True, exist_ok=True)
    run = trained.run
    digest = safe_weights.write(trained.family, folder / safe_weights.WEIGHTS)
    if trained.first is not None:
        write(trained.first, folder / safe_weights.FIRST_STAGE, license)
    build.write_spec(Run(folder), trained.spec)
    status = {key: run.status[key] for key in STATUS if run.status.get(key) is not None}
    for name, content in (("status.json", status), ("record.json", run.record)):
        text = json.dumps(placeless(content), indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(folder / name, text + "\n")
    picture = next((name for name in PICTURES if (run.samples / f"{name}.png").is_file()), None)
    if picture:
        shutil.copyfile(run.samples / f"{picture}.png", folder / f"{picture}.png")
    write_whole(folder / "README.md", card.text(trained, f"{picture}.png" if picture else None, folder.name, license))
    config = {key: value for key, value in run.config.items() if key not in LEFT_OUT}
    config["export"] = {
        "format": safe_weights.FORMAT,
        "pushforward": version("pushforward"),
        "run": run.status.get("run_id") or run.id,
        "sha256": digest,
        "weights": trained.weights,
    }
    write_whole(folder / "config.yaml", yaml.safe_dump(placeless(config), sort_keys=False, allow_unicode=True))


def placeless(value: Any) -> Any:
    """Plain data without folders of this machine: of an absolute path its last part is left."""
    if isinstance(value, str):
        return PLACE.sub("", value)
    if isinstance(value, dict):
        return {key: placeless(item) for key, item in value.items()}
    return [placeless(item) for item in value] if isinstance(value, list) else value
