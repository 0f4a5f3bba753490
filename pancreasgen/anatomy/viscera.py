"""The organs of the upper abdomen as distances, placed around the gland and cut so that each leaves the others room.

Places and sizes are those of an average adult (assumed), moved with the size of the cavity. The stomach, the duodenum
and the spleen follow the gland. Where two organs would meet, the one that is settled later gives way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage

from pancreasgen.anatomy.fields import Field, Points, Space, carve, ellipsoid, smooth_course, tilt, tube, union
from pancreasgen.anatomy.frame import Frame
from pancreasgen.anatomy.physique import Physique
from pancreasgen.organ.organ import Organ

LIVER_TO_SPINE_MM = 10.0


def build_viscera(
    space: Space, frame: Frame, organ: Organ, gland: Field, named: Mapping[str, Field], physique: Physique
) -> dict[str, Field]:
    """Build all organs but the gland.

    Args:
        space: The lattice.
        frame: The body wall.
        organ: The gland.
        gland: Its distance on the lattice.
        named: Distances to the named vessels on the lattice; ``splenic_artery``, ``splenic_vein``
            and ``gastroduodenal_artery`` among them.
        physique: Sizes, fillings and the fat between organs.

    Returns:
        Name of the structure → distance on the lattice [mm, positive inside]; no two overlap by more than the
        interpolation's error, and none overlaps gland or vessels.
    """
    fat = physique.visceral_fat_mm
    room = np.minimum(frame.abdomen - np.float32(1.0 + 0.15 * fat), -frame.muscle - np.float32(1.0))
    fields: dict[str, Field] = {}
    vessels, column = union(*named.values()), union(frame.spine, frame.discs)
    taken = [gland + np.float32(0.2 * fat), vessels + np.float32(0.5), column + np.float32(2.0)]

    def settle(name: str, field: Any, gap_mm: float) -> None:
        own = np.minimum(carve(field, *taken), room).astype(np.float32)
        fields[name] = own
        taken.append(own + np.float32(gap_mm))

    taken[0], taken[1] = gland + np.float32(0.2), vessels + np.float32(1.5)
    lane = behind(named["gastroduodenal_artery"]) + np.float32(3.0)  # the artery runs behind the bulb, not through it
    settle("duodenum", -union(-_duodenum(space, organ, physique), lane, blend_mm=6.0), 0.4 * fat)
    taken[0], taken[1] = gland + np.float32(0.3 * fat), vessels + np.float32(0.5)
    for name, field in _adrenals(space).items():
        settle(name, field, 2.0)
    for name, field in _kidneys(space, physique).items():
        settle(name, field, 0.9 * fat)
    taken[1] = vessels + np.float32(0.8)
    splenic = union(gland, named["splenic_artery"], named["splenic_vein"])
    bed = _bed(space, splenic) + np.float32(2.5 + 0.4 * fat)
    hollow = -union(-_stomach(space, frame, organ, physique), bed, vessels + np.float32(4.0), blend_mm=8.0)
    settle("stomach", hollow, 0.4 * fat)
    settle("spleen", _spleen(space, frame, physique), 0.4 * fat)
    settle("gallbladder", _gallbladder(space, frame, physique), 0.6)
    taken[1] = vessels - np.float32(1.0)
    bay = union(_great_bay(named), column + np.float32(LIVER_TO_SPINE_MM), blend_mm=16.0)
    settle("liver", -union(-_liver(space, frame, physique), bay, blend_mm=8.0), 0.4 * fat + 0.5)
    taken[:3] = [gland + np.float32(2.5 + 0.3 * fat), vessels + np.float32(2.5), column + np.float32(2.0)]
    settle("colon", _colon(space, frame), 0.5 * fat + 0.5)
    settle("small_bowel", _small_bowel(space, frame, carve(room, *taken, gap_mm=3.0)), 1.0)
    return fields


def behind(field: Field) -> Field:
    """Return a shape (x, y, z) and all that lies behind it: its shadow in light from the front.

    The shadow is a union of copies of the shape, hence its distance is as good as the shape's.
    """
    return np.ascontiguousarray(np.maximum.accumulate(field[:, ::-1], axis=1)[:, ::-1])


def _bed(space: Space, field: Field) -> Field:
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


def _course_tube(space: Space, points: Any, radii: Any, reach_mm: float = 15.0) -> Field:
    course, radius = smooth_course(points, radii)
    return tube(space.grid, course, radius, reach_mm)


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


def _duodenum(space: Space, organ: Organ, physique: Physique) -> Field:
    """The C-loop: bulb, down the right side of the head past the papilla, under it to the left, up to the jejunum."""
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
    return _course_tube(space, points, sizes) + 0.6 * space.noise("duodenum", 9.0)


def _kidneys(space: Space, physique: Physique) -> dict[str, Field]:
    fields = {}
    for name, x, z, side in (("kidney_right", 71.0, -34.0, 1.0), ("kidney_left", -69.0, -20.0, -1.0)):
        size = physique.kidney_scale
        axes = tilt(x_deg=-8.0, y_deg=side * -13.0, z_deg=side * 25.0)
        body = ellipsoid(space.xyz, (x, -20.0, z), (26.0 * size, 28.0 * size, 56.0 * size), axes)
        hilum = ellipsoid(space.xyz, (x - side * 21 * size, -9.0, z), (17 * size, 10 * size, 15 * size), axes)
        fields[name] = carve(body + 0.8 * space.noise(name, 22.0), hilum)
    return fields


def _adrenals(space: Space) -> dict[str, Field]:
    right = union(
        _course_tube(space, [[30, -2, 40], [33, -10, 30], [36, -22, 18]], [3.0, 3.8, 2.8]),
        _course_tube(space, [[32, -6, 36], [42, -12, 28], [48, -20, 18]], [3.0, 3.4, 2.6]),
    )
    left = union(
        _course_tube(space, [[-36, 6, 34], [-38, -6, 30], [-36, -22, 24]], [3.2, 4.0, 2.8]),
        _course_tube(space, [[-36, 2, 34], [-46, -8, 28], [-52, -18, 22]], [3.0, 3.6, 2.6]),
    )
    return {"adrenal_right": right, "adrenal_left": left}


def stomach_course(frame: Frame, organ: Organ, physique: Physique) -> tuple[Points, Points]:
    """Return points (8, 3) and radii (8,) of the stomach from the fundus to the pylorus [mm]."""
    place = frame.scale
    size = 0.72 + 0.5 * physique.stomach_filling
    pylorus = _pylorus(organ)
    points = [
        place(-52, -6, 102),
        place(-66, 18, 78),
        place(-74, 46, 48),
        place(-66, 66, 16),
        place(-42, 76, -16),
        place(-8, 78, -24),
        pylorus + [-13, 6, -9],
        pylorus,
    ]
    radii = np.array([34.0, 40.0, 36.0, 30.0, 26.0, 21.0, 15.0, 10.0]) * size
    return np.array(points), radii


def _stomach(space: Space, frame: Frame, organ: Organ, physique: Physique) -> Field:
    return _course_tube(space, *stomach_course(frame, organ, physique), 30.0) + 1.8 * space.noise("stomach", 28.0)


def _spleen(space: Space, frame: Frame, physique: Physique) -> Field:
    size = physique.spleen_scale
    x, y, z = frame.scale(-104.0, -32.0, 42.0)
    axes = tilt(x_deg=24.0, z_deg=-14.0)
    body = ellipsoid(space.xyz, (x, y, z), (33 * size, 50 * size, 54 * size), axes)
    hollow = ellipsoid(space.xyz, (x + 36 * size, y + 20, z - 2), (27 * size, 36 * size, 60 * size), axes)
    return carve(body + 1.5 * space.noise("spleen", 30.0), hollow)


def _gallbladder(space: Space, frame: Frame, physique: Physique) -> Field:
    wide = 6.0 + 11.0 * physique.gallbladder_filling
    points = [frame.scale(46, 42, 30), frame.scale(58, 52, 12), frame.scale(70, 64, -12), frame.scale(74, 68, -26)]
    return _course_tube(space, points, np.array([0.3, 0.75, 1.0, 0.9]) * wide, 20.0)


def _great_bay(named: Mapping[str, Field]) -> Field:
    """Return the room of the great vessels, to which the liver lies right and in front: all behind and between."""
    cava, aorta = named["inferior_vena_cava"], named["aorta"]
    return union(behind(cava - np.float32(1.0)), behind(aorta + np.float32(4.0)))


def _liver(space: Space, frame: Frame, physique: Physique) -> Field:
    size = physique.liver_scale
    place = frame.scale
    wide = frame.half_width_mm / 134.0
    right = ellipsoid(space.xyz, place(80, 0, 48), (72 * size * wide, 92 * size, 98 * size), tilt(y_deg=-10))
    dome = ellipsoid(space.xyz, place(55, 30, 82), (98 * size * wide, 84 * size, 70 * size))
    left = ellipsoid(space.xyz, place(4, 62, 68), (84 * size * wide, 36 * size, 46 * size), tilt(y_deg=16, z_deg=-8))
    body = union(right, dome, left, blend_mm=14.0) + 1.6 * space.noise("liver", 35.0)
    x, y, z = space.xyz
    teres = np.minimum(2.4 - np.abs(x - 6 - 0.12 * (y - 60)), np.minimum(y - 44.0, 66.0 - z))
    porta = ellipsoid(space.xyz, place(34, 38, 40), (25, 13, 24), tilt(y_deg=-35))
    cava = ellipsoid(space.xyz, (0, 0, 66), (44, 24, 200))  # the spine's bay
    return carve(body, teres, porta, cava)


def colon_course(frame: Frame) -> tuple[Points, Points]:
    """Return points (13, 3) and radii (13,): ascending colon, transverse colon in front, descending colon [mm]."""
    place = frame.scale
    right = [place(98, 2, -130), place(100, 10, -80), place(94, 34, -48), place(66, 70, -46)]
    middle = [place(28, 84, -62), place(-14, 86, -66), place(-56, 84, -52), place(-92, 64, -18)]
    left = [place(-108, 44, 14), place(-116, 18, 6), place(-114, -4, -28), place(-110, -6, -80), place(-108, -4, -130)]
    radii = np.array([23.0, 23, 22, 20, 19, 19, 19, 20, 19, 17, 15, 14, 14])
    return np.array([*right, *middle, *left]), radii


def _colon(space: Space, frame: Frame) -> Field:
    return _course_tube(space, *colon_course(frame)) + 1.6 * space.noise("haustra", 13.0)


def _small_bowel(space: Space, frame: Frame, free: Field) -> Field:
    """Loops of jejunum and ileum: cells of a jittered lattice in the lower left and middle of the cavity."""
    draw = space.chance.sub("loops").generator()
    place = frame.scale
    fields = []
    for level in range(7):
        for row in range(3):
            height = -22.0 - 17.0 * level
            points = np.array([place(26 - 27.0 * n, 34 + 20.0 * row, height) for n in range(5)])
            points = points + draw.normal(0.0, 5.5, points.shape) + np.outer(np.arange(5) % 2, [0, 7.0, 5.0])
            fields.append(_course_tube(space, points, draw.uniform(8.5, 12.0), 8.0))
    out = np.full(space.grid.shape, -8.0, np.float32)
    for field in fields:  # each loop keeps a little fat to the loops before it
        out = np.maximum(out, carve(field, out, gap_mm=1.6))
    return np.minimum(out + 0.5 * space.noise("folds", 8.0), free).astype(np.float32)
