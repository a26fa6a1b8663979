"""Contents of the explorer of latent spaces: what the plane of codes decodes to, ways between images, single units."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from pushforward.report.figures import Arrays
from pushforward.report.page import sprites
from pushforward.report.page.pictures import Kept
from pushforward.report.table_layout import Row

BUDGET = 5_000_000
"""Bytes of all planes in the page: of rows for which there is no more room nothing is explored."""
DOTS = 600
"""Codes that are drawn in a plane."""


def spaces(rows: Sequence[Row], kept: Kept) -> list[dict[str, Any]]:
    """For each row whose runs keep one its space: plane, between, units; autoencoders first, as tables have them."""
    found: list[dict[str, Any]] = []
    left = BUDGET
    for row in (row for row in rows if not row.reference):
        if (one := _space(row, kept)) is None:
            continue
        shown = [part["sprite"] for part in (one["plane"], one["between"], one["units"]) if part]
        left = kept.room(f"latent spaces, from {row.title} on", shown, left)
        if left < 0:
            break
        for part in filter(None, (one["plane"], one["between"], one["units"])):
            part["sprite"] = part["sprite"].as_json()
        found.append(one)
    return found


def _space(row: Row, kept: Kept) -> dict[str, Any] | None:
    made = kept.first(row, "plane", plane)
    if made is None:
        return None
    run, found = made
    extent = np.array(found["extent"])
    found["off"] = kept.show(run, "holes_map", lambda a: off_manifold(a, extent))
    return {
        "label": row.title,
        "run": run.id,
        "plane": found,
        "between": kept.show(run, "between", between),
        "units": kept.show(run, "traversal", units),
    }


def plane(a: Arrays) -> dict[str, Any]:
    """Decoded tiles, rows upwards; codes with their labels; the prior's log-density less its highest, where there is one."""
    x, extent, codes = a["x"], a["extent"], a["codes"][:DOTS]
    side = len(x)
    if x.shape[1] != side or extent.shape != (4,) or codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError("no plane")
    if not (np.isfinite(extent).all() and np.isfinite(a["share"])):
        raise ValueError("a plane without bounds")
    there = np.isfinite(codes).all(1)
    labels = a["y"][: len(codes)][there].astype(int).tolist() if "y" in a else []
    return {
        "sprite": sprites.tiles(x.reshape(side * side, *x.shape[2:]), side),
        "side": side,
        "grey": x.shape[2] == 1,
        "extent": [float(f"{v:.5g}") for v in extent],
        "codes": [[float(f"{v:.4g}") for v in code] for code in codes[there]],
        "labels": labels,
        "dimensions": int(a["dimensions"]),
        "share": round(float(a["share"]), 3),
        "prior": density(a["log_prior"]) if "log_prior" in a else None,
    }


def density(log_p: np.ndarray) -> dict[str, Any]:
    """A log-density over a grid (rows upwards), less its highest, in tenths of a nat down to −12.7, one byte each."""
    shown = np.nan_to_num(log_p - np.nanmax(log_p), nan=-13.0, neginf=-13.0)
    return _bytes(np.clip(np.rint(-10 * shown), 0, 127))


def off_manifold(a: Arrays, extent: np.ndarray) -> dict[str, Any] | None:
    """Distance off the data manifold over the plane, in twentieths of a radius; None where that is another plane."""
    width = np.ptp(extent.reshape(2, 2), axis=1).repeat(2)
    if "ratio" not in a or not np.allclose(a["extent"] / width, extent / width, atol=0.02):
        return None
    return _bytes(np.clip(np.rint(20 * np.nan_to_num(a["ratio"], nan=10.0, posinf=10.0)), 0, 255))


def _bytes(grid: np.ndarray) -> dict[str, Any]:
    high, wide = grid.shape
    return {
        "width": wide,
        "height": high,
        "bytes": base64.b64encode(grid.astype(np.uint8).tobytes()).decode("ascii"),
    }


def between(a: Arrays) -> dict[str, Any]:
    """Images, and a row of tiles for each pair of them: (0, 1), (0, 2), (1, 2), (0, 3) …"""
    x, images = a["x"], a["images"]
    n = len(images)
    if len(x) != n * (n - 1) // 2:
        raise ValueError("not each pair")
    steps = x.shape[1]
    both = np.concatenate((x.reshape(-1, *x.shape[2:]), images))
    return {"sprite": sprites.tiles(both, steps), "steps": steps, "n": n}


def units(a: Arrays) -> dict[str, Any]:
    """A row of tiles for each of the widest units."""
    x = a["x"]
    return {
        "sprite": sprites.tiles(x.reshape(-1, *x.shape[2:]), x.shape[1]),
        "steps": x.shape[1],
        "n": len(x),
    }
