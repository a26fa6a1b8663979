"""The config tree's typed root, and where it lies. Imports no torch."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from pushforward import data_identity, initial_weights, machine
from pushforward.allowed_targets import refuse_secrets
from pushforward.domains import (
    Count,
    Decay,
    Domain,
    Few,
    Natural,
    NonNegative,
    Positive,
    PositiveShare,
    Seed,
    fits,
    keys_of,
    refusals,
    schema_of,
    settled,
    shown,
)
from pushforward.errors import PushforwardError, near
from pushforward.run_identity import identity as identity
from pushforward.run_identity import run_id as run_id
from pushforward.run_identity import uses
from pushforward.runs import Run, changed, outputs

RESULTS = 3
"""Raised by a change marked [results]: runs from before it have another identity."""

TABLES = "table"
"""The folder of tables of papers, beside config groups; it is none."""

Trials = Annotated[int, Domain(1, 1_000_000)]


@dataclass
class Budget:
    epochs: Annotated[Any, Positive | None] = None
    images: Annotated[Any, Count | None] = None


@dataclass
class Selection:
    metric: str = "auto"
    every: Annotated[Any, Positive] = 1.0


@dataclass
class Trainer:
    accelerator: str = "cpu"
    devices: Annotated[Any, Few] = 1
    strategy: str = "auto"
    threads: Annotated[Any, Few | None] = None
    log_every: Annotated[Any, Positive] = 0.1
    pictures_every: Annotated[Any, Positive | None] = None
    checkpoint_share: Annotated[Any, PositiveShare] = 0.01
    channels_last: bool = False
    progress: bool = True
    num_nodes: Annotated[Any, Few] = 1
    record: bool = True
    compile: bool = False
    cuda_graph: bool = False
    accumulate: Annotated[Any, Count] = 1
    max_time: Annotated[Any, Positive | str | None] = None
    profiler: Annotated[Any, Literal["simple", "advanced", "pytorch"] | None] = None


@dataclass
class Average:
    """The moving average of weights that players' optimisers take from the group `ema`."""

    decay: Annotated[Any, Decay | None] = None


@dataclass
class Metrics:
    """Keys of `metrics` beside the measures, which are components under names of their own."""

    images: Count | None = None
    costly_images: Count | None = None
    during: list[str] = field(default_factory=list)
    weights: list[str] | None = None
    densities: dict[str, Any] = field(default_factory=dict)


@dataclass
class Study:
    """A search: see conf/study and `pushforward.sweep.search.study_config`. It belongs to the sweep, to none of its runs."""

    name: str | None = None
    trials: Annotated[Any, Trials | None] = None
    space: Any = None
    metric: Any = "val/criterion"
    direction: Any = None
    sampler: str = "tpe"
    sampler_options: Any = None
    pruner: str | None = None
    pruner_options: Any = None
    seed: Annotated[Any, Seed] = 1
    parallel: Annotated[Any, Few | None] = None


@dataclass
class Config:
    """Every key a run may have at its root, numbers with their domains.

    Component nodes (`_target_`) are free in form and bound to signatures later. Numbers are `Any` to Hydra, which would
    refuse `budget.images=1e6`; `check_values` holds them against what they are annotated with.
    """

    results: Annotated[Any, Natural] = RESULTS
    seed: Annotated[Any, Natural] = 1
    batch_size: Annotated[Any, Count] = 64
    precision: str = "fp32"
    data: Any = MISSING
    network: Any = MISSING
    likelihood: Any = None
    corruption: Any = None
    sampler: Any = None
    weighting: Any = MISSING
    optimizer: Any = MISSING
    schedule: Any = None
    ema: Average = field(default_factory=Average)
    condition: Any = None
    model: Any = MISSING
    budget: Budget = field(default_factory=Budget)
    selection: Selection = field(default_factory=Selection)
    trainer: Trainer = field(default_factory=Trainer)
    logger: Any = None
    callbacks: Any = None
    init_from: str | None = None
    features: Any = None
    metrics: Any = None
    tags: list[str] = field(default_factory=list)
    retry: str | None = None
    row_order: Annotated[Any, NonNegative | None] = None
    """The recipe's place in tables: its own `order`."""
    study: Study | None = None


HOLDERS: dict[str, type] = {"metrics": Metrics}
"""Schemas of nodes that hold components beside keys of their own; other nodes without a `_target_` hold components alone."""


def register() -> None:
    """Make the root schema and the resolvers known to Hydra."""
    ConfigStore.instance().store(name="pushforward_schema", node=Config)
    OmegaConf.register_new_resolver("outputs", lambda: str(outputs()), replace=True)


