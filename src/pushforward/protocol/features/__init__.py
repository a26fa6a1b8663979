"""Features that sets of images are compared on: of a classifier of the data, untrained, pixels, Inception, one's own.

`conf/features/NAME.yaml` names them by `_target_`: a function of the data with `_partial_: true`, or what is ready to use.
"""

from pushforward.protocol.features.base import Features, NoFeatures

__all__ = ["Features", "NoFeatures"]
