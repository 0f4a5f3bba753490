"""Tissue as points that want a duct: a jittered lattice inside the organ, sorted by cell of the duct index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.network.geometry import trilinear_many
from pancreasgen.organ.organ import Organ

CELL_MM = 2.5


@dataclass(slots=True, eq=False)
class Tissue:
    """Points of tissue, mutable while ducts grow.

    Attributes:
        points_mm: Positions (P, 3) [mm], sorted by cell.
        first: Where each cell's points begin (cells + 1,).
        served: Whether a duct is near enough (P,).
        label: Territory of each point (P,), −1 as long as nobody owns it.
    """

    points_mm: NDArray[np.float64]
    first: NDArray[np.int64]
    served: NDArray[np.bool_]
    label: NDArray[np.int64]

    def as_tuple(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Return the columns as the kernels take them."""
        return self.points_mm, self.first, self.served, self.label


def sow(organ: Organ, spacing_mm: float, depth_mm: float, chance: Chance) -> Tissue:
    """Sow tissue points: one in each cube of spacing_mm, at a random place in it, deeper than depth_mm in the organ."""
    grid = organ.distance.grid
    low = np.asarray(grid.origin_mm)
    counts = np.ceil(np.array(grid.shape) * grid.spacing_mm / spacing_mm).astype(int)
    corners = np.stack(np.meshgrid(*[np.arange(n) for n in counts], indexing="ij"), axis=-1).reshape(-1, 3)
    points = low + spacing_mm * (corners + chance.generator().random(corners.shape))
    inside = trilinear_many(organ.distance.data, low, float(grid.spacing_mm[0]), points) > depth_mm
    points = points[inside]
    shape = cell_shape(organ)
    cell = np.floor((points - low) / CELL_MM).astype(np.int64)
    flat = np.ravel_multi_index(tuple(np.clip(cell, 0, np.array(shape) - 1).T), shape)
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(int(np.prod(shape)) + 1))
    return Tissue(points[order], first.astype(np.int64), np.zeros(len(points), np.bool_), np.full(len(points), -1))


def cell_shape(organ: Organ) -> tuple[int, int, int]:
    """Return the number of cells of the duct index along x, y, z."""
    grid = organ.distance.grid
    counts = np.floor((np.array(grid.shape) - 1) * grid.spacing_mm / CELL_MM).astype(int) + 1
    return int(counts[0]), int(counts[1]), int(counts[2])
