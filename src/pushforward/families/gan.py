"""Only the way there: a generator, and a critic that learns to tell its images from real ones."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.bijections import Centre
from pushforward.conditioning import Condition, condition_of
from pushforward.domains import Count, keys_of, refusals, settled
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import ClassConditional, Decodes, HasPrior
from pushforward.families.family import Family
from pushforward.networks import Network, decoder_of, encoder_of, given
from pushforward.networks.blocks import BatchNorm
from pushforward.objectives import CriticPass, GANPass, Objective, Term
from pushforward.objectives.adversarial import CRITIC, GENERATOR
from pushforward.objectives.penalties import SLOPES
from pushforward.priors import StandardNormal
from pushforward.spec import Batch, DataSpec


class GAN(Family, ClassConditional, Decodes, HasPrior):
    """A generator x = G(z), z ~ N(0, I), against a critic; in a cycle the critic steps `n_critic` times. Final.

    network: gives the generator (its decoder) and the critic (its encoder and a linear score).
    critic: fields of the network that are different in the critic, such as norm.
    objective: {critic: {name: Term}, generator: {name: Term}}. condition: waits for spec; what the generator is told. The
    critic then scores an image with its label, by projection.
    """

    criterion = ()

    def __init__(
        self,
        spec: DataSpec,
        network: Network,
        code_dim: Count,
        n_critic: Count,
        critic: Mapping[str, Any],
        objective: Mapping[str, Mapping[str, Term | None]],
        optimizers: Mapping[str, Tuning],
        condition: Callable[..., Condition] | None = None,
    ) -> None:
        if n_critic < 1:
            raise PushforwardError(f"model.n_critic={n_critic}: the critic takes at least one step a cycle")
        self.players = (
            Player("critic", ("critic",), steps=n_critic),
            Player("generator", ("generator", "condition"), sees_data=False),
        )
        super().__init__(spec, optimizers)
        self.prior = StandardNormal(code_dim)
        self.centre = Centre(spec)
        self.condition = condition_of(condition, spec)
        decoder = decoder_of(network, code_dim, spec.shape, condition=self.condition.size)
        self.generator = Generator(decoder, self.centre.bounded)
        self.critic = Critic(altered(network, critic), spec, self.condition.classes)
        if set(objective) != {"critic", "generator"}:
            raise PushforwardError(
                f"model.objective: a GAN has one for its critic and one for its generator, got {', '.join(objective)}"
            )
        mixes = any(isinstance(m, BatchNorm) for m in self.critic.modules())
        self.critic_objective = Objective(objective["critic"], CRITIC if mixes else CRITIC | SLOPES)
        self.generator_objective = Objective(objective["generator"], GENERATOR)

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        noise = {"code": self.prior.sample(n, generator), **self.condition.draw(n, generator)}
        if player == "generator":
            return noise
        return {**noise, "mix": torch.rand(n, generator=generator, device=generator.device)}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        labels = self.condition.labels(batch.y, len(batch.x), noise)
        critic = given(self.critic, labels)  # generated images have the labels of the batch
        if player == "generator":
            fake = self.generator(noise["code"], self.condition(labels))
            total, terms, _ = self.generator_objective(GANPass(fake, critic(fake), critic, self.spec), self.epochs)
            return Loss(total, terms)
        with torch.no_grad():  # the generator is not the critic's to move
            fake = self.generator(noise["code"], self.condition(labels))
        real = self.centre(batch.x)
        played = CriticPass(fake, critic(fake), critic, self.spec, real, critic(real), noise["mix"])
        total, terms, _ = self.critic_objective(played, self.epochs)
        return Loss(total, terms)

    @property
    def objectives(self) -> dict[str, Objective]:
        return {"critic": self.critic_objective, "generator": self.generator_objective}

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        """n images G(z), (n, *shape); of a conditional model G(z, y), of given labels or drawn ones."""
        y = self.condition.choose(y, n, generator)
        return self.decode(self.prior.sample(n, generator), y)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """G(z), (n, *shape); of a conditional model G(z, y)."""
        return self.centre.inverse(self.generator(z, self.condition.told(y, len(z))))

    def describe(self) -> dict[str, str]:
        equations = {player: objective.describe() for player, objective in self.objectives.items()}
        return {**equations, "likelihood": "none: the model is implicit"}


class Generator(nn.Module):
    """z (n, code_dim), under a condition c, to images in [−1, 1], or to unbounded points."""

    def __init__(self, decoder: nn.Module, bounded: bool) -> None:
        super().__init__()
        self.decoder, self.bounded = decoder, bounded

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        # under bf16 the network's last layer gives less than images and terms have
        x = given(self.decoder, c)(z)[:, 0].to(z.dtype)
        return x.tanh() if self.bounded else x


class Critic(nn.Module):
    """Images in [−1, 1], or points, to scores (n,): w·h(x) + b, and + v_y·h(x) of labels y. Miyato & Koyama 2018, eq. 5."""

    def __init__(self, network: Network, spec: DataSpec, classes: int = 0) -> None:
        super().__init__()
        self.encoder = encoder_of(network, spec.shape)
        features = self.encoder.out_features
        self.score = nn.Linear(features, 1)
        self.classes = nn.Embedding(classes, features) if classes else None
        if self.classes is not None:
            # as the authors' own code has it: products with many features are no larger than the score
            nn.init.xavier_uniform_(self.classes.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.encoder(x)
        score = self.score(h)[:, 0]
        if self.classes is not None:
            score = score + (self.classes(y) * h).sum(1)
        return score.to(x.dtype)


def altered(network: Any, fields: Mapping[str, Any]) -> Any:
    """The network with some of its fields replaced."""
    known = {field.name: keys_of(type(network))[field.name] for field in dataclasses.fields(network)}
    wrong = list(refusals("model.critic", fields, known, f"{type(network).__name__} has no such field"))
    if wrong:
        raise PushforwardError("; ".join(wrong))
    return dataclasses.replace(network, **{key: settled(value, known[key]) for key, value in fields.items()})
