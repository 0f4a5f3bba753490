"""What survives: the finished tree with its final radii, trimmed until every tube lies inside the organ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError
from pancreasgen.network.geometry import contained_many
from pancreasgen.network.radii import bottom_up
from pancreasgen.network.rules import GrowthRules
from pancreasgen.network.tree import Tree
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
_ROUNDS = 40


def settle(
    tree: Tree, organ: Organ, anchor_mm: dict[int, float], rules: GrowthRules, chance: Chance
) -> Tree:  # fmt: skip
    """Return the tree with radii from the ends up, changed by disease, without the branches that do not fit.

    A branch is cut where its tube comes nearer than margin to the capsule; with fewer ends the radii change, so this is
    repeated until nothing is cut. Then disease widens what it does, and what a wide duct swallows or what does not fit
    so wide is cut; the radii of all others are left alone.

    Raises:
        BadInputError: If a main duct itself does not fit, or cutting does not come to an end.
    """
    for _ in range(_ROUNDS):
        tree = replace(tree, radius_mm=bottom_up(tree.parent, tree.landmark, anchor_mm, rules.gamma, tree.joint >= 0))
        bad = _outside(tree, organ, rules.margin_mm)
        if not bad.any():
            tree, swallowed = rules.disease.apply(tree, organ, rules.margin_mm, chance)
            return _without(tree, swallowed | _outside(tree, organ, rules.margin_mm))
        tree = _without(tree, bad)
        if not len(tree.parent):
            break
    raise BadInputError(
        "no duct tree fits into this organ",
        "lower the radius of the main duct or the clearance, or use a larger organ",
    )


def _without(tree: Tree, bad: NDArray[np.bool_]) -> Tree:
    """Return the tree without bad segments and whatever hangs on them."""
    bad = bad.copy()
    for row in range(len(bad)):
        if tree.parent[row] >= 0 and bad[tree.parent[row]]:
            bad[row] = True
    return tree.keep(~bad)


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
