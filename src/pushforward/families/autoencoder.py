"""There and back: encoder, bottleneck, decoder. The kinds differ in bottleneck, corruption and terms alone."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pushforward.bottlenecks import Bottleneck, Code, LevelPosterior, LifetimeSparsity, Posterior, TopK
from pushforward.conditioning import Condition, condition_of
from pushforward.corruption import Corruption
from pushforward.distributions import Likelihood
from pushforward.distributions.bounds import importance_weighted_bound
from pushforward.domains import Count
from pushforward.engine import Loss, Noise, Player, Tuning
from pushforward.errors import PushforwardError
from pushforward.families.capabilities import (
    ClassConditional,
    DecodesToLikelihood,
    Denoises,
    EstimatesGradient,
    HasPosterior,
    HasPrior,
    Reconstructs,
    Sparse,
)
from pushforward.families.encoder_decoder import EncoderDecoder
from pushforward.families.family import Family, Likelihoods
from pushforward.networks import Network
from pushforward.networks.spectral import iterate, normalize
from pushforward.networks.tied import tie
from pushforward.objectives import ActivationKL, AutoencoderPass, Objective, Term
from pushforward.objectives.divergence import closed_form_kl
from pushforward.priors import LevelPrior, Prior, StandardNormal, TrainingImages
from pushforward.seeds import signs
from pushforward.spec import Batch, DataSpec

GIVEN = frozenset({"likelihood", "encoder", "decoder", "probes of codes", "probes of images"})
"""The values that any autoencoder gives its terms."""
DECODED, DECODED_ON_CPU = 65536, 1024
"""Codes that a decoder is shown at once when a bound takes many samples; on a CPU, what its cache holds."""


class Autoencoder(Family, Reconstructs, HasPrior, DecodesToLikelihood):
    """Encoder, bottleneck and decoder with one player, `model`. Abstract: the kinds are final.

    network: gives encoder and decoder. bottleneck: waits for in_shape and code_dim; likelihood waits for spec.
    code: `vector`, of code_dim units, or `map`, with code_dim channels where the network has maps; null: as many
    as x has dimensions. objective: name -> Term.
    Pixels stay (n, *spec.shape); codes that are shown are flat, (n, d). condition: waits for spec; what encoder and decoder
    are told. Whatever takes no labels y is computed as of images whose label is withheld. spectral: the decoder's weights are
    divided by their largest singular values. tied: they are those of encoder and bottleneck, transposed.
    """

    players: tuple[Player, ...] = (
        Player("model", ("coder.encoder", "coder.bottleneck", "coder.decoder", "likelihood", "condition")),
    )
    has_prior: ClassVar[bool] = False
    weighs_draws: ClassVar[bool] = False
    """Whether its loss has the gradient of draws that depend on the encoder beside their values."""
    gives: ClassVar[frozenset[str]] = GIVEN
    corruption: Corruption | None
    prior: Prior | None

    def __init__(
        self,
        spec: DataSpec,
        network: Network,
        code_dim: Count | None,
        bottleneck: Callable[..., Bottleneck],
        likelihood: Callable[..., Likelihood],
        objective: Mapping[str, Term | None],
        optimizers: Mapping[str, Tuning],
        condition: Callable[..., Condition] | None = None,
        code: str = "vector",
        spectral: bool = False,
        tied: bool = False,
    ) -> None:
        super().__init__(spec, optimizers)
        self.corruption = None
        self.condition = condition_of(condition, spec)
        self.likelihood = likelihood(spec=spec)
        outputs = self.likelihood.n_parameters
        self.coder = EncoderDecoder(
            network, spec.shape, bottleneck, code_dim or spec.dim, code, outputs, self.condition.size
        )
        kind = type(self.coder.bottleneck)
        if not self.weighs_draws and (kind.corrected or "reparameterized" not in kind.gradients):
            raise PushforwardError(
                f"bottleneck {kind.__name__}: its draws have to be weighed, which model=vae and its kin do; "
                "use one of those, or bottleneck Gaussian"
            )
        self.spectral = spectral
        if spectral and tied:
            raise PushforwardError("model.spectral=true would divide the encoder's weights too; use model.tied=false")
        if tied:
            tie((self.coder.encoder, self.coder.bottleneck), self.coder.decoder)
        if spectral:
            normalize(self.coder.decoder)
        self.prior = StandardNormal(self.coder.dim) if self.has_prior else None
        own = {"prior", "draws of the prior"} if self.has_prior else set[str]()
        if spec.is_image and spec.bounded and min(spec.shape[1:]) >= 3:
            own.add("bounded images")
        self.objective = Objective(objective, self.coder.bottleneck.gives | self.gives | own)
        self.needs = frozenset[str]().union(*(term.needs for term in self.objective.terms.values()))

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        noise = self.coder.bottleneck.noise(n, generator)
        codes = {} if noise is None else {"code": noise}
        return codes | self.condition.draw(n, generator) | self.draw_for_terms(n, generator)

    def draw_for_terms(self, n: int, generator: torch.Generator) -> Noise:
        """The randomness that terms need."""
        drawn: Noise = {}
        if "draws of the prior" in self.needs:
            assert self.prior is not None
            drawn["prior"] = self.prior.sample(n, generator).detach()
            drawn["directions"] = torch.randn(n, self.coder.dim, generator=generator, device=generator.device)
        for name, shape in (("codes", (self.coder.dim,)), ("images", self.spec.shape)):
            if f"probes of {name}" in self.needs:
                drawn[name] = signs((n, *shape), generator)
        return drawn

    def corrupted(self, x: Tensor, noise: Noise) -> Tensor:
        """The encoder's input during training."""
        return x if self.corruption is None else self.corruption(x, noise["corruption"])

    def coded(self, x: Tensor, noise: Noise, c: Tensor | None, epochs: Tensor | None = None) -> Code:
        """The code of a training step, under the condition c, after as many epochs as were seen where none are given."""
        return self.coder(self.corrupted(x, noise), noise.get("code"), c, self.epochs if epochs is None else epochs)

    def decoded(self, x: Tensor, code: Code, c: Tensor | None, noise: Noise) -> AutoencoderPass:
        prior = self.prior if self.prior is None or code.posterior is None else self.prior.in_step(code.posterior)
        return AutoencoderPass(
            x, code, self.coder.flat(code.z), self.coder.decode(code.z, c), self.likelihood, prior, self.spec,
            encode=lambda x: self.coder.encode(x, c), decode=lambda z: self.coder.decode_flat(z, c), decoder=self.coder.decoder,
            prior_codes=noise.get("prior"), directions=noise.get("directions"),
            code_probe=noise.get("codes"), image_probe=noise.get("images"),
        )  # fmt: skip

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        c = self.condition.told(batch.y, len(batch.x), noise)
        code = self.coded(batch.x, noise, c)
        total, terms, _ = self.weighed(self.decoded(batch.x, code, c, noise), c, noise, self.epochs)
        return Loss(total, terms, self.stats(code, total))

    def weighed(
        self, passed: AutoencoderPass, c: Tensor | None, noise: Noise, epochs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The objective of a pass: of a relaxed code the values of the exact one, and the gradient of the relaxation."""
        found = self.objective(passed, epochs)
        if passed.code.exact is None:
            return found
        with torch.no_grad():
            total, terms, weighted = self.objective(self.decoded(passed.x, passed.code.drawn(), c, noise), epochs)
        return total + (found[0] - found[0].detach()), terms, weighted

    def attach_data(self, data: TrainingImages) -> None:
        if self.prior is not None:
            self.prior.attach_data(data, self.seed)

    def stats(self, code: Code, total: Tensor) -> dict[str, Tensor]:
        """The stats for `absorb`: the code's stats; with a spectral norm at least that there was a step."""
        return {**code.stats, "total": total.detach()} if self.spectral else code.stats

    def absorb(self, player: str, stats: dict[str, Tensor]) -> None:
        self.coder.bottleneck.absorb(stats)
        if self.spectral:
            iterate(self.coder.decoder)

    def describe(self) -> dict[str, str]:
        return {"model": self.objective.describe(), "likelihood": self.likelihood.describe(), "kind": self.kind()}

    @property
    def objectives(self) -> dict[str, Objective]:
        return {"model": self.objective}

    @abstractmethod
    def kind(self) -> str:
        """The kind of autoencoder, in a phrase."""

    def code(self, x: Tensor, y: Tensor | None = None) -> Code:
        """The code of x without noise."""
        return self.coder(x, None, self.condition.told(y, len(x)))

    def params(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Parameters of p(x|z) at flat codes, (n, p, *shape)."""
        return self.coder.decode_flat(z, self.condition.told(y, len(z)))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The code of x, (n, d); a posterior's mean."""
        return self.coder.flat(self.code(x, y).z)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The likelihood's mean at code z, (n, *shape)."""
        return self.likelihood.mean(self.params(z, y))

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """decode(encode(x)), (n, *shape)."""
        return self.decode(self.encode(x, y), y)

    @property
    def fits_likelihood(self) -> bool:
        """Whether a term of the objective holds p(x|z) to the images."""
        return "likelihood" in self.needs

    def log_likelihood(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(x|z), nats per image, (n,)."""
        return self.likelihood.log_prob(self.params(z, y), x)

    def draw_images(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """x ~ p(x|z), (n, *shape)."""
        return self.likelihood.sample(self.params(z), self.likelihood.draw(len(z), generator).to(z))


class PlainAutoencoder(Autoencoder):
    """A code that is asked for nothing but to reconstruct. Hinton & Salakhutdinov 2006. Final."""

    def kind(self) -> str:
        return f"{self.coder.bottleneck.describe()}; no prior"


class WassersteinAutoencoder(Autoencoder, ClassConditional):
    """A deterministic code whose distribution over the data is held to a prior, from which samples are decoded. Final.

    Tolstikhin, Bousquet, Gelly & Schölkopf 2018. prior: waits for code_dim and spec; None: N(0, I).
    """

    criterion = ("reconstruction",)
    has_prior = True
    prior: Prior
    players: tuple[Player, ...] = (Player("model", (*Autoencoder.players[0].modules, "prior")),)

    def __init__(self, *args: Any, prior: Callable[..., Prior] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if prior is not None:
            self.prior = prior(code_dim=self.coder.dim, spec=self.spec)
        if not set(self.criterion) <= set(self.objective.terms):
            self.criterion = None  # type: ignore[assignment, misc]

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        """The likelihood's mean at n draws from the prior, (n, *shape); of a conditional model under labels y or drawn ones."""
        y = self.condition.choose(y, n, generator)
        return self.decode(self.prior.sample(n, generator), y)

    def kind(self) -> str:
        return f"{self.coder.bottleneck.describe()}, prior {self.prior.describe()}"


class SparseAutoencoder(Autoencoder, Sparse):
    """Many units, few active at a time: by a target mean activation, an L1 penalty, or the k largest. Ng 2011. Final.

    Raises PushforwardError where nothing makes the code sparse.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(self.objective.terms) == 1 and not isinstance(self.coder.bottleneck, TopK | LifetimeSparsity):
            raise PushforwardError(
                "model: nothing makes this code sparse; add objective.sparsity, or use bottleneck TopK, or model=ae"
            )

    @property
    def target_activation(self) -> float | None:
        """The mean activation that each unit is held to; None where no term has a target."""
        targets = [float(term.rho) for term in self.objective.terms.values() if isinstance(term, ActivationKL)]
        return targets[0] if targets else None

    def kind(self) -> str:
        bottleneck = self.coder.bottleneck
        how = f"the {bottleneck.k} largest of" if isinstance(bottleneck, TopK) else "few active of"
        return f"sparse code: {how} {bottleneck.dim} units; no prior"


class DenoisingAutoencoder(Autoencoder, Denoises):
    """Sees x̃ ~ c(x̃|x) and is asked for x. Vincent et al. 2008. Final.

    corruption: gaussian, masking or salt-and-pepper.
    """

    corruption: Corruption

    def __init__(self, *args: Any, corruption: Corruption, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.corruption = corruption

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        corruption = self.corruption.draw((n, *self.spec.shape), generator)
        return {**super().draw(player, n, generator), "corruption": corruption}

    def denoise(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A corrupted x and what is made of it, (n, *shape) each."""
        corrupted = self.corrupted(x, {"corruption": self.corruption.draw(tuple(x.shape), generator)})
        return corrupted, self.reconstruct(corrupted)

    def kind(self) -> str:
        return f"sees x under {self.corruption.describe()}, is asked for x; no prior"


class VariationalAutoencoder(Autoencoder, ClassConditional, HasPosterior, EstimatesGradient):
    """A posterior over codes, held to the prior by the KL term of the ELBO. Kingma & Welling 2014. Final.

    prior: waits for code_dim and spec, and is trained with the rest; None: N(0, I).
    samples: codes drawn for each image in a step, for terms that average over them or bound by them.
    gradient: `reparameterized`, or `score`: the score function with the running mean distortion as baseline, so that
    what reparameterisation buys can be measured (Williams 1992; Mnih & Gregor 2014). Of several samples each has the mean of
    the image's others as baseline (Kool, van Hoof & Welling 2019).
    """

    criterion = ("reconstruction", "kl")
    has_prior = True
    weighs_draws = True
    prior: Prior
    players: tuple[Player, ...] = (Player("model", (*Autoencoder.players[0].modules, "prior")),)

    def __init__(
        self,
        *args: Any,
        gradient: str = "reparameterized",
        prior: Callable[..., Prior] | None = None,
        samples: Count = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if prior is not None:
            self.prior = prior(code_dim=self.coder.dim, spec=self.spec)
        self.prior.bind(self.coder.bottleneck)
        self.prior.attach(self.posterior)
        self.samples, self.gradient = samples, gradient
        self.check_draws()
        if not set(self.criterion) <= set(self.objective.terms):
            self.criterion = None  # type: ignore[assignment, misc]  # an ablated bound: the total is what is left to choose by
        self.baseline: Tensor
        self.register_buffer("baseline", torch.zeros(2))

    def check_draws(self) -> None:
        """Raise PushforwardError where prior, gradient or terms do not go with how the bottleneck draws its codes."""
        bottleneck, samples, gradient = self.coder.bottleneck, self.samples, self.gradient
        if self.prior.support != bottleneck.support:
            raise PushforwardError(
                f"model.prior: {self.prior.describe()} is a density of {self.prior.support}, and the bottleneck's codes are "
                f"{bottleneck.support}; use a prior of those"
            )
        if gradient not in bottleneck.gradients:
            raise PushforwardError(f"model.gradient={gradient}: choose from {', '.join(bottleneck.gradients)}")
        on_codes = [name for name, term in self.objective.terms.items() if "code" in term.needs]
        weighs = gradient == "score" or bottleneck.corrected
        by = "model.gradient=score" if gradient == "score" else f"bottleneck {type(bottleneck).__name__}"
        other = "reparameterized" in bottleneck.gradients and not bottleneck.corrected
        remedy = ", or use model.gradient=reparameterized" * other
        if weighs and "reconstruction" not in self.objective.terms:
            raise PushforwardError(
                f"{by} weighs its samples by objective.reconstruction, which is taken out; keep it{remedy}"
            )
        if samples > 1 and on_codes:
            raise PushforwardError(
                f"model.samples={samples}: objective.{on_codes[0]} takes one code an image; use model.samples=1"
            )
        if weighs and on_codes:
            raise PushforwardError(
                f"{by} has no gradient of objective.{on_codes[0]}, a term of the code itself; take it out{remedy}"
            )

    def draw(self, player: str, n: int, generator: torch.Generator) -> Noise:
        if self.samples == 1:
            return super().draw(player, n, generator)
        noise = self.coder.bottleneck.noise(n * self.samples, generator)
        codes = {} if noise is None else {"code": noise.unflatten(0, (n, self.samples))}
        return codes | self.condition.draw(n, generator) | self.draw_for_terms(n, generator)

    def coded(self, x: Tensor, noise: Noise, c: Tensor | None, epochs: Tensor | None = None) -> Code:
        if self.samples > 1 and "code" in noise:
            noise = {**noise, "code": noise["code"].movedim(1, 0)}
        return super().coded(x, noise, c, epochs)

    def loss(self, player: str, batch: Batch, noise: Noise) -> Loss:
        return self.estimated_loss(batch, noise, self.epochs, self.gradient, self.baseline)

    def estimated_loss(self, batch: Batch, noise: Noise, epochs: Tensor, gradient: str, baseline: Tensor) -> Loss:
        """The objective, whose gradient is that of the estimator `gradient`, with the score function's running baseline."""
        c = self.condition.told(batch.y, len(batch.x), noise)
        code = self.coded(batch.x, noise, c, epochs)
        if gradient == "score" and "code" in noise:
            code = code.drawn()
        passed = self.decoded(batch.x, code, c, noise)
        total, terms, weighted = self.weighed(passed, c, noise, epochs)
        assert code.posterior is not None
        log_density = code.posterior.log_prob(passed.z) if gradient == "score" else code.correction
        if log_density is None:
            return Loss(total, terms, self.stats(code, total))
        cost = weighted["reconstruction"].detach()
        if self.samples > 1:
            each = self.objective.terms["reconstruction"].weight(passed.distortion().detach().flatten(), epochs)
            # each code's cost less the mean of the image's others
            centred = (each.view_as(log_density) - cost) * (self.samples / (self.samples - 1))
        else:
            centred = cost - baseline[0] / baseline[1].clamp(min=1e-12)
        score = (centred * log_density).mean()
        # the score has a gradient and no value: what is reported as the total is the objective, not a surrogate
        return Loss(total + (score - score.detach()), terms, {**self.stats(code, total), "cost": cost.mean()})

    @property
    def gradients(self) -> tuple[str, ...]:
        """The estimators that its bottleneck has."""
        return self.coder.bottleneck.gradients

    def encoding_parameters(self) -> list[nn.Parameter]:
        """The parameters that the posterior is computed with."""
        return [
            p for module in (self.coder.encoder, self.coder.bottleneck) for p in module.parameters() if p.requires_grad
        ]

    def absorb(self, player: str, stats: dict[str, Tensor]) -> None:
        super().absorb(player, stats)
        if "cost" in stats:
            update_baseline(self.baseline, stats["cost"])

    def sample(self, n: int, generator: torch.Generator, y: Tensor | None = None) -> Tensor:
        """The likelihood's mean at n draws from the prior, (n, *shape); of a conditional model under labels y or drawn ones."""
        y = self.condition.choose(y, n, generator)
        return self.decode(self.prior.sample(n, generator), y)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """q(z|x)."""
        posterior = self.code(x, y).posterior
        assert posterior is not None
        return posterior

    def log_prob(self, x: Tensor, generator: torch.Generator, k: int = 1, y: Tensor | None = None) -> Likelihoods:
        """ELBO (k = 1, the KL in closed form where it has one) or the k-sample bound, nats. Burda et al. 2016, eq. 8.

        The decoder sees at most `DECODED` codes at once, whatever k.
        """
        q, n = self.posterior(x, y), len(x)
        closed = closed_form_kl(q, self.prior)
        at_once = max(1, (DECODED_ON_CPU if x.device.type == "cpu" else DECODED) // n)
        # room for all results beforehand: small ones that outlive a pass would tear holes into memory, which then grows
        log_likelihoods, log_ratio = x.new_empty(n, k), x.new_zeros(n, k)
        at_levels: list[Tensor] = []
        for done in range(0, k, at_once):
            m = min(at_once, k - done)
            noise = self.coder.bottleneck.noise(n * m, generator)
            assert noise is not None
            z, log_q = q.draw(noise.to(x).unflatten(0, (n, m)).movedim(1, 0))
            codes = z.movedim(0, 1).flatten(0, 1)
            labels = None if y is None else y.repeat_interleave(m)
            log_p = self.log_likelihood(x.repeat_interleave(m, 0), codes, labels)
            log_likelihoods[:, done : done + m] = log_p.view(n, m)
            if k > 1 or closed is None:
                log_ratio[:, done : done + m] = self.prior.log_prob(codes).view(n, m) - log_q.mT
            if isinstance(q, LevelPosterior) and isinstance(self.prior, LevelPrior):
                at_levels.append(q.rates(z).sum(0) / k)
        rates = closed if closed is not None else torch.stack(at_levels).sum(0) if at_levels else -log_ratio.mean(1)
        rate = rates if rates.ndim == 1 else rates.sum(-1)
        parts = {"rate": rate, "distortion": -log_likelihoods.mean(1), **self.by_level(rates)}
        values = -rate - parts["distortion"]
        if k > 1:
            values = importance_weighted_bound(log_likelihoods + log_ratio)
        return Likelihoods(values, "lower bound", not self.likelihood.discrete, parts, k)

    def by_level(self, rates: Tensor) -> dict[str, Tensor]:
        """rate_1, rate_2, … of several levels, nats per image, where the rate is known by dimension, (n, d)."""
        if rates.ndim == 1 or len(self.coder.shapes) == 1:
            return {}
        levels = rates.split([math.prod(shape) for shape in self.coder.shapes], -1)
        return {f"rate_{level}": part.sum(-1) for level, part in enumerate(levels, 1)}

    def kind(self) -> str:
        return f"{self.coder.bottleneck.describe()}, prior {self.prior.describe()}, {self.gradient} gradient"


def update_baseline(baseline: Tensor, cost: Tensor) -> None:
    """Take a batch's mean cost into a bias-corrected running mean, (Σ decay·cost, Σ decay), in place."""
    cost = cost.to(baseline)
    baseline.lerp_(torch.stack([cost, torch.ones_like(cost)]), 0.1)
