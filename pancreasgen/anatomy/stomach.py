"""Stomach and duodenum: their courses around the gland, the bed that the stomach lies on, and where gas settles."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pancreasgen.anatomy.fields import Field, Points, Shape, Space, course_tube, smooth_course, union
from pancreasgen.anatomy.frame import Frame
from pancreasgen.anatomy.physique import Physique
from pancreasgen.organ.organ import Organ


def behind(field: Field) -> Field:
    """Return a shape (x, y, z) and all that lies behind it: its shadow in light from the front.

    The shadow is a union of copies of the shape, hence its distance is as good as the shape's.
    """
    return np.ascontiguousarray(np.maximum.accumulate(field[:, ::-1], axis=1)[:, ::-1])


def stomach_bed(space: Space, field: Field) -> Field:
    """Return the shadow of what the stomach lies on; it widens backwards, 1 : 1 to the sides and 1 : 2 up and down."""
    out = field.copy()
    nodes = np.rint(space.grid.axis_mm(1) / space.grid.spacing_mm[1]).astype(int)
    for row in range(field.shape[1] - 2, -1, -1):
        reach = (3, 3) if nodes[row] % 2 else (3, 1)  # every other node of the world's lattice, not of this grid's
        out[:, row] = np.maximum(field[:, row], ndimage.maximum_filter(out[:, row + 1], reach, mode="nearest"))
    return out


def gas_level_mm(course: tuple[Points, Points], share: float) -> float:
    """Return the level above which (y, patient supine) a hollow organ's gas lies [mm].

    Gas and content settle by weight, so the level is one horizontal plane per organ. It follows from the organ's
    course and not from its voxels, so that it does not depend on the field of view.

    Args:
        course: Points (K, 3) and radii (K,) of the organ before others press on it [mm].
        share: Share of the volume that is gas, 0 to 1.

    Returns:
        The level for which the share of the tube's volume (a sum over discs across the course) lies in front of it.

    >>> round(gas_level_mm((np.array([[0.0, 7, 0], [0, 7, 50]]), np.array([9.0, 9.0])), 0.5), 6)
    7.0
    """
    points, radii = smooth_course(*course)
    way = np.diff(points, axis=0)
    length = np.linalg.norm(way, axis=1)
    wide = 0.5 * (radii[1:] + radii[:-1])
    height = np.linspace(-0.995, 0.995, 200)  # strips of a disc, in radii
    lean = np.sqrt(np.maximum(1.0 - (way[:, 1] / length) ** 2, 0.0))
    y = 0.5 * (points[1:, 1] + points[:-1, 1])[:, None] + (wide * lean)[:, None] * height
    weight = (length * wide**2)[:, None] * np.sqrt(1 - height**2)
    order = np.argsort(y, axis=None, kind="stable")
    below = np.cumsum(weight.ravel()[order])
    return float(np.interp(1.0 - share, (below - 0.5 * weight.ravel()[order]) / below[-1], y.ravel()[order]))


def _head_edge(organ: Organ, z_mm: float) -> Points:
    """Return the point on the right border of the gland's head at a height; clamped to the head's extent."""
    grid = organ.distance.grid
    right = organ.distance.data > 0
    right[: max(int(grid.to_index(np.array([16.0, 0, 0]))[0]), 0)] = False
    levels = np.flatnonzero(right.any(axis=(0, 1)))
    if not len(levels):
        return organ.axis_mm[0].copy()
    z = int(np.clip(np.rint(grid.to_index(np.array([0, 0, z_mm]))[2]), levels[0] + 3, levels[-1] - 3))
    rows = np.argwhere(right[:, :, z])
    edge = rows[rows[:, 0] >= rows[:, 0].max() - 8]
    return grid.to_world(np.array([rows[:, 0].max(), edge[:, 1].mean(), z]))


def _head_span(organ: Organ) -> tuple[float, float]:
    """Return the lowest and highest z of the gland right of x = 16 mm [mm]."""
    grid = organ.distance.grid
    right = organ.distance.data[max(int(grid.to_index(np.array([16.0, 0, 0]))[0]), 0) :] > 0
    levels = np.flatnonzero(right.any(axis=(0, 1)))
    if not len(levels):
        return float(organ.axis_mm[0, 2]) - 15.0, float(organ.axis_mm[0, 2]) + 20.0
    return float(grid.axis_mm(2)[levels[0]]), float(grid.axis_mm(2)[levels[-1]])


def _pylorus(organ: Organ) -> Points:
    _, high = _head_span(organ)
    edge = _head_edge(organ, high - 8.0)
    return np.array([edge[0] - 14.0, edge[1] + 18.0, high + 4.0])


def lane_behind(artery: Field) -> Field:
    """Return the shadow of the gastroduodenal artery, which runs behind the duodenal bulb and not through it."""
    return behind(artery) + np.float32(3.0)


def duodenum(space: Space, organ: Organ, physique: Physique, lane: Field) -> Shape:
    """Return the C-loop: bulb, down the right side of the head past the papilla, under it to the left, to the jejunum.

    Args:
        space: The lattice.
        organ: The gland that it embraces.
        physique: Its diameter.
        lane: What it leaves free, on the whole lattice.
    """
    radius = 0.5 * physique.duodenum_diameter_mm
    low, high = _head_span(organ)
    papilla = organ.landmarks["major_papilla"][0] if "major_papilla" in organ.landmarks else organ.axis_mm[0]
    beside = papilla + np.array([0.80, -0.55, -0.2]) * (radius + 1.5)
    upper = _head_edge(organ, 0.5 * (papilla[2] + high)) + [radius - 1.5, -3.0, 0.0]
    points = [
        _pylorus(organ) + [3, 0, 0],
        _head_edge(organ, high) + [radius - 4, 6, 8],
        upper,
        beside,
        [papilla[0] + 4, 22, low - 2],
        [24, 27.5, low - 9],
        [4, 28, low - 10],
        [-18, 27, low - 6],
        [-32, 28, low + 16],
        [-30, 40, low + 26],
    ]
    sizes = np.array([0.8, 1.0, 1.0, 1.0, 1.0, 0.9, 0.8, 0.9, 0.9, 0.8]) * radius
    nodes = np.array(points)
    part = space.part(nodes.min(axis=0) - 35.0, nodes.max(axis=0) + 35.0)
    field = course_tube(part, points, sizes) + np.float32(0.9) * part.noise("duodenum", 9.0)
    return Shape(-union(-field, lane[space.window(part.grid)], blend_mm=6.0), part.grid)


def stomach_course(frame: Frame, organ: Organ, physique: Physique) -> tuple[Points, Points]:
    """Return points (8, 3) and radii (8,) of the stomach from the fundus to the pylorus [mm]."""
    place = frame.scale
    size = 0.72 + 0.5 * physique.stomach_filling
    pylorus = _pylorus(organ)
    points = [
        place(-55, -20, 100),
        place(-66, 6, 76),
        place(-74, 40, 48),
        place(-66, 66, 16),
        place(-42, 76, -16),
        place(-8, 78, -24),
        pylorus + [-13, 6, -9],
        pylorus,
    ]
    radii = np.array([34.0, 40.0, 36.0, 30.0, 26.0, 21.0, 15.0, 10.0]) * size
    return np.array(points), radii


def stomach(space: Space, frame: Frame, organ: Organ, physique: Physique) -> Shape:
    """Return the stomach before its neighbours press on it."""
    points, radii = stomach_course(frame, organ, physique)
    part = space.part((points - radii[:, None]).min(axis=0) - 40.0, (points + radii[:, None]).max(axis=0) + 40.0)
    field = course_tube(part, points, radii, 30.0) + np.float32(2.2) * part.noise("stomach", 26.0)
    return Shape(field, part.grid)


def rugae(space: Space, physique: Physique) -> Field:
    """Return how far the stomach's folds stand into its lumen [mm]: high where it is empty, flat where it is full."""
    ridge = np.maximum(1.0 - 1.5 * np.abs(space.noise("rugae", 8.0)), 0.0)
    return np.asarray((4.6 - 3.6 * physique.stomach_filling) * ridge, dtype=np.float32)
