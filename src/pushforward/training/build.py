"""From a frozen config to objects."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import torch
from hydra.utils import instantiate

from pushforward import data_identity, initial_weights
from pushforward.allowed_targets import trusted
from pushforward.atomic_files import write_whole
from pushforward.data import CodesModule, DataModule
from pushforward.errors import PushforwardError, Unreadable, described
from pushforward.families import Family
from pushforward.runs import Run, schema
from pushforward.seeds import derive_seed
from pushforward.spec import DataSpec
from pushforward.training import checkpoints
from pushforward.training.first_stage import FirstStage
from pushforward.training.signatures import check_targets, settle

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp64": "64-true"}
READY: dict[str, DataModule] = {}
"""Data that the rehearsal of this process's run has loaded, by their config: taken once."""


def make(node: Mapping[str, Any], key: str, **values: Any) -> Any:
    """Instantiates the config node at `key`; what it or a part of it refuses is said in one line, with the part's key."""
    from hydra.errors import InstantiationException

    try:
        return instantiate(trusted(settle(dict(node))), **values)
    except InstantiationException as error:
        part = re.search(r"^full_key: (\S+)$", str(error), re.MULTILINE)
        cause: BaseException = error
        while isinstance(cause, InstantiationException) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, PushforwardError):
            raise cause from None
        where = f"{key}.{part[1]}" if part else key
        reason = " ".join(str(cause).splitlines()[:2]) if cause is error else described(cause)
        raise PushforwardError(f"{where}: {named(node, part[1] if part else '')}cannot be built: {reason}") from error


def named(node: Any, part: str) -> str:
    """The class at a dotted key below a node, with a space behind it; empty where none is found."""
    for name in filter(None, part.split(".")):
        node = node.get(name) if isinstance(node, Mapping) else None
    target = node.get("_target_") if isinstance(node, Mapping) else None
    return f"{str(target).rpartition('.')[2]} " if target else ""


SPEC = "spec.json"


def write_spec(run: Run, spec: DataSpec) -> None:
    """Writes what the model was built for into the run, so that it is built again without its data."""
    plain = {**asdict(spec), "low": str(spec.low), "high": str(spec.high)}  # they may be infinite
    write_whole(run.path / SPEC, json.dumps(plain, indent=1) + "\n")


def read_spec(run: Run) -> DataSpec | None:
    """The spec that the model was built for; None where the run has not said, or the file is damaged: its data tell."""
    try:
        kept = schema.read(run.path / SPEC, schema.SPEC)
    except Unreadable:
        return None
    if set(kept) != {field.name for field in fields(DataSpec)}:
        return None
    kept |= {key: float(kept[key]) for key in ("low", "high")}
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in kept.items()}
    return DataSpec(**values)


def build_data(frozen: Mapping[str, Any], origin: FirstStage | None = None) -> DataModule:
    """The run's data, set up, with the run's seed for order and data noise.

    origin: of codes, what makes them where it is at hand; else the run that the config names.
    """
    key = json.dumps(frozen["data"], sort_keys=True)
    data: DataModule = READY.pop(key) if key in READY else make(frozen["data"], "data")
    if isinstance(data, CodesModule) and data.origin is None:
        data.attach(origin or first_stage(frozen))
    data.setup()
    data.seed = int(frozen["seed"])
    return data


def first_stage(frozen: Mapping[str, Any]) -> FirstStage:
    """The run whose codes the data of a config are. Raises PushforwardError where it, its weights or its data are not there."""
    run, file = initial_weights.encoder_weights(frozen)
    data_identity.check(run.config)
    images = build_data(run.config)
    family = build_family(run.config, read_spec(run) or images.spec)
    checkpoints.put(family, file)
    return FirstStage(
        run=run.id, family=family, spec=images.spec, indices=indices(frozen), origin=images.origin,
        weights=frozen["encoder"]["sha256"], own=images,
    )  # fmt: skip


def indices(frozen: Mapping[str, Any]) -> bool:
    """Whether a config's data are codes that are shown as numbers of the values that they take."""
    return bool(frozen["data"].get("indices"))


def build_family(frozen: Mapping[str, Any], spec: DataSpec) -> Family:
    """The run's model, initialised from the run's seed and from nothing else."""
    check_targets({key: node for key, node in frozen.items() if key not in ("metrics", "features", "logger")})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(int(frozen["seed"]), "initialisation"))
        family: Family = make(frozen["model"], "model", _partial_=True)(spec=spec)
    family.seed = int(frozen["seed"])
    family.horizon = budget_images(frozen, spec) / spec.n_train
    return family


@contextmanager
def as_precise_as(family: Family) -> Iterator[None]:
    """New tensors, noise among them, have the family's precision: float64 under precision=fp64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(family.dtype)  # type: ignore[arg-type]
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def budget_images(frozen: Mapping[str, Any], spec: DataSpec) -> int:
    """Real images that the run may see. Raises PushforwardError where there are none."""
    budget = frozen["budget"]
    if budget["images"] is not None:
        images, given = int(budget["images"]), f"budget.images={budget['images']}"
    else:
        images, given = round(float(budget["epochs"]) * spec.n_train), f"budget.epochs={budget['epochs']}"
    if images < 1:
        raise PushforwardError(
            f"{given} of {spec.n_train:,} training images is less than one image, so nothing would be trained; raise it"
        )
    return images


def budget_cycles(frozen: Mapping[str, Any], family: Family) -> int:
    """Cycles of all players in the budget; the last may pass it by a part of a cycle."""
    images = budget_images(frozen, family.spec)
    return math.ceil(images / (int(frozen["batch_size"]) * family.batches_per_cycle))


def settled_images(family: Family, budget: int) -> float:
    """Images after which the objective no longer changes with time; infinite where the budget ends before."""
    images = family.settled() * family.spec.n_train
    return images if images < budget + 1 else math.inf
