"""The card of a number as lines of text."""

import difflib
from collections.abc import Mapping
from typing import Any

from pushforward.errors import PushforwardError
from pushforward.report.tables import MEANT, relation
from pushforward.runs import Run


def why(run: Run, metric: str) -> list[str]:
    """The number, then a line for each entry of its card, then by what source and where the run was trained.

    Raises PushforwardError where the run has no such number.
    """
    if metric not in run.metrics:
        near = difflib.get_close_matches(metric, run.metrics, n=3) or list(run.metrics)[:5]
        known = f"Nearest: {', '.join(near)}" if near else f"It is {run.state} and has none"
        raise PushforwardError(f"{run.id} has no number {metric}. {known}.")
    found = run.metrics[metric]
    card = dict(found.get("card") or {})
    lines = [f"{metric} of {run.id}", f"  {number(found, card)}"]
    better = card.pop("better", None)
    card.pop("command", None)
    if "kind" in card:
        card["kind"] = kind(found["card"])
    lines += [f"  {better} is better"] if better else []
    width = max((len(key) for key in card), default=0)
    lines += [f"  {key:<{width}}  {text(value)}" for key, value in card.items() if value is not None]
    source = {"commit": run.status.get("commit"), "source": run.status.get("fingerprint")}
    source |= run.record.get("execution") or {}
    known = ", ".join(f"{key} {value}" for key, value in source.items() if value is not None)
    lines.append(f"trained by {known or 'what is not known'}")
    return lines


def kind(card: Mapping[str, Any]) -> str | None:
    """The kind of the number: a lower bound of log p(x) is an upper one of nats and bits, and its parts are none."""
    said = card.get("kind")
    if said != "lower bound":
        return said
    return f"{said} of log p(x)" if card.get("better") == "lower" else None


def measured_by(run: Run, metric: str) -> str:
    """The command that measures the number again as it was measured: the last one, or as the run's own config says."""
    modules = sorted({name.partition(".")[0] for name in run.status.get("own") or {}})
    again = f"pushforward evaluate {run.id}" + (f" --allow-modules {','.join(modules)}" if modules else "")
    return str((run.metrics[metric].get("card") or {}).get("command") or again)


def number(metric: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    if metric.get("value") is None:
        return f"n/a: {metric.get('na') or 'no reason given'}"
    mark = relation({str(card.get("kind") or "")}, card.get("better"))
    error = f" ± {card['standard_error']:.2g} (standard error)" if card.get("standard_error") is not None else ""
    meant = f"  ({MEANT[mark]})" if mark in MEANT else ""
    return f"{mark} {metric['value']:.6g}{error} {metric.get('unit') or ''}".strip() + meant


def text(value: Any) -> str:
    """A card's entry on one line."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {text(item)}" for key, item in value.items() if item is not None)
    if isinstance(value, list):
        return ", ".join(map(text, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
