"""Labels of points in a plot, placed so that none covers another label, a point or the legend, or leaves the axes."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIRECTIONS = (45, 135, -45, -135, 0, 180, 90, -90, 22, 158, -22, -158, 68, 112, -68, -112)
"""Degrees in which a label is tried from its point, the first that is free is taken."""
RADII = (5, 9, 14, 20, 27, 35, 44, 54, 65, 80, 100, 125)
"""Points of distance between a point and the nearest corner or side of its label."""
FAR = 10
"""Points of distance from which on a thin line joins the label to its point."""


def place(figure: "Figure", ax: "Axes", marks: Sequence[tuple[str, float, float]], size: float = 8) -> int:
    """Writes a label (text, x, y) at each point: the first place that is free, points in their order.

    The figure's layout is settled first, and kept. Returns how many labels found no place and were left out.
    """
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    room, unit = ax.get_window_extent(), figure.dpi / 72
    taken = []
    if legend := ax.get_legend():
        # its best place would be chosen anew with the labels
        taken.append(legend.get_window_extent())
        legend.set_loc(tuple(ax.transAxes.inverted().transform(taken[0].min)))
        legend.borderaxespad = 0
    at = ax.transData.transform([(x, y) for _, x, y in marks])
    points = [Bbox.from_extents(x - 3 * unit, y - 3 * unit, x + 3 * unit, y + 3 * unit) for x, y in at]
    lost = 0
    for (text, x, y), (px, py) in zip(marks, at, strict=True):
        label = ax.annotate(
            text, (x, y), xytext=(0, 0), textcoords="offset points", ha="center", va="center", fontsize=size,
            color="0.25", parse_math=False, path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip
        extent = label.get_window_extent()
        width, height = extent.width + 2 * unit, extent.height
        for dx, dy, radius in _offsets(width / unit, height / unit):
            cx, cy = px + dx * unit, py + dy * unit
            box = Bbox.from_bounds(cx - width / 2, cy - height / 2, width, height)
            inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
            if inside and not any(box.overlaps(other) for other in (*taken, *points)):
                taken.append(box)
                label.set_position((dx, dy))
                if radius >= FAR:
                    end = (min(max(px, box.x0), box.x1) - px, min(max(py, box.y0), box.y1) - py)
                    ax.annotate(
                        "", (x, y), xytext=(end[0] / unit, end[1] / unit), textcoords="offset points", zorder=1,
                        arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2},
                    )  # fmt: skip
                break
        else:
            label.remove()
            lost += 1
    return lost


def _offsets(width: float, height: float) -> Iterator[tuple[float, float, float]]:
    """Centres of a label around its point and the distance of each, nearest first, in points."""
    for radius in RADII:
        for angle in DIRECTIONS:
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            side = (abs(across) > 0.3) * math.copysign(width / 2, across)
            end = (abs(up) > 0.3) * math.copysign(height / 2, up)
            yield radius * across + side, radius * up + end, radius
