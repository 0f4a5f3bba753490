"""Where a lesion lies in the gland, and its shape: a ball with an uneven surface, or a bunch of balls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import frozen_array
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.organ.lesion import BESIDE, Lesion
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
Field = NDArray[np.float32]

DUCT_ROOM_MM = 3.2  # what a mass beside the main duct leaves to it, from the gland's axis
LEAN = 0.5
"""A carcinoma of the head lies this share of its radius off the main duct, towards the bile duct; assumed, so that as
many dam up both ducts as published (62-77 %)."""
HEAD_ENDS = 0.34
_COURSE_ROOM_MM = {"bile_duct": 3.0, "smv": 4.0, "sma": 3.0}  # what a mass leaves to a course's middle, assumed
_TURNS_DEG = (0, 30, -30, 60, -60, 90, -90)
_PER_DEG_MM = 0.05  # a way out may be this much longer per degree that it lies nearer to the drawn side, assumed
_STEP_MM, _FARTHEST_MM = 0.5, 120.0
_WAVES = 14
_UNEVEN = {"pdac": 0.16, "pnet": 0.05, "serous_cyst": 0.07, "mucinous_cyst": 0.04, "ipmn_branch": 0.0}
_PITCH = {"pdac": 5.0, "pnet": 2.5, "serous_cyst": 6.0, "mucinous_cyst": 2.0, "ipmn_branch": 1.0}
"""How uneven a surface is, as a share of the radius, and how many waves go around it; assumed."""
_MOST_UNEVEN = 0.15
_GRAPES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """A lesion in its place.

    Attributes:
        lesion: What it is.
        centre_mm: Its middle (3,) [mm]; for a disease of the whole gland, the axis at its place.
        balls_mm: Balls that make it up (B, 4): centre relative to the middle, and radius [mm].
        waves: Unevenness of the surface (W, 5): direction, phase and height of each wave.
        chance: Stream of all that is drawn inside it.
    """

    lesion: Lesion
    centre_mm: Floats
    balls_mm: Floats
    waves: Floats
    chance: Chance

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre_mm", frozen_array(self.centre_mm, "centre_mm", (3,), "f8"))
        object.__setattr__(self, "balls_mm", frozen_array(self.balls_mm, "balls_mm", (None, 4), "f8"))
        object.__setattr__(self, "waves", frozen_array(self.waves, "waves", (None, 5), "f8"))

    def moved_to(self, point_mm: Floats) -> Seat:
        """Return the same lesion with its middle at a point (3,) [mm]."""
        return replace(self, centre_mm=point_mm)

    @property
    def reach_mm(self) -> float:
        """Radius of a ball about the middle that holds all of it [mm]."""
        return 1.15 * self.lesion.radius_mm + 1.0

    def field(self, xyz: tuple[Any, Any, Any]) -> Field:
        """Return the distance to its surface [mm, positive inside], at coordinates that broadcast [mm].

        The distance is that to smooth balls plus the surface's unevenness, which depends on the direction from the
        middle alone; it is exact to the first order at the surface.

        >>> ball = seat_of(Lesion(kind="mucinous_cyst", diameter_mm=40), np.zeros(3), Chance(1, 0, "x"))
        >>> 18 < float(ball.field((0.0, 0.0, 0.0))) < 22
        True
        """
        x, y, z = (np.asarray(c, np.float32) - np.float32(m) for c, m in zip(xyz, self.centre_mm, strict=True))
        out = np.float32(-1e3)
        for bx, by, bz, radius in self.balls_mm.astype(np.float32):
            out = np.maximum(out, radius - np.sqrt((x - bx) ** 2 + (y - by) ** 2 + (z - bz) ** 2))
        if len(self.waves):
            away = np.maximum(np.sqrt(x * x + y * y + z * z), np.float32(0.35 * self.lesion.radius_mm))
            bumps = np.zeros_like(away)
            for kx, ky, kz, phase, height in self.waves.astype(np.float32):
                bumps += height * np.cos((kx * x + ky * y + kz * z) / away + phase)
            most = np.float32(_MOST_UNEVEN * self.lesion.radius_mm)
            out = out + np.clip(bumps, -most, most)
        return np.asarray(out, dtype=np.float32)


def seat_of(lesion: Lesion, centre_mm: Floats, chance: Chance) -> Seat:
    """Return a lesion at a place, its shape drawn.

    Args:
        lesion: What it is.
        centre_mm: Its middle (3,) [mm].
        chance: Stream of its shape and of all that is drawn inside it.
    """
    draw, radius = chance.sub("shape").generator(), lesion.radius_mm
    height = _UNEVEN.get(lesion.kind, 0.0) * radius
    balls: Any = np.array(
        [[0.0, 0.0, 0.0, radius - 0.5 * height]]
    )  # so that the largest diameter is about the drawn one
    if lesion.kind == "ipmn_branch":
        size = radius * draw.uniform(0.42, 0.62, _GRAPES)
        way = draw.standard_normal((_GRAPES, 3))
        way *= ((radius - size) / np.linalg.norm(way, axis=1))[:, None]
        balls = np.vstack([np.column_stack([way, size]), [0.0, 0.0, 0.0, 0.55 * radius]])
    waves = np.zeros((0, 5))
    if height > 0.0:
        turn = draw.standard_normal((_WAVES, 3)) * _PITCH[lesion.kind] / np.sqrt(3.0)
        phase, size = draw.uniform(0.0, 2.0 * np.pi, _WAVES), draw.uniform(0.5, 1.0, _WAVES)
        waves = np.column_stack([turn, phase, height * size * np.sqrt(2.0 / _WAVES)])
    return Seat(lesion, np.asarray(centre_mm, dtype=np.float64), balls, waves, chance)


def seat(lesion: Lesion, organ: Organ, chance: Chance) -> Seat:
    """Return a lesion in its place in a gland.

    A carcinoma lies on the axis, or a little off it (it is moved onto the main duct once that has grown). All other
    masses lie on the side of the axis that was drawn, or the nearest one with more room, so far out that main duct,
    bile duct and great vessels pass beside them.

    Args:
        lesion: What it is.
        organ: The gland.
        chance: Stream of its shape.
    """
    axis, row = organ.axis_mm, axis_row(organ, lesion.at)
    middle = axis[row]
    if lesion.kind == "pdac":
        return seat_of(lesion, middle + lean_mm(lesion, organ), chance)
    if lesion.kind not in (*BESIDE, "ipmn_branch"):
        return seat_of(lesion, middle, chance)
    keep_off = _courses_to_spare(organ, lesion.radius_mm)
    ways = [side_of(axis, row, lesion.turn_deg + turn) for turn in _TURNS_DEG]
    steps = [_step_out(middle, way, keep_off) for way in ways]
    best = min(range(len(ways)), key=lambda n: steps[n] + _PER_DEG_MM * abs(_TURNS_DEG[n]))
    return seat_of(lesion, middle + steps[best] * ways[best], chance)


def _courses_to_spare(organ: Organ, radius_mm: float) -> Floats:
    """Return points (P, 4) that a mass beside the duct keeps off: where, and how far its middle must be [mm]."""
    parts = [np.column_stack([organ.axis_mm, np.full(len(organ.axis_mm), radius_mm + DUCT_ROOM_MM)])]
    for name, room_mm in _COURSE_ROOM_MM.items():
        if name in organ.landmarks:
            course = _dense(organ.landmarks[name])
            parts.append(np.column_stack([course, np.full(len(course), radius_mm + room_mm)]))
    return np.vstack(parts)


def _step_out(middle: Floats, way: Floats, keep_off: Floats) -> float:
    """Return how far from the axis a mass must lie in one direction to leave room to all that it must spare [mm]."""
    steps = _STEP_MM * np.arange(int(_FARTHEST_MM / _STEP_MM))
    places = middle + steps[:, None] * way
    away = np.linalg.norm(places[:, None] - keep_off[None, :, :3], axis=2) - keep_off[:, 3]
    free = np.flatnonzero(away.min(axis=1) >= 0.0)
    return float(steps[free[0]]) if len(free) else _FARTHEST_MM


def _dense(course: Floats) -> Floats:
    """Return a course as points 1 mm apart or nearer."""
    parts = [
        start + (stop - start) * np.linspace(0.0, 1.0, int(np.linalg.norm(stop - start)) + 2)[:, None]
        for start, stop in pairwise(course)
    ]
    return np.vstack(parts)


def axis_row(organ: Organ, at: float) -> int:
    """Return the sample of a gland's axis at a place along it: 0 papilla, 1 tip of the tail."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(organ.axis_mm, axis=0), axis=1))])
    return int(np.argmin(np.abs(arc - at * arc[-1])))


