"""Checkpoints that `kill -9` cannot break: written whole or not at all, with all that a run needs to resume bit for bit.

Damage is found before anything is taken from a file: every part of it has a CRC-32. The one before the last is kept while
a run trains, and is resumed from where the last is damaged.
"""

import contextlib
import os
import pickle
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from pushforward.atomic_files import whole
from pushforward.errors import PushforwardError, Unreadable
from pushforward.families import Family
from pushforward.initial_weights import checksum

FORMAT = 1
"""Raised when a checkpoint holds what earlier versions cannot resume from."""
LAST, BEFORE, BEST = "last.ckpt", "before.ckpt", "best.ckpt"


def save(path: Path, family: Family, **more: Any) -> None:
    """Weights, EMA weights beside the raw ones, optimisers, counters, and what else is named; the last one is kept as `BEFORE`.

    Noise and data order are functions of (seed, position), so no generator state is among them.
    """
    state = {"state_dict": family.state_dict(), **family.get_stepper().state_dict(), **more}
    with whole(path, parents=False) as aside:
        to_file(state, aside)
        if path.exists():
            keep(path, path.with_name(BEFORE))


def keep(path: Path, before: Path) -> None:
    """Gives a file a second name, which outlives its being replaced; where a file system has no such links, renames it."""
    before.unlink(missing_ok=True)
    try:
        before.hardlink_to(path)
    except OSError:
        path.replace(before)


def snapshot(family: Family) -> dict[str, Any]:
    """A copy of what evaluation needs: the weights, EMA weights beside them, and the counters."""
    state = family.get_stepper().state_dict()
    copies = {
        name: {key: value.detach().clone() for key, value in tensors.items()}
        for name, tensors in (("state_dict", family.state_dict()), ("ema", state["ema"]))
    }
    return {**copies, "progress": state["progress"]}


def write(path: Path, state: dict[str, Any]) -> None:
    """Writes a state, whole or not at all; of a view only what it shows, not all that it is a view of."""
    with whole(path, parents=False) as aside:
        to_file(state, aside)


def to_file(state: dict[str, Any], path: Path) -> None:
    """Writes a state to a file. Raises OSError where there is no room."""
    with path.open("wb") as file:
        try:
            torch.save({**compact(state), "format": FORMAT}, file)
        except RuntimeError as error:  # torch hides what the system said
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def compact(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.untyped_storage().nbytes() > value.nbytes:
        return value.clone()
    if isinstance(value, dict):
        return {key: compact(item) for key, item in value.items()}
    return [compact(item) for item in value] if isinstance(value, list) else value


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """The checkpoint at `path`, without running code that it may hold. Raises Unreadable: damaged, or of a later version."""
    verify(path)
    try:
        state = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        raise Unreadable(
            f"{path}: it holds more than tensors and numbers, and is not loaded: that could run code"
        ) from None
    except DAMAGED as error:
        raise Unreadable(f"{path} is damaged ({_first_line(error)})") from None
    if not isinstance(state, dict) or not all(
        isinstance(state.get(key), dict) for key in ("state_dict", "ema", "progress")
    ):
        raise Unreadable(f"{path} is no checkpoint of a run")
    if not all(type(state["progress"].get(key)) is int for key in ("images_seen", "cycles")):
        raise Unreadable(f"{path} does not say how far it was trained")
    if not isinstance(state.get("format", FORMAT), int) or state.get("format", FORMAT) > FORMAT:
        raise Unreadable(f"{path} was written by a later version of pushforward: update this one")
    return state


DAMAGED = (
    RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError, NotImplementedError,
    AssertionError, MemoryError, OverflowError, RecursionError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""The exceptions that torch raises for files that are not what it wrote, and for weights of another network."""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def verify(path: Path) -> None:
    """Reads the file once and compares its checksums. Raises Unreadable where it is damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", closefd=True) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable(f"{path} is no file")
            if not found.st_size:
                raise Unreadable(f"{path} is damaged (it is empty)")
            with zipfile.ZipFile(file) as archive:
                # torch compresses nothing: what would unfold beyond the file's size is none of its
                if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                    raise Unreadable(f"{path} is no checkpoint of a run")
                wrong = archive.testzip()
    except Unreadable:
        raise
    except DAMAGED as error:
        raise Unreadable(f"{path} is damaged ({_first_line(error)})") from None
    if wrong is not None:
        raise Unreadable(f"{path} is damaged (a checksum of {wrong} differs)")


def latest(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The state to resume from, None where there is none, and a line where it is not the last one that was written.

    Raises Unreadable where there are checkpoints and all are damaged.
    """
    refused: list[str] = []
    for path in (folder / LAST, folder / BEFORE):
        if not os.path.lexists(path):
            continue
        try:
            state = load(path)
        except Unreadable as error:
            refused.append(str(error))
            continue
        if "best" not in state or "seconds" not in state:
            refused.append(f"{path} is no checkpoint to resume from")
            continue
        seen = state["progress"].get("images_seen")
        return state, f"{refused[0]}; resumed from the one before it, of {seen:,} images" if refused else ""
    if refused:
        raise Unreadable(f"{refused[0]}; remove {folder / LAST} to train from the start")
    return None, ""


@contextlib.contextmanager
def fitting(what: str) -> Iterator[None]:
    """Raises Unreadable for what loading raises where weights are those of another network, or counters are none."""
    try:
        yield
    except DAMAGED as error:
        raise Unreadable(f"{what}: it is of another network or version ({_first_line(error)})") from None


def restore(family: Family, state: dict[str, Any]) -> None:
    """Puts weights, optimisers, averages and counters back. Raises Unreadable where they are of another network."""
    with fitting("the checkpoint"):
        family.load_state_dict(state["state_dict"])
        family.get_stepper().load_state_dict(state)


def put(family: Family, path: Path, averaged: bool = True) -> dict[str, Any]:
    """Puts the weights of a checkpoint into the family; returns its state. Raises Unreadable.

    averaged: the moving averages where there are any, as for evaluation.
    """
    state = load(path, family.device)
    with fitting(str(path)):
        family.load_state_dict(weights(state) if averaged else state["state_dict"])
    return state


def weights(state: dict[str, Any]) -> dict[str, Any]:
    """The weights to evaluate: the moving averages where there are any, else the raw ones."""
    return {**state["state_dict"], **state["ema"]}


def initialise(family: Family, initial: Mapping[str, Any]) -> None:
    """Put the weights that a run starts from into its family: another run's chosen ones, its averages where it has any.

    initial: what `pushforward.initial_weights` found. Raises PushforwardError where names or shapes differ, or the file does.
    """
    path = Path(initial["file"])
    if not path.is_file():
        raise PushforwardError(f"init_from: {path} is gone; put it back, or start from another run")
    if checksum(path) != initial["sha256"]:
        raise PushforwardError(
            f"init_from: {path} holds other weights now; start the command again: that is another run"
        )
    theirs, ours = weights(load(path)), family.state_dict()
    unlike = {
        "missing": [name for name in ours if name not in theirs],
        "that the model does not have": [name for name in theirs if name not in ours],
        "of another shape": [
            f"{name} {tuple(theirs[name].shape)} for {tuple(own.shape)}"
            for name, own in ours.items()
            if name in theirs and theirs[name].shape != own.shape
        ],
    }
    wrong = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', …' * (len(names) > 3)})"
        for what, names in unlike.items()
        if names
    ]
    if wrong:
        raise PushforwardError(f"init_from: {path} does not fit the model: {'; '.join(wrong)}")
    family.load_state_dict(theirs)
