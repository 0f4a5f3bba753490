"""The frame of the body: skin, fat, muscles, spine, ribs, and the cavity that they enclose.

Simple shapes, placed as in a supine adult; all sizes are assumed where the physique does not give them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pancreasgen.anatomy.fields import Field, Points, Space, carve, ellipsoid, smooth_course, tilt, tube, union
from pancreasgen.anatomy.physique import Physique
from pancreasgen.organ.organ import Organ

VERTEBRA_MM = 36.0  # height of a vertebra with its disc
DISC_MM = 8.5
RIB_MM = 27.0  # vertical distance of neighbouring ribs
GLAND_ROOM_MM = 6.0  # fat that the wall leaves in front of and beside the gland


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The body wall and what carries it, as distances on the lattice [mm, positive inside].

    Attributes:
        body: The outline with skin.
        cavity: Inside of the abdominal and thoracic wall.
        abdomen: The part of the cavity below the diaphragm.
        muscle: All muscles.
        spine: Vertebrae with their processes, without the discs.
        discs: Discs between the vertebral bodies.
        canal: Spinal canal.
        ribs: Ribs.
        lungs: Lung bases.
        half_width_mm: Half width of the cavity [mm].
        front_mm: y of the cavity's front at the midline [mm].
    """

    body: Field
    cavity: Field
    abdomen: Field
    muscle: Field
    spine: Field
    discs: Field
    canal: Field
    ribs: Field
    lungs: Field
    half_width_mm: float
    front_mm: float

    @property
    def scale(self) -> Callable[[float, float, float], Points]:
        """Function that moves a place in the average cavity (134 mm wide, 88 mm deep in front) to this one."""
        sx, sy = self.half_width_mm / 134.0, self.front_mm / 88.0

        def place(x: float, y: float, z: float) -> Points:
            return np.array([x * sx, y * sy if y > 0 else y, z])

        return place


def build_frame(space: Space, organ: Organ, physique: Physique) -> Frame:
    """Build the frame around a gland.

    The body is never smaller than the gland needs: where the physique's width or depth would leave less than 6 mm
    between the gland and the wall, the outline is moved out.
    """
    wall = physique.skin_mm + physique.subcutaneous_fat_mm + physique.muscle_wall_mm
    front_wall = wall - 0.3 * physique.muscle_wall_mm
    inside = np.argwhere(organ.distance.data > 0)
    box = organ.distance.grid.to_world(np.stack([inside.min(axis=0), inside.max(axis=0)]))
    half_width = max(physique.half_width_mm, float(np.abs(box[:, 0]).max()) + GLAND_ROOM_MM + wall)
    front = max(physique.front_depth_mm, float(box[1, 1]) + GLAND_ROOM_MM + front_wall)
    body = _outline(space, half_width, front, physique.back_depth_mm)
    inner = body - np.float32(physique.skin_mm + physique.subcutaneous_fat_mm)
    x, y, z = space.xyz
    # the fat is thinner over the back and the flat front than at the sides
    inner = inner + np.float32(0.35 * physique.subcutaneous_fat_mm) * np.clip(-y / physique.back_depth_mm, 0, 1)
    thick = physique.muscle_wall_mm * (1 - 0.35 * np.clip(y / front, 0, 1))
    cavity = inner - thick.astype(np.float32)
    spine, discs, canal = _spine(space, physique.vertebra_scale)
    back = _back_muscles(space, physique.muscle_wall_mm / 13.0)
    cavity = carve(cavity, back, union(spine, ellipsoid(space.xyz, (0, -70, 0), (34, 44, np.inf))), gap_mm=1.0)
    dome = ellipsoid(space.xyz, (0, 8, -40), (1.1 * (half_width - wall), 1.1 * (front - front_wall + 4), 175))
    dome = dome + 2.5 * space.noise("diaphragm", 50.0)
    lungs = np.minimum(np.minimum(cavity - 1.5, -dome - 2.5), np.minimum(z - 38.0, np.abs(x) - 30.0))
    ribs = _ribs(space, half_width - wall + 0.55 * physique.muscle_wall_mm, front - wall, physique.back_depth_mm - wall)
    midline = np.abs(x) - 2.0 + 0 * y + 0 * z  # the linea alba in front, without muscle
    shell = np.minimum(np.minimum(inner, -cavity), np.where(y > 0, np.maximum(midline, 60 - y), 99.0))
    rim = np.minimum(np.minimum(1.3 - np.abs(dome), cavity + 1.0), z - 5.0)
    muscle = union(shell, np.minimum(back, inner), rim, _psoas_and_crura(space))
    return Frame(
        body=body,
        cavity=cavity,
        abdomen=np.minimum(cavity, dome - 2.0).astype(np.float32),
        muscle=muscle,
        spine=spine,
        discs=discs,
        canal=canal,
        ribs=np.minimum(ribs, inner).astype(np.float32),
        lungs=np.asarray(lungs, dtype=np.float32),
        half_width_mm=half_width - wall,
        front_mm=front - front_wall,
    )


def _outline(space: Space, half_width_mm: float, front_mm: float, back_mm: float) -> Field:
    """Return a rounded, slightly flattened oval with a furrow over the spine; a superellipse of power 2.35."""
    x, y, z = space.xyz
    middle, half_depth = 0.5 * (front_mm - back_mm), 0.5 * (front_mm + back_mm)
    u, v = np.abs(x) / half_width_mm, np.abs(y - middle) / half_depth
    power = 2.35
    f = np.maximum((u**power + v**power) ** (1 / power), 1e-3)
    slope = np.sqrt((u ** (power - 1) / half_width_mm) ** 2 + (v ** (power - 1) / half_depth) ** 2) / f ** (power - 1)
    furrow = 5.0 * np.exp(-((x / 14.0) ** 2)) * (y < middle)
    field = (1 - f) / np.maximum(slope, 0.5 / half_width_mm) - furrow + 2.0 * space.noise("outline", 80.0) + 0 * z
    return np.asarray(field, dtype=np.float32)


