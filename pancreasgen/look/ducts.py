"""A picture of the ducts in their gland: from the front and from below, as wide as they are, coloured by order."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection

from pancreasgen.look.paint import axes_at, new_figure, png_bytes, scale_bar
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.organ import Organ

COLOURS = ("#ffd166", "#4cc9f0", "#90e0a8", "#c8a2ff", "#ff9f9f", "#b0b0b0")
_ACCESSORY = "#ff8c42"
_POINTS_PER_INCH = 72.0


def ducts_picture(network: DuctNetwork, organ: Organ) -> bytes:
    """Return a PNG with two projections of the ducts: coronal above, axial below, patient's right on the left.

    Lines are as wide as the lumen (at least a hair's width), coloured by branch order; the gland is its outline.
    """
    points = organ.axis_mm
    grid = organ.distance.grid
    low, high = np.array(grid.origin_mm), np.array(grid.origin_mm) + (np.array(grid.shape) - 1) * grid.spacing_mm
    width_mm, coronal_mm, axial_mm = (high - low)[0], (high - low)[2], (high - low)[1]
    inch_per_mm = 10.0 / width_mm
    total = (coronal_mm + axial_mm) * inch_per_mm + 1.2
    figure = new_figure(10.0, total)
    shares = [coronal_mm * inch_per_mm / total, axial_mm * inch_per_mm / total]
    boxes = [(0.0, shares[1] + 0.4 / total, 1.0, shares[0]), (0.0, 0.0, 1.0, shares[1])]
    text = f"from the front · {len(network.segments):,} segments, {network.lengths_mm.sum() / 1000:.2f} m"
    for box, up, title in zip(boxes, (2, 1), (text, "from below"), strict=True):
        axes = axes_at(figure, box, title)
        axes.set_xlim(-high[0], -low[0])
        axes.set_ylim(low[up], high[up])
        axes.set_aspect("equal")
        _outline(axes, organ, up)
        axes.plot(-points[:, 0], points[:, up], color="#ffffff", alpha=0.15, linewidth=1)
        _lines(axes, network, up, inch_per_mm)
        scale_bar(axes, -low[0] - 60.0, low[up] + 4.0)
    return png_bytes(figure)


def _outline(axes: Any, organ: Organ, up: int) -> None:
    grid = organ.distance.grid
    seen = organ.distance.data.max(axis=1 if up == 2 else 2)
    field = (-grid.axis_mm(0), grid.axis_mm(up), seen.T)
    axes.contourf(*field, levels=[0, 1e6], colors=["#c98f5a"], alpha=0.18)
    axes.contour(*field, levels=[0], colors=["#c98f5a"], linewidths=0.8)


def _lines(axes: Any, network: DuctNetwork, up: int, inch_per_mm: float) -> None:
    """Draw the finest branches first, so that the main duct lies on top."""
    ends = network.nodes_mm[network.segments][:, :, [0, up]] * [-1.0, 1.0]
    width = network.capsule_radii_mm.sum(axis=1) * inch_per_mm * _POINTS_PER_INCH
    colour = np.array(COLOURS)[np.minimum(network.order, len(COLOURS) - 1)]
    colour[network.kind == Kind.ACCESSORY] = _ACCESSORY
    ranks = np.argsort(-network.order, kind="stable")
    lines = LineCollection(list(ends[ranks]), linewidths=np.maximum(width[ranks], 0.3), colors=list(colour[ranks]))
    lines.set_capstyle("round")
    axes.add_collection(lines)
