"""Compiled passes over a grid: the nearest piece of a curve, a section swept along it, and the surface's own points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_BLOCK = 6


@njit(cache=True)
def nearest_point(points: Any, frame: Any, reach_mm: float, nearest: Any, squared: Any) -> None:
    """Find for each voxel the nearest of some points, and how far it is; exact.

    A distance changes by no more than one moves. So whatever is nearest to some voxel of a block lies, from the block's
    centre, at most two half diagonals further away than what is nearest to the centre; only that is compared.

    Args:
        points: Points (K, 3) [mm].
        frame: Origin and spacing of the grid (2, 3) [mm].
        reach_mm: Blocks that lie wholly further away than this are left as they are.
        nearest: Row of the nearest point, the first of equals; written in place (X, Y, Z), int32.
        squared: Squared distance to it [mm²], written in place (X, Y, Z), float32.
    """
    nx, ny, nz = squared.shape
    half = 0.5 * (_BLOCK - 1) * np.sqrt(frame[1, 0] ** 2 + frame[1, 1] ** 2 + frame[1, 2] ** 2)
    far, rows, some = np.empty(len(points)), np.empty(len(points), np.int32), np.empty((len(points), 3))
    centre = np.empty(3)
    for a in range(0, nx, _BLOCK):
        for b in range(0, ny, _BLOCK):
            for c in range(0, nz, _BLOCK):
                for n, first in enumerate((a, b, c)):
                    centre[n] = frame[0, n] + (first + 0.5 * (_BLOCK - 1)) * frame[1, n]
                least = np.inf
                for row in range(len(points)):
                    u, v, w = centre[0] - points[row, 0], centre[1] - points[row, 1], centre[2] - points[row, 2]
                    far[row] = u * u + v * v + w * w
                    least = min(least, far[row])
                least = np.sqrt(least)
                if least - half > reach_mm:
                    continue
                count, most = 0, (least + 2.0 * half) ** 2
                for row in range(len(points)):
                    if far[row] <= most:
                        rows[count] = row
                        some[count] = points[row]
                        count += 1
                _fill(some[:count], rows, frame, (a, b, c), nearest, squared)


@njit(cache=True)
def _fill(points: Any, rows: Any, frame: Any, first: Any, nearest: Any, squared: Any) -> None:
    """Compare the voxels of one block with the few points that may be nearest; the innermost loop is a plain row."""
    nx, ny, nz = squared.shape
    best, owner = np.empty(_BLOCK), np.empty(_BLOCK, np.int64)
    a, b, c = first
    z = frame[0, 2] + (c + np.arange(_BLOCK)) * frame[1, 2]
    for i in range(a, min(a + _BLOCK, nx)):
        x = frame[0, 0] + i * frame[1, 0]
        for j in range(b, min(b + _BLOCK, ny)):
            y = frame[0, 1] + j * frame[1, 1]
            best[:] = np.inf
            for m in range(len(points)):
                level = (x - points[m, 0]) ** 2 + (y - points[m, 1]) ** 2
                height = points[m, 2]
                for k in range(_BLOCK):
                    value = level + (z[k] - height) * (z[k] - height)
                    owner[k] = m if value < best[k] else owner[k]
                    best[k] = min(value, best[k])
            for k in range(c, min(c + _BLOCK, nz)):
                nearest[i, j, k] = rows[owner[k - c]]
                squared[i, j, k] = best[k - c]


@njit(cache=True)
def sweep(frame: Any, nearest: Any, points: Any, directions: Any, half: Any, out: Any) -> None:
    """Write the field of an elliptical section that is swept along a curve: (1 − q)/|∇q|, with q = 1 on its surface.

    To first order that is the distance to the surface [mm], so that a relief added to it is as high as it says. In the
    centre, where ∇q has no direction, it is the smallest half axis.

    Args:
        frame: Origin and spacing of the grid (2, 3) [mm].
        nearest: Row of the sample that a voxel belongs to (X, Y, Z).
        points: Samples (A, 3) [mm].
        directions: Unit vectors of the section's axes at each sample (A, 3, 3).
        half: Half axes along them (A, 3) [mm].
        out: Field (X, Y, Z), float32, written in place.
    """
    nx, ny, nz = out.shape
    for i in range(nx):
        x = frame[0, 0] + i * frame[1, 0]
        for j in range(ny):
            y = frame[0, 1] + j * frame[1, 1]
            for k in range(nz):
                z = frame[0, 2] + k * frame[1, 2]
                row = nearest[i, j, k]
                u, v, w = x - points[row, 0], y - points[row, 1], z - points[row, 2]
                q, steep, least = 0.0, 0.0, np.inf
                for n in range(3):
                    along = u * directions[row, n, 0] + v * directions[row, n, 1] + w * directions[row, n, 2]
                    q += (along / half[row, n]) ** 2
                    steep += (along / half[row, n] ** 2) ** 2
                    least = min(least, half[row, n])
                reach = np.sqrt(q / steep) if steep > 0.0 else least  # 1/|∇q|
                out[i, j, k] = (1.0 - np.sqrt(q)) * reach


@njit(cache=True)
def surface_points(field: Any, spacing: Any, points: Any, known: Any) -> None:
    """Project the voxels at a field's zero surface onto it, along the gradient: d = f/|∇f|.

    At the surface are those that d says are near and that have a neighbour of the other sign. Where a field jumps, deep
    inside, d alone would say so too.

    Args:
        field: Implicit field (X, Y, Z).
        spacing: Size of a voxel (3,) [mm].
        points: Surface point of each voxel that has one, relative to the origin (X, Y, Z, 3) [mm], written in place.
        known: Whether a voxel has one (X, Y, Z), written in place.
    """
    nx, ny, nz = field.shape
    widest = 0.9 * max(spacing[0], spacing[1], spacing[2])
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                gx, gy, gz = slope(field, i, j, k, spacing)
                squared = max(gx * gx + gy * gy + gz * gz, 1e-6)
                steep = abs(field[i, j, k]) < widest * np.sqrt(squared)
                known[i, j, k] = steep and _changes_sign(field, i, j, k)
                if known[i, j, k]:
                    step = field[i, j, k] / squared
                    points[i, j, k, 0] = i * spacing[0] - step * gx
                    points[i, j, k, 1] = j * spacing[1] - step * gy
                    points[i, j, k, 2] = k * spacing[2] - step * gz


@njit(cache=True)
def _changes_sign(field: Any, i: int, j: int, k: int) -> bool:
    """Return whether one of a voxel's 26 neighbours lies on the other side of the zero surface."""
    nx, ny, nz = field.shape
    inside = field[i, j, k] > 0.0
    for u in range(max(i - 1, 0), min(i + 2, nx)):
        for v in range(max(j - 1, 0), min(j + 2, ny)):
            for w in range(max(k - 1, 0), min(k + 2, nz)):
                if (field[u, v, w] > 0.0) != inside:
                    return True
    return False


