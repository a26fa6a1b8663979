"""A trained run taken up again from its directory: to sample from it, or to measure it once more."""

import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from pushforward import data_identity, initial_weights
from pushforward.data import DataModule
from pushforward.errors import PushforwardError, Unreadable, described
from pushforward.families import (
    ClassConditional,
    Decodes,
    DecodesToLikelihood,
    Encodes,
    Family,
    HasLikelihood,
    Likelihoods,
    Reconstructs,
    Samples,
)
from pushforward.protocol.features import Features
from pushforward.report.figures import draw_all
from pushforward.runs import Run, RunDir
from pushforward.runs.weights import BY_CARD, merged
from pushforward.seeds import generator
from pushforward.training import build, model_summary, safe_weights
from pushforward.training.console import quiet, summary
from pushforward.training.evaluate import choose, evaluate, evaluate_sets, features_for, measures, sets_wanted
from pushforward.training.first_stage import Coder
from pushforward.training.missing_results import Gaps, apart, remedy
from pushforward.training.pictures import draw, lacking
from pushforward.training.signatures import check_targets, taken_only

MEASURING = re.compile(r"[+~]*(metrics|features|measure|density)\b")
"""Overrides that change what is measured, and nothing that was trained."""


NEEDED = ("seed", "batch_size", "data", "model", "budget", "selection")
"""Keys of a config without which no run can be taken up again."""


def complete(run: Run) -> None:
    """Raises PushforwardError where a run's config is damaged, or lacks what a run needs."""
    run.readable("config.yaml")
    if lacking := [key for key in NEEDED if run.config.get(key) is None]:
        raise PushforwardError(f"{run.id}: unreadable: config.yaml has no {', '.join(lacking)}")


@contextmanager
def as_configured(run: Run) -> Iterator[None]:
    """Raises PushforwardError for whatever a damaged config makes of what is built from it."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, PushforwardError):
            raise
        raise PushforwardError(f"{run.path / 'config.yaml'} cannot be built from: {described(error)}") from error


C = TypeVar("C")


class Trained:
    """A trained model and its data, as the run directory has them: the chosen weights, in evaluation mode."""

    def __init__(self, run: Run, config: Mapping[str, Any] | None = None) -> None:
        """config: the run's, where its data lie elsewhere now."""
        complete(run)
        exported = safe_weights.is_export(run)
        if exported:
            safe_weights.check_format(run)
        elif not (run.path / "checkpoints" / "last.ckpt").is_file():
            raise PushforwardError(f"{run.id} is {run.state} and has no checkpoint; train it first")
        self.run, self.config = run, config or run.config
        with as_configured(run):
            self.spec = build.read_spec(run) or self.data.spec
            self.family: Family = build.build_family(self.config, self.spec)
        if exported:
            self.weights = safe_weights.put(self.family, run)
        else:
            self.weights = choose(RunDir(run.path), self.family, run.config)
        self.family.eval()

    @cached_property
    def data(self) -> DataModule:
        """The run's data. Raises PushforwardError where they are not there, or not what it was trained on."""
        data_identity.check(self.config)
        return build.build_data(self.config)

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0, y: Tensor | int | None = None) -> Tensor:
        """n samples, (n, *shape), in the data's own range and unit, images where codes were learnt.

        y: the class of all, or of each, of a conditional model.
        """
        family = self.able(Samples, "has no prior to sample from; its codes need a density")
        g = generator(self.family.device, seed, "samples")
        sizes = [min(1000, n - i) for i in range(0, n, 1000)]
        if y is None:
            return self.shown(torch.cat([family.sample(size, g) for size in sizes]))
        told = self.able(ClassConditional, "takes no labels")
        labels = y if isinstance(y, Tensor) else torch.full((n,), y)
        if labels.shape != (n,):
            raise PushforwardError(f"y: give one label, or {n} of them, one for each sample")
        parts = zip(sizes, labels.split(1000), strict=True)
        return self.shown(torch.cat([told.sample(size, g, own) for size, own in parts]))

    @cached_property
    def first(self) -> "Trained | None":
        """The model whose codes this one learnt; None where it learnt the data themselves."""
        if "encoder" not in self.config:
            return None
        if safe_weights.is_export(self.run):
            folder = self.run.path / safe_weights.FIRST_STAGE
            if not (folder / "config.yaml").is_file():
                raise Unreadable(f"{folder} is not there, which decodes what this model learnt: export the run again")
            return Trained(Run(folder))
        return Trained(initial_weights.encoder_weights(self.config)[0])

    @cached_property
    def origin(self) -> Coder | None:
        """What makes the codes of images that this model learnt, and images of them."""
        first = self.first
        if first is None:
            return None
        return Coder(
            run=str(self.config["encoder"]["run"]), family=first.family, spec=first.spec,
            indices=build.indices(self.config), origin=first.origin,
        )  # fmt: skip

    def seen(self, x: Tensor) -> Tensor:
        """Images, or points in their own unit, as the model sees them; their codes, where it learnt these."""
        return self.spec.standardized(x if self.origin is None else self.origin.encode(x))

    def shown(self, x: Tensor) -> Tensor:
        """What the model makes in the data's own unit; codes as the images that they decode to."""
        x = self.spec.original(x)
        return x if self.origin is None else self.origin.decode(x.float())

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Codes of images, or of points in their own unit; a posterior's means."""
        return self.able(Encodes, "cannot encode").encode(self.seen(x))

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        return self.shown(self.able(Decodes, "cannot decode").decode(z))

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        family = self.able(Reconstructs, "cannot reconstruct")
        return self.shown(family.reconstruct(self.seen(x)))

    @torch.no_grad()
    def log_prob(self, x: Tensor, seed: int = 0) -> Likelihoods:
        """log p(x) of images, or of points in their own unit, nats each, and its kind; of a model of codes, of these.

        seed: of the noise in bounds and estimates, and of dequantisation.
        """
        family = self.able(HasLikelihood, "has no likelihood")
        if isinstance(family, DecodesToLikelihood) and not family.fits_likelihood:
            raise PushforwardError(f"{self.run.id}: no term of its objective is a likelihood of images")
        g = generator(self.family.device, seed, "likelihood")
        results = [family.log_prob(part, g) for part in self.seen(x).split(500)]
        parts = {name: torch.cat([one.parts[name] for one in results]) for name in results[0].parts}
        if "distortion" in parts:
            parts["distortion"] = parts["distortion"] + self.spec.log_scale
        values = torch.cat([one.values for one in results]) - self.spec.log_scale
        return results[0]._replace(values=values, parts=parts)

    def _repr_html_(self) -> str:
        from pushforward.report import notebook

        return notebook.model(
            f"{self.run.id}: a trained {self.run.key('model')}",
            model_summary.of_trained(self.family, self.config, self.weights),
        )

    def able(self, capability: type[C], lacking: str) -> C:
        """The family, as something with a capability. Raises PushforwardError where it has not."""
        if not isinstance(self.family, capability):
            raise PushforwardError(f"{self.run.id}: {self.run.key('model')} {lacking}")
        return self.family


