"""Colon with haustra, and loops of small bowel that press on each other around the root of the mesentery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pancreasgen.anatomy.fields import Field, Points, Shape, Space, ramp, smooth_course, tube
from pancreasgen.anatomy.frame import Frame
from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance

HAUSTRUM_MM = 27.0  # distance of the folds, assumed
LOOP_REACH_MM = 9.0
MOST_LOOPS = 260
TURN_MM = (70.0, 110.0, 150.0)  # over what length the way of loops turns, assumed
BEAD_MM = 8.0  # distance of the points of a loop's course


@dataclass(frozen=True, slots=True, eq=False)
class Loops:
    """The small bowel.

    Attributes:
        shape: All loops.
        gas_level: y above which a loop's content is gas, on the same nodes; the level of the nearest loop [mm].
    """

    shape: Shape
    gas_level: Field


def colon_course(frame: Frame, chance: Chance) -> tuple[Points, Points]:
    """Return points (13, 3) and radii (13,): ascending colon, transverse colon in front, descending colon [mm]."""
    place = frame.scale
    draw = chance.sub("colon").generator()
    sag, wander = draw.normal(0.0, 16.0), draw.normal(0.0, 5.0, (13, 3))
    right = [place(98, 2, -130), place(100, 10, -80), place(94, 34, -48), place(66, 70, -46)]
    middle = [place(28, 84, -62 + sag), place(-14, 86, -66 + 1.2 * sag), place(-56, 84, -52 + sag), place(-92, 64, -18)]
    left = [place(-108, 44, 14), place(-116, 18, 6), place(-114, -4, -28), place(-110, -6, -80), place(-108, -4, -130)]
    radii = np.array([25.0, 25, 23, 21, 20, 19, 19, 20, 19, 16, 14, 12.5, 12.5])
    return np.array([*right, *middle, *left]) + wander, radii * draw.uniform(0.85, 1.2)


def colon(space: Space, frame: Frame) -> Shape:
    """Return the colon: a tube that folds draw in at every haustrum, from one side more than from the other."""
    points, radii = smooth_course(*colon_course(frame, space.chance))
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    phase = 2 * np.pi * way / HAUSTRUM_MM + 1.2 * np.sin(way / 31.0)
    radii = radii * (1.0 - 0.17 * np.clip(np.cos(phase), -0.2, 1) ** 2 * np.sign(np.cos(phase) + 0.2))
    field = tube(space.grid, points, radii, 15.0) + np.float32(1.3) * space.noise("haustra", 12.0)
    return Shape(field, space.grid)


def small_bowel(space: Space, frame: Frame, physique: Physique) -> Loops:
    """Return the loops before their neighbours press on them.

    Loops follow a way that turns slowly, so that neighbours run beside each other, as evenly spaced streamlines do
    (Jobard and Lefer, Visualization in Scientific Computing 1997): none begins nearer to another than 17.5 mm, and one
    ends where it would squeeze between two. They fill the lower and left part of the cavity, less the root of the
    mesentery. A point belongs to the loop in which it lies deepest; half the difference to the next one is its distance
    to the surface between the two, where here and there fat lies.
    """
    shape = space.grid.shape
    best, second = np.full(shape, -LOOP_REACH_MM, np.float32), np.full(shape, -LOOP_REACH_MM, np.float32)
    level = np.full(shape, 1e3, np.float32)
    for points, radii, gas_mm in _loops(frame, physique, space.chance.sub("loops")):
        reach = float(radii.max()) + LOOP_REACH_MM + 1
        part = space.part(points.min(axis=0) - reach, points.max(axis=0) + reach)
        window = space.window(part.grid)
        own = tube(part.grid, points, radii, LOOP_REACH_MM)
        first, next_best = best[window], second[window]
        second[window] = np.maximum(next_best, np.minimum(first, own))
        level[window] = np.where(own > first, np.float32(gas_mm), level[window])
        best[window] = np.maximum(first, own)
    fat = np.float32(0.35 + 0.12 * physique.visceral_fat_mm) * np.clip(
        0.8 + space.noise("between loops", 22.0), 0.0, 2.5
    )
    between = 0.5 * (best - second) - fat
    field = np.minimum(best, between) + np.float32(0.5) * space.noise("loops", 12.0)
    return Loops(Shape(field.astype(np.float32), space.grid), level)


def _loops(frame: Frame, physique: Physique, chance: Chance) -> list[tuple[Points, Points, float]]:
    """Draw the loops: course, radii and gas level of each [mm]."""
    draw = chance.generator()
    fat = physique.visceral_fat_mm
    way, apart = _Way(draw), 17.5 + 0.4 * fat
    taken, made = np.empty((0, 3)), []
    for _ in range(4000):
        place = draw.uniform((-112, 6, -150), (92, 84, 6))
        if not _has_room(place[None], 0.0)[0]:
            continue
        root = np.hypot((place[0] - 4) / 34, (place[1] - 34) / (22 + 0.5 * fat))
        if root < 1.0 and draw.random() < 0.85:
            continue
        if len(taken) and ((taken - frame.scale(*place)) ** 2).sum(axis=1).min() < apart**2:
            continue
        halves = [_half(way, place, sign * draw.uniform(30.0, 100.0), (taken, 0.75 * apart), frame) for sign in (-1, 1)]
        points = np.vstack([halves[0][:0:-1], halves[1]])
        if len(points) < 3:
            continue
        taken = np.vstack([taken, points])
        points[:, 1] = np.clip(points[:, 1], None, frame.front_mm - 8.0)
        course, radii = smooth_course(points, draw.uniform(10.0, 15.0) * draw.uniform(0.9, 1.08, len(points)))
        gas = float(course[:, 1].max()) + (draw.uniform(0.0, 6.0) if draw.random() < 0.22 else 99.0)
        made.append((course, radii, gas))
        if len(made) >= MOST_LOOPS:
            break
    return made


def _has_room(places: Points, more_mm: float) -> NDArray[np.bool_]:
    """Return which places (N, 3) of the average cavity are the small bowel's, or at most more_mm outside."""
    x, y, z = places.T
    top = np.where(x < -28, -2.0, -26.0) + more_mm
    out = (z > top) | ((np.abs(x) < 40 - more_mm) & (y < 34 - more_mm)) | ((x > 60 + more_mm) & (z > -55 + more_mm))
    return np.asarray(~out)


