"""White noise that is keyed by place, and the filters that make a scan's noise and sharpness of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.scan.filtering import interpolation_taps
from pancreasgen.scan.project import fan_geometry
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.rebin import ANGLE_TAPS, plan_rebinning
from pancreasgen.scan.reconstruct import detector_mtf, parallel_filtering
from pancreasgen.scan.shear import refining_taps

Array = NDArray[np.float32]
_REACH_MM, _REACH = 12.5, (16, 60)  # how far noise and blur reach, and the pixels that this may be
_TABLE = 128  # pixels of the tables of kernels


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """Transfer functions on the half plane of a real transform. Their kernels end, so a crop is a part of the whole.

    Attributes:
        size: Pixels of the transform along x and y.
        reach: Pixels after which the kernels end.
        blur: What the scanner leaves of the body.
        noise: Noise for an amplitude of 1 mm from everywhere; the same times cos 2φ, sin 2φ, cos 4φ, sin 4φ (5, …)
            [HU/mm].
    """

    size: tuple[int, int]
    reach: int
    blur: Array
    noise: Array


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What interpolation between views leaves of noise, 0, 1, 2 … mm along the ray from where it passes the axis.

    Attributes:
        tables: Share of the variance; factors of the noise, of the mean of the four pixels next to it and of the four
            after next, which together fall with frequency as the noise does, power left as it is (4, mm), float32.
        gram: Power of the products of these three (3, 3), float32.
    """

    tables: Array
    gram: Array


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """What a protocol's kernel does, at frequencies 0 … 1/bin.

    Attributes:
        frequency: [1/mm].
        mtf: Of the whole scanner.
        nps: Noise power of readings whose variance is 1 mm² [HU² mm²], cross-talk in it.
        kept: What is left of it far from the middle, where rays between two views are interpolated.
        floor: Variance by electronic noise over that by as much quantum noise: it is not blurred by cross-talk.
    """

    frequency: NDArray[np.float64]
    mtf: NDArray[np.float64]
    nps: NDArray[np.float64]
    kept: Kept
    floor: float


@lru_cache(maxsize=32)
def spectra(protocol: Protocol, pixel_mm: float) -> Spectra:
    """Return the sharpness and the noise of a protocol's kernel, from the taps with which views are filtered.

    Readings of variance V, apart by s, filtered with H and summed over N views of half a circle give the noise power
    NPS(f) = N/π · V s |H(f)|² / f (Kak and Slaney, 1988, section 5.2; Riederer et al., Phys Med Biol 23:446, 1978).
    """
    plan = plan_rebinning(fan_geometry(protocol))
    views, step = plan.views.angles_rad.size, plan.views.step_mm
    taps = parallel_filtering(protocol, pixel_mm, plan.views.num, views).taps
    size = 1 << 14
    both = np.zeros(size)
    both[: taps.size], both[-taps.size + 1 :] = taps, taps[:0:-1]
    response = np.fft.rfft(both).real
    frequency = np.arange(response.size) / (size * step)
    safe = np.maximum(frequency, frequency[1])
    mtf = response / safe * (views / (1000.0 * math.pi)) * detector_mtf(protocol, frequency)
    mtf[0] = 1.0
    white = views / math.pi * step * response**2 / safe
    cosine = np.cos(2.0 * np.pi * frequency * 2.0 * step)
    light = (1.0 - 2.0 * protocol.crosstalk * (1.0 - cosine)) ** 2
    power = frequency * white * light
    turn = float(abs(fan_geometry(protocol).angles_rad[1] - fan_geometry(protocol).angles_rad[0]))
    kept = _kept((frequency, power), turn, protocol.fan_fov_mm / 2.0, pixel_mm)
    return Spectra(frequency, mtf, white * light, kept, float((frequency * white).sum() / power.sum()))


