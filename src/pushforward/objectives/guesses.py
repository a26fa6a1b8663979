"""Losses of what a critic guesses of an image: its class, and the informative part of its code."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pushforward.objectives.passes import GANPass, Guesses, PairedPass
from pushforward.objectives.term import Term


class ClassGuess(Term[GANPass]):
    """−log p(y|x) of the critic's guess, nats, (n,): of generated images, and in the critic's step of real ones too.

    Odena, Olah & Shlens 2017, eq. 3 (ACGAN); both players make it small.
    """

    symbol = "−log p(y|x)"
    needs = frozenset({"guessed classes"})
    remedy = "The critic must guess classes: model.labels=class condition=all_labels."

    def forward(self, passed: GANPass) -> Tensor:
        value = self.of(passed.guesses)
        return value + self.of(passed.real_guesses) if isinstance(passed, PairedPass) and passed.real_guesses else value

    @staticmethod
    def of(guesses: Guesses | None) -> Tensor:
        assert guesses is not None and guesses.class_logits is not None and guesses.labels is not None
        return F.cross_entropy(guesses.class_logits, guesses.labels, reduction="none")


class CodeGuess(Term[GANPass]):
    """−log q(c|G(z, c)), nats, (n,): H(c) less it is a lower bound of the information I(c; G(z, c)). Chen et al. 2016, eq. 5.

    q is a softmax for classes and N(·, 1) for numbers; both players make it small.
    """

    symbol = "−log q(c|x)"
    needs = frozenset({"guessed codes"})
    remedy = "The prior must have parts to guess: model.prior=InformativePrior (model=infogan)."

    def forward(self, passed: GANPass) -> Tensor:
        guesses = passed.guesses
        assert guesses is not None and guesses.code_logits is not None and guesses.codes is not None
        value = torch.zeros_like(passed.fake_scores)
        for logits, code in zip(
            guesses.code_logits.split(guesses.parts, 1), guesses.codes.split(guesses.parts, 1), strict=True
        ):
            if logits.shape[1] > 1:
                value = value - (code * logits.log_softmax(1)).sum(1)
            else:
                value = value + 0.5 * (code - logits).square().sum(1)
        return value
