"""What lies outside the body: the scanner's table, and the arms where they are not raised."""

from __future__ import annotations

import numpy as np

from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.fields import Field, Points, Space, smooth_course
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import VALUES

TABLE_RADIUS_MM = 520.0  # of the table's hollow top, assumed
TABLE_HALF_WIDTH_MM = 215.0  # assumed: tables are 400 to 450 mm wide
TABLE_THICK_MM = 28.0  # assumed
SHELL_MM = 1.6  # carbon fibre around the foam, assumed
MAT_MM = 9.0  # mat between table and back, assumed; of foam that no window of a soft tissue shows
SINK_MM = 3.0  # how far the back is pressed flat, assumed


def table_top(space: Space, physique: Physique) -> Field:
    """Return the height above the mat [mm]: the body ends where it is 0."""
    x, y, z = space.xyz
    level = -physique.back_depth_mm + SINK_MM
    return np.asarray(TABLE_RADIUS_MM - np.hypot(x, y - (level + TABLE_RADIUS_MM)) + 0 * z, dtype=np.float32)


def paint_table(canvas: Canvas, space: Space, physique: Physique) -> None:
    """Paint the table: a hollow board of carbon fibre around foam."""
    depth = -(table_top(space, physique) + np.float32(MAT_MM))
    field = np.minimum(np.minimum(depth, TABLE_THICK_MM - depth), TABLE_HALF_WIDTH_MM - np.abs(space.xyz[0]))
    layers = [(0.0, "table_shell"), (SHELL_MM, "table")]
    canvas.paint(np.asarray(field, np.float32), space.grid, VALUES["table"], layers)


def arm_courses(physique: Physique, half_width_mm: float) -> dict[str, tuple[Points, Points]]:
    """Return the right arm beside the body: name of the part → course and radii; empty where arms are raised [mm]."""
    if not physique.arms_down:
        return {}
    x, wide = half_width_mm + 40.0, 34.0 + 0.25 * physique.subcutaneous_fat_mm
    y = -25.0
    # the upper arm ends at the elbow, 40 mm below the pancreas; the forearm leans forward and inwards
    flesh = [[x + 8, y - 12, 190], [x + 6, y - 10, 60], [x + 4, y - 6, -30], [x, y + 12, -110], [x - 6, y + 26, -190]]
    humerus = [[x + 8, y - 12, 190], [x + 6, y - 10, 60], [x + 4, y - 8, -32]]
    ulna = [[x + 10, y - 16, -28], [x + 6, y + 2, -110], [x - 2, y + 18, -190]]
    radius = [[x - 8, y - 2, -38], [x - 8, y + 18, -110], [x - 10, y + 34, -190]]
    parts = {
        "flesh": (flesh, [wide + 6, wide + 4, wide + 2, wide - 2, wide - 8]),
        "humerus": (humerus, [11.0, 10.5, 15.0]),
        "ulna": (ulna, [11.0, 7.5, 6.0]),
        "radius": (radius, [9.0, 7.0, 7.5]),
    }
    return {name: smooth_course(points, radii) for name, (points, radii) in parts.items()}


def paint_arms(canvas: Canvas, physique: Physique, half_width_mm: float) -> None:
    """Paint both arms beside the body: skin, fat, muscle and bones; nothing where they are raised."""
    fat = physique.skin_mm + 0.35 * physique.subcutaneous_fat_mm
    flesh = [(0.0, "skin"), (physique.skin_mm, "fat"), (fat, "muscle")]
    bone = [(0.0, "cortical_bone"), (3.0, "yellow_marrow")]
    for side in (1.0, -1.0):
        for name, (points, radii) in arm_courses(physique, half_width_mm).items():
            canvas.paint_rod(points * [side, 1.0, 1.0], radii, VALUES["arms"], flesh if name == "flesh" else bone)
