"""Kidneys with cortex, medulla, sinus and renal pelvis, and the adrenals above them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pancreasgen.anatomy.fields import (
    Field,
    Points,
    Shape,
    Space,
    carve,
    course_tube,
    ellipsoid,
    smooth_course,
    tilt,
    union,
)
from pancreasgen.anatomy.physique import Physique

CORTEX_MM = 6.0  # assumed: 5 to 7 mm to the base of the pyramids
PLACES = {"kidney_right": (71.0, -22.0, -34.0, 1.0), "kidney_left": (-69.0, -22.0, -20.0, -1.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Kidney:
    """One kidney before its neighbours press on it.

    Attributes:
        shape: The kidney without its sinus.
        medulla: The pyramids.
        calyces: Courses and radii of the urine's ways in the sinus.
    """

    shape: Shape
    medulla: Shape
    calyces: tuple[tuple[Points, Points], ...]


def kidneys(space: Space, physique: Physique) -> dict[str, Kidney]:
    """Return both kidneys: beans turned outwards, the upper pole nearer to the spine, the sinus open to the middle."""
    made = {}
    for name, (x, y, z, side) in PLACES.items():
        size = physique.kidney_scale
        low, high = min(x, x * 0.2) - 45, max(x, x * 0.2) + 45
        part = space.part((low, y - 60, z - 95), (high, y + 60, z + 95))
        axes = tilt(x_deg=-8.0, y_deg=side * -13.0, z_deg=side * 25.0)
        centre = np.array([x, y, z])

        def place(a: float, b: float, c: float, turn: Points = axes, at: Points = centre, s: float = side) -> Points:
            """Return the point at (to the middle, to the front, up) in the kidney's own axes."""
            return np.asarray(at + turn.T @ np.array([-s * a, b, c]) * physique.kidney_scale)

        body = ellipsoid(part.xyz, centre, (26.5 * size, 28.5 * size, 56.0 * size), axes)
        body = body + 0.9 * part.noise(name, 20.0) + 0.4 * part.noise(name + " lobes", 11.0)
        sinus = ellipsoid(part.xyz, place(10, 3, 0), (12.0 * size, 9.0 * size, 26.0 * size), axes)
        hilum = ellipsoid(part.xyz, place(26, 8, 0), (17.0 * size, 9.5 * size, 17.0 * size), axes)
        sinus = union(sinus, hilum, blend_mm=5.0) + 1.6 * part.noise(name + " sinus", 8.0)
        field = carve(body, sinus)
        pyramids = 2.6 * (part.noise(name + " pyramids", 8.5) + 0.35)
        medulla = np.minimum(np.minimum(body - CORTEX_MM * size, pyramids), field)
        hub = place(20, 6, 0)
        calyces = [smooth_course([place(34, 6, -14), place(27, 7, -4), hub], [2.6, 4.5, 4.2])]
        calyces += [
            smooth_course([hub, place(13, 4, 0.6 * up), place(4, 2 * np.sign(up), up)], [3.4, 2.0, 2.4])
            for up in (-20.0, -7.0, 8.0, 21.0)
        ]
        made[name] = Kidney(_shape(field, part), _shape(medulla, part), tuple(calyces))
    return made


def _shape(field: Field, part: Space) -> Shape:
    return Shape(np.asarray(field, dtype=np.float32), part.grid)


def adrenals(space: Space) -> dict[str, Shape]:
    """Return both adrenals: two thin limbs that open backwards, the right one behind the cava."""
    right = space.part((10, -45, 0), (70, 20, 60))
    left = space.part((-75, -45, 0), (-15, 30, 60))
    return {
        "adrenal_right": _shape(
            union(
                course_tube(right, [[30, -2, 40], [33, -10, 30], [36, -24, 16]], [3.4, 4.4, 3.1]),
                course_tube(right, [[32, -6, 36], [42, -12, 28], [48, -22, 16]], [3.4, 3.9, 3.0]),
            ),
            right,
        ),
        "adrenal_left": _shape(
            union(
                course_tube(left, [[-36, 6, 34], [-38, -6, 30], [-36, -24, 22]], [3.6, 4.7, 3.1]),
                course_tube(left, [[-36, 2, 34], [-46, -8, 28], [-53, -20, 20]], [3.5, 4.2, 3.0]),
            ),
            left,
        ),
    }
