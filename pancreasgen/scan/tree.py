"""Line integrals of a block by multilevel shear-and-sum, for any rays, and the exact transpose.

Rays are sorted by slope. A coarse group of near slopes shares sums of four rows, a fine group sums of sixteen, and each
ray takes one linear sample of every sum: a sixteenth of Joseph's samples. What the three linear interpolations blur on
average, the refinement of the columns undoes (:func:`refining_taps`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.scan.geometry import Rays
from pancreasgen.scan.project import Plane, ray_line
from pancreasgen.scan.shear import (
    REACH,
    ROWS,
    SIXTEEN,
    coarsen_line,
    refine_line,
    refining_taps,
    sample_ray,
    spread_line,
    spread_ray,
    sum_lines,
)

Array = NDArray[np.float32]
COARSE = 12  # groups of slopes −1 … 1; a ray is up to 1/8 pixel from where its group puts a row
FINE = 4  # fine groups of a coarse one
_BINS = 64  # bins of a view that are taken together, so that its neighbours find their lines in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The rays that run along one main axis, sorted by slope.

    Attributes:
        along_y: Whether rows of the image are lines; else columns are.
        lines: Lines of the image, filled up to whole sixteens.
        margin: Empty columns at each end of a line.
        width: Columns of a line.
        reach: Columns by which the shifts of four lines and of four sums move, at most.
        slopes: Fine columns per line, of the coarse groups and of their fine groups (coarse, 1 + FINE).
        segments: View, first and last + 1 bin of runs of rays, sorted by fine group.
        first: Where the segments of fine group g begin (coarse · FINE + 1,).
    """

    along_y: bool
    lines: int
    margin: int
    width: int
    reach: tuple[int, int]
    slopes: NDArray[np.float64]
    segments: NDArray[np.int64]
    first: NDArray[np.int64]


