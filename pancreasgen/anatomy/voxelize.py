"""Ducts → voxels: the exact share of each voxel that is lumen, and centrelines that never leak through corners.

A segment is a round cone: the union of the balls of linearly changing radius along it. Each touched voxel is probed
at 256 points of an additive low-discrepancy sequence (Roberts' R₃), rotated by a hash of the voxel, so that the
estimate is unbiased wherever a duct lies; all segments share the points, so that unions are never counted twice.
Ducts thinner than a quarter of a voxel are deposited analytically: πr² per mm of their length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.network import DuctNetwork

PROBES = 256
THIN_VOXELS = 0.25
_PLASTIC = 1.2207440846057596  # root of x⁴ = x + 1; its powers make the R₃ sequence


@njit(cache=True)
def _cone_distance(px: float, py: float, pz: float, cone: NDArray[np.float64]) -> float:
    """Distance of a point to the round cone (ax, ay, az, ra, bx, by, bz, rb), negative inside."""
    ux, uy, uz = cone[4] - cone[0], cone[5] - cone[1], cone[6] - cone[2]
    qx, qy, qz = px - cone[0], py - cone[1], pz - cone[2]
    length = np.sqrt(ux * ux + uy * uy + uz * uz)
    change = cone[7] - cone[3]
    if length <= abs(change) + 1e-9:  # one ball holds the other
        if change > 0.0:
            return np.sqrt((px - cone[4]) ** 2 + (py - cone[5]) ** 2 + (pz - cone[6]) ** 2) - cone[7]
        return np.sqrt(qx * qx + qy * qy + qz * qz) - cone[3]
    along = (qx * ux + qy * uy + qz * uz) / length
    off = np.sqrt(max(qx * qx + qy * qy + qz * qz - along * along, 0.0))
    # the ball that comes nearest lies shifted towards the thick end
    t = (along + off * change / np.sqrt(length * length - change * change)) / length
    t = min(max(t, 0.0), 1.0)
    return np.sqrt((along - t * length) ** 2 + off * off) - cone[3] - t * change


@njit(cache=True)
def _touched(cones: NDArray[np.float64], spacing: NDArray[np.float64], shape: NDArray[np.int64], out: Any) -> int:
    """Write (flat voxel, cone) pairs that may overlap into out; count them only if out is empty."""
    reach = 0.5 * np.sqrt((spacing * spacing).sum())
    count = 0
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for row in range(len(cones)):
        cone = cones[row]
        for axis in range(3):
            least = min(cone[axis] - cone[3], cone[axis + 4] - cone[7]) / spacing[axis]
            most = max(cone[axis] + cone[3], cone[axis + 4] + cone[7]) / spacing[axis]
            low[axis] = max(0, int(np.ceil(least - 0.5)))
            high[axis] = min(shape[axis] - 1, int(np.floor(most + 0.5)))
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    if _cone_distance(i * spacing[0], j * spacing[1], k * spacing[2], cone) < reach:
                        if len(out):
                            out[count, 0] = (i * shape[1] + j) * shape[2] + k
                            out[count, 1] = row
                        count += 1
    return count


@njit(cache=True)
def _turn(flat: int, salt: int) -> float:
    """A fixed number in [0, 1) of a voxel."""
    x = np.uint64(flat) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return float(x >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, parallel=True)
def _cover(
    pairs: NDArray[np.int64],
    starts: NDArray[np.int64],
    cones: NDArray[np.float64],
    spacing: NDArray[np.float64],
    shape: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the covered share of each touched voxel, and the cone that lies nearest to its centre."""
    count = len(starts) - 1
    share, nearest = np.zeros(count), np.zeros(count, np.int64)
    reach = 0.5 * np.sqrt((spacing * spacing).sum())
    for v in prange(count):
        flat = pairs[starts[v], 0]
        k = flat % shape[2]
        j = (flat // shape[2]) % shape[1]
        i = flat // (shape[1] * shape[2])
        best = 1e30
        for p in range(starts[v], starts[v + 1]):
            d = _cone_distance(i * spacing[0], j * spacing[1], k * spacing[2], cones[pairs[p, 1]])
            if d < best:
                best = d
                nearest[v] = pairs[p, 1]
        if best < -reach:
            share[v] = 1.0
            continue
        a, b, c = _turn(flat, 1), _turn(flat, 2), _turn(flat, 3)
        hits = 0
        for probe in range(PROBES):
            x = (i - 0.5 + (a + probe / _PLASTIC) % 1.0) * spacing[0]
            y = (j - 0.5 + (b + probe / _PLASTIC**2) % 1.0) * spacing[1]
            z = (k - 0.5 + (c + probe / _PLASTIC**3) % 1.0) * spacing[2]
            for p in range(starts[v], starts[v + 1]):
                if _cone_distance(x, y, z, cones[pairs[p, 1]]) < 0.0:
                    hits += 1
                    break
        share[v] = hits / PROBES
    return share, nearest


@njit(cache=True)
def _deposit(
    cones: NDArray[np.float64], spacing: NDArray[np.float64], shape: NDArray[np.int64], steps: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return (flat voxel, share, cone) of every step along thin cones; voxels may repeat, −1 is outside."""
    total = steps.sum()
    flat, share, owner = np.empty(total, np.int64), np.empty(total), np.empty(total, np.int64)
    voxel = spacing[0] * spacing[1] * spacing[2]
    at = 0
    for row in range(len(cones)):
        cone = cones[row]
        length = np.sqrt((cone[4] - cone[0]) ** 2 + (cone[5] - cone[1]) ** 2 + (cone[6] - cone[2]) ** 2)
        for step in range(steps[row]):
            t = (step + 0.5) / steps[row]
            i = int(np.floor((cone[0] + t * (cone[4] - cone[0])) / spacing[0] + 0.5))
            j = int(np.floor((cone[1] + t * (cone[5] - cone[1])) / spacing[1] + 0.5))
            k = int(np.floor((cone[2] + t * (cone[6] - cone[2])) / spacing[2] + 0.5))
            inside = 0 <= i < shape[0] and 0 <= j < shape[1] and 0 <= k < shape[2]
            flat[at] = (i * shape[1] + j) * shape[2] + k if inside else -1
            radius = cone[3] + t * (cone[7] - cone[3])
            share[at] = np.pi * radius * radius * length / steps[row] / voxel
            owner[at] = row
            at += 1
    return flat, share, owner


def _cones(network: DuctNetwork, grid: Grid) -> NDArray[np.float64]:
    """Return the segments as rows (ax, ay, az, ra, bx, by, bz, rb), relative to the grid's first voxel centre [mm]."""
    ends = network.nodes_mm[network.segments] - np.array(grid.origin_mm)
    radii = network.capsule_radii_mm[..., None]
    return np.ascontiguousarray(np.concatenate([ends, radii], axis=2).reshape(-1, 8))


def duct_cover(network: DuctNetwork, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Find the voxels that hold lumen.

    Args:
        network: The ducts.
        grid: Where to look; parts of ducts outside it are left out.

    Returns:
        Flat indices (V,) of touched voxels in C order, ascending; their lumen share (V,) in (0, 1]; and the
        :class:`~pancreasgen.network.network.Kind` (V,) of the segment that lies nearest to the voxel's centre.
    """
    cones = _cones(network, grid)
    spacing, shape = np.array(grid.spacing_mm), np.array(grid.shape, dtype=np.int64)
    thin = np.maximum(cones[:, 3], cones[:, 7]) < THIN_VOXELS * spacing.min()
    flat, share, owner = _sampled(cones[~thin], spacing, shape)
    thin_flat, thin_share, thin_owner = _deposited(cones[thin], spacing, shape)
    rows = np.concatenate([np.flatnonzero(~thin)[owner], np.flatnonzero(thin)[thin_owner]])
    return _merged(np.concatenate([flat, thin_flat]), np.concatenate([share, thin_share]), network.kind[rows])


def _sampled(cones: Any, spacing: Any, shape: Any) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    pairs = np.empty((_touched(cones, spacing, shape, np.empty((0, 2), np.int64)), 2), np.int64)
    if not len(pairs):
        return np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
    _touched(cones, spacing, shape, pairs)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    firsts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    share, nearest = _cover(pairs, np.append(firsts, len(pairs)), cones, spacing, shape)
    return pairs[firsts, 0], share, nearest


def _deposited(
    cones: Any, spacing: Any, shape: Any
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    lengths = np.linalg.norm(cones[:, 4:7] - cones[:, :3], axis=1)
    steps = np.maximum(np.ceil(lengths / (0.1 * spacing.min())), 1).astype(np.int64)
    flat, share, owner = _deposit(cones, spacing, shape, steps)
    order = np.argsort(flat, kind="stable")
    order = order[np.searchsorted(flat[order], 0) :]
    flat, share, owner = flat[order], share[order], owner[order]
    firsts = np.flatnonzero(np.diff(flat, prepend=-1))
    if not len(firsts):
        return flat, share, owner
    return flat[firsts], np.minimum(np.add.reduceat(share, firsts), 1.0), owner[firsts]


def _merged(
    flat: NDArray[np.int64], share: NDArray[np.float64], kind: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Join entries of the same voxel as if they lay independently: 1 − Π(1 − share); the lowest kind names it."""
    order = np.argsort(flat, kind="stable")
    flat, share, kind = flat[order], share[order], kind[order]
    firsts = np.flatnonzero(np.diff(flat, prepend=-1))
    if not len(firsts):
        return flat, share, kind
    free = np.multiply.reduceat(1.0 - np.minimum(share, 1.0), firsts)
    named = np.where(share > 0, kind, np.uint8(255))
    joined, kinds = 1.0 - free, np.minimum.reduceat(named, firsts)
    kept = joined > 0
    return flat[firsts][kept], joined[kept], kinds[kept]


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


def draw_centerline(network: DuctNetwork, grid: Grid, kinds: Iterable[int]) -> Volume:
    """Draw the centrelines of some kinds of ducts, face-connected: each step changes one index by one.

    Args:
        network: The ducts.
        grid: Where to draw; what lies outside is left out.
        kinds: Which :class:`~pancreasgen.network.network.Kind` to draw.

    Returns:
        Volume of quantity LABEL, uint8: the kind, 0 elsewhere. Where centrelines share a voxel, the lowest kind has it.

    >>> from pancreasgen.network.network import DuctNetwork
    >>> line = DuctNetwork([[0.0, 0, 0], [2.0, 2, 0]], [0.5, 0.5], [[0, 1]], np.uint8([1]), np.int16([0]))
    >>> int(draw_centerline(line, Grid((3, 3, 1), (1, 1, 1), (0, 0, 0)), [1]).data.sum())
    5
    """
    chosen = np.isin(network.kind, list(kinds))
    ends = grid.to_index(network.nodes_mm)[network.segments[chosen]]
    data = np.zeros(grid.shape, np.uint8)
    _walk(np.ascontiguousarray(ends[:, 0]), np.ascontiguousarray(ends[:, 1]), network.kind[chosen], data)
    return Volume(data, grid, Quantity.LABEL)
