"""Cone-beam scans whose line integrals are known: ellipsoids."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid
from pancreasgen.scan.geometry import ArcCone

Ellipsoid = tuple[tuple[float, float, float], tuple[float, float, float], float, float]  # centre, axes, tilt, value


def circle(num_views: int = 120, turns: float = 1.0, **changes: Any) -> ArcCone:
    """Return a circular scan about the world's origin."""
    angles = np.arange(round(num_views * turns)) * (2.0 * math.pi / num_views)
    setting = {"num_bins": 120, "bin_angle_rad": 0.004, "shift_bins": 0.25, "num_rows": 40, "row_mm": 2.0}
    place = {"source_to_isocentre_mm": 500.0, "isocentre_mm": (0.0, 0.0), "source_z_mm": np.zeros(angles.size)}
    return ArcCone(**({"angles_rad": angles} | setting | place | changes))


def helix(pitch: float, half_mm: float, num_views: int = 160, **changes: Any) -> ArcCone:
    """Return a helical scan that sees |z| < half_mm, 16 rows of 1 mm."""
    rows, row = changes.get("num_rows", 16), changes.get("row_mm", 1.0)
    feed = pitch * rows * row
    turns = (2.0 * half_mm + 2.5 * rows * row) / feed + 0.7
    angles = np.arange(round(turns * num_views)) * (2.0 * math.pi / num_views) + 0.3
    z = (angles - angles.mean()) * feed / (2.0 * math.pi)
    return circle(**({"angles_rad": angles, "source_z_mm": z, "num_rows": rows, "row_mm": row} | changes))


def paths(bodies: list[Ellipsoid], geometry: ArcCone) -> NDArray[np.float32]:
    """Return the exact line integrals through ellipsoids, each tilted about y (views, bins, rows)."""
    beta, gamma, distance = geometry.angles_rad, geometry.rays().bin_rad, geometry.source_to_isocentre_mm
    angle, out = beta[:, None] + gamma, np.zeros(geometry.shape)
    rise = geometry.row_offsets_mm() / distance
    along = np.stack(np.broadcast_arrays(np.sin(angle)[..., None], -np.cos(angle)[..., None], rise), -1)
    along = along / np.linalg.norm(along, axis=-1, keepdims=True)
    x, y = geometry.isocentre_mm
    focus = np.stack([x - distance * np.sin(beta), y + distance * np.cos(beta), geometry.source_z_mm], -1)
    for centre, axes, tilt, value in bodies:
        turn = _turn(axes, tilt)
        start, run = (focus - centre) @ turn.T, along @ turn.T
        a, b = (run**2).sum(-1), (run * start[:, None, None]).sum(-1)
        c = (start**2).sum(-1)[:, None, None] - 1.0
        out += value * 2.0 * np.sqrt(np.clip(b**2 - a * c, 0.0, None)) / a
    return out.astype(np.float32)


def _turn(axes: tuple[float, float, float], tilt: float) -> NDArray[np.float64]:
    """Return the matrix that makes an ellipsoid the unit ball."""
    s, c = math.sin(tilt), math.cos(tilt)
    return np.diag(1.0 / np.array(axes)) @ np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def fill(bodies: list[Ellipsoid], grid: Grid, times: int = 3) -> NDArray[np.float32]:
    """Return ellipsoids on a grid, each voxel the mean of times³ points."""
    out = np.zeros(grid.shape)
    shifts = (np.arange(times) - (times - 1) / 2.0) / times
    x, y, z = grid.mesh_mm()
    dx, dy, dz = grid.spacing_mm
    for i, j, k in np.ndindex(times, times, times):
        point = np.stack(np.broadcast_arrays(x + shifts[i] * dx, y + shifts[j] * dy, z + shifts[k] * dz), -1)
        for centre, axes, tilt, value in bodies:
            out += value * ((((point - centre) @ _turn(axes, tilt).T) ** 2).sum(-1) < 1.0)
    return (out / times**3).astype(np.float32)
