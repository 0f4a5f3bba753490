"""Line integrals through a cone beam on an arc detector, axial or helical, and their exact transpose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid
from pancreasgen.scan.geometry import ArcCone
from pancreasgen.scan.project import Plane, occupied_spans
from pancreasgen.scan.slant import ROWS, STEPS, WANDER, backward_cone, forward_cone

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Beams:
    """The rays of a cone beam, as the kernels take them.

    Attributes:
        lines: Cross place at main index 0, its slope, distance from the focus at 0, its slope (views, bins, 4).
        along: Main axis of each ray, 0 for x and 1 for y (views, bins).
        focus: z of each view's focus [voxels] (views,).
        scan: Rows; height of a row over D and voxel [1/mm]; steps that are summed before they are read.
        pad: Empty cells at each end of z.
    """

    lines: NDArray[np.float64]
    along: NDArray[np.int64]
    focus: NDArray[np.float64]
    scan: tuple[int, float, int]
    pad: int

    @classmethod
    def of(cls, grid: Grid, geometry: ArcCone) -> Beams:
        """Return the rays of a geometry about a grid."""
        x0, y0, dx, dy = Plane.of(grid, geometry.isocentre_mm).numbers()
        distance, beta = geometry.source_to_isocentre_mm, geometry.angles_rad[:, None]
        angle = beta + geometry.rays().bin_rad[None]
        run_x, run_y = np.sin(angle), -np.cos(angle)
        focus_x, focus_y = -distance * np.sin(beta), distance * np.cos(beta)
        along_y = np.abs(run_y) >= np.abs(run_x)
        with np.errstate(divide="ignore", invalid="ignore"):  # of the two, the line that is taken is finite
            t_y, t_x = (y0 - focus_y) / run_y, (x0 - focus_x) / run_x
            by_y = ((focus_x + t_y * run_x - x0) / dx, run_x / run_y * dy / dx, t_y, dy / run_y)
            by_x = ((focus_y + t_x * run_y - y0) / dy, run_y / run_x * dx / dy, t_x, dx / run_x)
        lines = np.stack([np.where(along_y, one, other) for one, other in zip(by_y, by_x, strict=True)], axis=-1)
        depth = grid.spacing_mm[2]
        per_mm = geometry.row_mm / (distance * depth)
        corner = math.hypot(
            *(max(abs(a), abs(a + (n - 1) * d)) for a, n, d in ((x0, grid.shape[0], dx), (y0, grid.shape[1], dy)))
        )
        wander = ROWS / 2 * per_mm * max(dx, dy)  # of a step, in voxels
        steps = max([n for n in (1, 2, 4, STEPS) if wander * (n - 1) / 2 <= WANDER])
        pad = math.ceil((ROWS - 1) * per_mm * (distance + corner + STEPS * max(dx, dy))) + 6
        focus = (geometry.source_z_mm - grid.origin_mm[2]) / depth
        return cls(lines, along_y.astype(np.int64), focus, (geometry.num_rows, per_mm, steps), pad)

    @property
    def blocks(self) -> int:
        """Blocks of 32 rows."""
        return -(-self.scan[0] // ROWS)


def _slant(geometry: ArcCone) -> Array:
    """Return how much longer each row's ray is than its shadow (rows,)."""
    slope = geometry.row_offsets_mm() / geometry.source_to_isocentre_mm
    return np.sqrt(1.0 + slope**2).astype(np.float32)


def project_cone(data: Array, grid: Grid, geometry: ArcCone) -> Array:
    """Return the line integrals of volumes (C, X, Y, Z): (C, views, bins, rows), float32 [value × mm].

    A voxel's value falls to nothing, linearly, where the next voxel would be; beyond the grid is nothing.
    """
    beams, (nx, ny, nz) = Beams.of(grid, geometry), grid.shape
    rows, padded = geometry.num_rows, beams.blocks * ROWS
    out = np.zeros((data.shape[0], *geometry.shape[:2], padded), dtype=np.float32)
    for volume, sums in zip(data, out, strict=True):
        cells = np.zeros((nx, ny, nz + 2 * beams.pad), dtype=np.float32)
        cells[..., beams.pad : beams.pad + nz] = volume
        some = np.any(volume, axis=2)
        spans = (occupied_spans(some), occupied_spans(some.T))
        rays = (beams.lines, beams.along, beams.focus)
        forward_cone(sums.reshape(-1), cells.reshape(-1), rays, (nx, ny, nz, beams.pad), beams.scan, spans)
    out = np.ascontiguousarray(out[..., :rows])
    out *= _slant(geometry)
    return out


def transpose_cone(data: Array, grid: Grid, geometry: ArcCone) -> Array:
    """Return the transpose of measurements (C, views, bins, rows): (C, X, Y, Z), float32."""
    beams, (nx, ny, nz) = Beams.of(grid, geometry), grid.shape
    out = np.empty((data.shape[0], *grid.shape), dtype=np.float32)
    sums = np.zeros((*geometry.shape[:2], beams.blocks * ROWS), dtype=np.float32)
    for volume, measured in zip(out, data, strict=True):
        sums[..., : geometry.num_rows] = measured * _slant(geometry)
        cells = np.zeros((nx, ny, nz + 2 * beams.pad), dtype=np.float32)
        rays = (beams.lines, beams.along, beams.focus)
        for axis in range(2):
            backward_cone(cells.reshape(-1), sums.reshape(-1), rays, (nx, ny, nz, beams.pad), beams.scan, axis)
        volume[:] = cells[..., beams.pad : beams.pad + nz]
    return out
