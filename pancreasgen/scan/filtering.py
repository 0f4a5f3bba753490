"""Filter parallel views, two at a time, and sample them on the columns of a backprojection.

32 slices go through the transform side by side; two views are one complex view, because the filter is even.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.scan.fast import fma
from pancreasgen.scan.fft import CELL, LANES, transform
from pancreasgen.scan.shear import clear

Array = NDArray[np.float32]
_ROWS = np.uint64(LANES)
_TAPS, _PHASES = 8, 256


def interpolation_taps(taps: int = _TAPS, phases: int = _PHASES, beta: float = 5.0) -> Array:
    """Return a sinc in a Kaiser window between samples, (phases + 1, taps), each phase of sum 1.

    >>> int(interpolation_taps(8, 2)[0].argmax()), float(interpolation_taps(8, 2)[1].sum().round(5))
    (3, 1.0)
    """
    place = np.arange(taps) - (taps // 2 - 1) - np.arange(phases + 1)[:, None] / phases
    window = np.i0(beta * np.sqrt(np.clip(1.0 - (2.0 * place / taps) ** 2, 0.0, None)))
    table = np.sinc(place) * window
    return lock((table / table.sum(axis=1, keepdims=True)).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Where parallel views lie: view v and sample n see x cos α + y sin α = first_mm + n · step_mm.

    Attributes:
        angles_rad: α of each view (views,) [rad].
        first_mm: Sample 0 [mm].
        step_mm: From sample to sample of the filtered view [mm].
        num: Samples of the filtered view.
    """

    angles_rad: NDArray[np.float64]
    first_mm: float
    step_mm: float
    num: int


@dataclass(frozen=True, slots=True, eq=False)
class Filtering:
    """What is done to each view before it is backprojected.

    Attributes:
        taps: The filter at lags 0, 1, … of the measured samples, at least as many as samples; it is even.
        up: Fine columns of a pixel.
        undo: Whether to undo what the tree blurs.
    """

    taps: NDArray[np.float64]
    up: int = 2
    undo: bool = False


@njit(cache=True, inline="always")
def _read_view(cells: Any, sinogram: Any, view: Any, part: Any) -> None:
    for n in range(sinogram.shape[1]):
        to = np.uint64(n * CELL + part * LANES)
        for z in range(_ROWS):
            cells[to + z] = sinogram[view, n, z]


@njit(cache=True)
def _weigh(out: Any, cells: Any, response: Any, lengths: Any) -> None:
    """Fill out with the filtered spectrum of cells, parts exchanged; lengths: of cells, of out."""
    length, longer = lengths
    clear(out, 0, 2 * longer)
    for n in range(length):
        to, k = (n, n) if 2 * n <= length else (longer - length + n, length - n)
        weight, at, there = response[k], np.uint64(n * CELL), np.uint64(to * CELL)
        for z in range(_ROWS):
            out[there + z] = weight * cells[at + _ROWS + z]
            out[there + _ROWS + z] = weight * cells[at + z]


@njit(cache=True)
def _sample_view(lines: Any, line: Any, cells: Any, frame: Any, place: Any, table: Any) -> None:
    """Fill columns of a line with a filtered view. frame: columns of a line, low, high, samples, part of the cells."""
    width, low, high, num, part = frame
    phases, taps = table.shape[0] - 1, table.shape[1]
    weight = np.empty(taps, dtype=np.float32)
    for column in range(low, high):
        position = place[0] + place[1] * column
        first = math.floor(position)
        where = (position - first) * phases
        phase = int(where)
        rest = np.float32(where - phase)
        to = np.uint64((line * width + column) * LANES)
        for z in range(_ROWS):
            lines[to + z] = np.float32(0.0)
        for t in range(taps):
            n = first + t - (taps // 2 - 1)
            if 0 <= n < num:
                weight[t] = fma(rest, table[phase + 1, t] - table[phase, t], table[phase, t])
                at = np.uint64(n * CELL + part * LANES)
                for z in range(_ROWS):
                    lines[to + z] = fma(weight[t], cells[at + z], lines[to + z])


@njit(cache=True, parallel=True)
def filter_views(lines: Any, sinogram: Any, layer: Any, responses: Any, plans: Any, scratch: Any) -> None:
    """Fill the lines of a layer's views (view, column, slice; flat). Two views are filtered at a time."""
    views, view_slopes, places, sizes = layer
    width, half_lines, body, num = sizes
    length, radices, roots, longer, long_radices, long_roots, table = plans
    tasks = scratch.shape[0]
    for task in prange(tasks):
        one, other = scratch[task, 0], scratch[task, 1]
        for pair in range(task, (views.size + 1) // 2, tasks):
            v, w = 2 * pair, min(2 * pair + 1, views.size - 1)
            clear(one, 0, 2 * length)
            _read_view(one, sinogram, views[v], 0)
            _read_view(one, sinogram, views[w], 1)
            swapped = transform(one, other, length, radices, roots)
            spectrum, room = (other, one) if swapped else (one, other)
            _weigh(room, spectrum, responses[pair], (length, longer))
            swapped = transform(room, spectrum, longer, long_radices, long_roots)
            cells = spectrum if swapped else room
            for index, part in ((v, 1), (w, 0)):
                reach = int(abs(view_slopes[index]) * half_lines) + body
                low, high = max(width // 2 - reach, 0), min(width // 2 + reach, width)
                _sample_view(lines, index, cells, (width, low, high, num, part), places[index], table)