def lean_mm(lesion: Lesion, organ: Organ) -> Floats:
    """Return how far the middle of a carcinoma lies off the main duct (3,) [mm]; 0 beyond the head.

    Args:
        lesion: The carcinoma.
        organ: The gland; one without a course of the bile duct lets it lie on the main duct.
    """
    bile = organ.landmarks.get("bile_duct")
    if bile is None or lesion.at > HEAD_ENDS:
        return np.zeros(3)
    start = organ.axis_mm[axis_row(organ, lesion.at)]
    points = _dense(bile)
    way = points[int(np.argmin(((points - start) ** 2).sum(axis=1)))] - start
    along = np.gradient(organ.axis_mm, axis=0)[axis_row(organ, lesion.at)]
    way = way - along * (way @ along) / (along @ along)  # across the duct, so that it still runs through the tumour
    return np.asarray(way * min(LEAN * lesion.radius_mm / max(float(np.linalg.norm(way)), 1e-6), 1.0))


def side_of(axis_mm: Floats, row: int, turn_deg: float) -> Floats:
    """Return the unit vector (3,) across the axis at a sample: 0° to the front, 90° upwards.

    >>> side_of(np.array([[0.0, 0, 0], [-1, 0, 0], [-2, 0, 0]]), 1, 0.0).round(6).tolist()
    [0.0, 1.0, 0.0]
    """
    along = np.gradient(axis_mm, axis=0)[row]
    along /= np.linalg.norm(along)
    up = np.array([0.0, 0.0, 1.0]) - along * along[2]
    up /= np.linalg.norm(up)
    front = np.cross(along, up)
    front = front if front[1] > 0.0 else -front
    turn = np.radians(turn_deg)
    return np.asarray(np.cos(turn) * front + np.sin(turn) * up + 0.0)


