"""A body on the table of the scanner: what is the same from block to block of its rows, and how a block is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.detect import Detector, detect, prepare_detector
from pancreasgen.scan.dual import Mixer
from pancreasgen.scan.materials import BASIS
from pancreasgen.scan.modulation import tube_current
from pancreasgen.scan.motion import slab_shifts_mm
from pancreasgen.scan.operator import METHODS
from pancreasgen.scan.project import BLOCK, Plane, fan_geometry, project_rays
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.rows import RowTaps, gather_rows
from pancreasgen.scan.tree import Tree


def isocentre_mm(grid: Grid) -> tuple[float, float]:
    """Return the middle of a grid in x and y: the patient is centred on the image."""
    middle = [grid.origin_mm[axis] + (grid.shape[axis] - 1) / 2.0 * grid.spacing_mm[axis] for axis in (0, 1)]
    return middle[0], middle[1]


def rows_per_step(grid: Grid, protocol: Protocol) -> int:
    """Return the rows from one slice of the image to the next."""
    rows = grid.spacing_mm[2] / protocol.row_mm
    if round(rows) < 1 or abs(rows - round(rows)) > 1e-6:
        raise UsageError(
            f"slices must be a whole number of rows of {protocol.row_mm:g} mm apart, not {grid.spacing_mm[2]:g} mm",
            "give the image grid a multiple of row_mm as its z spacing",
        )
    return round(rows)


def first_row_mm(image_grid: Grid, protocol: Protocol) -> float:
    """Return z of row 0, the lowest row of the lowest slice [mm]."""
    return image_grid.origin_mm[2] - (protocol.rows_per_slice - 1) / 2.0 * protocol.row_mm


def num_rows(image_grid: Grid, protocol: Protocol) -> int:
    """Return the number of rows that the slices of an image need."""
    return (image_grid.shape[2] - 1) * rows_per_step(image_grid, protocol) + protocol.rows_per_slice


def _body_box(materials: Volume) -> tuple[slice, slice]:
    """Return the x and y slices that hold all matter, with a border of one pixel where the grid has one."""
    data, slices = materials.data, []
    filled = np.zeros(data.shape[1:3], dtype=bool)
    for channel in data:
        filled |= channel.any(axis=2)
    for axis in (1, 0):
        where = np.flatnonzero(filled.any(axis=axis))
        low, high = (int(where[0]), int(where[-1])) if where.size else (0, 0)
        slices.append(slice(max(low - 1, 0), high + 2))
    return slices[0], slices[1]


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A body on the table: what stays the same from block to block.

    Attributes:
        materials: Densities of the basis materials.
        box: x and y that hold all matter.
        protocol: The setting.
        projector: Densities of a block (3, ny, nx, 32) → line integrals (3, views, bins, 32).
        detector: Tables of the spectrum.
        mixer: The other spectrum of a dual-energy scan, or None.
        chance: Stage of the noise.
        z_mm: Where each row reads the body (rows,) [mm].
        current: Tube current of each view and row over that of the protocol (views, rows).
    """

    materials: Volume
    box: tuple[slice, slice]
    protocol: Protocol
    projector: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    detector: Detector
    mixer: Mixer | None
    chance: Chance
    z_mm: NDArray[np.float64]
    current: NDArray[np.float32]


def lay(materials: Volume, protocol: Protocol, image_grid: Grid, chance: Chance, method: str) -> Bench:
    """Return a body laid on the table; arguments and errors as :func:`pancreasgen.scan.scan.scan`."""
    if materials.quantity is not Quantity.DENSITY or materials.data.shape[0] != len(BASIS):
        raise BadInputError(
            f"the scanner wants densities of {', '.join(BASIS)}, not {materials.quantity.value}",
            "CT numbers become densities with pancreasgen.scan.materials.from_hu",
        )
    grid, box = materials.grid, _body_box(materials)
    nx, ny = (len(range(*part.indices(n))) for part, n in zip(box, grid.shape, strict=False))
    centre = isocentre_mm(image_grid)
    whole = Plane.of(grid, centre)
    dx, dy = whole.spacing_mm
    # One empty pixel all round, so that the outermost pixels of the body end in nothing and not at a cliff.
    first = (whole.first_mm[0] + (box[0].start - 1) * dx, whole.first_mm[1] + (box[1].start - 1) * dy)
    plane = Plane((nx + 2, ny + 2), (dx, dy), first)
    rays = fan_geometry(protocol).rays()
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    projector = Tree.of(plane, rays).forward() if method == "fast" else lambda block: project_rays(block, plane, rays)
    detector = prepare_detector(protocol)
    mixer = Mixer.of(protocol, detector) if protocol.second_kvp else None
    count = num_rows(image_grid, protocol)
    z_mm = first_row_mm(image_grid, protocol) + np.arange(count, dtype=np.float64) * protocol.row_mm
    z_mm -= slab_shifts_mm(protocol, count, chance)
    current = tube_current(materials, protocol, z_mm)
    return Bench(materials, box, protocol, projector, detector, mixer, chance, z_mm, current)


def measure_rows(bench: Bench, rows: range) -> NDArray[np.float32]:
    """Return the water paths of up to 32 rows (views, bins, 32) [mm]; columns past ``len(rows)`` are padding."""
    part = slice(rows.start, rows.stop)
    taps = RowTaps.of(bench.z_mm[part], bench.materials.grid)
    lines = bench.projector(gather_rows(bench.materials.data, taps, BLOCK, bench.box))
    current = np.ascontiguousarray(bench.current[:, part])
    first = detect(lines, bench.protocol, bench.detector, bench.chance, rows, current)
    if bench.mixer is None:
        return first
    other = bench.mixer
    return other.mix(first, detect(lines, other.protocol, other.detector, bench.chance.sub("second"), rows, current))
