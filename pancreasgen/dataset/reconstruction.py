"""Which image is made of a sinogram: kernel, slices, pixels, region, as a user wishes them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pancreasgen.base.checks import checked_number
from pancreasgen.base.errors import UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.dataset.keys import of_group
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.ranges import RANGES
from pancreasgen.scan.scan import Sinogram

FOV_MM, MATRIX = (10.0, 700.0), (16, 2048)
_EXACT = 1e-6


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user asks of a reconstruction; None leaves it as it was scanned.

    Attributes:
        kernel: Name of a kernel.
        thickness_mm: Slice thickness [mm].
        increment_mm: Distance of slices [mm].
        fov_mm: Width of the square image [mm].
        matrix: Its pixels along x and y.
        centre_mm: Its middle (x, y) [mm].
        heights_mm: Lowest and highest z that a slice's middle may have [mm].
        reconstruction: ``fbp`` or ``iterative``.
        strength: Share of the noise that ``iterative`` takes away.
    """

    kernel: str | None = None
    thickness_mm: float | None = None
    increment_mm: float | None = None
    fov_mm: float | None = None
    matrix: int | None = None
    centre_mm: tuple[float, float] | None = None
    heights_mm: tuple[float, float] | None = None
    reconstruction: str | None = None
    strength: float | None = None


def planned(sinogram: Sinogram, grid: Grid | None, wish: Wish) -> tuple[Protocol, Grid]:
    """Return the protocol and the image grid that a wish means for a sinogram.

    Args:
        sinogram: The measurements.
        grid: Image that the sinogram was made for; None for that of its protocol about the isocentre.
        wish: What is asked for.

    Returns:
        The protocol with kernel, thickness and increment, and a grid whose slices lie on the sinogram's rows: the
        lowest slice as low as the rows allow, or the grid's own slices if nothing about slices is wished.

    Raises:
        UsageError: If a wish is outside its range, slices are no whole number of rows, no slice fits, or no pixel lies
            where rays went.
    """
    protocol = _protocol(sinogram.protocol, wish)
    shape, pixel, corner = _pixels(sinogram, grid, wish)
    _check_seen(sinogram, shape, pixel, corner)
    own_slices = grid is not None and (wish.thickness_mm, wish.increment_mm, wish.heights_mm) == (None, None, None)
    if grid is not None and own_slices:
        number, step, first = grid.shape[2], grid.spacing_mm[2], grid.origin_mm[2]
    else:
        step = protocol.slice_increment_mm
        number, first = _slices(sinogram, protocol, wish.heights_mm)
    return protocol, Grid((*shape, number), (*pixel, step), (*corner, first))


def _protocol(protocol: Protocol, wish: Wish) -> Protocol:
    changes: dict[str, float | str] = {}
    for field, option, value in (
        ("slice_thickness_mm", "--thickness", wish.thickness_mm),
        ("slice_increment_mm", "--increment", wish.increment_mm),
    ):
        if value is None:
            continue
        checked_number(option, value, *RANGES[field])
        rows = value / protocol.row_mm
        if round(rows) < 1 or abs(rows - round(rows)) > _EXACT * max(rows, 1.0):
            near = [max(1, math.floor(rows)), max(1, math.floor(rows)) + 1]
            nearest = " or ".join(f"{n * protocol.row_mm:g}" for n in near)
            raise UsageError(
                f"{option} must be a whole number of rows of {protocol.row_mm:g} mm, not {value:g} mm",
                f"the nearest are {nearest} mm",
            )
        changes[field] = value
    wished = (("kernel", wish.kernel), ("reconstruction", wish.reconstruction), ("strength", wish.strength))
    changes |= {field: value for field, value in wished if value is not None}
    if wish.strength is not None and changes.get("reconstruction", protocol.reconstruction) != "iterative":
        raise UsageError("--strength is for the iterative reconstruction", "add --reconstruction iterative")
    with of_group("protocol"):
        return replace(protocol, **changes)  # type: ignore[arg-type]  # each of its own kind


