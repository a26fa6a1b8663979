"""The summary of a recipe: equation, parts, terms, shapes, parameters, options, numbers last measured, papers."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pushforward.composition import compose
from pushforward.config import conf_dir
from pushforward.errors import PushforwardError
from pushforward.families import VERBS, Family
from pushforward.overrides import read
from pushforward.recipes import FAMILIES, family_of, header, papers
from pushforward.runs import data_name
from pushforward.spec import BLOCK
from pushforward.training import build
from pushforward.training.console import quiet

ELSEWHERE = ("objective", "optimizers", "condition")
"""Nodes of a recipe that have lines of their own."""


def show_model(name: str, overrides: list[str], config_dir: Path | None = None) -> str:
    """Lines about the recipe `name` on the data and network that the overrides choose (default: as `train` would)."""
    quiet()
    if name.startswith("model="):
        raise PushforwardError(f"show model {name}: give the name alone, such as show model {name.partition('=')[2]}")
    frozen = compose([f"model={name}", *read(overrides)], config_dir)
    data = build.build_data(frozen)
    family = build.build_family(frozen, data.spec)
    folders = [conf_dir(), *([config_dir] if config_dir else [])]
    file = next(path for folder in reversed(folders) if (path := folder / "model" / f"{name}.yaml").is_file())
    about, kin = header(file), family_of(file, folders)
    rows = [
        *([("objective", about.equation)] if about.equation else []),
        *family.describe().items(),
        ("family", f"{FAMILIES.get(kin, kin)} ({type(family).__name__})" if kin else type(family).__name__),
        *parts(frozen["model"], family.describe()),
        *terms(family),
        *players(family, frozen["optimizer"]),
        ("can", ", ".join(verb for verb, able in VERBS.items() if isinstance(family, able))),
        ("takes", " ".join(f"{group}=" for group in ("data", *frozen["uses"]))),
        ("an epoch", f"about {seconds_an_epoch(family, data):.1f} s on this machine's CPU"),
        *(("measured", line) for line in about.measured),
        *(("source", line) for line in about.source),
        *(("try", line) for line in about.commands),
        *(("note", line) for line in about.notes),
    ]
    title = f"{name}: {about.title}" if about.title else name
    lines = [f"{title}; on {frozen['choices']['data']} with network={frozen['choices']['network']}"]
    lines += [f"  {key:<15} {text}" for key, text in rows]
    known = papers()
    lines += [f"\n{known[paper]}" for paper in about.papers if paper in known]
    return "\n".join(lines)


def of_trained(family: Family, frozen: Mapping[str, Any], weights: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a line for each part of a trained model; weights: what cards say of them."""
    described, spec = family.describe(), family.spec
    kind = f"{spec.levels} levels" if spec.levels else "real values"
    yield "family", type(family).__name__
    yield from described.items()
    yield from parts(frozen["model"], described)
    yield from terms(family)
    yield from players(family, frozen["model"].get("optimizers") or {})
    yield "parameters", f"{sum(p.numel() for p in family.parameters()):,}"
    yield "data", f"{data_name(frozen)}: {' × '.join(map(str, spec.shape))}, {kind}, {spec.n_train:,} to train on"
    yield "weights", f"{weights.get('weights')}, after {weights.get('at_images') or 0:,} images"
    yield "can", ", ".join(verb for verb, able in VERBS.items() if isinstance(family, able))


def parts(model: Mapping[str, Any], described: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield a line for each component of the recipe that is not described: `prior  FlowPrior(transforms=4)`."""
    for key, node in model.items():
        if isinstance(node, Mapping) and "_target_" in node and key not in (*ELSEWHERE, *described):
            yield key, called(node)


def called(node: Any) -> str:
    """Return a config's value as Python would write it, without modules and nulls."""
    if isinstance(node, Mapping) and "_target_" in node:
        given = ", ".join(
            f"{key}={called(value)}" for key, value in node.items() if key[0] != "_" and value is not None
        )
        return str(node["_target_"]).rpartition(".")[2] + (f"({given})" if given else "")
    if isinstance(node, Mapping):
        return ", ".join(f"{key}: {called(value)}" for key, value in node.items())
    if isinstance(node, list):
        return f"[{', '.join(map(called, node))}]"
    return f"{node:g}" if isinstance(node, float) else str(node)


def terms(family: Family) -> Iterator[tuple[str, str]]:
    """Yield a line for each term with its weight and unit; under its player where there are several."""
    several = len(family.objectives) > 1
    for player, objective in family.objectives.items():
        for name, term in objective.terms.items():
            weighted = term.weight.describe(term.symbol) or f"0·{term.symbol}"
            whose = f" of player {player}" if several else ""
            yield "term", f"{name}{whose}: {weighted}, {term.unit} ({type(term).__name__})"


def players(family: Family, tunings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a line for each player: its optimiser, and the parameters of each module that it owns."""
    for player in family.players:
        sizes = {part: sum(p.numel() for p in family.get_submodule(part).parameters()) for part in player.modules}
        owned = ", ".join(f"{part.rpartition('.')[2]} {size:,}" for part, size in sizes.items() if size)
        yield "player", f"{player.name}: {owned} parameters; {called(tunings.get(player.name) or 'no optimizer')}"


def seconds_an_epoch(family: build.Family, data: build.DataModule) -> float:
    """Measured over two blocks of training steps, the first for warming up."""
    data.per_cycle, data.cycles = family.batches_per_cycle, 2 * BLOCK
    stepper = family.train().get_stepper()
    seconds = 0.0
    for block in data.train_dataloader():
        started = time.perf_counter()
        stepper.block(block)
        seconds = time.perf_counter() - started
    return seconds * data.spec.n_train / (block.batch.x.shape[0] * block.batch.x.shape[1])
