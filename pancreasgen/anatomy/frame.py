"""The frame of the body: skin, fat, muscles, spine, ribs, and the cavity that they enclose.

Simple shapes, placed as in a supine adult; all sizes are assumed where the physique does not give them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pancreasgen.anatomy.fields import Field, Points, Shape, Space, carve, ellipsoid, ramp, union
from pancreasgen.anatomy.muscles import Plane, back_muscles, crura_and_psoas, planes_of_fat
from pancreasgen.anatomy.outside import table_top
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.skeleton import Rod, Spine, build_ribs, build_spine
from pancreasgen.organ.organ import Organ

GLAND_ROOM_MM = 6.0  # fat that the wall leaves in front of and beside the gland
WAIST_Y_MM = -8.0  # where the body is widest, from back to front
BACK_ROOM_MM = 97.0  # from the front of the vertebrae to the back of the muscles, assumed
APONEUROSIS_MM = 2.0  # the wall between its muscles


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The body wall and what carries it, as distances on the lattice [mm, positive inside].

    Attributes:
        body: The outline with skin.
        wall: Outer face of the muscles, under the fat.
        cavity: Inside of the abdominal and thoracic wall.
        abdomen: The part of the cavity below the diaphragm, without the muscles that stand in it.
        inner_muscles: Muscles of the back, psoas, crura and diaphragm.
        spine: Vertebrae, discs, canal and arches.
        ribs: Ribs and their cartilages.
        lungs: Lung bases.
        planes: Sheets of fat in the muscle.
        half_width_mm: Half width of the cavity [mm].
        front_mm: y of the cavity's front at the midline [mm].
    """

    body: Field
    wall: Field
    cavity: Field
    abdomen: Field
    inner_muscles: Field
    spine: Spine
    ribs: tuple[Rod, ...]
    lungs: Field
    planes: tuple[Plane, ...]
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
    body = _outline(space, half_width, front, physique)
    inner = body - np.float32(physique.skin_mm) - _fat_mm(space, front, physique)
    thick = _muscle_mm(space, half_width, front, physique)
    # furrow, flattened back, skin and a little fat lie behind the tips of the spinous processes
    behind = min(0.6 * physique.subcutaneous_fat_mm, _most_back_fat_mm(physique))
    tips = physique.back_depth_mm - physique.skin_mm - behind - 10.0
    spine = build_spine(space, physique.vertebra_scale, tips)
    back = back_muscles(space, physique)
    middle = space.part((-45.0, -130.0, -1e4), (45.0, 15.0, 1e4))
    bony = ellipsoid(middle.xyz, (0, -70, 0), (34, 44, np.inf))
    cavity = inner - thick
    room = inner - np.maximum(thick, np.float32(0.55 * physique.muscle_wall_mm))
    for field in (cavity, room):
        for shape, gap in ((back, 1.0), (Shape(bony, middle.grid), 1.0), (spine.bodies, 1.0)):
            _cut(space, field, shape, gap)
    dome = _dome(space, half_width - wall, front - front_wall)
    lungs = _lungs(space, cavity, dome)
    rim = np.minimum(np.minimum(1.3 - np.abs(dome), cavity + 1.0), space.xyz[2] - 5.0)
    muscles = rim.astype(np.float32)
    for shape in (back, crura_and_psoas(space)):
        window = space.window(shape.grid)
        muscles[window] = np.maximum(muscles[window], np.minimum(shape.field, inner[window]))
    abdomen = np.minimum(np.minimum(room, dome - np.float32(1.4)), -muscles - np.float32(0.2))
    return Frame(
        body=body,
        wall=inner,
        cavity=cavity,
        abdomen=abdomen,
        inner_muscles=muscles,
        spine=spine,
        ribs=tuple(build_ribs(space, inner, 0.5 * physique.muscle_wall_mm)),
        lungs=lungs,
        planes=planes_of_fat(space, inner, back, physique),
        half_width_mm=half_width - wall,
        front_mm=front - front_wall,
    )


def _cut(space: Space, field: Field, shape: Shape, gap_mm: float) -> None:
    """Carve a shape out of a field of the whole lattice, in place."""
    window = space.window(shape.grid)
    field[window] = carve(field[window], shape.field, gap_mm=gap_mm)


