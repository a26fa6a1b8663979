"""Models that travel: a finished run as a folder that loads elsewhere, with its card."""

from pushforward.exports.write import export

__all__ = ["export"]
