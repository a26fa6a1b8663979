"""The protocol: what is measured of a trained family, the same for every family, each number with its card.

A measure is a frozen dataclass of settings, called with a `Subject`; `conf/measure/NAME.yaml` names it by `_target_`.
"""

from pushforward.protocol.subject import Entries, Measure, NotApplicable, Subject

__all__ = ["Entries", "Measure", "NotApplicable", "Subject"]
