"""The protocol: what is measured of a trained family, the same for every family, each number with its card.

A `Measure` is a frozen dataclass of settings that declares its numbers and gives their values of a `Subject`;
`conf/measure/NAME.yaml` names it by `_target_`. Whatever else takes a subject and returns `Entries` serves as one, too.
"""

from pushforward.protocol.measure import Measure, Number, Value, value
from pushforward.protocol.subject import Entries, NotApplicable, Subject

__all__ = ["Entries", "Measure", "NotApplicable", "Number", "Subject", "Value", "value"]
