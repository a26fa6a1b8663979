"""Autoregressive models: p(x) = Πᵢ p(xᵢ | x_1 … x_{i−1}), each factor a likelihood of what a masked network gives."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pushforward.distributions import Likelihood
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.families.capabilities import HasLikelihood, Samples
from pushforward.families.family import Family, Likelihoods
from pushforward.networks import autoregressive_of
from pushforward.networks.network import AutoregressiveNetwork
from pushforward.objectives import DensityPass, Objective, Term
from pushforward.spec import Batch, DataSpec


class Autoregressive(Family, Samples, HasLikelihood):
    """A masked network and a likelihood of each dimension given those before it, with one player, `model`. Final.

    network: has masks, such as mlp or pixelcnn. likelihood: waits for spec; of a dimension given the network's parameters.
    An image is drawn in as many passes of the network as it has dimensions.
    """

    players = (Player("model", ("network", "likelihood")),)
    costly = True

    def __init__(
        self,
        spec: DataSpec,
        network: AutoregressiveNetwork,
        likelihood: Callable[..., Likelihood],
        objective: Mapping[str, Term | None],
        optimizers: Mapping[str, Tuning],
    ) -> None:
        super().__init__(spec, optimizers)
        self.likelihood = likelihood(spec=spec)
        self.network = autoregressive_of(network, spec.shape, self.likelihood.n_parameters)
        self.objective = Objective(objective, frozenset({"density"}))

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        return {}

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        total, terms, _ = self.objective(DensityPass(self.density(batch.x), self.spec), self.epochs)
        return Loss(total, terms)

    def density(self, x: Tensor) -> Tensor:
        """log p(x), nats per image, (n,)."""
        return self.likelihood.log_prob(self.network(x), x)

    @property
    def objectives(self) -> dict[str, Objective]:
        return {"model": self.objective}

    def log_prob(self, x: Tensor, generator: torch.Generator) -> Likelihoods:
        """log p(x), nats per image, exact."""
        return Likelihoods(self.density(x), "exact", not self.likelihood.discrete)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws, (n, *shape), all dimensions from one draw of noise: x = sample(network(x), noise) has one solution.

        After pass i its first i dimensions are right, so it is found in at most D passes, and one that changes nothing.
        """
        noise = self.likelihood.draw(n, generator)
        x = torch.zeros(n, *self.spec.shape, device=noise.device)
        for _ in range(self.spec.dim):
            before, x = x, self.likelihood.sample(self.network(x.to(self.dtype)), noise)
            if torch.equal(before, x):
                break
        return x

    @property
    def sampler(self) -> str:
        return f"ancestral, {self.spec.dim} passes at most"

    def describe(self) -> dict[str, str]:
        return {"model": self.objective.describe(), "likelihood": f"exact; {self.likelihood.describe()} a dimension"}
