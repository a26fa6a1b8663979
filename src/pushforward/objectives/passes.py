"""What one pass through a model gives its terms: a type for each kind of model."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pushforward.bottlenecks import Code
from pushforward.distributions import Likelihood
from pushforward.priors import Prior
from pushforward.spec import DataSpec


@dataclass
class AutoencoderPass:
    """Images x (n, *shape), their code, and the parameters of the likelihood that the code is decoded to.

    prior: None where the model has none. spec: of the data, for terms that need to know how many training images there are.
    """

    x: Tensor
    code: Code
    params: Tensor
    likelihood: Likelihood
    prior: Prior | None
    spec: DataSpec


@dataclass
class GANPass:
    """Images in [−1, 1] and scores (n,) of a player's step; only the critic's step has the real ones."""

    fake: Tensor
    fake_scores: Tensor
    critic: Callable[[Tensor], Tensor]
    spec: DataSpec


@dataclass
class CriticPass(GANPass):
    """The critic's step: real images and their scores, and mix (n,), uniform on [0, 1), for points between real and fake."""

    real: Tensor
    real_scores: Tensor
    mix: Tensor


@dataclass
class DensityPass:
    """log p(x), nats per image, (n,)."""

    log_prob: Tensor
    spec: DataSpec


@dataclass
class FieldPass:
    """The field's output on noised images and its target, (n, *shape).

    bound: a one-step estimate of −ELBO, nats per image, (n,); None where the process has no such bound.
    """

    prediction: Tensor
    target: Tensor
    bound: Callable[[], Tensor] | None = None
