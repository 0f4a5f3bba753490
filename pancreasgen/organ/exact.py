"""The exact signed distance to the zero surface of a trilinear field, creases included.

The surface is sampled densely in every cell that it crosses; voxels near by take the nearest sample and the plane
through it, the others hear of it from their neighbours (:func:`pancreasgen.organ.closest.propagate`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.organ.closest import propagate

Field = NDArray[np.float32]

_PARTS = 4  # samples of the surface along each edge of a cell: 0.25 voxels apart


@njit(cache=True)
def _value(c: Any, x: float, y: float, z: float) -> float:
    """Trilinear value in a unit cell with corners c (2, 2, 2)."""
    low = (c[0, 0, 0] * (1 - x) + c[1, 0, 0] * x) * (1 - y) + (c[0, 1, 0] * (1 - x) + c[1, 1, 0] * x) * y
    top = (c[0, 0, 1] * (1 - x) + c[1, 0, 1] * x) * (1 - y) + (c[0, 1, 1] * (1 - x) + c[1, 1, 1] * x) * y
    return float(low * (1 - z) + top * z)


@njit(cache=True)
def _tell(point: Any, normal: Any, cell: Any, points: Any, normals: Any, best: Any) -> None:
    """Let the voxels around a cell know a sample of the surface; all in voxels."""
    for i in range(max(cell[0] - 1, 0), min(cell[0] + 3, best.shape[0])):
        for j in range(max(cell[1] - 1, 0), min(cell[1] + 3, best.shape[1])):
            for k in range(max(cell[2] - 1, 0), min(cell[2] + 3, best.shape[2])):
                squared = (point[0] - i) ** 2 + (point[1] - j) ** 2 + (point[2] - k) ** 2
                if squared < best[i, j, k]:
                    best[i, j, k] = squared
                    for n in range(3):
                        points[i, j, k, n] = point[n]
                        normals[i, j, k, n] = normal[n]


@njit(cache=True)
def _sample(field: Any, parts: int, points: Any, normals: Any, best: Any) -> None:
    """Sample the surface in each cell that it crosses; an edge that it crosses gives one sample."""
    node = np.empty((parts + 1, parts + 1, parts + 1))
    cell, point, normal = np.empty(3, np.int64), np.empty(3), np.empty(3)
    tiny = 1e-3
    for i in range(field.shape[0] - 1):
        for j in range(field.shape[1] - 1):
            for k in range(field.shape[2] - 1):
                corner = field[i : i + 2, j : j + 2, k : k + 2]
                inside = 0
                for n in range(8):
                    inside += corner[n >> 2, (n >> 1) & 1, n & 1] > 0
                if inside in (0, 8):
                    continue
                cell[0], cell[1], cell[2] = i, j, k
                for a in range(parts + 1):
                    for b in range(parts + 1):
                        for c in range(parts + 1):
                            node[a, b, c] = _value(corner, a / parts, b / parts, c / parts)
                for a in range(parts + 1):
                    for b in range(parts + 1):
                        for c in range(parts + 1):
                            for axis in range(3):
                                p, q, r = a + (axis == 0), b + (axis == 1), c + (axis == 2)
                                if max(p, q, r) > parts or (node[a, b, c] > 0) == (node[p, q, r] > 0):
                                    continue
                                share = node[a, b, c] / (node[a, b, c] - node[p, q, r])
                                x, y, z = a / parts, b / parts, c / parts
                                x, y, z = (
                                    x + (p - a) * share / parts,
                                    y + (q - b) * share / parts,
                                    z + (r - c) * share / parts,
                                )
                                normal[0] = _value(corner, x + tiny, y, z) - _value(corner, x - tiny, y, z)
                                normal[1] = _value(corner, x, y + tiny, z) - _value(corner, x, y - tiny, z)
                                normal[2] = _value(corner, x, y, z + tiny) - _value(corner, x, y, z - tiny)
                                normal /= max(np.sqrt((normal**2).sum()), 1e-12)
                                point[0], point[1], point[2] = i + x, j + y, k + z
                                _tell(point, normal, cell, points, normals, best)


def exact_distance(field: Field, spacing_mm: float) -> Field:
    """Return the signed distance [mm] to the zero surface of a field on cubic voxels, positive inside.

    Args:
        field: Any numbers, positive inside (X, Y, Z); between voxels they are interpolated linearly.
        spacing_mm: Size of a voxel [mm].

    Returns:
        Distances, float32; −inf everywhere where the field is nowhere positive.

    >>> ramp = np.broadcast_to(np.arange(5.0) - 1.5, (5, 5, 5)).astype(np.float32)
    >>> exact_distance(7.0 * ramp, 2.0)[2, 2].round(4).tolist()
    [-3.0, -1.0, 1.0, 3.0, 5.0]
    """
    field = np.ascontiguousarray(field, dtype=np.float32)
    points = np.zeros((*field.shape, 3), np.float32)
    normals = np.zeros_like(points)
    best = np.full(field.shape, np.inf, np.float32)
    _sample(field, _PARTS, points, normals, best)
    near = best < np.inf
    known = near.copy()
    propagate(points, known, np.ones(3))
    ramps = np.ogrid[: field.shape[0], : field.shape[1], : field.shape[2]]
    squared = np.zeros(field.shape, np.float32)
    plane = np.zeros(int(near.sum()), np.float32)
    for k, ramp in enumerate(ramps):
        offset = ramp.astype(np.float32) - points[..., k]
        squared += offset**2
        plane += offset[near] * normals[near, k]
    distance = np.sqrt(squared)
    distance[~known] = np.inf
    # Between the samples the plane through the nearest one is the better judge, as long as that one is close by.
    aside = squared[near] - plane**2
    distance[near] = np.where(aside < (0.75 / _PARTS) ** 2, np.abs(plane), distance[near])
    return np.where(field > 0, distance, -distance).astype(np.float32) * np.float32(spacing_mm)
