"""Only the way there: a generator, and a critic that learns to tell its images from real ones."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pushforward.augmentation import Augmentation
from pushforward.bijections import Centre
from pushforward.conditioning import Condition, condition_of
from pushforward.domains import Count, Positive
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import ClassConditional, Decodes, HasPrior
from pushforward.families.critics import AutoencodingCritic, Critic, altered, pack_images, packed
from pushforward.families.family import Family
from pushforward.networks import Network, decoder_of, given
from pushforward.networks.blocks import BatchNorm
from pushforward.networks.spectral import iterate, normalize
from pushforward.objectives import CriticPass, Equilibrium, GANPass, Guesses, Objective, PairedPass, Term
from pushforward.objectives.adversarial import CRITIC, GENERATOR, PAIRED
from pushforward.objectives.equilibrium import ERRORS
from pushforward.objectives.penalties import SLOPES
from pushforward.priors import InformativePrior, Prior, StandardNormal
from pushforward.spec import Batch, DataSpec


class GAN(Family, ClassConditional, Decodes, HasPrior):
    """A generator x = G(z) of codes z against a critic; in a cycle the critic steps `n_critic` times. Final.

    network: gives the generator (its decoder) and the critic (its encoder and a linear score).
    critic: fields of the network that are different in the critic, such as norm.
    objective: {critic: {name: Term}, generator: {name: Term}}.
    condition: waits for spec; the generator's labels. The critic takes the label by projection, or with labels="class" guesses
    it (Odena, Olah & Shlens 2017). prior: waits for code_dim; None: N(0, I). pack: images that the critic scores as one (Lin et
    al. 2018). clip: the most that a weight of the critic may be (Arjovsky et al. 2017). spectral: its weights are divided by
    their largest singular values (Miyato et al. 2018). augment: waits for spec; what is done to all that the critic is shown
    (Zhao et al. 2020). autoencoder: waits for network and spec; a critic whose score of an image is its own error in
    reconstructing it (Berthelot et al. 2017). guess_hidden: units of a normalised layer before the critic's guess of a code.
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
        labels: Literal["projection", "class"] = "projection",
        prior: Callable[..., Prior] | None = None,
        pack: Count = 1,
        clip: Positive | None = None,
        spectral: bool = False,
        augment: Callable[..., Augmentation] | None = None,
        autoencoder: Callable[..., AutoencodingCritic] | None = None,
        guess_hidden: Count | None = None,
    ) -> None:
        if n_critic < 1:
            raise PushforwardError(f"model.n_critic={n_critic}: the critic takes at least one step a cycle")
        self.players = (
            Player("critic", ("critic",), steps=n_critic),
            Player("generator", ("generator", "condition"), sees_data=False),
        )
        super().__init__(spec, optimizers)
        self.prior = StandardNormal(code_dim) if prior is None else prior(code_dim=code_dim)
        self.centre = Centre(spec)
        self.condition = condition_of(condition, spec)
        self.pack, self.clip, self.spectral = pack, clip, spectral
        self.couples_batch = pack > 1
        self.augment = None if augment is None else augment(spec=spec)
        parts = self.prior.parts if isinstance(self.prior, InformativePrior) else ()
        decoder = decoder_of(network, code_dim + sum(parts), spec.shape, condition=self.condition.size)
        self.generator = Generator(decoder, self.centre.bounded)
        if labels not in ("projection", "class"):
            raise PushforwardError(f"model.labels={labels}: choose from projection, class")
        guessed = self.condition.classes if labels == "class" else 0
        if pack > 1 and (self.condition.classes or parts):
            raise PushforwardError(
                f"model.pack={pack}: packed images have no label or code of their own; use model.pack=1"
            )
        if autoencoder is not None and (self.condition.classes or parts):
            raise PushforwardError(
                "model.autoencoder: a critic that autoencodes takes no labels and guesses nothing; "
                "use condition=none model.prior=null, or model.autoencoder=null"
            )
        own, seen = altered(network, critic), packed(spec, pack)
        self.critic: Critic | AutoencodingCritic
        if autoencoder is None:
            projected = 0 if guessed else self.condition.classes
            self.critic = Critic(own, seen, projected, guessed, sum(parts), guess_hidden)
        else:
            self.critic = autoencoder(network=own, spec=seen)
        if spectral:
            normalize(self.critic)
        if set(objective) != {"critic", "generator"}:
            raise PushforwardError(
                f"model.objective: a GAN has one for its critic and one for its generator, got {', '.join(objective)}"
            )
        mixes = any(isinstance(m, BatchNorm) for m in self.critic.modules())
        guesses = ({"guessed classes"} if guessed else set()) | ({"guessed codes"} if parts else set())
        slopes = set() if mixes else SLOPES | {"perturbations of images"}
        judged, matched = (CRITIC, GENERATOR | PAIRED) if autoencoder is None else (ERRORS, ERRORS)
        self.critic_objective = Objective(objective["critic"], judged | guesses | slopes)
        self.generator_objective = Objective(objective["generator"], matched | guesses)
        self.paired = any("scores of real images" in t.needs for t in self.generator_objective.terms.values())
        self.perturbs = any("perturbations of images" in t.needs for t in self.critic_objective.terms.values())

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        noise = {"code": self.prior.sample(n, generator), **self.condition.draw(n, generator)}
        if self.augment is not None:
            noise |= {"augment fake": self.augment.draw(n, generator), "augment real": self.augment.draw(n, generator)}
        if player == "generator":
            return noise
        noise["mix"] = torch.rand(n, generator=generator, device=generator.device)
        if self.perturbs:
            noise["perturbation"] = torch.rand(n, *self.spec.shape, generator=generator, device=generator.device)
        return noise

    def shown(self, x: Tensor, kind: str, noise: Noise) -> Tensor:
        """Images as the critic is shown them: augmented, and packed."""
        if self.augment is not None:
            x = self.augment(x, noise[f"augment {kind}"])
        return pack_images(x, self.pack)

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        labels = self.condition.labels(batch.y, len(batch.x), noise)  # generated images have those of the batch
        given_labels = labels if self.critic.projects else None
        critic, code = given(self.critic, given_labels), noise["code"]
        # the generator is not the critic's to move
        with torch.set_grad_enabled(torch.is_grad_enabled() and player == "generator"):
            fake = self.generator(code, self.condition(labels))
        fake = self.shown(fake, "fake", noise)
        fake_scores, fake_guesses = self.read(fake, given_labels, labels, code)
        if player == "generator" and not self.paired:
            seen = GANPass(fake, fake_scores, critic, self.spec, fake_guesses)
            total, terms, _ = self.generator_objective(seen, self.epochs)
            return Loss(total, terms)
        real = self.shown(self.centre(batch.x), "real", noise)
        real_scores, real_guesses = self.read(real, given_labels, labels, None)
        both = fake, fake_scores, critic, self.spec, fake_guesses, real, real_scores, real_guesses
        if player == "generator":
            # of real images it is given the scores alone: their classes do not depend on it
            total, terms, _ = self.generator_objective(PairedPass(*both[:-1], None), self.epochs)
            return Loss(total, terms)
        mix = noise["mix"] if self.pack == 1 else noise["mix"][: len(real)]
        perturbation = pack_images(noise["perturbation"], self.pack) if self.perturbs else None
        balance = (
            Equilibrium(self.critic.k, self.critic.diversity) if isinstance(self.critic, AutoencodingCritic) else None
        )
        total, terms, _ = self.critic_objective(CriticPass(*both, mix, perturbation, balance), self.epochs)
        # a stack calls `absorb` where there is something to take in
        stats = {"total": total.detach()} if self.clip is not None or self.spectral else {}
        if balance is not None:
            stats |= {"real error": real_scores.detach().mean(), "fake error": fake_scores.detach().mean()}
        return Loss(total, terms, stats)

    def read(
        self, x: Tensor, given_labels: Tensor | None, labels: Tensor | None, code: Tensor | None
    ) -> tuple[Tensor, Guesses | None]:
        """The critic's scores of images, and its guesses of their labels and codes beside what they are, where it guesses."""
        score, classes, codes = self.critic.read(x, given_labels)
        if not self.critic.guesses:
            return score, None
        informed = None if code is None or codes is None else code[:, -codes.shape[1] :]
        parts = self.prior.parts if isinstance(self.prior, InformativePrior) else ()
        return score, Guesses(classes, labels, codes, informed, parts)

    def absorb(self, player: str, stats: dict[str, Tensor]) -> None:
        if player != "critic" or not stats:
            return
        with torch.no_grad():
            if isinstance(self.critic, AutoencodingCritic):
                self.critic.absorb(stats["real error"], stats["fake error"])
            if self.spectral:
                iterate(self.critic)
            if self.clip is not None:
                for parameter in self.critic.parameters():
                    parameter.clamp_(-self.clip, self.clip)

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