class _Way:
    """A way that turns slowly from place to place, mostly within the coronal plane.

    Args:
        draw: Where its waves come from.
    """

    def __init__(self, draw: np.random.Generator) -> None:
        aims = draw.normal(size=(2, len(TURN_MM), 3))
        aims /= np.linalg.norm(aims, axis=2, keepdims=True)
        self._waves = 2.0 * np.pi * aims / np.array(TURN_MM)[:, None]
        self._phases = draw.uniform(0.0, 2.0 * np.pi, (2, len(TURN_MM)))
        self._first = draw.uniform(0.0, np.pi)

    def at(self, place: Points) -> Points:
        """Return the direction (3,) at a place (3,)."""
        turn, rise = np.sin(self._waves @ place + self._phases).sum(axis=1)
        turn, rise = self._first + 1.1 * turn, 0.35 * rise
        return np.array([np.cos(rise) * np.cos(turn), np.sin(rise), np.cos(rise) * np.sin(turn)])


def _half(way: _Way, place: Points, length_mm: float, others: tuple[Points, float], frame: Frame) -> Points:
    """Return the way from a place on, forwards or backwards (K, 3) [mm], until another loop or the border is near."""
    taken, least = others
    points = [frame.scale(*place)]
    for _ in range(int(abs(length_mm) / BEAD_MM)):
        step = np.copysign(BEAD_MM, length_mm)
        place = place + step * way.at(place + 0.5 * step * way.at(place))
        point = frame.scale(*place)
        if not _has_room(place[None], 16.0)[0]:
            break
        if len(taken) and ((taken - point) ** 2).sum(axis=1).min() < least**2:
            break
        points.append(point)
    return np.array(points)


def folds(space: Space) -> Field:
    """Return how far the mucosa's folds stand into the lumen [mm]: feathers in the jejunum, faint in the ileum."""
    x, _, z = space.xyz
    jejunum = 0.35 + 0.65 * ramp(x, 20, -40) * ramp(z, -110, -50)
    ridge = np.maximum(1.0 - 1.6 * np.abs(space.noise("folds", 5.0)), 0.0)
    return np.asarray(2.2 * jejunum * ridge, dtype=np.float32)
