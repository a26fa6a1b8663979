"""The density of logits under one Gaussian, in closed form: the row that flows are held against."""

from pushforward.families import WorksOnLogits
from pushforward.priors import FittedGaussian
from pushforward.protocol.feature_sets import data_digest
from pushforward.protocol.shared_numbers import cached
from pushforward.protocol.subject import CHUNK, MEASURE_SEED, Subject

GAUSSIAN = "Gaussian, full covariance"


def gaussian_of_logits(subject: Subject, family: WorksOnLogits) -> dict[str, float]:
    """Mean −log N(v; μ, Σ) of the split's logits v, nats an image, μ and Σ those of the training images' logits.

    Dequantised once. Papamakarios, Pavlakou & Murray 2017, table 2: 1366.9 on MNIST.
    """

    def logits(split: str):  # type: ignore[no-untyped-def]
        g = subject.generator("logits", split)
        return subject.batched(lambda x: family.logits(x, g)[0], subject.x(split)).double()

    def measure() -> float:
        gaussian = FittedGaussian.fit(logits("train"))
        test = logits(subject.split)
        return -sum(float(gaussian.log_prob(part).sum()) for part in test.split(CHUNK)) / len(test)

    key = {
        "data": {split: data_digest(subject, split) for split in ("train", subject.split)},
        "seed": MEASURE_SEED,
        "space": subject.family.describe()["likelihood"],
    }
    return {GAUSSIAN: cached("gaussian-of-logits", key, measure)}