@njit(cache=True)
def slope(field: Any, i: int, j: int, k: int, spacing: Any) -> tuple[float, float, float]:
    """Return the gradient of a field at a voxel: central differences, one-sided at the border."""
    nx, ny, nz = field.shape
    a, b = max(i - 1, 0), min(i + 1, nx - 1)
    c, d = max(j - 1, 0), min(j + 1, ny - 1)
    e, f = max(k - 1, 0), min(k + 1, nz - 1)
    gx = (field[b, j, k] - field[a, j, k]) / (max(b - a, 1) * spacing[0])
    gy = (field[i, d, k] - field[i, c, k]) / (max(d - c, 1) * spacing[1])
    gz = (field[i, j, f] - field[i, j, e]) / (max(f - e, 1) * spacing[2])
    return gx, gy, gz


@njit(cache=True)
def signed_distance(field: Any, spacing: Any, points: Any, own: Any, out: Any) -> None:
    """Write the signed distance [mm] from each voxel to its surface point, positive where the field is.

    Close to the surface its points are too far apart: there the tangent plane at the point is the better judge. It is
    trusted where its foot lies no further from the point than neighbouring points do; at creases it means nothing.
    Voxels at the surface keep d = f/|∇f|. What the sweeps of :func:`closest.propagate` have missed there, the points of
    the 26 neighbours make good.

    Args:
        field: Implicit field (X, Y, Z).
        spacing: Size of a voxel (3,) [mm].
        points: Surface point of each voxel, relative to the origin (X, Y, Z, 3) [mm].
        own: Whether a voxel is at the surface itself (X, Y, Z).
        out: Distance (X, Y, Z), float32, written in place.
    """
    nx, ny, nz = field.shape
    close = 4.0 * max(spacing[0], spacing[1], spacing[2])
    beside = (0.225 * close) ** 2
    offset, normal = np.empty(3), np.empty(3)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                row = (i, j, k)
                distance = _apart(points, row, i, j, k, spacing)
                if distance < close:
                    row, distance = _nearest_around(points, row, distance, spacing)
                if own[i, j, k]:
                    gx, gy, gz = slope(field, i, j, k, spacing)
                    distance = abs(field[i, j, k]) / max(np.sqrt(gx * gx + gy * gy + gz * gz), 1e-3)
                elif distance < close:
                    point = points[row]
                    _slope_at(field, point, spacing, normal)
                    for n, index in enumerate((i, j, k)):
                        offset[n] = index * spacing[n] - point[n]
                    size = max(np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2), 1e-6)
                    plane = abs(offset[0] * normal[0] + offset[1] * normal[1] + offset[2] * normal[2]) / size
                    if distance**2 - plane**2 < beside:
                        distance = plane
                out[i, j, k] = distance if field[i, j, k] > 0.0 else -distance


