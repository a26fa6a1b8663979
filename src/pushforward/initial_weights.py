"""Weights of other runs, that a run begins with or whose codes it learns: found, checked, told apart. Imports no torch."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.runs import Run, data_name, find, runs_dir


def described(given: str | None) -> tuple[str | None, dict[str, Any]]:
    """`init_from` as an absolute path, and what is known of the weights there: file, their sha256, run and its identity.

    given: RUN, whose chosen weights are meant, or a checkpoint file. Raises PushforwardError where there are none, or the run
    is not finished.
    """
    if given is None:
        return None, {}
    file = Path(given).expanduser().absolute()
    if file.is_file():
        return str(file), {"file": str(file), "sha256": checksum(file)}
    run, found = finished(given, "init_from", "; train it to its end, or name a checkpoint file")
    return str(run.path), found


def finished(given: str, key: str, remedy: str) -> tuple[Run, dict[str, Any]]:
    """The finished run that RUN means, and its chosen weights: file, sha256, run and its identity. Raises PushforwardError."""
    folder = Path(given).expanduser().absolute()
    if "/" in given and not (folder / "config.yaml").is_file():
        raise PushforwardError(f"{key}={given}: there is no such file, and no run's folder")
    try:
        runs = find(given)
    except PushforwardError as error:
        raise PushforwardError(f"{key}={given}: {error}") from None
    if len(runs) > 1:
        raise PushforwardError(
            f"{key}={given}: {len(runs)} runs match, such as {runs[0].id} and {runs[1].id}; name one"
        )
    run = runs[0]
    if run.state != "finished":
        raise PushforwardError(f"{key}={given}: {run.id} is {run.state}{remedy}")
    best = run.checkpoints / "best.ckpt"
    file = best if best.is_file() else run.checkpoints / "last.ckpt"
    if not file.is_file():
        raise PushforwardError(f"{key}={given}: {run.id} has no checkpoint any more")
    return run, {"file": str(file), "sha256": checksum(file), "run": run.id, "identity": run.identity}


def encoder(data: Mapping[str, Any]) -> tuple[dict[str, Any], Run | None, dict[str, Any]]:
    """The node `data` whose `run` names another run, with its folder and a name, that run, and its chosen weights.

    The name of the images that its codes are of is among them, under `data`. Nothing is done to other data.
    """
    given = data.get("run")
    if not isinstance(given, str):
        return dict(data), None, {}
    run, found = finished(given, "data.run", "; train it to its end")
    images = (run.config.get("encoder") or {}).get("data") or run.data
    name = data.get("name") or f"{data_name(run.config)}_{'indices' if data.get('indices') else 'codes'}"
    return {**data, "run": str(run.path), "name": name}, run, {**found, "data": images}


def encoder_weights(frozen: Mapping[str, Any]) -> tuple[Run, Path]:
    """The run whose codes a config's data are, and the file of its weights: where it was, or among the runs here.

    Raises PushforwardError where they are gone or others.
    """
    found, given = frozen["encoder"], Path(frozen["data"]["run"])
    places = [place for place in (given, runs_dir() / found["run"]) if (place / "config.yaml").is_file()]
    if not places:
        raise PushforwardError(
            f"data.run={given}: this run is gone, and with it the encoder and decoder of these codes"
        )
    file = places[0] / "checkpoints" / Path(found["file"]).name
    if not file.is_file():
        raise PushforwardError(f"data.run={given}: its weights ({file.name}) are gone, which made these codes")
    if checksum(file) != found["sha256"]:
        raise PushforwardError(
            f"data.run={given}: its weights are no longer those which made these codes; to learn the codes of what is there "
            "now, train anew with data.run="
        )
    return Run(places[0]), file


def checksum(file: Path) -> str:
    """Return SHA-256 of a file, 64 hex digits; kept as long as its size and time are the same."""
    there = file.stat()
    return _checksum(file, there.st_size, there.st_mtime_ns)


@lru_cache(maxsize=64)
def _checksum(file: Path, size: int, time: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
