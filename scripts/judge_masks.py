"""Ten masks that are not ours: bananas, rings, bitten balls and boxes in voxels of many sizes and orientations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
Solid = Callable[[Floats, Floats, Floats], Floats]
"""Above 0 inside, as a function of x, y, z [mm]."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A solid, and how it is cut into voxels.

    Attributes:
        solid: What is inside.
        reach_mm: Half the sides of the box around it, along x, y, z of the solid.
        size_mm: Voxel size.
        turn_deg: Turn of the voxels' axes against the body's, about x, y, z.
        flips: Signs of the voxels' axes: −1 counts towards the patient's left, back or feet.
    """

    solid: Solid
    reach_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    flips: tuple[int, int, int] = (1, 1, 1)

    def voxels(self) -> tuple[NDArray[np.bool_], Floats]:
        """Return the mask and its affine."""
        turn = Rotation.from_euler("xyz", self.turn_deg, degrees=True).as_matrix() * self.flips
        corners = np.array(np.meshgrid(*[(-r, r) for r in self.reach_mm])).reshape(3, -1)
        half = np.abs(np.linalg.solve(turn, corners)).max(axis=1) + np.array(self.size_mm)
        counts = np.ceil(2.0 * half / self.size_mm).astype(int) + 1
        affine = np.eye(4)
        affine[:3, :3] = turn * self.size_mm
        affine[:3, 3] = np.array([3.3, -7.1, 12.4]) - affine[:3, :3] @ ((counts - 1) / 2.0)
        index = np.stack(np.meshgrid(*[np.arange(n) for n in counts], indexing="ij"), axis=-1)
        x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3] - [3.3, -7.1, 12.4], -1, 0)
        return self.solid(x, y, z) > 0.0, affine


def banana(bend: float, thick: float, thin: float, span_deg: float) -> Solid:
    """Return a round tube on an arc, thick on the patient's right, its middle in front."""

    def solid(x: Floats, y: Floats, z: Floats) -> Floats:
        first = 90.0 - span_deg / 2.0
        share = np.clip((np.degrees(np.arctan2(y, x)) - first) / span_deg, 0.0, 1.0)
        angle = np.radians(first + span_deg * share)
        away = np.sqrt((x - bend * np.cos(angle)) ** 2 + (y - bend * np.sin(angle)) ** 2 + z**2)
        return np.asarray(thick + (thin - thick) * share - away)

    return solid


def torus(bend: float, radius: float) -> Solid:
    """Return a ring around z."""
    return lambda x, y, z: radius - np.sqrt((np.hypot(x, y) - bend) ** 2 + z * z)


def ball(radius: float, x0: float = 0.0, y0: float = 0.0, z0: float = 0.0) -> Solid:
    return lambda x, y, z: radius - np.sqrt((x - x0) ** 2 + (y - y0) ** 2 + (z - z0) ** 2)


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Solid:
    def solid(x: Floats, y: Floats, z: Floats) -> Floats:
        sides = zip((x, y, z), low, high, strict=True)
        return np.asarray(np.minimum.reduce([np.minimum(p - a, b - p) for p, a, b in sides]))

    return solid


def either(*solids: Solid) -> Solid:
    return lambda x, y, z: np.maximum.reduce([solid(x, y, z) for solid in solids])


def without(solid: Solid, *bites: Solid) -> Solid:
    return lambda x, y, z: np.minimum.reduce([solid(x, y, z)] + [-bite(x, y, z) for bite in bites])


def _pierced(x: Floats, y: Floats, z: Floats) -> Floats:
    """An ellipsoid with a hole of 12 mm from front to back through its middle."""
    egg = 16.0 * (1.0 - np.sqrt((x / 45.0) ** 2 + (y / 20.0) ** 2 + (z / 18.0) ** 2))
    return np.asarray(np.minimum(egg, np.hypot(x - 5.0, z) - 6.0))


FOREIGN = {
    "banana": Foreign(banana(45, 11, 7, 150), (60, 60, 14)),
    "banana_thick_slices": Foreign(banana(32, 13, 8, 190), (48, 48, 16), (0.7, 0.7, 5.0), (20, -30, 40)),
    "banana_flipped": Foreign(banana(75, 12, 8, 100), (80, 90, 15), (1.5, 1.5, 3.0), flips=(-1, -1, 1)),
    "torus": Foreign(torus(28, 9), (38, 38, 10)),
    "torus_turned": Foreign(torus(36, 8), (46, 46, 9), (0.8, 0.8, 2.5), (50, 10, -20)),
    "ball_bitten": Foreign(without(ball(25), ball(17, 20, 8, 0)), (26, 26, 26)),
    "ball_bitten_thrice": Foreign(
        without(ball(30), ball(16, 26, 6), ball(15, -20, 20, 5), ball(14, 0, -26, -12)), (31, 31, 31), (2.0, 2.0, 2.0)
    ),
    "ellipsoid_pierced": Foreign(_pierced, (46, 21, 19)),
    "L": Foreign(either(box((-50, -11, -11), (50, 11, 11)), box((28, -11, -60), (50, 11, 11))), (52, 13, 62)),
    "plate": Foreign(box((-35, -6, -25), (35, 6, 25)), (37, 8, 27)),
}  # fmt: skip