def load(run: Run) -> Trained:
    """The trained model of a run."""
    return Trained(run)


def settings_of(run: Run, overrides: list[str], config_dir: Path | None = None) -> dict[str, Any]:
    """`metrics` and `features` of a run's config, and what overrides change of them; a group that is chosen anew replaces it.

    Raises PushforwardError where an override is of anything else, or cannot be composed.
    """
    from pushforward import composition, config

    wrong = [o for o in overrides if not MEASURING.match(o)]
    if wrong:
        raise PushforwardError(f"evaluate {wrong[0]}: only metrics and features can change after training")
    measured = any(isinstance(node, dict) and "_target_" in node for node in (run.config.get("metrics") or {}).values())
    own = {"metrics": run.config.get("metrics") if measured else None, "features": run.config.get("features")}
    if measured and not overrides:
        return own
    chosen = {group: run.choices.get(group) for group in own}
    anew = {group: any(o.startswith(f"{group}=") for o in overrides) for group in own}
    kept = [f"{group}={chosen[group]}" for group in own if chosen[group] and own[group] is not None and not anew[group]]
    usual = composition.compose(kept, config_dir)["choices"]
    kept += [
        f"+{where}={option}"  # a measure or density that the run was trained with beside those of its group
        for where, option in run.choices.items()
        if (group := where.partition("@")[0]) in ("measure", "density")
        and not anew["metrics"]
        and where not in usual
        and not any(f"{where}=" in o for o in overrides)
        and option in config.options(group)
    ]
    before, after = (composition.compose([*kept, *more], config_dir) for more in ([], overrides))
    check_targets({group: after[group] for group in own})
    return {
        group: after[group] if anew[group] or node is None else changed(node, before[group], after[group])
        for group, node in own.items()
    }


