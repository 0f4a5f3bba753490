"""Bodies whose scans are known: discs, ellipses and protocols to scan them with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.protocol import Protocol, load_protocol


def protocol(**changes: Any) -> Protocol:
    """Return the routine protocol, noise-free unless asked otherwise."""
    return dataclasses.replace(load_protocol("portal-venous"), **({"noise": False} | changes))


def small(**changes: Any) -> Protocol:
    """Return the quick protocol, noise-free unless asked otherwise."""
    return dataclasses.replace(load_protocol("portal-venous").quick(), **({"noise": False} | changes))


def ellipse(
    half_axes_mm: tuple[float, float], densities: tuple[float, float, float], num_slices: int = 1, **place: Any
) -> Volume:
    """Return an ellipse with soft edges (partial volume) that fills all slices."""
    spacing, size = place.get("spacing_mm", 0.8), place.get("size", 448)
    grid = Grid.centred((size, size, num_slices), (spacing, spacing, place.get("slice_mm", 5.0)), (0.0, 0.0, 0.0))
    x, y, z = grid.mesh_mm()
    cx, cy = place.get("centre_mm", (0.0, 0.0))
    level = np.hypot((x - cx) / half_axes_mm[0], (y - cy) / half_axes_mm[1])
    cover = np.clip((1.0 - level) * min(half_axes_mm) / spacing + 0.5, 0.0, 1.0) + 0.0 * z
    data = np.asarray(densities, dtype=np.float32)[:, None, None, None] * cover.astype(np.float32)
    return Volume(np.ascontiguousarray(data), grid, Quantity.DENSITY)
