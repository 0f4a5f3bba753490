"""Landmarks of a procedural gland: the papillae, the tip of the tail, and the courses of the vessels that shape it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.base.grid import Volume
from pancreasgen.organ.axis import Axis

Floats = NDArray[np.float64]

PAPILLA_DEPTH_MM = 3.2
INTERPAPILLARY_MM = 22.0  # 16–30 mm between the papillae, reference `interpap`
BETWEEN_PAPILLAE_MM = (16.0, 30.0)
MINOR_FROM_MAJOR_MM = 26.0 * np.array([0.15, 0.28, 0.95])  # up, to the front, towards the duodenum (assumed)


def vessel_courses(axis: Axis, ap_body_mm: float, ap_tail_mm: float) -> dict[str, Floats]:
    """Return the courses (K, 3) [mm] of the vessels that lie against the gland, and of the bile duct.

    The superior mesenteric vein runs 41 mm in front of the vertebral line and right of the artery, 15 mm between their
    centres (reference ``smv_vert``, ``smv_sma_dist``); it ends behind the neck, where the splenic vein joins it.
    """
    neck = axis.at(0.5 * sum(axis.neck_mm))
    behind_neck = neck + [2.0, -14.5, 1.0]
    smv = np.array(
        [[13.0, 36.0, neck[2] - 95.0], [14.0, 39.5, neck[2] - 45.0], [14.0, 41.0, neck[2] - 18.0], behind_neck]
    )
    sma_top = np.array([-7.0, 19.0, neck[2] + 14.0])
    sma = np.array(
        [sma_top, sma_top + [2.0, 9.0, -4.0], [0.0, 35.5, neck[2] - 6.0], [0.0, 37.5, neck[2] - 28.0]]
        + [[0.5, 36.0, neck[2] - 60.0], [1.0, 34.0, neck[2] - 95.0]]
    )
    return {"smv": smv, "sma": sma, "splenic_vein": _splenic_vein(axis, behind_neck, ap_body_mm, ap_tail_mm),
            "bile_duct": _bile_duct(axis)}  # fmt: skip


def ring_course(axis: Axis) -> Floats:
    """Return the middle of an annular pancreas (73, 3) [mm]: around the descending duodenum at the papilla's height.

    The ring starts at the head, runs in front of the duodenum, around it and back behind it; its radius of 14.5 mm
    leaves the duodenum narrowed (assumed).
    """
    centre = axis.points_mm[2] + [11.0, -7.5, -2.5]
    turn = np.radians(145.0 - np.linspace(0.0, 350.0, 73))
    return np.asarray(centre + 14.5 * np.column_stack([np.cos(turn), np.sin(turn), np.zeros(73)]))


def _splenic_vein(axis: Axis, confluence: Floats, ap_body_mm: float, ap_tail_mm: float) -> Floats:
    """Along the back of body and tail, a little above the middle, to beyond the tip of the tail."""
    arcs = np.linspace(axis.neck_mm[1] + 8.0, float(axis.arc_mm[-1]) - 4.0, 9)
    points = [confluence]
    for arc in arcs:
        row = int(np.argmin(np.abs(axis.arc_mm - arc)))
        half = 0.5 * np.interp(
            arc, [axis.neck_mm[1], axis.body_end_mm, axis.arc_mm[-1]], [ap_body_mm, ap_body_mm, ap_tail_mm]
        )
        back = axis.across[row] if axis.across[row, 1] < 0 else -axis.across[row]
        points.append(axis.points_mm[row] + (half + 1.5) * back + 3.0 * axis.upward[row])
    points.append(points[-1] + 14.0 * axis.tangent[-1] + [0.0, -4.0, 2.0])
    return np.array(points)


def _bile_duct(axis: Axis) -> Floats:
    """From above the neck, behind the head's right half, to the papilla (right posterolateral in the head)."""
    papilla = axis.points_mm[0]
    head = axis.at(0.45 * axis.neck_mm[0])
    neck = axis.at(0.5 * sum(axis.neck_mm))
    return np.array(
        [
            [neck[0] + 24.0, neck[1] - 18.0, neck[2] + 42.0],
            [neck[0] + 22.0, neck[1] - 24.0, neck[2] + 22.0],
            [head[0] + 0.0, head[1] - 11.0, head[2] + 16.0],
            [head[0] + 3.0, head[1] - 10.0, head[2] + 3.0],
            papilla + [-3.0, 0.5, 4.0],
            papilla + [-1.0, 0.5, 0.0],
        ]
    )


