"""The objective: it weighs, adds and averages; refuses what cannot be; and prints itself."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.errors import PushforwardError
from pushforward.objectives import KL, L1, ActivationKL, FreeBits, Objective, Reconstruction, Term

GIVES = frozenset({"code", "posterior", "likelihood", "prior"})


class Fixed(Term):
    """A term of known value."""

    symbol = "T"

    def __init__(self, value: Tensor, weight: Any = 1.0) -> None:
        super().__init__(weight)
        self.value = value

    def forward(self, passed: Any) -> Tensor:
        return self.value


def test_it_weighs_adds_and_averages() -> None:
    """Mean of (1, 3) is 2, twice; parts add up to (3, 7), mean 5; a scalar as it is, by −½."""
    terms = {
        "each": Fixed(torch.tensor([1.0, 3.0]), 2.0),
        "parts": Fixed(torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
        "coupled": Fixed(torch.tensor(8.0), -0.5),
    }
    total, values, weighted = Objective(terms, frozenset())(None, torch.tensor(0.0))
    assert float(total) == 4 + 5 - 4
    assert values["each"].tolist() == [1, 3] and values["parts"].tolist() == [3, 7] and float(values["coupled"]) == 8
    assert weighted["each"].tolist() == [2, 6] and float(weighted["coupled"]) == -4


def test_a_term_set_to_null_is_left_out() -> None:
    objective = Objective({"a": Fixed(torch.ones(2)), "b": None}, frozenset())
    assert list(objective.terms) == ["a"]
    with pytest.raises(PushforwardError, match="objective: it has no term; give at least one, such as"):
        Objective({"a": None}, frozenset())


@pytest.mark.parametrize(
    ("term", "gives", "said"),
    [
        (KL(), {"code", "likelihood"}, r"objective.it: KL needs posterior and prior.*\(it gives code, likelihood\)"),
        (KL(), {"code", "likelihood"}, r"Use bottleneck=gaussian \(model=vae\), or take this term out"),
        (ActivationKL(0.05), GIVES, r"ActivationKL needs unit activations.*bottleneck.activation=sigmoid"),
        (L1(), {"likelihood"}, r"L1 needs code, which this model does not give \(it gives likelihood\)"),
        (Reconstruction(), {"code"}, r"Reconstruction needs likelihood"),
    ],
)
def test_an_impossible_pair_is_refused_with_the_remedy(term: Term, gives: set[str], said: str) -> None:
    with pytest.raises(PushforwardError, match=said) as error:
        Objective({"it": term}, frozenset(gives))
    assert "\n" not in str(error.value)


def test_it_prints_its_equation() -> None:
    def said(**terms: Term) -> str:
        return Objective(terms, GIVES | {"unit activations"}).describe()

    assert said(reconstruction=Reconstruction(), kl=KL()) == "−log p(x|z) + KL(q(z|x)‖p(z))"
    assert said(reconstruction=Reconstruction(), kl=KL(4.0)) == "−log p(x|z) + 4·KL(q(z|x)‖p(z))"
    assert said(reconstruction=Reconstruction(), s=ActivationKL(0.05, 3.0)) == "−log p(x|z) + 3·Σⱼ KL(ρ‖ρ̂ⱼ)"
    assert said(s=L1(0.05)) == "0.05·‖z‖₁"
    assert said(kl=KL(FreeBits(1.0, 0.1))).startswith("Σⱼ max(0.1 nats, KL(q(z|x)‖p(z))ⱼ)")
