"""Implicit surfaces on a grid: sections swept along an axis, ellipsoids, tubes, and true distances to what they make.

An *implicit field* is positive inside and roughly a distance in mm near its surface. Fields are joined by smooth
maxima; :func:`redistance` turns the result into a signed distance.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.organ import nearby
from pancreasgen.organ.axis import Axis
from pancreasgen.organ.closest import propagate

Floats = NDArray[np.float64]
Field = NDArray[np.float32]


def nearest_sample(grid: Grid, points_mm: Floats) -> NDArray[np.int32]:
    """Return for each voxel the index of the nearest of the points (K, 3) [mm]; exact."""
    nearest, squared = np.empty(grid.shape, np.int32), np.empty(grid.shape, np.float32)
    nearby.nearest_point(np.ascontiguousarray(points_mm, dtype=np.float64), _frame(grid), np.inf, nearest, squared)
    return nearest


def swept_section(grid: Grid, axis: Axis, nearest: NDArray[np.int32], thickness_mm: Floats, height_mm: Floats) -> Field:
    """Return the field of an elliptical section swept along an axis, with rounded ends.

    Args:
        grid: Where the field is wanted.
        axis: The axis and its frames.
        nearest: Index of the nearest axis sample of each voxel.
        thickness_mm: Half thickness of the section at each sample (A,) [mm], along ``axis.across``.
        height_mm: Half height of the section at each sample (A,) [mm], along ``axis.upward``.
    """
    field = np.empty(grid.shape, np.float32)
    directions = np.stack([axis.across, axis.upward, axis.tangent], axis=1)
    half = np.column_stack([thickness_mm, height_mm, thickness_mm])
    nearby.sweep(_frame(grid), nearest, np.ascontiguousarray(axis.points_mm), directions, half, field)
    return field


def ellipsoid(grid: Grid, centre_mm: Floats, half_axes_mm: Floats, directions: Floats | None = None) -> Field:
    """Return the field of an ellipsoid.

    Args:
        grid: Where the field is wanted.
        centre_mm: Centre (3,) [mm].
        half_axes_mm: Half axes (3,) [mm].
        directions: Rows are the unit vectors (3, 3) of the half axes; None for the world's axes.
    """
    field = np.empty(grid.shape, np.float32)
    rows = (np.eye(3) if directions is None else np.asarray(directions, dtype=np.float64))[None]
    centre, half = (np.asarray(item, dtype=np.float64)[None] for item in (centre_mm, half_axes_mm))
    nearby.sweep(_frame(grid), np.zeros(grid.shape, np.uint8), centre, np.ascontiguousarray(rows), half, field)
    return field


def tube(grid: Grid, course_mm: Floats, radius_mm: float, reach_mm: float = np.inf) -> Field:
    """Return the field of a round tube along a course of points (K, 3): radius − distance to the course.

    The course is taken as points 0.4 voxels apart; two voxels from it and further the error is 0.01 voxels at most.

    Args:
        grid: Where the field is wanted.
        course_mm: Points of the course (K, 3) [mm].
        radius_mm: Radius of the tube [mm].
        reach_mm: Far from the tube the field is cut off: nowhere is it below −reach_mm.
    """
    nearest, squared = np.empty(grid.shape, np.int32), np.full(grid.shape, np.inf, np.float32)
    dense = densify(np.asarray(course_mm, dtype=np.float64), 0.4 * min(grid.spacing_mm))
    nearby.nearest_point(dense, _frame(grid), radius_mm + reach_mm, nearest, squared)
    return np.maximum(np.float32(radius_mm) - np.sqrt(squared), np.float32(-reach_mm))


def _frame(grid: Grid) -> Floats:
    return np.array([grid.origin_mm, grid.spacing_mm], dtype=np.float64)


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


def lobules(grid: Grid, length_mm: float, chance: Chance) -> Field:
    """Return a relief of mean 0 and SD 1: rounded lobules about two lengths wide, with sharp notches between them.

    It is 1 − e^−|n| of Gaussian noise n; the notches are where n changes its sign. With E e^−|n| = 2 √e Φ(−1) and
    E e^−2|n| = 2 e² Φ(−2) it lies between −1.91 and 2.09.
    """
    first, second = 2 * math.exp(0.5) * float(ndtr(-1.0)), 2 * math.exp(2.0) * float(ndtr(-2.0))
    gaps = np.exp(-np.abs(smooth_noise(grid, length_mm, chance)))
    return np.asarray((first - gaps) / math.sqrt(second - first**2), dtype=np.float32)


def redistance(field: Field, grid: Grid) -> Field:
    """Return the signed distance [mm] to the zero surface of a field, positive inside.

    Voxels at the surface are projected onto it along the gradient, d = f/|∇f|; the surface points are then passed from
    neighbour to neighbour. Against a sphere of 12 mm on a grid of 1 mm the error is below 0.3 mm, 0.05 mm on average.
    """
    spacing = np.array(grid.spacing_mm)
    points, known = np.zeros((*grid.shape, 3), np.float32), np.empty(grid.shape, np.bool_)
    field = np.ascontiguousarray(field, dtype=np.float32)
    nearby.surface_points(field, spacing, points, known)
    own = known.copy()
    propagate(points, known, spacing)
    distance = np.empty(grid.shape, np.float32)
    nearby.signed_distance(field, spacing, points, own, distance)
    return distance
