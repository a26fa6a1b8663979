"""Only the way there: a generator, and a critic that learns to tell its images from real ones."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.bijections import Centre
from pushforward.domains import Count, keys_of, refusals, settled
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import Decodes, HasPrior, Samples
from pushforward.families.family import Family
from pushforward.networks import Network, decoder_of, encoder_of
from pushforward.networks.blocks import BatchNorm
from pushforward.objectives import CriticPass, GANPass, Objective, Term
from pushforward.objectives.adversarial import CRITIC, GENERATOR
from pushforward.objectives.penalties import SLOPES
from pushforward.priors import StandardNormal
from pushforward.spec import Batch, DataSpec


class GAN(Family, Samples, Decodes, HasPrior):
    """A generator x = G(z), z ~ N(0, I), against a critic; in a cycle the critic steps `n_critic` times. Final.

    network: gives the generator (its decoder) and the critic (its encoder and a linear score).
    critic: fields of the network that are different in the critic, such as norm.
    objective: {critic: {name: Term}, generator: {name: Term}}.
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
    ) -> None:
        if n_critic < 1:
            raise PushforwardError(f"model.n_critic={n_critic}: the critic takes at least one step a cycle")
        self.players = (
            Player("critic", ("critic",), steps=n_critic),
            Player("generator", ("generator",), sees_data=False),
        )
        super().__init__(spec, optimizers)
        self.prior = StandardNormal(code_dim)
        self.centre = Centre(spec)
        self.generator = Generator(decoder_of(network, code_dim, spec.shape), self.centre.bounded)
        self.critic = Critic(altered(network, critic), spec)
        if set(objective) != {"critic", "generator"}:
            raise PushforwardError(
                f"model.objective: a GAN has one for its critic and one for its generator, got {', '.join(objective)}"
            )
        mixes = any(isinstance(m, BatchNorm) for m in self.critic.modules())
        self.critic_objective = Objective(objective["critic"], CRITIC if mixes else CRITIC | SLOPES)
        self.generator_objective = Objective(objective["generator"], GENERATOR)

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        code = self.prior.sample(n, generator)
        if player == "generator":
            return {"code": code}
        return {"code": code, "mix": torch.rand(n, generator=generator, device=generator.device)}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        if player == "generator":
            fake = self.generator(noise["code"])
            total, terms, _ = self.generator_objective(
                GANPass(fake, self.critic(fake), self.critic, self.spec), self.epochs
            )
            return Loss(total, terms)
        with torch.no_grad():  # the generator is not the critic's to move
            fake = self.generator(noise["code"])
        real = self.centre(batch.x)
        played = CriticPass(fake, self.critic(fake), self.critic, self.spec, real, self.critic(real), noise["mix"])
        total, terms, _ = self.critic_objective(played, self.epochs)
        return Loss(total, terms)

    @property
    def objectives(self) -> dict[str, Objective]:
        return {"critic": self.critic_objective, "generator": self.generator_objective}

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n images G(z), (n, *shape)."""
        return self.decode(self.prior.sample(n, generator))

    def decode(self, z: Tensor) -> Tensor:
        """G(z), (n, *shape)."""
        return self.centre.inverse(self.generator(z))

    def describe(self) -> dict[str, str]:
        equations = {player: objective.describe() for player, objective in self.objectives.items()}
        return {**equations, "likelihood": "none: the model is implicit"}


class Generator(nn.Module):
    """z (n, code_dim) to images in [−1, 1], or to unbounded points."""

    def __init__(self, decoder: nn.Module, bounded: bool) -> None:
        super().__init__()
        self.decoder, self.bounded = decoder, bounded

    def forward(self, z: Tensor) -> Tensor:
        x = self.decoder(z)[:, 0].to(
            z.dtype
        )  # under bf16 the network's last layer gives less than images and terms have
        return x.tanh() if self.bounded else x


class Critic(nn.Module):
    """Images in [−1, 1], or points, to scores (n,)."""

    def __init__(self, network: Network, spec: DataSpec) -> None:
        super().__init__()
        self.encoder = encoder_of(network, spec.shape)
        self.score = nn.Linear(self.encoder.out_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.encoder(x))[:, 0].to(x.dtype)


def altered(network: Any, fields: Mapping[str, Any]) -> Any:
    """The network with some of its fields replaced."""
    known = {field.name: keys_of(type(network))[field.name] for field in dataclasses.fields(network)}
    wrong = list(refusals("model.critic", fields, known, f"{type(network).__name__} has no such field"))
    if wrong:
        raise PushforwardError("; ".join(wrong))
    return dataclasses.replace(network, **{key: settled(value, known[key]) for key, value in fields.items()})
