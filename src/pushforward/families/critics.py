"""Critics of images, and what they are built from: a network with other fields, and images packed side by side."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.bottlenecks import Deterministic
from pushforward.domains import Count, NonNegative, Positive, keys_of, refusals, settled
from pushforward.errors import PushforwardError
from pushforward.families.encoder_decoder import EncoderDecoder
from pushforward.networks import Network, encoder_of, given
from pushforward.networks.blocks import then
from pushforward.numbers import number
from pushforward.spec import DataSpec


def packed(spec: DataSpec, pack: int) -> DataSpec:
    """The spec of `pack` images side by side in the channels, or of as many points."""
    return dataclasses.replace(spec, shape=(pack * spec.shape[0], *spec.shape[1:]))


def pack_images(x: Tensor, pack: int) -> Tensor:
    """(n, c, …) to (n/pack, pack·c, …). Raises PushforwardError where n does not divide."""
    if pack == 1:
        return x
    if len(x) % pack:
        raise PushforwardError(
            f"model.pack={pack} does not divide a batch of {len(x)}; choose a batch_size that it divides"
        )
    return x.reshape(len(x) // pack, pack * x.shape[1], *x.shape[2:])


class Critic(nn.Module):
    """Images in [−1, 1], or points, to scores (n,): w·h(x) + b, and + v_y·h(x) of labels y. Miyato & Koyama 2018, eq. 5.

    projects: labels that the score takes. classifies: classes that it tells apart. codes: numbers of a code that it guesses.
    guess_hidden: units of a normalised layer between the features and the guess of a code; None: none. beside: the size of a
    vector that the features h take in beside x.
    """

    def __init__(
        self,
        network: Network,
        spec: DataSpec,
        projects: int = 0,
        classifies: int = 0,
        codes: int = 0,
        guess_hidden: Count | None = None,
        beside: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = encoder_of(network, spec.shape, beside)
        features = self.encoder.out_features
        self.score = nn.Linear(features, 1)
        self.projects, self.guesses = projects > 0, classifies + codes > 0
        self.classes = nn.Embedding(projects, features) if projects else None
        self.classify = nn.Linear(features, classifies) if classifies else None
        self.decode = guesser(features, codes, guess_hidden) if codes else None
        if self.classes is not None:
            # as the authors' own code has it: products with many features are no larger than the score
            nn.init.xavier_uniform_(self.classes.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.read(x, y)[0]

    def read(
        self, x: Tensor, y: Tensor | None = None, beside: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Scores, logits of classes, and the informative part of codes, (n, ·); None where it has no such head."""
        h = given(self.encoder, beside)(x)
        classes, codes = (None if head is None else head(h).to(x.dtype) for head in (self.classify, self.decode))
        return self.scored(h, y).to(x.dtype), classes, codes

    def scored(self, h: Tensor, y: Tensor | None) -> Tensor:
        """The scores of images with the features h, (n,)."""
        score = self.score(h)[:, 0]
        return score if self.classes is None else score + (self.classes(y) * h).sum(1)


def guesser(features: int, out: int, hidden: Count | None) -> nn.Module:
    """A linear map of features, or through a layer of `hidden` units. Chen et al. 2016, app. C: 128 of them."""
    if hidden is None:
        return nn.Linear(features, out)
    return nn.Sequential(
        *then(partial(nn.Linear, features, hidden), hidden, "batch", "leaky_relu"), nn.Linear(hidden, out)
    )


class AutoencodingCritic(nn.Module):
    """Images to their error by an autoencoder D, the mean of |x − D(x)| over an image, (n,). Berthelot et al. 2017, eq. 1.

    k: how much the errors of generated images count in its loss, from 0 to 1. diversity: γ, the ratio of the mean errors of
    generated and real images that k is to bring about. gain: λ, the speed of k. network and spec: the critic's.
    """

    k: Tensor
    diversity: Tensor
    gain: Tensor
    projects = guesses = False

    def __init__(
        self, code_dim: Count, diversity: NonNegative, gain: Positive, *, network: Network, spec: DataSpec
    ) -> None:
        super().__init__()
        self.coder = EncoderDecoder(network, spec.shape, partial(Deterministic, activation="identity"), code_dim)
        self.register_buffer("k", torch.zeros(()))
        number(self, "diversity", diversity)
        number(self, "gain", gain)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return (x - self.coder.decode(self.coder(x).z)[:, 0]).abs().flatten(1).mean(1)

    def read(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, None, None]:
        """As a critic's: scores, and no guesses."""
        return self(x, y), None, None

    def absorb(self, real: Tensor, fake: Tensor) -> None:
        """Take in a step's mean errors: k + λ(γ·real − fake), clipped to [0, 1]. Eq. 5."""
        self.k.add_(self.gain * (self.diversity * real - fake)).clamp_(0, 1)


def altered(network: Any, fields: Mapping[str, Any]) -> Any:
    """The network with some of its fields replaced."""
    known = {field.name: keys_of(type(network))[field.name] for field in dataclasses.fields(network)}
    wrong = list(refusals("model.critic", fields, known, f"{type(network).__name__} has no such field"))
    if wrong:
        raise PushforwardError("; ".join(wrong))
    return dataclasses.replace(network, **{key: settled(value, known[key]) for key, value in fields.items()})
