"""The canvas: labels and basis densities that shapes are painted on, each over what is there.

Painting in the order of precedence keeps labels exclusive; a shape's edge mixes with what lies under it over the width
of a voxel (first-order partial volume), and the voxel's label goes to the shape if its centre is inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.anatomy.fields import Field, Shape, tube
from pancreasgen.anatomy.tissues import tissue_index
from pancreasgen.base.grid import Grid

Layers = Sequence[tuple[float, str]]
_PIECE = 12  # points of a course that are painted together; short pieces have small boxes


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A phantom in the making; its arrays are written in place until the phantom is composed.

    Attributes:
        grid: Where the voxels are.
        labels: uint8, shape of the grid; 0 at first.
        materials: float32 (3, *shape), basis densities [g/cm³]; air at first.
        palette: Basis densities (T, 3) of each tissue.
    """

    grid: Grid
    labels: NDArray[np.uint8]
    materials: NDArray[np.float32]
    palette: NDArray[np.float32]

    @classmethod
    def blank(cls, grid: Grid, palette: NDArray[np.float32]) -> Canvas:
        """Return a canvas of air."""
        materials = np.empty((3, *grid.shape), np.float32)
        for channel, value in enumerate(palette[tissue_index()["air"]]):
            materials[channel] = value
        return cls(grid, np.zeros(grid.shape, np.uint8), materials, palette)

    @property
    def edge_mm(self) -> float:
        """Width of the soft edge: the mean size of a voxel [mm]."""
        return float(np.prod(self.grid.spacing_mm)) ** (1 / 3)

    def paint(self, field: Field, field_grid: Grid, label: int, layers: Layers) -> None:
        """Paint a shape.

        Args:
            field: Signed distance [mm, positive inside] on field_grid; interpolated linearly.
            field_grid: Its grid.
            label: Label of the whole shape.
            layers: (depth below the surface [mm], tissue), from outside to inside: walls and contents.
        """
        edge = self.edge_mm
        box = _box(field, field_grid, self.grid, -edge)
        if box is None:
            return
        depths = np.array([depth for depth, _ in layers], dtype=np.float64)
        colours = self.palette[[tissue_index()[tissue] for _, tissue in layers]]
        _paint(self.labels, self.materials, field, box, *self._onto(field_grid), label, depths, colours, edge)

    def _onto(self, field_grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return scale and shift of indices: those of field_grid are scale × the canvas's + shift."""
        scale = np.array(self.grid.spacing_mm) / field_grid.spacing_mm
        return scale, (np.array(self.grid.origin_mm) - field_grid.origin_mm) / field_grid.spacing_mm

    def veil(self, shape: Shape, label: int, thick_mm: float, tissue: str) -> None:
        """Draw a thin sheet where a field is zero, within one label; labels stay as they are.

        The sheet is spread over a voxel to either side, so that its mass is that of its thickness [mm]: fasciae,
        septa, planes of fat between muscles.
        """
        edge = self.edge_mm
        box = _box(shape.field, shape.grid, self.grid, -edge)
        if box is not None:
            colour, peak = self.palette[tissue_index()[tissue]], min(thick_mm / edge, 1.0)
            onto = self._onto(shape.grid)
            _veil(self.labels, self.materials, shape.field, box, *onto, label, peak, colour, edge)

    def relabel(self, shape: Shape, old: int, new: int) -> None:
        """Give voxels of one label inside a shape another label; densities stay as they are."""
        box = _box(shape.field, shape.grid, self.grid, 0.0)
        if box is not None:
            _relabel(self.labels, shape.field, box, *self._onto(shape.grid), old, new)

    def paint_rod(self, points_mm: Any, radii_mm: Any, label: int, layers: Layers) -> None:
        """Paint a tube like :meth:`paint_tube`, with layers like :meth:`paint`; piece by piece where it is long."""
        points, radii = np.asarray(points_mm), np.broadcast_to(radii_mm, (len(points_mm),))
        for depth, tissue in layers:  # each layer over the whole length, so that no wall crosses the lumen
            for first in range(0, len(points) - 1, _PIECE):
                piece = slice(first, first + _PIECE + 1)
                self.paint_tube(points[piece], np.maximum(radii[piece] - depth, 0.0), label, tissue)

    def paint_tube(self, points_mm: Any, radii_mm: Any, label: int, tissue: str) -> None:
        """Paint a tube of changing radius (K,) along a polyline (K, 3) [mm], at the canvas's own resolution."""
        part = sub_grid(self.grid, np.asarray(points_mm), float(np.max(radii_mm)) + 2 * self.edge_mm)
        if part is not None:
            self.paint(tube(part, points_mm, radii_mm, self.edge_mm), part, label, [(0.0, tissue)])


def sub_grid(grid: Grid, points_mm: NDArray[np.float64], margin_mm: float) -> Grid | None:
    """Return the part of a grid around points, on the same voxels; None if they lie outside."""
    low = np.floor(grid.to_index(points_mm.min(axis=0) - margin_mm)).astype(int)
    high = np.ceil(grid.to_index(points_mm.max(axis=0) + margin_mm)).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, np.array(grid.shape) - 1)
    if (high < low).any():
        return None
    n, origin = high - low + 1, grid.to_world(low)
    return Grid((int(n[0]), int(n[1]), int(n[2])), grid.spacing_mm, (origin[0], origin[1], origin[2]))


