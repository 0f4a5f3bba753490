"""Filtered backprojection of a block of slices from a fan beam with an arc detector, with a kernel by its MTF.

The fast way makes parallel views of the fan's (pancreasgen.scan.rebin) and takes them through a tree
(pancreasgen.scan.backproject). The direct way is its plain twin and stays in the fan:
f(x, y) = Δβ Σ_β D/L² · Q_β(γ), where Q is R cos γ convolved with g(γ) = ½ (γ / sin γ)² h(γ), h the ramp with the
kernel's window (Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, section 3.4.1). Because the
arc is shifted by a quarter bin, Q is made at half-bin distance and carries frequencies up to almost 1/bin; at 1/bin
itself sits the first replica of the sampled body's mean, a thousand times any detail, which must not pass.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import scipy.fft
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.checks import unknown_name
from pancreasgen.scan.backproject import backproject_views
from pancreasgen.scan.detect import aperture_tap
from pancreasgen.scan.fast import fma
from pancreasgen.scan.fbp import ramp_taps
from pancreasgen.scan.filtering import Filtering
from pancreasgen.scan.kernels import carried_mtf, finest_mtf10, kernel_mtf, pass_band
from pancreasgen.scan.operator import METHODS
from pancreasgen.scan.project import BLOCK, Image, Plane, fan_geometry
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.rebin import rebin

_ROWS = np.uint64(BLOCK)
_BAND = 8  # image rows that share a view's projection in the cache
_VIEWS_PER_FFT = 24
OUTSIDE_HU = -1000.0
_COLUMN = 0.3  # width of the tree's columns, at most, over the wavelength at which a kernel's MTF is 0.1
# atan(t) = t · P(t²), |t| < 1.3: half a fan of at most 52°; errs by less than 1e-7 rad, a thousandth of a bin.
_SQUARES = 0.845 * (1.0 - np.cos(np.pi * (np.arange(64) + 0.5) / 64))
_ATAN = tuple(
    float(c) for c in np.polynomial.polynomial.polyfit(_SQUARES, np.arctan(np.sqrt(_SQUARES)) / np.sqrt(_SQUARES), 10)
)


def detector_mtf(protocol: Protocol, frequency_per_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the detector blurs: the kernel undoes it."""
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    cosine = np.cos(2.0 * np.pi * frequency_per_mm * bin_mm)
    aperture, crosstalk = aperture_tap(protocol), protocol.crosstalk
    blur: NDArray[np.float64] = (1.0 - 2.0 * aperture * (1.0 - cosine)) * (1.0 - 2.0 * crosstalk * (1.0 - cosine))
    return blur


