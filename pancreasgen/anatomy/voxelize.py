"""Ducts → voxels: the exact share of each voxel that is lumen, and centrelines that never leak through corners.

A segment is a round cone: the union of the balls of linearly changing radius along it. The lumen is the union of all
cones, and no part of it is counted twice. :mod:`~pancreasgen.anatomy.cover` says how shares are found. The grid is
worked through in slabs along x, so that memory does not grow with it; shares do not depend on the slabs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.anatomy.cover import THIN_EDGES, cover_wide, cut_thin, gather, points_of, touched
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.network import DuctNetwork

CELLS_PER_RADIUS = 4.0
SLAB_VOXELS = 4_000_000
POINTS_AT_ONCE = 2_000_000

Cover = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]


def _cones(network: DuctNetwork, grid: Grid) -> NDArray[np.float64]:
    """Return the segments as rows (ax, ay, az, ra, bx, by, bz, rb), relative to the grid's first voxel centre [mm]."""
    ends = network.nodes_mm[network.segments] - np.array(grid.origin_mm)
    radii = network.capsule_radii_mm[..., None]
    return np.ascontiguousarray(np.concatenate([ends, radii], axis=2).reshape(-1, 8))


def duct_cover(
    network: DuctNetwork, grid: Grid, cells_per_radius: float = CELLS_PER_RADIUS, slab_voxels: int = SLAB_VOXELS
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Find the voxels that hold lumen.

    Args:
        network: The ducts.
        grid: Where to look; parts of ducts outside it are left out.
        cells_per_radius: How finely voxels are cut where a wide duct's surface may cross them.
        slab_voxels: About how many voxels are worked on at once.

    Returns:
        Flat indices (V,) of touched voxels in C order, ascending; their lumen share (V,) in (0, 1]; and the
        :class:`~pancreasgen.network.network.Kind` (V,) of the segment that lies nearest to the voxel's centre.
    """
    cones = _cones(network, grid)
    reach = np.maximum(cones[:, 3], cones[:, 7])
    low = np.minimum(cones[:, 0] - cones[:, 3], cones[:, 4] - cones[:, 7]) / grid.spacing_mm[0]
    high = np.maximum(cones[:, 0] + cones[:, 3], cones[:, 4] + cones[:, 7]) / grid.spacing_mm[0]
    plane = grid.shape[1] * grid.shape[2]
    step = max(slab_voxels // plane, 1)
    parts: list[Cover] = []
    for begin in range(0, grid.shape[0], step):
        rows = np.flatnonzero((low < begin + step - 0.4) & (high > begin - 0.6))
        if len(rows):
            corner = np.array([begin, 0, 0])
            shape = np.array([min(step, grid.shape[0] - begin), *grid.shape[1:]])
            thin = reach[rows] < THIN_EDGES * min(grid.spacing_mm)
            frame = (np.array(grid.spacing_mm), corner, shape)
            flat, share, owner = _slab(np.ascontiguousarray(cones[rows]), thin, frame, cells_per_radius)
            parts.append((flat + begin * plane, share, rows[owner]))
    if not parts:
        return np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8)
    flat, share, owner = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return flat, share, network.kind[owner]


def _slab(cones: Any, thin: Any, frame: tuple[Any, Any, Any], cells: float) -> Cover:
    """Return (flat voxel of the slab, share, nearest cone) of all voxels that the cones cover a part of."""
    pairs = np.empty((touched(cones, *frame, np.empty((0, 2), np.int64)), 2), np.int64)
    touched(cones, *frame, pairs)
    if not len(pairs):
        return np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    firsts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    starts, voxels = np.append(firsts, len(pairs)), pairs[firsts, 0]
    share, nearest = cover_wide(pairs, starts, cones, thin, frame, cells)
    discs, points = points_of(cones, thin, float(frame[0].min()))
    rows, listed = np.flatnonzero(thin), (voxels, starts, np.ascontiguousarray(pairs[:, 1]))
    count = (discs * points)[rows]
    turn = np.cumsum(count) // POINTS_AT_ONCE  # cones of one turn are cut together
    for chosen in np.split(rows, np.flatnonzero(np.diff(turn)) + 1):
        offsets = np.concatenate([[0], np.cumsum((discs * points)[chosen])])
        place, volume = cut_thin(chosen, (discs, points, offsets), listed, cones, thin, frame)
        gather(place, volume, float(np.prod(frame[0])), share)
    kept = share > 0
    return voxels[kept], np.minimum(share[kept], 1.0), nearest[kept]


def duct_fraction(network: DuctNetwork, grid: Grid) -> Volume:
    """Return the share of each voxel that is duct lumen.

    Returns:
        Volume of quantity FRACTION, uint8: 0 none, 255 all.

    >>> from pancreasgen.network.network import DuctNetwork
    >>> ball = DuctNetwork([[0.0, 0, 0], [0.0, 0, 0.1]], [2.0, 2.0], [[0, 1]], np.uint8([1]), np.int16([0]))
    >>> grid = Grid.centred((9, 9, 9), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    >>> round(float(duct_fraction(ball, grid).data.sum() / 255))
    35
    """
    flat, share, _ = duct_cover(network, grid)
    data = np.zeros(grid.shape, np.uint8)
    data.reshape(-1)[flat] = np.rint(share * 255).astype(np.uint8)
    return Volume(data, grid, Quantity.FRACTION)


@njit(cache=True)
def _walk(starts: NDArray[np.float64], ends: NDArray[np.float64], values: NDArray[np.uint8], data: Any) -> None:
    """Mark every voxel that a straight line passes, from a rounded start index to a rounded end index."""
    at, step, left = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    for row in range(len(starts)):
        for axis in range(3):
            at[axis] = int(np.floor(starts[row, axis] + 0.5))
            goal = int(np.floor(ends[row, axis] + 0.5))
            step[axis] = 1 if goal > at[axis] else -1
            left[axis] = abs(goal - at[axis])
        while True:
            i, j, k = at
            if (
                0 <= i < data.shape[0]
                and 0 <= j < data.shape[1]
                and 0 <= k < data.shape[2]
                and (data[i, j, k] == 0 or values[row] < data[i, j, k])
            ):
                data[i, j, k] = values[row]
            chosen, soonest = -1, 1e300
            for axis in range(3):
                if left[axis] > 0:
                    wall = at[axis] + 0.5 * step[axis]
                    when = (wall - starts[row, axis]) / (ends[row, axis] - starts[row, axis])
                    if when < soonest:
                        chosen, soonest = axis, when
            if chosen < 0:
                break
            at[chosen] += step[chosen]
            left[chosen] -= 1


def draw_centerline(
    network: DuctNetwork, grid: Grid, kinds: Iterable[int], segments: NDArray[np.bool_] | None = None
) -> Volume:
    """Draw the centrelines of some kinds of ducts, face-connected: each step changes one index by one.

    Args:
        network: The ducts.
        grid: Where to draw; what lies outside is left out.
        kinds: Which :class:`~pancreasgen.network.network.Kind` to draw.
        segments: Which segments (M,) to draw of these; all where None.

    Returns:
        Volume of quantity LABEL, uint8: the kind, 0 elsewhere. Where centrelines share a voxel, the lowest kind has it.

    >>> from pancreasgen.network.network import DuctNetwork
    >>> line = DuctNetwork([[0.0, 0, 0], [2.0, 2, 0]], [0.5, 0.5], [[0, 1]], np.uint8([1]), np.int16([0]))
    >>> int(draw_centerline(line, Grid((3, 3, 1), (1, 1, 1), (0, 0, 0)), [1]).data.sum())
    5
    """
    chosen = np.isin(network.kind, list(kinds))
    if segments is not None:
        chosen &= segments
    ends = grid.to_index(network.nodes_mm)[network.segments[chosen]]
    data = np.zeros(grid.shape, np.uint8)
    _walk(np.ascontiguousarray(ends[:, 0]), np.ascontiguousarray(ends[:, 1]), network.kind[chosen], data)
    return Volume(data, grid, Quantity.LABEL)
