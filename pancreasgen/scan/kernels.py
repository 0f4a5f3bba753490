"""Reconstruction kernels, each defined by the MTF that the whole chain has with it near the isocentre.

A kernel is a smooth curve through two published points, MTF50 and MTF10. What detector and image cannot carry is taken
away: bins that are a bin apart, with opposite views between them, repeat the body's spectrum at 1/bin, and an image
aliases above its pixels. So `sharp` is what it says only where the bins are at most 0.61 mm at the isocentre
(848 of them in a fan of 500 mm); with 736 bins of 0.70 mm its MTF10 ends at 1.25 per mm. Scanners with so few
channels reach more by moving the focal spot, which is not simulated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

KERNELS: Mapping[str, tuple[float, float]] = {"soft": (0.36, 0.64), "standard": (0.47, 0.97), "sharp": (0.80, 1.44)}
"""MTF50 and MTF10 of each kernel at the isocentre [1/mm]."""
KERNEL_SOURCES: Mapping[str, str] = {
    "soft": "recalled for body kernels such as B30f: 0.30 to 0.43 and 0.55 to 0.72; assumed",
    "standard": "phantom at full dose, FBP: JACMP 2021, PMC8292685, table 5",
    "sharp": "MTF10 of the kernel Edge on a GE CT750HD (JACMP, medworm.com/189977450); MTF50 recalled, 0.6 to 1.0",
}
PASS, STOP = 0.85, 0.98  # of 1/bin: up to there the filter passes all, from there nothing
_BY_BINS, _BY_PIXELS = 0.88, 0.8  # highest MTF10 times the width of a bin, of a pixel
_STEEPEST = 0.65  # highest MTF50 over MTF10: steeper curves ring
_LEAST_POWER, _MOST_POWER = 0.5, 1e4
_GAUSSIAN = math.sqrt(math.log(10.0) / math.log(2.0)) * 1.0001  # MTF10 over MTF50 of a Gaussian


def pass_band(frequency_bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of a frequency [1/bin] may pass: 1 up to 0.85, 0 from 0.98 on, a cosine's flank between.

    Bins that are a bin apart repeat the body's spectrum at 1/bin. Opposite views cancel that replica only where their
    rays are opposite exactly, and with few views they are not: rings of thousands of HU would be left.

    >>> pass_band(np.array([0.0, 0.85, 0.915, 0.98, 1.0])).round(3).tolist()
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    flank = np.clip((frequency_bins - PASS) / (STOP - PASS), 0.0, 1.0)
    return 0.5 + 0.5 * np.cos(np.pi * flank)


def finest_mtf10(bin_mm: float, pixel_mm: float) -> float:
    """Return the highest MTF10 that bins with a quarter's shift and an image can carry [1/mm].

    Args:
        bin_mm: Width of a bin at the isocentre [mm].
        pixel_mm: Width of a pixel of the image [mm].

    >>> round(finest_mtf10(0.7, 0.2), 2), round(finest_mtf10(0.7, 0.8), 2)
    (1.26, 1.0)
    """
    return min(_BY_BINS / bin_mm, _BY_PIXELS / pixel_mm)


def carried_mtf(name: str, limit_per_mm: float = math.inf) -> tuple[float, float]:
    """Return MTF50 and MTF10 of a kernel where MTF10 is limited [1/mm].

    Args:
        name: One of KERNELS.
        limit_per_mm: Highest MTF10, from :func:`finest_mtf10`. MTF50 falls only as far as it must to stay below 0.65 of
            MTF10.

    >>> carried_mtf("sharp"), carried_mtf("sharp", 1.3), carried_mtf("sharp", 1.0)
    ((0.8, 1.44), (0.8, 1.3), (0.65, 1.0))
    """
    half, tenth = KERNELS[name]
    tenth = min(tenth, limit_per_mm)
    return min(half, _STEEPEST * tenth), tenth


def kernel_mtf(name: str, frequency_per_mm: NDArray[np.float64], limit_per_mm: float = math.inf) -> NDArray[np.float64]:
    """Return the MTF that a kernel aims at, through its MTF50 and MTF10.

    Where MTF10 is far from MTF50 it is (1 + (f/a)²)^−q: parabolic at 0, so that an edge has no halo (exp(−|f/a|^p) with
    p below 2 leaves 0.5 % of an edge 5 mm away). Where it is near, steeper than a Gaussian, it is exp(−(f/a)^p).

    Args:
        name: One of KERNELS.
        frequency_per_mm: Spatial frequencies at the isocentre [1/mm].
        limit_per_mm: Highest MTF10 that detector and matrix can carry (:func:`carried_mtf`).

    >>> kernel_mtf("soft", np.array([0.0, 0.36, 0.64])).round(3).tolist()
    [1.0, 0.5, 0.1]
    """
    half, tenth = carried_mtf(name, limit_per_mm)
    frequency = np.abs(frequency_per_mm) / half
    if tenth / half <= _GAUSSIAN:
        power = math.log(math.log(10.0) / math.log(2.0)) / math.log(tenth / half)
        return np.exp(-math.log(2.0) * frequency**power)
    power = brentq(lambda q: _far(q) - tenth / half, _LEAST_POWER, _MOST_POWER)
    return (1.0 + math.expm1(math.log(2.0) / power) * frequency**2) ** -power


def _far(power: float) -> float:
    """Return MTF10 over MTF50 of (1 + f²)^−power."""
    return math.sqrt(math.expm1(math.log(10.0) / power) / math.expm1(math.log(2.0) / power))
