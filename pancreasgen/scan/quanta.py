"""Chance of quanta: Poisson numbers and electronic noise from streams of standard normal numbers, one stream a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance

_GAUSS_FROM = 40.0  # mean quanta from which Poisson is drawn as a normal distribution


@njit(cache=True, inline="always")
def poisson_of_normal(mean: float, normal: float) -> float:
    """Return the Poisson number at the quantile of a standard normal number; for means up to about 100."""
    left = 0.5 * math.erfc(-normal / math.sqrt(2.0))
    term = math.exp(-mean)
    total, count = term, 0
    while total < left and count < 1000:
        count += 1
        term *= mean / count
        total += term
    return float(count)


@njit(cache=True, inline="always")
def draw(signal: Any, square: Any, quantum: Any) -> None:
    """Replace expected signals (bins, rows) by drawn ones. square: variance; quantum: standard normal (rows, bins)."""
    for k in range(signal.shape[0]):
        for z in range(quantum.shape[0]):
            mean, normal = signal[k, z], quantum[z, k]
            size = square[k, z] / mean
            if mean > np.float32(_GAUSS_FROM) * size:
                signal[k, z] = mean + np.float32(math.sqrt(square[k, z])) * normal
            else:
                signal[k, z] = np.float32(size * poisson_of_normal(mean / size, normal))


def normals(chance: Chance, name: str, rows: Sequence[int], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return standard normal numbers (rows, *shape); each row has its own stream, so blocks do not matter."""
    numbers = np.empty((len(rows), *shape), dtype=np.float32)

    def fill(i: int) -> None:
        chance.sub(f"row{rows[i]}").sub(name).generator().standard_normal(dtype=np.float32, out=numbers[i])

    with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
        list(pool.map(fill, range(len(rows))))
    return numbers
