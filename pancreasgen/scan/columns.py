"""Backprojection of filtered views with detector rows into columns of voxels along z, for cone beams and helices.

A column of voxels sees, in one view, a line of the detector's rows: row = off + scale · z. As in the projector
(pancreasgen.scan.slant) up to eight views are summed first, each shifted by what the middle of 32 voxels needs, and the
sum is read once for the 32 voxels.

Views a half turn apart see the same rays, or their opposites, from another height. Where asked, each counts by the row
that saw the voxel, and the sum of these weights is made 1 for each direction and voxel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

from pancreasgen.scan.slant import ROWS, STEPS, blend, clear, pick, read, scratch

WANDER = 0.2  # how far, in rows, the outer of the 32 voxels may err in the outermost column
_TILE = 16  # voxels along x and y whose views stay in the second-level cache


@njit(cache=True, inline="always")
def _aim_cone(x: Any, y: Any, view: Any, scan: Any) -> Any:
    """Return distance from the focus, fractional bin, weight, and z of the focus for a column in a view of a fan."""
    sine, cosine, focus, _ = view
    distance, first, per_bin, _ = scan
    along, across = x * sine - y * cosine + distance, x * cosine + y * sine
    square = along * along + across * across
    return math.sqrt(square), (math.atan2(across, along) - first) / per_bin, 1.0 / square, focus


@njit(cache=True, inline="always")
def _aim_parallel(x: Any, y: Any, view: Any, scan: Any) -> Any:
    """Return the same for a parallel view whose rays come from the foci of a helix; focus: at fan angle 0."""
    sine, cosine, focus, _ = view
    distance, first, per_bin, feed = scan
    across = x * cosine + y * sine
    ratio = across / distance
    along = x * sine - y * cosine + distance * math.sqrt(1.0 - ratio * ratio)
    return along, (across - first) / per_bin, 1.0, focus - feed * math.asin(ratio)


@njit(cache=True)
def _aim(taps: Any, there: Any, rows: Any, column: Any, views: Any, scan: Any, group: Any) -> Any:
    """Fill taps and row lines of up to eight views of a column; return their mean off and scale, scale 0 for none.

    there: 1 / count for a view that sees the column (8,).
    rows: off and scale of each view (2, 8). views: sine, cosine, z of the focus, whether it is there (view, 4).
    group: first view, how many, bins, cells of a row, whether parallel, rows per mm at the axis, middle row.
    """
    low_at, high_at, u, v = taps
    start, count, bins, cells, parallel, per_mm, middle = group
    off, scale, some = 0.0, 0.0, 0
    for g in range(STEPS):
        u[g], v[g] = np.float32(0.0), np.float32(0.0)
        low_at[g] = high_at[g] = np.uint64(0)
        rows[0, g], rows[1, g] = 0.0, 0.0
        there[g] = np.float32(0.0)
        if g >= count or views[start + g, 3] == 0.0:
            continue
        if parallel:
            aim = _aim_parallel(column[0], column[1], views[start + g], scan)
        else:
            aim = _aim_cone(column[0], column[1], views[start + g], scan)
        k = math.floor(aim[1])
        if aim[0] <= 0.0 or k < 0 or k + 1 >= bins:
            continue
        part = aim[1] - k
        low_at[g] = np.uint64(((start + g) * bins + k) * cells)
        high_at[g] = low_at[g] + np.uint64(cells)
        u[g], v[g] = np.float32((1.0 - part) * aim[2]), np.float32(part * aim[2])
        rows[1, g] = scan[0] / aim[0] * per_mm
        rows[0, g] = middle - aim[3] * rows[1, g]
        there[g] = np.float32(1.0 / count)
        off, scale, some = off + rows[0, g], scale + rows[1, g], some + 1
    if some == 0:
        return 0.0, 0.0
    return off / some, scale / some


@njit(cache=True, inline="always")
def _blend_views(temp: Any, need: Any, data: Any, taps: Any, rows: Any, line: Any) -> None:
    """Fill temp with the rows of some views. line: mean off and scale, middle z, first row, limits, number of views."""
    off, scale, centre, first, limits, count = line
    clear(temp, need)
    for g in range(0, count, 4):
        a0, b0, w0 = pick(taps, g, rows[0, g] - off + (rows[1, g] - scale) * centre, first, limits)
        h = g + 1
        a1, b1, w1 = pick(taps, h, rows[0, h] - off + (rows[1, h] - scale) * centre, first, limits)
        h = g + 2
        a2, b2, w2 = pick(taps, h, rows[0, h] - off + (rows[1, h] - scale) * centre, first, limits)
        h = g + 3
        a3, b3, w3 = pick(taps, h, rows[0, h] - off + (rows[1, h] - scale) * centre, first, limits)
        blend(temp, need, data, (a0, b0, a1, b1, a2, b2, a3, b3), (w0, w1, w2, w3))


@njit(cache=True)
def _read_views(sums: Any, weights: Any, temp: Any, data: Any, table: Any, taps: Any, rows: Any, place: Any) -> None:
    """Add to a column of voxels what some views show, and to weights that of the rows.

    taps: of the views; of the table. place: mean off and scale, depth, number of views, whether weights are wanted.
    depth: first z, distance of voxels, their number, rows, empty cells at each end.
    """
    off, scale, depth, count, balance = place
    z0, step, num_z, num_rows, pad = depth
    pitch = scale * step
    slope = np.float32(pitch)
    for block in range((num_z + ROWS - 1) // ROWS):
        z = z0 + block * ROWS * step
        start = off + scale * z
        first = math.floor(start)
        need = math.floor(start - first + (ROWS - 1) * pitch + 1e-3) + 2
        limits = (-need - 1, num_rows, pad)
        if first < limits[0] - 4 or first > limits[1] + 4:
            continue
        line = (off, scale, z + 0.5 * (min(num_z - block * ROWS, ROWS) - 1) * step, first, limits, count)
        to, base = np.uint64(block * ROWS), np.float32(start - first)
        _blend_views(temp, need, data, taps[0], rows, line)
        read(sums, to, temp, base, slope)
        if balance:
            _blend_views(temp, need, table, taps[1], rows, line)
            read(weights, to, temp, base, slope)


@njit(cache=True)
def _settle(image: Any, lowest: Any, to: Any, sums: Any, weights: Any, balance: Any) -> None:
    """Add a column's sums to the image, divided by its weights if balanced."""
    at = np.uint64(to)
    if balance:
        for i in range(np.uint64(sums.size)):
            lowest[at + i] = min(lowest[at + i], weights[i])
            image[at + i] += sums[i] / max(weights[i], np.float32(1e-6))
    else:
        for i in range(np.uint64(sums.size)):
            image[at + i] += sums[i]


