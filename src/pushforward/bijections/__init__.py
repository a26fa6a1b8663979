"""What flows are made of beyond what zuko has, and the maps between data and the space a model works in."""

from pushforward.bijections.coupling import Coupling, affine_couplings, spline_couplings
from pushforward.bijections.elementwise import Centre, Logit, quantize

__all__ = ["Centre", "Coupling", "Logit", "affine_couplings", "quantize", "spline_couplings"]