def _kept(
    known: tuple[NDArray[np.float64], NDArray[np.float64]], turn_rad: float, reach_mm: float, pixel: float
) -> Kept:
    """Return what interpolation between views leaves of noise.

    A wave of frequency f across the ray passes f · t cycles from view to view, per radian, at t along the ray.
    """
    step = max(1, known[0].size // 512)
    frequency, power = known[0][::step], known[1][::step] / known[1][::step].sum()
    table = interpolation_taps(ANGLE_TAPS).astype(np.float64)
    cycles = np.arange(0.0, 0.51, 0.01)
    passed = (np.abs(table @ np.exp(2j * np.pi * cycles[:, None] * np.arange(ANGLE_TAPS)).T) ** 2).mean(axis=0)
    place = frequency * np.arange(math.ceil(reach_mm) + 1.0)[:, None] * turn_rad
    shares = np.interp(np.abs(place - np.round(place)), cycles, passed)
    rings = scipy.special.j0(2.0 * math.pi * frequency * pixel * np.arange(3)[:, None])  # of 1, 4 and 4 pixels
    gram = (rings * power) @ rings.T
    shape = np.linalg.solve(gram, (rings * power) @ np.sqrt(shares).T)
    shape /= np.sqrt(np.einsum("it,ij,jt->t", shape, gram, shape))
    tables = np.concatenate([(shares * power).sum(axis=1)[None], shape])
    return Kept(lock(tables.astype(np.float32)), lock(gram.astype(np.float32)))


def _projected(x: NDArray[np.float64], y: NDArray[np.float64], pixel_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Return what the projector leaves of a wave of pixels: columns are refined, and interpolated linearly three times.

    The columns run along the axis to which the wave is nearer.
    """
    cycles = np.maximum(np.abs(x) * pixel_mm[0], np.abs(y) * pixel_mm[1])
    on, between = refining_taps().astype(np.float64)
    lag = np.arange(on.size) - on.size // 2
    refined = sum(
        0.5 * weight * np.cos(2.0 * np.pi * cycles * place)
        for taps, shift in ((on, 0.0), (between, 0.5))
        for weight, place in zip(taps, lag - shift, strict=True)
    )
    return np.asarray(refined * np.sinc(cycles / 2.0) ** 6)


def reach_pixels(pixel_mm: tuple[float, float]) -> int:
    """Return the pixels after which noise and blur end.

    >>> reach_pixels((0.8, 0.8)), reach_pixels((0.5, 0.5))
    (16, 25)
    """
    return min(max(round(_REACH_MM / min(pixel_mm)), _REACH[0]), _REACH[1])


def _ended(transfer: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return the kernel (x, y) of a real even transfer function, faded out."""
    kernel = np.fft.ifft2(transfer).real
    places = [np.minimum(np.arange(n), n - np.arange(n)) for n in kernel.shape]
    far = np.hypot(places[0][:, None], places[1][None])
    fade = np.clip(2.0 * far / reach - 1.0, 0.0, 1.0)
    result: NDArray[np.float64] = kernel * np.cos(0.5 * np.pi * fade) ** 2
    return result


@lru_cache(maxsize=32)
def make_filters(known: Spectra, pixel_mm: tuple[float, float], pixels: tuple[int, int]) -> Filters:
    """Return the filters for planes of so many pixels and a margin as wide as the filters reach.

    The image is sampled at its pixels, so what is finer folds back: neighbours of the band are summed.
    """
    fx, fy = (np.fft.fftfreq(_TABLE, distance).astype(np.float64) for distance in pixel_mm)
    blur, power = np.zeros((2, _TABLE, _TABLE))
    waves = np.zeros((2, _TABLE, _TABLE), dtype=complex)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            x, y = (fx + i / pixel_mm[0])[:, None], (fy + j / pixel_mm[1])[None]
            sharp = np.interp(np.hypot(x, y), known.frequency, known.mtf, right=0.0)
            blur += sharp * _projected(x, y, pixel_mm)
            here = np.interp(np.hypot(x, y), known.frequency, known.nps, right=0.0)
            power += here
            turn = np.arctan2(y, x)
            waves += here * np.exp(1j * np.stack([2.0 * turn, 4.0 * turn]))
    amplitude = np.sqrt(power / (pixel_mm[0] * pixel_mm[1]))  # white noise has the power of a pixel's area
    two, four = amplitude * waves / np.maximum(power, 1e-30)
    reach = reach_pixels(pixel_mm)
    size = (transform_size(pixels[0], reach), transform_size(pixels[1], reach))
    kernels = [_ended(part, reach) for part in (blur, amplitude, two.real, two.imag, four.real, four.imag)]
    kernels[0] *= blur[0, 0] / kernels[0].sum()  # what the fading took
    power_kept = math.sqrt((amplitude**2).mean() / (kernels[1] ** 2).sum())
    transfers = [_transformed(kernel, reach, size) for kernel in kernels]
    return Filters(size, reach, lock(transfers[0]), lock(np.stack(transfers[1:]) * np.float32(power_kept)))


def _transformed(kernel: NDArray[np.float64], reach: int, size: tuple[int, int]) -> Array:
    """Return the transfer function of a kernel for a transform of another size."""
    place, wide = np.arange(-reach, reach + 1), np.zeros(size)
    wide[np.ix_(place % size[0], place % size[1])] = kernel[np.ix_(place % _TABLE, place % _TABLE)]
    return np.fft.rfft2(wide).real.astype(np.float32)


def transform_size(pixels: int, reach: int) -> int:
    """Return a size for which a transform is quick, with a margin on both sides.

    >>> transform_size(512, 16)
    576
    """
    return int(scipy.fft.next_fast_len(pixels + 2 * reach, real=True))
