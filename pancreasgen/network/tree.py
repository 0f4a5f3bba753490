"""The tree of a growth: segments with their parents, and which of them are the main duct."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Segments of a growth, parents before children.

    Attributes:
        start_mm: Proximal ends (M, 3) [mm].
        end_mm: Distal ends (M, 3) [mm].
        parent: Row of the segment each one leaves (M,), −1 at a root.
        order: Branch order (M,).
        landmark: Number of the landmark that each segment's tree starts from (M,).
        radius_mm: Radius at the distal end (M,) [mm].
        joint: Row of the segment at whose distal end each one ends too (M,), −1 for none: there two ducts join.
    """

    start_mm: Floats
    end_mm: Floats
    parent: NDArray[np.int64]
    order: NDArray[np.int16]
    landmark: NDArray[np.int16]
    radius_mm: Floats
    joint: NDArray[np.int64]

    def keep(self, wanted: NDArray[np.bool_]) -> Tree:
        """Return the tree with only the wanted segments; children of unwanted ones must be unwanted too.

        A duct whose joint is gone ends blind.
        """
        new = np.where(wanted, np.cumsum(wanted) - 1, -1)
        parent, joint = (
            np.where(link >= 0, new[np.maximum(link, 0)], -1) for link in (self.parent[wanted], self.joint[wanted])
        )
        return Tree(
            self.start_mm[wanted], self.end_mm[wanted], parent, self.order[wanted], self.landmark[wanted],
            self.radius_mm[wanted], joint,
        )  # fmt: skip

    def proximal_radius_mm(self) -> Floats:
        """Return the radius at each proximal end (M,): the parent's where a duct goes on, one's own on a branch."""
        above = np.maximum(self.parent, 0)
        goes_on = (self.parent >= 0) & (self.order == self.order[above])
        return np.where(goes_on, self.radius_mm[above], self.radius_mm)


def main_tree(tree: Tree) -> int:
    """Return the landmark of the tree that the main duct belongs to: the one with the longest duct of order 0.

    So it is the duct of Wirsung as a rule, and the dorsal duct in pancreas divisum.
    """
    length = np.linalg.norm(tree.end_mm - tree.start_mm, axis=1) * (tree.order == 0)
    numbers = np.unique(tree.landmark)
    return int(numbers[np.argmax([length[tree.landmark == number].sum() for number in numbers])])


def trunk_rows(tree: Tree) -> NDArray[np.bool_]:
    """Return which segments are the main duct (M,)."""
    return (tree.order == 0) & (tree.landmark == main_tree(tree))
