"""The ledger of committed ducts: flat, growing arrays behind the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.network import geometry, index
from pancreasgen.network.network import MAX_NODES
from pancreasgen.network.tissue import CELL_MM, Tissue, cell_shape
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
_LIST_FACTOR = 24


class Ledger:
    """Committed ducts with their index; grows as needed, never shrinks.

    Args:
        organ: Where ducts may lie; its grid must be cubic.
        tissue: Points that ducts serve.
        rules: (reserve factor, clearance [mm], margin to the capsule [mm], reach of service [mm]).
    """

    def __init__(self, organ: Organ, tissue: Tissue, rules: tuple[float, float, float, float]) -> None:
        """Begin with no ducts."""
        grid = organ.distance.grid
        if len(set(grid.spacing_mm)) != 1:
            raise BadInputError("growth needs an organ on a cubic grid", "resample the organ to one spacing")
        self.rules = rules
        self.tissue = tissue
        self.count = 0
        self._used = 0
        self._organ = (organ.distance.data, np.asarray(grid.origin_mm), float(grid.spacing_mm[0]))
        self._head = np.full(cell_shape(organ), -1, np.int64)
        self._ducts = _empty_ducts(1024)
        self._following = np.empty(1024 * _LIST_FACTOR, np.int64)
        self._owner = np.empty(1024 * _LIST_FACTOR, np.int64)
        self._scratch = (np.empty(3, np.int64), np.empty(3, np.int64), np.empty(64, np.int64), np.empty(64, np.int64))

    def commit(self, start: Floats, end: Floats, radii: Floats, ties: NDArray[np.int64]) -> NDArray[np.int64]:
        """Try candidates in the order given; return each one's outcome (see :mod:`pancreasgen.network.index`)."""
        while self.count + len(start) > len(self._ducts[2]):
            self._ducts = _doubled_ducts(self._ducts)
        if self.count + len(start) > MAX_NODES:
            raise BadInputError(f"growth went beyond {MAX_NODES:,} duct segments", "raise the radius at which it ends")
        needed = self._used + self._most_entries(start, end, radii)
        while needed > len(self._owner):
            self._owner = np.concatenate([self._owner, np.empty_like(self._owner)])
            self._following = np.concatenate([self._following, np.empty_like(self._following)])
        outcome, self._used, self.count = index.commit_all(
            start, end, radii, ties, self.rules, self._organ, self._ducts, self.cells, self.tissue.as_tuple(),
            self._scratch, self._used, self.count,
        )  # fmt: skip
        if self._used < 0:
            raise RuntimeError("the duct index is full: _most_entries is not an upper bound")
        return np.asarray(outcome)

    @property
    def cells(self) -> tuple[Any, ...]:
        """The cell lists as the kernels take them."""
        shape = np.asarray(self._head.shape, np.int64)
        return self._head, self._following, self._owner, self._organ[1], CELL_MM, shape

    def depth(self, points_mm: Floats) -> Floats:
        """Return the signed distance (N,) [mm] to the capsule at points (N, 3)."""
        return np.asarray(geometry.trilinear_many(*self._organ, np.ascontiguousarray(points_mm)))

    def duct_distance(self, points_mm: Floats, leaving: NDArray[np.int64], kin_arc_mm: float) -> Floats:
        """Return the distance (N,) [mm] to the skin of the nearest duct that is not kin; at most one cell."""
        return np.asarray(index.duct_distance(points_mm, leaving, kin_arc_mm, self._ducts, self.cells, self._scratch))

    def pull(
        self, points_mm: Floats, heading: Floats, label: NDArray[np.int64], reach_mm: Floats | float, cosine: float
    ) -> tuple[Floats, Floats]:
        """Return the pull (N, 3) of unserved tissue on tips and the number of points (N,)."""
        reach = np.ascontiguousarray(np.broadcast_to(np.asarray(reach_mm, dtype=np.float64), len(points_mm)))
        total, count = index.pull(points_mm, heading, label, reach, cosine, self.tissue.as_tuple(), self.cells)
        return np.asarray(total), np.asarray(count)

    def _most_entries(self, start: Floats, end: Floats, radii: Floats) -> int:
        """An upper bound of the list entries that candidates can need: all cells of their boxes."""
        reach = self.rules[0] * radii.max(axis=1, initial=0.0) + self.rules[1]
        cells = np.floor((np.abs(end - start) + 2.0 * reach[:, None]) / CELL_MM) + 2
        return int(cells.prod(axis=1).sum())


def _empty_ducts(size: int) -> tuple[NDArray[Any], ...]:
    return (
        np.empty((size, 3)),
        np.empty((size, 3)),
        np.empty(size),
        np.empty(size, np.int64),
        np.empty(size),
    )


def _doubled_ducts(ducts: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
    return tuple(np.concatenate([column, np.empty_like(column)]) for column in ducts)
