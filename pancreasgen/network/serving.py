"""Compiled kernels of service: how far tissue is from ducts, what pulls at a tip, and who drains which lobule.

All arithmetic is float64 without fastmath: structure must not depend on the machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from pancreasgen.network.geometry import segment_distance

_SURE_MM = 1e-9


@njit(cache=True)
def cell_box(p: Any, q: Any, reach: float, cells: Any, low: Any, high: Any) -> None:
    """Write the first and last cell that the box around p–q, inflated by reach, touches."""
    _, _, _, origin, size, shape = cells
    for k in range(3):
        small, large = min(p[k], q[k]) - reach, max(p[k], q[k]) + reach
        low[k] = min(max(math.floor((small - origin[k]) / size), 0), shape[k] - 1)
        high[k] = min(max(math.floor((large - origin[k]) / size), 0), shape[k] - 1)


@njit(cache=True)
def serve(p: Any, q: Any, reach: float, tissue: Any, cells: Any, scratch: Any) -> None:
    """Lower the distance of the tissue points within reach of the segment p–q to their distance from it."""
    points, first, far, _, _ = tissue
    shape = cells[5]
    low, high, _, _, _ = scratch
    cell_box(p, q, reach, cells, low, high)
    dx, dy, dz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    squared = max(dx * dx + dy * dy + dz * dz, 1e-18)
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            row = (i * shape[1] + j) * shape[2]
            for n in range(first[row + low[2]], first[row + high[2] + 1]):
                ax, ay, az = points[n, 0] - p[0], points[n, 1] - p[1], points[n, 2] - p[2]
                t = min(max((ax * dx + ay * dy + az * dz) / squared, 0.0), 1.0)
                ax, ay, az = ax - t * dx, ay - t * dy, az - t * dz
                square = ax * ax + ay * ay + az * az
                if square < far[n] * far[n]:
                    far[n] = math.sqrt(square)


@njit(cache=True)
def left_by(starts: Any, ends: Any, reach: float, tissue: Any, cells: Any, scratch: Any) -> Any:
    """Return which tissue points (P,) have their distance from one of the segments starts–ends (N, 3), or may have."""
    points, first, far, _, _ = tissue
    shape = cells[5]
    low, high, _, _, _ = scratch
    left = np.zeros(len(far), np.bool_)
    for n in range(len(starts)):
        cell_box(starts[n], ends[n], reach, cells, low, high)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                row = (i * shape[1] + j) * shape[2]
                for m in range(first[row + low[2]], first[row + high[2] + 1]):
                    if not left[m]:
                        distance, _, _ = segment_distance(starts[n], ends[n], points[m], points[m])
                        left[m] = distance < far[m] + _SURE_MM
    return left


@njit(cache=True)
def pull(positions: Any, headings: Any, labels: Any, looks: Any, cosine: float, tissue: Any, cells: Any) -> Any:
    """Return for each tip the sum of unit vectors to its unserved points (N, 3), and how many there are (N,).

    A point belongs to a tip if it lies within reach, inside the cone of the heading, and in the tip's lobule or, if it
    has none, in its territory (−1 on either side means: everybody's).

    Args:
        positions: Tips (N, 3).
        headings: Unit vectors (N, 3).
        labels: Territory and lobule of each tip (N, 2).
        looks: How far each tip looks, and beyond which distance a point is not served (N, 2) [mm].
        cosine: Cosine of the cone's half angle.
        tissue: (points (P, 3) sorted by cell, first (cells + 1,), distance (P,), territory (P,), lobule (P,)).
        cells: (head (X,Y,Z), next (L,), owner (L,), origin, size, shape).
    """
    points, first, far, territory, lobule = tissue
    shape = cells[5]
    total = np.zeros((positions.shape[0], 3))
    count = np.zeros(positions.shape[0])
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for n in range(positions.shape[0]):
        reach, served = looks[n]
        own, mine = labels[n]
        cell_box(positions[n], positions[n], reach, cells, low, high)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                row = (i * shape[1] + j) * shape[2]
                for m in range(first[row + low[2]], first[row + high[2] + 1]):
                    if far[m] <= served or (mine >= 0 and lobule[m] != mine):
                        continue
                    if mine < 0 and own >= 0 and territory[m] >= 0 and territory[m] != own:
                        continue
                    dx = points[m, 0] - positions[n, 0]
                    dy = points[m, 1] - positions[n, 1]
                    dz = points[m, 2] - positions[n, 2]
                    away = math.sqrt(dx * dx + dy * dy + dz * dz)
                    if away > reach or away < 1e-9:
                        continue
                    if dx * headings[n, 0] + dy * headings[n, 1] + dz * headings[n, 2] < cosine * away:
                        continue
                    total[n, 0] += dx / away
                    total[n, 1] += dy / away
                    total[n, 2] += dz / away
                    count[n] += 1.0
    return total, count


@njit(cache=True)
def free_lobule(point: Any, own: int, reach: float, lobules: Any) -> int:
    """Return the nearest lobule of a territory, its middle within reach of a point, that nobody drains; −1 for none."""
    seeds, owner, territory = lobules
    best, found = reach * reach, -1
    for m in range(seeds.shape[0]):
        if owner[m] >= 0 or (own >= 0 and territory[m] >= 0 and territory[m] != own):
            continue
        dx, dy, dz = seeds[m, 0] - point[0], seeds[m, 1] - point[1], seeds[m, 2] - point[2]
        square = dx * dx + dy * dy + dz * dz
        if square < best:
            best, found = square, m
    return found


@njit(cache=True)
def free_lobules(points: Any, labels: Any, reach: Any, lobules: Any) -> Any:
    """Return for each tip its own lobule, or the one that :func:`free_lobule` finds (N,)."""
    found = np.empty(points.shape[0], np.int64)
    for n in range(points.shape[0]):
        own, mine = labels[n]
        found[n] = mine if mine >= 0 else free_lobule(points[n], own, reach[n], lobules)
    return found


@njit(cache=True)
def count_lobules(points: Any, labels: Any, reach: Any, lobules: Any) -> Any:
    """Return for each tip how many lobules of its territory, their middle within reach, nobody drains (N,)."""
    seeds, owner, territory = lobules
    count = np.zeros(points.shape[0])
    for n in range(points.shape[0]):
        own = labels[n, 0]
        for m in range(seeds.shape[0]):
            if owner[m] >= 0 or (own >= 0 and territory[m] >= 0 and territory[m] != own):
                continue
            dx, dy, dz = seeds[m, 0] - points[n, 0], seeds[m, 1] - points[n, 1], seeds[m, 2] - points[n, 2]
            if dx * dx + dy * dy + dz * dz < reach[n] * reach[n]:
                count[n] += 1.0
    return count


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
