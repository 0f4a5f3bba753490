"""Implicit surfaces on a grid: sections swept along an axis, ellipsoids, tubes, and true distances to what they make.

An *implicit field* is positive inside and roughly a distance in mm near its surface. Fields are joined by smooth
maxima; :func:`redistance` turns the result into a signed distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.organ.axis import Axis
from pancreasgen.organ.closest import propagate

Floats = NDArray[np.float64]
Field = NDArray[np.float32]


def nearest_sample(grid: Grid, points_mm: Floats) -> NDArray[np.int32]:
    """Return for each voxel the index of the nearest of the points (a dense curve), by a feature transform.

    The points must be closer together than the voxels; the error of the distance is below one voxel's diagonal.
    """
    index = np.rint(grid.to_index(points_mm)).astype(np.int64)
    keep = np.all((index >= 0) & (index < grid.shape), axis=1)
    owner = np.full(grid.shape, -1, np.int32)
    i, j, k = index[keep].T
    owner[i, j, k] = np.flatnonzero(keep)
    where = ndimage.distance_transform_edt(
        owner < 0, sampling=grid.spacing_mm, return_distances=False, return_indices=True
    )
    return np.asarray(owner[tuple(where)], dtype=np.int32)


def swept_section(grid: Grid, axis: Axis, nearest: NDArray[np.int32], thickness_mm: Floats, height_mm: Floats) -> Field:
    """Return the field of an elliptical section swept along an axis, with rounded ends.

    Args:
        grid: Where the field is wanted.
        axis: The axis and its frames.
        nearest: Index of the nearest axis sample of each voxel.
        thickness_mm: Half thickness of the section at each sample (A,) [mm], along ``axis.across``.
        height_mm: Half height of the section at each sample (A,) [mm], along ``axis.upward``.
    """
    x, y, z = grid.mesh_mm()
    offset = [part - axis.points_mm[nearest, k] for k, part in enumerate((x, y, z))]

    def along(vectors: Floats) -> Floats:
        return np.asarray(sum(offset[k] * vectors[nearest, k] for k in range(3)))

    a, b = thickness_mm[nearest], height_mm[nearest]
    q = np.sqrt((along(axis.across) / a) ** 2 + (along(axis.upward) / b) ** 2 + (along(axis.tangent) / a) ** 2)
    return np.asarray((1.0 - q) * np.minimum(a, b), dtype=np.float32)


def ellipsoid(grid: Grid, centre_mm: Floats, half_axes_mm: Floats, directions: Floats | None = None) -> Field:
    """Return the field of an ellipsoid.

    Args:
        grid: Where the field is wanted.
        centre_mm: Centre (3,) [mm].
        half_axes_mm: Half axes (3,) [mm].
        directions: Rows are the unit vectors (3, 3) of the half axes; None for the world's axes.
    """
    x, y, z = grid.mesh_mm()
    rows = np.eye(3) if directions is None else directions
    offset = (x - centre_mm[0], y - centre_mm[1], z - centre_mm[2])
    q = np.sqrt(
        sum(
            ((offset[0] * row[0] + offset[1] * row[1] + offset[2] * row[2]) / half) ** 2
            for row, half in zip(rows, half_axes_mm, strict=True)
        )
    )
    return np.asarray((1.0 - q) * float(np.min(half_axes_mm)), dtype=np.float32)


def tube(grid: Grid, course_mm: Floats, radius_mm: float) -> Field:
    """Return the field of a round tube along a course of points (K, 3); exact near the tube up to the sampling."""
    dense = densify(course_mm, 0.4 * min(grid.spacing_mm))
    nearest = nearest_sample(grid, dense)
    x, y, z = grid.mesh_mm()
    squared = sum((part - dense[nearest, k]) ** 2 for k, part in enumerate((x, y, z)))
    return np.asarray(radius_mm - np.sqrt(squared), dtype=np.float32)


def densify(points_mm: Floats, step_mm: float) -> Floats:
    """Return the polyline (K, 3) resampled so that neighbours are at most step_mm apart."""
    lengths = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
    parts = [
        start + (stop - start) * np.arange(count)[:, None] / count
        for start, stop, count in zip(
            points_mm[:-1], points_mm[1:], np.maximum(np.ceil(lengths / step_mm), 1).astype(int), strict=True
        )
    ]
    return np.vstack([*parts, points_mm[-1:]])


def smooth_union(first: Field, second: Field, blend_mm: float) -> Field:
    """Return the union of two fields with a fillet of about blend_mm (polynomial smooth maximum)."""
    h = np.clip(0.5 + 0.5 * (first - second) / blend_mm, 0.0, 1.0)
    return np.asarray(second + (first - second) * h + blend_mm * h * (1.0 - h), dtype=np.float32)


def smooth_noise(grid: Grid, length_mm: float, chance: Chance) -> Field:
    """Return Gaussian noise of mean 0 and SD 1 whose features are about length_mm wide (filtered white noise)."""
    white = chance.generator().standard_normal(grid.shape, dtype=np.float32)
    sigma = [0.5 * length_mm / spacing for spacing in grid.spacing_mm]
    filtered = ndimage.gaussian_filter(white, sigma, mode="reflect")
    return np.asarray(filtered / filtered.std(), dtype=np.float32)


def redistance(field: Field, grid: Grid) -> Field:
    """Return the signed distance [mm] to the zero surface of a field, positive inside.

    Voxels at the surface are projected onto it along the gradient, d = f/|∇f|; the surface points are then passed from
    neighbour to neighbour. Against a sphere of 12 mm on a grid of 1 mm the error is below 0.3 mm, 0.05 mm on average.
    """
    gradient = np.asarray(np.gradient(field, *grid.spacing_mm), dtype=np.float32)
    slope = np.maximum(np.sqrt((gradient**2).sum(axis=0)), 1e-3)
    near = np.abs(field) < 0.9 * max(grid.spacing_mm) * slope
    step = field / slope**2
    points = np.empty((*grid.shape, 3), np.float32)
    for k in range(3):
        ramp = np.arange(grid.shape[k], dtype=np.float32) * np.float32(grid.spacing_mm[k])
        points[..., k] = ramp.reshape([-1 if axis == k else 1 for axis in range(3)]) - step * gradient[k]
    own = np.abs(field[near]) / slope[near]
    known = near.copy()
    propagate(points, known, np.array(grid.spacing_mm))
    offset = np.empty_like(points)
    for k in range(3):
        ramp = np.arange(grid.shape[k], dtype=np.float32) * np.float32(grid.spacing_mm[k])
        offset[..., k] = ramp.reshape([-1 if axis == k else 1 for axis in range(3)]) - points[..., k]
    distance = np.sqrt((offset**2).sum(axis=-1))
    # Close to the surface its points are too far apart: there the tangent plane at the point is the better judge.
    # At creases the plane means nothing: it is trusted only where it says nearly the same.
    close = distance < 4.0 * max(grid.spacing_mm)
    index = (points[close] / np.array(grid.spacing_mm, np.float32)).T
    normal = np.stack([ndimage.map_coordinates(part, index, order=1, mode="nearest") for part in gradient], axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    plane = np.abs((offset[close] * normal).sum(axis=1))
    distance[close] = np.where(plane > 0.65 * distance[close], plane, distance[close])
    distance[near] = own
    return np.where(field > 0, distance, -distance).astype(np.float32)
