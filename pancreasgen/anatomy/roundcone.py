"""The round cone: the union of the balls of linearly changing radius along a segment; distances, slices, volumes.

A cone is a row (ax, ay, az, ra, bx, by, bz, rb) [mm]. Compiled, bare mathematics.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Cone = NDArray[np.float64]
_SHORT_MM = 1e-9


@njit(cache=True)
def touching_ball(px: float, py: float, pz: float, cone: Cone) -> tuple[float, float, float]:
    """Return (distance [mm], place, radius [mm]) of the ball along a cone that comes nearest to a point.

    The distance is that to the cone, negative inside; the place is the ball's middle, 0 at a and 1 at b.
    """
    ux, uy, uz = cone[4] - cone[0], cone[5] - cone[1], cone[6] - cone[2]
    qx, qy, qz = px - cone[0], py - cone[1], pz - cone[2]
    length = np.sqrt(ux * ux + uy * uy + uz * uz)
    change = cone[7] - cone[3]
    if length <= abs(change) + _SHORT_MM:  # one ball holds the other
        if change > 0.0:
            return np.sqrt((px - cone[4]) ** 2 + (py - cone[5]) ** 2 + (pz - cone[6]) ** 2) - cone[7], 1.0, cone[7]
        return np.sqrt(qx * qx + qy * qy + qz * qz) - cone[3], 0.0, cone[3]
    along = (qx * ux + qy * uy + qz * uz) / length
    off = np.sqrt(max(qx * qx + qy * qy + qz * qz - along * along, 0.0))
    # the ball that comes nearest lies shifted towards the thick end
    t = (along + off * change / np.sqrt(length * length - change * change)) / length
    t = min(max(t, 0.0), 1.0)
    radius = cone[3] + t * change
    return np.sqrt((along - t * length) ** 2 + off * off) - radius, t, radius


@njit(cache=True)
def cone_distance(px: float, py: float, pz: float, cone: Cone) -> float:
    """Return the distance of a point to a cone [mm], negative inside."""
    return touching_ball(px, py, pz, cone)[0]


@njit(cache=True)
def cone_span(cone: Cone) -> tuple[float, float, float, float]:
    """Return where a cone's tube begins and ends, and where all of it does, from a along the axis [mm].

    The tube is the frustum between the circles in which it touches the end balls; where one ball holds the other the
    tube is empty.
    """
    length = np.sqrt((cone[4] - cone[0]) ** 2 + (cone[5] - cone[1]) ** 2 + (cone[6] - cone[2]) ** 2)
    fall = cone[3] - cone[7]
    if length <= abs(fall) + _SHORT_MM:
        if fall >= 0.0:
            return cone[3], cone[3], -cone[3], cone[3]
        return length - cone[7], length - cone[7], length - cone[7], length + cone[7]
    sine = fall / length
    return cone[3] * sine, length + cone[7] * sine, -cone[3], length + cone[7]


@njit(cache=True)
def volume_up_to(s: float, cone: Cone) -> float:
    """Return the volume of a cone on the near side of the plane across its axis at s [mm³]."""
    tube_begin, tube_end, begin, end = cone_span(cone)
    length = np.sqrt((cone[4] - cone[0]) ** 2 + (cone[5] - cone[1]) ** 2 + (cone[6] - cone[2]) ** 2)
    s = min(max(s, begin), end)
    low = min(s, tube_begin)
    volume = _ball_slab(begin, low, 0.0, cone[3]) if begin < low else 0.0
    if s > tube_begin:
        middle = min(s, tube_end)
        a = np.sqrt(max(cone[3] ** 2 - tube_begin**2, 0.0))
        b = np.sqrt(max(cone[7] ** 2 - (tube_end - length) ** 2, 0.0))
        if tube_end > tube_begin:
            here = a + (b - a) * (middle - tube_begin) / (tube_end - tube_begin)
            volume += np.pi * (middle - tube_begin) / 3.0 * (a * a + a * here + here * here)
        if s > tube_end:
            volume += _ball_slab(tube_end, s, length, cone[7])
    return volume


@njit(cache=True)
def _ball_slab(low: float, high: float, centre: float, radius: float) -> float:
    u, v = low - centre, high - centre
    return np.pi * (radius * radius * (v - u) - (v**3 - u**3) / 3.0)


@njit(cache=True)
def slice_radius(s: float, cone: Cone) -> float:
    """Return the radius of the disc in which the plane across a cone's axis at s cuts it [mm]."""
    tube_begin, tube_end, _, _ = cone_span(cone)
    length = np.sqrt((cone[4] - cone[0]) ** 2 + (cone[5] - cone[1]) ** 2 + (cone[6] - cone[2]) ** 2)
    if s <= tube_begin:
        return np.sqrt(max(cone[3] ** 2 - s * s, 0.0))
    if s >= tube_end:
        return np.sqrt(max(cone[7] ** 2 - (s - length) ** 2, 0.0))
    a = np.sqrt(max(cone[3] ** 2 - tube_begin**2, 0.0))
    b = np.sqrt(max(cone[7] ** 2 - (tube_end - length) ** 2, 0.0))
    return a + (b - a) * (s - tube_begin) / (tube_end - tube_begin)