def find_landmarks(distance: Volume, axis: Axis) -> dict[str, Floats]:
    """Return ``major_papilla``, ``minor_papilla`` and ``tail_tip``, each (1, 3) [mm], just inside the capsule.

    The major papilla is the first point of the axis that lies deep enough for a main duct, on the right hind border of
    the head; the minor one lies 16 to 30 mm away (published), above it and a little in front, on the duodenum's side:
    the head is rarely tall enough for all of the 26 mm that are tried. Nearer to the main duct, which runs to the front
    and the left, an accessory duct would be shorter than published.
    """
    depth, _ = sample_with_gradient(distance, axis.points_mm)
    major = axis.points_mm[_first_deep(depth, PAPILLA_DEPTH_MM)]
    tail = axis.points_mm[len(depth) - 1 - _first_deep(depth[::-1], 1.0)]
    minor = _at_depth(distance, major + MINOR_FROM_MAJOR_MM, 0.6 * PAPILLA_DEPTH_MM, (major, BETWEEN_PAPILLAE_MM))
    return {"major_papilla": major[None].copy(), "minor_papilla": minor[None], "tail_tip": tail[None].copy()}


def _first_deep(depth_mm: Floats, wanted_mm: float) -> int:
    """Return the first sample that lies deep enough; if none does, the deepest of the first half."""
    deep = np.flatnonzero(depth_mm >= wanted_mm)
    return int(deep[0]) if len(deep) else int(np.argmax(depth_mm[: max(len(depth_mm) // 2, 1)]))


def _at_depth(distance: Volume, point_mm: Floats, depth_mm: float, ring: tuple[Floats, tuple[float, float]]) -> Floats:
    """Return the point that lies depth_mm below the capsule, near a wanted one, inside a ring if anything is.

    It starts at the nearest voxel that lies so deep (if none does, at the deepest), because a walk from outside may end
    between two lobules, and goes along the distance's gradient. The ring is a centre, and the least and the largest
    distance [mm] from it.
    """
    deep = np.argwhere(distance.data >= min(depth_mm, float(distance.data.max())))
    places = distance.grid.to_world(deep)
    centre, (least, most) = ring
    away = np.linalg.norm(places - centre, axis=1)
    if ((away >= least) & (away <= most)).any():
        places = places[(away >= least) & (away <= most)]
    point = places[int(np.argmin(((places - point_mm) ** 2).sum(axis=1)))]
    for _ in range(20):
        value, gradient = sample_with_gradient(distance, point[None])
        step = depth_mm - value[0]
        if abs(step) < 0.02:
            break
        point = point + np.clip(0.6 * step, -0.5, 0.5) * gradient[0] / max(float(np.linalg.norm(gradient[0])), 0.2)
    return np.asarray(point, dtype=np.float64)


def sample_with_gradient(volume: Volume, points_mm: Floats) -> tuple[Floats, Floats]:
    """Return values (N,) and gradients (N, 3) [1/mm] of a volume at points (N, 3), by trilinear interpolation.

    Outside the grid the border's values go on.
    """
    grid = volume.grid
    shifts = np.concatenate([np.zeros((1, 3)), 0.5 * np.eye(3), -0.5 * np.eye(3)])
    index = grid.to_index(points_mm)[None] + shifts[:, None]
    values = ndimage.map_coordinates(volume.data, index.reshape(-1, 3).T, order=1, mode="nearest", output=np.float64)
    values = values.reshape(7, -1)
    return values[0], ((values[1:4] - values[4:7]) / np.array(grid.spacing_mm)[:, None]).T
