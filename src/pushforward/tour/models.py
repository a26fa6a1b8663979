"""Small models trained on the spot: the package's own families and config, without a run directory."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from pushforward.composition import compose
from pushforward.data import DataModule
from pushforward.families import Family
from pushforward.protocol.features import lenet
from pushforward.protocol.subject import Subject
from pushforward.seeds import generator
from pushforward.training import build

SMALL = ("network.hidden=[256]", "batch_size=128", "optimizer.model.lr=3e-3", "budget.epochs=40")
RECIPES: dict[str, tuple[str, ...]] = {
    "autoencoder": ("model=ae", "model.code_dim=2", *SMALL),
    "planar VAE": ("model=vae", "model.code_dim=2", *SMALL),
    "VAE": ("model=vae", *SMALL),
    "GAN": (
        "model=gan", "model.code_dim=16", "network=mlp", "network.hidden=[256,256]", "network.norm=batch",
        "optimizer.critic.lr=1e-3", "optimizer.generator.lr=1e-3", "budget.epochs=60",
    ),
    "flow": (
        "model=realnvp", "model.bijection.transforms=6", "model.bijection.hidden=[128,128]", "batch_size=128",
        "optimizer.model.lr=2e-3", "budget.epochs=40",
    ),
    "diffusion": (
        "model=ddpm", "network.multipliers=[1,2]", "model.evaluations=20", "sampler=ddim",
        "optimizer.model.lr=2e-3", "optimizer.model.ema=0.99", "budget.epochs=16",
    ),
}  # fmt: skip
"""Overrides of `pushforward train data=digits`, each a few seconds on one thread."""
MOMENTS = {"VAE": 4, "GAN": 40}
"""The number of moments of a model's training that are kept, the first before it and the last at its end; else these two."""


C = TypeVar("C")


@dataclass
class Trained:
    """A family in evaluation mode; `seconds` of training, `images` seen, `terms`: player/term -> every step's mean.

    moments: (images seen, weights) during training.
    """

    family: Family
    seconds: float
    images: int
    terms: dict[str, Tensor]
    moments: list[tuple[int, dict[str, Tensor]]]

    def able(self, capability: type[C]) -> C:
        """The family, as something with a capability that its recipe is known to have."""
        assert isinstance(self.family, capability)
        return self.family

    def on_the_way(self) -> Iterator[tuple[int, Family]]:
        """(images seen, the family with the weights it had then), in turn; after the last it is trained again."""
        for images, weights in self.moments:
            self.family.load_state_dict(weights)
            yield images, self.family


class Models:
    """Digits, their features, and models by name, each trained once."""

    def __init__(self, seed: int, say: Callable[[str], None] = lambda what: None) -> None:
        self.seed, self.say = seed, say
        self.data = self.build(("model=vae",))[1]
        self.features = lenet.for_data(self.data)
        self._trained: dict[str, Trained] = {}

    def build(self, overrides: Sequence[str]) -> tuple[dict[str, Any], DataModule]:
        frozen = compose(["data=digits", f"seed={self.seed}", "logger=none", "metrics=none", *overrides])
        return frozen, build.build_data(frozen)

    def trained(self, name: str) -> Trained:
        if name not in self._trained:
            self._trained[name] = self.train(name, RECIPES[name])
        return self._trained[name]

    @torch.enable_grad()
    def train(self, name: str, overrides: Sequence[str]) -> Trained:
        """Trains by the family's own stepper, from the tour's seed."""
        self.say(f"training: {name}")
        frozen, data = self.build(overrides)
        family = build.build_family(frozen, data.spec)
        family.configure_optimizers()
        assert family.stepper is not None
        data.per_cycle, data.cycles = family.batches_per_cycle, build.budget_cycles(frozen, family)
        stream, seconds = data.train_dataloader(), 0.0
        due = [round(i * len(stream) / max(1, MOMENTS.get(name, 2) - 1)) for i in range(MOMENTS.get(name, 2))]
        moments = [(0, weights_of(family))]
        family.train()
        for done, block in enumerate(stream, 1):
            start = time.perf_counter()
            family.stepper.block(block)
            seconds += time.perf_counter() - start
            if done in due[:-1]:
                moments.append((family.progress.images_seen, weights_of(family)))
        family.stepper.swap()  # moving averages, where a player has one: what evaluation uses
        moments.append((family.progress.images_seen, weights_of(family)))
        terms = {key: values.cpu() for key, values in family.stepper.history.steps().items()}
        return Trained(family.eval(), seconds, family.progress.images_seen, terms, moments)

    def subject(self, name: str) -> Subject:
        """The subject that the measures take, for one of these models."""
        return Subject(self.trained(name).family, self.data, features=self.features)

    def generator(self, *stream: str | int) -> torch.Generator:
        return generator("cpu", self.seed, "tour", *stream)


def weights_of(family: Family) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in family.state_dict().items()}


def commands(*names: str) -> list[str]:
    """The command lines that train the same models into run directories."""
    return [f"pushforward train data=digits {' '.join(map(quoted, RECIPES[name]))}" for name in names]


def quoted(override: str) -> str:
    return f"'{override}'" if "[" in override else override
