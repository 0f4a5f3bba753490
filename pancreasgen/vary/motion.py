"""All that moves things, as one map of space: reflect, rotate and scale about a centre, then flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid
from pancreasgen.vary.flow import Flow, draw_flow
from pancreasgen.vary.invariance import stream_of

Floats = NDArray[np.float64]
_PROBE_MM = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A map of space that can be undone.

    Attributes:
        matrix: Linear part (3, 3).
        centre_mm: The point (3,) that the linear part leaves where it is [mm].
        flow: The deformation that follows, or None.
    """

    matrix: Floats
    centre_mm: Floats
    flow: Flow | None = None

    def forward(self, points_mm: Floats) -> Floats:
        """Return where points (N, 3) go [mm].

        >>> half = Motion(0.5 * np.eye(3), np.zeros(3))
        >>> half.forward(np.array([[2.0, 4.0, 6.0]])).tolist()
        [[1.0, 2.0, 3.0]]
        """
        moved = (points_mm - self.centre_mm) @ self.matrix.T + self.centre_mm
        return moved if self.flow is None else self.flow.follow(moved, 1.0)

    def backward(self, points_mm: Floats) -> Floats:
        """Return where points (N, 3) came from [mm]."""
        before = points_mm if self.flow is None else self.flow.follow(points_mm, -1.0)
        return np.asarray((before - self.centre_mm) @ np.linalg.inv(self.matrix).T + self.centre_mm)

    def jacobian(self, points_mm: Floats) -> Floats:
        """Return by how much volume grows (N,) at points (N, 3), below 0 where handedness changes."""
        own = float(np.linalg.det(self.matrix))
        if self.flow is None:
            return np.full(len(points_mm), own)
        start = (points_mm - self.centre_mm) @ self.matrix.T + self.centre_mm
        columns = [
            (self.flow.follow(start + step, 1.0) - self.flow.follow(start - step, 1.0)) / (2.0 * _PROBE_MM)
            for step in _PROBE_MM * np.eye(3)
        ]
        return np.asarray(own * np.linalg.det(np.stack(columns, axis=-1)))

    def factor(self, points_mm: Floats) -> Floats:
        """Return by how much lengths grow (N,) at points (N, 3), cube root of the Jacobian."""
        return np.asarray(np.cbrt(np.abs(self.jacobian(points_mm))))


def motion_of(records: Sequence[Mapping[str, Any]], grid: Grid) -> Motion:
    """Return the motion that the geometric ones among some records make, about the middle of a grid.

    Args:
        records: Records of invariances; those that move nothing are passed over.
        grid: What is moved.

    >>> grid = Grid.centred((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    >>> motion_of([{"name": "scaling", "factor": 2.0}], grid).matrix.diagonal().tolist()
    [2.0, 2.0, 2.0]
    """
    by_name = {record["name"]: record for record in records}
    matrix = np.eye(3)
    if "reflection" in by_name:
        axis = "xyz".index(by_name["reflection"]["axis"])
        matrix[axis, axis] = -1.0
    if "rotation" in by_name:
        matrix = rotation_matrix(by_name["rotation"]["axis"], by_name["rotation"]["deg"]) @ matrix
    if "scaling" in by_name:
        matrix = by_name["scaling"]["factor"] * matrix
    low, high = grid.to_world(np.zeros(3)), grid.to_world(np.array(grid.shape) - 1)
    flow = None
    if "deformation" in by_name and by_name["deformation"]["amplitude_mm"] > 0.0:
        record = by_name["deformation"]
        flow = draw_flow(record["amplitude_mm"], record["spacing_mm"], (low, high), stream_of(record))
    return Motion(matrix, 0.5 * (low + high), flow)


def rotation_matrix(axis: Sequence[float], angle_deg: float) -> Floats:
    """Return the rotation about a direction (Rodrigues); exact for quarter turns about x, y, z.

    >>> rotation_matrix([0.0, 0.0, 1.0], 90.0).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    unit = np.asarray(axis, dtype=np.float64)
    unit = unit / np.linalg.norm(unit)
    angle = np.deg2rad(angle_deg)
    cos, sin = (np.rint(value) if angle_deg % 90.0 == 0.0 else value for value in (np.cos(angle), np.sin(angle)))
    x, y, z = unit
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(cos * np.eye(3) + sin * cross + (1.0 - cos) * np.outer(unit, unit) + 0.0)
