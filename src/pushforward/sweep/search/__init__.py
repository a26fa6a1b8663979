"""Searches by Optuna: what to try next, trained as ordinary runs, and a report of what mattered."""
