"""From the voxels of a mask to a smooth organ inside them: exact distances to the voxels' faces, and their smoothing.

The smooth surface never leaves the voxels of the mask and never lies deeper in them than a share of their size: stairs
are rounded and slices are joined by ramps at the price of a slightly smaller organ, so that whatever lies in the organ
lies in the mask as well.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.base.grid import Grid
from pancreasgen.organ.exact import exact_distance

Floats = NDArray[np.float64]
Field = NDArray[np.float32]

_SMOOTHING = 0.5  # SD of the smoothing and ...
_RETREAT = 0.25  # ... how far the surface may withdraw, in voxels of the mask (assumed)
_LEAK_MM = 0.1  # what the surface may enclose of an empty voxel, in depth: less than a duct keeps from it


@njit(cache=True)
def _distances(mask: Any, near: Any, size: Any, matrix: Any, shift: Any, reach: Any, out: Any) -> None:
    """Fill ``out`` with exact signed distances to the faces of the mask's voxels, cut off at ``reach[3]``.

    Args:
        mask: The mask, with a border of empty voxels (I, J, K).
        near: Whether a voxel has both kinds within ``reach[:3]`` voxels (I, J, K).
        size: Size of a voxel (3,) [mm].
        matrix: From an index of ``out`` to one of ``mask`` (3, 3).
        shift: Index of the mask at index 0 of ``out`` (3,).
        reach: Voxels to look at along each axis, and the largest distance [mm] (4,).
        out: Distances (X, Y, Z) [mm], positive inside.
    """
    ni, nj, nk = mask.shape
    ra, rb, rc = int(reach[0]), int(reach[1]), int(reach[2])
    for x in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + shift[0]
                v = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + shift[1]
                w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + shift[2]
                i, j, k = int(np.floor(u + 0.5)), int(np.floor(v + 0.5)), int(np.floor(w + 0.5))
                if i < 0 or j < 0 or k < 0 or i >= ni or j >= nj or k >= nk:
                    out[x, y, z] = -reach[3]
                    continue
                own = mask[i, j, k]
                best = reach[3] * reach[3]
                if near[i, j, k]:
                    for a in range(max(i - ra, 0), min(i + ra + 1, ni)):
                        da = max(abs(u - a) - 0.5, 0.0) * size[0]
                        for b in range(max(j - rb, 0), min(j + rb + 1, nj)):
                            db = da * da + (max(abs(v - b) - 0.5, 0.0) * size[1]) ** 2
                            if db >= best:
                                continue
                            for c in range(max(k - rc, 0), min(k + rc + 1, nk)):
                                if mask[a, b, c] != own:
                                    best = min(best, db + (max(abs(w - c) - 0.5, 0.0) * size[2]) ** 2)
                out[x, y, z] = np.sqrt(best) if own else -np.sqrt(best)


def face_distance(
    mask: NDArray[np.bool_],
    size_mm: Floats,
    matrix: Floats,
    shift: Floats,
    shape: tuple[int, int, int],
    reach_mm: float,
) -> Field:
    """Return exact signed distances [mm] to the faces of a mask's voxels at the points of a lattice, positive inside.

    Args:
        mask: The mask; whatever lies beyond it is empty (I, J, K).
        size_mm: Size of a voxel (3,) [mm]; the axes of the mask are at right angles.
        matrix: From an index of the lattice to one of the mask (3, 3).
        shift: Index of the mask at index 0 of the lattice (3,).
        shape: Number of points of the lattice.
        reach_mm: Larger distances are cut off here [mm].

    >>> one = np.ones((1, 1, 1), bool)
    >>> face_distance(one, np.array([2.0, 2.0, 4.0]), np.eye(3), np.zeros(3), (1, 1, 2), 9.0).ravel().tolist()
    [1.0, -2.0]
    """
    cells = np.ceil(reach_mm / size_mm + 0.5).astype(int)
    padded = np.pad(mask, [(int(n) + 1, int(n) + 1) for n in cells])
    span = tuple(int(2 * n + 1) for n in cells)
    near = ndimage.maximum_filter(padded, size=span) != ndimage.minimum_filter(padded, size=span)
    out = np.empty(shape, np.float32)
    reach = np.array([*cells, reach_mm], np.float64)
    origin = np.asarray(shift, np.float64) + cells + 1
    _distances(padded, near, np.asarray(size_mm, np.float64), np.ascontiguousarray(matrix), origin, reach, out)
    return out


def smooth_distance(mask: NDArray[np.bool_], affine: Floats, grid: Grid, depth_mm: float) -> Field:
    """Return the signed distance [mm] to a smooth surface inside the voxels of a mask, on a grid of the world.

    Args:
        mask: One piece of tissue (I, J, K), cropped.
        affine: From indices of the mask to world mm (4, 4), its columns at right angles.
        grid: Where the distance is wanted; its voxels are cubes.
        depth_mm: About the depth of the organ; the surface withdraws by a twelfth of it at most.

    The exact distance c to the voxels' faces is smoothed by a Gaussian of half a voxel along each axis of the mask, and
    held between c − r and c, r being a quarter of a voxel or less. Where it would still let a corner of an empty voxel
    in, it is lowered. What remains is made a true distance by :func:`pancreasgen.organ.exact.exact_distance`.
    """
    size = np.linalg.norm(affine[:3, :3], axis=0)
    step = grid.spacing_mm[0]
    reach = max(2.5 * step, float(size.max()))
    retreat = np.float32(min(_RETREAT * float(size.max()), depth_mm / 12.0))
    fine = np.where(size > step, size / np.ceil(size / step), step)
    border = np.ceil(reach / fine) + 1.0
    counts = np.ceil((np.array(mask.shape) * size) / fine + 2.0 * border).astype(int) + 1
    low = -0.5 - border * fine / size  # index of the mask at the first fine point
    shape = (int(counts[0]), int(counts[1]), int(counts[2]))
    limit = face_distance(mask, size, np.diag(fine / size), low, shape, reach)
    smooth = np.clip(ndimage.gaussian_filter(limit, _SMOOTHING * size / fine), limit - retreat, limit)
    back = np.linalg.inv(affine).astype(np.float64)
    matrix = back[:3, :3] * step
    shift = back[:3, :3] @ np.array(grid.origin_mm) + back[:3, 3]
    to_fine = size / fine
    placed = ndimage.affine_transform(
        smooth, to_fine[:, None] * matrix, to_fine * (shift - low), grid.shape, order=1, mode="nearest"
    )
    limit = face_distance(mask, size, matrix, shift, grid.shape, reach)
    field = np.clip(placed, limit - retreat, limit)
    for offset in np.array(list(product((0.0, 0.5), repeat=3)))[1:]:
        field = _without_leak(
            field, face_distance(mask, size, matrix, shift + matrix @ offset, grid.shape, step), offset
        )
    return exact_distance(field, step)


def _without_leak(field: Field, between: Field, offset: Floats) -> Field:
    """Return the field lowered where it would let a corner of an empty voxel into the organ.

    Args:
        field: The field at the voxels (X, Y, Z), interpolated linearly between them.
        between: Exact distances at places between the voxels (X, Y, Z).
        offset: How far these lie from the voxels, 0 or half a voxel along each axis (3,).
    """
    whole, low, high = slice(None), slice(None, -1), slice(1, None)
    corners = list(product(*[(low, high) if part else (whole,) for part in offset]))
    inner = tuple(low if part else whole for part in offset)
    middle = sum((field[corner] for corner in corners), np.float32(0.0)) / np.float32(len(corners))
    least = np.float32(_LEAK_MM)
    leak = np.where(between[inner] < least, np.maximum(middle - np.maximum(between[inner], 0.0) - least, 0.0), 0.0)
    worst = np.zeros_like(field)
    for corner in corners:
        np.maximum(worst[corner], leak.astype(np.float32), out=worst[corner])
    return field - worst
