"""A smooth deformation that can be undone: the flow along a velocity field of cubic B-splines."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.base.chance import Chance

Floats = NDArray[np.float64]

_STEPS = 4  # of Runge and Kutta's fourth order: there and back again errs below 0.01 mm
_MOST_KNOTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """A velocity field that stands still in time; following it for a unit of time moves the body.

    A flow along a smooth field never folds: its Jacobian is above 0, and following the field backwards is its inverse
    (Arsigny et al., MICCAI 2006). Beyond its knots the velocity falls smoothly to 0.

    Attributes:
        knots_mm: Coefficients (3, a, b, c) of the cubic B-splines [mm per unit of time].
        first_mm: Place of the first knot (3,) [mm].
        spacing_mm: Distance of the knots [mm].
    """

    knots_mm: Floats
    first_mm: Floats
    spacing_mm: float

    def velocity(self, points_mm: Floats) -> Floats:
        """Return the velocity (N, 3) at points (N, 3) [mm per unit of time]."""
        index = ((points_mm - self.first_mm) / self.spacing_mm).T
        rows = [
            ndimage.map_coordinates(knots, index, order=3, mode="grid-constant", cval=0.0, prefilter=False)
            for knots in self.knots_mm
        ]
        return np.stack(rows, axis=1)

    def follow(self, points_mm: Floats, time: float) -> Floats:
        """Return where points (N, 3) come to after a time: 1 forward, −1 back."""
        step, at = time / _STEPS, np.array(points_mm, dtype=np.float64)
        for _ in range(_STEPS):
            first = self.velocity(at)
            second = self.velocity(at + 0.5 * step * first)
            third = self.velocity(at + 0.5 * step * second)
            fourth = self.velocity(at + step * third)
            at = at + step / 6.0 * (first + 2.0 * second + 2.0 * third + fourth)
        return at


def draw_flow(amplitude_mm: float, spacing_mm: float, box_mm: tuple[Floats, Floats], chance: Chance) -> Flow:
    """Return a flow whose velocity is amplitude_mm at its fastest knot's neighbourhood or less.

    Args:
        amplitude_mm: Longest vector among the knots; splines average, so points move about half as far [mm].
        spacing_mm: Distance of the knots, widened where the box would need more than 64 a side [mm].
        box_mm: Lowest and highest corner of what is to be moved [mm].
        chance: Stream of the coefficients; only its raw doubles are used, which every NumPy makes alike.
    """
    low, high = box_mm
    spacing_mm = max(spacing_mm, float((high - low).max()) / (_MOST_KNOTS - 3))
    counts = [math.ceil(float(extent) / spacing_mm) + 3 for extent in high - low]
    first = 0.5 * (low + high) - 0.5 * spacing_mm * (np.array(counts) - 1)
    knots = 2.0 * chance.generator().random((3, *counts)) - 1.0
    longest = float(np.sqrt((knots**2).sum(axis=0)).max())
    return Flow(knots * (amplitude_mm / longest), first, spacing_mm)
