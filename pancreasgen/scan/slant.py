"""Compiled sums along the rays of a cone beam, and their exact transpose.

Seen along the axis a ray is Joseph's: one sample, of two columns of voxels, at each step along its main axis (Joseph,
IEEE Trans Med Imaging 1:192, 1982). The rows of the detector share these columns; each row reads them at its own z,
which grows with the distance t from the focus: z = z_focus + v t / D, with v the row's height at the axis.

To read a column at many z that are not its voxels costs more than all else. So up to eight steps are summed first, each
shifted along z by what the middle of 32 rows moves from the steps' own middle, and the sum is read once for the 32
rows. The scale t of these steps is taken as one, so the outer rows of the 32 err in z, as much up as down: at most
WANDER of a voxel at the axis, else fewer steps are summed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

from pancreasgen.scan.fast import fma

ROWS = 32  # rows that are read together
STEPS = 8  # steps that are summed before they are read, at most
WANDER = 0.12  # of a voxel
_CHUNK = 4  # views that share a slab
_SUPER = 4  # blocks of rows whose part of a slab stays in the second-level cache
_ROWS = np.uint64(ROWS)
_ONE = np.uint64(1)


@njit(cache=True)
def blend(temp: Any, count: Any, data: Any, at: Any, weight: Any) -> None:
    """Add to temp four pairs of columns, each at two neighbouring z. at: 8 offsets; weight: 16, pair by pair."""
    a0, b0, a1, b1, a2, b2, a3, b3 = at
    (p0, q0, r0, s0), (p1, q1, r1, s1), (p2, q2, r2, s2), (p3, q3, r3, s3) = weight
    for z in range(np.uint64(count)):
        y = z + _ONE
        e0 = fma(s0, data[b0 + y], fma(r0, data[a0 + y], fma(q0, data[b0 + z], p0 * data[a0 + z])))
        e1 = fma(s1, data[b1 + y], fma(r1, data[a1 + y], fma(q1, data[b1 + z], p1 * data[a1 + z])))
        e2 = fma(s2, data[b2 + y], fma(r2, data[a2 + y], fma(q2, data[b2 + z], p2 * data[a2 + z])))
        e3 = fma(s3, data[b3 + y], fma(r3, data[a3 + y], fma(q3, data[b3 + z], p3 * data[a3 + z])))
        temp[z] += (e0 + e1) + (e2 + e3)


@njit(cache=True)
def read(sums: Any, to: Any, temp: Any, base: Any, pitch: Any) -> None:
    """Add to 32 cells of sums what temp is, linearly interpolated, at base + pitch · cell."""
    for r in range(_ROWS):
        place = fma(pitch, np.float32(r), base)
        whole = np.int32(place)
        i, part = np.uint32(whole), place - np.float32(whole)
        low, high = temp[i], temp[i + np.uint32(1)]
        sums[to + r] += fma(part, high - low, low)


@njit(cache=True)
def _spread(temp: Any, sums: Any, to: Any, base: Any, pitch: Any) -> None:
    """Do the transpose of :func:`read`."""
    for r in range(_ROWS):
        place = fma(pitch, np.float32(r), base)
        whole = np.int32(place)
        i, part = np.uint32(whole), place - np.float32(whole)
        value = sums[to + r]
        up = part * value
        temp[i] += value - up
        temp[i + np.uint32(1)] += up


@njit(cache=True)
def _add(data: Any, at: Any, temp: Any, count: Any, low: Any, high: Any) -> None:
    """Do the transpose of one column of :func:`blend`. temp begins with a 0, and cell count + 1 is one, too."""
    for z in range(np.uint64(count) + _ONE):
        data[at + z] += fma(high, temp[z], low * temp[z + _ONE])


@njit(cache=True, inline="always")
def pick(taps: Any, g: Any, shift: Any, first: Any, limits: Any) -> Any:
    """Return two offsets and four weights of a pair of columns that is read from ``first`` on, moved by a shift.

    limits: lowest and highest cell from which on there is anything, empty cells at each end.
    """
    low_at, high_at, u, v = taps
    whole = math.floor(shift)
    start = first + whole
    if start < limits[0] or start > limits[1]:
        none = np.float32(0.0)
        return np.uint64(0), np.uint64(0), (none, none, none, none)
    part = np.float32(shift - whole)
    rest = np.float32(1.0) - part
    offset = np.uint64(start + limits[2])
    return low_at[g] + offset, high_at[g] + offset, (rest * u[g], rest * v[g], part * u[g], part * v[g])


@njit(cache=True)
def _take(taps: Any, distance: Any, line: Any, slab: Any, sizes: Any, spans: Any) -> Any:
    """Fill the taps of up to eight steps of a ray from line ``slab`` on; return whether any counts.

    line: cross place at main index 0, its slope, distance from the focus at 0, its slope [mm].
    sizes: lines, columns of a line, strides of line and column, steps that may be summed.
    """
    low_at, high_at, u, v = taps
    main, cross, main_stride, cross_stride, steps = sizes
    length, some, end = abs(line[3]), False, min(slab + steps, main)
    for g in range((steps + 3) // 4 * 4):
        j = min(slab + g, end - 1)
        place = line[0] + line[1] * j
        i = math.floor(place)
        distance[g] = line[2] + line[3] * j
        u[g], v[g] = np.float32(0.0), np.float32(0.0)
        low_at[g] = high_at[g] = np.uint64(0)
        if slab + g < end and i >= -1 and i < cross and i + 1 >= spans[j, 0] and i <= spans[j, 1] and distance[g] > 0.0:
            part = place - i
            low_at[g] = np.uint64(j * main_stride + max(i, 0) * cross_stride)
            high_at[g] = np.uint64(j * main_stride + min(i + 1, cross - 1) * cross_stride)
            u[g] = np.float32((1.0 - part) * length) if i >= 0 else np.float32(0.0)
            v[g] = np.float32(part * length) if i + 1 < cross else np.float32(0.0)
            some = True
    return some


@njit(cache=True, inline="always")
def _place_block(block: Any, middle: Any, scan: Any, focus: Any, depth: Any) -> Any:
    """Return how 32 rows read: (first cell, rest, pitch, cells, shift per mm, limits).

    middle: distance of the steps' middle. scan: rows, row height over D and voxel [1/mm], steps. focus: its z [voxels].
    depth: voxels along z, empty cells at each end.
    """
    rows, per_mm, _ = scan
    pitch = per_mm * middle
    start = focus + (block * ROWS - (rows - 1) / 2.0) * pitch
    first = math.floor(start)
    count = math.floor(start - first + (ROWS - 1) * pitch + 1e-3) + 2
    last = min(block * ROWS + ROWS, rows) - 1
    slope = ((block * ROWS + last) / 2.0 - (rows - 1) / 2.0) * per_mm
    return first, np.float32(start - first), np.float32(pitch), count, slope, (-count - 1, depth[0], depth[1])


@njit(cache=True, inline="always")
def _misses(where: Any, distance: Any, middle: Any) -> bool:
    """Return whether a block of rows reads nothing but empty cells."""
    moved = abs(where[4] * (distance[0] - middle)) + 1.0
    return where[0] + moved < where[5][0] or where[0] - moved > where[5][1]


@njit(cache=True, inline="always")
def _quad(g: Any, distance: Any, middle: Any, taps: Any, where: Any) -> Any:
    """Return offsets and weights of steps g … g + 3 for a block of rows, as :func:`blend` wants them."""
    first, slope, limits = where[0], where[4], where[5]
    a0, b0, w0 = pick(taps, g, (distance[g] - middle) * slope, first, limits)
    a1, b1, w1 = pick(taps, g + 1, (distance[g + 1] - middle) * slope, first, limits)
    a2, b2, w2 = pick(taps, g + 2, (distance[g + 2] - middle) * slope, first, limits)
    a3, b3, w3 = pick(taps, g + 3, (distance[g + 3] - middle) * slope, first, limits)
    return (a0, b0, a1, b1, a2, b2, a3, b3), (w0, w1, w2, w3)


@njit(cache=True, inline="always")
def scratch() -> Any:
    """Return room for the taps of eight steps, and for their distances."""
    low_at, high_at = np.zeros(STEPS, dtype=np.uint64), np.zeros(STEPS, dtype=np.uint64)
    return (low_at, high_at, np.zeros(STEPS, np.float32), np.zeros(STEPS, np.float32)), np.zeros(STEPS)


@njit(cache=True)
def clear(temp: Any, count: Any) -> None:
    """Make the first cells 0."""
    for z in range(np.uint64(count)):
        temp[z] = np.float32(0.0)


@njit(cache=True)
def _project_ray(sums: Any, to: Any, data: Any, taps: Any, distance: Any, ray: Any) -> None:
    """Add eight steps of a ray to some blocks of its rows. ray: temp, middle, scan, focus, depth, blocks."""
    temp, middle, scan, focus, depth, blocks = ray
    for block in range(blocks[0], blocks[1]):
        where = _place_block(block, middle, scan, focus, depth)
        if not _misses(where, distance, middle):
            clear(temp, where[3])
            for g in range(0, scan[2], 4):
                at, weight = _quad(g, distance, middle, taps, where)
                blend(temp, where[3], data, at, weight)
            read(sums, to + np.uint64(block * ROWS), temp, where[1], where[2])


@njit(cache=True)
def _spread_ray(data: Any, sums: Any, to: Any, taps: Any, distance: Any, ray: Any) -> None:
    """Do the transpose of :func:`_project_ray`."""
    temp, middle, scan, focus, depth, blocks = ray
    for block in range(blocks[0], blocks[1]):
        where = _place_block(block, middle, scan, focus, depth)
        if not _misses(where, distance, middle):
            clear(temp, where[3] + 2)
            _spread(temp[1:], sums, to + np.uint64(block * ROWS), where[1], where[2])
            for g in range(0, scan[2], 4):
                at, weight = _quad(g, distance, middle, taps, where)
                for s in range(4):
                    w = weight[s]
                    if w[0] != 0.0 or w[1] != 0.0 or w[2] != 0.0 or w[3] != 0.0:
                        _add(data, at[2 * s], temp, where[3], w[0], w[2])
                        _add(data, at[2 * s + 1], temp, where[3], w[1], w[3])


@njit(cache=True)
def _sizes(shape: Any, axis: Any, steps: Any) -> Any:
    """Return lines, columns of a line, strides of line and column, and steps, for rays along x (0) or y (1)."""
    nx, ny, nz, pad = shape
    cells = nz + 2 * pad
    return (nx, ny, ny * cells, cells, steps) if axis == 0 else (ny, nx, cells, ny * cells, steps)


@njit(cache=True)
def _project_views(sums: Any, data: Any, beams: Any, shape: Any, scan: Any, spans: Any, views: Any) -> None:
    lines, along, focus = beams
    bins, blocks = along.shape[1], (scan[0] + ROWS - 1) // ROWS
    temp = np.zeros(shape[2] + 2 * shape[3] + 8, dtype=np.float32)
    taps, distance = scratch()
    for axis in range(2):
        sizes, span = _sizes(shape, axis, scan[2]), spans[axis]
        for slab in range(0, sizes[0], scan[2]):
            for part in range(0, blocks, _SUPER):
                some = (part, min(part + _SUPER, blocks))
                for view in range(views[0], views[1]):
                    for k in range(bins):
                        line = lines[view, k]
                        middle = line[2] + line[3] * (slab + 0.5 * (scan[2] - 1))
                        if along[view, k] != axis or middle <= 0.0:
                            continue
                        if _take(taps, distance, line, slab, sizes, span):
                            ray = (temp, middle, scan, focus[view], (shape[2], shape[3]), some)
                            to = np.uint64((view * bins + k) * blocks * ROWS)
                            _project_ray(sums, to, data, taps, distance, ray)


@njit(cache=True)
def _spread_slab(data: Any, sums: Any, beams: Any, shape: Any, scan: Any, axis: Any, slab: Any) -> None:
    lines, along, focus = beams
    views, bins = along.shape
    blocks = (scan[0] + ROWS - 1) // ROWS
    temp = np.zeros(shape[2] + 2 * shape[3] + 8, dtype=np.float32)
    taps, distance = scratch()
    sizes = _sizes(shape, axis, scan[2])
    span = np.zeros((sizes[0], 2), dtype=np.int64)
    span[:, 1] = sizes[1]
    for view in range(views):
        for k in range(bins):
            line = lines[view, k]
            middle = line[2] + line[3] * (slab + 0.5 * (scan[2] - 1))
            if along[view, k] == axis and middle > 0.0 and _take(taps, distance, line, slab, sizes, span):
                ray = (temp, middle, scan, focus[view], (shape[2], shape[3]), (0, blocks))
                _spread_ray(data, sums, np.uint64((view * bins + k) * blocks * ROWS), taps, distance, ray)


@njit(cache=True, parallel=True)
def forward_cone(sums: Any, data: Any, beams: Any, shape: Any, scan: Any, spans: Any) -> None:
    """Add to sums (view, bin, row; flat) the integrals of data (x, y, z; flat, ``pad`` empty cells at each end of z).

    beams: lines (view, bin, 4), main axis (view, bin), focus (view,) [voxels]. shape: x, y, z, pad. scan: rows, row
    height over D and voxel [1/mm], steps that are summed before they are read.
    """
    views = beams[2].size
    for chunk in prange((views + _CHUNK - 1) // _CHUNK):
        some = (chunk * _CHUNK, min((chunk + 1) * _CHUNK, views))
        _project_views(sums, data, beams, shape, scan, spans, some)


@njit(cache=True, parallel=True)
def backward_cone(data: Any, sums: Any, beams: Any, shape: Any, scan: Any, axis: Any) -> None:
    """Do the transpose of :func:`forward_cone` for the rays along one axis; each task owns some lines of data."""
    for task in prange((shape[axis] + scan[2] - 1) // scan[2]):
        _spread_slab(data, sums, beams, shape, scan, axis, task * scan[2])
