"""The centred line of an organ of any shape: between the two ends that lie furthest apart inside it.

The ends are the pair with the longest way through tissue between them; the line is the way that is cheapest where a
millimetre costs the more the nearer it runs to the surface. A ring is cut first, so that the line goes around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.base.grid import Volume
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.web import Web, furthest_ends, path, weave

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_OPENED = 1.4  # how much longer the longest way must become for a cut to have opened a ring


def opened(distance: Volume, start_mm: Floats | None, end_mm: Floats | None) -> Volume | None:
    """Return the distance with a wall across if the organ is a ring, None if it is none.

    A ring is what still joins both ends after the middle third of the way between them is taken out with all that
    lies around it, and in which a wall makes the way around longer by 40 %: a hole in a plate does not. The wall
    stands at the thinnest place, or just behind the papilla (or the tip) if one of them is given.

    Args:
        distance: Signed distance to the surface.
        start_mm: The papilla (3,) [mm], if it is given.
        end_mm: The tip of the tail (3,) [mm], if it is given; with both there is nothing to open.
    """
    if start_mm is not None and end_mm is not None:
        return None
    web = weave(distance)
    a, b = furthest_ends(web, start_mm, end_mm)
    way = path(web, web.price(), a, b)
    gone = np.zeros(len(web.points_mm), bool)
    for node in way[len(way) // 3 : -(len(way) // 3) or None]:
        away = ((web.points_mm - web.points_mm[node]) ** 2).sum(axis=1)
        gone |= away < (1.3 * web.depth_mm[node] + 1.5 * web.step_mm) ** 2
    gone[[a, b]] = False
    rest = web.without_nodes(gone)
    back = path(rest, rest.price(), b, a)
    if not len(back):
        return None
    ring = np.concatenate([way, back[1:-1]])
    spot = _thinnest(web, ring, len(way), (start_mm is not None, end_mm is not None))
    course = ndimage.gaussian_filter1d(web.points_mm[ring], 3.0, axis=0, mode="wrap")
    normal = course[(spot + 2) % len(ring)] - course[spot - 2]
    normal /= max(float(np.linalg.norm(normal)), 1e-9)
    walled = _walled(distance, (course[spot], normal), 2.5 * float(_room(web, ring)[spot]), web.step_mm)
    cut = weave(walled)
    before, after = (_way_mm(item, *furthest_ends(item, start_mm, end_mm)) for item in (web, cut))
    return walled if after > _OPENED * before else None


def _room(web: Web, ring: Ints) -> Floats:
    """Return the largest depth near each node of a way around (R,); at its ends the way runs up to the surface."""
    reach = int(web.depth_mm[ring].max() / web.step_mm) + 1
    return np.asarray(ndimage.maximum_filter1d(web.depth_mm[ring], 2 * reach + 1, mode="wrap"))


def _thinnest(web: Web, ring: Ints, turn: int, given: tuple[bool, bool]) -> int:
    """Return where a way around is cut: near a given end, else where the organ is thinnest, away from both ends."""
    room = _room(web, ring)
    reach = int(2.0 * room.max() / web.step_mm) + 1
    free = np.ones(len(ring), bool)
    for end in (0, turn - 1):
        free[np.arange(end - reach, end + reach + 1) % len(ring)] = False
    if not free.any():
        free[:] = True
    if given[0]:
        return int(np.flatnonzero(free)[-1])  # the last piece of the way back to the papilla
    if given[1]:
        return int(np.flatnonzero(free & (np.arange(len(ring)) >= turn))[0]) if free[turn:].any() else turn
    return int(np.where(free, ndimage.gaussian_filter1d(room, 2.0, mode="wrap"), np.inf).argmin())


def _walled(distance: Volume, plane: tuple[Floats, Floats], radius_mm: float, half_mm: float) -> Volume:
    """Return the distance with a disc taken out: around a point, across a direction, half_mm to either side."""
    centre, normal = plane
    x, y, z = (part - middle for part, middle in zip(distance.grid.mesh_mm(), centre, strict=True))
    wall = np.abs(x * normal[0] + y * normal[1] + z * normal[2]) - half_mm
    around = x * x + y * y + z * z < radius_mm**2
    data = np.where(around, np.minimum(distance.data, wall), distance.data).astype(np.float32)
    return Volume(data, distance.grid, distance.quantity)


def _way_mm(web: Web, start: int, end: int) -> float:
    """Return the length of the centred way between two nodes [mm]."""
    points = web.points_mm[path(web, web.price(), start, end)]
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def centred_line(distance: Volume, web: Web, start: int, end: int, fixed: tuple[bool, bool]) -> Floats:
    """Return the centred line (A, 3) [mm] from one node to another, its samples half a voxel apart.

    Args:
        distance: Signed distance to the surface.
        web: Its graph.
        start: Node at which the line begins.
        end: Node at which it ends.
        fixed: Whether each end stays where it is. One that is free is moved to where the line, drawn on straight from
            the first place that is nearly as deep as the organ is around there, meets the surface.
    """
    nodes = path(web, web.price(), start, end)
    step = 0.5 * distance.grid.spacing_mm[0]
    raw = resample(web.points_mm[nodes], step)
    smooth = _smoothed(distance, raw, step)
    for side in (0, 1):
        if not fixed[side]:
            smooth = _squared_end(distance, smooth, step)
        smooth = smooth[::-1]
    return resample(_filtered(smooth, 2.0), step)  # without the corner where the ends were drawn on


def _smoothed(distance: Volume, raw: Floats, step: float) -> Floats:
    """Return the line without its kinks, drawn to the middle; as smooth as staying inside allows."""
    depth = sample_with_gradient(distance, raw)[0]
    wanted = 0.8 * float(np.median(depth)) / step
    floor = np.minimum(0.6 * ndimage.minimum_filter1d(depth, 9), depth)
    rank = np.arange(len(raw))
    ease = np.minimum(np.minimum(rank, rank[::-1]) / max(wanted, 1.0), 1.0)[:, None]  # the ends stay where they are
    for factor in (1.0, 0.5, 0.25, 0.1):
        line = _filtered(raw, factor * wanted)
        for _ in range(12):
            gradient = sample_with_gradient(distance, line)[1]
            along = np.gradient(line, axis=0)
            along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
            gradient -= along * (gradient * along).sum(axis=1, keepdims=True)
            line = _filtered(line + 0.8 * step * ease * gradient, 0.35 * factor * wanted)
        if (sample_with_gradient(distance, line)[0] >= floor).all():
            return line
    return raw


def _filtered(line: Floats, sigma: float) -> Floats:
    """Return the line smoothed along itself by a Gaussian of sigma samples; its ends stay."""
    sigma = min(sigma, len(line) / 6)
    reach = min(int(4 * sigma) + 1, len(line) - 1)
    head = 2 * line[0] - line[reach:0:-1]
    tail = 2 * line[-1] - line[-2 : -reach - 2 : -1]
    smooth = ndimage.gaussian_filter1d(np.concatenate([head, line, tail]), sigma, axis=0)
    return np.asarray(smooth[reach : reach + len(line)])


def _squared_end(distance: Volume, line: Floats, step: float) -> Floats:
    """Return the line with its beginning drawn straight to the surface instead of into a corner of it."""
    depth = sample_with_gradient(distance, line)[0]
    near = depth[: max(len(depth) // 5, 2)]
    first = int(np.flatnonzero(near >= 0.85 * near.max())[0])
    if first + 2 >= len(line):
        return line
    ahead = line[min(first + max(int(near.max() / step), 2), len(line) - 1)]
    outward = (line[first] - ahead) / max(float(np.linalg.norm(line[first] - ahead)), 1e-9)
    ray = line[first] + outward * step * np.arange(int(4.0 * near.max() / step) + 2)[:, None]
    inside = sample_with_gradient(distance, ray)[0] > step
    last = len(inside) if inside.all() else int(np.argmin(inside))
    return np.concatenate([ray[1:last][::-1], line[first:]])


def resample(points: Floats, step_mm: float) -> Floats:
    """Return a polyline (K, 3) with samples about step_mm apart, at least three; the ends stay.

    >>> len(resample(np.array([[0.0, 0, 0], [3.0, 4, 0]]), 1.0))
    6
    """
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    wanted = np.linspace(0.0, arc[-1], max(round(arc[-1] / step_mm), 2) + 1)
    return np.column_stack([np.interp(wanted, arc, points[:, k]) for k in range(3)])