def system_mtf(protocol: Protocol, frequency_per_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the detector and the interpolation of the direct backprojection blur."""
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    return detector_mtf(protocol, frequency_per_mm) * np.sinc(frequency_per_mm * bin_mm / 2.0) ** 2


def fan_filter(protocol: Protocol, pixel_mm: float) -> NDArray[np.float64]:
    """Return the filter g at half-bin distance (shape (4·bins + 1,), middle at 2·bins) [1/rad²].

    MTF10 is held to what bins and pixels carry (pancreasgen.scan.kernels); near 1/bin, where the bins repeat the
    spectrum, nothing passes.
    """
    half_bin, distance = protocol.bin_angle_rad / 2.0, protocol.source_to_isocentre_mm
    size = 1 << 17  # a long period: the tails of the ramp, 1/γ², must not fold back
    frequency = np.arange(size // 2 + 1, dtype=np.float64) / (size * half_bin)  # 1/rad
    per_mm = frequency / distance
    limit = finest_mtf10(protocol.bin_angle_rad * distance, pixel_mm)
    window = kernel_mtf(protocol.kernel, per_mm, limit) / system_mtf(protocol, per_mm)
    window *= pass_band(frequency * protocol.bin_angle_rad)
    ramp = np.fft.irfft(frequency * window, size) / half_bin
    reach = 2 * protocol.num_bins
    index = np.arange(-reach, reach + 1)
    angle = np.where(index == 0, 1.0, index * half_bin)
    stretch = np.where(index == 0, 1.0, (angle / np.sin(angle)) ** 2)
    result: NDArray[np.float64] = 0.5 * stretch * ramp[index]
    return result


def filter_views(sinogram: NDArray[np.float32], protocol: Protocol, pixel_mm: float) -> NDArray[np.float32]:
    """Return the filtered views at half-bin distance, shape (views, 2·bins, 32) [mm/rad].

    Args:
        sinogram: Path of water (views, bins, 32) [mm].
        protocol: Geometry and kernel.
        pixel_mm: Width of the image's pixels [mm].
    """
    num_views, num_bins, rows = sinogram.shape
    half_filter = fan_filter(protocol, pixel_mm) * protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    length = scipy.fft.next_fast_len(2 * num_bins, real=True)
    spectra = []
    for shift in (0, 1):  # output bin k + shift/2 sees input bin n through the lag 2 (k − n) + shift half-bins
        lags = np.zeros(length)
        lags[:num_bins] = half_filter[2 * num_bins + shift : 4 * num_bins : 2]
        lags[-num_bins + 1 :] = half_filter[2 + shift : 2 * num_bins : 2]
        spectra.append(scipy.fft.rfft(lags).astype(np.complex64)[None, :, None])
    weight = np.cos(protocol.bin_angles_rad()).astype(np.float32)[None, :, None]
    out = np.empty((num_views, 2 * num_bins, rows), dtype=np.float32)

    def work(first: int) -> None:
        part = slice(first, first + _VIEWS_PER_FFT)
        transform = scipy.fft.rfft(sinogram[part] * weight, length, axis=1)
        for shift, spectrum in enumerate(spectra):
            out[part, shift::2] = scipy.fft.irfft(transform * spectrum, length, axis=1)[:, :num_bins]

    # Threads over fixed chunks, not scipy's workers: those split lines so that rounding depends on their number.
    with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
        list(pool.map(work, range(0, num_views, _VIEWS_PER_FFT)))
    return out


@njit(cache=True, inline="always")
def _sample(px: Any, py: Any, sine: Any, cosine: Any, distance: Any, per_rad: Any, middle: Any, last: Any) -> Any:
    """Return the tap and the two weights with which a pixel reads a view."""
    along = px * sine - py * cosine + distance
    across = px * cosine + py * sine
    t = across / along
    s = t * t
    angle = _ATAN[10]
    for c in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0):
        angle = fma(angle, s, _ATAN[c])
    place = min(max(angle * t * per_rad + middle, 0.0), last)
    first = min(int(place), int(last) - 1)
    part = place - first
    weight = 1.0 / (along * along + across * across)
    return np.uint64(first), np.float32(weight * (1.0 - part)), np.float32(weight * part)


@njit(cache=True, parallel=True)
def _backproject(image: Any, views: Any, shape: Any, numbers: Any, angles: Any, geometry: Any) -> None:
    """Add all views (view, half-bin, row; flat) to the image (y, x, row; flat) inside the fan's circle."""
    ny, nx, num_fine = shape
    x0, y0, dx, dy = numbers
    distance, per_rad, middle, radius = geometry
    last = float(num_fine - 1)
    stride = np.uint64(BLOCK)
    view_stride = np.uint64(num_fine * BLOCK)
    sines, cosines = np.sin(angles), np.cos(angles)
    for band in prange((ny + _BAND - 1) // _BAND):
        for v in range(0, angles.size, 2):
            v1 = min(v + 1, angles.size - 1)
            again = np.float32(1.0) if v1 > v else np.float32(0.0)
            base0, base1 = np.uint64(v) * view_stride, np.uint64(v1) * view_stride
            for j in range(band * _BAND, min((band + 1) * _BAND, ny)):
                py = y0 + j * dy
                for i in range(nx):
                    px = x0 + i * dx
                    if px * px + py * py > radius * radius:
                        continue
                    k0, a0, b0 = _sample(px, py, sines[v], cosines[v], distance, per_rad, middle, last)
                    k1, a1, b1 = _sample(px, py, sines[v1], cosines[v1], distance, per_rad, middle, last)
                    a1, b1 = a1 * again, b1 * again
                    o0, o1 = base0 + k0 * stride, base1 + k1 * stride
                    to = np.uint64((j * nx + i) * BLOCK)
                    for z in range(_ROWS):
                        one = fma(b0, views[o0 + stride + z], a0 * views[o0 + z])
                        other = fma(b1, views[o1 + stride + z], a1 * views[o1 + z])
                        image[to + z] += one + other


def _reconstruct_directly(sinogram: Image, plane: Plane, protocol: Protocol) -> Image:
    nx, ny = plane.shape
    views = filter_views(sinogram, protocol, max(plane.spacing_mm))
    angles = protocol.view_angles_rad()
    image = np.zeros((ny, nx, BLOCK), dtype=np.float32)
    per_rad = 2.0 / protocol.bin_angle_rad
    middle = -protocol.bin_angles_rad()[0] * per_rad
    geometry = (protocol.source_to_isocentre_mm, per_rad, middle, protocol.fan_fov_mm / 2.0)
    _backproject(image.reshape(-1), views.reshape(-1), (ny, nx, views.shape[1]), plane.numbers(), angles, geometry)
    image *= np.float32(1000.0 * 2.0 * math.pi / angles.size)
    return image


def parallel_filtering(protocol: Protocol, pixel_mm: float, samples: int, num_views: int) -> Filtering:
    """Return the filter of a protocol's kernel for parallel views at half-bin distance [1000/mm].

    As :func:`fan_filter`, but for what the backprojection blurs, which it undoes itself. Its columns are so fine that
    it has to undo little.
    """
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    limit = finest_mtf10(bin_mm, pixel_mm)

    def window(frequency_bins: NDArray[np.float64]) -> NDArray[np.float64]:
        per_mm = frequency_bins / bin_mm
        wanted = kernel_mtf(protocol.kernel, per_mm, limit) / detector_mtf(protocol, per_mm)
        return wanted * pass_band(frequency_bins)

    taps = ramp_taps(samples, bin_mm / 2.0, window) * (1000.0 * math.pi / num_views)
    finest = carried_mtf(protocol.kernel, limit)[1]
    up = min(max(math.ceil(finest * pixel_mm / _COLUMN), 1), 4)
    return Filtering(taps, up, undo=True)


def reconstruct(sinogram: Image, plane: Plane, protocol: Protocol, method: str = "fast") -> Image:
    """Return the slices of a block.

    Args:
        sinogram: Path of water, shape (views, bins, 32): one column a slice [mm].
        plane: Pixels of the image about the isocentre.
        protocol: Geometry and kernel.
        method: ``fast``: rebinning to parallel views and multilevel shear-and-sum; ``direct``: every pixel reads every
            view of the fan.

    Returns:
        Shape (ny, nx, 32), float32: HU, water 0 and air −1000. Pixels outside the circle that every view sees whole
        (``fan_fov_mm``) were not measured and are −1000.

    Raises:
        UsageError: If the method is unknown.
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if method == "direct":
        image = _reconstruct_directly(sinogram, plane, protocol)
    else:
        fan = fan_geometry(protocol)
        parallel, views = rebin(sinogram, fan)
        filtering = parallel_filtering(protocol, max(plane.spacing_mm), views.num, views.angles_rad.size)
        image = backproject_views(parallel, views, plane, filtering)
        x = plane.first_mm[0] + np.arange(plane.shape[0]) * plane.spacing_mm[0]
        y = plane.first_mm[1] + np.arange(plane.shape[1]) * plane.spacing_mm[1]
        image[x[None] ** 2 + y[:, None] ** 2 > (protocol.fan_fov_mm / 2.0) ** 2] = 0.0
    image += np.float32(OUTSIDE_HU)
    return image
