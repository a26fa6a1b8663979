"""The base class of the package's measures: settings within their domains, numbers declared as data, and their values."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from pushforward.domains import keys_of, refusals
from pushforward.errors import PushforwardError
from pushforward.metrics.card import Better
from pushforward.protocol.subject import Entries, NotApplicable, Subject

LITTLE = 0.1
"""The share of the data's variance below which reconstructions or samples are called collapsed."""


class Number(NamedTuple):
    """The declaration of one of a measure's numbers.

    main: stands in a table that names no columns. headline: how soon a run is summed up by this one number, 0 first.
    """

    name: str
    unit: str
    better: Better = None
    main: bool = False
    headline: int | None = None


class Value(NamedTuple):
    """A number that was measured, and what its card says beside the subject's."""

    value: float | Tensor
    card: Mapping[str, Any]


def value(number: float | Tensor, **card: Any) -> Value:
    return Value(number, card)


class Measure(ABC):
    """Settings that measure a subject: a frozen dataclass. Extensible: `numbers` and `values` are its hooks.

    order: where its numbers stand among those of other measures; within a measure as `numbers` has them.
    of_images: whether a model over codes is measured by the images that it decodes to.
    """

    order: ClassVar[int] = 1000
    of_images: ClassVar[bool] = False

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        plain = {key: list(item) if isinstance(item, tuple) else item for key, item in given.items()}
        for wrong in refusals(type(self).__name__, plain, keys_of(type(self)), ""):
            raise PushforwardError(wrong)

    @abstractmethod
    def numbers(self, subject: Subject) -> Sequence[Number]:
        """The numbers measured of such a subject; nothing where that does not concern its data."""

    @abstractmethod
    def values(self, subject: Subject) -> Mapping[str, Value | NotApplicable]:
        """The value of each number by name, or why there is none. One that is left out stays as an earlier measurement has it.

        Raises NotApplicable where there is none of any.
        """

    def check(self, subject: Subject) -> None:  # noqa: B027 - most have nothing to check
        """Raise PushforwardError where an untrained model's subject lacks what the settings name."""

    @torch.no_grad()
    def __call__(self, subject: Subject) -> Entries:
        """An entry for each number: its value, or the reason why there is none, with unit, card and place in a table."""
        subject = subject.images if self.of_images else subject
        declared = self.numbers(subject)
        if not declared:
            return {}
        try:
            values = self.values(subject)
        except NotApplicable as reason:
            values = {number.name: reason for number in declared}
        if undeclared := [name for name in values if name not in {number.name for number in declared}]:
            raise PushforwardError(f"{type(self).__name__} gives {undeclared[0]}, which its `numbers` do not declare")
        entries: Entries = {}
        for i, number in enumerate(declared):
            if number.name in values:
                entries[number.name] = self.entry(subject, number, values[number.name], i)
        return entries

    def entry(self, subject: Subject, number: Number, found: Value | NotApplicable, i: int) -> dict[str, Any]:
        column: dict[str, Any] = {"order": [self.order, i]} | ({"main": True} if number.main else {})
        column |= {} if number.headline is None else {"headline": number.headline}
        if isinstance(found, NotApplicable):
            made = subject.na(str(found), number.unit, better=number.better, **found.card)
        else:
            made = subject.number(found.value, number.unit, better=number.better, **found.card)
        return {**made, "column": column}