def _outline(space: Space, half_width_mm: float, front_mm: float, physique: Physique) -> Field:
    """Return the body's outline: a rounded front, a flatter back that lies on the table, a waist, a narrower chest.

    In plane it is a superellipse of power 2.2 in front and 2.35 behind.
    """
    x, y, z = space.xyz
    lean = float(np.clip((185.0 - physique.half_width_mm) / 40.0, 0, 1))
    wide = half_width_mm * (1 - 0.035 * lean * np.exp(-(((z + 60) / 40.0) ** 2)) - 0.04 * ramp(z, 60, 140))
    deep = front_mm * (1 - (0.13 - 0.05 * lean) * ramp(z, 45, 130) - (0.04 + 0.06 * lean) * ramp(z, -55, -140))
    front = y > WAIST_Y_MM
    v = np.abs(y - WAIST_Y_MM) / np.where(front, deep - WAIST_Y_MM, physique.back_depth_mm + WAIST_Y_MM)
    u = np.abs(x) / wide
    power = np.where(front, np.float32(2.2), np.float32(2.35))
    f = np.maximum((u**power + v**power) ** (1 / power), 1e-3)
    half_depth = 0.5 * (front_mm + physique.back_depth_mm)
    slope = np.sqrt((u ** (power - 1) / half_width_mm) ** 2 + (v ** (power - 1) / half_depth) ** 2) / f ** (power - 1)
    furrow = (5.0 + 0.05 * physique.subcutaneous_fat_mm) * np.exp(-((x / 13.0) ** 2)) * (y < WAIST_Y_MM)
    field = (1 - f) / np.maximum(slope, 0.5 / half_width_mm) - furrow
    field = field + 1.8 * space.noise("outline", 90.0) + 0.9 * space.noise("contour", 38.0)
    return np.minimum(field, table_top(space, physique) - np.float32(0.6)).astype(np.float32)


def _fat_mm(space: Space, front_mm: float, physique: Physique) -> Field:
    """Return the thickness of the fat under the skin: thinner over the back and the ribs, thickest at the flanks."""
    x, y, z = space.xyz
    back = np.clip(-y / physique.back_depth_mm, 0, 1)
    flank = np.exp(-(((y + 30) / 35.0) ** 2)) * ramp(np.abs(x), 60, 140)
    share = 1 - 0.5 * back**2 - 0.22 * ramp(z, 10, 100) + 0.12 * flank - 0.12 * ramp(y, 0.4 * front_mm, front_mm)
    thick = physique.subcutaneous_fat_mm * share
    behind = ramp(-y, 0, 75) * ramp(np.abs(x), 210, 60)
    too_much = np.maximum(thick - np.float32(_most_back_fat_mm(physique)), 0)
    return np.asarray(thick - behind * too_much, dtype=np.float32)


def _most_back_fat_mm(physique: Physique) -> float:
    """Return how thick the fat of the back may be, so that spine and muscles keep their room [mm]."""
    return max(3.0, physique.back_depth_mm - physique.skin_mm - BACK_ROOM_MM)


def _muscle_mm(space: Space, half_width_mm: float, front_mm: float, physique: Physique) -> Field:
    """Return the thickness of the wall's muscles: rectus, then an aponeurosis, then the flat muscles of the side."""
    x, y, _ = space.xyz
    thick = physique.muscle_wall_mm
    half = half_width_mm - physique.skin_mm - physique.subcutaneous_fat_mm
    side = np.abs(x) / np.float32(half)
    rectus = 0.85 * thick * np.sqrt(np.maximum(1 - ((side - 0.29) / 0.245) ** 2, 0)) ** 0.8
    flat = thick * ramp(side, 0.50, 0.74)
    front = np.maximum(np.maximum(rectus, flat), APONEUROSIS_MM)
    blend = ramp(y, 0.15 * front_mm, 0.5 * front_mm)
    return np.asarray(blend * front + (1 - blend) * thick, dtype=np.float32)


def _dome(space: Space, half_width_mm: float, front_mm: float) -> Field:
    """Return the diaphragm's vault; it stands steeper behind, where the lung reaches down beside the spine."""
    x, y, z = space.xyz
    beside = ramp(np.abs(x), 80, 30) * ramp(z, 0, 80)
    steep = np.where(y < 8, np.float32(1.35) + np.float32(1.5) * beside, np.float32(1.0))
    dome = ellipsoid((x, 8 + steep * (y - 8), z), (0, 8, -40), (1.1 * half_width_mm, 1.1 * (front_mm + 4), 175))
    return dome + np.float32(2.5) * space.noise("diaphragm", 50.0)


def _lungs(space: Space, cavity: Field, dome: Field) -> Field:
    x, y, z = space.xyz
    floor = 38.0 - 26.0 * ramp(-y, 15, 55)  # the recess reaches deeper behind
    outside = np.minimum(cavity - np.float32(1.0), -dome - np.float32(2.0))
    return np.asarray(np.minimum(outside, np.minimum(z - floor, np.abs(x) - 24.0)), dtype=np.float32)


def column_of(space: Space, spine: Spine) -> Field:
    """Return the distance to vertebral bodies and discs on the whole lattice."""
    out = np.full(space.grid.shape, -30.0, np.float32)
    out[space.window(spine.bodies.grid)] = union(spine.bodies.field, spine.discs.field)
    return out
