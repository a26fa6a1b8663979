"""GANs that have an encoder beside the generator: reconstructed by a critic's features, or matched with codes by the critic."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from pushforward.bijections import Centre
from pushforward.bottlenecks import Bottleneck, Code, Codes, shaped
from pushforward.conditioning import Condition, condition_of
from pushforward.distributions import Gaussian
from pushforward.domains import Count
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import ClassConditional, HasPrior, Reconstructs
from pushforward.families.critics import Critic, altered
from pushforward.families.encoder_decoder import EncoderDecoder
from pushforward.families.family import Family
from pushforward.networks import Network
from pushforward.objectives import AutoencoderPass, Objective, PairedPass, Term, VAEGANPass
from pushforward.objectives.adversarial import CRITIC, ENCODED, GENERATOR, PAIRED
from pushforward.priors import Prior, StandardNormal
from pushforward.spec import Batch, DataSpec


class EncodedGAN(Family, ClassConditional, Reconstructs, HasPrior):
    """Encoder and decoder of images in [−1, 1], or of points, with a critic and the prior N(0, I). Abstract.

    Hooks: `players`, `critic_of`, `gives`, `loss`. network: gives encoder, decoder and critic. bottleneck: waits for in_shape
    and code_dim. critic: fields of the network that are different in the critic. objective: a player's name -> its terms by
    name. condition: waits for spec; what encoder and decoder are told. The critic takes labels by projection.
    """

    criterion = ()
    prior: Prior

    def __init__(
        self,
        spec: DataSpec,
        network: Network,
        code_dim: Count,
        bottleneck: Callable[..., Bottleneck],
        critic: Mapping[str, Any],
        objective: Mapping[str, Mapping[str, Term | None]],
        optimizers: Mapping[str, Tuning],
        condition: Callable[..., Condition] | None = None,
    ) -> None:
        super().__init__(spec, optimizers)
        names = [player.name for player in self.players]
        if set(objective) != set(names):
            raise PushforwardError(
                f"model.objective: its parts are {', '.join(names)}; these are {', '.join(objective)}"
            )
        self.centre = Centre(spec)
        self.condition = condition_of(condition, spec)
        self.coder = EncoderDecoder(network, spec.shape, bottleneck, code_dim, condition=self.condition.size)
        self.prior = StandardNormal(self.coder.dim)
        self.critic = self.critic_of(altered(network, critic))
        self.objective = torch.nn.ModuleDict({name: Objective(objective[name], self.gives(name)) for name in names})

    @abstractmethod
    def critic_of(self, network: Network) -> Critic:
        """The critic, from the network with its own fields."""

    @abstractmethod
    def gives(self, player: str) -> frozenset[str]:
        """The values that the pass gives a player's terms."""

    @property
    def objectives(self) -> dict[str, Objective]:
        return dict(self.objective.items())  # type: ignore[arg-type]

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        noise = self.coder.bottleneck.noise(n, generator)
        codes = {} if noise is None else {"code": noise}
        return codes | self.condition.draw(n, generator) | {"prior": self.prior.sample(n, generator)}

    def coded(self, x: Tensor, noise: Noise, c: Tensor | None, moves: bool) -> Code:
        """The code of centred images; moves: whether it has a gradient."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and moves):
            return self.coder(x, noise.get("code"), c)

    def images(self, z: Codes, c: Tensor | None, moves: bool = True) -> Tensor:
        """Images in [−1, 1], or points, of codes, (n, *shape); moves: whether they have a gradient."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and moves):
            # under bf16 the network's last layer gives less than images and terms have
            x = self.coder.decode(z, c)[:, 0].to(self.epochs)
            return x.tanh() if self.centre.bounded else x

    def drawn(self, noise: Noise) -> Codes:
        """The prior's draws of a step as codes."""
        return shaped(noise["prior"], self.coder.shapes)

    def absorb(self, player: str, stats: dict[str, Tensor]) -> None:
        if "coder.bottleneck" in next(own.modules for own in self.players if own.name == player):
            self.coder.bottleneck.absorb(stats)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The code of x, (n, d); a posterior's mean."""
        return self.coder.encode(self.centre(x), self.condition.told(y, len(x)))

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """G(z), (n, *shape); of a conditional model G(z, y)."""
        valid = self.coder.bottleneck.valid(shaped(z, self.coder.shapes))
        return self.centre.inverse(self.images(valid, self.condition.told(y, len(z))))

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """decode(encode(x)), (n, *shape)."""
        return self.decode(self.encode(x, y), y)

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        """n images of draws from the prior, (n, *shape); of a conditional model of given labels or drawn ones."""
        y = self.condition.choose(y, n, generator)
        return self.decode(self.prior.sample(n, generator), y)

    def describe(self) -> dict[str, str]:
        equations = {player: objective.describe() for player, objective in self.objectives.items()}
        return {**equations, "likelihood": "none: the model is implicit"}


