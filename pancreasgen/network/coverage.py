"""Coverage: how far tissue lies from the nearest duct, exact to the segment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from pancreasgen.network.links import Floats
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ

_CELL_MM = 2.0
_CELLS_PER_SEGMENT = 8


def coverage_measures(network: DuctNetwork, organ: Organ) -> dict[str, Any]:
    """Return how far tissue lies from the nearest duct's centreline [mm]: median, 95th percentile, largest.

    Tissue is every voxel centre that lies more than one voxel (its longest side) below the capsule;
    ``num_tissue_points`` is their number. None without such a voxel, or without a duct.

    >>> from pancreasgen.base.grid import Grid, Quantity, Volume
    >>> grid = Grid((3, 3, 3), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    >>> deep = Volume(np.full((3, 3, 3), 5.0, "f4"), grid, Quantity.DISTANCE)
    >>> head = Volume(np.ones((3, 3, 3), "u1"), grid, Quantity.LABEL)
    >>> organ = Organ(deep, np.array([[0, 0, 0], [2, 0, 0]]), {}, head)
    >>> duct = DuctNetwork([[-9, 1, 1], [9, 1, 1]], [1, 1], [[0, 1]], [1], [0])
    >>> told = coverage_measures(duct, organ)
    >>> told["num_tissue_points"], told["tissue_to_duct_median_mm"]
    (27, 1.0)
    """
    grid = organ.distance.grid
    tissue = grid.to_world(np.argwhere(organ.distance.data > max(grid.spacing_mm)))
    names = ("tissue_to_duct_median_mm", "tissue_to_duct_p95_mm", "tissue_to_duct_max_mm")
    if not len(tissue) or not len(network.segments):
        return {"num_tissue_points": len(tissue), **dict.fromkeys(names)}
    ends = network.nodes_mm[network.segments]
    far = nearest_segment_mm(tissue, ends[:, 0], ends[:, 1])
    values = (np.median(far), np.quantile(far, 0.95), far.max())
    return {"num_tissue_points": len(tissue), **{name: float(v) for name, v in zip(names, values, strict=True)}}


def nearest_segment_mm(points_mm: Floats, starts_mm: Floats, ends_mm: Floats) -> Floats:
    """Return the distance (P,) [mm] from each point (P, 3) to the nearest of at least one segment (M, 3), exactly.

    Segments lie in lists by cubic cell; there are about eight cells a segment at most. A point asks the cells around
    its own, shell by shell, until the nearest segment found is nearer than anything beyond the shells can be.

    >>> nearest_segment_mm(np.array([[0.0, 3.0, 0.0], [9.0, 4.0, 0.0]]), np.zeros((1, 3)), np.array([[6.0, 0, 0]]))
    array([3., 5.])
    """
    low = np.minimum(points_mm.min(axis=0), np.minimum(starts_mm.min(axis=0), ends_mm.min(axis=0)))
    high = np.maximum(points_mm.max(axis=0), np.maximum(starts_mm.max(axis=0), ends_mm.max(axis=0)))
    room = float(np.prod(np.maximum(high - low, _CELL_MM)))
    cell = max(_CELL_MM, (room / (_CELLS_PER_SEGMENT * len(starts_mm))) ** (1.0 / 3.0))
    shape = (np.floor((high - low) / cell) + 1).astype(np.int64)
    lists = _lists(starts_mm, ends_mm, low, cell, shape)
    return np.asarray(_nearest(points_mm, starts_mm, ends_mm, lists, low, cell, shape))


@njit(cache=True)
def _lists(starts: Any, ends: Any, low: Any, cell: float, shape: Any) -> Any:
    """Return where each cell's list begins, and the lists: every segment is in all cells that its pieces' boxes touch.

    A piece is no longer than a cell, so its box touches few.
    """
    first = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    owner = np.empty(0, np.int64)
    corner, far = np.empty(3, np.int64), np.empty(3, np.int64)
    for filling in range(2):
        for row in range(len(starts)):
            length = math.sqrt(((ends[row] - starts[row]) ** 2).sum())
            pieces = math.ceil(length / cell) if length > 0.0 else 1
            for piece in range(pieces):
                for axis in range(3):
                    step = (ends[row, axis] - starts[row, axis]) / pieces
                    a = starts[row, axis] + piece * step - low[axis]
                    corner[axis] = min(max(math.floor((min(a, a + step) - 1e-9) / cell), 0), shape[axis] - 1)
                    far[axis] = min(max(math.floor((max(a, a + step) + 1e-9) / cell), 0), shape[axis] - 1)
                for i in range(corner[0], far[0] + 1):
                    for j in range(corner[1], far[1] + 1):
                        for k in range(corner[2], far[2] + 1):
                            place = (i * shape[1] + j) * shape[2] + k
                            if filling:
                                first[place] -= 1
                                owner[first[place]] = row
                            else:
                                first[place] += 1
        if not filling:
            first = np.cumsum(first)
            owner = np.empty(first[-1], np.int64)
    return first, owner


@njit(cache=True)
def _nearest(points: Any, starts: Any, ends: Any, lists: Any, low: Any, cell: float, shape: Any) -> Any:
    best = np.empty(len(points))
    for n in range(len(points)):
        here = points[n]
        i, j, k = int((here[0] - low[0]) / cell), int((here[1] - low[1]) / cell), int((here[2] - low[2]) / cell)
        margin = cell  # from the point to the nearest face of its own cell
        for axis in range(3):
            inside = (here[axis] - low[axis]) % cell
            margin = min(margin, inside, cell - inside)
        nearest, shell = np.inf, 0
        beyond = max(shape[0], shape[1], shape[2])
        while shell < beyond:
            nearest = _shell(here, i, j, k, shell, starts, ends, lists, shape, nearest)
            known = margin + shell * cell
            if nearest <= known * known:
                break
            shell += 1
        best[n] = math.sqrt(nearest)
    return best


@njit(cache=True)
def _shell(
    here: Any, i: int, j: int, k: int, shell: int, starts: Any, ends: Any, lists: Any, shape: Any, nearest: float
) -> float:
    """Return the least squared distance to segments in the cells that are shell away, or what was nearer before."""
    first, owner = lists
    for u in range(max(i - shell, 0), min(i + shell, shape[0] - 1) + 1):
        for v in range(max(j - shell, 0), min(j + shell, shape[1] - 1) + 1):
            face = abs(u - i) == shell or abs(v - j) == shell
            step = 1 if face or shell == 0 else 2 * shell  # inside the shell only its two ends count
            for w in range(k - shell, k + shell + 1, step):
                if 0 <= w < shape[2]:
                    place = (u * shape[1] + v) * shape[2] + w
                    for entry in range(first[place], first[place + 1]):
                        nearest = min(nearest, _squared(here, starts[owner[entry]], ends[owner[entry]]))
    return nearest


@njit(cache=True)
def _squared(p: Any, a: Any, b: Any) -> float:
    """Squared distance from point p to segment a–b."""
    dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    px, py, pz = p[0] - a[0], p[1] - a[1], p[2] - a[2]
    square = dx * dx + dy * dy + dz * dz
    t = min(max((px * dx + py * dy + pz * dz) / square, 0.0), 1.0) if square > 0.0 else 0.0
    px, py, pz = px - t * dx, py - t * dy, pz - t * dz
    return px * px + py * py + pz * pz
