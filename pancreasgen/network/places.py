"""The organ as growth asks for it: where along the axis, in which region, which way to a landmark or a course."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.network.steering import unit
from pancreasgen.network.trunk import Axis
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]


class Places:
    """Look-ups in one organ.

    Args:
        organ: The organ.
    """

    def __init__(self, organ: Organ) -> None:
        """Measure the axis and the courses."""
        self._organ = organ
        self.axis = Axis(organ.axis_mm)
        self.courses = {name: Axis(points) for name, points in organ.landmarks.items() if len(points) > 1}
        self.points = {
            name: np.round(points[0], 3) for name, points in sorted(organ.landmarks.items()) if len(points) == 1
        }

    @property
    def names(self) -> list[str]:
        """Names of all landmarks, points and courses."""
        return list(self._organ.landmarks)

    def number(self, name: str) -> int:
        """Return the number under which a landmark stands in the tree; −1 if the organ has none of that name."""
        return list(self.points).index(name) if name in self.points else -1

    def nearest_number(self, points_mm: Floats) -> NDArray[np.int64]:
        """Return the number of the landmark nearest to each point (N,); −1 without landmarks."""
        if not self.points:
            return np.full(len(points_mm), -1, np.int64)
        places = np.array(list(self.points.values()))
        return np.asarray(np.linalg.norm(points_mm[:, None] - places, axis=2).argmin(axis=1), dtype=np.int64)

    def landmark(self, name: str) -> Floats:
        """Return a landmark (3,) [mm].

        Raises:
            BadInputError: If the organ has no such point.
        """
        if name not in self.points:
            near = nearest_name(name, self.points)
            raise BadInputError(
                f"the organ has no landmark `{name}`",
                (f"did you mean `{near}`?\n" if near else "") + f"landmarks: {', '.join(self.points)}",
            )
        return self.points[name]

    def region(self, points_mm: Floats) -> Floats:
        """Return the number of the region at each point (N,)."""
        volume = self._organ.regions
        index = np.clip(np.rint(volume.grid.to_index(points_mm)).astype(int), 0, np.array(volume.grid.shape) - 1)
        return volume.data[tuple(index.T)].astype(np.float64)

    def direction(self, target: str, points_mm: Floats) -> Floats | None:
        """Return unit vectors (N, 3) to a target of the organ, None if it is none of the organ's."""
        if target in ("axis", "along"):
            return unit(self.axis.ahead(points_mm, parallel=target == "along"))
        if target == "surface":
            return -unit(sample_with_gradient(self._organ.distance, points_mm)[1])
        if target in self.courses:
            return unit(self.courses[target].ahead(points_mm, parallel=False))
        if target in self.points:
            return unit(self.points[target] - points_mm)
        return None


def no_target(target: str, targets: Collection[str]) -> BadInputError:
    """Return the letter to one who names a target that the organ does not have."""
    near = nearest_name(target, targets)
    return BadInputError(
        f"the organ has no target `{target}`",
        (f"did you mean `{near}`?\n" if near else "") + f"targets: {', '.join(sorted(targets))}",
    )
