"""Scattered quanta on the detector, and their correction.

What a body scatters forward grows with what enters it and with what it stops, P · (−ln P/P₀), and arrives spread wide
(Ohnesorge, Flohr and Klingenbeck-Regn, Eur Radiol 9:563, 1999, recalled): here as a Gaussian over the fan angle, whose
height a protocol states as the ratio of scatter to primary behind 300 mm of water (``scatter``). The rows of a stack
of fans do not see each other's scatter; a body changes little within the width of the kernel along z. Scattered quanta
have noise of their own and the mean energy of the primary.

The correction knows the kernel and not the scatter: it takes the measured signal for the primary, computes its scatter,
subtracts it, and does so three times. Noise of scatter stays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.scan.fast import fma
from pancreasgen.scan.protocol import Protocol

SIGMA_RAD = 0.1  # of the kernel, about 100 mm on the detector; assumed: wider than any organ, narrower than the fan
MOST_GROUPS = 96
REFERENCE_WATER_MM = 300.0
_ROUNDS = 3
_LEAST = np.float32(1e-6)  # of air: a group below is as dark as this


def scatter_kernel(protocol: Protocol, air: NDArray[np.float64], behind: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how much scatter each group of neighbouring bins gets from each (groups, groups).

    Args:
        protocol: The setting; its ``scatter`` is the ratio of scatter to primary that the middle sees.
        air: Signal of air per bin (bins,).
        behind: The primary signal behind a centred water cylinder of 300 mm, per bin (bins,).

    Returns:
        Float32; all 0 for a protocol without scatter. Bins are grouped by ``group_size``.
    """
    size = group_size(protocol.num_bins)
    groups = -(-protocol.num_bins // size)
    place = np.minimum((np.arange(groups) + 0.5) * size, protocol.num_bins) * protocol.bin_angle_rad
    kernel = np.exp(-0.5 * ((place[:, None] - place[None]) / SIGMA_RAD) ** 2)
    source = behind * np.log(air / behind)
    mean = np.array([source[k * size : (k + 1) * size].mean() for k in range(groups)])
    middle = groups // 2
    primary = behind[middle * size : (middle + 1) * size].mean()
    kernel *= protocol.scatter * primary / (kernel[middle] @ mean)
    return lock(np.ascontiguousarray(kernel, dtype=np.float32))


def group_size(num_bins: int) -> int:
    """Return the bins that are taken together: at most 96 groups.

    >>> group_size(736)
    8
    """
    return math.ceil(num_bins / MOST_GROUPS)


@njit(cache=True, inline="always")
def _group(means: Any, signal: Any, size: Any) -> None:
    """Fill means (groups, rows) with the mean of each group of bins of signal (bins, rows)."""
    bins, rows = signal.shape
    for g in range(means.shape[0]):
        last = min((g + 1) * size, bins)
        for z in range(rows):
            means[g, z] = np.float32(0.0)
        for k in range(g * size, last):
            for z in range(rows):
                means[g, z] += signal[k, z]
        for z in range(rows):
            means[g, z] /= np.float32(last - g * size)


@njit(cache=True, inline="always")
def _spread(scatter: Any, source: Any, primary: Any, air: Any, kernel: Any) -> None:
    """Fill scatter (groups, rows) with what a primary scatters; source is scratch of the same shape."""
    groups, rows = primary.shape
    for g in range(groups):
        for z in range(rows):
            seen = min(max(primary[g, z], _LEAST * air[g]), air[g])
            source[g, z] = seen * np.float32(math.log(air[g] / seen))
    for g in range(groups):
        for z in range(rows):
            scatter[g, z] = np.float32(0.0)
        for h in range(groups):
            weight = kernel[g, h]
            for z in range(rows):
                scatter[g, z] = fma(weight, source[h, z], scatter[g, z])


@njit(cache=True, inline="always")
def _at_bin(scatter: Any, k: Any, z: Any, size: Any) -> Any:
    """Return the scatter of a bin between the middles of two groups."""
    place = (np.float32(k) + np.float32(0.5)) / np.float32(size) - np.float32(0.5)
    low = min(max(math.floor(place), 0), max(scatter.shape[0] - 2, 0))
    high = min(low + 1, scatter.shape[0] - 1)
    part = min(max(place - np.float32(low), np.float32(0.0)), np.float32(1.0))
    return fma(part, scatter[high, z] - scatter[low, z], scatter[low, z])


@njit(cache=True)
def add_scatter(signal: Any, square: Any, air: Any, kernel: Any, size: Any) -> None:
    """Add to expected signals and their variance (bins, rows), in place, what the body scatters. air: (groups,)."""
    groups, rows = kernel.shape[0], signal.shape[1]
    primary = np.empty((groups, rows), dtype=np.float32)
    source, scatter = np.empty_like(primary), np.empty_like(primary)
    _group(primary, signal, size)
    _spread(scatter, source, primary, air, kernel)
    for k in range(signal.shape[0]):
        for z in range(rows):
            more = _at_bin(scatter, k, z, size)
            square[k, z] += more * (square[k, z] / signal[k, z])
            signal[k, z] += more


@njit(cache=True)
def remove_scatter(signal: Any, air: Any, kernel: Any, size: Any) -> None:
    """Take from measured signals (bins, rows), in place, the scatter that they lead one to expect. air: (groups,)."""
    groups, rows = kernel.shape[0], signal.shape[1]
    measured = np.empty((groups, rows), dtype=np.float32)
    primary, source = np.empty_like(measured), np.empty_like(measured)
    scatter = np.zeros_like(measured)
    _group(measured, signal, size)
    for _ in range(_ROUNDS):
        for g in range(groups):
            for z in range(rows):
                primary[g, z] = measured[g, z] - scatter[g, z]
        _spread(scatter, source, primary, air, kernel)
    for k in range(signal.shape[0]):
        for z in range(rows):
            signal[k, z] -= _at_bin(scatter, k, z, size)
