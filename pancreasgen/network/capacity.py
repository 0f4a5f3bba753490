"""Capacity: how many more ends each duct can carry, as wide as they make it and as much room as it has.

Radii follow from the ends (r = r₀ (n / N)^(1/γ)). So a bud widens every duct between it and the papilla, and each of
them must have room for that: below the capsule, and between its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.network.crossings import KIN_FACTOR
from pancreasgen.network.geometry import apart, segment_distance, trilinear
from pancreasgen.network.index import JOINT, LANDMARK, ORDER, kinship, near_kin
from pancreasgen.network.ledger import Ledger
from pancreasgen.network.radii import Calibre, count_ends
from pancreasgen.network.serving import cell_box

Floats = NDArray[np.float64]

_ENDS_PER_POINT = 1.0 / 11.0
_SPARE = 0.4  # of the clearance, that either of two neighbours may take
_WIDEST_MM, _WIDER, _NOW = 0.9, 2.0, 1.03
_SURE = 0.97  # share of the room that is given away beyond what was reserved: radii change when others are cut
_STEPS = 3  # into which a new piece is divided to find its least depth


def deeper(ledger: Ledger, depth_mm: Floats) -> Floats:
    """Return the least depth of each segment (S,) [mm], where that of the first ones is known."""
    known = len(depth_mm)
    return np.concatenate([depth_mm, ledger.least_depth(ledger.start_mm[known:], ledger.end_mm[known:])])


def capacity(ledger: Ledger, calibre: Calibre, depth: Floats, *, beyond: bool = False) -> tuple[Any, ...]:
    """Return how many ends lie beyond each segment, how many it has room for (room of the ledger,).

    A radius r has room for n = N (r/r₀)^γ ends. N is the number that a tree will have in the end: its share of
    one end for every eleven points of tissue, or as many as it has by now.

    Args:
        ledger: The committed ducts.
        calibre: How radii follow from the ends.
        depth: Least depth of each segment (S,) [mm].
        beyond: A duct may get wider than it reserved, as far as its neighbours leave room for it.
    """
    ends = count_ends(ledger.parent, ledger.marks(JOINT) >= 0)
    landmarks = ledger.marks(LANDMARK)
    scale = np.zeros(int(landmarks.max()) + 2)
    total = sum(int(ends[landmarks == landmark].max()) for landmark in calibre.anchor_mm)
    more = max(1.0, _ENDS_PER_POINT * len(ledger.tissue.points_mm) / total)
    for landmark, anchor in calibre.anchor_mm.items():
        scale[landmark] = more * ends[landmarks == landmark].max() / anchor**calibre.gamma
    keep = ledger.clearances
    limit = ledger.reserved_mm + _SPARE * keep.clearance_mm
    if beyond:
        now = _NOW * (ends / np.maximum(scale[landmarks], 1e-12)) ** (1.0 / calibre.gamma)
        needs = np.where(ledger.marks(ORDER) == 0, ledger.reserved_mm, np.minimum(now, ledger.reserved_mm))
        limit = np.maximum(limit, _room(ledger, needs, depth - keep.margin_mm > limit))
    limit = _SURE * np.minimum(depth - keep.margin_mm, limit) if beyond else np.minimum(depth - keep.margin_mm, limit)
    most = scale[landmarks] * np.maximum(limit, 0.0) ** calibre.gamma
    most[ledger.marks(ORDER) == 0] = np.inf  # the main duct is anchored
    full = np.asarray(_is_full(ledger.parent, ends, most))
    return (
        _padded(ends, ledger.room, 1), _padded(most, ledger.room, 1.0), scale, calibre.gamma,
        _padded(full, ledger.room, False),
    )  # fmt: skip


@njit(cache=True)
def _is_full(parent: Any, ends: Any, most: Any) -> Any:
    """Return which segments (S,) can carry no more ends, or hang on one that cannot."""
    full = ends + 1 > most
    for n in range(len(full)):
        if parent[n] >= 0 and full[parent[n]]:
            full[n] = True
    return full


def _room(ledger: Ledger, needs_mm: Floats, matters: NDArray[np.bool_]) -> Floats:
    """Return the room between neighbours (S,) [mm], measured where it matters: elsewhere the capsule is nearer."""
    most = np.where(matters, np.maximum(ledger.reserved_mm, np.minimum(_WIDEST_MM, _WIDER * ledger.reserved_mm)), 0.0)
    return np.asarray(room_around(needs_mm, most, ledger.world))


def thinnest_mm(load: tuple[Any, ...]) -> float:
    """Return the radius that a single end will have, in the tree where it is widest [mm]."""
    scale = load[2][load[2] > 0.0]
    return float((1.0 / scale.min()) ** (1.0 / load[3]))


def _padded(column: NDArray[Any], room: int, value: float) -> NDArray[Any]:
    return np.concatenate([column, np.full(room - len(column), value, column.dtype)])


@njit(cache=True)
def spare(duct: int, load: Any, ducts: Any) -> bool:
    """Return whether a duct and all below it can carry one more end; a tip that goes on carries no more.

    If not, those between it and the one that is full are marked, so that nobody asks them again.
    """
    ends, most, _, _, full = load
    parent, children = ducts[3], ducts[6]
    if children[duct] == 0:
        return True
    below = duct
    while below >= 0:
        if ends[below] + 1 > most[below]:
            break
        below = parent[below]
    if below < 0:
        return True
    while duct != below:
        full[duct] = True
        duct = parent[duct]
    full[below] = True
    return False


@njit(cache=True)
def add_end(duct: int, fresh: Any, load: Any, world: Any) -> None:
    """Count the end of a new chain on a duct and all below it, and note how many more the chain itself can carry."""
    ends, most, scale, gamma, full = load
    rules, organ, ducts = world[0], world[1], world[2]
    _, clearance, margin, _, _ = rules
    sdf, origin, spacing = organ
    starts, stops, reserved, parent, _, marks, children = ducts
    for new in range(fresh[0], fresh[1]):
        depth = np.inf
        for step in range(_STEPS + 1):
            u = step / _STEPS
            x, y, z = (1.0 - u) * starts[new] + u * stops[new]
            depth = min(depth, trilinear(sdf, origin, spacing, x, y, z))
        limit = max(min(depth - margin, reserved[new] + _SPARE * clearance), 0.0)
        full[new] = False
        ends[new], most[new] = 1, scale[marks[new, LANDMARK]] * limit**gamma
    if children[duct] > 1:
        while duct >= 0:
            ends[duct] += 1
            duct = parent[duct]


@njit(cache=True)
def _springs(other: int, n: int, parent: Any) -> bool:
    """Return whether one segment leads to another that was laid later."""
    while other > n:
        other = parent[other]
    return other == n


@njit(cache=True)
def room_around(needs: Any, most: Any, world: Any) -> Any:
    """Return the radius up to which each segment has room between its neighbours (S,) [mm], at most ``most``.

    Two neighbours share the space between them: each may take half of what is free beyond what both need now.

    Args:
        needs: Radius that each segment has now (S,) [mm], no more than it reserves.
        most: Radius beyond which nobody asks (S,) [mm], no less than it needs; 0 where nobody asks at all.
        world: As for :func:`pancreasgen.network.index.lay`.
    """
    rules, _, ducts, cells, _, _, scratch, _ = world
    starts, ends, _, parent, length, _, _ = ducts
    head, following, owner, _, _, _ = cells
    low, high, kin, _, _ = scratch
    clearance = rules[1]
    room = most.copy()
    for n in range(len(room)):
        if most[n] == 0.0:
            continue
        relatives = -1
        cell_box(starts[n], ends[n], 2.0 * most[n] - needs[n], cells, low, high)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    entry = head[i, j, k]
                    while entry >= 0:
                        other = owner[entry]
                        entry = following[entry]
                        matters = 2.0 * room[n] + (1.0 - 2.0 * _SPARE) * clearance - needs[n] + needs[other]
                        reach = matters + 0.5 * (length[n] + length[other])
                        if apart(starts[n], ends[n], starts[other], ends[other], reach):
                            continue
                        distance, _, _ = segment_distance(starts[n], ends[n], starts[other], ends[other])
                        free = 0.5 * (distance - (1.0 - 2.0 * _SPARE) * clearance + needs[n] - needs[other])
                        if free >= room[n]:
                            continue
                        if relatives < 0:
                            reach = KIN_FACTOR * (most[n] + 2.0 + clearance)
                            relatives = near_kin(parent, length, n, reach, kin)
                        near = KIN_FACTOR * (max(free, needs[n]) + needs[other] + clearance)
                        arc = kinship(other, kin, relatives, parent, length)
                        if arc > near and not _springs(other, n, parent):
                            arc -= length[n]  # what does not spring from the segment is as near as its start is
                        if arc > near:
                            room[n] = max(free, 0.0)
    return room
