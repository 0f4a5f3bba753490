"""Filtered backprojection of a circular cone-beam scan on an arc detector, full or short.

f = Σ_β Δβ D / L² · Q_β(γ, v), where Q is p cos γ cos κ, κ the tilt of the ray, convolved along the arc with the filter
of a fan beam. Feldkamp, Davis and Kress, J Opt Soc Am A 1:612 (1984), for an arc as in Kak and Slaney, Principles of
Computerized Tomographic Imaging, 1988, sections 3.4.1 and 3.6. Exact in the plane of the focus; above and below it the
density falls, the more the wider the cone.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.columns import WANDER, fill_columns
from pancreasgen.scan.fbp import WINDOWS, Window, ramp_taps
from pancreasgen.scan.geometry import ArcCone
from pancreasgen.scan.operator import checked_array, num_threads
from pancreasgen.scan.project import Plane
from pancreasgen.scan.rebin import parker_weights
from pancreasgen.scan.slant import ROWS, STEPS

Array = NDArray[np.float32]
_CHUNK = 32  # views that are filtered and backprojected at a time
_PER_TASK = 4


def filter_lines(out: Array, lines: Array, half_filter: NDArray[np.float64], pad: int) -> None:
    """Fill out (views, 2 · bins, rows + 2 · pad) with filtered views (views, bins, rows), at half the bins' distance.

    Args:
        out: What is filled; its empty cells at both ends stay.
        lines: What is filtered.
        half_filter: The filter at lags −2·bins … 2·bins of half bins; it is even.
        pad: Empty cells at each end of the rows.
    """
    num_views, bins, rows = lines.shape
    length = scipy.fft.next_fast_len(2 * bins, real=True)
    spectra = []
    for shift in (0, 1):  # output bin k + shift/2 sees input bin n through the lag 2 (k − n) + shift half-bins
        lags = np.zeros(length)
        lags[:bins] = half_filter[2 * bins + shift : 4 * bins : 2]
        lags[-bins + 1 :] = half_filter[2 + shift : 2 * bins : 2]
        spectra.append(scipy.fft.rfft(lags).astype(np.complex64)[None, :, None])

    def work(first: int) -> None:
        part = slice(first, first + _PER_TASK)
        transform = scipy.fft.rfft(lines[part], length, axis=1)
        for shift, spectrum in enumerate(spectra):
            mine = slice(first, first + transform.shape[0])
            out[mine, shift::2, pad : pad + rows] = scipy.fft.irfft(transform * spectrum, length, axis=1)[:, :bins]

    # Threads over fixed chunks, not scipy's workers: those split lines so that rounding depends on their number.
    with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
        list(pool.map(work, range(0, num_views, _PER_TASK)))


def even_filter(taps: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return a filter's lags −2·bins … 2·bins from its lags 0 … 2·bins.

    >>> even_filter(np.array([3.0, 2.0, 1.0]), 1).tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    return np.concatenate([taps[2 * bins : 0 : -1], taps[: 2 * bins + 1]])


def field_mm(geometry: ArcCone) -> float:
    """Return the radius of the circle that every view sees whole, between the middles of its outermost bins [mm]."""
    places = geometry.rays().offset_mm
    return max(min(-float(places.min()), float(places.max())), 0.0)


def summed_views(geometry: ArcCone, grid: Grid, step_rad: float) -> int:
    """Return how many views may be summed before they are read (1, 2, 4 or 8); see pancreasgen.scan.columns."""
    reach = _reach_mm(geometry, grid)
    wander = ROWS / 2 * grid.spacing_mm[2] / geometry.row_mm * step_rad * reach / geometry.source_to_isocentre_mm
    return max(n for n in (1, 2, 4, STEPS) if n == 1 or wander * (n - 1) / 2 <= WANDER)


def _reach_mm(geometry: ArcCone, grid: Grid) -> float:
    """Return how far from the axis columns are reconstructed [mm]."""
    plane = Plane.of(grid, geometry.isocentre_mm)
    sides = zip(plane.first_mm, plane.shape, plane.spacing_mm, strict=True)
    corner = math.hypot(*(max(abs(first), abs(first + (n - 1) * step)) for first, n, step in sides))
    return min(corner, field_mm(geometry))


def empty_cells(geometry: ArcCone, grid: Grid) -> int:
    """Return how many empty cells the rows of a view need at each end, so that 32 voxels may be read anywhere."""
    distance = geometry.source_to_isocentre_mm
    magnified = distance / (distance - _reach_mm(geometry, grid))
    return math.ceil((ROWS - 1) * grid.spacing_mm[2] / geometry.row_mm * magnified) + 6


def _circle(geometry: ArcCone) -> tuple[Array, float]:
    """Return the weight of each ray (views, bins), and the distance of views [rad].

    Raises:
        BadInputError: If the scan is no full or short circle in one plane.
    """
    beta, gamma = geometry.angles_rad, geometry.rays().bin_rad
    if np.ptp(geometry.source_z_mm) > 1e-6:
        raise BadInputError("the focus must stay in one plane", "use helical() for a scan whose table moves")
    if beta.size < 2 or not np.allclose(np.diff(beta), beta[1] - beta[0], atol=1e-9) or beta[1] <= beta[0]:
        raise BadInputError("the views of a cone beam must be evenly spaced, in rising order")
    step, widest = float(beta[1] - beta[0]), float(np.abs(gamma).max())
    if abs(step * beta.size - 2.0 * math.pi) < 1e-6:
        return np.ones((beta.size, gamma.size), dtype=np.float32), step
    span = step * (beta.size - 1)
    if not math.pi + 2.0 * widest <= span <= 2.0 * math.pi:
        need = math.degrees(math.pi + 2.0 * widest)
        raise BadInputError(
            f"the views cover {math.degrees(span):.1f}°; this fan needs {need:.1f}° (short scan) to 360°",
            "measure more views, or use a narrower fan",
        )
    return 2.0 * parker_weights(beta - beta[0], gamma, 0.5 * (span - math.pi)), step


def _seen(grid: Grid, geometry: ArcCone) -> NDArray[np.bool_]:
    """Return the voxels that every view of a full circle sees, between the middles of its outermost rows and bins."""
    distance = geometry.source_to_isocentre_mm
    x, y, z = grid.mesh_mm()
    radius = np.hypot(x - geometry.isocentre_mm[0], y - geometry.isocentre_mm[1])
    inside = radius <= field_mm(geometry)
    height = geometry.row_offsets_mm()[-1] * (distance - radius) / distance
    seen: NDArray[np.bool_] = inside & (np.abs(z - geometry.source_z_mm[0]) <= height + 1e-6)
    return seen


def fdk(
    sinogram: Array,
    geometry: ArcCone,
    grid: Grid,
    window: str | Window = "ram-lak",
    highest: float = 0.25,
    threads: int | None = None,
) -> Array:
    """Return the reconstruction of a circular cone-beam scan.

    Args:
        sinogram: Line integrals (views, bins, rows) [value × mm].
        geometry: Where they were measured: a full circle, or a short scan of at least 180° and the fan.
        grid: Grid of the image.
        window: One of pancreasgen.scan.fbp.WINDOWS, or a function of the frequency over the highest.
        highest: Highest frequency that passes [per half bin]: 0.25 is what the bins carry; up to 0.5 if the arc is
            shifted by a quarter bin and the circle is full, so that opposite views interleave.
        threads: Threads; None for all.

    Returns:
        Shape ``grid.shape``, float32 [value]. Voxels that not every view of a full circle sees are 0.

    Raises:
        UsageError: If the window is unknown.
        BadInputError: If shapes do not fit, a value is not finite, or the views are no full or short scan.

    >>> geometry = ArcCone(np.arange(8) * math.pi / 4, np.zeros(8), 9, 0.01, 0.0, 3, 1.0, 500.0, (0.0, 0.0))
    >>> grid = Grid.centred((3, 3, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    >>> fdk(np.zeros(geometry.shape, dtype=np.float32), geometry, grid).shape
    (3, 3, 1)
    """
    if isinstance(window, str) and window not in WINDOWS:
        raise unknown_name("window", window, list(WINDOWS))
    data = checked_array(sinogram, geometry.shape, "the sinogram")[0]
    weight, step = _circle(geometry)
    rays, bins, half = geometry.rays(), geometry.num_bins, geometry.bin_angle_rad / 2.0
    shape = WINDOWS[window] if isinstance(window, str) else window
    lag = np.arange(2 * bins + 1) * half
    stretch = np.divide(lag, np.sin(lag), out=np.ones_like(lag), where=lag > 0.0) ** 2
    half_filter = even_filter(ramp_taps(2 * bins + 1, half, shape, highest) * stretch, bins)
    tilt = np.cos(np.arctan(geometry.row_offsets_mm() / geometry.source_to_isocentre_mm)).astype(np.float32)
    weight = weight * (np.cos(rays.bin_rad) * geometry.source_to_isocentre_mm * step)[None].astype(np.float32)
    with num_threads(threads):
        image = _backproject(data, geometry, grid, (weight, tilt, half_filter), step)
    image[~_seen(grid, geometry)] = 0.0
    return image


def _backproject(
    data: Array,
    geometry: ArcCone,
    grid: Grid,
    weights: tuple[Array, Array, NDArray[np.float64]],
    step: float,
) -> Array:
    """Return the sum of all views, filtered. weights: of view and bin, of row, filter."""
    weight, tilt, half_filter = weights
    (nx, ny, nz), bins, rows = grid.shape, geometry.num_bins, geometry.num_rows
    plane, pad = Plane.of(grid, geometry.isocentre_mm), empty_cells(geometry, grid)
    image = np.zeros((nx, ny, -(-nz // ROWS) * ROWS), dtype=np.float32)
    lines = np.zeros((_CHUNK, 2 * bins, rows + 2 * pad), dtype=np.float32)
    bin_rad = geometry.rays().bin_rad
    scan = (geometry.source_to_isocentre_mm, float(bin_rad[0]), geometry.bin_angle_rad / 2.0, 0.0)
    line = (2 * bins, rows + 2 * pad, False, 1.0 / geometry.row_mm, (rows - 1) / 2.0)
    depth = (grid.origin_mm[2], grid.spacing_mm[2], nz, rows, pad)
    plan = (
        (nx, ny, *plane.numbers(), field_mm(geometry)),
        scan,
        line,
        depth,
        (summed_views(geometry, grid, step), False),
    )
    beta = geometry.angles_rad
    views = np.stack([np.sin(beta), np.cos(beta), geometry.source_z_mm, np.ones_like(beta)], axis=1)
    table, nothing = np.ones(rows, dtype=np.float32), np.zeros(1, dtype=np.float32)
    for first in range(0, beta.size, _CHUNK):
        part = slice(first, first + _CHUNK)
        weighted = data[part] * weight[part, :, None] * tilt
        filter_lines(lines, weighted, half_filter, pad)
        fill_columns(image.reshape(-1), nothing, lines.reshape(-1), views[None, part], table, *plan)
    return image[..., :nz]