def without(organ: Organ, seats: Sequence[Seat], gap_mm: float = 0.4) -> Organ:
    """Return the gland without the masses that push ducts aside: where ducts may grow.

    Args:
        organ: The gland.
        seats: Its lesions.
        gap_mm: Tissue between a mass and the nearest duct [mm].
    """
    beside = [item for item in seats if item.lesion.kind in BESIDE]
    if not beside:
        return organ
    grid = organ.distance.grid
    distance = organ.distance.data
    for item in beside:
        distance = np.minimum(distance, -(item.field(grid.mesh_mm()) + np.float32(gap_mm)))
    regions = np.where(distance > 0, organ.regions.data, 0).astype(np.uint8)
    return _with_fields(organ, np.asarray(distance, np.float32), regions, grid)


def swollen(organ: Organ, seats: Sequence[Seat]) -> Organ:
    """Return the gland with its masses, on a grid that holds them: what the organs around it must make room for."""
    masses = [item for item in seats if item.lesion.is_mass]
    if not masses:
        return organ
    old = organ.distance.grid
    step = np.array(old.spacing_mm)
    low, high = np.array(old.origin_mm), old.to_world(np.array(old.shape) - 1)
    for item in masses:
        low = np.minimum(low, item.centre_mm - item.reach_mm - 2.0)
        high = np.maximum(high, item.centre_mm + item.reach_mm + 2.0)
    before = np.maximum(np.ceil((old.origin_mm - low) / step - 1e-9), 0).astype(int)
    after = np.maximum(np.ceil((high - old.to_world(np.array(old.shape) - 1)) / step - 1e-9), 0).astype(int)
    origin = old.origin_mm - before * step
    n = np.array(old.shape) + before + after
    grid = Grid((int(n[0]), int(n[1]), int(n[2])), old.spacing_mm, (origin[0], origin[1], origin[2]))
    width = list(zip(before, after, strict=True))
    away = np.zeros(grid.shape, np.float32)
    for a, (first, last) in enumerate(zip(before, before + np.array(old.shape) - 1, strict=True)):
        index = np.arange(grid.shape[a])
        off = step[a] * (np.maximum(first - index, 0) + np.maximum(index - last, 0))
        away += (off**2).astype(np.float32).reshape([-1 if b == a else 1 for b in range(3)])
    distance = np.pad(organ.distance.data, width, mode="edge") - np.sqrt(away)
    for item in masses:
        distance = np.maximum(distance, item.field(grid.mesh_mm()))
    regions = np.pad(organ.regions.data, width)
    return _with_fields(organ, np.asarray(distance, np.float32), regions, grid)


def _with_fields(organ: Organ, distance: Field, regions: NDArray[np.uint8], grid: Grid) -> Organ:
    return Organ(
        Volume(distance, grid, Quantity.DISTANCE), organ.axis_mm, organ.landmarks, Volume(regions, grid, Quantity.LABEL)
    )
