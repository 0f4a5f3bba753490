"""Tissue as points that want a duct, gathered in lobules: a jittered lattice, sorted by cell of the duct index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pancreasgen.base.chance import Chance
from pancreasgen.network.geometry import trilinear_many
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BARE_SPACINGS = 1.3  # a voxel of tissue with no point this near gets one
CELL_SPACINGS, FAR_SPACINGS = 2.1, 3.4
"""Side of a cell of the duct index, and the distance up to which tissue knows its nearest duct, in spacings."""


@dataclass(slots=True, eq=False)
class Tissue:
    """Points of tissue, mutable while ducts grow.

    Attributes:
        points_mm: Positions (P, 3) [mm], sorted by cell.
        first: Where each cell's points begin (cells + 1,).
        far_mm: Distance to the nearest duct's middle line (P,) [mm]; ``reach_mm`` where none is that near.
        label: Territory of each point (P,), −1 as long as nobody owns it.
        lobule: Lobule of each point (P,).
        seed_mm: Middle of each lobule (L, 3) [mm].
        owner: First segment of the duct that drains each lobule (L,), −1 as long as none does.
        lobule_label: Territory of each lobule (L,).
        cell_mm: Side of a cell of the duct index [mm].
        reach_mm: Distances to ducts are known up to here [mm].
    """

    points_mm: NDArray[np.float64]
    first: NDArray[np.int64]
    far_mm: NDArray[np.float64]
    label: NDArray[np.int64]
    lobule: NDArray[np.int64]
    seed_mm: NDArray[np.float64]
    owner: NDArray[np.int64]
    lobule_label: NDArray[np.int64]
    cell_mm: float
    reach_mm: float

    def as_tuple(self) -> tuple[NDArray[Any], ...]:
        """Return the columns of the points as the kernels take them."""
        return self.points_mm, self.first, self.far_mm, self.label, self.lobule

    def part(self, rows: Ints) -> tuple[NDArray[Any], ...]:
        """Return columns of some points as the kernels take them, as if no duct served them; rows (Q,) ascend."""
        far = np.full(len(rows), self.reach_mm)
        return self.points_mm[rows], np.searchsorted(rows, self.first), far, self.label[rows], self.lobule[rows]

    def lobules(self) -> tuple[NDArray[Any], ...]:
        """Return the columns of the lobules as the kernels take them."""
        return self.seed_mm, self.owner, self.lobule_label


@dataclass(frozen=True, slots=True)
class Sowing:
    """How tissue is sown.

    Attributes:
        spacing_mm: One point stands in each cube of this side [mm].
        depth_mm: No point lies nearer to the capsule [mm].
        lobule_mm: Lobules are about this wide [mm]; 0 for one lobule that is the whole organ.
        septum_mm: Between lobules a wall of this thickness is left without points [mm].
    """

    spacing_mm: float
    depth_mm: float
    lobule_mm: float = 0.0
    septum_mm: float = 0.0


def sow(organ: Organ, how: Sowing, chance: Chance) -> Tissue:
    """Sow tissue points in an organ and gather them in lobules (cells of a Voronoi diagram of jittered seeds)."""
    points = _lattice(organ, how.spacing_mm, how.depth_mm, chance)
    lobule, seeds = np.zeros(len(points), np.int64), np.zeros((0, 3))
    if how.lobule_mm > 0.0 and len(points):
        seeds = _lattice(organ, how.lobule_mm, min(how.depth_mm + 0.25 * how.lobule_mm, 1.0), chance.sub("lobules"))
    if len(seeds) > 1:
        found: Any = cKDTree(seeds).query(points, k=2)
        distance, near = np.asarray(found[0]), np.asarray(found[1])
        apart = np.linalg.norm(seeds[near[:, 0]] - seeds[near[:, 1]], axis=1)
        wall = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2.0 * apart)  # distance to the plane between two seeds
        inside = wall >= 0.5 * how.septum_mm
        points, lobule = points[inside], near[inside, 0]
    side = CELL_SPACINGS * how.spacing_mm
    order, first = _by_cell(points, organ, side)
    bare = _bare(organ, how, points[order], first, side)
    if len(bare):
        points = np.concatenate([points, bare])
        lobule = np.concatenate([lobule, _nearest(bare, seeds)])
        order, first = _by_cell(points, organ, side)
    many, lobules, reach = len(points), len(seeds), FAR_SPACINGS * how.spacing_mm
    return Tissue(
        points[order], first, np.full(many, reach), np.full(many, -1), lobule[order].astype(np.int64),
        seeds, np.full(lobules, -1), np.full(lobules, -1), side, reach,
    )  # fmt: skip


def _nearest(points_mm: Floats, seeds_mm: Floats) -> Ints:
    """Return the lobule of each point (N,)."""
    if len(seeds_mm) < 2:
        return np.zeros(len(points_mm), np.int64)
    return np.asarray(cKDTree(seeds_mm).query(points_mm)[1], dtype=np.int64)


def _by_cell(points_mm: Floats, organ: Organ, side_mm: float) -> tuple[Ints, Ints]:
    """Return the order (P,) that sorts points by cell of the duct index, and where each cell's begin (cells + 1,)."""
    low, shape = np.asarray(organ.distance.grid.origin_mm), cell_shape(organ, side_mm)
    cell = np.floor((points_mm - low) / side_mm).astype(np.int64)
    flat = np.ravel_multi_index(tuple(np.clip(cell, 0, np.array(shape) - 1).T), shape)
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(int(np.prod(shape)) + 1)).astype(np.int64)
    return order, first


