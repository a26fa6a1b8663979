"""Bijections of flows beyond those of zuko, and maps between the data and the space that a model works in."""

from pushforward.bijections.autoregressive import affine_autoregressive, inverse_autoregressive, spline_autoregressive
from pushforward.bijections.coupling import Coupling, additive_couplings, affine_couplings, spline_couplings
from pushforward.bijections.elementwise import Centre, Logit, quantize
from pushforward.bijections.glow import Glow

__all__ = [
    "Centre",
    "Coupling",
    "Glow",
    "Logit",
    "additive_couplings",
    "affine_autoregressive",
    "affine_couplings",
    "inverse_autoregressive",
    "quantize",
    "spline_autoregressive",
    "spline_couplings",
]
