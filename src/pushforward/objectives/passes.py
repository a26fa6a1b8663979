"""The results of one pass through a model that its terms read: a type for each kind of model."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from pushforward.bottlenecks import Code
from pushforward.distributions import Likelihood
from pushforward.domains import Count
from pushforward.priors import Prior
from pushforward.spec import DataSpec


@dataclass
class AutoencoderPass:
    """Images x (n, *shape), their code, and the parameters of the likelihood that the code is decoded to.

    z: the code, flat, (n, d). With k samples an image it is (k, n, d) and params (k, n, p, *shape); the posterior is the
    images' own, (n, d). prior: None where the model has none. spec: of the data, for terms that need to know how many
    training images there are. encode: x to codes without noise, flat; decode: flat codes to params; decoder: its module.
    layer_error: what a layer, by number, loses of its own input under corruption, (n,), where layers are trained one by one.
    What terms need of randomness is drawn where one of them needs it: prior_codes and directions, (n, d); signs for
    Hutchinson's estimates, code_probe (n, d) and image_probe (n, *shape).
    """

    x: Tensor
    code: Code
    z: Tensor
    params: Tensor
    likelihood: Likelihood
    prior: Prior | None
    spec: DataSpec
    encode: Callable[[Tensor], Tensor] | None = None
    decode: Callable[[Tensor], Tensor] | None = None
    decoder: nn.Module | None = None
    prior_codes: Tensor | None = None
    directions: Tensor | None = None
    code_probe: Tensor | None = None
    image_probe: Tensor | None = None
    layer_error: Callable[[int], Tensor] | None = None

    def distortion(self) -> Tensor:
        """−log p(x|z), nats, (n,), or (k, n) with k samples an image."""
        return self.distortion_of(self.params)

    def distortion_of(self, params: Tensor) -> Tensor:
        """−log p(x|z) of codes that are decoded to `params`, likewise."""
        leading = params.shape[: params.ndim - self.x.ndim]
        if len(leading) == 1:
            return self.likelihood.distortion(params, self.x)
        x = self.x.expand(*leading, *self.x.shape[1:]).flatten(0, 1)
        return self.likelihood.distortion(params.flatten(0, 1), x).view(leading)

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z) of codes (…, n, d), nats, (…, n)."""
        assert self.prior is not None
        return self.prior.log_prob(z.flatten(0, -2)).view(z.shape[:-1])

    def log_posterior(self) -> Tensor:
        """log q(z|x) of the sampled codes, nats, (n,), or (k, n)."""
        assert self.code.posterior is not None
        return self.code.posterior.log_prob(self.z) if self.code.log_q is None else self.code.log_q

    def log_joint(self, z: Tensor) -> Tensor:
        """log p(x, z) of other codes for the same images, nats, likewise."""
        assert self.decode is not None
        return self.log_prior(z) - self.distortion_of(self.decode(z))

    def log_density_ratio(self) -> Tensor:
        """log q(z|x) − log p(z) of the sampled codes, nats, (n,), or (k, n)."""
        return self.log_posterior() - self.log_prior(self.z)

    def log_weights(self) -> Tensor:
        """log p(x, zₖ) − log q(zₖ|x) of the sampled codes, nats, (n, k)."""
        log_w = -(self.distortion() + self.log_density_ratio())
        return log_w[:, None] if log_w.ndim == 1 else log_w.mT


@dataclass
class Guesses:
    """A critic's guesses of labels and codes of images, beside what they are; None where there are none.

    class_logits (n, classes), labels (n,). code_logits and codes (n, k): the informative part of a code, whose `parts` are the
    sizes of one-hot parts, and of what is left one number each.
    """

    class_logits: Tensor | None
    labels: Tensor | None
    code_logits: Tensor | None
    codes: Tensor | None
    parts: tuple[Count, ...]


@dataclass
class GANPass:
    """Generated images in [−1, 1], their scores, (n,), and what the critic guesses of them."""

    fake: Tensor
    fake_scores: Tensor
    critic: Callable[[Tensor], Tensor]
    spec: DataSpec
    guesses: Guesses | None


@dataclass
class PairedPass(GANPass):
    """Also real images, their scores, and what the critic guesses of them."""

    real: Tensor
    real_scores: Tensor
    real_guesses: Guesses | None


class Equilibrium(NamedTuple):
    """A game whose critic autoencodes: k, the weight of generated images, and γ, their aimed share of error, ()."""

    k: Tensor
    diversity: Tensor


@dataclass
class CriticPass(PairedPass):
    """The critic's step: mix (n,), uniform on [0, 1), for points between real and generated.

    perturbation: (n, *shape), uniform on [0, 1), where a term needs it. equilibrium: where the critic autoencodes.
    """

    mix: Tensor
    perturbation: Tensor | None = None
    equilibrium: Equilibrium | None = None


@dataclass
class VAEGANPass(AutoencoderPass):
    """An autoencoder's pass whose x and params are a critic's features, with its scores, (n,).

    They are of real images, of their reconstructions, and of images that are decoded from draws of the prior.
    """

    real_scores: Tensor = field(kw_only=True)
    reconstructed_scores: Tensor = field(kw_only=True)
    drawn_scores: Tensor = field(kw_only=True)


@dataclass
class DensityPass:
    """log p(x), nats per image, (n,)."""

    log_prob: Tensor
    spec: DataSpec


@dataclass
class FieldPass:
    """The field's output on noised images and its target, (n, *shape).

    bound: a one-step estimate of −ELBO, nats per image, (n,); None where the process has no such bound.
    snr: α²/σ² of x_t = αx + σε, (n,). per_error: ‖x − x̂‖² over ‖target − prediction‖², (n,).
    """

    prediction: Tensor
    target: Tensor
    bound: Callable[[], Tensor] | None = None
    snr: Tensor | None = None
    per_error: Tensor | None = None
