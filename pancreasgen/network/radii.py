"""Radii of a finished tree: from the ends up, so that Murray's sum holds at every fork."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def count_ends(parent: NDArray[np.int64], through: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Return how many ends lie beyond each segment (M,); an end counts itself.

    Args:
        parent: Index of the segment each one leaves (M,), −1 at a root; parents come before their children.
        through: Which segments end in another duct (M,). What flows in there counts as much as all other ends of the
            same tree together, so that half of what reaches the papilla comes through the junction.

    >>> count_ends(np.array([-1, 0, 0, 1])).tolist()
    [2, 1, 1, 1]
    """
    has_child = np.zeros(len(parent), np.bool_)
    has_child[parent[parent >= 0]] = True
    ends = np.where(has_child, 0, 1).astype(np.int64)
    if through is not None and through.any():
        root = np.arange(len(parent))
        for row in np.flatnonzero(parent >= 0):
            root[row] = root[parent[row]]
        for row in np.flatnonzero(through & ~has_child):
            ends[row] = max(1, ends[root == root[row]].sum() - 1)
    for child in range(len(parent) - 1, -1, -1):
        if parent[child] >= 0:
            ends[parent[child]] += ends[child]
    return ends


def bottom_up(
    parent: NDArray[np.int64], root: NDArray[np.int16], anchor_mm: dict[int, float], gamma: float,
    through: NDArray[np.bool_] | None = None,
) -> Floats:  # fmt: skip
    """Return the radius of each segment (M,) [mm]: r = r_end · n^(1/γ), n the number of ends beyond it.

    Then r₀^γ = Σ r_i^γ holds at every fork by construction (Murray 1926 with γ = 3).

    Args:
        parent: As for :func:`count_ends`.
        root: Tree of each segment (M,).
        anchor_mm: Radius at the root of each tree [mm]; r_end follows from it.
        gamma: Murray's exponent.
        through: As for :func:`count_ends`.
    """
    ends = count_ends(parent, through)
    radius = np.empty(len(parent))
    for tree, anchor in anchor_mm.items():
        mine = root == tree
        if mine.any():
            radius[mine] = anchor * (ends[mine] / ends[mine].max()) ** (1.0 / gamma)
    return radius
