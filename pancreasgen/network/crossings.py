"""The final check between ducts: which tubes of a finished tree run into each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.network.geometry import apart, segment_distance
from pancreasgen.network.index import hang, kinship, near_kin
from pancreasgen.network.serving import cell_box
from pancreasgen.network.tree import Tree

KIN_FACTOR = 1.8
_CELL_LENGTHS = 2.5  # side of a cell of the index, in mean lengths of a segment


def crossings(tree: Tree, clearance_mm: float) -> NDArray[np.int64]:
    """Return the pairs of segments (K, 2) whose tubes cross and are not kin.

    Tubes are taken as wide as their wider end. Kin are segments whose places on the tree are no further apart than
    1.8 · (both radii + clearance), measured along the ducts: there tubes must touch. So must those at a junction of two
    trees, where both lie within that distance of it.
    """
    if not len(tree.parent):
        return np.zeros((0, 2), np.int64)
    radius = np.maximum(tree.proximal_radius_mm(), tree.radius_mm)
    length = np.linalg.norm(tree.end_mm - tree.start_mm, axis=1)
    side = max(_CELL_LENGTHS * float(length.mean()), 0.25)
    low = np.minimum(tree.start_mm, tree.end_mm).min(axis=0) - radius.max()
    high = np.maximum(tree.start_mm, tree.end_mm).max(axis=0) + radius.max()
    shape = np.floor((high - low) / side).astype(np.int64) + 1
    boxes = np.floor((np.abs(tree.end_mm - tree.start_mm) + 2.0 * radius[:, None]) / side) + 2
    entries = int(boxes.prod(axis=1).sum())
    cells = (
        np.full(tuple(shape), -1, np.int64), np.empty(entries, np.int64), np.empty(entries, np.int64), low, side,
        shape,
    )  # fmt: skip
    ducts = (tree.start_mm, tree.end_mm, radius, tree.parent, length, tree.end_mm[tree.joint >= 0])
    return np.asarray(_pairs(ducts, clearance_mm, cells))


@njit(cache=True)
def _pairs(ducts: Any, clearance: float, cells: Any) -> Any:
    starts, ends, radius, parent, length, joints = ducts
    head, following, owner, _, _, _ = cells
    low, high, kin, none = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(64, np.int64), np.empty(0, np.int64)
    scratch = (low, high, kin, none, none)
    found = [(np.int64(0), np.int64(0)) for _ in range(0)]
    widest = radius.max()
    used = 0
    for n in range(len(parent)):
        cell_box(starts[n], ends[n], radius[n], cells, low, high)
        limit = KIN_FACTOR * (radius[n] + widest + clearance)
        count = -1  # who is kin is asked once, and only where something is near
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    entry = head[i, j, k]
                    while entry >= 0:
                        other = owner[entry]
                        entry = following[entry]
                        touch = radius[n] + radius[other]
                        if apart(
                            starts[n], ends[n], starts[other], ends[other], touch + 0.5 * (length[n] + length[other])
                        ):
                            continue
                        distance, _, _ = segment_distance(starts[n], ends[n], starts[other], ends[other])
                        near = KIN_FACTOR * (touch + clearance)
                        if distance >= touch or _met(found, n, other):
                            continue
                        if count < 0:
                            count = near_kin(parent, length, parent[n], limit, kin)
                        if kinship(other, kin, count, parent, length) <= near:
                            continue
                        if _at_a_joint(starts[n], ends[n], starts[other], ends[other], near, joints):
                            continue
                        found.append((np.int64(n), np.int64(other)))
        used = hang(starts[n], ends[n], radius[n], n, used, cells, scratch)
    pairs = np.empty((len(found), 2), np.int64)
    for n in range(len(found)):
        pairs[n, 0], pairs[n, 1] = found[n]
    return pairs


@njit(cache=True)
def _met(found: Any, n: int, other: int) -> bool:
    """Return whether the pair was found in another cell already: those of a segment stand last."""
    for m in range(len(found) - 1, -1, -1):
        if found[m][0] != n:
            return False
        if found[m][1] == other:
            return True
    return False


@njit(cache=True)
def _at_a_joint(p: Any, q: Any, a: Any, b: Any, limit: float, joints: Any) -> bool:
    """Return whether both segments p–q and a–b come within limit of a place where one duct joins another."""
    for m in range(joints.shape[0]):
        one, _, _ = segment_distance(p, q, joints[m], joints[m])
        two, _, _ = segment_distance(a, b, joints[m], joints[m])
        if one <= limit and two <= limit:
            return True
    return False