def _pixels(
    sinogram: Sinogram, grid: Grid | None, wish: Wish
) -> tuple[tuple[int, int], tuple[float, float], tuple[float, float]]:
    """Return pixels along x and y, their size [mm], and the middle of the first [mm]."""
    if grid is not None and (wish.fov_mm, wish.matrix, wish.centre_mm) == (None, None, None):
        return grid.shape[:2], grid.spacing_mm[:2], grid.origin_mm[:2]
    fov, matrix, centre = sinogram.protocol.fov_mm, sinogram.protocol.matrix, sinogram.isocentre_mm
    if grid is not None:
        sizes = [n * s for n, s in zip(grid.shape[:2], grid.spacing_mm[:2], strict=True)]
        fov, matrix = max(sizes), max(grid.shape[:2])
        x, y = (o + (n - 1) / 2.0 * s for o, n, s in zip(grid.origin_mm, grid.shape[:2], grid.spacing_mm, strict=False))
        centre = (x, y)
    fov = checked_number("--fov", fov if wish.fov_mm is None else wish.fov_mm, *FOV_MM, "mm")
    matrix = int(checked_number("--matrix", matrix if wish.matrix is None else wish.matrix, *MATRIX))
    centre = centre if wish.centre_mm is None else wish.centre_mm
    pixel = fov / matrix
    if pixel < 0.05:
        raise UsageError(
            f"pixels of {pixel:g} mm are too small", "0.05 mm is possible: a smaller --matrix, a larger --fov"
        )
    x, y = (c - (matrix - 1) / 2.0 * pixel for c in centre)
    return (matrix, matrix), (pixel, pixel), (x, y)


def _check_seen(
    sinogram: Sinogram, shape: tuple[int, int], pixel: tuple[float, float], corner: tuple[float, float]
) -> None:
    """Refuse an image of which no pixel lies in the circle that every view sees."""
    away = []
    for n, size, first, middle in zip(shape, pixel, corner, sinogram.isocentre_mm, strict=True):
        low, high = first - middle, first + (n - 1) * size - middle
        away.append(0.0 if low <= 0.0 <= high else min(abs(low), abs(high)))
    radius = sinogram.protocol.fan_fov_mm / 2.0
    if math.hypot(*away) > radius:
        x, y = sinogram.isocentre_mm
        raise UsageError(
            f"nothing of that image was measured: it begins {math.hypot(*away):.0f} mm from the axis of rotation",
            f"the scan saw {radius:g} mm about x = {x:g}, y = {y:g} mm; choose --centre and --fov there",
        )


def _slices(sinogram: Sinogram, protocol: Protocol, heights_mm: tuple[float, float] | None) -> tuple[int, float]:
    """Return the number of slices that rows were measured for, and z of the lowest [mm]."""
    row, rows = protocol.row_mm, sinogram.data.shape[2]
    if protocol.rows_per_slice > rows:
        raise UsageError(
            f"a slice of {protocol.slice_thickness_mm:g} mm needs {protocol.rows_per_slice} rows; {rows} were measured",
            f"--thickness may be up to {rows * row:g} mm",
        )
    lowest = sinogram.first_row_mm + (protocol.rows_per_slice - 1) / 2.0 * row
    skipped, last = 0, (rows - protocol.rows_per_slice) * row
    if heights_mm is not None:
        low, high = heights_mm
        if not low <= high:
            raise UsageError(f"--z wants the lower height first, not {low:g} {high:g}")
        skipped = max(math.ceil((low - lowest) / row - _EXACT), 0)
        last = min(last, high - lowest)
    first = lowest + skipped * row
    number = math.floor((last - skipped * row) / protocol.slice_increment_mm + _EXACT) + 1
    if number < 1:
        top = lowest + (rows - protocol.rows_per_slice) * row
        raise UsageError("no slice lies there", f"the middle of a slice may lie from z = {lowest:g} to {top:g} mm")
    return number, first
