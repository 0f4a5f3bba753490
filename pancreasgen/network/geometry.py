"""Compiled geometry of ducts: the capsule's distance at a point, segments' distances, tubes inside an organ.

All arithmetic is float64 without fastmath: structure must not depend on the machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_SURELY = 1.0 + 1e-9  # so that rounding never parts what is near


@njit(cache=True)
def trilinear(data: Any, origin: Any, spacing: float, x: float, y: float, z: float) -> float:
    """Return the value of a cubic grid's data (nx, ny, nz) at a world point; beyond the border, the border's value."""
    fx = min(max((x - origin[0]) / spacing, 0.0), data.shape[0] - 1.001)
    fy = min(max((y - origin[1]) / spacing, 0.0), data.shape[1] - 1.001)
    fz = min(max((z - origin[2]) / spacing, 0.0), data.shape[2] - 1.001)
    i, j, k = int(fx), int(fy), int(fz)
    u, v, w = fx - i, fy - j, fz - k
    total = 0.0
    for a in range(2):
        wa = u if a else 1.0 - u
        for b in range(2):
            wb = v if b else 1.0 - v
            total += wa * wb * (data[i + a, j + b, k] * (1.0 - w) + data[i + a, j + b, k + 1] * w)
    return total


@njit(cache=True)
def trilinear_many(data: Any, origin: Any, spacing: float, points: Any) -> Any:
    """Return :func:`trilinear` at points (N, 3)."""
    values = np.empty(points.shape[0])
    for n in range(points.shape[0]):
        values[n] = trilinear(data, origin, spacing, points[n, 0], points[n, 1], points[n, 2])
    return values


@njit(cache=True)
def segment_distance(p: Any, q: Any, a: Any, b: Any) -> tuple[float, float, float]:
    """Return the distance of segments p–q and a–b, and the positions 0…1 of the nearest points on each.

    Closest points of two segments by clamping the solution of the two lines (Ericson, Real-Time Collision Detection,
    2005, 5.1.9).
    """
    d1x, d1y, d1z = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    d2x, d2y, d2z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    rx, ry, rz = p[0] - a[0], p[1] - a[1], p[2] - a[2]
    aa = d1x * d1x + d1y * d1y + d1z * d1z
    ee = d2x * d2x + d2y * d2y + d2z * d2z
    f = d2x * rx + d2y * ry + d2z * rz
    c = d1x * rx + d1y * ry + d1z * rz
    if aa < 1e-18 and ee < 1e-18:
        s = t = 0.0
    elif aa < 1e-18:
        s, t = 0.0, min(max(f / ee, 0.0), 1.0)
    elif ee < 1e-18:
        s, t = min(max(-c / aa, 0.0), 1.0), 0.0
    else:
        bb = d1x * d2x + d1y * d2y + d1z * d2z
        denominator = aa * ee - bb * bb
        s = min(max((bb * f - c * ee) / denominator, 0.0), 1.0) if denominator > 1e-18 else 0.0
        t = (bb * s + f) / ee
        if t < 0.0:
            s, t = min(max(-c / aa, 0.0), 1.0), 0.0
        elif t > 1.0:
            s, t = min(max((bb - c) / aa, 0.0), 1.0), 1.0
    dx = rx + s * d1x - t * d2x
    dy = ry + s * d1y - t * d2y
    dz = rz + s * d1z - t * d2z
    return math.sqrt(dx * dx + dy * dy + dz * dz), s, t


@njit(cache=True)
def apart(p: Any, q: Any, a: Any, b: Any, reach: float) -> bool:
    """Return whether segments p–q and a–b surely are further than some distance apart, a cheap question.

    It compares the distance of their middles. ``reach`` is the distance plus half the length of either.
    """
    x, y, z = p[0] + q[0] - a[0] - b[0], p[1] + q[1] - a[1] - b[1], p[2] + q[2] - a[2] - b[2]
    return bool(x * x + y * y + z * z > 4.0 * _SURELY * reach * reach)


@njit(cache=True)
def contained(p: Any, q: Any, rp: float, rq: float, margin: float, sdf: Any, origin: Any, spacing: float) -> bool:
    """Return whether the tapered tube p–q lies inside the organ, its skin at least margin below the capsule.

    Sphere tracing: from a point with room to spare one may step on by that room, since a distance changes by at most
    one mm a mm.
    """
    length = math.sqrt((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2 + (q[2] - p[2]) ** 2)
    travelled = 0.0
    while True:
        u = travelled / length if length > 0.0 else 1.0
        room = (
            trilinear(
                sdf, origin, spacing, p[0] + u * (q[0] - p[0]), p[1] + u * (q[1] - p[1]), p[2] + u * (q[2] - p[2])
            )
            - (rp + u * (rq - rp))
            - margin
        )
        if room < 0.0:
            return False
        if travelled >= length:
            return True
        travelled = min(travelled + max(0.8 * room, 0.1), length)


@njit(cache=True)
def contained_many(starts: Any, ends: Any, radii: Any, margin: float, sdf: Any, origin: Any, spacing: float) -> Any:
    """Return :func:`contained` for tubes from starts to ends (M, 3) with radii (M, 2) at both."""
    inside = np.empty(starts.shape[0], np.bool_)
    for row in range(starts.shape[0]):
        inside[row] = contained(starts[row], ends[row], radii[row, 0], radii[row, 1], margin, sdf, origin, spacing)
    return inside


@njit(cache=True)
def least_depths(sdf: Any, origin: Any, spacing: float, starts: Any, ends: Any) -> Any:
    """Return the least signed distance along segments (M,), at points at most 0.25 mm apart, both ends included."""
    least = np.empty(starts.shape[0])
    for row in range(starts.shape[0]):
        p, q = starts[row], ends[row]
        length = math.sqrt((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2 + (q[2] - p[2]) ** 2)
        count = int(length / 0.25) + 1
        best = np.inf
        for n in range(count + 1):
            u = n / count
            x, y, z = p[0] + u * (q[0] - p[0]), p[1] + u * (q[1] - p[1]), p[2] + u * (q[2] - p[2])
            best = min(best, trilinear(sdf, origin, spacing, x, y, z))
        least[row] = best
    return least
