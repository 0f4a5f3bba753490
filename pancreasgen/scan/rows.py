"""From the slices of a volume to the rows of a scanner, and the transpose.

A row reads the volume at its own z: between two slices it is interpolated, where it meets a slice (within 1 µm) it is
copied, and beyond the ends by less than half a slice it takes the end slice; further out is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid
from pancreasgen.scan.fast import fma

_MEETS_MM = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class RowTaps:
    """Which two slices each row reads.

    Attributes:
        low: Lower slice (rows,), int64.
        high: Upper slice (rows,), int64.
        weight: Weights of the two (rows, 2), float32; both 0 beyond the volume.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, z_mm: NDArray[np.float64], grid: Grid) -> RowTaps:
        """Return the taps of rows at z_mm.

        >>> grid = Grid((1, 1, 2), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
        >>> RowTaps.of(np.array([-5.0, 0.5, 2.9]), grid).weight.tolist()
        [[0.0, 0.0], [0.75, 0.25], [1.0, 0.0]]
        """
        num_slices, spacing = grid.shape[2], grid.spacing_mm[2]
        place = (np.asarray(z_mm, dtype=np.float64) - grid.origin_mm[2]) / spacing
        inside = (place >= -0.5) & (place <= num_slices - 0.5)
        place = np.clip(place, 0.0, num_slices - 1.0)
        near = np.round(place)
        place = np.where(np.abs(place - near) * spacing < _MEETS_MM, near, place)
        low = np.floor(place).astype(np.int64)
        part = place - low
        weight = (np.stack([1.0 - part, part], axis=1) * inside[:, None]).astype(np.float32)
        return cls(low, np.minimum(low + 1, num_slices - 1), weight)

    def part(self, rows: range) -> RowTaps:
        """Return the taps of some of the rows."""
        cut = slice(rows.start, rows.stop)
        return RowTaps(self.low[cut], self.high[cut], self.weight[cut])


@njit(cache=True, parallel=True)
def _gather(block: Any, data: Any, low: Any, high: Any, weight: Any, corner: Any) -> None:
    x0, y0, nx, ny = corner
    for j in prange(ny):
        for c in range(data.shape[0]):
            for i in range(nx):
                source, to = data[c, x0 + i, y0 + j], block[c, j + 1, i + 1]
                for r in range(low.size):
                    if weight[r, 1] == 0.0:
                        to[r] = weight[r, 0] * source[low[r]]
                    else:
                        to[r] = fma(weight[r, 1], source[high[r]], weight[r, 0] * source[low[r]])


@njit(cache=True, parallel=True)
def _scatter(data: Any, block: Any, low: Any, high: Any, weight: Any) -> None:
    for i in prange(data.shape[1]):
        for c in range(data.shape[0]):
            for j in range(data.shape[2]):
                to, source = data[c, i, j], block[c, j + 1, i + 1]
                for r in range(low.size):
                    to[low[r]] += weight[r, 0] * source[r]
                    to[high[r]] += weight[r, 1] * source[r]


def gather_rows(
    data: NDArray[np.float32], taps: RowTaps, width: int, box: tuple[slice, slice] = (slice(None), slice(None))
) -> NDArray[np.float32]:
    """Return the rows of a volume, rows innermost, with one empty pixel all round.

    Args:
        data: Volume (C, X, Y, Z).
        taps: The rows, at most ``width``.
        width: Rows of the result; those past the taps are 0.
        box: x and y that are taken.

    Returns:
        Shape (C, y + 2, x + 2, width), float32.
    """
    (x0, x1, _), (y0, y1, _) = (part.indices(n) for part, n in zip(box, data.shape[1:3], strict=True))
    block = np.zeros((data.shape[0], y1 - y0 + 2, x1 - x0 + 2, width), dtype=np.float32)
    _gather(block, data, taps.low, taps.high, taps.weight, (x0, y0, x1 - x0, y1 - y0))
    return block


def scatter_rows(data: NDArray[np.float32], block: NDArray[np.float32], taps: RowTaps) -> None:
    """Add to a volume (C, X, Y, Z) the transpose of :func:`gather_rows` of a block (whole x and y), in place."""
    _scatter(data, block, taps.low, taps.high, taps.weight)
