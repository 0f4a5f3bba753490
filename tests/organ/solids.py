"""Solids with known geometry, cut into voxels of any size and orientation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
Solid = Callable[[Floats, Floats, Floats], Floats]
"""Positive inside, as a function of x, y, z [mm]."""


def voxels(
    solid: Solid, reach_mm: float, size_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0), centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> tuple[NDArray[np.bool_], Floats]:  # fmt: skip
    """Return the mask of a solid within a turned cube of ±reach, and its affine."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix() * size_mm
    counts = np.ceil(2.0 * reach_mm / np.array(size_mm)).astype(int) + 1
    affine[:3, 3] = np.array(centre_mm) - affine[:3, :3] @ ((counts - 1) / 2.0)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in counts], indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3], -1, 0)
    return solid(x, y, z) > 0, affine


def sphere(radius: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Solid:
    """A ball."""
    a, b, c = centre
    return lambda x, y, z: radius - np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2)


def banana(bend: float = 45.0, thick: float = 10.0, thin: float = 6.0, span_deg: float = 150.0) -> Solid:
    """A round tube on an arc in the plane z = 0, thick on the right, its middle in front."""

    def solid(x: Floats, y: Floats, z: Floats) -> Floats:
        share = np.clip((np.degrees(np.arctan2(y, x)) - (90.0 - span_deg / 2.0)) / span_deg, 0.0, 1.0)
        angle = np.radians(90.0 - span_deg / 2.0 + span_deg * share)
        away = np.sqrt((x - bend * np.cos(angle)) ** 2 + (y - bend * np.sin(angle)) ** 2 + z**2)
        return np.asarray(thick + (thin - thick) * share - away)

    return solid


def torus(bend: float = 28.0, radius: float = 9.0) -> Solid:
    """A ring in the plane z = 0."""
    return lambda x, y, z: radius - np.sqrt((np.sqrt(x * x + y * y) - bend) ** 2 + z * z)


def bitten() -> Solid:
    """A ball of 25 mm with a ball of 17 mm taken out on the right."""
    ball = sphere(25.0)
    return lambda x, y, z: np.minimum(ball(x, y, z), np.sqrt((x - 20) ** 2 + (y - 8) ** 2 + z * z) - 17.0)


def inside(mask: NDArray[np.bool_], affine: Floats, points_mm: Floats) -> NDArray[np.bool_]:
    """Return whether points (N, 3) lie in voxels of the mask."""
    index = np.rint(np.linalg.solve(affine[:3, :3], (points_mm - affine[:3, 3]).T).T).astype(int)
    here = np.all((index >= 0) & (index < mask.shape), axis=1)
    found = np.zeros(len(points_mm), bool)
    found[here] = mask[tuple(index[here].T)]
    return found