@njit(cache=True)
def _nearest_around(points: Any, own: Any, distance: float, spacing: Any) -> tuple[Any, float]:
    """Return whose surface point is nearest to a voxel, its own or a neighbour's, and how far that is."""
    i, j, k = own
    nx, ny, nz = points.shape[:3]
    row, best = own, distance
    for u in range(max(i - 1, 0), min(i + 2, nx)):
        for v in range(max(j - 1, 0), min(j + 2, ny)):
            for w in range(max(k - 1, 0), min(k + 2, nz)):
                other = _apart(points, (u, v, w), i, j, k, spacing)
                if other < best:
                    row, best = (u, v, w), other
    return row, best


@njit(cache=True)
def _apart(points: Any, row: Any, i: int, j: int, k: int, spacing: Any) -> float:
    """Distance from voxel (i, j, k) to the surface point of the voxel `row`."""
    u, v, w = row
    x, y, z = (
        i * spacing[0] - points[u, v, w, 0],
        j * spacing[1] - points[u, v, w, 1],
        k * spacing[2] - points[u, v, w, 2],
    )
    return np.sqrt(x * x + y * y + z * z)


@njit(cache=True)
def _slope_at(field: Any, point: Any, spacing: Any, result: Any) -> None:
    """Write the gradient at a point between voxels (3,), by trilinear interpolation of the voxels' gradients."""
    result[:] = 0.0
    i, j, k = point[0] / spacing[0], point[1] / spacing[1], point[2] / spacing[2]
    nx, ny, nz = field.shape
    i0 = min(max(int(np.floor(i)), 0), max(nx - 2, 0))
    j0 = min(max(int(np.floor(j)), 0), max(ny - 2, 0))
    k0 = min(max(int(np.floor(k)), 0), max(nz - 2, 0))
    fi, fj, fk = min(max(i - i0, 0.0), 1.0), min(max(j - j0, 0.0), 1.0), min(max(k - k0, 0.0), 1.0)
    for a in range(2):
        for b in range(2):
            for c in range(2):
                weight = abs(1.0 - a - fi) * abs(1.0 - b - fj) * abs(1.0 - c - fk)
                if weight > 0.0:
                    row = (min(i0 + a, nx - 1), min(j0 + b, ny - 1), min(k0 + c, nz - 1))
                    gx, gy, gz = slope(field, row[0], row[1], row[2], spacing)
                    result[0] += weight * gx
                    result[1] += weight * gy
                    result[2] += weight * gz
