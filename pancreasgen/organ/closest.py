"""Closest-point propagation: every voxel learns its nearest surface point from its neighbours, in eight sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def propagate(points: Any, known: Any, spacing: Any) -> None:
    """Replace each voxel's surface point by the nearest one that any of its neighbours knows; in place.

    A voxel hears from its three predecessors along the axes, for each of the eight directions of sweep
    (Danielsson 1980, with points of the surface instead of voxels).

    Args:
        points: Surface point of each voxel, relative to the grid's origin (X, Y, Z, 3) [mm]; any value where unknown.
        known: Whether the voxel has a point yet (X, Y, Z).
        spacing: Size of a voxel (3,) [mm].
    """
    nx, ny, nz = known.shape
    for sweep in range(8):
        sx, sy, sz = 1 - 2 * (sweep & 1), 1 - (sweep & 2), 1 - (sweep & 4) // 2
        for a in range(nx):
            i = a if sx > 0 else nx - 1 - a
            for b in range(ny):
                j = b if sy > 0 else ny - 1 - b
                for c in range(nz):
                    k = c if sz > 0 else nz - 1 - c
                    best = _squared(points, known, i, j, k, i, j, k, spacing)
                    for n in range(3):
                        u, v, w = i - sx * (n == 0), j - sy * (n == 1), k - sz * (n == 2)
                        if 0 <= u < nx and 0 <= v < ny and 0 <= w < nz and known[u, v, w]:
                            squared = _squared(points, known, u, v, w, i, j, k, spacing)
                            if squared < best:
                                best = squared
                                known[i, j, k] = True
                                points[i, j, k, 0] = points[u, v, w, 0]
                                points[i, j, k, 1] = points[u, v, w, 1]
                                points[i, j, k, 2] = points[u, v, w, 2]


@njit(cache=True)
def _squared(points: Any, known: Any, u: int, v: int, w: int, i: int, j: int, k: int, spacing: Any) -> float:
    """Squared distance from voxel (i, j, k) to the surface point that voxel (u, v, w) knows."""
    if not known[u, v, w]:
        return np.inf
    dx = points[u, v, w, 0] - i * spacing[0]
    dy = points[u, v, w, 1] - j * spacing[1]
    dz = points[u, v, w, 2] - k * spacing[2]
    return dx * dx + dy * dy + dz * dz
