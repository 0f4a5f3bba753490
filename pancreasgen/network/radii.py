"""Radii of a finished tree: from the ends up, so that Murray's sum holds at every fork."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibre:
    """How radii follow from the ends: r = r₀ (n / N)^(1/γ).

    Attributes:
        gamma: Murray's exponent γ.
        anchor_mm: Radius r₀ at the root of each tree, by the number of its landmark [mm].
    """

    gamma: float = 3.0
    anchor_mm: Mapping[int, float] = field(default_factory=dict)


def count_ends(parent: NDArray[np.int64], through: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Return how many ends lie beyond each segment (M,); an end counts itself.

    Args:
        parent: Index of the segment each one leaves (M,), −1 at a root; parents come before their children.
        through: Which segments end in another duct (M,). What flows in there counts as much as all other ends of the
            same tree together, so that half of what reaches the papilla comes through the junction.

    >>> count_ends(np.array([-1, 0, 0, 1])).tolist()
    [2, 1, 1, 1]
    """
    through = np.zeros(len(parent), np.bool_) if through is None else through
    return np.asarray(_count(np.asarray(parent, np.int64), through))


@njit(cache=True)
def _count(parent: Any, through: Any) -> Any:
    many = len(parent)
    is_end = np.ones(many, np.bool_)
    root = np.arange(many)
    for row in range(many):
        if parent[row] >= 0:
            is_end[parent[row]] = False
            root[row] = root[parent[row]]
    ends = is_end.astype(np.int64)
    for row in range(many):
        if through[row] and is_end[row]:
            others = 0
            for other in range(many):
                if root[other] == root[row] and is_end[other]:
                    others += 1
            ends[row] = max(1, others - 1)
    for child in range(many - 1, -1, -1):
        if parent[child] >= 0:
            ends[parent[child]] += ends[child]
    return ends


def bottom_up(
    parent: NDArray[np.int64], root: NDArray[np.int16], calibre: Calibre, through: NDArray[np.bool_] | None = None
) -> Floats:
    """Return the radius of each segment (M,) [mm]: r = r_end · n^(1/γ), n the number of ends beyond it.

    Then r₀^γ = Σ r_i^γ holds at every fork by construction (Murray 1926 with γ = 3).

    Args:
        parent: As for :func:`count_ends`.
        root: Tree of each segment (M,).
        calibre: Murray's exponent, and the radius at the root of each tree; r_end follows from it.
        through: As for :func:`count_ends`.
    """
    ends = count_ends(parent, through)
    radius = np.empty(len(parent))
    for tree, anchor in calibre.anchor_mm.items():
        mine = root == tree
        if mine.any():
            radius[mine] = anchor * (ends[mine] / ends[mine].max()) ** (1.0 / calibre.gamma)
    return radius
