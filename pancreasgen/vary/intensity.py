"""What changes the numbers of an image and moves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.vary.invariance import stream_of

Field = NDArray[np.float32]
SALT_HU, PEPPER_HU = 3071.0, -1024.0
"""Ends of the 12-bit scale of CT images."""
_SOFT_HU = (-150.0, 250.0)
_PATCH_MM = 5.0
_QUIET = 0.1


def change_intensity(image: Volume, record: Mapping[str, Any]) -> Volume:
    """Return an image of HU with one record applied to its numbers; a neutral record changes no bit.

    >>> from pancreasgen.base.grid import Grid
    >>> image = Volume(np.float32([[[40.0, 60.0]]]), Grid((1, 1, 2), (1, 1, 1), (0, 0, 0)), Quantity.HU)
    >>> change_intensity(image, {"name": "contrast", "factor": 0.5, "pivot_hu": 40.0}).data.ravel().tolist()
    [40.0, 50.0]
    """
    return Volume(_CHANGES[record["name"]](image, record), image.grid, Quantity.HU)


def _blur(image: Volume, record: Mapping[str, Any]) -> Field:
    """A Gaussian within the slices, as a softer kernel."""
    if record["sigma_mm"] == 0.0:
        return image.data
    sigmas = [record["sigma_mm"] / spacing for spacing in image.grid.spacing_mm[:2]]
    return np.asarray(ndimage.gaussian_filter(image.data, (*sigmas, 0.0), mode="nearest"))


def _contrast(image: Volume, record: Mapping[str, Any]) -> Field:
    if record["factor"] == 1.0:
        return image.data
    pivot = np.float32(record["pivot_hu"])
    return np.asarray((image.data - pivot) * np.float32(record["factor"]) + pivot)


def _luminosity(image: Volume, record: Mapping[str, Any]) -> Field:
    return np.asarray(image.data + np.float32(record["shift_hu"]))


def _gamma(image: Volume, record: Mapping[str, Any]) -> Field:
    """A power within a window: its ends stay, so the curve is continuous and rises everywhere."""
    low, high = record["low_hu"], record["high_hu"]
    if low >= high:
        raise BadInputError(f"gamma wants low_hu below high_hu, not {low:g} and {high:g}")
    if record["exponent"] == 1.0:
        return image.data
    within = (image.data > low) & (image.data < high)
    out = image.data.copy()
    shares = (out[within].astype(np.float64) - low) / (high - low)
    out[within] = low + (high - low) * shares ** record["exponent"]
    return out


def _noise(image: Volume, record: Mapping[str, Any]) -> Field:
    """The noise that a lower dose adds: variance σ²(1/dose − 1), its spectrum rising from 0 and ending as a kernel's.

    With the tens of thousands of photons of a CT's ray, Poisson's law is Gauss's; backprojection makes it so anyway.
    """
    if record["dose"] == 1.0:
        return image.data
    sigma = record["sigma_hu"] or noise_hu(image)
    generator = stream_of(record).generator()
    shape = image.grid.shape[:2]
    frequency = np.hypot(
        *np.meshgrid(*(fft.fftfreq(n, s) for n, s in zip(shape, image.grid.spacing_mm, strict=False)), indexing="ij")
    )
    root = np.sqrt(frequency) * np.exp(-0.5 * frequency / record["peak_per_mm"])  # NPS f·exp(−f/peak): highest at peak
    root /= max(float(np.sqrt((root**2).mean())), 1e-12)
    out = np.empty(image.grid.shape, np.float32)
    extra = sigma * np.sqrt(1.0 / record["dose"] - 1.0)
    for k in range(image.grid.shape[2]):
        white = generator.standard_normal(shape, dtype=np.float32)
        grain = fft.ifft2(fft.fft2(white) * root.astype(np.float32)).real
        out[:, :, k] = image.data[:, :, k] + extra * grain
    return out


def noise_hu(image: Volume) -> float:
    """Return the noise of an image [HU], from the quieter patches of soft tissue.

    Borders of organs make most patches louder, so the lowest tenth of their variances is taken, and divided by what it
    would be for white noise alone (χ² law). CT's noise has a grain, which makes this up to a third too low; texture of
    tissue makes it higher. Where there is no soft tissue, the noise is 0.
    """
    middle = np.asarray(image.data[:, :, :: max(image.grid.shape[2] // 8, 1)], np.float64)
    side = 2 * max(round(0.5 * _PATCH_MM / max(image.grid.spacing_mm[:2])), 1) + 1
    mean = ndimage.uniform_filter(middle, (side, side, 1))
    variance = ndimage.uniform_filter(middle**2, (side, side, 1)) - mean**2
    soft = (mean > _SOFT_HU[0]) & (mean < _SOFT_HU[1])
    if not soft.any():
        return 0.0
    expected = 2.0 * special.gammaincinv(0.5 * (side * side - 1), _QUIET) / (side * side)
    return float(np.sqrt(max(np.quantile(variance[soft], _QUIET), 0.0) / expected))


def _salt_pepper(image: Volume, record: Mapping[str, Any]) -> Field:
    chance = stream_of(record).generator().random(image.grid.shape, dtype=np.float32)
    out = image.data.copy()
    out[chance < 0.5 * record["share"]] = PEPPER_HU
    out[chance > 1.0 - 0.5 * record["share"]] = SALT_HU
    return out


def _window(image: Volume, record: Mapping[str, Any]) -> Field:
    half = 0.5 * record["width_hu"]
    return np.asarray(np.clip(image.data, record["level_hu"] - half, record["level_hu"] + half))


_CHANGES: Mapping[str, Callable[[Volume, Mapping[str, Any]], Field]] = {
    "blur": _blur,
    "contrast": _contrast,
    "luminosity": _luminosity,
    "gamma": _gamma,
    "noise": _noise,
    "salt_pepper": _salt_pepper,
    "window": _window,
}