def _bare(organ: Organ, how: Sowing, points_mm: Floats, first: Ints, side_mm: float) -> Floats:
    """Return middles of voxels (N, 3) in tissue that no point stands for, at most one in a cube of spacing_mm.

    Walls between lobules and tongues thinner than a cube may leave such places.
    """
    grid = organ.distance.grid
    low, reach = np.asarray(grid.origin_mm), _BARE_SPACINGS * how.spacing_mm
    voxels = np.argwhere(organ.distance.data > how.depth_mm)
    middles = low + voxels * float(grid.spacing_mm[0])
    shape = np.array(cell_shape(organ, side_mm))
    middles = middles[_is_bare(middles, points_mm, first, (low, side_mm, shape), reach)]
    _, one = np.unique(np.floor((middles - low) / how.spacing_mm), axis=0, return_index=True)
    return np.asarray(middles[np.sort(one)])


@njit(cache=True)
def _is_bare(middles: Any, points: Any, first: Any, cells: Any, reach: float) -> Any:
    """Return which places (N,) have no point within reach."""
    origin, size, shape = cells
    bare = np.ones(len(middles), np.bool_)
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for n in range(len(middles)):
        for k in range(3):
            low[k] = min(max(math.floor((middles[n, k] - reach - origin[k]) / size), 0), shape[k] - 1)
            high[k] = min(max(math.floor((middles[n, k] + reach - origin[k]) / size), 0), shape[k] - 1)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                row = (i * shape[1] + j) * shape[2]
                for m in range(first[row + low[2]], first[row + high[2] + 1]):
                    dx, dy, dz = (
                        points[m, 0] - middles[n, 0],
                        points[m, 1] - middles[n, 1],
                        points[m, 2] - middles[n, 2],
                    )
                    if dx * dx + dy * dy + dz * dz <= reach * reach:
                        bare[n] = False
                        break
                if not bare[n]:
                    break
            if not bare[n]:
                break
    return bare


def _lattice(organ: Organ, spacing_mm: float, depth_mm: float, chance: Chance) -> NDArray[np.float64]:
    """Return one point at a random place in each cube of spacing_mm, where it lies deeper than depth_mm (N, 3)."""
    grid = organ.distance.grid
    low, side = np.asarray(grid.origin_mm), float(grid.spacing_mm[0])
    counts = np.ceil(np.array(grid.shape) * side / spacing_mm).astype(int)
    voxel = [
        np.minimum(np.rint((np.arange(n) + 0.5) * spacing_mm / side).astype(int), top - 1)
        for n, top in zip(counts, grid.shape, strict=True)
    ]
    # The middle of a cube tells whether any of it can lie deep enough: a distance changes by at most 1 mm a mm.
    reach = np.sqrt(3.0) * (0.5 * spacing_mm + 0.5 * side)
    corners = np.argwhere(organ.distance.data[np.ix_(*voxel)] > depth_mm - reach)
    points = low + spacing_mm * (corners + chance.generator().random(corners.shape))
    inside = trilinear_many(organ.distance.data, low, side, points) > depth_mm
    return np.ascontiguousarray(points[inside])


def cell_shape(organ: Organ, side_mm: float) -> tuple[int, int, int]:
    """Return the number of cells of the duct index along x, y, z."""
    grid = organ.distance.grid
    counts = np.floor((np.array(grid.shape) - 1) * grid.spacing_mm / side_mm).astype(int) + 1
    return int(counts[0]), int(counts[1]), int(counts[2])
