"""Whether each dimension of a code stands for one factor, on data whose factors are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pushforward.domains import Count, Domain
from pushforward.metrics import disentanglement
from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import MEASURE_SEED, NotApplicable, Subject
from pushforward.seeds import generator

LEARNT = "random forest of {trees} trees on the codes of training images, tested on those of the split"
VOTES = (
    "{votes} votes to learn from and {test_votes} to test, each of {batch} {rows} of training images that share the "
    "factor's value, drawn with replacement"
)
TESTED = ("dci_disentanglement", "dci_completeness", "dci_informativeness", "sap")
"""Scores that are learnt on training images and tested on those of the split; the others are of training images alone."""


@dataclass(frozen=True)
class Disentanglement(Measure):
    """MIG, DCI, SAP, modularity, β-VAE and FactorVAE scores of the posterior means, as disentanglement_lib has them.

    images: at most so many training images give the codes, and so many of the split those that DCI and SAP are tested
    on. The scores that ask for images with a factor fixed draw rows that share its value.
    """

    order = 110
    images: Count
    bins: Annotated[int, Domain(2)]
    trees: Count
    continuous: bool
    votes: Count
    test_votes: Count
    batch: Count
    most_dimensions: Count

    def numbers(self, subject: Subject) -> Sequence[Number]:
        if subject.factors("train", 1) is None:
            return ()
        return [Number(name, "share", "higher", main=name == "mig") for name in self.methods()]

    def values(self, subject: Subject) -> dict[str, Value]:
        known, test_factors = subject.factors("train", self.images), subject.factors(subject.split, self.images)
        assert known is not None and test_factors is not None
        codes, test_codes = subject.codes("train", self.images), subject.codes(subject.split, self.images)
        if codes.ndim != 2 or codes.shape[1] > self.most_dimensions:
            raise NotApplicable(f"its code has {codes[0].numel():,} dimensions, more than {self.most_dimensions}")
        if not bool(codes.isfinite().all() and test_codes.isfinite().all()):
            raise NotApplicable("its codes are not finite")
        varying = (known != known[0]).any(0).nonzero().flatten()
        if len(varying) < 2:
            raise NotApplicable(f"{len(varying)} factors vary among these images, and it takes two to be apart")
        names = subject.data.arrays.factor_names
        card = {
            "n": len(codes), "code": "posterior mean", "code_dim": codes.shape[1], "noise_seed": MEASURE_SEED,
            "factors": [names[int(j)] if names else int(j) for j in varying],
        }  # fmt: skip
        scores = disentanglement.scores(
            codes, known[:, varying], test_codes, test_factors[:, varying],
            partial(generator, "cpu", MEASURE_SEED, "disentanglement"), self.settings(),
        )  # fmt: skip
        tested, train = {"n_test": len(test_codes)}, {"split": "train"}
        return {
            name: value(scores[name], **card, **method, **(tested if name in TESTED else train))
            for name, method in self.methods().items()
        }

    def settings(self) -> disentanglement.Settings:
        return disentanglement.Settings(self.bins, self.votes, self.test_votes, self.batch, self.trees, self.continuous)

    def methods(self) -> dict[str, dict[str, Any]]:
        """The card of each number: how it is computed."""
        binned = {"bins": self.bins, "discretizer": "equal widths from the least to the largest code"}
        forest = {"method": LEARNT.format(trees=self.trees)}
        line = "squared correlation" if self.continuous else "linear support vector machine, C = 0.01, balanced"
        votes = {"votes": self.votes, "test_votes": self.test_votes, "batch": self.batch}
        return {
            "mig": binned,
            "dci_disentanglement": forest,
            "dci_completeness": forest,
            "dci_informativeness": forest,
            "sap": {"method": line},
            "modularity": binned,
            "beta_vae_score": {"method": VOTES.format(rows="pairs", **votes)},
            "factor_vae_score": {"method": VOTES.format(rows="rows", **votes), "codes_are": "standardised"},
        }
