"""The fingerprint of the sources that training depends on. Imports no torch."""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

NOT_TRAINING = (
    *("cli/", "report/", "runs/", "metrics/", "protocol/", "tour/"),
    *(f"training/{name}.py" for name in ("again", "command", "evaluate", "pictures", "show", "loggers", "progress")),
    *("__main__.py", "store.py", "__init__.py"),
    *("complaints.py", "doctor.py", "sweep"),
)
"""Sources that measure, show or place a run, and cannot change what it trains."""


def source_fingerprint(extra_modules: Iterable[Path | str] = ()) -> str:
    """16 hex digits of SHA-256 over the sources that training depends on: ours, and a person's own modules by path."""
    files = list(package_sources())
    for extra in sorted(map(Path, extra_modules)):
        own = sorted(extra.rglob("*.py")) if extra.is_dir() else [extra]
        files += [(f"own/{p.relative_to(extra.parent).as_posix()}", p.read_bytes()) for p in own]
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


@functools.cache
def package_sources() -> tuple[tuple[str, bytes], ...]:
    """Name and content of ours, as they are when a process first asks: what it has imported by then does not change."""
    package = Path(__file__).parents[1]
    files = sorted((p.relative_to(package).as_posix(), p) for p in package.rglob("*.py"))
    return tuple((name, p.read_bytes()) for name, p in files if not name.startswith(NOT_TRAINING))
