"""Report what this machine has and what is missing, each with its remedy. Fast, and without the network."""

import netrc
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from pushforward import machine
from pushforward.config import conf_dir, options
from pushforward.errors import PushforwardError
from pushforward.runs import every_run, outputs

GOOD, NOTE, BAD = "✓", "·", "✗"
Finding = tuple[str, str, str]
"""(mark, subject, what was found and what to do about it)"""

EXTRAS = {
    "notebook": ("pandas", "pf.runs(…).frame()"),
    "tensorboard": ("tensorboard", "logger=tensorboard"),
    "hub": ("datasets", "data=hub"),
    "slurm": ("submitit", "hydra/launcher=slurm"),
    "ray": ("ray", "hydra/launcher=ray"),
}


def examine() -> tuple[list[str], bool]:
    """Return one line a finding, and whether a run would work here."""
    findings = [*interpreter(), *packages(), *accelerators(), *tracking(), *data(), *places(), *extras()]
    width = max(len(subject) for _, subject, _ in findings)
    lines = [f"{mark} {subject:<{width}}  {text}" for mark, subject, text in findings]
    return lines, all(mark != BAD for mark, _, _ in findings)


def interpreter() -> Iterator[Finding]:
    enough = sys.version_info >= (3, 11)
    remedy = "" if enough else ": 3.11 or newer is needed; make a new environment with it"
    yield (
        GOOD if enough else BAD,
        "python",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}{remedy}",
    )


def packages() -> Iterator[Finding]:
    """Versions of what a run stands on; each requirement that is not installed."""
    for name in ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "zuko", "wandb"):
        if has(name):
            yield GOOD, name, version(name)
    missing = [name for name in core_requirements() if not has(name)]
    if missing:
        yield BAD, "packages", f"{', '.join(missing)} not installed: pip install {' '.join(missing)}"
    if find_spec("torchvision") is not None:
        try:
            import_module("torchvision")
        except Exception as error:
            text = f"installed but broken ({type(error).__name__}), which breaks Lightning: pip uninstall torchvision"
            yield BAD, "torchvision", text
    try:
        yield GOOD, "config tree", str(conf_dir())
    except PushforwardError as error:
        yield BAD, "config tree", str(error)


def core_requirements() -> list[str]:
    """Return the names of the packages that pushforward needs, without its extras."""
    try:
        lines = requires("pushforward") or []
    except PackageNotFoundError:
        return []
    plain = (line for line in lines if "extra ==" not in line)
    return [line.translate(str.maketrans("<>=!~;[ ", "        ")).split()[0] for line in plain]


def has(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def accelerators() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:
        yield BAD, "torch", f"it cannot be imported ({error}): install it again, make demo TORCH_INDEX=… names a build"
        return
    yield GOOD, "CPU", machine.explanation()
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        yield GOOD, f"GPU {i}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB: trainer=gpu"
    if torch.backends.mps.is_available():
        yield GOOD, "GPU", "Apple's: trainer=gpu"
    elif not torch.cuda.is_available():
        build = f"CUDA {torch.version.cuda}, but no driver or device" if torch.version.cuda else "torch is a CPU build"
        yield NOTE, "GPU", f"none ({build}): trainer=cpu"


def tracking() -> Iterator[Finding]:
    """Whether Weights & Biases would be online: by a key in the environment or in ~/.netrc."""
    mode, host = os.environ.get("WANDB_MODE"), os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    try:
        key = os.environ.get("WANDB_API_KEY") or netrc.netrc().authenticators(host.split("//")[-1].split("/")[0])
    except (OSError, netrc.NetrcParseError):
        key = None
    if mode:
        yield NOTE, "logger=wandb", f"{mode}, by WANDB_MODE"
    elif key:
        yield GOOD, "logger=wandb", "online: there is a key"
    else:
        yield NOTE, "logger=wandb", "offline: no key; wandb login sets one"


def data() -> Iterator[Finding]:
    """Data sets that are on this machine; the others are downloaded when they are asked for."""
    import pooch

    cache, root = Path(pooch.os_cache("pushforward")), os.environ.get("PUSHFORWARD_DATA")
    if root and not Path(root).expanduser().is_dir():
        yield BAD, "PUSHFORWARD_DATA", f"{root} is no folder: create it, correct it, or unset it"
    elif root:
        yield (
            GOOD,
            "PUSHFORWARD_DATA",
            f"{root}: {', '.join(present(Path(root).expanduser())) or 'no known data set in it'}",
        )
    else:
        yield NOTE, "PUSHFORWARD_DATA", "not set: data sets are downloaded once"
    yield NOTE, "data cache", f"{cache}: {', '.join(present(cache)) or 'empty'}"


def present(folder: Path) -> list[str]:
    """Return the names of data sets that have a folder with something in it."""
    known = options("data")
    return [name for name in sorted(known) if (folder / name).is_dir() and any((folder / name).iterdir())]


def places() -> Iterator[Finding]:
    """Whether outputs can be written, and how much room there is."""
    folder = outputs()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        yield GOOD, "outputs", f"{folder}: {len(every_run())} runs"
    else:
        yield BAD, "outputs", f"{there} cannot be written: set PUSHFORWARD_OUTPUTS to a folder that can"
    free = shutil.disk_usage(there).free / 2**30
    yield (GOOD, "disk", f"{free:.0f} GiB free") if free > 1 else (BAD, "disk", f"{free:.2f} GiB free: make room")


def extras() -> Iterator[Finding]:
    for extra, (module, what) in EXTRAS.items():
        if find_spec(module) is not None:
            yield GOOD, f"[{extra}]", what
        else:
            yield NOTE, f"[{extra}]", f"not installed; for {what}: pip install 'pushforward[{extra}]'"
