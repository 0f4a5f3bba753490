"""The compiled parts of the fast twin. They hold no lock, so that blocks of slices run side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from pancreasgen.scan.fast import fma

_MEAN, _SD = 2.0 * 65535.0, math.sqrt((65536.0**2 - 1.0) / 3.0)  # of four whole numbers from 0 to 65,535
# t + b t³ of their sum, standardised, has the fourth moment of a normal number (and 14.46 instead of 15 as its sixth).
_CUBE, _NORM = np.float32(0.0196426), np.float32(0.9490355)


@njit(cache=True, inline="always")
def _mix(x: Any) -> Any:
    """Return a number of 32 bits in which each bit of x moves all others; a permutation."""
    y = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
    y = np.uint32(y * np.uint32(0x7FEB352D))
    y = np.uint32(y ^ np.uint32(y >> np.uint32(15)))
    y = np.uint32(y * np.uint32(0x846CA68B))
    return np.uint32(y ^ np.uint32(y >> np.uint32(16)))


@njit(cache=True, inline="always")
def _line_key(key: Any, row: Any, x: Any) -> Any:
    """Return 64 bits for a line of pixels (Steele et al., Fast splittable pseudorandom number generators, 2014)."""
    z = key + np.uint64(row) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(x) * np.uint64(0xD1B54A32D192ED03)
    for _ in range(2):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return z


@njit(cache=True, nogil=True)
def add_white(out: Any, key: Any, row: Any, first: Any, scale: Any) -> None:
    """Add to a plane (x, y) numbers of mean 0 and standard deviation ``scale``, each decided by key and place alone.

    Sums of four uniform whole numbers, bent a little: the same on every machine, of normal moments up to the fifth.

    Args:
        out: Plane that begins at pixel ``first``.
        key: 64 bits.
        row: Index of the detector row.
        first: Pixel (x, y) of the plane's corner; may be negative.
        scale: Standard deviation.
    """
    share, middle, scaled = np.float32(1.0 / _SD), np.float32(_MEAN), np.float32(scale) * _NORM
    low, half = np.uint32(0xFFFF), np.uint32(16)
    for i in range(out.shape[0]):
        line = _line_key(key, row, first[0] + i)
        one, other = np.uint32(line & np.uint64(0xFFFFFFFF)), np.uint32(line >> np.uint64(32))
        for j in range(out.shape[1]):
            a = _mix(np.uint32(_mix(np.uint32(np.uint32(first[1] + j) + one)) ^ other))
            b = _mix(np.uint32(a + other))
            total = np.int32(a & low) + np.int32(a >> half) + np.int32(b & low) + np.int32(b >> half)
            t = share * (np.float32(total) - middle)
            out[i, j] += scaled * fma(_CUBE * t, t * t, t)


@njit(cache=True, nogil=True)
def _line(out: Any, coarse: Any, i: Any, taps: Any, between: Any) -> None:
    """Fill a line of pixels (y) with a coarse map (x, y) at pixel i along x. between: room for a coarse line."""
    low_x, part_x, low_y, part_y = taps
    left, right, part = coarse[low_x[i]], coarse[min(low_x[i] + 1, coarse.shape[0] - 1)], part_x[i]
    last = coarse.shape[1] - 1
    for k in range(coarse.shape[1]):
        between[k] = fma(part, right[k] - left[k], left[k])
    for j in range(out.size):
        here, there = between[low_y[j]], between[min(low_y[j] + 1, last)]
        out[j] = fma(part_y[j], there - here, here)


@njit(cache=True, nogil=True)
def fill_body(planes: Any, data: Any, sources: Any, place: Any, gain: Any, taps: Any) -> None:
    """Fill planes (slices, x, y) with the HU + 1000 of slices before any blur; what lies beside the body is 0.

    Args:
        planes: Result.
        data: Densities (3, x, y, z) [g/cm³].
        sources: First plane of data that the slices read, and the weights of it and its followers (slices, planes).
        place: Pixel (x, y) of data at the planes' corner.
        gain: Coarse maps of the gains (slices, 2, x, y).
        taps: Where pixels lie on the coarse maps: index and part along x, then along y.
    """
    bottom, weights = sources
    slices, nx, ny = planes.shape
    count = weights.shape[1]
    first, stop = max(0, -place[1]), min(ny, data.shape[2] - place[1])
    lines = np.zeros((3, count, ny), dtype=np.float32)
    gains, between = np.empty((2, ny), dtype=np.float32), np.empty(gain.shape[3], dtype=np.float32)
    planes[:] = np.float32(0.0)
    for i in range(max(0, -place[0]), min(nx, data.shape[1] - place[0])):
        for c in range(3):
            source = data[c, place[0] + i]
            for j in range(first, stop):
                for k in range(count):
                    lines[c, k, j] = source[place[1] + j, bottom + k]
        for s in range(slices):
            _line(gains[0], gain[s, 0], i, taps, between)
            _line(gains[1], gain[s, 1], i, taps, between)
            for k in range(count):
                weight = weights[s, k]
                if weight != 0.0:
                    water, mineral, iodine, to = lines[0, k], lines[1, k], lines[2, k], planes[s, i]
                    for j in range(ny):
                        hu = fma(gains[1, j], iodine[j], fma(gains[0, j], mineral[j], water[j]))
                        to[j] = fma(weight, hu, to[j])


@njit(cache=True, nogil=True)
def weigh(out: Any, spectrum: Any, transfer: Any) -> None:
    """Fill out with a spectrum times a real transfer function, both on the half plane (x, y)."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            weight, value = transfer[i, j], spectrum[i, j]
            out[i, j] = complex(weight * value.real, weight * value.imag)


