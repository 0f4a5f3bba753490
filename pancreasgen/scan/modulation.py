"""Tube current that follows the body: less where the rays pass easily, more where they do not.

As scanners do from a topogram, the body is taken for an ellipse at each row, whose paths of water from front to back
and from side to side are known; the current of a view goes with exp(μ · path)^strength. Strength ½ gives the least
noise for the dose (Gies et al., Med Phys 26:2235, 1999), 1 the same noise everywhere, 0 a constant current.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.grid import Volume
from pancreasgen.scan.materials import basis_attenuation, energies_kev
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.rows import RowTaps

LIMITS = (0.2, 3.0)  # of the mean current; assumed: what a tube and its generator follow
_ROUNDS = 20


def body_paths_mm(materials: Volume) -> NDArray[np.float64]:
    """Return the longest path of water through each slice along x and along y (slices, 2) [mm], at 70 keV."""
    at = int(np.searchsorted(energies_kev(), 70.0))
    water_per = basis_attenuation()[:, at] / basis_attenuation()[0, at]
    paths = np.zeros((materials.grid.shape[2], 2))
    for axis in (0, 1):
        sums = np.tensordot(water_per, materials.data.sum(axis=1 + axis, dtype=np.float64), axes=1)
        paths[:, axis] = np.maximum(sums.max(axis=0), 0.0) * materials.grid.spacing_mm[axis]
    return paths


def tube_current(materials: Volume, protocol: Protocol, z_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the current of each view and row over the mean of the scan, (views, rows), float32.

    Args:
        materials: The body.
        protocol: The setting; its ``modulation`` is the strength.
        z_mm: Place of each row [mm].

    Returns:
        All 1 without modulation; else of mean 1, within ``LIMITS``, so that the dose is that of the protocol's mAs.
    """
    if protocol.modulation == 0.0:
        return np.ones((protocol.num_views, z_mm.size), dtype=np.float32)
    at = int(np.searchsorted(energies_kev(), 70.0))
    per_mm = basis_attenuation()[0, at] / 10.0
    taps, paths = RowTaps.of(z_mm, materials.grid), body_paths_mm(materials)
    rows = taps.weight[:, :1] * paths[taps.low] + taps.weight[:, 1:] * paths[taps.high]
    across, along = rows[:, 0], rows[:, 1]  # focus at the side, focus in front or behind
    beta = protocol.view_angles_rad()[:, None]
    # The chord of an ellipse through its middle, seen from angle β: 0 is in front.
    slow = np.hypot(np.cos(beta) * across, np.sin(beta) * along)
    path = np.divide(across * along, slow, out=np.zeros_like(slow), where=slow > 0.0)
    path -= path.max()
    current = np.exp(protocol.modulation * per_mm * path)
    for _ in range(_ROUNDS):
        current = np.clip(current / current.mean(), *LIMITS)
    return np.ascontiguousarray(current / current.mean(), dtype=np.float32)