def conf_dir() -> Path:
    """Return the config tree: inside the wheel, else beside the checkout's src."""
    package = Path(__file__).resolve().parent
    checkout = package.parents[1] / "conf" if package.parent.name == "src" else None
    for folder in (checkout, package / "conf"):  # an editable install may leave a stale copy in site-packages
        if folder and (folder / "train.yaml").is_file():
            return folder
    raise PushforwardError(f"the config tree is missing from {package}: install pushforward again")


def options(group: str) -> list[str]:
    """Return the options of a config group that come with the package."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def groups() -> list[str]:
    """Return the config groups that come with the package."""
    return sorted(path.name for path in conf_dir().iterdir() if path.name != TABLES and any(path.glob("*.yaml")))


def none_of(group: str) -> str | None:
    """Return what chooses nothing of a group: its option `none`, `null` where that is the default, None where one is needed."""
    if "none" in options(group):
        return "none"
    defaults = yaml.safe_load((conf_dir() / "train.yaml").read_text(encoding="utf-8"))["defaults"]
    return "null" if {group: None} in defaults else None


def freeze(cfg: DictConfig, choices: dict[str, str]) -> dict[str, Any]:
    """Return the config with every interpolation resolved, as plain data, and the group options it was composed from."""
    refuse_secrets(OmegaConf.to_container(cfg, resolve=False))
    plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    kept = {g: option for g, option in choices.items() if "hydra/" not in g and g != "study" and option is not None}
    own = {str(key): value for key, value in plain.items() if key != "study"}
    own |= {key: with_numbers(own[key], schema) for key, schema in HOLDERS.items() if isinstance(own.get(key), dict)}
    if isinstance(own.get("model"), dict):  # of tables and lists, and so no part of what is trained
        own["row_order"] = own["model"].pop("order", own.get("row_order"))
        own["model"].pop("family", None)
    about: dict[str, Any] = {"choices": dict(sorted(kept.items())), "uses": uses(cfg)}
    if isinstance(own.get("data"), dict):
        own["data"], first, encoder = initial_weights.encoder(own["data"])
        if first is not None and (why := stale(first)):
            raise PushforwardError(f"data.run={first.id}: {why}; train it again (retry=stale), or name another run")
        about |= {"encoder": encoder} if encoder else {}
        own["data"], found = data_identity.described(own["data"], str(choices.get("data")))
        about |= {"content": found} if found else {}
    own["init_from"], source = initial_weights.described(own.get("init_from"))
    about |= {"initial": source} if source else {}
    frozen = {**about, **with_numbers(own, Config)}
    check_values(frozen)
    return frozen


def with_numbers(node: dict[str, Any], schema: type) -> dict[str, Any]:
    """Return a node with `1e2` as 100 where a whole number is meant, and the text "3", as an environment gives it, as 3."""
    known, made = keys_of(schema), dict(node)
    for key in made.keys() & known.keys():
        inner = schema_of(known[key])
        if inner and isinstance(made[key], dict):
            made[key] = with_numbers(made[key], inner)
        elif isinstance(made[key], str) and not fits(made[key], known[key]):
            with suppress(ValueError):
                made[key] = settled(float(made[key]), known[key])
        else:
            made[key] = settled(made[key], known[key])
    return made


def check_values(frozen: Mapping[str, Any]) -> None:
    """Refuse keys that nothing reads, and values that no run can mean; of components, `training.signatures` knows more."""
    own = {
        key: value for key, value in frozen.items() if key not in ("choices", "uses", "content", "initial", "encoder")
    }
    errors = [*refusals("", own, keys_of(Config), "there is no such key")]
    for key, known in keys_of(Config).items():
        if known is Any and isinstance(frozen.get(key), Mapping):
            errors += held(key, frozen[key], HOLDERS.get(key))
        elif known is Any and frozen.get(key) is not None:
            errors.append(f"{key}={shown(frozen[key])}: choose from {', '.join(options(key))}")
    budget = frozen["budget"]
    given = [key for key in ("epochs", "images") if budget.get(key) is not None]
    if len(given) != 1:
        errors.append(
            f"budget: give one of epochs and images, not {' and '.join(given) or 'neither'}; "
            f"for images say budget.images=500000 budget.epochs=null"
        )
    errors += untaken(frozen)
    errors += trainer_errors(frozen)
    for key, value, allowed in (
        ("precision", frozen["precision"], ("fp32", "bf16", "fp64")),
        ("retry", frozen["retry"], (None, "stale", "failed")),
    ):
        if value not in allowed:
            errors.append(f"{key}={value}: choose from {', '.join(str(a or 'null') for a in allowed)}")
    if errors:
        raise PushforwardError("; ".join(dict.fromkeys(errors)))


def trainer_errors(frozen: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with values of the trainer that depend on others, or have a form of their own."""
    settings, parts = frozen["trainer"], accumulate(frozen)
    given, batch = settings.get("max_time"), frozen["batch_size"]
    if isinstance(given, str) and max_seconds(frozen) is None:
        yield f"trainer.max_time={given}: give seconds, or days, hours, minutes and seconds as in 00:12:00:00"
    numbers = (parts, batch, settings["devices"], settings.get("num_nodes") or 1)
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        return  # each is refused by itself
    if batch % (parts * devices(frozen)):
        several = f" in each of {devices(frozen)} processes" if devices(frozen) > 1 else ""
        yield f"trainer.accumulate={parts}: batch_size={batch} does not divide into as many equal parts{several}"


