"""The preview of a case: what a radiologist would look at first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pancreasgen.anatomy.structures import DUCTS, PARENCHYMA, STRUCTURES
from pancreasgen.base.grid import Volume
from pancreasgen.dataset.build import Case
from pancreasgen.look.ducts import draw_lines
from pancreasgen.look.paint import axes_at, extent_mm, grey, new_figure, overlay, png_bytes, radiological, scale_bar
from pancreasgen.network.network import DuctNetwork

_STRENGTH = 0.45
_MARGIN_MM = 10.0


def case_png(case: Case) -> bytes:
    """Return the preview as PNG.

    Above: the axial slice that shows most of the main duct, as a CT and with labels. Below: the coronal slice through
    the gland, and the main ducts with their side branches, seen through from the front. The patient's right is on the
    left; window −160 to 240 HU.
    """
    grid = case.image.grid
    k, j = best_slice(case.labels, 2), best_slice(case.labels, 1)
    around = body_limits_mm(case.labels)
    wide, high, long = (limits[1] - limits[0] for limits in around)
    first, second = 5.0 * high / wide, 5.0 * long / wide
    total = first + second + 0.8
    figure = new_figure(10.0, total)
    upper = ((second + 0.4) / total, first / total)
    lower = (0.0, second / total)
    axial = radiological(grey(case.image.data[:, :, k]))
    painted = overlay(axial, radiological(case.labels.data[:, :, k]), structure_colours(), _STRENGTH)
    coronal = radiological(grey(case.image.data[:, j, :]))
    through = radiological(gland_through(case.image, case.labels))
    recipe = case.recipe
    text = f"case {recipe.index}, seed {recipe.seed} · {recipe.protocol.name} · synthetic"
    panels = (
        (0.0, upper, f"axial, z {grid.axis_mm(2)[k]:.0f} mm", axial, 1),
        (0.5, upper, text, painted, 1),
        (0.0, lower, f"coronal, y {grid.axis_mm(1)[j]:.0f} mm", coronal, 2),
        (0.5, lower, "ducts and gland, seen through", through, 2),
    )
    for left, (bottom, height), title, picture, up in panels:
        axes = axes_at(figure, (left, bottom, 0.5, height), f"  {title}")
        axes.imshow(picture, extent=extent_mm(grid, up), interpolation="bilinear")
        axes.set_xlim(-around[0][1], -around[0][0])
        axes.set_ylim(*around[up])
        if picture is through:
            draw_lines(axes, _trunks(case.network), (0, 2), 5.0 / wide)
        scale_bar(axes, -around[0][1] + 6.0, around[up][0] + 6.0)
    return png_bytes(figure)


def body_limits_mm(labels: Volume) -> list[tuple[float, float]]:
    """Return (low, high) [mm] of the body along each axis, with a margin in the slice; of the grid if it is empty."""
    limits = []
    for axis in range(3):
        centres = labels.grid.axis_mm(axis)
        filled = np.flatnonzero((labels.data > 0).any(axis=tuple(other for other in range(3) if other != axis)))
        seen = centres[filled] if len(filled) else centres
        margin = 0.5 * labels.grid.spacing_mm[axis] + (_MARGIN_MM if axis < 2 else 0.0)
        limits.append((float(seen[0]) - margin, float(seen[-1]) + margin))
    return limits


def best_slice(labels: Volume, axis: int) -> int:
    """Return the index of the slice that shows the most duct, then the most gland.

    Args:
        labels: Native labels.
        axis: Axis across the slice: 1 for coronal, 2 for axial.
    """
    across = tuple(other for other in range(3) if other != axis)
    ducts = np.isin(labels.data, DUCTS[:2]).sum(axis=across)
    gland = np.isin(labels.data, PARENCHYMA).sum(axis=across)
    return int(np.argmax(ducts * (gland.max() + 1) + gland)) if gland.any() else labels.data.shape[axis] // 2


def structure_colours() -> NDArray[np.float64]:
    """Return a colour (256, 3) for each label; fat, muscle and skin stay clear (NaN), so that organs stand out."""
    colours = np.full((256, 3), np.nan)
    clear = ("background", "muscle", "subcutaneous_fat", "visceral_fat", "peripancreatic_fat", "skin", "lung")
    for item in STRUCTURES:
        if item.name not in (*clear, "arms", "table"):
            colours[item.value] = np.array(item.rgb) / 255
    return colours


def _trunks(network: DuctNetwork) -> DuctNetwork:
    """Return the main ducts and their side branches; finer ones would fill the gland at this scale."""
    shown = network.order <= 1
    return replace(network, segments=network.segments[shown], kind=network.kind[shown], order=network.order[shown])


def gland_through(image: Volume, labels: Volume) -> NDArray[np.float64]:
    """Return a coronal picture (x, z, 3): mean of the body, and the gland as a shade in front of it."""
    inside = labels.data > 0
    mean = np.where(inside, image.data, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    picture = 0.45 * grey(np.where(inside.any(axis=1), mean, -1000.0))
    depth = np.isin(labels.data, (*PARENCHYMA, *DUCTS)).sum(axis=1) * image.grid.spacing_mm[1]
    shade = np.clip(depth / 30.0, 0.0, 1.0)[..., None] * 0.6
    return np.asarray((1 - shade) * picture + shade * np.array([0.85, 0.62, 0.38]))


PAINTERS = {"preview.png": case_png}
"""What a case's folder gets beside its data."""
