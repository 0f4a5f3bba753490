"""What a widened duct has room for: the capsule, the trunks that it passes, and what it swallows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pancreasgen.network.crossings import KIN_FACTOR
from pancreasgen.network.geometry import least_depths, segment_distance
from pancreasgen.network.index import kinship, near_kin
from pancreasgen.network.tree import Tree
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]

SAFETY_MM = 0.2
"""What a widened duct leaves to the capsule beyond the margin, since its depth is known at samples only [mm]."""
WIDE = 1.05
"""A duct counts as widened from this factor of its radius on."""


def least_depth_mm(organ: Organ, start_mm: Floats, end_mm: Floats) -> Floats:
    """Return the least depth below the capsule along segments (M,) [mm], sampled every 0.25 mm or finer."""
    grid = organ.distance.grid
    place = (organ.distance.data, np.asarray(grid.origin_mm), float(grid.spacing_mm[0]))
    return np.asarray(least_depths(*place, np.ascontiguousarray(start_mm), np.ascontiguousarray(end_mm)))


def room_mm(tree: Tree, organ: Organ, margin_mm: float) -> Floats:
    """Return the radius that fits at each distal end (M,) [mm]: the least depth along it and along what follows."""
    least = least_depth_mm(organ, tree.start_mm, tree.end_mm)
    room = least.copy()
    child = np.flatnonzero(tree.parent >= 0)
    goes_on = child[tree.order[child] == tree.order[tree.parent[child]]]
    np.minimum.at(room, tree.parent[goes_on], least[goes_on])
    return room - margin_mm - SAFETY_MM


def beside_trunks(tree: Tree, wide_mm: Floats) -> Floats:
    """Return the radii (M,) with those of widened branches no larger than the trunks that they pass leave room for."""
    rows = np.flatnonzero((wide_mm > WIDE * tree.radius_mm) & (tree.order > 0))
    above = np.maximum(tree.parent[rows], 0)
    above = np.where(tree.order[above] == tree.order[rows], above, rows)
    length = np.linalg.norm(tree.end_mm - tree.start_mm, axis=1)
    trunks, tube = np.flatnonzero(tree.order == 0), np.maximum(tree.proximal_radius_mm(), tree.radius_mm)
    distance, arc = _to_trunks(rows, trunks, (tree.start_mm, tree.end_mm, tree.parent, length))
    free = distance - tube[trunks]
    wide = wide_mm.copy()
    for _ in range(len(rows)):
        radius = np.maximum(wide[rows], wide[above])
        into = (radius[:, None] > free) & (arc > KIN_FACTOR * (radius[:, None] + tube[trunks]))
        if not into.any():
            break
        most = np.where(into, free, np.inf).min(axis=1, initial=np.inf)
        for side in (rows, above):
            np.minimum.at(wide, side, np.maximum(most, tree.radius_mm[side]))
        if np.array_equal(np.maximum(wide[rows], wide[above]), radius):
            break
    return wide


@njit(cache=True)
def _to_trunks(rows: Any, trunks: Any, tree: Any) -> Any:
    """Return the distance of each row to each trunk's segment, and the arc along the tree between them (R, T) [mm]."""
    start, end, parent, length = tree
    distance, arc = np.empty((len(rows), len(trunks))), np.empty((len(rows), len(trunks)))
    kin = np.empty(64, np.int64)
    for n in range(len(rows)):
        row = rows[n]
        count = near_kin(parent, length, parent[row], np.inf, kin)
        for m in range(len(trunks)):
            away, _, _ = segment_distance(start[row], end[row], start[trunks[m]], end[trunks[m]])
            distance[n, m], arc[n, m] = away, kinship(trunks[m], kin, count, parent, length)
    return distance, arc


def swallowed(tree: Tree, widened: NDArray[np.int64]) -> Masks:
    """Return which segments (M,) lie in or against a widened duct without springing from it there."""
    middle = 0.5 * (tree.start_mm + tree.end_mm)
    length = np.linalg.norm(tree.end_mm - tree.start_mm, axis=1)
    reach = float((length[widened] / 2 + tree.radius_mm[widened]).max(initial=0.0) + (length / 2).max() + 0.2)
    if not len(widened):
        return np.zeros(len(middle), np.bool_)
    near: Any = cKDTree(middle).query_ball_point(middle[widened], reach)
    owner = np.repeat(widened, [len(some) for some in near])
    pairs = np.column_stack([owner, np.concatenate([np.asarray(some, np.int64) for some in near])])
    wide = np.zeros(len(middle), np.bool_)
    wide[widened] = True
    return np.asarray(
        _swallow(pairs, wide, tree.start_mm, tree.end_mm, tree.radius_mm, tree.parent, length, tree.joint)
    )


@njit(cache=True)
def _swallow(
    pairs: Any, wide: Any, start: Any, end: Any, radius: Any, parent: Any, length: Any, joint: Any
) -> Any:  # fmt: skip
    bad = np.zeros(len(wide), np.bool_)
    kin, joined = np.empty(64, np.int64), np.empty(64, np.int64)
    for n in range(len(pairs)):
        w, o = pairs[n]
        if wide[o] or bad[o]:
            continue
        distance, _, _ = segment_distance(start[w], end[w], start[o], end[o])
        if distance >= radius[w] + radius[o]:
            continue
        limit = 2.5 * (radius[w] + radius[o]) + length[w]
        count = near_kin(parent, length, w, limit, kin)
        if kinship(o, kin, count, parent, length) <= limit:
            continue
        others = near_kin(parent, length, joint[o], limit, joined)
        if others > 0 and kinship(w, joined, others, parent, length) <= limit:
            continue
        bad[o] = True
    return bad
