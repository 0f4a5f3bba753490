"""Spine and ribs: vertebral bodies and discs as distances, arches, processes and ribs as rods.

The rods are thinner than the lattice, so they are painted at the canvas's own resolution. Places and sizes are those
of an average adult (assumed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from pancreasgen.anatomy.fields import Field, Points, Shape, Space, carve, ellipsoid, ramp, smooth_course, union

VERTEBRA_MM = 36.0  # height of a vertebra with its disc
DISC_MM = 8.5
FIRST_VERTEBRA = 0.35  # the middle of a disc lies this share of a vertebra below z = 0
RIB_MM = 27.0  # vertical distance of neighbouring ribs
CANAL_MM = (10.5, 8.0)  # half-axes of the spinal canal
THORACIC_MM = 48.0  # height above which vertebrae carry ribs


@dataclass(frozen=True, slots=True, eq=False)
class Rod:
    """A bone, or the cartilage that goes on from it, as a tube.

    Attributes:
        points_mm: Course (K, 3) [mm].
        radii_mm: Radius (K,) [mm].
        cortex_mm: Thickness of the cortex [mm]; 0 for cartilage.
    """

    points_mm: Points
    radii_mm: Points
    cortex_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Spine:
    """Vertebral bodies, discs and canal on their part of the lattice, and the arches as rods."""

    bodies: Shape
    discs: Shape
    canal: Shape
    arches: tuple[Rod, ...]


def lordosis_mm(z: Any) -> Any:
    """Return how far the spine lies behind its foremost point, which is at z = −30 mm [mm]; assumed."""
    return 6.0 * (np.clip(z + 30.0, -110, 140) / 110.0) ** 2


def build_spine(space: Space, scale: float, reach_mm: float) -> Spine:
    """Build the vertebrae: bodies with waists and round rims, discs that bulge, and behind them the arches.

    Args:
        space: The lattice.
        scale: Factor on lengths.
        reach_mm: How far behind y = 0 the spinous processes may end [mm].
    """
    part = space.part((-42.0, -75.0, -1e4), (42.0, 12.0, 1e4))
    x, y, z = part.xyz
    y = y + lordosis_mm(z).astype(np.float32)
    phase = (z + FIRST_VERTEBRA * VERTEBRA_MM) % VERTEBRA_MM  # 0 in the middle of a disc
    to_disc = np.minimum(phase, VERTEBRA_MM - phase) - 0.5 * DISC_MM
    # end plates are hollow in the middle
    to_disc = to_disc - 1.6 * np.exp(-(x**2 + (y + 17) ** 2) / 130.0)
    waist = 1.0 - 0.10 * ramp(to_disc, 0.0, 0.5 * (VERTEBRA_MM - DISC_MM))
    column = ellipsoid((x / waist, y + 18.0 * (1 - waist), z * 0), (0, -18 * scale, 0), (23 * scale, 17 * scale, 1e4))
    column = carve(column, ellipsoid((x, y, z * 0), (0, -40 * scale, 0), (11 * scale, 9 * scale, 1e4)))
    column = column + 0.5 * part.noise("osteophytes", 11.0)
    bodies = -union(-column, -to_disc, blend_mm=3.0)
    discs = np.minimum(column - 0.3, -to_disc - 0.2)
    canal = ellipsoid((x, y, z * 0), (0, -43 * scale, 0), (CANAL_MM[0] * scale, CANAL_MM[1] * scale, 1e4)) + 0 * z
    shapes = [Shape(np.asarray(field, np.float32), part.grid) for field in (bodies, discs, canal)]
    return Spine(shapes[0], shapes[1], shapes[2], tuple(_arches(part, scale, reach_mm)))


def _arches(space: Space, scale: float, reach_mm: float) -> list[Rod]:
    """Return pedicles, laminae, processes and joints of all vertebrae that the lattice meets."""
    low, high = space.grid.axis_mm(2)[[0, -1]]
    offset = (0.5 - FIRST_VERTEBRA) * VERTEBRA_MM
    rods = []
    for n in range(int(np.floor((low - 40) / VERTEBRA_MM)), int(np.ceil((high + 40) / VERTEBRA_MM)) + 1):
        z = n * VERTEBRA_MM + offset
        chest = z > THORACIC_MM
        wing = [[15, -48, 5], [24, -58, 9], [31, -64, 11]] if chest else [[15, -47, 4], [28, -51, 5], [41, -55, 6]]
        tip = [-74, -27] if chest else [-83, -12]
        for side in (1.0, -1.0):
            for points, radii in (
                ([[13, -29, 6], [14, -38, 6], [15, -47, 5]], [4.6, 4.2, 4.6]),  # pedicle
                ([[15, -48, 4], [10, -53, 0], [2, -57, -5]], [3.8, 3.4, 3.6]),  # lamina
                (wing, [3.8, 3.2, 3.6]),  # transverse process
                ([[18, -48, 15], [16, -50, 4], [13, -53, -7], [15, -54, -15]], [4.4, 4.6, 4.4, 4.6]),  # joints
            ):
                rods.append(_rod(np.array(points, float) * [side * scale, scale, 1.0], np.array(radii) * scale, z))
        for drop in (0.0, -5.0, -10.0):  # the spinous process: a plate of three rods
            line = [[0, -55, -4 + 0.6 * drop], [0, -68, 0.5 * (tip[1] - 4) + drop], [0, tip[0], tip[1] + 0.9 * drop]]
            rods.append(_rod(np.array(line, float) * [1.0, scale, 1.0], np.array([3.0, 2.7, 3.6]) * scale, z, reach_mm))
    return rods


def _rod(points: Points, radii: Points, z: float, reach_mm: float = np.inf) -> Rod:
    points = points + np.array([0.0, 0.0, z])
    points[:, 1] = np.maximum(points[:, 1] - lordosis_mm(points[:, 2]), -reach_mm)
    course, wide = smooth_course(points, radii)
    return Rod(course, wide, 1.0)


def build_ribs(space: Space, wall: Field, depth_mm: float) -> list[Rod]:
    """Lay ribs into the body wall: they fall from the spine around the side, and their cartilages rise in front.

    Args:
        space: The lattice.
        wall: Distance to the outer face of the wall.
        depth_mm: How deep below that face the ribs lie [mm].

    Returns:
        Rods; a rib is two side by side, so that it is higher than it is thick. The two lowest end early.
    """
    low, high = space.grid.axis_mm(2)[[0, -1]]
    rods: list[Rod] = []
    for level in range(11):
        top = 6.0 + RIB_MM * level  # height at the spine
        last = (0.50, 0.66, 1.0)[min(level, 2)] * 0.74 * np.pi
        turn = np.linspace(0.155 * np.pi, last if level < 2 else 0.9 * np.pi, 72)  # 0 at the back, π in front
        fall = 155.0 * (np.minimum(turn, last) / np.pi) ** 1.1
        z = top - fall + (30.0 + 5.0 * level) * np.clip(turn - last, 0, None) / (0.16 * np.pi)
        if z.max() < low or z.min() > high:
            continue
        for side in (1.0, -1.0):
            course = _on_wall(space, wall, depth_mm, side * turn, z)
            bone = turn <= last
            for rise in (2.4, -2.4):
                shifted = course + [0.0, 0.0, rise]
                size = np.interp(turn, [turn[0], turn[8], last], [3.4, 3.3, 3.5])
                rods.append(Rod(shifted[bone], size[bone], 0.8))
                if (~bone).any():
                    cartilage = np.interp(turn, [last, turn[-1]], [4.2, 3.4])
                    rods.append(Rod(shifted[~bone], cartilage[~bone], 0.0))
    return rods


def _on_wall(space: Space, wall: Field, depth_mm: float, turn: Points, z: Points) -> Points:
    """Return points at a depth below the wall's face, in directions that turn from the back around the side."""
    reach = np.arange(40.0, 260.0, 1.25)
    x = np.sin(turn)[:, None] * reach * 1.15
    y = -12.0 - np.cos(turn)[:, None] * reach
    points = np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], axis=-1)
    index = np.moveaxis(space.grid.to_index(points), -1, 0)
    deep = ndimage.map_coordinates(wall, index, order=1, mode="nearest") > depth_mm
    last = np.where(deep.any(axis=1), deep.shape[1] - 1 - np.argmax(deep[:, ::-1], axis=1), 0)
    rows = np.arange(len(turn))
    course = points[rows, last]
    course[1:-1] = (course[:-2] + 2 * course[1:-1] + course[2:]) / 4
    return np.asarray(course)
