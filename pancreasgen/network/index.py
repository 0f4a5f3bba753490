"""Compiled kernels of growth: clearance, commitment, and tissue that no duct serves yet.

Everything lives on one uniform grid of cells. Committed segments hang in linked lists, once in every cell that their
inflated box touches, so thick and thin ducts share one index. All arithmetic is float64 without fastmath: structure
must not depend on the machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from pancreasgen.network.geometry import contained, segment_distance

# Outcome of a candidate.
ACCEPTED, OUTSIDE, COLLIDES = 0, 1, 2
_GENERATIONS = 24


@njit(cache=True)
def cell_box(p: Any, q: Any, reach: float, origin: Any, size: float, shape: Any, low: Any, high: Any) -> None:
    """Write the first and last cell that the box around p–q, inflated by reach, touches."""
    for k in range(3):
        small, large = min(p[k], q[k]) - reach, max(p[k], q[k]) + reach
        low[k] = min(max(math.floor((small - origin[k]) / size), 0), shape[k] - 1)
        high[k] = min(max(math.floor((large - origin[k]) / size), 0), shape[k] - 1)


@njit(cache=True)
def near_kin(parent: Any, length: Any, start: int, limit: float, kin: Any) -> int:
    """Write the ancestors of a segment that end within limit mm of its start, nearest first; return how many."""
    count, ancestor, arc = 0, start, 0.0
    while ancestor >= 0 and count < kin.shape[0] and arc <= limit:
        kin[count] = ancestor
        count += 1
        arc += length[ancestor]
        ancestor = parent[ancestor]
    return count


@njit(cache=True)
def kinship(other: int, kin: Any, count: int, parent: Any, length: Any) -> float:
    """Return the arc length [mm] along the tree between the starts of a segment and of the one whose ancestors are kin.

    Infinity if they do not meet within 24 generations of the other segment.
    """
    up, arc = other, 0.0
    for _ in range(_GENERATIONS):
        down = 0.0
        for n in range(count):
            if kin[n] == up:
                return arc + down
            down += length[kin[n]]
        if up != other:
            arc += length[up]
        up = parent[up]
        if up < 0:
            break
    return np.inf


@njit(cache=True)
def collides(
    p: Any, q: Any, radius: float, ties: Any, clearance: float, ducts: Any, cells: Any, scratch: Any
) -> bool:  # fmt: skip
    """Return whether the tube p–q comes nearer than clearance to a duct that is not its kin.

    Kin are ducts within 1.8 · (both radii + clearance) of arc length along the tree, from either end of the tube.

    Args:
        p: Start (3,).
        q: End (3,).
        radius: Larger radius of the tube, as reserved [mm].
        ties: Ids of the segment the tube leaves and of the one at whose end it joins another duct; −1 for none.
        clearance: Wanted distance between skins [mm].
        ducts: (start (S,3), end (S,3), reserved radius (S,), parent (S,), length (S,)).
        cells: (head (X,Y,Z), next (L,), owner (L,), origin, size, shape).
        scratch: (low (3,), high (3,), kin (K,), kin of the joined duct (K,)).
    """
    starts, ends, reserved, parent, length = ducts
    head, following, owner, origin, size, shape = cells
    low, high, kin, joined = scratch
    widest = 12.0  # more than any duct reserves [mm]
    count = near_kin(parent, length, ties[0], 1.8 * (radius + widest + clearance), kin)
    others = near_kin(parent, length, ties[1], 1.8 * (radius + widest + clearance), joined)
    cell_box(p, q, radius + clearance, origin, size, shape, low, high)
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            for k in range(low[2], high[2] + 1):
                entry = head[i, j, k]
                while entry >= 0:
                    other = owner[entry]
                    entry = following[entry]
                    distance, _, _ = segment_distance(p, q, starts[other], ends[other])
                    if distance >= radius + reserved[other] + clearance:
                        continue
                    limit = 1.8 * (radius + reserved[other] + clearance)
                    if kinship(other, kin, count, parent, length) <= limit:
                        continue
                    if others == 0 or kinship(other, joined, others, parent, length) > limit:
                        return True
    return False


@njit(cache=True)
def hang(p: Any, q: Any, reach: float, segment: int, used: int, cells: Any, scratch: Any) -> int:
    """Hang a segment into every cell its inflated box touches; return the new number of list entries, or −1 if full."""
    head, following, owner, origin, size, shape = cells
    low, high, _, _ = scratch
    cell_box(p, q, reach, origin, size, shape, low, high)
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            for k in range(low[2], high[2] + 1):
                if used >= owner.shape[0]:
                    return -1
                owner[used] = segment
                following[used] = head[i, j, k]
                head[i, j, k] = used
                used += 1
    return used


@njit(cache=True)
def serve(p: Any, q: Any, reach: float, points: Any, first: Any, served: Any, cells: Any, scratch: Any) -> None:
    """Mark the tissue points within reach of the segment p–q as served. Points are sorted by cell; first is the CSR."""
    _, _, _, origin, size, shape = cells
    low, high, _, _ = scratch
    cell_box(p, q, reach, origin, size, shape, low, high)
    dx, dy, dz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    squared = max(dx * dx + dy * dy + dz * dz, 1e-18)
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            for k in range(low[2], high[2] + 1):
                cell = (i * shape[1] + j) * shape[2] + k
                for n in range(first[cell], first[cell + 1]):
                    if served[n]:
                        continue
                    ax, ay, az = points[n, 0] - p[0], points[n, 1] - p[1], points[n, 2] - p[2]
                    t = min(max((ax * dx + ay * dy + az * dz) / squared, 0.0), 1.0)
                    if (ax - t * dx) ** 2 + (ay - t * dy) ** 2 + (az - t * dz) ** 2 <= reach * reach:
                        served[n] = True


@njit(cache=True)
def pull(
    positions: Any, headings: Any, labels: Any, reaches: Any, cosine: float, tissue: Any, cells: Any
) -> tuple[Any, Any]:
    """Return for each tip the sum of unit vectors to its unserved points, and how many there are.

    A point belongs to a tip if it lies within reach, inside the cone of the heading, and in the tip's territory
    (label −1 on either side means: everybody's).

    Args:
        positions: Tips (N, 3).
        headings: Unit vectors (N, 3).
        labels: Territory of each tip (N,).
        reaches: How far each tip looks (N,) [mm].
        cosine: Cosine of the cone's half angle.
        tissue: (points (P,3) sorted by cell, first (cells+1,), served (P,), label (P,)).
        cells: As for :func:`collides`.
    """
    points, first, served, label = tissue
    _, _, _, origin, size, shape = cells
    total = np.zeros((positions.shape[0], 3))
    count = np.zeros(positions.shape[0])
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for n in range(positions.shape[0]):
        reach = reaches[n]
        cell_box(positions[n], positions[n], reach, origin, size, shape, low, high)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    cell = (i * shape[1] + j) * shape[2] + k
                    for m in range(first[cell], first[cell + 1]):
                        if served[m] or (labels[n] >= 0 and label[m] >= 0 and label[m] != labels[n]):
                            continue
                        dx = points[m, 0] - positions[n, 0]
                        dy = points[m, 1] - positions[n, 1]
                        dz = points[m, 2] - positions[n, 2]
                        far = math.sqrt(dx * dx + dy * dy + dz * dz)
                        if far > reach or far < 1e-9:
                            continue
                        if dx * headings[n, 0] + dy * headings[n, 1] + dz * headings[n, 2] < cosine * far:
                            continue
                        total[n, 0] += dx / far
                        total[n, 1] += dy / far
                        total[n, 2] += dz / far
                        count[n] += 1.0
    return total, count


@njit(cache=True)
def commit_all(
    starts_new: Any, ends_new: Any, radii_new: Any, ties_new: Any, rules: Any, organ: Any, ducts: Any, cells: Any,
    tissue: Any, scratch: Any, used: int, count: int,
) -> tuple[Any, int, int]:  # fmt: skip
    """Try candidates one by one, in the order given, against everything committed so far.

    Args:
        starts_new: Starts (C, 3) [mm].
        ends_new: Ends (C, 3) [mm].
        radii_new: Radius (C, 2) at both ends [mm].
        ties_new: Committed ids of the segment each one leaves, and of the one that it joins (C, 2); −1 for none.
        rules: (reserve factor, clearance, margin, serve reach).
        organ: (signed distance (X,Y,Z), origin (3,), spacing).
        ducts: As for :func:`collides`; room for C more segments.
        cells: As for :func:`collides`.
        tissue: As for :func:`pull`.
        scratch: As for :func:`collides`.
        used: List entries in use.
        count: Segments committed so far.

    Returns:
        (outcome (C,), used, count): a committed candidate's id is its rank among the accepted. ``used`` is −1 if
        the lists are full.
    """
    factor, clearance, margin, reach = rules
    sdf, origin, spacing = organ
    starts, ends, reserved, parent, length = ducts
    points, first, served, _ = tissue
    outcome = np.empty(starts_new.shape[0], np.int64)
    for n in range(starts_new.shape[0]):
        p, q = starts_new[n], ends_new[n]
        if not contained(p, q, radii_new[n, 0], radii_new[n, 1], margin, sdf, origin, spacing):
            outcome[n] = OUTSIDE
            continue
        radius = factor * max(radii_new[n, 0], radii_new[n, 1])
        if collides(p, q, radius, ties_new[n], clearance, ducts, cells, scratch):
            outcome[n] = COLLIDES
            continue
        outcome[n] = ACCEPTED
        starts[count], ends[count] = p, q
        reserved[count], parent[count] = radius, ties_new[n, 0]
        length[count] = math.sqrt((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2 + (q[2] - p[2]) ** 2)
        used = hang(p, q, radius + clearance, count, used, cells, scratch)
        if used < 0:
            return outcome, used, count
        serve(p, q, reach + radius, points, first, served, cells, scratch)
        count += 1
    return outcome, used, count


@njit(cache=True)
def duct_distance(points_at: Any, ups: Any, kin_arc: float, ducts: Any, cells: Any, scratch: Any) -> Any:
    """Return the distance (N,) [mm] from points (N, 3) to the skin of the nearest duct that is not kin.

    Only cells next to the point are searched: a duct further away than one cell counts as one cell away.
    """
    starts, ends, reserved, parent, length = ducts
    head, following, owner, origin, size, shape = cells
    low, high, kin, _ = scratch
    result = np.full(points_at.shape[0], size)
    for n in range(points_at.shape[0]):
        count = near_kin(parent, length, ups[n], kin_arc, kin)
        cell_box(points_at[n], points_at[n], size, origin, size, shape, low, high)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    entry = head[i, j, k]
                    while entry >= 0:
                        other = owner[entry]
                        entry = following[entry]
                        related = False
                        for m in range(count):
                            if other == kin[m] or parent[other] == kin[m]:
                                related = True
                                break
                        if not related:
                            distance, _, _ = segment_distance(points_at[n], points_at[n], starts[other], ends[other])
                            result[n] = min(result[n], distance - reserved[other])
    return result


@njit(cache=True)
def nearest_ray(points: Any, ray_start: Any, ray_end: Any) -> Any:
    """Return for each point (P, 3) the index of the nearest of the segments ray_start–ray_end (R, 3)."""
    label = np.empty(points.shape[0], np.int64)
    for n in range(points.shape[0]):
        best, owner = 1e30, -1
        for r in range(ray_start.shape[0]):
            distance, _, _ = segment_distance(points[n], points[n], ray_start[r], ray_end[r])
            if distance < best:
                best, owner = distance, r
        label[n] = owner
    return label
