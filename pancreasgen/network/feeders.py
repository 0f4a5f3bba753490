"""Which ducts could feed a place: those from whose end a bud would reach it best."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from pancreasgen.network.index import JOINT, LABEL, LOBULE, ORDER

_OTHER_LOBULE_MM, _OTHER_BRANCH_MM, _TRUNK_MM, _TIP_MM, _STRAIGHT_ON_MM = 1.0, 1.0, 4.0, 1.0, 2.0
"""How much nearer another duct must be than one of another lobule, of another branch, and so on, to be preferred."""
_AHEAD, _LEAST, _BACK = 0.30, 0.90, -0.35  # cosines: a tip goes on below 72°, a bud leaves at 26–110°


@njit(cache=True)
def feeders(point: Any, label: int, lobule: int, reach: float, full: Any, world: Any, choices: Any) -> int:
    """Write the ducts from whose end a bud would reach a point best, the best first; return how many.

    Cells are searched in shells around the point's own, as long as one of them can hold a better duct than the worst
    that was found. Ducts that can never feed again are taken out of their list.

    Args:
        point: Where a duct is wanted (3,).
        label: Territory of the point.
        lobule: Lobule of the point.
        reach: How far a duct's end may be [mm].
        full: Which ducts carry as many ends as they can (S,).
        world: As for :func:`pancreasgen.network.index.lay`.
        choices: Where the numbers of ducts are written (C,).
    """
    _, _, _, origin, size, shape = world[3]
    middle = np.empty(3, np.int64)
    for axis in range(3):
        middle[axis] = min(max(math.floor((point[axis] - origin[axis]) / size), 0), shape[axis] - 1)
    cost = np.full(len(choices), np.inf)
    found = 0
    for shell in range(int(reach / size) + 2):
        if (shell - 1) * size > min(reach, cost[-1]):
            break
        for i in range(max(middle[0] - shell, 0), min(middle[0] + shell, shape[0] - 1) + 1):
            for j in range(max(middle[1] - shell, 0), min(middle[1] + shell, shape[1] - 1) + 1):
                whole = abs(i - middle[0]) == shell or abs(j - middle[1]) == shell
                step = 1 if whole else max(2 * shell, 1)
                for k in range(middle[2] - shell, middle[2] + shell + 1, step):
                    if 0 <= k < shape[2]:
                        seek = (label, lobule, reach)
                        found = _among((i, j, k), point, seek, full, world, (choices, cost, found))
    return found


@njit(cache=True)
def _among(cell: Any, point: Any, seek: Any, full: Any, world: Any, best: Any) -> int:
    """Sort the ducts that end in a cell into the best; return how many there are now."""
    starts, ends, _, _, _, marks, children = world[2]
    head, following = world[7]
    label, lobule, reach = seek
    choices, cost, found = best
    before, duct = -1, head[cell]
    while duct >= 0:
        if children[duct] > 1 or marks[duct, JOINT] >= 0:
            if before < 0:
                head[cell] = following[duct]
            else:
                following[before] = following[duct]
            duct = following[duct]
            continue
        before, now, duct = duct, duct, following[duct]
        if children[now] == 1 and full[now]:
            continue
        far, cosine = _towards(point, starts[now], ends[now])
        if far > reach or far < 1e-6:
            continue
        if (children[now] == 0 and cosine < _AHEAD) or (children[now] == 1 and cosine < _BACK):
            continue
        far += _TIP_MM * (children[now] == 0) + _STRAIGHT_ON_MM * (children[now] == 1 and cosine > _LEAST)
        far += _OTHER_LOBULE_MM * (marks[now, LOBULE] != lobule) + _OTHER_BRANCH_MM * (marks[now, LABEL] != label)
        far += _TRUNK_MM * (marks[now, ORDER] == 0)
        place = len(choices)
        while place > 0 and far < cost[place - 1]:
            place -= 1
        if place == len(choices):
            continue
        found = min(found + 1, len(choices))
        for m in range(found - 1, place, -1):
            cost[m], choices[m] = cost[m - 1], choices[m - 1]
        cost[place], choices[place] = far, now
    return found


@njit(cache=True)
def _towards(point: Any, start: Any, end: Any) -> tuple[float, float]:
    """Return the distance from a segment's end to a point, and the cosine of the turn that leads there."""
    dx, dy, dz = point[0] - end[0], point[1] - end[1], point[2] - end[2]
    hx, hy, hz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    far = math.sqrt(dx * dx + dy * dy + dz * dz)
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    return far, (dx * hx + dy * hy + dz * hz) / max(far * length, 1e-18)
