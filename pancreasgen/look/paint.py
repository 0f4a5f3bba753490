"""Drawing without global state: figures as objects, pictures as PNG bytes that are the same for the same numbers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid

WINDOW_HU = (-160.0, 240.0)
BACKGROUND, INK = "#101216", "#e8e8e8"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty dark figure [inches]."""
    figure = Figure(figsize=(width, height), facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure, dpi: int = 100) -> bytes:
    """Return a figure as PNG, without a word on the software or the time."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return stream.getvalue()


def grey(values_hu: NDArray[Any]) -> NDArray[np.float64]:
    """Return HU as grey (..., 3) from 0 to 1 in the abdominal window −160 to 240 HU.

    >>> grey(np.array([-200.0, 40.0, 300.0]))[:, 0].tolist()
    [0.0, 0.5, 1.0]
    """
    low, high = WINDOW_HU
    scaled = np.clip((values_hu.astype(np.float64) - low) / (high - low), 0.0, 1.0)
    return np.repeat(scaled[..., None], 3, axis=-1)


def radiological(plane: NDArray[Any]) -> NDArray[Any]:
    """Return a plane (right, up, …) as rows of a picture: the patient's right on the left, front or head above.

    >>> radiological(np.array([[1, 2], [3, 4]])).tolist()  # column 1 of each pair is higher, row 1 is further right
    [[4, 2], [3, 1]]
    """
    return np.swapaxes(plane, 0, 1)[::-1, ::-1]


def overlay(
    picture: NDArray[np.float64], labels: NDArray[Any], colours: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Return a picture (h, w, 3) with labels (h, w) painted over it; label 0 and colours of NaN stay clear."""
    paint = colours[labels]
    clear = (labels == 0)[..., None] | np.isnan(paint)
    return np.where(clear, picture, (1 - strength) * picture + strength * np.nan_to_num(paint))


def axes_at(figure: Figure, box: tuple[float, float, float, float], title: str) -> Any:
    """Return bare axes in a box (left, bottom, width, height; shares of the figure) with a small title."""
    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.set_title(title, color=INK, fontsize=9, loc="left", pad=4)
    return axes


def scale_bar(axes: Any, left: float, bottom: float, length_mm: float = 50.0) -> None:
    """Draw a bar of a length in mm from a point, in the axes' own coordinates (mm)."""
    axes.plot([left, left + length_mm], [bottom, bottom], color=INK, linewidth=2, solid_capstyle="butt")
    axes.text(left + length_mm / 2, bottom, f"{length_mm:g} mm", color=INK, fontsize=8, ha="center", va="bottom")


def extent_mm(grid: Grid, up: int) -> tuple[float, float, float, float]:
    """Return (left, right, bottom, top) [mm] of a picture whose rows run along an axis (1 front, 2 head).

    The horizontal axis is −x, so that the patient's right is on the left.
    """
    half = [0.5 * spacing for spacing in grid.spacing_mm]
    right = grid.origin_mm[0] + (grid.shape[0] - 0.5) * grid.spacing_mm[0]
    top = grid.origin_mm[up] + (grid.shape[up] - 0.5) * grid.spacing_mm[up]
    return (-right, -(grid.origin_mm[0] - half[0]), grid.origin_mm[up] - half[up], top)
