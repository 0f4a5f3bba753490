"""Clefts: notches that the surface of body and tail may have (18 % of 78 dissections, Covantev & Belic)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.organ.axis import Axis
from pancreasgen.organ.surface import Field

_WIDTH_MM, _REACH_MM = 1.6, 6.0
_SHALLOWER = 0.2  # each further cleft is by so much of the first one's depth less deep


def clefts(grid: Grid, axis: Axis, nearest: NDArray[np.int32], relief: Field, chance: Chance) -> Field:
    """Return how deep one to three clefts are, as a share of the deepest: 0 where there is none, 1 at most.

    A cleft lies across the axis and opens to the front, upwards or downwards, up to 120° from the front: the back
    carries the splenic vein. It is a Gauss curve in the arc length, 1.6 mm wide, that the relief makes crooked. Number,
    places and width are assumed.

    Args:
        grid: Where it is wanted.
        axis: The axis and its frames.
        nearest: Index of the nearest axis sample of each voxel.
        relief: The lobules' relief, SD 1.
        chance: Stream of the number, the places and the sides.
    """
    draw = chance.generator().random(7)
    deep = np.zeros(grid.shape, np.float32)
    first, last = axis.neck_mm[1] + 6.0, float(axis.arc_mm[-1]) - 10.0
    for number in range(1 + int(3 * draw[6])):
        arc, turn = first + draw[2 * number] * (last - first), np.radians(240.0 * draw[2 * number + 1] - 120.0)
        rows = np.flatnonzero(np.abs(axis.arc_mm - arc) < _REACH_MM)
        i, j, k = np.nonzero((nearest >= rows[0]) & (nearest <= rows[-1]))
        own = nearest[i, j, k]
        offset = grid.to_world(np.column_stack([i, j, k])) - axis.points_mm[own]
        forward, upward = (np.einsum("nk,nk->n", offset, side[own]) for side in (axis.across, axis.upward))
        facing = np.clip(1.6 * np.cos(np.arctan2(upward, forward) - turn), 0.0, 1.0)
        along = (axis.arc_mm[own] - arc + 0.8 * relief[i, j, k]) / _WIDTH_MM
        share = (1.0 - _SHALLOWER * number) * np.exp(-(along**2)) * facing
        deep[i, j, k] = np.maximum(deep[i, j, k], share)
    return deep