def _box(field: Field, field_grid: Grid, grid: Grid, level: float) -> NDArray[np.int64] | None:
    """Return the index box (2, 3) of the grid, last excluded, in which the field may exceed the level."""
    found = field > level
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        hits = np.flatnonzero(found.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(hits):
            return None
        low[axis], high[axis] = hits[0] - 1, hits[-1] + 1
    first = np.ceil(grid.to_index(field_grid.to_world(low)) - 1e-6).astype(np.int64)
    last = np.floor(grid.to_index(field_grid.to_world(high)) + 1e-6).astype(np.int64) + 1
    box = np.stack([np.maximum(first, 0), np.minimum(last, np.array(grid.shape))])
    return None if (box[1] <= box[0]).any() else box


@njit(cache=True)
def interpolate(field: Any, x: float, y: float, z: float) -> float:
    """Return the field at a fractional index by trilinear interpolation; the border's values go on outside."""
    x = min(max(x, 0.0), field.shape[0] - 1.0)
    y = min(max(y, 0.0), field.shape[1] - 1.0)
    z = min(max(z, 0.0), field.shape[2] - 1.0)
    i, j, k = int(x), int(y), int(z)
    u, v, w = x - i, y - j, z - k
    i1, j1, k1 = min(i + 1, field.shape[0] - 1), min(j + 1, field.shape[1] - 1), min(k + 1, field.shape[2] - 1)
    a = (field[i, j, k] * (1 - w) + field[i, j, k1] * w) * (1 - v)
    a += (field[i, j1, k] * (1 - w) + field[i, j1, k1] * w) * v
    b = (field[i1, j, k] * (1 - w) + field[i1, j, k1] * w) * (1 - v)
    b += (field[i1, j1, k] * (1 - w) + field[i1, j1, k1] * w) * v
    return a * (1 - u) + b * u


@njit(cache=True)
def _column(field: Any, x: float, y: float, column: Any) -> float:
    """Write the field's column at a fractional index (x, y), interpolated, and return its greatest value."""
    x = min(max(x, 0.0), field.shape[0] - 1.0)
    y = min(max(y, 0.0), field.shape[1] - 1.0)
    i, j = int(x), int(y)
    i1, j1 = min(i + 1, field.shape[0] - 1), min(j + 1, field.shape[1] - 1)
    u, v = x - i, y - j
    top = -1e30
    for k in range(field.shape[2]):
        low = field[i, j, k] * (1 - v) + field[i, j1, k] * v
        high = field[i1, j, k] * (1 - v) + field[i1, j1, k] * v
        column[k] = low * (1 - u) + high * u
        top = max(top, column[k])
    return top


@njit(cache=True)
def _along(column: Any, z: float) -> float:
    z = min(max(z, 0.0), len(column) - 1.0)
    k = int(z)
    return column[k] * (1 - (z - k)) + column[min(k + 1, len(column) - 1)] * (z - k)


@njit(cache=True, parallel=True)
def _paint(
    labels: Any, materials: Any, field: Any, box: NDArray[np.int64], scale: NDArray[np.float64],
    shift: NDArray[np.float64], label: int, depths: NDArray[np.float64], colours: Any, edge: float,
) -> None:  # fmt: skip
    for i in prange(box[0, 0], box[1, 0]):
        column = np.empty(field.shape[2])
        for j in range(box[0, 1], box[1, 1]):
            if _column(field, i * scale[0] + shift[0], j * scale[1] + shift[1], column) <= -0.5 * edge:
                continue
            for k in range(box[0, 2], box[1, 2]):
                d = _along(column, k * scale[2] + shift[2])
                if d <= depths[0] - 0.5 * edge:
                    continue
                first = 0  # the innermost layer that fills the voxel hides all before it
                while first + 1 < len(depths) and d - depths[first + 1] >= 0.5 * edge:
                    first += 1
                for layer in range(first, len(depths)):
                    share = (d - depths[layer]) / edge + 0.5
                    if share >= 1.0:
                        for m in range(3):
                            materials[m, i, j, k] = colours[layer, m]
                    elif share > 0.0:
                        for m in range(3):
                            materials[m, i, j, k] += share * (colours[layer, m] - materials[m, i, j, k])
                if d >= 0.0:
                    labels[i, j, k] = label


@njit(cache=True, parallel=True)
def _veil(
    labels: Any, materials: Any, field: Any, box: NDArray[np.int64], scale: NDArray[np.float64],
    shift: NDArray[np.float64], label: int, peak: float, colour: Any, edge: float,
) -> None:  # fmt: skip
    for i in prange(box[0, 0], box[1, 0]):
        column = np.empty(field.shape[2])
        for j in range(box[0, 1], box[1, 1]):
            if _column(field, i * scale[0] + shift[0], j * scale[1] + shift[1], column) <= -edge:
                continue
            for k in range(box[0, 2], box[1, 2]):
                if labels[i, j, k] == label:
                    share = peak * (1.0 - abs(_along(column, k * scale[2] + shift[2])) / edge)
                    if share > 0.0:
                        for m in range(3):
                            materials[m, i, j, k] += share * (colour[m] - materials[m, i, j, k])


@njit(cache=True, parallel=True)
def _relabel(
    labels: Any, field: Any, box: NDArray[np.int64], scale: NDArray[np.float64], shift: NDArray[np.float64], old: int,
    new: int,
) -> None:  # fmt: skip
    for i in prange(box[0, 0], box[1, 0]):
        column = np.empty(field.shape[2])
        for j in range(box[0, 1], box[1, 1]):
            if _column(field, i * scale[0] + shift[0], j * scale[1] + shift[1], column) < 0.0:
                continue
            for k in range(box[0, 2], box[1, 2]):
                if labels[i, j, k] == old and _along(column, k * scale[2] + shift[2]) >= 0.0:
                    labels[i, j, k] = new


@njit(cache=True)
def hash_unit(x: np.uint64) -> float:
    """Return a number in [0, 1) from 64 bits (SplitMix64's finaliser)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return float(x >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True)
def node_unit(key: np.uint64, i: int, j: int, k: int, salt: int) -> float:
    """Return a number in [0, 1) that belongs to an integer node."""
    x = key ^ (np.uint64(i) * np.uint64(0x9E3779B97F4A7C15))
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    x = x ^ (np.uint64(j) * np.uint64(0xC2B2AE3D27D4EB4F))
    x = (x ^ (x >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (np.uint64(k) * np.uint64(0x165667B19E3779F9)) ^ (np.uint64(salt) * np.uint64(0xD6E8FEB86659FD93))
    return hash_unit(x)
