"""A body that breathes between the slabs of a scan: each slab sees it shifted along z, and edges tear at the seams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.scan.protocol import Protocol


def slab_shifts_mm(protocol: Protocol, num_rows: int, chance: Chance) -> NDArray[np.float64]:
    """Return how far towards the head the body lies in each row (rows,) [mm].

    Slab k, ``slab_mm`` high from the lowest row on, has a normal shift of standard deviation ``breathing_mm`` from the
    stream ``slab{k}``; within a slab, which takes a fraction of a second, the body stands still.

    Args:
        protocol: The setting.
        num_rows: Rows of the scan.
        chance: Stage of the noise.
    """
    if protocol.breathing_mm == 0.0:
        return np.zeros(num_rows)
    slab = np.floor((np.arange(num_rows) * protocol.row_mm) / protocol.slab_mm + 1e-9).astype(np.int64)
    draws = [chance.sub(f"slab{k}").generator().standard_normal() for k in range(int(slab[-1]) + 1)]
    shifts: NDArray[np.float64] = protocol.breathing_mm * np.array(draws)[slab]
    return shifts
