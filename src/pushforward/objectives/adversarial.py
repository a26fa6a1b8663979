"""The losses of critic and generator. D is the critic's score of an image, a logit where the loss is a cross entropy.

The generator's side of a hinge loss is Wasserstein's.
"""

import torch.nn.functional as F
from torch import Tensor

from pushforward.objectives.passes import CriticPass, GANPass, PairedPass, VAEGANPass
from pushforward.objectives.term import Term

CRITIC = frozenset({"scores of real and generated images"})
GENERATOR = frozenset({"scores of the generator's images"})
PAIRED = frozenset({"scores of real images"})
ENCODED = frozenset({"scores of reconstructions and samples"})


class NonSaturatingCritic(Term[CriticPass]):
    """−log D(x) − log(1 − D(G(z))), D = σ(score): both classes' cross entropies, nats, (n,). Goodfellow et al. 2014."""

    symbol = "[−log D(x) − log(1 − D(G(z)))]"
    needs = CRITIC
    remedy = "This is the critic's side: put it under objective.critic."

    def forward(self, passed: CriticPass) -> Tensor:
        # softplus of logits: log(1 − D) underflows
        return F.softplus(-passed.real_scores) + F.softplus(passed.fake_scores)


class NonSaturatingGenerator(Term[GANPass]):
    """−log D(G(z)), nats, (n,). Goodfellow et al. 2014, sec. 3."""

    symbol = "−log D(G(z))"
    needs = GENERATOR
    remedy = "This is the generator's side: put it under objective.generator."

    def forward(self, passed: GANPass) -> Tensor:
        return F.softplus(-passed.fake_scores)


class SaturatingGenerator(Term[GANPass]):
    """log(1 − D(G(z))), nats, (n,): the minimax game, whose gradient dies when D wins. Goodfellow et al. 2014, eq. 1."""

    symbol = "log(1 − D(G(z)))"
    needs = GENERATOR
    remedy = NonSaturatingGenerator.remedy

    def forward(self, passed: GANPass) -> Tensor:
        return -F.softplus(passed.fake_scores)


class HingeCritic(Term[CriticPass]):
    """max(0, 1 − D(x)) + max(0, 1 + D(G(z))), in units of the score, (n,). Miyato et al. 2018, eq. 16."""

    symbol = "[max(0, 1 − D(x)) + max(0, 1 + D(G(z)))]"
    unit = "score"
    needs = CRITIC
    remedy = NonSaturatingCritic.remedy

    def forward(self, passed: CriticPass) -> Tensor:
        return F.relu(1 - passed.real_scores) + F.relu(1 + passed.fake_scores)


class LeastSquaresCritic(Term[CriticPass]):
    """½(D(x) − 1)² + ½D(G(z))², in squared units of the score, (n,). Mao et al. 2017, eq. 9."""

    symbol = "[½(D(x) − 1)² + ½D(G(z))²]"
    unit = "score²"
    needs = CRITIC
    remedy = NonSaturatingCritic.remedy

    def forward(self, passed: CriticPass) -> Tensor:
        return 0.5 * ((passed.real_scores - 1).square() + passed.fake_scores.square())


class LeastSquaresGenerator(Term[GANPass]):
    """½(D(G(z)) − 1)², in squared units of the score, (n,). Mao et al. 2017, eq. 9."""

    symbol = "½(D(G(z)) − 1)²"
    unit = "score²"
    needs = GENERATOR
    remedy = NonSaturatingGenerator.remedy

    def forward(self, passed: GANPass) -> Tensor:
        return 0.5 * (passed.fake_scores - 1).square()


class RelativisticCritic(Term[CriticPass]):
    """−log σ(D(x) − D(G(z))), nats, (n,): a real image beside a generated one. Jolicoeur-Martineau 2019, eq. 3 (RpGAN)."""

    symbol = "−log σ(D(x) − D(G(z)))"
    needs = CRITIC
    remedy = NonSaturatingCritic.remedy

    def forward(self, passed: CriticPass) -> Tensor:
        return F.softplus(passed.fake_scores - passed.real_scores)


