"""Liver with its fissures and lobes, gallbladder and spleen; all three lie against the wall and the diaphragm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pancreasgen.anatomy.fields import Field, Shape, Space, carve, course_tube, ellipsoid, ramp, tilt, union
from pancreasgen.anatomy.frame import Frame
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.stomach import behind

PORTAL_FAT_MM = 2.0  # around vessels and bile duct at the porta, assumed


def spleen(space: Space, frame: Frame, physique: Physique) -> Shape:
    """Return the spleen: a bent plate against ribs and diaphragm, with notches, hollow towards the stomach."""
    size = 1.12 * physique.spleen_scale
    x, y, z = frame.scale(-91.0, -31.0, 45.0)
    part = space.part((x - 70 * size, y - 80 * size, z - 90 * size), (x + 75 * size, y + 80 * size, z + 90 * size))
    axes = tilt(x_deg=20.0, z_deg=32.0)  # long axis: from beside the spine to the front of the side, along the ribs
    body = ellipsoid(part.xyz, (x, y, z), (29 * size, 60 * size, 54 * size), axes)
    hollow = ellipsoid(part.xyz, (x + 38 * size, y + 24 * size, z - 2), (25 * size, 46 * size, 62 * size), axes)
    body = body + 1.6 * part.noise("spleen", 28.0) + 0.8 * part.noise("notches", 13.0)
    return Shape(-union(-body, hollow, blend_mm=5.0), part.grid)


def gallbladder(space: Space, frame: Frame, physique: Physique) -> Shape:
    """Return the gallbladder, a pear from the porta to the liver's lower edge."""
    part = space.part((20, 20, -70), (115, 120, 65))
    wide = 6.0 + 11.0 * physique.gallbladder_filling
    points = [frame.scale(46, 42, 30), frame.scale(57, 52, 13), frame.scale(69, 63, -10), frame.scale(74, 68, -24)]
    field = course_tube(part, points, np.array([0.3, 0.72, 1.0, 0.86]) * wide, 20.0)
    return Shape(field + np.float32(0.5) * part.noise("gallbladder", 14.0), part.grid)


def great_bay(named: Mapping[str, Field]) -> Field:
    """Return the room of the great vessels, to which the liver lies right and in front: all behind and between."""
    cava, aorta = named["inferior_vena_cava"], named["aorta"]
    return union(behind(cava + np.float32(0.5)), behind(aorta + np.float32(4.0)))


def porta_hepatis(named: Mapping[str, Field]) -> Field:
    """Return the room of what enters the liver at its porta, with the fat around it."""
    names = ("portal_vein", "common_bile_duct", "common_hepatic_artery")
    return union(*(named[name] for name in names if name in named)) + np.float32(PORTAL_FAT_MM)


def liver(space: Space, frame: Frame, physique: Physique) -> Shape:
    """Return the liver before its neighbours press on it: right lobe, dome and left lobe, cut by its fissures."""
    size = physique.liver_scale
    place = frame.scale
    wide = frame.half_width_mm / 134.0
    part = space.part((-150 * wide, -110, -110), (175 * wide, 200, 220))
    # a wide cavity gets a broader and lower liver, not a larger one
    broad, high = size * wide**0.5, size / wide**0.7
    lift = 98.0 * (1.0 - high / size)  # the dome stays under the diaphragm
    right = ellipsoid(part.xyz, place(84, -2, 44 + lift), (72 * broad, 93 * size, 97 * high), tilt(y_deg=-10))
    dome = ellipsoid(part.xyz, place(55, 30, 82), (94 * broad, 80 * size, 68 * high))
    left = ellipsoid(part.xyz, place(3, 62, 68), (84 * broad, 34 * size, 44 * high), tilt(y_deg=16, z_deg=-8))
    # the wall holds the liver on most sides, so that its volume follows how far the free surfaces stand out
    free = 115.0 * (physique.liver_scale - 1.0) - 45.0 * np.log(wide) - 38.0 * np.log(frame.front_mm / 88.0) + 0.5
    body = union(right, dome, left, blend_mm=12.0) + np.float32(free)
    body = body + 1.8 * part.noise("liver", 34.0) + 0.7 * part.noise("liver surface", 15.0)
    spine = ellipsoid(part.xyz, (0, 0, 66), (37, 22, 200))
    porta = ellipsoid(part.xyz, place(36, 36, 42), (19, 3.5, 9), tilt(y_deg=-35)) + 1.2 * part.noise("porta", 14.0)
    field = -union(-carve(body, spine), porta, blend_mm=5.0)
    return Shape(carve(field, *_fissures(part, frame)), part.grid)


def _fissures(space: Space, frame: Frame) -> tuple[Field, Field]:
    """Return the fissures of the round ligament, wide below and in front, and of the venous ligament behind it."""
    x, y, z = space.xyz
    sx, sy = frame.half_width_mm / 134.0, frame.front_mm / 88.0
    bend = 3.0 * space.noise("round ligament", 30.0) + 1.2 * space.noise("ligaments", 11.0)
    opening = 5.5 * ramp(z, 58, 14) * ramp(y, 44 * sy, 74 * sy) + 1.6 * ramp(z, 74, 40) - 0.3
    sheet = opening - np.abs(x - 8 * sx - 0.25 * (y - 60 * sy) + bend)
    teres = np.minimum(sheet, np.minimum(y - 50 * sy, 72.0 - z))
    slope = y - 40 * sy - 0.35 * (8 * sx - x) - 0.10 * (z - 50) + 1.2 * bend
    narrow = 1.5 * ramp(z, 74, 50) * ramp(x, -26 * sx, 10 * sx) - np.abs(slope)
    venous = np.minimum(narrow, np.minimum(22 * sx - x, z - 30.0))
    return np.asarray(teres, np.float32), np.asarray(venous, np.float32)
