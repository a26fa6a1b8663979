"""Bijections of flows beyond those of zuko, and maps between the data and the space that a model works in."""

from pushforward.bijections.coupling import Coupling, affine_couplings, spline_couplings
from pushforward.bijections.elementwise import Centre, Logit, quantize

__all__ = ["Centre", "Coupling", "Logit", "affine_couplings", "quantize", "spline_couplings"]