class VAEGAN(EncodedGAN):
    """A VAE whose images are compared by a critic's features, and judged by the critic. Larsen et al. 2016, alg. 1. Final.

    Three players: the encoder is moved by the KL and the features, the decoder by the features and the critic, the critic by
    real images, reconstructions and samples alone. The features are those that its score is linear in.
    """

    players = (
        Player("encoder", ("coder.encoder", "coder.bottleneck", "condition")),
        Player("decoder", ("coder.decoder",), sees_data=False),
        Player("critic", ("critic",), sees_data=False),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        low, high = -float("inf"), float("inf")
        features = DataSpec((self.critic.encoder.out_features,), None, self.spec.n_train, low=low, high=high)
        self.feature_likelihood = Gaussian(spec=features, sigma=1.0, learned=False, mean="identity")

    def critic_of(self, network: Network) -> Critic:
        return Critic(network, self.spec, self.condition.classes)

    def gives(self, player: str) -> frozenset[str]:
        features = frozenset({"features of the critic", "prior"}) | self.coder.bottleneck.gives
        return {"encoder": features, "decoder": features | ENCODED, "critic": ENCODED}[player]

    def passed(self, player: str, batch: Batch, noise: Noise) -> AutoencoderPass:
        """The pass of a player's step, with gradients for what it owns and what comes after; to the encoder without scores."""
        labels = self.condition.labels(batch.y, len(batch.x), noise)
        c, x = self.condition(labels), self.centre(batch.x)
        code = self.coded(x, noise, c, player == "encoder")
        reconstruction = self.images(code.z, c, player != "critic")
        real, reconstructed = (self.critic.encoder(images).to(x.dtype) for images in (x, reconstruction))
        z, params = self.coder.flat(code.z), reconstructed[:, None]
        features = (real, code, z, params, self.feature_likelihood, self.prior, self.spec)
        if player == "encoder":
            return AutoencoderPass(*features)
        drawn = self.critic.encoder(self.images(self.drawn(noise), c, player == "decoder"))
        projected = labels if self.critic.projects else None
        scores = [self.critic.scored(h, projected).to(x.dtype) for h in (real, reconstructed, drawn)]
        return VAEGANPass(*features, real_scores=scores[0], reconstructed_scores=scores[1], drawn_scores=scores[2])

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        passed = self.passed(player, batch, noise)
        total, terms, _ = self.objectives[player](passed, self.epochs)
        return Loss(total, terms, passed.code.stats if player == "encoder" else {})


class BiGAN(EncodedGAN):
    """A critic tells images with their codes, (x, E(x)), from codes with their images, (G(z), z). Final.

    Donahue, Krähenbühl & Darrell 2017; with a Gaussian bottleneck Dumoulin et al. 2017 (ALI). The critic's features take in the
    code beside the image.
    """

    players = (
        Player("critic", ("critic",)),
        Player("model", ("coder.encoder", "coder.bottleneck", "coder.decoder", "condition"), sees_data=False),
    )

    def critic_of(self, network: Network) -> Critic:
        return Critic(network, self.spec, self.condition.classes, beside=self.coder.dim)

    def gives(self, player: str) -> frozenset[str]:
        return CRITIC if player == "critic" else GENERATOR | PAIRED

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        labels = self.condition.labels(batch.y, len(batch.x), noise)
        c, moves = self.condition(labels), player == "model"
        x, z = self.centre(batch.x), noise["prior"]
        code = self.coded(x, noise, c, moves)
        fake = self.images(self.drawn(noise), c, moves)
        given_labels = labels if self.critic.projects else None

        def score(x: Tensor, z: Tensor) -> Tensor:
            return self.critic.read(x, given_labels, z)[0]

        own = self.coder.flat(code.z).to(x.dtype)
        passed = PairedPass(fake, score(fake, z), lambda x: score(x, z), self.spec, None, x, score(x, own), None)
        total, terms, _ = self.objectives[player](passed, self.epochs)
        return Loss(total, terms, code.stats if moves else {})
