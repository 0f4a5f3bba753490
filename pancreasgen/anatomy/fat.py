"""Fat between lobules: more of it in the walls of groups, towards the surface and in patches; some places are spared.

A wall is a layer with a Gaussian profile, as wide as assumed below where voxels are fine; where they are not its width
grows with the voxel and its height falls, so that it holds as much. One factor is solved for so that the mean fat
fraction of the whole gland is the physique's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pancreasgen.anatomy.canvas import interpolate
from pancreasgen.anatomy.fields import Field, tube
from pancreasgen.anatomy.lobules import wall_mm
from pancreasgen.anatomy.texture import slow_noise
from pancreasgen.organ.organ import Organ, Region

SMALL_SEPTUM_MM = 0.35  # width of the fat's profile beside a wall between lobules, assumed
LARGE_SEPTUM_MM = 0.8  # the same between groups of lobules, assumed
SMALL_SEPTUM_SHARE = 0.35  # how much fatter walls of groups are, assumed
DIFFUSE_SHARE = 0.06  # fat within lobules, relative to the wall of a group; assumed
WALL_MM = 5.0  # over what length a wall keeps its course and its thickness, assumed
BEND_MM = 0.8  # how far walls leave the plane, assumed
PATCH_MM = 12.0  # size of fattier and leaner patches, assumed
CLEFT_MM = 0.8  # half width of the clefts in the surface, assumed
CLEFT_DEPTH_MM = 2.0  # depth at which they are gone, assumed
CLEFT_SHARE = 0.33  # mean depth of the relief, as a share of the clefts' depth; measured
BILE_DUCT_MM = 8.0  # how far around the bile duct fat is spared, assumed
_HEAD = (Region.HEAD, Region.UNCINATE)


def spared(organ: Organ, bile_ducts_mm: Sequence[NDArray[np.float64]]) -> Field:
    """Return where fat spares the gland, 0 nowhere to 1 wholly, on the organ's grid.

    Spared are the posterior head with the uncinate process, and what surrounds the bile duct (textbook,
    radiologykey.com/22-pancreas; how far is assumed).

    Args:
        organ: The gland.
        bile_ducts_mm: Courses (K, 3) of bile ducts.
    """
    grid, regions = organ.distance.grid, organ.regions
    axis = np.clip(np.rint(regions.grid.to_index(organ.axis_mm)), 0, np.array(regions.data.shape) - 1).astype(int)
    head = np.isin(regions.data, _HEAD)
    on_axis = head[tuple(axis.T)]
    middle_mm = float(organ.axis_mm[on_axis, 1].mean()) if on_axis.any() else 0.0
    behind = head & (grid.mesh_mm()[1] < middle_mm)
    out = gaussian_filter(behind.astype(np.float32), 3.0 / np.array(grid.spacing_mm))
    for course in bile_ducts_mm:
        away = tube(grid, course, 0.0, 3.0 * BILE_DUCT_MM)
        np.maximum(out, np.exp(-((away / BILE_DUCT_MM) ** 2)), out=out)
    return np.asarray(out, dtype=np.float32)


@njit(cache=True, parallel=True)
def pattern(
    distance: Any, spare: Any, organ_frame: NDArray[np.float64], frame: NDArray[np.float64], lobules: Any, groups: Any,
    cleft: float, edge: float, key: np.uint64, inside: Any, fat: Any,
) -> None:  # fmt: skip
    """Write the gland's distance with clefts [mm] and the unscaled amount of fat on a grid.

    Args:
        distance: The organ's distance [mm].
        spare: By how much fat is less, on the same grid.
        organ_frame: Its origin and spacing (2, 3) [mm].
        frame: Origin and spacing of the grid to write (2, 3) [mm].
        lobules: Middles of lobules as :func:`~pancreasgen.anatomy.lobules.in_cells` sorts them.
        groups: The same of groups of lobules.
        cleft: Depth of the clefts [mm].
        edge: Mean edge of a voxel [mm].
        key: Key of the noise.
        inside: Distance to write.
        fat: Amount to write.
    """
    blur = (edge / 2.5) ** 2
    small_width, large_width = np.sqrt(SMALL_SEPTUM_MM**2 + blur), np.sqrt(LARGE_SEPTUM_MM**2 + blur)
    small_height = SMALL_SEPTUM_SHARE * SMALL_SEPTUM_MM / small_width
    large_height = LARGE_SEPTUM_MM / large_width
    for i in prange(inside.shape[0]):
        for j in range(inside.shape[1]):
            for k in range(inside.shape[2]):
                x, y, z = frame[0, 0] + i * frame[1, 0], frame[0, 1] + j * frame[1, 1], frame[0, 2] + k * frame[1, 2]
                u = (x - organ_frame[0, 0]) / organ_frame[1, 0]
                v = (y - organ_frame[0, 1]) / organ_frame[1, 1]
                w = (z - organ_frame[0, 2]) / organ_frame[1, 2]
                # lobules bulge by what the clefts take away, so that the gland keeps its volume
                d = interpolate(distance, u, v, w) + CLEFT_SHARE * cleft
                inside[i, j, k] = d
                fat[i, j, k] = 0.0
                if d < -2.0:
                    continue
                a = x + BEND_MM * slow_noise(x, y, z, WALL_MM, key)
                b = y + BEND_MM * slow_noise(x, y, z, WALL_MM, key + np.uint64(1))
                c = z + BEND_MM * slow_noise(x, y, z, WALL_MM, key + np.uint64(2))
                small, large = wall_mm(a, b, c, lobules), wall_mm(a, b, c, groups)
                # walls are nowhere equally thick, and some are missing
                thick = max(1.0 + 0.8 * slow_noise(x, y, z, WALL_MM, key + np.uint64(3)), 0.0)
                if d < 3.0 * CLEFT_DEPTH_MM:
                    gap = max(np.exp(-((large / CLEFT_MM) ** 2)), 0.5 * np.exp(-((small / CLEFT_MM) ** 2)))
                    inside[i, j, k] = d - cleft * min(thick, 2.0) * gap * np.exp(-max(d, 0.0) / CLEFT_DEPTH_MM)
                walls = large_height * np.exp(-((large / large_width) ** 2))
                walls += small_height * np.exp(-((small / small_width) ** 2))
                patch = max(1.0 + 0.6 * slow_noise(x, y, z, PATCH_MM, key + np.uint64(4)), 0.1)
                outer = 1.0 + 1.5 * np.exp(-max(d, 0.0) / 3.0)
                fat[i, j, k] = (walls * thick + DIFFUSE_SHARE) * patch * outer * (1.0 - interpolate(spare, u, v, w))


def fat_factor(pattern: NDArray[np.float32], wanted: float) -> float:
    """Return the factor f at which the mean of min(1, f·pattern) is the wanted fat fraction, by bisection.

    >>> round(fat_factor(np.array([0.5, 1.5], np.float32), 0.1), 4)
    0.1
    """
    low, high = 0.0, 1.0
    while np.minimum(pattern * high, 1.0).mean(dtype=np.float64) < wanted and high < 1e6:
        high *= 2.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (
            (middle, high) if np.minimum(pattern * middle, 1.0).mean(dtype=np.float64) < wanted else (low, middle)
        )
    return 0.5 * (low + high)
