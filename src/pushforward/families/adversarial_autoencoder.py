"""Autoencoders with a critic of their codes: against draws of a prior, or against codes of independent dimensions."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pushforward.domains import Count
from pushforward.engine import Loss, Noise, Player
from pushforward.errors import PushforwardError
from pushforward.families.autoencoder import Autoencoder, VariationalAutoencoder, WassersteinAutoencoder
from pushforward.networks import MLP, encoder_of
from pushforward.objectives import CriticPass, GANPass, Objective, Term
from pushforward.objectives.adversarial import CRITIC, GENERATOR
from pushforward.objectives.penalties import SLOPES
from pushforward.spec import Batch

PARTS = ("model", "matching", "critic")


class CodeCritic(nn.Module):
    """Codes (n, d) to scores (n,), by layers of `hidden` units."""

    def __init__(self, dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.encoder = encoder_of(MLP(tuple(hidden), "leaky_relu"), (dim,))
        self.score = nn.Linear(self.encoder.out_features, 1)

    def forward(self, z: Tensor) -> Tensor:
        return self.score(self.encoder(z))[:, 0].to(z.dtype)


class CriticizedAutoencoder(Autoencoder):
    """An autoencoder and a critic, to which its codes are `generated` ones. Abstract; a subclass says which are real.

    objective: {model: terms of an autoencoder, matching: terms of a generator, of codes, critic: terms of a critic}.
    hidden: units of the critic's layers.
    """

    def __init__(
        self, *args: Any, objective: Mapping[str, Mapping[str, Term | None]], hidden: Sequence[Count], **kwargs: Any
    ) -> None:
        if set(objective) != set(PARTS):
            raise PushforwardError(
                f"model.objective: its parts are {', '.join(PARTS)}; these are {', '.join(objective)}"
            )
        super().__init__(*args, **{**kwargs, "objective": objective["model"]})
        self.critic = CodeCritic(self.coder.dim, hidden)
        self.matching = Objective(objective["matching"], GENERATOR)
        self.critic_objective = Objective(objective["critic"], CRITIC | SLOPES)

    @abstractmethod
    def draw_real(self, n: int, generator: torch.Generator) -> Tensor:
        """The randomness of real codes, (n, d)."""

    @abstractmethod
    def real(self, z: Tensor, noise: Tensor) -> Tensor:
        """Real codes beside the generated z, (n, d)."""

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        noise = super().draw(player, n, generator)
        if player == "critic":
            noise |= {
                "real": self.draw_real(n, generator),
                "mix": torch.rand(n, generator=generator, device=generator.device),
            }
        return noise

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        c = self.condition.told(batch.y, len(batch.x), noise)
        if player == "critic":
            with torch.no_grad():  # the codes are not the critic's to move
                z = self.coder.flat(self.coded(batch.x, noise, c).z)
            real, critic = self.real(z, noise["real"]), self.critic
            step = CriticPass(z, critic(z), critic, self.spec, None, real, critic(real), None, noise["mix"])
            total, terms, _ = self.critic_objective(step, self.epochs)
            return Loss(total, terms)
        code = self.coded(batch.x, noise, c)
        passed = self.decoded(batch.x, code, c, noise)
        total, terms, _ = self.objective(passed, self.epochs)
        seen = GANPass(passed.z, self.critic(passed.z), self.critic, self.spec, None)
        matched, more, _ = self.matching(seen, self.epochs)
        return Loss(total + matched, {**terms, **more}, self.stats(code, total))

    def absorb(self, player: str, stats: dict[str, Tensor]) -> None:
        if player == "model":
            super().absorb(player, stats)

    @property
    def objectives(self) -> dict[str, Objective]:
        return {"model": self.objective, "critic": self.critic_objective}

    def describe(self) -> dict[str, str]:
        own = super().describe()
        return {
            **own,
            "model": f"{own['model']} + {self.matching.describe()}",
            "critic": self.critic_objective.describe(),
        }


class AdversarialAutoencoder(CriticizedAutoencoder, WassersteinAutoencoder):
    """An autoencoder whose codes a critic cannot tell from draws of the prior. Final.

    Makhzani, Shlens, Jaitly, Goodfellow & Frey 2016; as WAE-GAN, Tolstikhin et al. 2018, alg. 1.
    """

    players = (
        Player("model", WassersteinAutoencoder.players[0].modules),
        Player("critic", ("critic",), sees_data=False),
    )

    def draw_real(self, n: int, generator: torch.Generator) -> Tensor:
        return self.prior.sample(n, generator).detach()

    def real(self, z: Tensor, noise: Tensor) -> Tensor:
        return noise


class FactorVAE(CriticizedAutoencoder, VariationalAutoencoder):
    """A VAE whose total correlation a critic estimates, from its codes and codes of permuted dimensions. Final.

    Kim & Mnih 2018. A score is the logit of `permuted`, so −score estimates log q(z)/Πⱼ q(zⱼ). Dimensions are permuted within
    the batch, each process its own part.
    """

    couples_batch = True
    weighs_draws = False
    players = (
        Player("model", VariationalAutoencoder.players[0].modules),
        Player("critic", ("critic",), sees_data=False),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.samples > 1 or self.gradient != "reparameterized":
            raise PushforwardError(
                "model: the critic takes one reparameterized code an image; use model.samples=1 model.gradient=reparameterized"
            )

    def draw_real(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, self.coder.dim, generator=generator, device=generator.device)

    def real(self, z: Tensor, noise: Tensor) -> Tensor:
        """z with each dimension in an order of its own."""
        return z.gather(0, noise.argsort(0))
