"""A trained run taken up again from its directory: its model, with the chosen weights, and its data."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
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
from pushforward.runs import Run, RunDir
from pushforward.seeds import generator
from pushforward.training import build, model_summary, safe_weights
from pushforward.training.evaluate import choose
from pushforward.training.first_stage import Coder, FirstStage

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
        first = self.first if safe_weights.is_export(self.run) else None
        if first is None:
            return build.build_data(self.config)
        return build.build_data(self.config, FirstStage(
            run=str(self.config["encoder"]["run"]), family=first.family, spec=first.spec,
            indices=build.indices(self.config), origin=first.origin, weights=str(first.run.config["export"]["sha256"]),
            own=first.data,
        ))  # fmt: skip

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