def _spine(space: Space, scale: float) -> tuple[Field, Field, Field]:
    """Return vertebrae, discs and canal: bodies with waists, pedicles, laminae, transverse and spinous processes."""
    x, y, z = space.xyz
    phase = (z + 0.35 * VERTEBRA_MM) % VERTEBRA_MM  # 0 in the middle of a disc
    to_disc = np.minimum(phase, VERTEBRA_MM - phase) - 0.5 * DISC_MM
    waist = 1.0 - 0.09 * np.clip(to_disc / (0.5 * (VERTEBRA_MM - DISC_MM)), 0, 1) ** 0.7
    column = ellipsoid((x / waist, y + 18.0 * (1 - waist), z * 0), (0, -18 * scale, 0), (23 * scale, 17 * scale, 1e4))
    bean = ellipsoid((x, y, z * 0), (0, -40 * scale, 0), (11 * scale, 9 * scale, 1e4))
    column = carve(column, bean)
    bodies, discs = np.minimum(column, to_disc), np.minimum(column, -to_disc)
    high, low = VERTEBRA_MM * 0.62 - phase, phase - VERTEBRA_MM * 0.38  # upper and lower half of a vertebra
    upper = np.minimum(phase - 0.45 * VERTEBRA_MM, 0.85 * VERTEBRA_MM - phase)
    lower = np.minimum(phase - 0.08 * VERTEBRA_MM, 0.62 * VERTEBRA_MM - phase)
    side = np.abs(x)
    canal = ellipsoid((x, y, z * 0), (0, -43 * scale, 0), (10.5 * scale, 8 * scale, 1e4))
    ring = np.minimum(4.5 - np.abs(canal + 4.0), -30 * scale - y)
    ring = np.minimum(ring, np.maximum(upper, np.minimum(lower + 2, -46 * scale - y)))
    sweep = y - 0.25 * (side - 20)
    transverse = np.minimum(np.minimum(3.8 - np.abs(sweep + 47 * scale), 40 * scale - side), 4.5 - np.abs(upper - 7.0))
    transverse = np.minimum(transverse, side - 9)
    facet = np.minimum(ellipsoid((side, y, z * 0), (17 * scale, -52 * scale, 0), (7, 8, 1e4)), 99.0 + 0 * z)
    spinous = np.minimum(np.minimum(3.2 - side, -50 * scale - y), np.minimum(y + 82 * scale, lower + 3))
    spinous = spinous + 0 * high + 0 * low
    parts = [carve(part, canal) for part in (ring, transverse, facet, spinous)]
    return union(bodies, *parts, blend_mm=2.0), np.asarray(discs, np.float32), np.asarray(canal + 0 * z, np.float32)


def _back_muscles(space: Space, scale: float) -> Field:
    """Return erector spinae and quadratus lumborum on both sides."""
    x, y, z = space.xyz
    side, width = np.abs(x), 0.5 + 0.5 * scale
    erector = ellipsoid((side, y, z * 0), (37, -66, 0), (36 * width, 23 * width, 1e4), tilt(z_deg=-14))
    inner = ellipsoid((side, y, z * 0), (14, -70, 0), (14, 22, 1e4))
    loin = ellipsoid((side, y, z + 45), (62, -42, 0), (20, 9 * width, 60), tilt(z_deg=-20))
    return union(erector, inner, loin, blend_mm=3.0) + 0.8 * space.noise("back muscles", 25.0)


def _psoas_and_crura(space: Space) -> Field:
    x, y, z = space.xyz
    side = np.abs(x)
    size = np.clip((35 - z) / 110, 0.02, 1.1)
    psoas = ellipsoid((side, y, z * 0), (33, -17, 0), (7 + 11 * size, 9 + 10 * size, 1e4)) - 14 * (size < 0.03)
    psoas = psoas + 0 * z
    crura = []
    for foot in (8.0, -19.0):
        line = np.array([[foot, -2, -30], [foot, 2, 0], [foot * 1.05, 6, 30], [foot * 1.1, 10, 70], [foot, 12, 110]])
        course, radii = smooth_course(line, [2.5, 4.0, 4.8, 5.0, 5.0])
        crura.append(tube(space.grid, course, radii))
    return union(psoas, *crura)


def _ribs(space: Space, half_width_mm: float, front_mm: float, back_mm: float) -> Field:
    """Return ribs that fall from the spine around the side to the front; the lowest two end early."""
    fields = []
    for level in range(9):
        top = -12.0 + RIB_MM * level  # height at the spine
        last = (0.62, 0.78, 1.0)[min(level, 2)] * np.pi * 0.76
        turn = np.linspace(0.13 * np.pi, last, 60)  # 0 at the back, π in front
        middle, half = 0.5 * (front_mm - back_mm), 0.5 * (front_mm + back_mm)
        power = 2 / 2.35
        x = (half_width_mm - 1) * np.sin(turn) ** power
        y = middle - (half + 2) * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
        z = top - 115.0 * (turn / np.pi) ** 1.25 + 8.0 * np.clip(turn / np.pi - 0.6, 0, 1) / 0.4
        for side in (1.0, -1.0):
            course: Any = np.stack([side * x, y, z], axis=1)
            fields.append(tube(space.grid, course, np.interp(turn, [turn[0], last - 0.2, last], [4.6, 5.2, 4.0])))
    return union(*fields)
