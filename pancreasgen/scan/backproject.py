"""Backprojection of filtered parallel views by multilevel shear-and-sum.

The projector's tree upside down: near views are shifted and summed into four lines for sixteen rows of the image, those
into lines for four rows, those into rows. Each view is filtered, and sampled on columns that are finer than the pixels,
before the tree; the filter undoes what the tree's three linear interpolations blur on average. It is no transpose of
the projector: it interpolates views, the transpose spreads them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.scan.fast import fma
from pancreasgen.scan.fft import CELL, fft_length, fft_plan
from pancreasgen.scan.filtering import Filtering, Views, filter_views, interpolation_taps
from pancreasgen.scan.project import Plane
from pancreasgen.scan.shear import ROWS, SIXTEEN, blend, blend_more, clear, fours, split

Array = NDArray[np.float32]
COARSE, FINE = 12, 4
_ROWS = np.uint64(ROWS)
_LEVELS, _FAINTEST = 3, 0.1  # linear interpolations of a view, and the least that is left of a frequency when undone
_TILE = 128  # columns that stay in the cache while all views of a group are added to them


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """The plan of the views that run along one main axis.

    Attributes:
        along_y: Whether rows of the image are lines; else columns are.
        up: Fine columns of a pixel.
        lines: Lines of the image, filled up to whole sixteens.
        margin: Fine columns before the first pixel, in sums.
        width: Fine columns of a sum.
        view_margin, view_width: The same of a view.
        views: Views, sorted by slope.
        first: Where those of a fine group begin (coarse · FINE + 1,).
        slopes: Fine columns per line, of groups (coarse, 1 + FINE).
        view_slopes: The same of the views.
        places: Sample of a view at its column 0, samples per column (views, 2).
        shrink: Width of a fine column as the view sees it [mm] (views,).
    """

    along_y: bool
    up: int
    lines: int
    margin: int
    width: int
    view_margin: int
    view_width: int
    views: NDArray[np.int64]
    first: NDArray[np.int64]
    slopes: NDArray[np.float64]
    view_slopes: NDArray[np.float64]
    places: NDArray[np.float64]
    shrink: NDArray[np.float64]


def make_layer(plane: Plane, views: Views, up: int, along_y: bool) -> Layer:
    """Return the plan of the views along one main axis."""
    main, cross = (1, 0) if along_y else (0, 1)
    ratio = plane.spacing_mm[main] / plane.spacing_mm[cross]
    cosine, sine = np.cos(views.angles_rad), np.sin(views.angles_rad)
    mine = np.flatnonzero((np.abs(cosine) >= np.abs(sine)) == along_y)
    under, over = (cosine[mine], sine[mine]) if along_y else (sine[mine], cosine[mine])
    slope = -over / under
    order = np.lexsort((mine, slope))
    mine, slope, under, over = mine[order], slope[order], under[order], over[order]
    coarse = math.ceil(COARSE * max(ratio, 1.0))
    group = np.clip(((0.5 + 0.5 * slope) * coarse * FINE).astype(np.int64), 0, coarse * FINE - 1)
    centre = (np.arange(coarse * FINE) + 0.5).reshape(coarse, FINE) / (coarse * FINE)
    slopes = np.concatenate([centre.mean(axis=1)[:, None], centre], axis=1)
    far = math.ceil(1.5 * up * ratio) + math.ceil(6.0 * up * ratio) + 4
    lines, pixels = -(-plane.shape[main] // SIXTEEN) * SIXTEEN, plane.shape[cross]
    middle = (lines - 1) / 2.0
    view_margin = far + math.ceil(up * ratio * lines / 2.0) + 2
    column_mm = plane.spacing_mm[cross] / up
    start = (plane.first_mm[cross] - view_margin * column_mm) * under
    start = start + (plane.first_mm[main] + middle * plane.spacing_mm[main]) * over - views.first_mm
    places = np.stack([start / views.step_mm, column_mm * under / views.step_mm], axis=1)
    return Layer(
        along_y, up, lines, far, up * pixels + 2 * far, view_margin, up * pixels + 2 * view_margin,
        mine, np.searchsorted(group, np.arange(coarse * FINE + 1)), (2.0 * slopes - 1.0) * up * ratio,
        slope * up * ratio, places, column_mm * np.abs(under),
    )  # fmt: skip


@njit(cache=True)
def _add_row(image: Any, at: Any, stride: Any, pixels: Any, data: Any, column: Any, shift: Any) -> None:
    """Add to a row of the image every up-th column of a line, between two. column: first, up. shift: two weights."""
    first, up = column
    u, v = shift
    for i in range(pixels):
        to, a = np.uint64(at + i * stride), np.uint64((first + i * up) * ROWS)
        for z in range(_ROWS):
            image[to + z] += fma(v, data[a + _ROWS + z], u * data[a + z])


@njit(cache=True)
def _sum_views(sixteen: Any, g: Any, lines: Any, run: Any, away: Any, widths: Any, slopes: Any) -> None:
    """Fill a sum of sixteen rows with the views [begin, end), at a main row that is ``away`` from the middle."""
    begin, end = run
    width, view_width, gap = widths
    for tile in range(0, width - 1, _TILE):
        count = min(_TILE, width - 1 - tile)
        for v in range(begin, end, 4):
            v1, v2, v3 = min(v + 1, end - 1), min(v + 2, end - 1), min(v + 3, end - 1)
            whole, u, f = split(-slopes[v] * away, -slopes[v1] * away, -slopes[v2] * away, -slopes[v3] * away)
            one, none = np.float32(1.0), np.float32(0.0)
            k1, k2, k3 = one if v + 1 < end else none, one if v + 2 < end else none, one if v + 3 < end else none
            at = tile + gap
            columns = (
                v * view_width + at + whole[0], v1 * view_width + at + whole[1],
                v2 * view_width + at + whole[2], v3 * view_width + at + whole[3],
            )  # fmt: skip
            shifts = (u[0], k1 * u[1], k2 * u[2], k3 * u[3]), (f[0], k1 * f[1], k2 * f[2], k3 * f[3])
            if v == begin:
                blend(sixteen, g * width + tile, count, lines, columns, shifts)
            else:
                blend_more(sixteen, g * width + tile, count, lines, columns, shifts)


@njit(cache=True)
def _sum_groups(four: Any, sixteen: Any, slopes: Any, width: Any) -> None:
    """Fill the sums of four rows, four lines, with those of sixteen rows of the fine groups, four lines."""
    inner = int(6.0 * max(abs(slopes[1]), abs(slopes[FINE]))) + 2
    for j in range(4):
        r = (1.5 - j) * 4.0
        whole, u, v = split(r * slopes[1], r * slopes[2], r * slopes[3], r * slopes[4])
        columns = (
            inner + whole[0],
            width + inner + whole[1],
            2 * width + inner + whole[2],
            3 * width + inner + whole[3],
        )
        blend(four, j * width + inner, width - 2 * inner, sixteen, columns, (u, v))


@njit(cache=True)
def _add_rows(image: Any, place: Any, size: Any, four: Any, slope: Any, columns: Any) -> None:
    """Add the sums of four rows to the rows."""
    at, line_stride, stride = place
    rows, pixels = size
    width, margin, up = columns
    whole, u, v = fours(-slope, 1.0)
    for j in range(rows):
        column = (j // 4 * width + margin + whole[j % 4], up)
        _add_row(image, at + j * line_stride, stride, pixels, four, column, (u[j % 4], v[j % 4]))


@njit(cache=True, parallel=True)
def _backproject(image: Any, lines: Any, layer: Any, frame: Any, columns: Any, work: Any) -> None:
    """Add all views of a layer to the image (main, cross; flat by strides); a thread owns sixteen of its lines."""
    first, slopes, view_slopes = layer
    num_lines, used, pixels, line_stride, stride = frame
    margin, width, view_margin, view_width, up = columns
    fours_of, sixteens = work
    tasks = fours_of.shape[0]
    for task in prange(tasks):
        four, sixteen = fours_of[task], sixteens[task]
        for block in range(task, num_lines // SIXTEEN, tasks):
            away = SIXTEEN * block + 7.5 - (num_lines - 1) / 2.0
            for c in range(slopes.shape[0]):
                if first[c * FINE] == first[(c + 1) * FINE]:
                    continue
                for g in range(FINE):
                    run = (first[c * FINE + g], first[c * FINE + g + 1])
                    if run[0] == run[1]:
                        clear(sixteen, g * width, width)
                    else:
                        widths = (width, view_width, view_margin - margin)
                        _sum_views(sixteen, g, lines, run, away, widths, view_slopes)
                _sum_groups(four, sixteen, slopes[c], width)
                rows = min(SIXTEEN, used - SIXTEEN * block)
                at = SIXTEEN * block * line_stride
                _add_rows(image, (at, line_stride, stride), (rows, pixels), four, slopes[c, 0], (width, margin, up))


def _responses(layer: Layer, filtering: Filtering, length: int, views: Views, factor: int) -> Array:
    """Return what the filter passes of each frequency, for each pair of views (pairs, length // 2 + 1)."""
    lags = np.zeros(length)
    lags[: filtering.taps.size] = filtering.taps
    lags[length - filtering.taps.size + 1 :] = filtering.taps[:0:-1]
    spectrum = np.fft.rfft(lags).real / length
    frequency = np.arange(spectrum.size) / (length * factor * views.step_mm)
    column = np.stack(
        [layer.shrink[0::2], np.append(layer.shrink[1::2], layer.shrink[-1:])[: (layer.shrink.size + 1) // 2]]
    )
    blur = np.sinc(frequency * column.mean(axis=0)[:, None]) ** (2 * _LEVELS)
    undone = 1.0 / np.maximum(blur, _FAINTEST) if filtering.undo else np.ones_like(blur)
    return (spectrum * undone).astype(np.float32)


def backproject_views(sinogram: Array, views: Views, plane: Plane, filtering: Filtering) -> Array:
    """Return the backprojection of filtered views.

    Args:
        sinogram: Shape (views, samples, 32).
        views: Where the filtered samples lie; they may be a multiple of those of the sinogram.
        plane: Pixels of the image.
        filtering: The filter, weight of a view included.

    Returns:
        Shape (ny, nx, 32), float32.
    """
    nx, ny = plane.shape
    image = np.zeros((ny, nx, ROWS), dtype=np.float32)
    factor, tasks, up = views.num // sinogram.shape[1], numba.get_num_threads(), filtering.up
    length = fft_length(2 * sinogram.shape[1] - 1)
    plans = (length, *fft_plan(length), length * factor, *fft_plan(length * factor), interpolation_taps())
    for along_y in (True, False):
        layer = make_layer(plane, views, up, along_y)
        if layer.views.size == 0:
            continue
        responses = _responses(layer, filtering, length, views, factor)
        lines = np.empty(layer.views.size * layer.view_width * ROWS, dtype=np.float32)
        scratch = np.empty((tasks, 2, length * factor * CELL), dtype=np.float32)
        sizes = (layer.view_width, layer.lines / 2.0, layer.width // 2 + 4, views.num)
        filter_views(lines, sinogram, (layer.views, layer.view_slopes, layer.places, sizes), responses, plans, scratch)
        work = tuple(np.empty((tasks, n * layer.width * ROWS), dtype=np.float32) for n in (4, FINE))
        frame = (layer.lines, *((ny, nx, nx * ROWS, ROWS) if along_y else (nx, ny, ROWS, nx * ROWS)))
        columns = (layer.margin, layer.width, layer.view_margin, layer.view_width, up)
        _backproject(image.reshape(-1), lines, (layer.first, layer.slopes, layer.view_slopes), frame, columns, work)
    return image