@njit(cache=True, nogil=True)
def add_wave(plane: Any, wave: Any, coarse: Any, taps: Any) -> None:
    """Add to a plane (x, y) a wave of its size times a coarse map."""
    line, between = np.empty(plane.shape[1], dtype=np.float32), np.empty(coarse.shape[1], dtype=np.float32)
    for i in range(plane.shape[0]):
        _line(line, coarse, i, taps, between)
        to, source = plane[i], wave[i]
        for j in range(line.size):
            to[j] = fma(line[j], source[j], to[j])


@njit(cache=True, nogil=True)
def add_map(plane: Any, coarse: Any, taps: Any) -> None:
    """Add to a plane (x, y) a coarse map."""
    line, between = np.empty(plane.shape[1], dtype=np.float32), np.empty(coarse.shape[1], dtype=np.float32)
    for i in range(plane.shape[0]):
        _line(line, coarse, i, taps, between)
        for j in range(line.size):
            plane[i, j] += line[j]


@njit(cache=True, nogil=True)
def add_shaped(plane: Any, noise: Any, shape: Any, taps: Any) -> None:
    """Add to a plane (x, y) noise of its size: itself and the means of pixels 1 and 2 away, each times a coarse map."""
    lines = np.empty((3, plane.shape[1]), dtype=np.float32)
    between, quarter = np.empty(shape.shape[2], dtype=np.float32), np.float32(0.25)
    for i in range(2, plane.shape[0] - 2):
        for c in range(3):
            _line(lines[c], shape[c], i, taps, between)
        to, own, near, far = plane[i], lines[0], lines[1], lines[2]
        before, left, here, right, after = noise[i - 2], noise[i - 1], noise[i], noise[i + 1], noise[i + 2]
        for j in range(2, own.size - 2):
            one = (left[j] + right[j]) + (here[j - 1] + here[j + 1])
            two = (before[j] + after[j]) + (here[j - 2] + here[j + 2])
            to[j] += fma(own[j], here[j], quarter * fma(near[j], one, far[j] * two))


@njit(cache=True, nogil=True)
def put(out: Any, planes: Any, margin: Any, outside: Any) -> None:
    """Fill out (x, y, slices) with the middle of planes (slices, x, y) − 1000 HU; what is outside is −1000 HU."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for s in range(out.shape[2]):
                value = planes[s, i + margin, j + margin] - np.float32(1000.0)
                out[i, j, s] = np.float32(-1000.0) if outside[i, j] else value
