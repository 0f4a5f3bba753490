"""Disease as a consequence on the graph: what lies upstream of an obstruction widens, what lies downstream does not.

Nothing here adds or moves a duct. The radii of the finished healthy tree are changed where the disease is, no further
than the gland has room, and what a widened duct would swallow is cut. All other radii stay as they were, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.network.tree import Tree, trunk_rows
from pancreasgen.network.trunk import Axis
from pancreasgen.network.widened import WIDE, beside_trunks, room_mm, swallowed
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]

SHUT_MM = 0.12
"""Radius that is left of a main duct that a tumour closes: too narrow to be seen [mm]."""
_NECK_MM, _GRAPE_MM, _CYST_MM = 1.5, 4.5, 15.0
_GRAPE_SHARE = 0.6  # of a branch's cysts, the radius of those on its twigs
_SIDE_POWERS = {1: 0.5, 2: 0.25}
"""Side branches of order 1 and 2 upstream of an obstruction widen by these powers of the main duct's factor."""


@dataclass(frozen=True, slots=True)
class Disease:
    """What is wrong with the ducts. The healthy gland is ``Disease()``.

    Attributes:
        kind: ``upstream`` (of an obstruction), ``segment`` (of the main duct), ``branch`` (one side branch), ``cyst``
            (the side branch that leads into one), or empty.
        to_mm: Radius that it widens to [mm]; a duct is no wider than its gland lets it be.
        at: Where the obstruction or the branch is: 0 at the papilla, 1 at the tip of the tail.
        start: Where the segment begins.
        end: Where it ends.
        depth: How far beads rise above and fall below the healthy radius, as a share of it.
        every_mm: Mean distance between a stricture and the next dilatation [mm].
        shut: Share of the axis before ``at`` over which an obstruction closes the main duct; 0 for a mere point.
        ball_mm: Radius of what takes the place of the side branches [mm]: a tumour on the closed stretch, or a cyst.
        centre_mm: Middle of the cyst, or of the tumour as seen from the main duct [mm].
    """

    kind: str = ""
    to_mm: float = 0.0
    at: float = 0.0
    start: float = 0.0
    end: float = 1.0
    depth: float = 0.0
    every_mm: float = 8.0
    shut: float = 0.0
    ball_mm: float = 0.0
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def healthy(self) -> bool:
        """Whether nothing is to be done."""
        return not self.kind and self.depth == 0.0

    def reserved_mm(self, fraction: Floats, radius_mm: Floats, room_mm: Floats) -> Floats:
        """Return the radius (N,) that growing pieces of the main duct must keep free [mm].

        Args:
            fraction: Place along the axis (N,), 0 to 1.
            radius_mm: Radius as the rules draw it (N,).
            room_mm: What fits into the gland there (N,).
        """
        wide = radius_mm * (1.0 + self.depth)
        here = {"upstream": fraction >= self.at, "segment": (fraction >= self.start) & (fraction <= self.end)}
        wide = np.where(here.get(self.kind, np.zeros(len(fraction), np.bool_)), np.maximum(wide, self.to_mm), wide)
        return np.maximum(radius_mm, np.minimum(wide, room_mm))

    def apply(self, tree: Tree, organ: Organ, margin_mm: float, chance: Chance) -> tuple[Tree, Masks]:
        """Return the tree with its diseased radii, and which segments a widened duct swallows (M,)."""
        if self.healthy:
            return tree, np.zeros(len(tree.parent), np.bool_)
        trunk = trunk_rows(tree)
        fraction = Axis(organ.axis_mm).fraction(tree.end_mm)
        wide = tree.radius_mm.copy()
        main = np.flatnonzero(trunk)
        if self.kind == "upstream":
            self._upstream(tree, trunk, fraction, wide)
        elif self.kind == "segment":
            ramp = 0.15 * (self.end - self.start)
            share = np.minimum(fraction[main] - self.start, self.end - fraction[main]) / max(ramp, 1e-9)
            wide[main] += np.maximum(self.to_mm - wide[main], 0.0) * _smooth(share)
        elif self.kind == "branch":
            self._branch(tree, trunk, fraction, wide)
        gone = self._gone(tree, trunk, fraction, wide)
        if self.depth:
            self._beads(tree, main, wide, chance)
        wide = np.maximum(np.minimum(wide, room_mm(tree, organ, margin_mm)), np.minimum(wide, tree.radius_mm))
        if self.kind == "branch":
            wide = beside_trunks(tree, wide)
        widened = np.flatnonzero(wide > WIDE * tree.radius_mm)
        tree = replace(tree, radius_mm=wide)
        return tree, gone | swallowed(tree, widened)

    def _upstream(self, tree: Tree, trunk: Masks, fraction: Floats, wide: Floats) -> None:
        beyond = np.flatnonzero(trunk & (fraction >= self.at))
        if not len(beyond):
            return
        factor = max(1.0, self.to_mm / wide[beyond[np.argmin(fraction[beyond])]])
        hangs_on = _trunk_of(tree, trunk)
        upstream = (hangs_on >= 0) & (fraction[np.maximum(hangs_on, 0)] >= self.at)
        wide[trunk & upstream] *= factor
        for order, power in _SIDE_POWERS.items():
            wide[upstream & ~trunk & (tree.order == order)] *= factor**power
        closed = trunk & (fraction >= self.at - self.shut) & (fraction < self.at)
        wide[closed] = np.minimum(wide[closed], SHUT_MM)

    def _gone(self, tree: Tree, trunk: Masks, fraction: Floats, wide: Floats) -> Masks:
        """Return what a tumour or a cyst takes the place of (M,); widen the duct that leads into a cyst."""
        gone = np.zeros(len(trunk), np.bool_)
        if self.ball_mm <= 0.0:
            return gone
        centre = np.array(self.centre_mm)
        if self.kind == "upstream":
            main = np.flatnonzero(trunk)
            centre = centre + tree.end_mm[main[middle_row(fraction[main], self.at - 0.5 * self.shut)]]
        deep = self.ball_mm - np.linalg.norm(tree.end_mm - centre, axis=1)
        gone = ~trunk & (deep > 0.0)
        if self.kind == "cyst":
            enters = np.flatnonzero(gone & (tree.parent >= 0) & ~gone[np.maximum(tree.parent, 0)])
            way = max(
                (_way_down(tree, trunk, int(row)) for row in enters), key=lambda w: tree.radius_mm[w[-1]], default=[]
            )
            gone[way] = False
            wide[way] = np.maximum(wide[way], self.to_mm)
        return gone

    def _branch(self, tree: Tree, trunk: Masks, fraction: Floats, wide: Floats) -> None:
        first = np.flatnonzero(~trunk & (tree.parent >= 0) & (tree.order == 1) & trunk[np.maximum(tree.parent, 0)])
        arc = _arc_mm(tree, np.isin(np.arange(len(trunk)), first), 1)
        stem_end = {int(row): float(arc[rows].max()) for row, rows in _stems(tree, first).items()}
        long = [row for row in first.tolist() if stem_end[row] >= min(_CYST_MM, max(stem_end.values()))]
        chosen = min(long, key=lambda row: abs(fraction[row] - self.at), default=-1)
        if chosen < 0:
            return
        rows = _stems(tree, np.array([chosen]))[chosen]
        along = arc[rows]
        share = np.abs(np.sin(np.pi * (along - _NECK_MM) / _GRAPE_MM)) ** 0.6 * (along > _NECK_MM) * (along < _CYST_MM)
        wide[rows] += np.maximum(self.to_mm - wide[rows], 0.0) * share
        twigs = np.flatnonzero((tree.order == 2) & np.isin(tree.parent, rows[(along > _NECK_MM) & (along < _CYST_MM)]))
        wide[twigs] = np.maximum(wide[twigs], _GRAPE_SHARE * self.to_mm)

    def _beads(self, tree: Tree, main: NDArray[np.int64], wide: Floats, chance: Chance) -> None:
        arc = np.cumsum(np.linalg.norm(tree.end_mm[main] - tree.start_mm[main], axis=1))
        draw = chance.sub("beads").generator()
        count = int(np.ceil(arc[-1] / (0.6 * self.every_mm))) + 2
        knots = np.concatenate([[0.0], np.cumsum(self.every_mm * draw.uniform(0.6, 1.4, count))])
        size = draw.uniform(0.5, 1.0, count + 1) * np.where(np.arange(count + 1) % 2, 1.0, -1.0)
        wide[main] *= 1.0 + self.depth * np.interp(arc, knots, size)


