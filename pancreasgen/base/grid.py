"""Grids and volumes: an array never parts from its geometry.

World space is RAS+ in mm everywhere: x grows to the patient's right, y to the front, z to the head. Index order is
(i, j, k) = (x, y, z); the axes of a grid are parallel to the world's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.base.errors import BadInputError

MAX_VOXELS = 256_000_000
SPACING_RANGE_MM = (0.05, 20.0)
COORDINATE_LIMIT_MM = 2000.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid of voxel centres, parallel to the world's axes.

    Attributes:
        shape: Number of voxels along x, y, z.
        spacing_mm: Distance of neighbouring centres along x, y, z [mm].
        origin_mm: Centre of voxel (0, 0, 0) [mm, RAS+].

    Raises:
        BadInputError: If a size is below 1, a spacing outside 0.05–20 mm, the grid above 256 M voxels, or a corner
            further than 2,000 mm from the world's origin.

    >>> Grid.centred((4, 4, 2), (1.0, 1.0, 2.5), (0.0, 0.0, 0.0)).origin_mm
    (-1.5, -1.5, -1.25)
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        spacing = tuple(float(s) for s in self.spacing_mm)
        origin = tuple(float(o) for o in self.origin_mm)
        if len(shape) != 3 or len(spacing) != 3 or len(origin) != 3:
            raise BadInputError("a grid needs three sizes, three spacings and three origin coordinates")
        if min(shape) < 1 or shape[0] * shape[1] * shape[2] > MAX_VOXELS:
            raise BadInputError(f"a grid must have 1 to {MAX_VOXELS:,} voxels, not {shape}")
        low, high = SPACING_RANGE_MM
        if not all(low <= s <= high for s in spacing):
            raise BadInputError(f"the spacing of a grid must be {low} to {high} mm, not {spacing}")
        far = [max(abs(o), abs(o + (n - 1) * s)) for o, n, s in zip(origin, shape, spacing, strict=True)]
        if not all(value <= COORDINATE_LIMIT_MM for value in far):
            raise BadInputError(f"a grid must lie within {COORDINATE_LIMIT_MM:g} mm of the origin, not at {origin}")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing_mm", spacing)
        object.__setattr__(self, "origin_mm", origin)

    @classmethod
    def centred(
        cls, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], centre_mm: tuple[float, float, float]
    ) -> Grid:
        """Return the grid whose middle lies at centre_mm."""
        origin = tuple(c - (n - 1) / 2 * s for c, n, s in zip(centre_mm, shape, spacing_mm, strict=True))
        return cls(shape, spacing_mm, (origin[0], origin[1], origin[2]))

    @property
    def affine(self) -> NDArray[np.float64]:
        """The 4 × 4 matrix from (i, j, k, 1) to world mm, as NIfTI wants it."""
        matrix = np.diag([*self.spacing_mm, 1.0])
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel [mL]."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    def axis_mm(self, axis: int) -> NDArray[np.float64]:
        """Return the world coordinates of the centres along one axis (shape (n,)) [mm]."""
        return self.origin_mm[axis] + self.spacing_mm[axis] * np.arange(self.shape[axis], dtype=np.float64)

    def mesh_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return x, y, z of the centres, shaped (nx,1,1), (1,ny,1), (1,1,nz) so that they broadcast [mm]."""
        x, y, z = (self.axis_mm(axis) for axis in range(3))
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def to_index(self, points_mm: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return fractional indices of points (..., 3): 0.0 is the centre of the first voxel."""
        return (np.asarray(points_mm, dtype=np.float64) - self.origin_mm) / self.spacing_mm

    def to_world(self, index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the world points [mm] of fractional indices (..., 3)."""
        return np.asarray(index, dtype=np.float64) * self.spacing_mm + self.origin_mm

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return {"shape": list(self.shape), "spacing_mm": list(self.spacing_mm), "origin_mm": list(self.origin_mm)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Grid:
        """Return the grid of a dictionary made by :meth:`to_dict`."""
        return cls(tuple(data["shape"]), tuple(data["spacing_mm"]), tuple(data["origin_mm"]))


class Quantity(Enum):
    """What the numbers of a volume mean; decides how they may be interpolated."""

    LABEL = "label"
    FRACTION = "fraction"
    HU = "hu"
    DENSITY = "density"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Numbers on a grid.

    Attributes:
        data: Array of shape ``grid.shape``; for DENSITY (M, *grid.shape), one channel a basis material. Locked.
        grid: Where the voxels are.
        quantity: What the numbers mean.

    Raises:
        BadInputError: If data and grid do not fit.
    """

    data: NDArray[Any]
    grid: Grid
    quantity: Quantity

    def __post_init__(self) -> None:
        spatial = self.data.shape[1:] if self.quantity is Quantity.DENSITY else self.data.shape
        if spatial != self.grid.shape:
            raise BadInputError(f"a volume of shape {spatial} does not fit a grid of shape {self.grid.shape}")
        lock(self.data)
