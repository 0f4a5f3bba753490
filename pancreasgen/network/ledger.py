"""The ledger of committed ducts: flat, growing arrays behind the compiled kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.network import geometry, index, serving
from pancreasgen.network.network import MAX_NODES
from pancreasgen.network.tissue import Tissue, cell_shape
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FIRST_ROOM, _LIST_FACTOR = 4096, 24


@dataclass(frozen=True, slots=True)
class Clearances:
    """What the ledger keeps free.

    Attributes:
        factor: A duct reserves factor · radius.
        clearance_mm: Least distance between the skins of two ducts [mm].
        margin_mm: Least distance of a duct's skin to the capsule [mm].
        claim_mm: How far from a duct's end the lobule may be that it claims [mm].
    """

    factor: float = 1.2
    clearance_mm: float = 0.15
    margin_mm: float = 0.15
    claim_mm: float = 8.0


class Ledger:
    """Committed ducts with their index; grows as needed, never shrinks.

    Args:
        organ: Where ducts may lie; its grid must be cubic.
        tissue: Points that ducts serve.
        clearances: What is kept free.
    """

    def __init__(self, organ: Organ, tissue: Tissue, clearances: Clearances) -> None:
        """Begin with no ducts."""
        grid = organ.distance.grid
        if len(set(grid.spacing_mm)) != 1:
            raise BadInputError("growth needs an organ on a cubic grid", "resample the organ to one spacing")
        self.clearances = clearances
        self.tissue = tissue
        self.count = 0
        self._used = 0
        self._organ = (organ.distance.data, np.asarray(grid.origin_mm), float(grid.spacing_mm[0]))
        self._head, self._tip_head = (np.full(cell_shape(organ, tissue.cell_mm), -1, np.int64) for _ in range(2))
        self._tip_following = np.empty(_FIRST_ROOM, np.int64)
        self._ducts = _empty_ducts(_FIRST_ROOM)
        self._following = np.empty(_FIRST_ROOM * _LIST_FACTOR, np.int64)
        self._owner = np.empty(_FIRST_ROOM * _LIST_FACTOR, np.int64)
        self._scratch = tuple(np.empty(size, np.int64) for size in (3, 3, 64, 64, 2))

    # ---- what is committed

    @property
    def start_mm(self) -> Floats:
        """Proximal ends (S, 3) [mm]."""
        return np.asarray(self._ducts[0][: self.count])

    @property
    def end_mm(self) -> Floats:
        """Distal ends (S, 3) [mm]."""
        return np.asarray(self._ducts[1][: self.count])

    @property
    def reserved_mm(self) -> Floats:
        """Radius that each segment keeps free (S,) [mm]."""
        return np.asarray(self._ducts[2][: self.count])

    @property
    def room(self) -> int:
        """How many segments the arrays hold before they must grow."""
        return len(self._ducts[2])

    @property
    def parent(self) -> Ints:
        """Segment that each one leaves (S,), −1 for none."""
        return np.asarray(self._ducts[3][: self.count])

    def marks(self, column: int) -> Ints:
        """Return a column of the marks (S,): one of ORDER, LABEL, LOBULE, LANDMARK, JOINT of the index."""
        return np.asarray(self._ducts[5][: self.count, column])

    # ---- what changes

    def commit(
        self, start: Floats, end: Floats, radii: Floats, marks: Ints, ties: tuple[Ints, NDArray[np.bool_]]
    ) -> Ints:
        """Try candidates in the order given; return each one's outcome (see :mod:`pancreasgen.network.index`).

        Args:
            start: Proximal ends (C, 3) [mm].
            end: Distal ends (C, 3) [mm].
            radii: Radius at both ends (C, 2) [mm].
            marks: Marks (C, 5); the lobule of those that claim one is written into them.
            ties: The segment that each one leaves (C,), and whether it must find a lobule of its own (C,).
        """
        self.make_room(len(start), self._most_entries(start, end, radii))
        outcome, *state = index.commit_all(start, end, radii, marks, *ties, self.world, self._used, self.count)
        self.advance(*state)
        return np.asarray(outcome)

    def restart(self, kept: NDArray[np.bool_]) -> None:
        """Forget all segments but the kept ones (S,).

        Lobules stay with their owners; one whose owner is gone is free again. Only tissue that was served by what is
        forgotten is served anew.
        """
        gone = (column[: self.count][~kept] for column in self._ducts[:2])
        stale = np.flatnonzero(
            serving.left_by(*gone, self.tissue.reach_mm, self.tissue.as_tuple(), self.cells, self._scratch)
        )
        number = np.where(kept, np.cumsum(kept) - 1, -1)
        starts, ends, reserved, parent, _, marks, _ = (column[: self.count][kept] for column in self._ducts)
        linked = [np.where(link >= 0, number[np.maximum(link, 0)], -1) for link in (parent, marks[:, index.JOINT])]
        lobules = self.tissue.owner
        lobules[:] = np.where(lobules >= 0, number[np.maximum(lobules, 0)], -1)
        self._head[:] = -1
        self._tip_head[:] = -1
        self.count, self._used = 0, 0
        self.make_room(len(starts), self._most_entries(starts, ends, reserved[:, None]))
        many = len(starts)
        for column, values in enumerate((starts, ends, reserved, linked[0])):
            self._ducts[column][:many] = values
        self._ducts[5][:many] = marks
        self._ducts[5][:many, index.JOINT] = linked[1]
        tissue = self.tissue.part(stale)
        self.advance(index.hang_all(many, (*self.world[:4], tissue, *self.world[5:])), many)
        self.tissue.far_mm[stale] = tissue[2]

    def make_room(self, segments: int, entries: int) -> None:
        """Grow the arrays until so many more segments and list entries fit.

        Raises:
            BadInputError: If there would be more ducts than a network may have.
        """
        if self.count + segments > MAX_NODES:
            raise BadInputError(f"growth went beyond {MAX_NODES:,} duct segments", "raise the radius at which it ends")
        while self.count + segments > len(self._ducts[2]):
            self._ducts = tuple(np.concatenate([column, np.empty_like(column)]) for column in self._ducts)
            self._tip_following = np.concatenate([self._tip_following, np.empty_like(self._tip_following)])
        while self._used + entries > len(self._owner):
            self._owner = np.concatenate([self._owner, np.empty_like(self._owner)])
            self._following = np.concatenate([self._following, np.empty_like(self._following)])

    def advance(self, used: int, count: int) -> None:
        """Take over what a kernel committed to :attr:`world`."""
        if used < 0:
            raise RuntimeError("the duct index is full: _most_entries is not an upper bound")
        self._used, self.count = used, count

    @property
    def state(self) -> tuple[tuple[Any, ...], int, int]:
        """The world as kernels take it, the list entries in use, and the number of segments."""
        return self.world, self._used, self.count

    @property
    def world(self) -> tuple[Any, ...]:
        """Everything that :func:`pancreasgen.network.index.lay` needs to know."""
        keep = self.clearances
        rules = (keep.factor, keep.clearance_mm, keep.margin_mm, keep.claim_mm, self.tissue.reach_mm)
        return (
            rules, self._organ, self._ducts, self.cells, self.tissue.as_tuple(), self.tissue.lobules(), self._scratch,
            (self._tip_head, self._tip_following),
        )  # fmt: skip

    @property
    def cells(self) -> tuple[Any, ...]:
        """The cell lists as the kernels take them."""
        shape = np.asarray(self._head.shape, np.int64)
        return self._head, self._following, self._owner, self._organ[1], self.tissue.cell_mm, shape

    # ---- what is asked

    def depth(self, points_mm: Floats) -> Floats:
        """Return the signed distance (N,) [mm] to the capsule at points (N, 3)."""
        return np.asarray(geometry.trilinear_many(*self._organ, np.ascontiguousarray(points_mm)))

    def least_depth(self, start_mm: Floats, end_mm: Floats) -> Floats:
        """Return the least depth below the capsule along segments (N,) [mm], sampled every 0.25 mm or finer."""
        return np.asarray(geometry.least_depths(*self._organ, start_mm, end_mm))

    def duct_distance(self, points_mm: Floats, leaving: Ints, kin_arc_mm: float) -> Floats:
        """Return the distance (N,) [mm] to the skin of the nearest duct that is not kin; at most one cell."""
        return np.asarray(index.duct_distance(points_mm, leaving, kin_arc_mm, self._ducts, self.cells, self._scratch))

    def pull(
        self, points_mm: Floats, heading: Floats, labels: Ints, looks_mm: tuple[Floats | float, float], cosine: float
    ) -> tuple[Floats, Floats]:
        """Return the pull (N, 3) of unserved tissue on tips and the number of points (N,).

        Args:
            points_mm: Tips (N, 3) [mm].
            heading: Unit vectors (N, 3).
            labels: Territory and lobule of each tip (N, 2).
            looks_mm: How far a tip looks, and beyond which distance to a duct tissue is not served [mm].
            cosine: Cosine of the cone's half angle.
        """
        looks = np.empty((len(points_mm), 2))
        looks[:, 0], looks[:, 1] = looks_mm
        total, count = serving.pull(points_mm, heading, labels, looks, cosine, self.tissue.as_tuple(), self.cells)
        return np.asarray(total), np.asarray(count)

    def lobule_near(self, points_mm: Floats, labels: Ints, reach_mm: Floats | float) -> Ints:
        """Return each tip's own lobule, or the nearest one of its territory that nobody drains; −1 for none (N,)."""
        reach = np.ascontiguousarray(np.broadcast_to(np.asarray(reach_mm, dtype=np.float64), len(points_mm)))
        return np.asarray(serving.free_lobules(points_mm, labels, reach, self.tissue.lobules()))

    def lobules_near(self, points_mm: Floats, labels: Ints, reach_mm: Floats | float) -> Floats:
        """Return how many lobules of each tip's territory within reach nobody drains (N,)."""
        reach = np.ascontiguousarray(np.broadcast_to(np.asarray(reach_mm, dtype=np.float64), len(points_mm)))
        return np.asarray(serving.count_lobules(points_mm, labels, reach, self.tissue.lobules()))

    def entries_of(self, length_mm: float, radius_mm: float) -> int:
        """Return the most list entries that one segment can need."""
        return self._most_entries(np.zeros((1, 3)), np.full((1, 3), length_mm), np.full((1, 1), radius_mm))

    def _most_entries(self, start: Floats, end: Floats, radii: Floats) -> int:
        """An upper bound of the list entries that candidates can need: all cells of their boxes."""
        reach = self.clearances.factor * radii.max(axis=1, initial=0.0) + self.clearances.clearance_mm
        cells = np.floor((np.abs(end - start) + 2.0 * reach[:, None]) / self.tissue.cell_mm) + 2
        return int(cells.prod(axis=1).sum())


def _empty_ducts(size: int) -> tuple[NDArray[Any], ...]:
    return (
        np.empty((size, 3)), np.empty((size, 3)), np.empty(size), np.empty(size, np.int64), np.empty(size),
        np.empty((size, 5), np.int64), np.empty(size, np.int64),
    )  # fmt: skip
