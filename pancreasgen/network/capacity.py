"""Capacity: how many more ends each duct can carry, as wide as they make it and as much room as it has.

Radii follow from the ends (r = r₀ (n / N)^(1/γ)). So a bud widens every duct between it and the papilla, and each of
them must have room for that: below the capsule, and between its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.network.geometry import trilinear
from pancreasgen.network.index import JOINT, LANDMARK, ORDER
from pancreasgen.network.ledger import Ledger
from pancreasgen.network.radii import Calibre, count_ends

Floats = NDArray[np.float64]

_ENDS_PER_POINT = 1.0 / 11.0
_SPARE = 0.4  # of the clearance, that either of two neighbours may take


def deeper(ledger: Ledger, depth_mm: Floats) -> Floats:
    """Return the least depth of each segment (S,) [mm], where that of the first ones is known."""
    known = len(depth_mm)
    return np.concatenate([depth_mm, ledger.least_depth(ledger.start_mm[known:], ledger.end_mm[known:])])


def capacity(ledger: Ledger, calibre: Calibre, depth: Floats, room: Floats | float = 0.0) -> tuple[Any, ...]:
    """Return how many ends lie beyond each segment, how many it has room for (room of the ledger,).

    A radius r has room for n = N (r/r₀)^γ ends. N is the number that a tree will have in the end: its share of
    one end for every eleven points of tissue, or as many as it has by now.
    """
    ends = count_ends(ledger.parent, ledger.marks(JOINT) >= 0)
    landmarks = ledger.marks(LANDMARK)
    scale = np.zeros(int(landmarks.max()) + 2)
    now = sum(int(ends[landmarks == landmark].max()) for landmark in calibre.anchor_mm)
    more = max(1.0, _ENDS_PER_POINT * len(ledger.tissue.points_mm) / now)
    for landmark, anchor in calibre.anchor_mm.items():
        scale[landmark] = more * ends[landmarks == landmark].max() / anchor**calibre.gamma
    keep = ledger.clearances
    limit = np.minimum(depth - keep.margin_mm, np.maximum(ledger.reserved_mm + _SPARE * keep.clearance_mm, room))
    most = scale[landmarks] * np.maximum(limit, 0.0) ** calibre.gamma
    most[ledger.marks(ORDER) == 0] = np.inf  # the main duct is anchored
    return (
        _padded(ends, ledger.room, 1), _padded(most, ledger.room, 1.0), scale, calibre.gamma,
        np.zeros(ledger.room, np.bool_),
    )  # fmt: skip


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
        depth = min(
            trilinear(sdf, origin, spacing, stops[new, 0], stops[new, 1], stops[new, 2]),
            trilinear(sdf, origin, spacing, starts[new, 0], starts[new, 1], starts[new, 2]),
        )
        limit = max(min(depth - margin, reserved[new] + _SPARE * clearance), 0.0)
        full[new] = False
        ends[new], most[new] = 1, scale[marks[new, LANDMARK]] * limit**gamma
    if children[duct] > 1:
        while duct >= 0:
            ends[duct] += 1
            duct = parent[duct]
