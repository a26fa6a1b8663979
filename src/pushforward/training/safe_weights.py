"""Weights that travel: `model.safetensors` of an exported run, written and held against the model that is to take them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pushforward.atomic_files import whole
from pushforward.errors import PushforwardError, Unreadable
from pushforward.families import Family
from pushforward.initial_weights import checksum
from pushforward.runs import Run

WEIGHTS = "model.safetensors"
FIRST_STAGE = "first_stage"
"""Folder of an export with that of the run whose codes the model learns."""
FORMAT = 1
"""Raised when an export holds what earlier versions cannot load."""


def write(family: Family, path: Path) -> str:
    """Write the family's parameters and buffers. Returns the file's SHA-256, 64 hex digits.

    What several names share is written under each of them, so that every name can be held against the model.
    """
    from safetensors.torch import save

    state = {name: value.detach().cpu().clone().contiguous() for name, value in family.state_dict().items()}
    content = save(state, {"format": "pt", "pushforward": str(FORMAT)})
    with whole(path) as aside:
        aside.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def is_export(run: Run) -> bool:
    """Whether a folder is what `pushforward export` writes, and not a run's own directory."""
    return "export" in run.config


def check_format(run: Run) -> dict[str, Any]:
    """Return the node `export` of a config. Raises PushforwardError where it is damaged, or of a later version."""
    node = run.config["export"]
    found = node.get("format") if isinstance(node, Mapping) else None
    if type(found) is not int:
        raise PushforwardError(
            f"{run.path / 'config.yaml'} does not say of which format the export is; export it again"
        )
    if found > FORMAT:
        raise PushforwardError(
            f"{run.path} was exported by a later version of pushforward (format {found}, this one loads {FORMAT}): update it"
        )
    return dict(node)


def put(family: Family, run: Run) -> dict[str, Any]:
    """Put the weights of an export into the family; returns what its cards say of them.

    Raises PushforwardError where the file is not there or damaged, or its tensors are not those of the model.
    """
    node, path = check_format(run), run.path / WEIGHTS
    if not path.is_file():
        raise Unreadable(f"{path} is not there: export the run again, or download all of its files")
    if checksum(path) != node.get("sha256"):
        raise Unreadable(f"{path} is damaged: its SHA-256 is not that in config.yaml; download or export it again")
    state = tensors(path, family.state_dict())
    family.load_state_dict(state)
    said = node.get("weights")
    return dict(said) if isinstance(said, Mapping) else {}


def tensors(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read a file's tensors. Raises Unreadable where names, shapes or kinds are not the wanted ones, before any is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            there = {name: file.get_slice(name) for name in wanted if name in names}
            unlike = [
                *(f"{name} is missing" for name in wanted if name not in names),
                *(f"{name} is none of the model's" for name in sorted(names - set(wanted))),
                *(
                    f"{name} is {tuple(own.get_shape())}, in the model {tuple(wanted[name].shape)}"
                    for name, own in there.items()
                    if tuple(own.get_shape()) != tuple(wanted[name].shape)
                ),
                *(
                    f"{name} is {own.get_dtype()}, in the model {wanted[name].dtype}"
                    for name, own in there.items()
                    if real(own.get_dtype()) != wanted[name].is_floating_point()
                ),
            ]
            if unlike:
                more = f"; and {len(unlike) - 2} more" if len(unlike) > 2 else ""
                raise Unreadable(f"{path} does not fit the model of config.yaml: {'; '.join(unlike[:2])}{more}")
            return {name: file.get_tensor(name) for name in wanted}
    except (SafetensorError, OSError) as error:
        raise Unreadable(f"{path} is damaged ({str(error).splitlines()[0][:100]})") from None


def real(kind: str) -> bool:
    """Whether a type of safetensors is of real numbers: F32, BF16, F8_E4M3."""
    return kind.startswith(("F", "BF"))
