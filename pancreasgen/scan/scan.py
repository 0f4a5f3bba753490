"""The scanner as one function: basis densities on a grid → CT numbers on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import frozen_array, lock
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.bench import first_row_mm, isocentre_mm, lay, measure_rows, num_rows, rows_per_step
from pancreasgen.scan.hardening import correct_bone
from pancreasgen.scan.iterative import narrowed, reconstruct_block
from pancreasgen.scan.operator import row_blocks
from pancreasgen.scan.project import BLOCK, Plane
from pancreasgen.scan.protocol import Protocol

Progress = Callable[[float], None]
MEASURING = {"fbp": 0.95, "iterative": 0.15}  # share of the time, about


@dataclass(frozen=True, slots=True, eq=False)
class Sinogram:
    """Corrected measurements of a scan.

    Attributes:
        data: Path of water behind each reading (views, bins, rows), float32 [mm]. Locked.
        protocol: The setting that measured them.
        isocentre_mm: Axis of rotation (x, y) [mm].
        first_row_mm: z of the first row's middle [mm]; rows are ``protocol.row_mm`` apart.
    """

    data: NDArray[np.float32]
    protocol: Protocol
    isocentre_mm: tuple[float, float]
    first_row_mm: float

    def __post_init__(self) -> None:
        shape = (self.protocol.num_views, self.protocol.num_bins, None)
        object.__setattr__(self, "data", frozen_array(self.data, "the sinogram", shape, "f4"))


@njit(cache=True, parallel=True)
def _average(sums: Any, measured: Any, rows: Any, plan: Any) -> None:
    """Add measured rows to the slices that hold them; slice k of the block holds rows first + k·step … + thickness.

    rows: first row and number of rows that were measured. plan: slices, step, thickness, first.
    """
    slices, step, thickness, first = plan
    start, count = rows
    for view in prange(sums.shape[0]):
        for column in range(count):
            row = start + column - first
            for k in range(max((row - thickness) // step + 1, 0), min(row // step, slices - 1) + 1):
                for n in range(sums.shape[1]):
                    sums[view, n, k] += measured[view, n, column]


def _slice_blocks(
    protocol: Protocol,
    image_grid: Grid,
    rows_of: Callable[[range], NDArray[np.float32]],
    progress: Progress | None,
    share: float,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (first slice, averaged sinogram of 32 slices); rows are always added in rising order.

    ``share`` is what this is of all the work, for progress.
    """
    step, thickness, total = rows_per_step(image_grid, protocol), protocol.rows_per_slice, image_grid.shape[2]
    for start in range(0, total, BLOCK):
        slices = min(BLOCK, total - start)
        first, count = start * step, (slices - 1) * step + thickness
        sums = np.zeros((protocol.num_views, protocol.num_bins, BLOCK), dtype=np.float32)
        for part in row_blocks(count):
            rows = range(first + part.start, first + part.stop)
            _average(sums, rows_of(rows), (rows.start, len(rows)), (slices, step, thickness, first))
            if progress is not None:
                progress((start + share * slices * part.stop / count) / total)
        sums /= np.float32(thickness)
        yield start, sums


def _image(
    protocol: Protocol,
    image_grid: Grid,
    plane: Plane,
    rows_of: Callable[[range], NDArray[np.float32]],
    progress: Progress | None,
    method: str,
) -> Volume:
    data = np.empty(image_grid.shape, dtype=np.float32)
    share, total = MEASURING[protocol.reconstruction], image_grid.shape[2]
    for start, sinogram in _slice_blocks(protocol, image_grid, rows_of, progress, share):
        stop = min(start + BLOCK, total)
        watch = narrowed(progress, (start + share * (stop - start)) / total, stop / total)
        image = reconstruct_block(sinogram, plane, protocol, method, watch)
        if protocol.bone_correction:
            sinogram = correct_bone(sinogram, image, plane, protocol, method)
            image = reconstruct_block(sinogram, plane, protocol, method, watch)
        data[:, :, start:stop] = image[:, :, : stop - start].transpose(1, 0, 2)
    if progress is not None:
        progress(1.0)
    return Volume(data, image_grid, Quantity.HU)


