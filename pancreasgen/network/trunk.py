"""The main duct as it grows: where it is, and what of the organ's axis lies near."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

NOWHERE_MM = 999.0
_LOOKAHEAD_MM = 5.0
_NEARBY = 12


class Axis:
    """The gland's axis, or another course in it, to be asked for places along it.

    Args:
        points_mm: Samples (A, 3) [mm], close to each other.
    """

    def __init__(self, points_mm: Floats) -> None:
        """Measure the course."""
        self.points_mm = points_mm
        self.arc_mm = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))])
        self._tree = cKDTree(points_mm)

    def nearest(self, points_mm: Floats) -> NDArray[np.int64]:
        """Return the number of the axis sample nearest to each point (N,)."""
        return np.asarray(self._tree.query(points_mm)[1], dtype=np.int64)

    def fraction(self, points_mm: Floats) -> Floats:
        """Return the place along the axis (N,): 0 at the papilla, 1 at the tip of the tail."""
        return np.asarray(self.arc_mm[self.nearest(points_mm)] / self.arc_mm[-1])

    def ahead(self, points_mm: Floats, *, parallel: bool) -> Floats:
        """Return vectors (N, 3) to the axis 5 mm on, from each point or, if parallel, from the axis beside it."""
        here = self.nearest(points_mm)
        step = np.searchsorted(self.arc_mm, np.minimum(self.arc_mm[here] + _LOOKAHEAD_MM, self.arc_mm[-1]))
        target = self.points_mm[np.minimum(step, len(self.arc_mm) - 1)]
        return np.asarray(target - (self.points_mm[here] if parallel else points_mm))


class Trunk:
    """The segments of the main duct that are laid so far: ends (T, 3) [mm], committed ids (T,), arc lengths (T,)."""

    def __init__(self) -> None:
        """Begin without a duct."""
        self._ends: list[Floats] = []
        self._ids: list[NDArray[np.int64]] = []
        self._arcs: list[Floats] = [np.zeros(1)]
        self._tree: cKDTree | None = None

    def add(self, starts_mm: Floats, ends_mm: Floats, ids: NDArray[np.int64]) -> None:
        """Add committed segments, one after the other."""
        if len(ids):
            self._ends.append(ends_mm)
            self._ids.append(ids)
            self._arcs.append(self._arcs[-1][-1] + np.cumsum(np.linalg.norm(ends_mm - starts_mm, axis=1)))
            self._tree = None

    def nearest(self, points_mm: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Return for each point (N, 3) the segment whose end is nearest (N,), that end (N, 3), and how far it is (N,).

        Without a duct the segment is −1 and the distance 999 mm.
        """
        place, distance = self._query(points_mm)
        if not self._ids:
            return np.full(len(points_mm), -1, np.int64), np.array(points_mm), distance
        return np.concatenate(self._ids)[place], np.concatenate(self._ends)[place], distance

    def around(self, point_mm: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Return the segments whose ends lie around a point (3,), the nearest 12 first (N,), and those ends (N, 3)."""
        ends, ids = np.concatenate(self._ends), np.concatenate(self._ids)
        nearest = np.argsort(np.linalg.norm(ends - point_mm, axis=1), kind="stable")[:_NEARBY]
        return ids[nearest], ends[nearest]

    def arc(self, points_mm: Floats) -> Floats:
        """Return how far along the duct the end nearest to each point lies (N,) [mm]; 0 without a duct."""
        place, _ = self._query(points_mm)
        return np.concatenate(self._arcs[1:])[place] if self._ids else np.zeros(len(points_mm))

    def _query(self, points_mm: Floats) -> tuple[NDArray[np.int64], Floats]:
        if not self._ids or not len(points_mm):
            return np.zeros(len(points_mm), np.int64), np.full(len(points_mm), NOWHERE_MM)
        if self._tree is None:
            self._tree = cKDTree(np.concatenate(self._ends))
        distance, place = self._tree.query(points_mm)
        return np.asarray(place, dtype=np.int64), np.asarray(distance)
