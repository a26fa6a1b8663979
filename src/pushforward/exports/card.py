"""The model card of an export, README.md in the hub's convention: front matter, what it is, how to load it, its numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pushforward import config
from pushforward.allowed_targets import FAMILIES
from pushforward.families import VERBS, ClassConditional, Encodes, HasLikelihood, Reconstructs, Samples
from pushforward.paper_tables.cite import of_options
from pushforward.recipes import family_of, header, papers
from pushforward.report import card_text, columns
from pushforward.runs import Run
from pushforward.spec import DataSpec
from pushforward.training.load_run import Trained
from pushforward.training.model_summary import called
from pushforward.untrusted_text import line, md

SIGNS = {"lower": "↓", "higher": "↑"}
PROTOCOL = ("split", "n", "features", "weights", "sampler", "likelihood")
"""Entries of cards that say how a number was measured, in this order."""


def text(trained: Trained, picture: str | None, name: str, license: str = "") -> str:
    """Return the card of a model. picture: the name of a file beside it; name: what the model may be called on the hub."""
    run = trained.run
    about, title = recipe(run)
    front = yaml.safe_dump(front_matter(trained, license), sort_keys=False, allow_unicode=True, width=10_000)
    numbers = [*table(run)]
    parts = [
        f"---\n{front}---\n\n# {title} on {line(run.images)}",
        *([about] if about else []),
        *([f"![{line(picture.partition('.')[0])} of this model]({picture})"] if picture else []),
        "## How to load it\n\n" + usage(trained, name),
        "## What it was trained on\n\n" + "\n".join(f"- {said}" for said in trained_on(trained)),
        *(["## Numbers\n\n" + "\n".join(numbers)] if numbers else []),
        "## Limits\n\n" + "\n".join(f"- {said}" for said in limits(trained)),
    ]
    if cited := bibtex(run):
        parts.append("## Papers\n\n```bibtex\n" + "\n\n".join(cited) + "\n```")
    return "\n\n".join(parts) + "\n"


def recipe(run: Run) -> tuple[str, str]:
    """The header of the recipe's file, with its sources, and its title; of a person's own recipe its name alone."""
    name = line(run.choices.get("model") or run.id)
    file = config.conf_dir() / "model" / f"{name}.yaml"
    if not file.is_file():
        return "", name
    about = header(file)
    return "\n\n".join([f"`{name}`: {about.sentence}", *about.source]), about.title or name


def front_matter(trained: Trained, license: str) -> dict[str, Any]:
    """The metadata that the hub reads."""
    run = trained.run
    name = str(run.choices.get("model") or run.id)
    file = config.conf_dir() / "model" / f"{name}.yaml"
    kin = family_of(file, [config.conf_dir()]) if file.is_file() else None
    found: dict[str, Any] = {"license": license} if license else {}
    found |= {
        "library_name": "pushforward",
        "tags": list(dict.fromkeys(["pushforward", name, *([kin] if kin else [])])),
    }
    task = "unconditional-image-generation" if shown_spec(trained).is_image else "other"
    if task != "other" and isinstance(trained.family, Samples):
        found["pipeline_tag"] = task
    public = run.key("data.source.name") if run.choices.get("data") == "hub" else run.images
    own = bool(run.config.get("content"))
    if public and not own:
        found["datasets"] = [str(public)]
    measured = [(metric, run.metrics[metric]) for metric in columns.main(run.metrics) if run.value(metric) is not None]
    if not measured:
        return found
    found["metrics"] = [metric for metric, _ in measured]
    result = {
        "task": {"type": task, "name": "generative modelling"},
        "dataset": {"type": str(run.images if own else public), "name": str(run.images), "split": split(run)},
        "metrics": [
            {
                "type": metric,
                "value": entry["value"],
                "name": f"{metric} [{entry['unit']}]" if entry["unit"] else metric,
            }
            for metric, entry in measured
        ],
    }
    return found | {"model-index": [{"name": str(run.status.get("run_id") or run.id), "results": [result]}]}


def shown_spec(trained: Trained) -> DataSpec:
    """Shape and range of what a model takes and gives: of a model over codes, of the images that these are of."""
    return trained.spec if trained.first is None else shown_spec(trained.first)


def split(run: Run) -> str:
    """The split that the numbers were measured on."""
    return next((str(e["card"]["split"]) for e in run.metrics.values() if e["card"].get("split")), "test")


def usage(trained: Trained, name: str) -> str:
    """Code that loads and uses the model, by what it can do."""
    family, modules = trained.family, own_modules(trained.run.config)
    more = f", allow_modules={modules}" if modules else ""
    told = isinstance(family, ClassConditional) and bool(family.condition.classes)
    shape = ", ".join(map(str, ("n", *shown_spec(trained).shape)))
    lines = [
        "import pushforward as pf",
        "",
        f'model = pf.load("hf://USER/{name}"{more})     # or the path of this folder',
        *(["x = model.sample(64, seed=0)"] if isinstance(family, Samples) else []),
        *(["threes = model.sample(64, y=3)"] if told else []),
        *([f"z = model.encode(x)     # x: ({shape})"] if isinstance(family, Encodes) else []),
        *(["y = model.reconstruct(x)"] if isinstance(family, Reconstructs) else []),
        *(["nats = model.log_prob(x).values"] if isinstance(family, HasLikelihood) else []),
    ]
    install = "pip install 'pushforward[hf]'"
    note = "Loading runs no code of this folder: weights are safetensors, and the config names classes of pushforward alone."
    if modules:
        note = f"Its config names code of its author's own: {', '.join(modules)}. Load it only if you trust that code."
    return f"```bash\n{install}\n```\n\n```python\n" + "\n".join(lines) + f"\n```\n\n{note}"


def own_modules(node: Any) -> list[str]:
    """First parts of modules that a config names beside those that are always allowed."""
    known = {family.partition(".")[0] for family in FAMILIES}
    if isinstance(node, Mapping):
        named = [str(node["_target_"]).partition(".")[0]] if "_target_" in node else []
        named += [root for value in node.values() for root in own_modules(value)]
    else:
        named = [root for value in node for root in own_modules(value)] if isinstance(node, list) else []
    return sorted(set(named) - known)


def trained_on(trained: Trained) -> Iterator[str]:
    """Yield lines on data, budget, network and cost."""
    run, cost = trained.run, trained.run.record.get("cost") or {}
    data: Mapping[str, Any] = next(
        (e["card"]["data"] for e in run.metrics.values() if isinstance(e["card"].get("data"), Mapping)), {}
    )
    sizes = ", ".join(f"{n:,} {name}" for name, n in (data.get("splits") or {}).items())
    codes = f", as codes of `{line(run.config['encoder']['run'])}`" if "encoder" in run.config else ""
    yield f"data: {line(run.images)}{f' ({sizes} images)' if sizes else ''}{codes}"
    seen = run.status.get("images_seen")
    epochs = run.key("budget.epochs")
    budget = f"{seen:,} images seen" if seen else "not recorded"
    yield f"budget: {budget}{f' ({epochs:g} epochs)' if epochs else ''}, batches of {run.key('batch_size')}"
    yield f"seed: {run.key('seed')}; precision: {line(run.key('precision'))}"
    if network := run.config.get("network"):
        yield f"network: `{line(called(network))}`"
    if cost.get("parameters") is not None:
        yield f"parameters: {cost['parameters']:,}"
    if cost.get("train_seconds"):
        device = (run.record.get("execution") or {}).get("device")
        yield f"trained in {cost['train_seconds']:,.0f} s{f' on {line(device)}' if device else ''}"
    for player, equation in (run.record.get("objective") or {}).items():
        yield f"{line(player)}: {line(equation)}"


def table(run: Run) -> Iterator[str]:
    """Yield the lines of a table: each main number with its unit, what kind it is, the floor, and how it was measured."""
    shown = [name for name in columns.main(run.metrics) if name in run.metrics]
    if not shown:
        return
    yield "| number | value | floor | measured |"
    yield "| :-- | :-- | :-- | :-- |"
    for name in shown:
        entry = run.metrics[name]
        card = entry["card"]
        sign = SIGNS.get(str(card.get("better")), "")
        floor = card.get("floor")
        how = "; ".join(f"{key} {card_text.text(card[key])}" for key in PROTOCOL if card.get(key) is not None)
        cells = (f"{name} {sign}".strip(), card_text.number(entry, card), "" if floor is None else f"{floor:.4g}", how)
        yield f"| {' | '.join(md(cell) for cell in cells)} |"
    yield ""
    yield "↓ lower is better, ↑ higher. The floor is what held-out images score against training images by the same measure."


def limits(trained: Trained) -> Iterator[str]:
    """Yield what the cards say against the model, and what it is not capable of."""
    run = trained.run
    yield from (f"collapsed: {line(said)}" for said in columns.collapses(run))
    if run.record.get("improving"):
        yield "still improving at the end of its budget"
    if by := trained.weights.get("chosen_by"):
        yield f"weights: {line(trained.weights.get('weights'))}, chosen by {line(by)}"
    else:
        yield f"weights: {line(trained.weights.get('weights'))}, chosen by nothing"
    yield from (f"not measured, {line(name)}: {line(why)}" for name, why in (run.record.get("failed") or {}).items())
    if lacking := [verb for verb, able in VERBS.items() if not isinstance(trained.family, able)]:
        yield f"cannot: {', '.join(lacking)}"
    if trained.first is not None:
        yield f"samples are decoded by `{line(run.config['encoder']['run'])}`, which lies in `first_stage/`"
    yield "one seed: how much numbers vary over seeds is not said here"
    yield f"it has seen {line(run.images)} alone; Fréchet distances named otherwise than FID are no FID"


def bibtex(run: Run) -> list[str]:
    """Entries of the papers that the options of the run name."""
    known = papers()
    keys = of_options(((group, str(option)) for group, option in run.choices.items() if option), [config.conf_dir()])
    return list(dict.fromkeys(known[key] for key in keys if key in known))
