"""What survives: the finished tree with its final radii, trimmed until every tube lies inside the organ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import NoRoomError
from pancreasgen.network.crossings import crossings
from pancreasgen.network.geometry import contained_many
from pancreasgen.network.radii import Calibre, bottom_up
from pancreasgen.network.rules import GrowthRules
from pancreasgen.network.tree import Tree
from pancreasgen.organ.organ import Organ

Masks = NDArray[np.bool_]
_ROUNDS = 40


def settle(tree: Tree, organ: Organ, calibre: Calibre, rules: GrowthRules) -> tuple[Tree, Masks]:
    """Return the tree with radii from the ends up, without the branches that do not fit, and which rows stayed (M,).

    A branch is cut where its tube comes nearer than margin to the capsule or runs into another; with fewer ends the
    radii change, so this is repeated until nothing is cut.

    Raises:
        NoRoomError: If a main duct itself does not fit, or cutting does not come to an end.
    """
    rows = np.arange(len(tree.parent))
    stayed = np.zeros(len(rows), np.bool_)
    for _ in range(_ROUNDS):
        tree = replace(tree, radius_mm=bottom_up(tree.parent, tree.landmark, calibre, tree.joint >= 0))
        bad = _outside(tree, organ, rules.margin_mm) | _crossing(tree, rules.clearance_mm)
        if not bad.any():
            stayed[rows] = True
            return tree, stayed
        good = _rooted(tree, ~bad)
        tree, rows = tree.keep(good), rows[good]
        if not len(rows):
            break
    raise NoRoomError(
        "no duct tree fits into this organ",
        "lower the radius of the main duct (--set ducts.r_head=0.5) or the clearance, or use a larger organ",
    )


def diseased(tree: Tree, organ: Organ, rules: GrowthRules, chance: Chance) -> Tree:
    """Return the settled tree with its disease: what a wide duct swallows or what does not fit so wide is cut.

    The radii of all others are left alone.
    """
    if rules.disease.healthy:
        return tree
    tree, swallowed = rules.disease.apply(tree, organ, rules.margin_mm, chance)
    tree = tree.keep(_rooted(tree, ~(swallowed | _outside(tree, organ, rules.margin_mm))))
    return tree.keep(_rooted(tree, ~_crossing(tree, rules.clearance_mm)))


def _rooted(tree: Tree, good: Masks) -> Masks:
    """Return which good segments (M,) hang on good ones all the way to their root."""
    return np.asarray(_reached(tree.parent, good))


@njit(cache=True)
def _reached(parent: Any, good: Any) -> Any:
    rooted = good.copy()
    for row in range(len(rooted)):
        if parent[row] >= 0 and not rooted[parent[row]]:
            rooted[row] = False
    return rooted


def _crossing(tree: Tree, clearance_mm: float) -> NDArray[np.bool_]:
    """Return which segments must go so that no two tubes cross: the thinner of each pair."""
    pairs = crossings(tree, clearance_mm)
    bad = np.zeros(len(tree.parent), np.bool_)
    first, second = pairs.T
    thinner = np.where(tree.radius_mm[first] < tree.radius_mm[second], first, second)
    bad[thinner] = True
    return bad


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
