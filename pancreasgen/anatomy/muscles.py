"""Muscles that stand in the body or at its back, and the planes of fat that part muscles from each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pancreasgen.anatomy.fields import Field, Shape, Space, ellipsoid, ramp, smooth_course, tilt, tube, union
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.skeleton import lordosis_mm

LAYERS = (0.36, 0.68)  # where the planes between the three flat muscles lie, as shares of the wall; assumed


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A sheet of fat in muscle: where it is (its field is zero there) and how thick [mm]."""

    sheet: Shape
    thick_mm: float


def back_muscles(space: Space, physique: Physique) -> Shape:
    """Return multifidus, erector spinae and quadratus lumborum of both sides."""
    part = space.part((-105.0, -140.0, -1e4), (105.0, -10.0, 1e4))
    scale = physique.muscle_wall_mm / 13.0
    x, y, z = part.xyz
    y = y + lordosis_mm(z).astype(np.float32)
    side, width = np.abs(x), 0.55 + 0.45 * scale
    deep, erector = _columns(side, y, z, width)
    loin = ellipsoid((side, y, z + 45), (60, -42, 0), (19, 8.5 * width, 62), tilt(z_deg=-20))
    field = union(deep, erector, loin, blend_mm=2.0) + 0.9 * part.noise("back muscles", 22.0)
    return Shape(np.asarray(field, np.float32), part.grid)


def _columns(side: Field, y: Field, z: Field, width: float) -> tuple[Field, Field]:
    """Return multifidus and erector spinae of one side."""
    rise = 1.0 - 0.25 * ramp(z, 20, 110)  # the muscles are slimmer behind the chest
    erector = ellipsoid((side / rise, y, z * 0), (43, -69, 0), (31 * width, 22 * width, 1e4), tilt(z_deg=-12))
    deep = ellipsoid((side, y, z * 0), (13, -70, 0), (15, 21 * width, 1e4))
    return deep, erector


def crura_and_psoas(space: Space) -> Shape:
    """Return the psoas, which grows downwards, and the crura of the diaphragm beside the aorta."""
    part = space.part((-75.0, -60.0, -1e4), (75.0, 45.0, 1e4))
    x, y, z = part.xyz
    y = y + lordosis_mm(z).astype(np.float32)
    side = np.abs(x)
    size = np.clip((42 - z) / 115, 0.02, 1.1)
    turned = tilt(z_deg=18.0)
    psoas = ellipsoid((side, y, z * 0), (31, -20, 0), (7 + 10 * size, 9 + 14 * size, 1e4), turned) - 14 * (size < 0.03)
    crura = []
    for foot in (8.0, -19.0):
        line = np.array([[foot, -2, -30], [foot, 2, 0], [foot * 1.05, 6, 30], [foot * 1.1, 10, 70], [foot, 12, 110]])
        course, radii = smooth_course(line, [2.5, 4.0, 4.8, 5.0, 5.0])
        crura.append(tube(part.grid, course, radii))
    field = union(psoas + 0.8 * part.noise("psoas", 18.0), *crura)
    return Shape(np.asarray(field, np.float32), part.grid)


def planes_of_fat(space: Space, wall: Field, back: Shape, physique: Physique) -> tuple[Plane, ...]:
    """Return sheets of fat in the muscle: between the flat muscles, behind the back's, and in these.

    Args:
        space: The lattice.
        wall: Distance to the outer face of the wall.
        back: The muscles of the back.
        physique: Thickness of the wall.
    """
    x, y, _ = space.xyz
    reach = 0.62 * (physique.half_width_mm - physique.skin_mm - physique.subcutaneous_fat_mm)
    beside = (np.abs(x) > reach) & (y > -62)
    sheets = []
    for share in LAYERS:
        plane = wall - np.float32(share * physique.muscle_wall_mm)
        sheet = np.where(beside, plane, np.copysign(np.float32(99), plane))
        sheets.append(Plane(Shape(sheet, space.grid), 0.7))
    part = Space(back.grid, space.chance)
    x, y, z = part.xyz
    y = y + lordosis_mm(z).astype(np.float32)
    deep, erector = _columns(np.abs(x), y, z, 0.55 + 0.45 * physique.muscle_wall_mm / 13.0)
    cleft = np.where(back.field > 0, deep - erector, np.copysign(np.float32(99), deep - erector))
    fascia = np.where(back.field > -3, wall[space.window(part.grid)] - np.float32(0.35 * physique.muscle_wall_mm), 99)
    fibres = 7.0 * part.noise("fibres", 15.0)
    for field, thick_mm in ((0.6 * cleft, 0.8), (fascia, 0.6), (fibres, 0.3)):
        sheets.append(Plane(Shape(np.asarray(field, np.float32), part.grid), thick_mm))
    return tuple(sheets)
