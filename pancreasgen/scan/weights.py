"""How much each reading of a scan is worth: the inverse of its variance, from quanta and electronics alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.scan.detect import LONGEST_WATER_MM, prepare_detector
from pancreasgen.scan.project import BLOCK, Image
from pancreasgen.scan.protocol import Protocol

_STEP_MM = 2.0
_SUREST_MM = 100.0  # assumed
_NEAR = 2  # bins at each side whose mean path stands for a reading's: its own noise must not decide its weight


def path_precision(protocol: Protocol, water_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / variance of one reading behind so much water, shape (bins, paths) [1/mm²].

    The signal S has the variance V = Σ E² N + electronics (pancreasgen.scan.detect); the path l of water that is read
    from −log S then has the variance V / S² · (dl / d(−log S))².

    Args:
        protocol: Spectrum, dose and detector.
        water_mm: Paths of water [mm].

    >>> from pancreasgen.scan.protocol import load_protocol
    >>> low, high = (path_precision(load_protocol(name), np.array([300.0])).mean() for name in ("low-dose", "thin"))
    >>> bool(low < high)
    True
    """
    detector = prepare_detector(protocol)
    per_mm = detector.attenuation[0].astype(np.float64) / 10.0
    through = np.exp(-per_mm[:, None] * water_mm)
    signal = detector.signal_kev @ through
    slope = (detector.signal_kev * per_mm) @ through / signal
    variance = detector.square_kev2 @ through + protocol.electronic_noise_kev**2
    result: NDArray[np.float64] = (signal * slope) ** 2 / variance
    return result


@njit(cache=True, parallel=True)
def _look_up(out: Any, paths: Any, table: Any, per_mm: Any) -> None:
    num_bins, last = paths.shape[1], table.shape[1] - 2
    for view in prange(paths.shape[0]):
        for k in range(num_bins):
            for z in range(BLOCK):
                total = np.float32(0.0)
                for n in range(k - _NEAR, k + _NEAR + 1):
                    total += paths[view, min(max(n, 0), num_bins - 1), z]
                place = max(total / np.float32(2 * _NEAR + 1), np.float32(0.0)) * per_mm
                entry = min(int(place), last)
                part = min(place - np.float32(entry), np.float32(1.0))
                out[view, k, z] = table[k, entry] + part * (table[k, entry + 1] - table[k, entry])


def statistical_weights(sinogram: Image, protocol: Protocol) -> Image:
    """Return the weight of every reading of a block of slices (views, bins, 32) [1/mm²].

    Rays past the body are so sure that pixels cannot tell as much; no ray weighs more than one through 100 mm of water.

    Args:
        sinogram: Path of water, the mean of the rows of a slice (views, bins, 32) [mm].
        protocol: What measured it.
    """
    precision = path_precision(protocol, np.maximum(np.arange(0.0, LONGEST_WATER_MM, _STEP_MM), _SUREST_MM))
    table = (precision * protocol.rows_per_slice).astype(np.float32)
    out = np.empty(sinogram.shape, dtype=np.float32)
    _look_up(out, np.ascontiguousarray(sinogram), table, np.float32(1.0 / _STEP_MM))
    return out