class RelativisticGenerator(Term[PairedPass]):
    """−log σ(D(G(z)) − D(x)), nats, (n,). Jolicoeur-Martineau 2019, eq. 4 (RpGAN)."""

    symbol = "−log σ(D(G(z)) − D(x))"
    needs = GENERATOR | PAIRED
    remedy = NonSaturatingGenerator.remedy

    def forward(self, passed: PairedPass) -> Tensor:
        return F.softplus(passed.real_scores - passed.fake_scores)


class WassersteinCritic(Term[CriticPass]):
    """D(G(z)) − D(x), in units of the score, (n,): minus a distance where D is 1-Lipschitz. Arjovsky et al. 2017."""

    symbol = "[D(G(z)) − D(x)]"
    unit = "score"
    needs = CRITIC
    remedy = NonSaturatingCritic.remedy

    def forward(self, passed: CriticPass) -> Tensor:
        return passed.fake_scores - passed.real_scores


class DensityRatio(Term[GANPass]):
    """log q(z)/q̄(z) ≈ −D(z), nats, (n,), of a critic whose logit D says that z is of q̄. Kim & Mnih 2018, eq. 3 (FactorVAE)."""

    symbol = "log q(z)/q̄(z)"
    needs = GENERATOR
    remedy = NonSaturatingGenerator.remedy

    def forward(self, passed: GANPass) -> Tensor:
        return -passed.fake_scores


class WassersteinGenerator(Term[GANPass]):
    """−D(G(z)), in units of the score, (n,). Arjovsky et al. 2017; the generator's side of the hinge loss too."""

    symbol = "[−D(G(z))]"
    unit = "score"
    needs = GENERATOR
    remedy = NonSaturatingGenerator.remedy

    def forward(self, passed: GANPass) -> Tensor:
        return -passed.fake_scores


class BidirectionalModel(Term[PairedPass]):
    """−log(1 − D(x, E(x))) − log D(G(z), z), nats, (n,). Donahue et al. 2017, sec. 3.3; Dumoulin et al. 2017, eq. 5 and 6.

    Real scores are those of images with their codes, generated ones of codes with their images.
    """

    symbol = "[−log(1 − D(x, E(x))) − log D(G(z), z)]"
    needs = GENERATOR | PAIRED
    remedy = "This is the side of encoder and generator: put it under objective.model."

    def forward(self, passed: PairedPass) -> Tensor:
        return F.softplus(passed.real_scores) + F.softplus(-passed.fake_scores)


class VAEGANCritic(Term[VAEGANPass]):
    """−log D(x) − log(1 − D(x̃)) − log(1 − D(G(z))), x̃ a reconstruction, nats, (n,). Larsen et al. 2016, alg. 1 (VAE/GAN)."""

    symbol = "[−log D(x) − log(1 − D(x̃)) − log(1 − D(G(z)))]"
    needs = ENCODED
    remedy = "This is the critic's side of model=vae_gan: put it under its objective.critic."

    def forward(self, passed: VAEGANPass) -> Tensor:
        return F.softplus(-passed.real_scores) + made_up(passed)


class VAEGANDecoder(Term[VAEGANPass]):
    """log(1 − D(x̃)) + log(1 − D(G(z))), nats, (n,): minus what the critic makes small. Larsen et al. 2016, alg. 1."""

    symbol = "[log(1 − D(x̃)) + log(1 − D(G(z)))]"
    needs = ENCODED
    remedy = "This is the decoder's side of model=vae_gan: put it under its objective.decoder."

    def forward(self, passed: VAEGANPass) -> Tensor:
        return -made_up(passed)


def made_up(passed: VAEGANPass) -> Tensor:
    """−log(1 − D) of reconstructions and of samples, nats, (n,)."""
    return F.softplus(passed.reconstructed_scores) + F.softplus(passed.drawn_scores)
