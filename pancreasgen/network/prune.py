"""What survives: the finished tree with its final radii, trimmed until every tube lies inside the organ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.network.geometry import contained_many
from pancreasgen.network.radii import bottom_up
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
_ROUNDS = 40


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
    """

    start_mm: Floats
    end_mm: Floats
    parent: NDArray[np.int64]
    order: NDArray[np.int16]
    landmark: NDArray[np.int16]
    radius_mm: Floats

    def keep(self, wanted: NDArray[np.bool_]) -> Tree:
        """Return the tree with only the wanted segments; children of unwanted ones must be unwanted too."""
        new = np.cumsum(wanted) - 1
        parent = self.parent[wanted]
        parent = np.where(parent >= 0, new[np.maximum(parent, 0)], -1)
        return Tree(
            self.start_mm[wanted], self.end_mm[wanted], parent, self.order[wanted], self.landmark[wanted],
            self.radius_mm[wanted],
        )  # fmt: skip

    def proximal_radius_mm(self) -> Floats:
        """Return the radius at each proximal end (M,): the parent's where a duct goes on, one's own on a branch."""
        above = np.maximum(self.parent, 0)
        goes_on = (self.parent >= 0) & (self.order == self.order[above])
        return np.where(goes_on, self.radius_mm[above], self.radius_mm)


def settle(tree: Tree, organ: Organ, anchor_mm: dict[int, float], gamma: float, margin_mm: float) -> Tree:
    """Return the tree with radii from the ends up, without the branches that would leave the organ.

    A branch is cut where its tube comes nearer than margin to the capsule; with fewer ends the radii change, so this
    is repeated until nothing is cut.

    Raises:
        BadInputError: If a main duct itself does not fit, or cutting does not come to an end.
    """
    for _ in range(_ROUNDS):
        tree = Tree(
            tree.start_mm, tree.end_mm, tree.parent, tree.order, tree.landmark,
            bottom_up(tree.parent, tree.landmark, anchor_mm, gamma),
        )  # fmt: skip
        bad = _outside(tree, organ, margin_mm)
        if not bad.any():
            return tree
        for row in range(len(bad)):  # whatever hangs on a bad segment goes with it
            if tree.parent[row] >= 0 and bad[tree.parent[row]]:
                bad[row] = True
        tree = tree.keep(~bad)
        if not len(tree.parent):
            break
    raise BadInputError(
        "no duct tree fits into this organ",
        "lower the radius of the main duct or the clearance, or use a larger organ",
    )


def _outside(tree: Tree, organ: Organ, margin_mm: float) -> NDArray[np.bool_]:
    grid = organ.distance.grid
    radii = np.column_stack([tree.proximal_radius_mm(), tree.radius_mm])
    inside = contained_many(
        tree.start_mm,
        tree.end_mm,
        radii,
        margin_mm,
        organ.distance.data,
        np.asarray(grid.origin_mm),
        grid.spacing_mm[0],
    )
    return ~np.asarray(inside, dtype=np.bool_)