def changed(own: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`own` with what differs between `before` and `after`."""
    found = {key: value for key, value in own.items() if key in after or key not in before}
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        nodes = own.get(key), before.get(key), value
        found[key] = changed(*nodes) if all(isinstance(node, Mapping) for node in nodes) else value  # type: ignore[arg-type]
    return found


def measured_by(run: Run) -> dict[str, Any]:
    """`metrics` and `features` that the numbers of a run's record come from."""
    own = run.record.get("measured") or run.config
    return {"metrics": own.get("metrics"), "features": own.get("features")}


def evaluate_again(
    run: Run,
    overrides: list[str],
    config_dir: Path | None = None,
    moved: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> tuple[str, list[str]]:
    """Measures a run once more, as its config has it and overrides change it. Returns what to say of it, and what failed.

    config_dir: a person's own folder of `measure`, `density`, `features` or `metrics`; moved: `data.source.path=NEW` of data
    that lie elsewhere now. weights: the sets of weights that are measured, in place of the chosen one and those of
    `metrics.weights`.
    """
    quiet()
    complete(run)
    with as_configured(run):
        kept = {key: taken_only(node, key) for key, node in settings_of(run, overrides, config_dir).items()}
    settings = {key: node for key, (node, _) in kept.items()}
    gone = [key for _, keys in kept.values() for key in keys]
    note = [f"note: left out, as there is no such argument any more: {', '.join(gone)}"] if gone else []
    config = data_identity.moved(run.config, moved)
    folder = [] if config_dir is None else ["--config-dir", str(config_dir)]
    named = [f"weights={','.join(weights)}"] * bool(weights)
    command = shlex.join(["pushforward", "evaluate", run.id, *named, *overrides, *moved, *folder])
    writer = RunDir(run.path)
    if not writer.lock.acquire():
        raise PushforwardError(f"{run.id}: another process is training or measuring it; see pushforward status")
    try:
        trained = Trained(run, config)
        own = BY_CARD[trained.weights["weights"]]
        wanted = weights or [own, *sets_wanted(settings["metrics"])]
        features = features_for(trained.data, settings["features"])
        gaps = measure_chosen(trained, settings, features, writer, command) if own in wanted else {}
        others = [name for name in wanted if name != own]
        gaps |= measure_others(others, trained, settings, features, writer, command) if others else {}
        return "\n".join([*note, summary(writer), *remedy(writer, gaps, command)]), list(gaps)
    finally:
        writer.lock.release()


def measure_chosen(
    trained: Trained, settings: Mapping[str, Any], features: Features | None, writer: RunDir, command: str
) -> Gaps:
    """Measures the chosen weights into the record, and draws what pictures there are. Returns what failed."""
    run, family, data = trained.run, trained.family, trained.data
    started = time.perf_counter()
    found, gaps = evaluate(family, data, features, settings["metrics"], {**trained.weights, "command": command}, writer)
    cost = {**(run.record.get("cost") or {}), "evaluate_seconds": time.perf_counter() - started}
    before = run.record.get("failed") or {}
    new = lacking(writer, family, data)
    if not run.record or new or any(name.startswith("pictures.") for name in before):
        draw(writer, family, data, gaps)
    else:
        draw_all(run.path, lambda name: apart(writer, gaps, f"pictures.{name}"))
    tried = {f"metrics.{name}" for name in measures(settings["metrics"])} | set(found)
    left = {name: why for name, why in before.items() if name.startswith("metrics.") and name not in tried}
    by = {**settings, "metrics": {**(measured_by(run)["metrics"] or {}), **(settings["metrics"] or {})}}
    writer.update_record(found, measured=by, cost=cost, failed=left | gaps, objective=family.describe())
    if run.state == "finished" and run.status.get("error"):
        writer.set_status(error=None)  # it had no record
    return gaps


def measure_others(
    names: Sequence[str], trained: Trained, settings: Mapping[str, Any], features: Features | None, writer: RunDir,
    command: str,
) -> Gaps:  # fmt: skip
    """Measures sets of weights beside the chosen one into the record, whose other numbers stay. Returns what failed."""
    found, gaps = evaluate_sets(
        names, writer, trained.config, trained.family, trained.data, features, settings["metrics"], {"command": command}
    )
    places = tuple(f"metrics.weights.{name}" for name in names)
    before = writer.record.get("failed") or {}
    left = {name: why for name, why in before.items() if not name.startswith(places)}
    writer.update_record({}, weights=merged(writer.record, found), failed=left | gaps)
    return gaps