HEALTHY = Disease()


def middle_row(fraction: Floats, at: float) -> int:
    """Return which piece of a main duct (N,) lies at a place along the axis.

    >>> middle_row(np.array([0.1, 0.3, 0.5]), 0.35)
    1
    """
    return int(np.argmin(np.abs(fraction - at)))


def _smooth(share: Floats) -> Floats:
    t = np.clip(share, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _trunk_of(tree: Tree, trunk: Masks) -> NDArray[np.int64]:
    """Return the row of the main duct that each segment hangs on (M,); −1 in other trees."""
    found = np.where(trunk, np.arange(len(trunk)), -1)
    for row in np.flatnonzero(~trunk & (tree.parent >= 0)):
        found[row] = found[tree.parent[row]]
    return found


def _way_down(tree: Tree, trunk: Masks, row: int) -> list[int]:
    """Return a segment and those between it and the main duct or another root, itself first."""
    way = [row]
    while tree.parent[way[-1]] >= 0 and not trunk[tree.parent[way[-1]]]:
        way.append(int(tree.parent[way[-1]]))
    return way


def _arc_mm(tree: Tree, first: Masks, order: int) -> Floats:
    """Return the distance from each first segment's start to the end of those of its order that follow (M,)."""
    length = np.linalg.norm(tree.end_mm - tree.start_mm, axis=1)
    arc = np.where(first, length, 0.0)
    for row in np.flatnonzero(~first & (tree.parent >= 0) & (tree.order == order)):
        arc[row] = arc[tree.parent[row]] + length[row]
    return arc


def _stems(tree: Tree, first: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Return the rows of the same order that go on from each first segment, itself included."""
    stem = np.full(len(tree.parent), -1, np.int64)
    stem[first] = first
    for row in np.flatnonzero((tree.parent >= 0) & (stem < 0)):
        above = tree.parent[row]
        if stem[above] >= 0 and tree.order[row] == tree.order[above]:
            stem[row] = stem[above]
    return {int(row): np.flatnonzero(stem == row) for row in first}