def accumulate(frozen: Mapping[str, Any]) -> int:
    """Equal parts of a batch whose gradients are added."""
    return frozen["trainer"].get("accumulate") or Trainer.accumulate


def max_seconds(frozen: Mapping[str, Any]) -> float | None:
    """Return the seconds after which training stops; None: it does not, or what is given is no time above 0."""
    given = frozen["trainer"].get("max_time")
    if not isinstance(given, str):
        return given
    parts = re.fullmatch(r"(\d+):(\d\d?):(\d\d?):(\d\d?)", given.strip())
    if parts is None:
        return None
    days, hours, minutes, seconds = map(int, parts.groups())
    return ((days * 24.0 + hours) * 60 + minutes) * 60 + seconds or None


def untaken(frozen: Mapping[str, Any]) -> Iterator[str]:
    """A schedule or an average that was chosen for all players and is in none's optimiser; a condition that no model takes."""
    model = frozen.get("model")
    if frozen.get("condition") is not None and not (isinstance(model, Mapping) and model.get("condition")):
        yield "condition: this model takes none; use condition=none, or in your model's file write condition: ${condition}"
    nodes = {key: frozen.get(key) for key in ("optimizer", "ema")}  # what is no mapping has been refused
    own, ema = (node if isinstance(node, Mapping) else {} for node in nodes.values())
    players = {name: tuning for name, tuning in own.items() if isinstance(tuning, Mapping)}
    for key, source, chosen in (
        ("schedule", "schedule", frozen.get("schedule")),
        ("ema", "ema.decay", ema.get("decay")),
    ):
        if chosen is not None and players and not any(tuning.get(key) for tuning in players.values()):
            yield (
                f"{key}: no player takes it; in your optimizer's file write {key}: ${{{source}}}, "
                f"or set optimizer.{next(iter(players))}.{key}"
            )


def held(path: str, node: Mapping[str, Any], schema: type | None) -> Iterator[str]:
    """Yield what is wrong with a node that is a component, or holds components beside the keys of its schema."""
    if "_target_" in node:
        return
    known = {} if schema is None else keys_of(schema)
    named = [str(key) for key, value in node.items() if key in known or is_component(value)]
    for key, value in node.items():
        full = f"{path}.{key}"
        if key in known:
            yield from refusals(path, {key: value}, known, "")
            if isinstance(value, Mapping):
                yield from held(full, value, None)
        elif not is_component(value):
            inside = f".{next(iter(value))}" if isinstance(value, Mapping) and value else ""
            yield f"{full}{inside}: there is no {key} here; {near(str(key), named)}"


def is_component(value: Any) -> bool:
    """Whether it is a component, or one that was taken out (null)."""
    return value is None or (isinstance(value, Mapping) and "_target_" in value)


def stale(run: Run) -> str:
    """Why a run is no longer what its config trains: a person's own module changed, or `results` was raised; else empty."""
    modules = changed(run)
    if modules:
        return f"{', '.join(modules)} changed since it was trained"
    trained = run.config.get("results", RESULTS)
    return "" if trained == RESULTS else f"it was trained under results {trained}, now {RESULTS}"


def devices(frozen: Mapping[str, Any]) -> int:
    """Return how many processes a run takes."""
    return int(frozen["trainer"]["devices"]) * int(frozen["trainer"].get("num_nodes") or 1)


def threads(frozen: dict[str, Any]) -> int:
    """Return CPU threads of each of the run's processes."""
    return int(frozen["trainer"]["threads"] or machine.threads(devices(frozen)))


def calm(frozen: dict[str, Any]) -> None:
    """Tell OpenMP, before torch is imported, how many threads to use; that waiting ones sleep the package says itself."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads(frozen)))