def make_side(plane: Plane, rays: Rays, along_y: bool) -> Side:
    """Return the plan of the rays that run along one axis. plane: its border of one pixel is empty."""
    main, cross = (1, 0) if along_y else (0, 1)
    ratio = plane.spacing_mm[main] / plane.spacing_mm[cross]
    angle = rays.view_rad[:, None] + rays.bin_rad[None, :]
    sine, cosine = np.sin(angle), np.cos(angle)
    mine = (np.abs(cosine) >= np.abs(sine)) == along_y
    under, over = (cosine, sine) if along_y else (sine, cosine)
    share = 0.5 - 0.5 * over / np.where(mine, under, 1.0)  # of the slopes, −ratio … ratio
    coarse = math.ceil(COARSE * max(ratio, 1.0))
    group = np.where(mine, np.clip((share * coarse * FINE).astype(np.int64), 0, coarse * FINE - 1), -1)
    slope = (np.arange(coarse * FINE) + 0.5) / (coarse * FINE)
    slopes = np.concatenate([slope.reshape(coarse, FINE).mean(axis=1)[:, None], slope.reshape(coarse, FINE)], axis=1)
    reach = (math.ceil(3.0 * ratio) + 1, math.ceil(12.0 * ratio) + 1)
    margin = REACH + 2 * sum(reach) + 4
    segments = _segments(group)
    first = np.searchsorted(segments[:, 0], np.arange(coarse * FINE + 1))
    lines = -(-(plane.shape[main] - 2) // SIXTEEN) * SIXTEEN
    width = 2 * (plane.shape[cross] - 2) + 2 * margin
    cut = np.ascontiguousarray(segments[:, 1:])
    return Side(along_y, lines, margin, width, reach, (2.0 * slopes - 1.0) * 2.0 * ratio, cut, first)


def _segments(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return runs (group, view, first bin, last + 1) of equal groups ≥ 0 in (views, bins), sorted by group and run."""
    views, bins = group.shape
    edge = np.ones((views, bins), dtype=bool)
    edge[:, 1:] = group[:, 1:] != group[:, :-1]
    edge[:, ::_BINS] = True
    view, start = np.nonzero(edge)
    stop = np.append(start[1:], bins)
    stop[np.append(view[1:] != view[:-1], True)] = bins
    which = group[view, start]
    runs = np.stack([which, view, start, stop], axis=1)[which >= 0]
    return runs[np.lexsort((runs[:, 1], runs[:, 2] // _BINS, runs[:, 0]))]


def _spans(occupied: NDArray[np.bool_], side: Side) -> NDArray[np.int64]:
    """Return for each sixteen lines the columns (…, 2) whose sums may hold something; (0, 0) for none."""
    flags: NDArray[np.bool_] = occupied if side.along_y else occupied.T
    flags = np.concatenate([flags, np.zeros((side.lines - flags.shape[0], flags.shape[1]), dtype=bool)])
    size = flags.shape[1]
    filled: NDArray[np.bool_] = np.asarray(flags.reshape(-1, SIXTEEN, size).any(axis=1))
    some: NDArray[np.bool_] = np.asarray(filled.any(axis=1))
    grown = REACH + sum(side.reach)
    low = side.margin + 2 * filled.argmax(axis=1) - grown
    high = side.margin + 2 * (size - 1 - filled[:, ::-1].argmax(axis=1)) + grown + 1
    return np.ascontiguousarray(np.stack([low, high], axis=1) * some[:, None])


@njit(cache=True, parallel=True)
def _refine(fine: Any, block: Any, base: Any, shape: Any, side: Any, taps: Any) -> None:
    lines, width, margin, along_y, _ = side
    ny, nx = shape
    used, pixels = (ny - 2, nx - 2) if along_y else (nx - 2, ny - 2)
    line_stride, stride = (nx * ROWS, ROWS) if along_y else (ROWS, nx * ROWS)
    for j in prange(lines):
        if j < used:
            at = base + (nx + 1) * ROWS + j * line_stride
            refine_line(fine, j, block, at, stride, (pixels, width, margin, taps))
        else:
            fine[j * width * ROWS : (j + 1) * width * ROWS] = np.float32(0.0)


@njit(cache=True, parallel=True)
def _coarsen(block: Any, fine: Any, shape: Any, side: Any, taps: Any) -> None:
    _, width, margin, along_y, _ = side
    ny, nx = shape
    used, pixels = (ny - 2, nx - 2) if along_y else (nx - 2, ny - 2)
    line_stride, stride = (nx * ROWS, ROWS) if along_y else (ROWS, nx * ROWS)
    for j in prange(used):
        coarsen_line(block, (nx + 1) * ROWS + j * line_stride, stride, fine, j, (pixels, width, margin, taps))


@njit(cache=True, inline="always")
def _ray(side: Any, rays: Any, numbers: Any, view: Any, k: Any) -> Any:
    """Return column at the first sixteen lines, columns from sixteen to sixteen, and length of a step."""
    start, slope, length = ray_line(rays[0][view] + rays[1][k], rays[2][k], numbers, side[3])
    return 2.0 * (start + 7.5 * slope) + side[2], 32.0 * slope, length


@njit(cache=True, parallel=True)
def _forward(sums: Any, base: Any, fine: Any, side: Any, plan: Any, rays: Any, work: Any) -> None:
    """Fill the rays of one side, sums (view, bin, row; flat from base on)."""
    slopes, segments, first, spans, numbers = plan
    fours, many = work
    lines, width, _, _, far = side
    num_bins, tasks, sixteens = rays[1].size, fours.shape[0], lines // SIXTEEN
    for task in prange(tasks):
        four, sixteen = fours[task], many[task]
        for c in range(task, slopes.shape[0], tasks):
            if first[c * FINE] == first[(c + 1) * FINE]:
                continue
            for k in range(sixteens):
                low, high = spans[k, 0], spans[k, 1]
                if high > low:
                    for j in range(4):
                        sum_lines(four, j, fine, 16 * k + 4 * j, (width, low - far, high + far), (slopes[c, 0], 1.0))
                    for g in range(FINE):
                        sum_lines(sixteen, g * sixteens + k, four, 0, (width, low, high), (slopes[c, g + 1], 4.0))
            for g in range(FINE):
                for s in range(first[c * FINE + g], first[c * FINE + g + 1]):
                    view = segments[s, 0]
                    for k in range(segments[s, 1], segments[s, 2]):
                        ray = _ray(side, rays, numbers, view, k)
                        to = np.uint64(base + (view * num_bins + k) * ROWS)
                        sample_ray(sums, to, sixteen, ray, (g * sixteens, width), spans)


@njit(cache=True, parallel=True)
def _transpose(fine: Any, sums: Any, base: Any, side: Any, plan: Any, rays: Any, work: Any) -> None:
    """Fill the fine lines with the transpose of :func:`_forward`; a thread owns a fine group, then sixteen lines."""
    slopes, segments, first, spans, numbers = plan
    four, sixteens = work
    lines, width, _, _, far = side
    num_bins = rays[1].size
    for j in prange(lines):
        fine[j * width * ROWS : (j + 1) * width * ROWS] = np.float32(0.0)
    for c in range(slopes.shape[0]):
        if first[c * FINE] == first[(c + 1) * FINE]:
            continue
        for g in prange(FINE):
            sixteens[g, :] = np.float32(0.0)
            for s in range(first[c * FINE + g], first[c * FINE + g + 1]):
                view = segments[s, 0]
                for k in range(segments[s, 1], segments[s, 2]):
                    at = np.uint64(base + (view * num_bins + k) * ROWS)
                    spread_ray(sixteens[g], sums, at, _ray(side, rays, numbers, view, k), width, spans)
        for k in prange(lines // SIXTEEN):
            low, high = spans[k, 0], spans[k, 1]
            four[4 * k * width * ROWS : 4 * (k + 1) * width * ROWS] = np.float32(0.0)
            for g in range(FINE):
                if first[c * FINE + g] < first[c * FINE + g + 1]:
                    spread_line(four, 4 * k, sixteens[g], k, (width, low, high), (slopes[c, g + 1], 4.0))
            for j in range(4 * k, 4 * k + 4):
                spread_line(fine, 4 * j, four, j, (width, low - far, high + far), (slopes[c, 0], 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The plan of some rays on a plane whose border of one pixel is empty.

    Attributes:
        plane: Where the pixels are.
        rays: The rays of a row.
        sides: Those along y, those along x.
    """

    plane: Plane
    rays: Rays
    sides: tuple[Side, Side]

    @classmethod
    def of(cls, plane: Plane, rays: Rays) -> Tree:
        """Return the plan of rays on a plane."""
        return cls(plane, rays, (make_side(plane, rays, True), make_side(plane, rays, False)))

    def _lines(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        return self.rays.view_rad, self.rays.bin_rad, self.rays.offset_mm

    def _numbers(self) -> tuple[float, float, float, float]:
        """Return the plane's numbers from the first pixel inside the border on."""
        x0, y0, dx, dy = self.plane.numbers()
        return x0 + dx, y0 + dy, dx, dy

    def _side_numbers(self, side: Side) -> tuple[int, int, int, bool, int]:
        return side.lines, side.width, side.margin, side.along_y, side.reach[1] + 2

    def forward(self) -> Callable[[Array], Array]:
        """Return the projector of blocks, (C, ny, nx, 32) → (C, views, bins, 32); it keeps its scratch memory."""
        tasks, size = min(numba.get_num_threads(), COARSE), max(side.lines * side.width for side in self.sides) * ROWS
        fine = np.empty(size, dtype=np.float32)
        four = np.zeros((tasks, 4 * max(side.width for side in self.sides) * ROWS), dtype=np.float32)
        sixteen = np.zeros((tasks, FINE * size // SIXTEEN), dtype=np.float32)
        taps, shape = refining_taps(), (self.plane.shape[1], self.plane.shape[0])

        def project(block: Array) -> Array:
            views, bins = self.rays.view_rad.size, self.rays.bin_rad.size
            sums = np.zeros((block.shape[0], views, bins, ROWS), dtype=np.float32)
            flat, data = sums.reshape(-1), block.reshape(-1)
            for channel in range(block.shape[0]):
                occupied: NDArray[np.bool_] = np.any(block[channel, 1:-1, 1:-1], axis=2)
                for side in self.sides if occupied.any() else ():
                    base, numbers = channel * shape[0] * shape[1] * ROWS, self._side_numbers(side)
                    plan = (side.slopes, side.segments, side.first, _spans(occupied, side), self._numbers())
                    _refine(fine, data, base, shape, numbers, taps)
                    to = channel * views * bins * ROWS
                    _forward(flat, to, fine, numbers, plan, self._lines(), (four, sixteen))
            return sums

        return project

    def transpose(self) -> Callable[[Array], Array]:
        """Return the transpose of :meth:`forward`, (C, views, bins, 32) → (C, ny, nx, 32), exactly."""
        size = max(side.lines * side.width for side in self.sides) * ROWS
        fine, four = np.empty(size, dtype=np.float32), np.empty(size // 4, dtype=np.float32)
        sixteens = np.empty((FINE, size // SIXTEEN), dtype=np.float32)
        taps, shape = refining_taps(), (self.plane.shape[1], self.plane.shape[0])

        def backproject(sums: Array) -> Array:
            block = np.zeros((sums.shape[0], *shape, ROWS), dtype=np.float32)
            full = np.ones((shape[0] - 2, shape[1] - 2), dtype=bool)
            flat = np.ascontiguousarray(sums, dtype=np.float32).reshape(-1)
            for channel in range(sums.shape[0]):
                for side in self.sides:
                    base, numbers = channel * flat.size // sums.shape[0], self._side_numbers(side)
                    plan = (side.slopes, side.segments, side.first, _spans(full, side), self._numbers())
                    _transpose(fine, flat, base, numbers, plan, self._lines(), (four, sixteens))
                    _coarsen(block[channel].reshape(-1), fine, shape, numbers, taps)
            return block

        return backproject
