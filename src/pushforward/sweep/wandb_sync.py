"""`pushforward sync`: sends to Weights & Biases what was logged offline, by wandb's own `wandb sync`."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from pushforward.atomic_files import is_locked
from pushforward.errors import PushforwardError
from pushforward.runs import chosen

SECONDS = 10.0
"""The seconds that W&B has to answer before a sync is given up: `wandb sync` itself would try for hours."""


def sync(specs: Sequence[str]) -> int:
    """Send what the chosen runs and sweeps have not sent yet. Returns the exit code: 0 where nothing is left to send."""
    runs, sweeps = chosen(specs)
    folders = [*(run.path for run in runs), *(sweep.path for sweep in sweeps)]
    logging = {folder for folder in folders if is_locked(folder)}
    offline = {folder: unsent(folder) for folder in folders}
    paths = [path for folder, found in offline.items() if folder not in logging for path in found]
    later = sum(bool(offline[folder]) for folder in logging)
    note = f"; {later} still running, to be sent afterwards" if later else ""
    if not paths:
        print(f"nothing to send: {len(runs)} runs, {len(sweeps)} sweeps have no offline log of theirs left{note}")
        return 0
    ready()
    print(f"sending {len(paths)} offline logs{note}", flush=True)
    code = wandb_sync(paths)
    left = [path for path in paths if not sent(path)]
    if left or code:
        raise PushforwardError(
            f"wandb sync sent {len(paths) - len(left)} of {len(paths)}; the same command sends the rest"
        )
    print(f"sent {len(paths)}")
    return 0


def wandb_sync(paths: Sequence[Path]) -> int:
    """`wandb sync PATHS`; its exit code. It says itself what it sends."""
    return subprocess.run(
        [sys.executable, "-m", "wandb", "sync", *map(str, paths)], stdin=subprocess.DEVNULL
    ).returncode


def unsent(folder: Path) -> list[Path]:
    """Offline logs of a run or a sweep that no `wandb sync` has sent, the oldest first: a resumed run has several."""
    return [
        path
        for path in sorted((folder / "wandb").glob("offline-run-*"))
        if any(path.glob("*.wandb")) and not sent(path)
    ]


def sent(path: Path) -> bool:
    """wandb leaves `run-ID.wandb.synced` beside what it has sent."""
    return any(path.glob("*.wandb.synced"))


def ready() -> None:
    """Raise PushforwardError where W&B has no key or does not answer."""
    import wandb

    from pushforward.training.loggers import has_key

    url = wandb.setup().settings.base_url
    if not has_key():
        raise PushforwardError(f"W&B has no key for {url}: wandb login, or set WANDB_API_KEY; nothing was sent")
    try:
        urllib.request.urlopen(url, timeout=SECONDS).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise PushforwardError(
            f"{url} does not answer ({reason}): try again with a network; nothing was sent"
        ) from None
