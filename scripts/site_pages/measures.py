"""The page of measures: their definitions, settings and numbers, as their classes and files have them."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pushforward.training.build as build
from pushforward.cli.commands_about import COSTS, price, sentence
from pushforward.composition import compose
from pushforward.config import conf_dir, options
from pushforward.protocol import Measure, Number
from pushforward.recipes import comment
from pushforward.training.evaluate import measures, subject_of
from pushforward.untrusted_text import md
from site_pages.recipes import body
from site_pages.text import code, folded, page, table

SUBJECTS = (
    *(["data=digits", f"model={model}"] for model in ("vae", "k_sparse_ae", "conditional_gan", "ddpm", "realnvp")),
    ["data=digits", "model=flow_matching"],
    ["data=toy2d", "data.source.n_train=400", "data.source.n_test=100", "data.validation=100", "model=realnvp"],
    ["data=sprites", "data.source.size=16", "model=vae"],
)
"""Overrides of models, none of them trained, that have every number of every measure between them."""
EVERYTHING = (
    "metrics=none",
    "metrics.images=10000",
    *(f"+measure@metrics.{name}={name}" for name in options("measure")),
    "+density@metrics.densities.gaussian=gaussian",
    "metrics.samples.parts=[frechet,kernel,manifold,infinite,classes,memory]",
    "metrics.likelihood.k=2",
    "metrics.likelihood.logits=true",
)
ARROWS = {"lower": "↓", "higher": "↑", None: ""}


def pages() -> dict[str, str]:
    """{path: text} of the page."""
    made, declared = every_measure()
    parts = [part(name, measure, declared[name]) for name, measure in made.items()]
    return {
        "measures.md": page(
            "# Measures",
            "A measure is a file in `conf/measure/`: settings of a class that declares its numbers and gives their values. "
            "`metrics=default` takes seconds on digits, `metrics=all` measures everything that needs no weights from "
            "elsewhere; `+measure@metrics.probes=probes` adds one, `metrics.likelihood.k=256` changes a setting, and "
            "`pushforward evaluate RUN …` measures a trained run again.",
            "Numbers in bold stand in a table that names no columns; ↑: higher is better, ↓: lower is. In their names "
            "`lenet` stands for the features that `features=` chooses, `gaussian` for each density over codes, and levels "
            "and steps are those of the settings. The functions behind them take tensors and stand alone: "
            "[metrics](api/metrics.md).",
            *parts,
        )
    }


def every_measure() -> tuple[dict[str, Measure], dict[str, dict[str, Number]]]:
    """Each measure by name, and the numbers that it declares of any of the subjects."""
    settings = compose([*EVERYTHING])["metrics"]
    features: Any = SimpleNamespace(name="lenet")
    made: Any = dict(sorted(measures(settings).items()))
    declared: dict[str, dict[str, Number]] = {name: {} for name in made}
    for overrides in SUBJECTS:
        frozen = compose([*overrides, "metrics=none"])
        data = build.build_data(frozen)
        subject = subject_of(build.build_family(frozen, data.spec).eval(), data, features, settings)
        for name, measure in made.items():
            declared[name] = {number.name: number for number in measure.numbers(subject)} | declared[name]
    return made, declared


def part(name: str, measure: Measure, declared: dict[str, Number]) -> str:
    file = conf_dir() / "measure" / f"{name}.yaml"
    rows = [
        [f"**`{number.name}`**" if number.main else f"`{number.name}`", md(number.unit), ARROWS[number.better]]
        for number in declared.values()
    ]
    return page(
        f"## {name}",
        md(sentence(file)),
        table(["number", "unit", "better"], rows),
        f"**Definition** (`{type(measure).__module__}.{type(measure).__qualname__}`). {definition(measure)}",
        f"**Cost**: {COSTS[price(file)]}. {' '.join(map(md, notes(file)))}".strip(),
        code("\n".join(commands(file)), "console"),
        folded(f"conf/measure/{name}.yaml", code(body(file), "yaml")),
    ).rstrip()


def definition(measure: Measure) -> str:
    """A measure's docstring as Markdown; what it says of each setting is an item of a list."""
    settings = "|".join(field.name for field in fields(measure))  # type: ignore[arg-type]
    doc = inspect.getdoc(type(measure)) or ""
    said = re.compile(rf"(?:^|(?<=\.)\s)((?:(?:{settings})(?:, )?)+): ", re.MULTILINE)
    first, *rest = map(escaped, said.split(doc))
    parts = [first.strip()]
    for name, about in zip(rest[::2], rest[1::2], strict=True):
        item, _, further = about.partition("\n\n")
        parts += [f"- **{name}**: {' '.join(item.split())}", further.strip()]
    return page(*parts).rstrip()


def escaped(doc: str) -> str:
    """Prose in which nothing is Markdown but code in backquotes."""
    pieces = re.split(r"(`[^`]+`)", doc)
    return "".join(piece if piece.startswith("`") else re.sub(r"([\\|*_<])", r"\\\1", piece) for piece in pieces)


def notes(file: Path) -> Iterator[str]:
    """Yield the lines of a measure's header that are neither its sentence nor commands."""
    said = sentence(file)
    for line in comment(file)[1:]:
        if line and not line.startswith(("pushforward ", "cost: ")) and line not in said:
            yield line


def commands(file: Path) -> Iterator[str]:
    yield from (line for line in comment(file) if line.startswith("pushforward "))
