"""The organ: where growth is allowed, and where it is in the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import frozen_array
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Quantity, Volume


class Region(IntEnum):
    """Parts of the pancreas; 0 is outside."""

    OUTSIDE = 0
    HEAD = 1
    UNCINATE = 2
    NECK = 3
    BODY = 4
    TAIL = 5


@dataclass(frozen=True, slots=True, eq=False)
class Organ:
    """A gland in the body, whatever it was made from.

    Attributes:
        distance: Signed distance to the capsule [mm], positive inside; quantity DISTANCE, float32.
        axis_mm: Points (A, 3) along the gland's long axis from the papilla end to the tip of the tail [mm, RAS+].
        landmarks: Name → points (K, 3) [mm]: one point for ``major_papilla``, ``minor_papilla``, ``tail_tip``;
            a course for ``smv``, ``sma``, ``splenic_vein``, ``bile_duct`` where the organ knows them.
        regions: :class:`Region` of each voxel; quantity LABEL, uint8, on the same grid as distance.

    Raises:
        BadInputError: If the volumes' grids differ or the axis has fewer than two points.
    """

    distance: Volume
    axis_mm: NDArray[np.float64]
    landmarks: Mapping[str, NDArray[np.float64]]
    regions: Volume

    def __post_init__(self) -> None:
        if self.distance.grid != self.regions.grid:
            raise BadInputError("the distance and the regions of an organ must share one grid")
        if self.distance.quantity is not Quantity.DISTANCE or self.regions.quantity is not Quantity.LABEL:
            raise BadInputError("an organ needs a distance volume and a label volume")
        axis = frozen_array(self.axis_mm, "axis_mm", (None, 3), "f8")
        if len(axis) < 2:
            raise BadInputError("the axis of an organ needs at least two points")
        marks = {name: frozen_array(points, name, (None, 3), "f8") for name, points in self.landmarks.items()}
        object.__setattr__(self, "axis_mm", axis)
        object.__setattr__(self, "landmarks", MappingProxyType(marks))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the organ travel between processes (a mapping proxy cannot)."""
        return (type(self), (self.distance, self.axis_mm, dict(self.landmarks), self.regions))

    @property
    def volume_ml(self) -> float:
        """Volume inside the capsule [mL], counted by voxels with a linear ramp at the border."""
        grid = self.distance.grid
        inside = np.clip(self.distance.data / max(grid.spacing_mm) + 0.5, 0.0, 1.0)
        return float(inside.sum(dtype=np.float64)) * grid.voxel_ml

    @property
    def length_mm(self) -> float:
        """Length of the axis from the papilla end to the tip of the tail [mm]."""
        return float(np.linalg.norm(np.diff(self.axis_mm, axis=0), axis=1).sum())
