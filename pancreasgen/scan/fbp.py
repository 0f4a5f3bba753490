"""Filtered backprojection of a whole stack of parallel or fan beams, with a plain window.

f = Σ_θ Δθ · (p_θ ∗ ramp · window) (x cos θ + y sin θ); Kak and Slaney, Principles of Computerized Tomographic Imaging,
1988, section 3.3. Scans of a protocol, with a kernel by its MTF and in HU, are made in pancreasgen.scan.reconstruct.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.backproject import backproject_views
from pancreasgen.scan.filtering import Filtering, Views
from pancreasgen.scan.geometry import ArcFan, Parallel
from pancreasgen.scan.operator import checked_array, num_threads, row_blocks
from pancreasgen.scan.project import BLOCK, Plane
from pancreasgen.scan.rebin import rebin

Array = NDArray[np.float32]
Window = Callable[[NDArray[np.float64]], NDArray[np.float64]]
WINDOWS: Mapping[str, Window] = {  # of the frequency, 1 at the highest that the samples carry
    "ram-lak": lambda f: np.ones_like(f),
    "shepp-logan": lambda f: np.sinc(f / 2.0),
    "cosine": lambda f: np.cos(0.5 * math.pi * f),
    "hann": lambda f: 0.5 + 0.5 * np.cos(math.pi * f),
}


def ramp_taps(num: int, step_mm: float, window: Window, highest: float = 0.5) -> NDArray[np.float64]:
    """Return the ramp filter with a window at lags 0 … num − 1 of samples, as a sum over samples wants it [1/mm].

    Args:
        num: Number of lags.
        step_mm: Distance of samples [mm].
        window: What passes, of the frequency over the highest.
        highest: Highest frequency that passes [1/sample], at most 0.5.

    >>> bool(abs(ramp_taps(64, 0.5, WINDOWS["ram-lak"])[0] - 1.0 / (4.0 * 0.5)) < 1e-3)
    True
    """
    size = 1 << max(17, (8 * num - 1).bit_length())  # a long period: the tails of the ramp must not fold back
    frequency = np.arange(size // 2 + 1) / size
    passed = np.where(frequency <= highest, window(np.minimum(frequency / highest, 1.0)), 0.0)
    taps: NDArray[np.float64] = np.fft.irfft(frequency / step_mm * passed, size)[:num]
    return taps


def _parallel(geometry: Parallel) -> Views:
    """Return where parallel views lie."""
    angles = geometry.angles_rad
    step = np.diff(angles)
    turns = abs(float(angles[-1] - angles[0])) / math.pi * angles.size / max(angles.size - 1, 1)
    if angles.size < 2 or not np.allclose(step, step[0], atol=1e-9) or abs(turns - max(round(turns), 1)) > 1e-6:
        raise BadInputError("parallel views must be evenly spaced over half a circle, or a whole number of them")
    first = (-(geometry.num_bins - 1) / 2.0 + geometry.shift_bins) * geometry.bin_mm
    return Views(angles, first, geometry.bin_mm / 2.0, 2 * geometry.num_bins)


def fbp(
    sinogram: Array, geometry: Parallel | ArcFan, grid: Grid, window: str = "ram-lak", threads: int | None = None
) -> Array:
    """Return the filtered backprojection of line integrals.

    Args:
        sinogram: Shape (views, bins, rows) [value × mm].
        geometry: Where they were measured: parallel views over half a circle or whole multiples, or a full or short
            scan of a fan.
        grid: Grid of the image; its slices are the rows of the geometry.
        window: One of WINDOWS, at the highest frequency that the bins carry.
        threads: Threads; None for all.

    Returns:
        Shape ``grid.shape``, float32 [value].

    Raises:
        UsageError: If the window is unknown.
        BadInputError: If shapes do not fit, the views are not a scan, or slices are not rows.
    """
    if window not in WINDOWS:
        raise unknown_name("window", window, list(WINDOWS))
    data = checked_array(sinogram, geometry.shape, "the sinogram")[0]
    z_mm = geometry.first_row_mm + np.arange(geometry.num_rows) * geometry.row_mm
    if grid.shape[2] != z_mm.size or not np.allclose(grid.axis_mm(2), z_mm, atol=1e-3):
        raise BadInputError("the slices of the image must be the rows of the sinogram, one each")
    plane = Plane.of(grid, geometry.isocentre_mm)
    out = np.empty(grid.shape, dtype=np.float32)
    with num_threads(threads):
        for rows in row_blocks(geometry.num_rows):
            block = np.zeros((*geometry.shape[:2], BLOCK), dtype=np.float32)
            block[..., : len(rows)] = data[..., rows.start : rows.stop]
            image = _slices(block, geometry, plane, WINDOWS[window])
            out[..., rows.start : rows.stop] = image.transpose(1, 0, 2)[..., : len(rows)]
    return out


def _slices(block: Array, geometry: Parallel | ArcFan, plane: Plane, window: Window) -> Array:
    """Return the slices (ny, nx, 32) of a block (views, bins, 32)."""
    if isinstance(geometry, Parallel):
        views = _parallel(geometry)
        taps = ramp_taps(geometry.num_bins, geometry.bin_mm, window) * (math.pi / views.angles_rad.size)
        return backproject_views(block, views, plane, Filtering(taps))
    parallel, views = rebin(block, geometry)
    taps = ramp_taps(views.num, views.step_mm, window, 0.25) * (math.pi / views.angles_rad.size)
    return backproject_views(parallel, views, plane, Filtering(taps))