def scan(
    materials: Volume,
    protocol: Protocol,
    image_grid: Grid,
    chance: Chance,
    progress: Progress | None = None,
    method: str = "fast",
) -> Volume:
    """Scan a body: project, detect, correct and reconstruct, 32 slices at a time.

    Slices sit at the z of the image grid and average ``rows_per_slice`` rows about it. The axis of rotation is the
    middle of the image grid. Row k (from the lowest) draws its noise from ``chance.sub(f"row{k}")``, so the result
    depends neither on blocks nor on threads.

    Args:
        materials: Densities of the basis materials on any grid, quantity DENSITY [g/cm³].
        protocol: The setting. Matrix and FOV are those of image_grid.
        image_grid: Grid of the image; its z spacing is a whole number of rows.
        chance: Stage of the noise.
        progress: Called with the share that is done, 0 to 1.
        method: ``fast``: multilevel shear-and-sum; ``direct``: Joseph's projector and the fan's own backprojection.

    Returns:
        CT numbers, float32, not rounded [HU].

    Raises:
        BadInputError: If materials are not three basis densities.
        UsageError: If the z spacing does not fit the rows, or the method is unknown.
    """
    bench = lay(materials, protocol, image_grid, chance, method)
    plane = Plane.of(image_grid, isocentre_mm(image_grid))
    return _image(protocol, image_grid, plane, lambda rows: measure_rows(bench, rows), progress, method)


def measure(
    materials: Volume,
    protocol: Protocol,
    image_grid: Grid,
    chance: Chance,
    progress: Progress | None = None,
    method: str = "fast",
) -> Sinogram:
    """Return the measurements that :func:`scan` reconstructs; arguments and errors are the same."""
    bench = lay(materials, protocol, image_grid, chance, method)
    rows_per_step(image_grid, protocol)
    count = num_rows(image_grid, protocol)
    data = np.empty((protocol.num_views, protocol.num_bins, count), dtype=np.float32)
    for rows in row_blocks(count):
        data[:, :, rows.start : rows.stop] = measure_rows(bench, rows)[:, :, : len(rows)]
        if progress is not None:
            progress(rows.stop / count)
    return Sinogram(lock(data), protocol, isocentre_mm(image_grid), first_row_mm(image_grid, protocol))


def reconstruct_sinogram(
    sinogram: Sinogram, protocol: Protocol, image_grid: Grid, progress: Progress | None = None, method: str = "fast"
) -> Volume:
    """Return the image of a sinogram; the protocol may ask for another kernel or slice thickness than was scanned.

    Raises:
        UsageError: If the slices need rows that were not measured.
        BadInputError: If the protocol's geometry is not that of the sinogram.
    """
    own = sinogram.protocol
    names = ("num_bins", "num_views", "row_mm", "fan_fov_mm", "source_to_isocentre_mm")
    wrong = [name for name in names if getattr(own, name) != getattr(protocol, name)]
    if wrong:
        raise BadInputError(f"the protocol differs from the sinogram in {', '.join(wrong)}")
    shift = (first_row_mm(image_grid, protocol) - sinogram.first_row_mm) / protocol.row_mm
    offset, count = round(shift), num_rows(image_grid, protocol)
    if abs(shift - offset) > 1e-3:
        raise UsageError("the slices do not lie on the rows of the sinogram", "shift the image grid along z")
    if offset < 0 or offset + count > sinogram.data.shape[2]:
        have = sinogram.data.shape[2]
        raise UsageError(
            f"the slices need rows {offset} to {offset + count - 1}; the sinogram has 0 to {have - 1}",
            "ask for fewer or thinner slices",
        )
    plane = Plane.of(image_grid, sinogram.isocentre_mm)
    return _image(
        protocol,
        image_grid,
        plane,
        lambda rows: sinogram.data[:, :, rows.start + offset : rows.stop + offset],
        progress,
        method,
    )