@njit(cache=True)
def _fill_tile(image: Any, lowest: Any, data: Any, tile: Any, views: Any, table: Any, plan: Any) -> None:
    """Add a chunk of views to a tile of columns. tile: columns along x and y. plan: as :func:`fill_columns`."""
    plane, scan, lines, depth, (group, balance) = plan
    turns, num_views = views.shape[0], views.shape[1]
    bins, cells, parallel, per_mm, middle = lines
    _, ny, x0, y0, dx, dy, radius = plane
    tall = (depth[2] + ROWS - 1) // ROWS * ROWS
    temp, sums = np.zeros(cells + 8, dtype=np.float32), np.zeros(tall, dtype=np.float32)
    weights, rows = np.zeros(tall, dtype=np.float32), np.zeros((2, STEPS))
    taps, _ = scratch()
    start = np.zeros(STEPS, dtype=np.uint64)
    flat = (start, start, np.zeros(STEPS, dtype=np.float32), np.zeros(STEPS, dtype=np.float32))
    every = views.reshape(-1, 4)
    for first in range(0, num_views, group):
        count = min(group, num_views - first)
        for i in range(tile[0], tile[1]):
            for j in range(tile[2], tile[3]):
                x, y = x0 + i * dx, y0 + j * dy
                if x * x + y * y > radius * radius:
                    continue
                clear(sums, tall)
                clear(weights, tall)
                for turn in range(turns):
                    mine = (turn * num_views + first, count, bins, cells, parallel, per_mm, middle)
                    off, scale = _aim(taps, flat[2], rows, (x, y), every, scan, mine)
                    if scale > 0.0:
                        place = (off, scale, depth, count, balance)
                        _read_views(sums, weights, temp, data, table, (taps, flat), rows, place)
                _settle(image, lowest, (i * ny + j) * tall, sums, weights, balance)


@njit(cache=True, parallel=True)
def fill_columns(
    image: Any,
    lowest: Any,
    data: Any,
    views: Any,
    table: Any,
    plane: Any,
    scan: Any,
    lines: Any,
    depth: Any,
    group: Any,
) -> None:
    """Add a chunk of filtered views to an image (x, y, z filled up to whole 32s; flat).

    Args:
        image: What is added to.
        lowest: As the image: the smallest sum of weights that any direction gave; used if balanced.
        data: Filtered views (turn, view, bin, row with empty cells at both ends; flat).
        views: Sine and cosine of the angle, z of the focus, whether it is there (turn, view, 4).
        table: Weight of each row, with empty cells at both ends.
        plane: nx, ny, x and y of the first column, their distances along x and y, radius of the field [mm].
        scan: D, place of bin 0, distance of bins, feed per radian.
        lines: Bins, cells of a row, whether parallel, rows per mm at the axis, middle row.
        depth: First z, distance, number of voxels; rows; empty cells at each end.
        group: Views that are summed before they are read; whether the sum of weights is made 1.
    """
    nx, ny = int(plane[0]), int(plane[1])
    wide, high = (nx + _TILE - 1) // _TILE, (ny + _TILE - 1) // _TILE
    for task in prange(wide * high):
        i, j = task // high * _TILE, task % high * _TILE
        tile = (i, min(i + _TILE, nx), j, min(j + _TILE, ny))
        _fill_tile(image, lowest, data, tile, views, table, (plane, scan, lines, depth, group))
