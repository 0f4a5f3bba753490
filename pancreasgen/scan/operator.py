"""One interface for every projector: ``A = operator(grid, geometry)``, ``A(x)``, ``A.T(y)``.

Blocks of rows stream through the kernels, so memory beyond volume and measurements does not grow with the rows, and
neither blocks nor threads change a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import checked_number, unknown_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.cone import project_cone, transpose_cone
from pancreasgen.scan.geometry import ArcCone, ArcFan, Geometry, Parallel, Rays
from pancreasgen.scan.project import BLOCK, Plane, project_rays, transpose_rays
from pancreasgen.scan.rows import RowTaps, gather_rows, scatter_rows
from pancreasgen.scan.tree import Tree

Array = NDArray[np.float32]
METHODS = ("fast", "direct")


@contextmanager
def num_threads(threads: int | None) -> Iterator[None]:
    """Let compiled kernels run on so many threads inside the block; None leaves the number as it is.

    Raises:
        UsageError: If there are not so many threads.
    """
    before = numba.get_num_threads()
    if threads is not None:
        numba.set_num_threads(int(checked_number("threads", threads, 1, numba.config.NUMBA_NUM_THREADS)))
    try:
        yield
    finally:
        numba.set_num_threads(before)


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """A projector of blocks and its transpose.

    Attributes:
        forward: Makes a function from (C, ny, nx, 32), with one empty pixel all round, to (C, views, bins, 32).
        transpose: Makes one from (C, views, bins, 32) to (C, ny, nx, 32). Each owns its scratch memory.
    """

    forward: Callable[[], Callable[[Array], Array]]
    transpose: Callable[[], Callable[[Array], Array]]


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """Line integrals of a volume along rays; a linear map with its transpose.

    Attributes:
        grid: Grid of the volume.
        geometry: The rays.
        forward: Function from volumes (C, X, Y, Z) to measurements (C, views, bins, rows).
        transpose: Function from measurements to volumes.
        threads: Threads of the kernels; None for the number that is set.
    """

    grid: Grid
    geometry: Geometry
    forward: Callable[[Array], Array]
    transpose: Callable[[Array], Array]
    threads: int | None

    @property
    def domain_shape(self) -> tuple[int, int, int]:
        """Shape of a volume, (x, y, z)."""
        return self.grid.shape

    @property
    def range_shape(self) -> tuple[int, int, int]:
        """Shape of the measurements, (views, bins, rows)."""
        return self.geometry.shape

    def __call__(self, x: Array) -> Array:
        """Return the line integrals, (views, bins, rows) or (C, views, bins, rows), float32 [value × mm].

        Args:
            x: Volume (X, Y, Z), or several, (C, X, Y, Z).

        Raises:
            BadInputError: If the shape is another or a value is not finite.
        """
        data = checked_array(x, self.domain_shape, "a volume")
        with num_threads(self.threads):
            out = self.forward(data)
        return out if np.ndim(x) == 4 else np.asarray(out[0])

    def T(self, y: Array) -> Array:  # noqa: N802  the transpose is written so
        """Return the transpose of measurements, (X, Y, Z) or (C, X, Y, Z), float32.

        Args:
            y: Measurements (views, bins, rows), or several, (C, views, bins, rows).

        Raises:
            BadInputError: If the shape is another or a value is not finite.
        """
        data = checked_array(y, self.range_shape, "the measurements")
        with num_threads(self.threads):
            out = self.transpose(data)
        return out if np.ndim(y) == 4 else np.asarray(out[0])


def _stack(grid: Grid, geometry: Parallel | ArcFan, kernels: Kernels, threads: int | None) -> Operator:
    """Return the operator of a stack of plane beams: blocks of 32 rows go through the kernels one by one."""
    rows_mm = geometry.first_row_mm + np.arange(geometry.num_rows, dtype=np.float64) * geometry.row_mm
    taps = RowTaps.of(rows_mm, grid)

    def forward(data: Array) -> Array:
        out = np.empty((data.shape[0], *geometry.shape), dtype=np.float32)
        project = kernels.forward()
        for rows in row_blocks(geometry.num_rows):
            sums = project(gather_rows(data, taps.part(rows), BLOCK))
            out[..., rows.start : rows.stop] = sums[..., : len(rows)]
        return out

    def transpose(data: Array) -> Array:
        out = np.zeros((data.shape[0], *grid.shape), dtype=np.float32)
        back = kernels.transpose()
        for rows in row_blocks(geometry.num_rows):
            block = np.zeros((*data.shape[:3], BLOCK), dtype=np.float32)
            block[..., : len(rows)] = data[..., rows.start : rows.stop]
            scatter_rows(out, back(block), taps.part(rows))
        return out

    return Operator(grid, geometry, forward, transpose, threads)


def _cone(grid: Grid, geometry: ArcCone, threads: int | None) -> Operator:
    """Return the operator of a cone beam, axial or helical."""
    forward = partial(project_cone, grid=grid, geometry=geometry)
    transpose = partial(transpose_cone, grid=grid, geometry=geometry)
    return Operator(grid, geometry, forward, transpose, threads)


def checked_array(value: Any, shape: tuple[int, int, int], name: str) -> Array:
    """Return an array with a channel axis in front, float32.

    Raises:
        BadInputError: If its last three axes are not ``shape``, or it holds NaN or infinity.
    """
    array = np.asarray(value)
    if array.ndim not in (3, 4) or array.shape[-3:] != shape:
        raise BadInputError(f"{name} must have shape {shape}, or (channels, *{shape}), not {array.shape}")
    data = np.ascontiguousarray(array if array.ndim == 4 else array[None], dtype=np.float32)
    if not np.isfinite(data).all():
        raise BadInputError(f"{name} holds NaN or infinity")
    return data


def row_blocks(count: int) -> Iterator[range]:
    """Yield the rows 0 … count − 1, 32 at a time.

    >>> [len(rows) for rows in row_blocks(70)]
    [32, 32, 6]
    """
    for first in range(0, count, BLOCK):
        yield range(first, min(first + BLOCK, count))


def padded_plane(grid: Grid, isocentre_mm: tuple[float, float]) -> Plane:
    """Return the plane of a grid with one pixel more all round, so that its outermost pixels end in nothing."""
    plane = Plane.of(grid, isocentre_mm)
    (nx, ny), (dx, dy), (x0, y0) = plane.shape, plane.spacing_mm, plane.first_mm
    return Plane((nx + 2, ny + 2), (dx, dy), (x0 - dx, y0 - dy))


def plane_kernels(plane: Plane, rays: Rays, method: str) -> Kernels:
    """Return projector and transpose of blocks on a plane whose outermost pixels are empty, by one of METHODS."""
    if method == "fast":
        tree = Tree.of(plane, rays)
        return Kernels(tree.forward, tree.transpose)
    return Kernels(
        lambda: lambda block: project_rays(block, plane, rays), lambda: lambda sums: transpose_rays(sums, plane, rays)
    )


def operator(grid: Grid, geometry: Geometry, method: str = "fast", threads: int | None = None) -> Operator:
    """Return the projector of a geometry on a grid.

    Args:
        grid: Grid of the volume.
        geometry: The rays.
        method: ``fast``: multilevel shear-and-sum; ``direct``: Joseph's method, five times as slow. Each comes with
            its own exact transpose. A cone beam has one method.
        threads: Threads of the kernels; None for all.

    Raises:
        UsageError: If the method is unknown.
        BadInputError: If there is no projector for the geometry.

    >>> grid = Grid.centred((8, 8, 2), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
    >>> beams = Parallel(np.zeros(1), 5, 1.0, 0.0, (0.0, 0.0), -1.0, 2.0, 2)
    >>> A = operator(grid, beams, "direct")
    >>> A(np.ones(A.domain_shape, dtype=np.float32))[0, 2].round(3).tolist()
    [8.0, 8.0]
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if isinstance(geometry, ArcCone):
        return _cone(grid, geometry, threads)
    if not isinstance(geometry, Parallel | ArcFan):
        raise BadInputError(f"there is no projector for a {type(geometry).__name__}")
    plane = padded_plane(grid, geometry.isocentre_mm)
    return _stack(grid, geometry, plane_kernels(plane, geometry.rays(), method), threads)
