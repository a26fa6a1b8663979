"""What a critic guesses: cross entropies and squared errors by hand."""

import math

import torch

from pushforward.objectives import ClassGuess, CodeGuess, CriticPass, GANPass, Guesses
from pushforward.spec import DataSpec

PLANE = DataSpec((2,), None, 10)
X = torch.zeros(2, 2)


def guesses(logits: list[float], label: int) -> Guesses:
    return Guesses(torch.tensor([logits, logits]), torch.tensor([label, label]), None, None, ())


def test_a_class_guess() -> None:
    """Two classes of odds 3 : 1."""
    fake, real = guesses([math.log(3), 0.0], 0), guesses([math.log(3), 0.0], 1)
    of_generator = ClassGuess()(GANPass(X, X[:, 0], lambda x: x, PLANE, fake))
    torch.testing.assert_close(of_generator, torch.full((2,), math.log(4 / 3)))
    step = CriticPass(X, X[:, 0], lambda x: x, PLANE, fake, X, X[:, 0], real, X[:, 0])
    torch.testing.assert_close(ClassGuess()(step), torch.full((2,), math.log(4 / 3) + math.log(4)))


def test_a_code_guess() -> None:
    """A class of three, guessed evenly: log 3; and a number guessed 0.5 off: ⅛."""
    code = torch.tensor([[0.0, 1.0, 0.0, 0.25], [1.0, 0.0, 0.0, -1.0]])
    logits = torch.tensor([[2.0, 2.0, 2.0, 0.75], [0.0, 0.0, 0.0, -1.0]])
    seen = Guesses(None, None, logits, code, (3, 1))
    found = CodeGuess()(GANPass(X, X[:, 0], lambda x: x, PLANE, seen))
    torch.testing.assert_close(found, torch.tensor([math.log(3) + 0.125, math.log(3)]))
