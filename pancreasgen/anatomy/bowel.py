"""Colon with haustra, and loops of small bowel that press on each other around the root of the mesentery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pancreasgen.anatomy.fields import Field, Points, Shape, Space, ramp, smooth_course, tube
from pancreasgen.anatomy.frame import Frame
from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance

HAUSTRUM_MM = 27.0  # distance of the folds, assumed
LOOP_REACH_MM = 9.0
MOST_LOOPS = 260


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

    Short bent tubes are thrown into the lower and left part of the cavity, none nearer to another than 24 mm, fewer
    around the root of the mesentery. A point belongs to the loop in which it lies deepest; half the difference to the
    next one is its distance to the surface between the two.
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
    between = 0.5 * (best - second) - np.float32(0.35 + 0.12 * physique.visceral_fat_mm)
    field = np.minimum(best, between) + np.float32(0.5) * space.noise("loops", 12.0)
    return Loops(Shape(field.astype(np.float32), space.grid), level)


def _loops(frame: Frame, physique: Physique, chance: Chance) -> list[tuple[Points, Points, float]]:
    """Draw the loops: course, radii and gas level of each [mm]."""
    draw = chance.generator()
    fat = physique.visceral_fat_mm
    middles: list[Points] = []
    made = []
    apart = 24.0 + 0.4 * fat
    for _ in range(4000):
        x, y, z = draw.uniform((-112, 6, -150), (92, 84, 6))
        jejunum = x < -28
        if z > (-2.0 if jejunum else -26.0) or (abs(x) < 40 and y < 34) or (x > 60 and z > -55):
            continue
        root = np.hypot((x - 4) / 34, (y - 34) / (22 + 0.5 * fat))
        if root < 1.0 and draw.random() < 0.85:
            continue
        middle = frame.scale(x, y, z)
        if middles and np.linalg.norm(np.array(middles) - middle, axis=1).min() < apart:
            continue
        middles.append(middle)
        made.append(_loop(middle, draw, frame))
        if len(made) >= MOST_LOOPS:
            break
    return made


def _loop(middle: Points, draw: np.random.Generator, frame: Frame) -> tuple[Points, Points, float]:
    aim = draw.normal(size=3) * [1.0, 0.8, 0.7]
    aim /= np.linalg.norm(aim)
    bend = np.cross(aim, draw.normal(size=3))
    length = draw.uniform(45.0, 110.0)
    t = np.linspace(-0.5, 0.5, 7)[:, None]
    points = middle + t * length * aim + (4 * t**2 - 0.4) * draw.uniform(6.0, 26.0) * bend
    points[:, 1] = np.clip(points[:, 1], None, frame.front_mm - 8.0)
    course, radii = smooth_course(points, draw.uniform(10.0, 15.0) * draw.uniform(0.9, 1.08, 7))
    gas = float(course[:, 1].max()) + (draw.uniform(0.0, 6.0) if draw.random() < 0.22 else 99.0)
    return course, radii, gas


def folds(space: Space) -> Field:
    """Return how far the mucosa's folds stand into the lumen [mm]: feathers in the jejunum, faint in the ileum."""
    x, _, z = space.xyz
    jejunum = 0.35 + 0.65 * ramp(x, 20, -40) * ramp(z, -110, -50)
    ridge = np.maximum(1.0 - 1.6 * np.abs(space.noise("folds", 5.0)), 0.0)
    return np.asarray(2.2 * jejunum * ridge, dtype=np.float32)
