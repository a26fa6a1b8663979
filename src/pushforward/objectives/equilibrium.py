"""BEGAN's game. A score is the critic's error in reconstructing an image, L(x), the mean of |x − D(x)| over its dimensions."""

from torch import Tensor

from pushforward.objectives.passes import CriticPass, Equilibrium, GANPass
from pushforward.objectives.term import Term
from pushforward.parallel import gather_batch

ERRORS = frozenset({"errors of the critic's autoencoder"})
REMEDY = "The critic must autoencode: model.autoencoder=AutoencodingCritic (model=began)."


class EquilibriumCritic(Term[CriticPass]):
    """L(x) − k·L(G(z)), mean |error|, (n,). Berthelot, Schumm & Metz 2017, eq. 5 (BEGAN)."""

    symbol = "[L(x) − k·L(G(z))]"
    unit = "mean |error|"
    needs = ERRORS
    remedy = REMEDY

    def forward(self, passed: CriticPass) -> Tensor:
        return passed.real_scores - balance(passed).k * passed.fake_scores


class EquilibriumGenerator(Term[GANPass]):
    """L(G(z)), mean |error|, (n,). Berthelot et al. 2017, eq. 5."""

    symbol = "L(G(z))"
    unit = "mean |error|"
    needs = ERRORS
    remedy = REMEDY

    def forward(self, passed: GANPass) -> Tensor:
        return passed.fake_scores


class ConvergenceMeasure(Term[CriticPass]):
    """M = L(x) + |γL(x) − L(G(z))| of a batch's mean errors, mean |error|, (). Berthelot et al. 2017, sec. 3.4.1.

    With a weight of 0 it is reported alone.
    """

    symbol = "M"
    unit = "mean |error|"
    couples_batch = True
    needs = ERRORS
    remedy = REMEDY

    def forward(self, passed: CriticPass) -> Tensor:
        real, fake = gather_batch(passed.real_scores).mean(), gather_batch(passed.fake_scores).mean()
        return real + (balance(passed).diversity * real - fake).abs()


class EquilibriumState(Term[CriticPass]):
    """k, (), with which the critic steps. With a weight of 0 it is reported alone. Berthelot et al. 2017, eq. 5."""

    symbol = "k"
    unit = "share"
    couples_batch = True
    needs = ERRORS
    remedy = REMEDY

    def forward(self, passed: CriticPass) -> Tensor:
        # a copy: the buffer has moved on before the value is read
        return balance(passed).k.clone()


def balance(passed: CriticPass) -> Equilibrium:
    """The state of the game."""
    assert passed.equilibrium is not None
    return passed.equilibrium
