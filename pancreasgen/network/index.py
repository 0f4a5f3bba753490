"""Compiled kernels of growth: who is near, who is kin, what collides, and commitment.

Everything lives on one uniform grid of cells. Committed segments hang in linked lists, once in every cell that their
inflated box touches, so thick and thin ducts share one index. The loops over those lists are written out wherever they
are needed: as a generator numba could not load them from its cache again. All arithmetic is float64 without fastmath:
structure must not depend on the machine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from pancreasgen.network.geometry import apart, contained, segment_distance
from pancreasgen.network.serving import cell_box, free_lobule, serve

# Outcome of a candidate.
ACCEPTED, OUTSIDE, COLLIDES, CROWDED = 0, 1, 2, 3
ORDER, LABEL, LOBULE, LANDMARK, JOINT = 0, 1, 2, 3, 4
"""Columns of the marks of a segment: branch order, territory, lobule, landmark of its tree, segment that it joins."""
KIN_GROWING = 1.5
"""Stricter than the final check (1.8), since final radii may be smaller than reserved ones."""
_GENERATIONS = 24


@njit(cache=True)
def near_kin(parent: Any, length: Any, start: int, limit: float, kin: Any) -> int:
    """Write the ancestors of a segment that end within limit mm of its start, nearest first; return how many."""
    count, ancestor, arc = 0, start, 0.0
    while ancestor >= 0 and count < kin.shape[0] and arc <= limit:
        kin[count] = ancestor
        count += 1
        arc += length[ancestor]
        ancestor = parent[ancestor]
    return count


@njit(cache=True)
def kinship(other: int, kin: Any, count: int, parent: Any, length: Any) -> float:
    """Return the arc length [mm] along the tree between the starts of a segment and of the one whose ancestors are kin.

    Infinity if they do not meet within 24 generations of the other segment.
    """
    up, arc = other, 0.0
    for _ in range(_GENERATIONS):
        down = 0.0
        for n in range(count):
            if kin[n] == up:
                return arc + down
            down += length[kin[n]]
        if up != other:
            arc += length[up]
        up = parent[up]
        if up < 0:
            break
    return np.inf


@njit(cache=True)
def collides(
    p: Any, q: Any, radius: float, ties: Any, clearance: float, ducts: Any, cells: Any, scratch: Any
) -> bool:  # fmt: skip
    """Return whether the tube p–q comes nearer than clearance to a duct that is not its kin.

    Kin are ducts within 1.5 · (both radii + clearance) of arc length along the tree, from either end of the tube.

    Args:
        p: Start (3,).
        q: End (3,).
        radius: Larger radius of the tube, as reserved [mm].
        ties: Ids of the segment the tube leaves and of the one at whose end it joins another duct; −1 for none.
        clearance: Wanted distance between skins [mm].
        ducts: (start (S,3), end (S,3), reserved radius (S,), parent (S,), length (S,), marks (S,5), children (S,)).
        cells: (head (X,Y,Z), next (L,), owner (L,), origin, size, shape).
        scratch: (low (3,), high (3,), kin (K,), kin of the joined duct (K,), ties (2,)).
    """
    starts, ends, reserved, parent, length, _, _ = ducts
    head, following, owner, _, _, _ = cells
    low, high, kin, joined, _ = scratch
    widest = 12.0  # more than any duct reserves [mm]
    count = others = -1  # who is kin is asked once, and only where something is near
    half = 0.5 * math.sqrt((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2 + (q[2] - p[2]) ** 2)
    cell_box(p, q, radius + clearance, cells, low, high)
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            for k in range(low[2], high[2] + 1):
                entry = head[i, j, k]
                while entry >= 0:
                    other = owner[entry]
                    entry = following[entry]
                    wanted = radius + reserved[other] + clearance
                    if apart(p, q, starts[other], ends[other], wanted + half + 0.5 * length[other]):
                        continue
                    distance, _, _ = segment_distance(p, q, starts[other], ends[other])
                    if distance >= wanted:
                        continue
                    if count < 0:
                        reach = KIN_GROWING * (radius + widest + clearance)
                        count = near_kin(parent, length, ties[0], reach, kin)
                        others = near_kin(parent, length, ties[1], reach, joined)
                    limit = KIN_GROWING * wanted
                    if kinship(other, kin, count, parent, length) <= limit:
                        continue
                    if others == 0 or kinship(other, joined, others, parent, length) > limit:
                        return True
    return False


@njit(cache=True)
def hang(p: Any, q: Any, reach: float, segment: int, used: int, cells: Any, scratch: Any) -> int:
    """Hang a segment into every cell its inflated box touches; return the new number of list entries, or −1 if full."""
    head, following, owner, _, _, _ = cells
    low, high, _, _, _ = scratch
    cell_box(p, q, reach, cells, low, high)
    for i in range(low[0], high[0] + 1):
        for j in range(low[1], high[1] + 1):
            for k in range(low[2], high[2] + 1):
                if used >= owner.shape[0]:
                    return -1
                owner[used] = segment
                following[used] = head[i, j, k]
                head[i, j, k] = used
                used += 1
    return used


@njit(cache=True)
def note_tip(q: Any, segment: int, tips: Any, cells: Any, scratch: Any) -> None:
    """List a segment in the cell of its distal end."""
    head, following = tips
    low, high, _, _, _ = scratch
    cell_box(q, q, 0.0, cells, low, high)
    following[segment] = head[low[0], low[1], low[2]]
    head[low[0], low[1], low[2]] = segment


@njit(cache=True)
def lay(p: Any, q: Any, radii: Any, marks_new: Any, parent_new: int, world: Any, used: int, count: int) -> Any:
    """Try one tube against everything committed so far; if it fits, commit it under the number ``count``.

    Args:
        p: Start (3,) [mm].
        q: End (3,) [mm].
        radii: Radius at both ends (2,) [mm].
        marks_new: Order, territory, lobule, landmark, and the segment that it joins (5,); −1 for none.
        parent_new: Number of the segment that it leaves; −1 for none.
        world: (rules, organ, ducts, cells, tissue, lobules, scratch, tips): rules are (reserve factor, clearance,
            margin, reach of a claim, reach of service); the organ is (signed distance (X,Y,Z), origin (3,), spacing);
            tips list each segment once, in the cell of its distal end: (head (X,Y,Z), next (S,)).
        used: List entries in use.
        count: Segments committed so far; there must be room for one more.

    Returns:
        (outcome, used); ``used`` is −1 if the lists are full.
    """
    rules, organ, ducts, cells, tissue, _, scratch, tips = world
    factor, clearance, margin, _, reach = rules
    sdf, origin, spacing = organ
    starts, ends, reserved, parent, length, marks, children = ducts
    if not contained(p, q, radii[0], radii[1], margin, sdf, origin, spacing):
        return OUTSIDE, used
    radius = factor * max(radii[0], radii[1])
    ties = scratch[4]
    ties[0], ties[1] = parent_new, marks_new[JOINT]
    if collides(p, q, radius, ties, clearance, ducts, cells, scratch):
        return COLLIDES, used
    starts[count], ends[count] = p, q
    reserved[count], parent[count], children[count] = radius, parent_new, 0
    marks[count] = marks_new
    length[count] = math.sqrt((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2 + (q[2] - p[2]) ** 2)
    if parent_new >= 0:  # where a duct runs into another, no branch may leave beside it
        children[parent_new] += 1 if marks_new[JOINT] < 0 else 2
    used = hang(p, q, radius + clearance, count, used, cells, scratch)
    note_tip(q, count, tips, cells, scratch)
    serve(p, q, reach, tissue, cells, scratch)
    return ACCEPTED, used


@njit(cache=True)
def commit_all(
    starts_new: Any, ends_new: Any, radii_new: Any, marks_new: Any, parents_new: Any, claims: Any, world: Any,
    used: int, count: int,
) -> tuple[Any, int, int]:  # fmt: skip
    """Try candidates one by one, in the order given, against everything committed so far.

    Args:
        starts_new: Starts (C, 3) [mm].
        ends_new: Ends (C, 3) [mm].
        radii_new: Radius (C, 2) at both ends [mm].
        marks_new: As for :func:`lay` (C, 5).
        parents_new: As for :func:`lay` (C,).
        claims: Whether a candidate must find a lobule of its own (C,).
        world: As for :func:`lay`.
        used: List entries in use.
        count: Segments committed so far; there must be room for C more.

    Returns:
        (outcome (C,), used, count): a committed candidate's id is its rank among the accepted. ``used`` is −1 if
        the lists are full.
    """
    outcome = np.empty(starts_new.shape[0], np.int64)
    rules, lobules = world[0], world[5]
    for n in range(starts_new.shape[0]):
        if claims[n]:
            marks_new[n, LOBULE] = free_lobule(ends_new[n], marks_new[n, LABEL], rules[3], lobules)
            if marks_new[n, LOBULE] < 0:
                outcome[n] = CROWDED
                continue
        outcome[n], used = lay(
            starts_new[n], ends_new[n], radii_new[n], marks_new[n], parents_new[n], world, used, count
        )  # fmt: skip
        if outcome[n] != ACCEPTED:
            continue
        if used < 0:
            return outcome, used, count
        if claims[n]:
            lobules[1][marks_new[n, LOBULE]] = count
        count += 1
    return outcome, used, count


@njit(cache=True)
def hang_all(count: int, world: Any) -> int:
    """Hang the first ``count`` segments, count their children and serve tissue; return the list entries in use."""
    rules, _, ducts, cells, tissue, _, scratch, tips = world
    starts, ends, reserved, parent, length, marks, children = ducts
    used = 0
    children[:count] = 0
    for n in range(count):
        p, q = starts[n], ends[n]
        length[n] = math.sqrt((q[0] - p[0]) ** 2 + (q[1] - p[1]) ** 2 + (q[2] - p[2]) ** 2)
        if parent[n] >= 0:
            children[parent[n]] += 1 if marks[n, JOINT] < 0 else 2
        used = hang(p, q, reserved[n] + rules[1], n, used, cells, scratch)
        note_tip(q, n, tips, cells, scratch)
        serve(p, q, rules[4], tissue, cells, scratch)
    return used


@njit(cache=True)
def duct_distance(points_at: Any, ups: Any, kin_arc: float, ducts: Any, cells: Any, scratch: Any) -> Any:
    """Return the distance (N,) [mm] from points (N, 3) to the skin of the nearest duct that is not kin.

    Only cells next to the point are searched: a duct further away than one cell counts as one cell away.
    """
    starts, ends, reserved, parent, length, _, _ = ducts
    head, following, owner, _, size, _ = cells
    low, high, kin, _, _ = scratch
    result = np.full(points_at.shape[0], size)
    for n in range(points_at.shape[0]):
        count = near_kin(parent, length, ups[n], kin_arc, kin)
        cell_box(points_at[n], points_at[n], size, cells, low, high)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    entry = head[i, j, k]
                    while entry >= 0:
                        other = owner[entry]
                        entry = following[entry]
                        related = False
                        for m in range(count):
                            if other == kin[m] or parent[other] == kin[m]:
                                related = True
                                break
                        if not related:
                            distance, _, _ = segment_distance(points_at[n], points_at[n], starts[other], ends[other])
                            result[n] = min(result[n], distance - reserved[other])
    return result
