"""Pictures of ducts: in their gland, or of a grammar that needs none; as wide as they are, coloured by order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from pancreasgen.look.paint import axes_at, new_figure, png_bytes, scale_bar
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.organ import Organ

COLOURS = ("#ffd166", "#4cc9f0", "#90e0a8", "#c8a2ff", "#ff9f9f", "#b0b0b0")
_ACCESSORY = "#ff8c42"
_POINTS_PER_INCH = 72.0
_WIDTH_INCH, _EDGE_INCH, _TITLE_INCH = 10.0, 0.15, 0.4
_MARGIN_MM, _BAR_MM = 3.0, 9.0
_FREE_HEIGHT_INCH, _FLAT = 8.0, 0.02


def ducts_picture(network: DuctNetwork, organ: Organ) -> bytes:
    """Return a PNG with two projections of the ducts: coronal above, axial below, patient's right on the left.

    Lines are as wide as the lumen (at least a hair's width), coloured by branch order; the gland is its outline.
    """
    low, high = _gland_limits_mm(organ)
    inch_per_mm = (_WIDTH_INCH - 2 * _EDGE_INCH) / (high - low)[0]
    heights = [(high - low)[up] * inch_per_mm for up in (2, 1)]
    total = sum(heights) + 2 * _TITLE_INCH + _EDGE_INCH
    figure = new_figure(_WIDTH_INCH, total)
    text = f"from the front · {len(network.segments):,} segments, {network.lengths_mm.sum() / 1000:.2f} m"
    bottoms = (heights[1] + _TITLE_INCH + _EDGE_INCH, _EDGE_INCH)
    for up, height, bottom, title in zip((2, 1), heights, bottoms, (text, "from below"), strict=True):
        left, width = _EDGE_INCH / _WIDTH_INCH, 1.0 - 2 * _EDGE_INCH / _WIDTH_INCH
        axes = axes_at(figure, (left, bottom / total, width, height / total), title)
        _outline(axes, organ, up)
        axes.plot(-organ.axis_mm[:, 0], organ.axis_mm[:, up], color="#ffffff", alpha=0.15, linewidth=1)
        draw_lines(axes, network, (0, up), inch_per_mm)
        scale_bar(axes, -high[0] + 2.0, low[up] + 2.0)
        axes.set_xlim(-high[0], -low[0])
        axes.set_ylim(low[up], high[up])
    return png_bytes(figure)


def free_picture(network: DuctNetwork) -> bytes:
    """Return a PNG of lines that stand in no gland: from the front, and from the left if they are not flat.

    Up is +z. Lines are as wide as their tubes, but at most a fifth of the median line's length, so that a word whose
    grammar gives no radius shows its branches.
    """
    low, high = network.nodes_mm.min(axis=0), network.nodes_mm.max(axis=0)
    size = float((high - low).max()) or 1.0
    low, high = low - 0.03 * size, high + 0.03 * size
    low[2] -= 0.05 * size
    sides = [(0, "from the front")]
    if (high - low)[1] > (0.06 + _FLAT) * size:
        sides.append((1, "from the left"))
    inch_per_mm = _FREE_HEIGHT_INCH / max((high - low)[2], sum((high - low)[side] for side, _ in sides) / len(sides))
    widths = [max((high - low)[side] * inch_per_mm, 3.0) for side, _ in sides]
    total = sum(widths) + (1 + len(sides)) * _EDGE_INCH
    height = (high - low)[2] * inch_per_mm
    tall = height + _TITLE_INCH + _EDGE_INCH
    figure = new_figure(total, tall)
    left, bar = _EDGE_INCH, round_length(0.2 * size)
    for (side, title), width in zip(sides, widths, strict=True):
        told = f"{title} · {len(network.segments):,} segments" if side == 0 else title
        axes = axes_at(figure, (left / total, _EDGE_INCH / tall, width / total, height / tall), told)
        draw_lines(axes, network, (side, 2), inch_per_mm, 0.2 * float(np.median(network.lengths_mm)))
        middle, half = -0.5 * (low + high)[side], 0.5 * width / inch_per_mm
        scale_bar(axes, middle - half + 0.01 * size, low[2] + 0.01 * size, bar)
        axes.set_xlim(middle - half, middle + half)
        axes.set_ylim(low[2], high[2])
        left += width + _EDGE_INCH
    return png_bytes(figure)


def round_length(length: float) -> float:
    """Return the largest of 1, 2, 5, 10, … that is not longer.

    >>> [round_length(length) for length in (0.7, 3.0, 60.0)]
    [0.5, 2.0, 50.0]
    """
    power = 10.0 ** math.floor(math.log10(length))
    return float(next(step for step in (5, 2, 1) if step * power <= length * (1 + 1e-9)) * power)


def draw_lines(
    axes: Any, network: DuctNetwork, view: tuple[int, int], inch_per_mm: float, most_mm: float = math.inf
) -> None:
    """Draw the ducts of a network, the finest branches first, so that the main duct lies on top.

    Args:
        axes: Where to; the horizontal coordinate is the negative of the first axis [mm].
        network: The ducts.
        view: World axes that run to the left and up.
        inch_per_mm: Scale of the picture.
        most_mm: Widest line [mm].
    """
    ends = network.nodes_mm[network.segments][:, :, list(view)] * [-1.0, 1.0]
    width = np.minimum(network.capsule_radii_mm.sum(axis=1), most_mm) * inch_per_mm * _POINTS_PER_INCH
    colour = np.array(COLOURS)[np.minimum(network.order, len(COLOURS) - 1)]
    colour[network.kind == Kind.ACCESSORY] = _ACCESSORY
    ranks = np.argsort(-network.order, kind="stable")
    lines = LineCollection(list(ends[ranks]), linewidths=np.maximum(width[ranks], 0.3), colors=list(colour[ranks]))
    lines.set_capstyle("round")
    axes.add_collection(lines, autolim=False)


def _gland_limits_mm(organ: Organ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the gland's lower and upper corner (3,) [mm] with a margin, and room for the bar below and behind."""
    grid, inside = organ.distance.grid, organ.distance.data > 0
    seen = [grid.axis_mm(k)[inside.any(axis=tuple(j for j in range(3) if j != k))] for k in range(3)]
    low = np.array([values.min() for values in seen]) - [_MARGIN_MM, _BAR_MM, _BAR_MM]
    return low, np.array([values.max() for values in seen]) + _MARGIN_MM


def _outline(axes: Any, organ: Organ, up: int) -> None:
    grid = organ.distance.grid
    seen = organ.distance.data.max(axis=1 if up == 2 else 2)
    field = (-grid.axis_mm(0), grid.axis_mm(up), seen.T)
    axes.contourf(*field, levels=[0, 1e6], colors=["#c98f5a"], alpha=0.18)
    axes.contour(*field, levels=[0], colors=["#c98f5a"], linewidths=0.8)
