"""The pieces of a loss: terms, their weights, and the objective that alone weighs, adds and averages them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor, nn

from pushforward.domains import NonNegative
from pushforward.errors import PushforwardError
from pushforward.objectives.weighting import Constant, Weight

P = TypeVar("P")


class Term(nn.Module, ABC, Generic[P]):
    """One summand of an objective of a model whose pass is a P. Abstract.

    Its value is (n,) per image in `unit`, or () where it couples the batch. `needs` names what the forward pass must
    give; an objective refuses a term whose needs are not met when it is built.
    """

    symbol: ClassVar[str]
    unit: ClassVar[str] = "nats"
    couples_batch: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset()
    remedy: ClassVar[str] = ""

    def __init__(self, weight: NonNegative | Weight = 1.0) -> None:
        super().__init__()
        self.weight = weight if isinstance(weight, Weight) else Constant(weight)

    @abstractmethod
    def forward(self, passed: P) -> Tensor:
        """The term's value from what the family's forward pass gave: (n,), (n, d) in parts that add up, or ()."""


class Objective(nn.Module, Generic[P]):
    """Σ weight · term, averaged over the batch.

    terms: name -> Term; an entry set to null is left out, so that `~` and `null` both ablate.
    gives: what the family's forward pass offers its terms.

    Raises PushforwardError where a term needs what the pass does not give.
    """

    terms: Any  # a ModuleDict, whose items mypy takes for any Module

    def __init__(self, terms: Mapping[str, Term[P] | None], gives: frozenset[str]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict({name: term for name, term in terms.items() if term is not None})
        if not self.terms:
            raise PushforwardError("objective: it has no term; give at least one, such as objective.reconstruction")
        for name, term in self.terms.items():
            missing = sorted(term.needs - gives)
            if missing:
                raise PushforwardError(
                    f"objective.{name}: {type(term).__name__} needs {' and '.join(missing)}, which this model does not "
                    f"give (it gives {', '.join(sorted(gives))}). {term.remedy}".rstrip()
                )

    def forward(self, passed: P, epochs: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """The total (), each term's unweighted value (n,) or (), and each term's weighted contribution likewise."""
        values, contributions, total = {}, {}, None
        for name, term in self.terms.items():
            value = term(passed)
            weighted = term.weight(value, epochs)
            values[name] = value.sum(-1) if value.ndim == 2 else value
            contributions[name] = weighted
            mean = weighted.mean()
            total = mean if total is None else total + mean
        assert total is not None
        return total, values, contributions

    def describe(self) -> str:
        """The objective as an equation, `−log p(x|z) + 4·KL(q(z|x)‖p(z))`; a term of weight 0 is reported and no part of it."""
        said = [term.weight.describe(term.symbol) for term in self.terms.values()]
        return " + ".join(filter(None, said))
