"""Hydra's sweepers of this project: found by Hydra 1.3 only in this namespace."""
