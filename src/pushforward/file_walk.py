"""The files of a person's folder, through links. Imports no torch."""

import os
from collections.abc import Iterator
from pathlib import Path

from pushforward.errors import PushforwardError


def walk(root: Path) -> list[Path]:
    """Return everything under a folder that is no folder, sorted; names that begin with a dot are left out.

    Links are followed, to files and to folders, but for a link to a folder that it lies in. What is listed may be no
    regular file, and a link may lead nowhere. Raises PushforwardError where a folder cannot be read.
    """
    return sorted(_walk(root, ()))


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    try:
        own = folder.stat()
        if (own.st_dev, own.st_ino) in above:
            return
        with os.scandir(folder) as entries:
            inside = [(Path(entry.path), entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise PushforwardError(
            f"{folder}: this folder cannot be read ({error.strerror}): correct it or move it away."
        ) from error
    for path, is_folder in inside:
        if is_folder:
            yield from _walk(path, (*above, (own.st_dev, own.st_ino)))
        else:
            yield path
