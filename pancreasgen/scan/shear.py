"""Kernels of the multilevel shear-and-sum: a slice's rows are shifted and summed in groups that near rays share.

After Brady (SIAM J Comput 27:107, 1998) and Götz and Druckmüller (Pattern Recognit 29:711, 1996). Along rays of slope s
(cross pixels per main step) four rows are shifted to their middle and summed; four such sums again, on a finer raster
of slopes. A ray then needs one sample for sixteen rows. All shifts are linear, on a grid that is twice as fine across.

Layout: (main row, fine column, slice), 32 slices innermost. A *line* is one row of columns, with empty margins.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.scan.fast import fma

ROWS = 32
_ROWS = np.uint64(ROWS)
SIXTEEN = 16
REACH = 6  # columns to which the refinement reaches
SHARPEN = 0.26  # of the second difference: what three linear interpolations take away on average, 3 · 1/6 / 2


@cache
def refining_taps(sharpen: float = SHARPEN) -> NDArray[np.float32]:
    """Return the taps (2, 7) that double a row's columns: those on a pixel, and those between two.

    Lagrange's polynomial of six points, with a second difference taken off it: h − sharpen · Δ²h. A windowed sinc errs
    a little less and overshoots edges a third more.

    >>> refining_taps().sum(axis=1).round(3).tolist()
    [1.0, 1.0]
    >>> (refining_taps(0.0)[1] * 256).tolist()
    [0.0, 3.0, -25.0, 150.0, 150.0, -25.0, 3.0]
    """
    smooth = np.zeros(2 * REACH + 1)
    smooth[REACH] = 1.0
    for distance, weight in ((1, 150.0), (3, -25.0), (5, 3.0)):
        smooth[[REACH - distance, REACH + distance]] = weight / 256.0
    sharp = smooth - sharpen * (np.roll(smooth, 1) + np.roll(smooth, -1) - 2.0 * smooth)
    taps = np.zeros((2, REACH + 1), dtype=np.float32)
    taps[0] = sharp[::-2]
    taps[1, 1:] = sharp[-2::-2]
    return lock(taps)


@njit(cache=True, inline="always")
def split(s0: float, s1: float, s2: float, s3: float) -> Any:
    """Return whole columns and the two weights of each of four shifts."""
    i0, i1, i2, i3 = math.floor(s0), math.floor(s1), math.floor(s2), math.floor(s3)
    f0, f1, f2, f3 = np.float32(s0 - i0), np.float32(s1 - i1), np.float32(s2 - i2), np.float32(s3 - i3)
    one = np.float32(1.0)
    return (i0, i1, i2, i3), (one - f0, one - f1, one - f2, one - f3), (f0, f1, f2, f3)


@njit(cache=True, inline="always")
def fours(slope: float, step: float) -> Any:
    """Return the shifts of four lines that lie (−1.5, −0.5, 0.5, 1.5) · step main rows from their middle."""
    return split(-1.5 * step * slope, -0.5 * step * slope, 0.5 * step * slope, 1.5 * step * slope)


@njit(cache=True)
def clear(out: Any, start: Any, count: Any) -> None:
    """Set columns start … start + count of out to 0."""
    at = np.uint64(start * ROWS)
    for n in range(np.uint64(count * ROWS)):
        out[at + n] = np.float32(0.0)


@njit(cache=True)
def blend(out: Any, to: Any, count: Any, data: Any, columns: Any, shifts: Any) -> None:
    """Fill columns to … to + count of out with the sum of four runs of columns of data, each between two; all flat."""
    (c0, c1, c2, c3), (u0, u1, u2, u3), (v0, v1, v2, v3) = columns, shifts[0], shifts[1]
    a0, a1, a2, a3 = np.uint64(c0 * ROWS), np.uint64(c1 * ROWS), np.uint64(c2 * ROWS), np.uint64(c3 * ROWS)
    b0, b1, b2, b3, here = a0 + _ROWS, a1 + _ROWS, a2 + _ROWS, a3 + _ROWS, np.uint64(to * ROWS)
    for n in range(np.uint64(max(count, 0) * ROWS)):
        one = fma(v1, data[b1 + n], fma(u1, data[a1 + n], fma(v0, data[b0 + n], u0 * data[a0 + n])))
        two = fma(v3, data[b3 + n], fma(u3, data[a3 + n], fma(v2, data[b2 + n], u2 * data[a2 + n])))
        out[here + n] = one + two


@njit(cache=True)
def blend_more(out: Any, to: Any, count: Any, data: Any, columns: Any, shifts: Any) -> None:
    """Add to out what :func:`blend` would fill it with."""
    (c0, c1, c2, c3), (u0, u1, u2, u3), (v0, v1, v2, v3) = columns, shifts[0], shifts[1]
    a0, a1, a2, a3 = np.uint64(c0 * ROWS), np.uint64(c1 * ROWS), np.uint64(c2 * ROWS), np.uint64(c3 * ROWS)
    b0, b1, b2, b3, here = a0 + _ROWS, a1 + _ROWS, a2 + _ROWS, a3 + _ROWS, np.uint64(to * ROWS)
    for n in range(np.uint64(max(count, 0) * ROWS)):
        one = fma(v1, data[b1 + n], fma(u1, data[a1 + n], fma(v0, data[b0 + n], u0 * data[a0 + n])))
        two = fma(v3, data[b3 + n], fma(u3, data[a3 + n], fma(v2, data[b2 + n], u2 * data[a2 + n])))
        out[here + n] += one + two


@njit(cache=True)
def sum_lines(out: Any, out_line: Any, data: Any, first_line: Any, frame: Any, shift: Any) -> None:
    """Fill columns [low, high) of a line of out with the sum of four shifted lines of data (both flat).

    frame: columns of a line, low, high. shift: fine columns per main row, main rows from line to line.
    """
    width, low, high = frame
    (i0, i1, i2, i3), u, v = fours(shift[0], shift[1])
    at = first_line * width + low
    columns = (at + i0, at + width + i1, at + 2 * width + i2, at + 3 * width + i3)
    blend(out, out_line * width + low, high - low, data, columns, (u, v))


@njit(cache=True)
def spread_line(out: Any, first_line: Any, data: Any, line: Any, frame: Any, shift: Any) -> None:
    """Add to four lines of out the transpose of :func:`sum_lines` of columns [low, high) of a line of data."""
    width, low, high = frame
    whole, weight, rest = fours(shift[0], shift[1])
    count = np.uint64(max(high - low, 0) * ROWS)
    source = np.uint64((line * width + low) * ROWS)
    if count == 0:
        return
    for r in range(4):
        u, v = weight[r], rest[r]
        to = np.uint64(((first_line + r) * width + low + whole[r]) * ROWS)
        for z in range(_ROWS):
            out[to + z] = fma(u, data[source + z], out[to + z])
        for n in range(_ROWS, count):
            out[to + n] = fma(u, data[source + n], fma(v, data[source + n - _ROWS], out[to + n]))
        for z in range(_ROWS):
            out[to + count + z] = fma(v, data[source + count - _ROWS + z], out[to + count + z])


@njit(cache=True, inline="always")
def _tap(position: Any, low: Any, high: Any, line: Any, width: Any, scale: Any) -> Any:
    """Return offset and weights of a sample of a line; weights 0 outside columns [low, high)."""
    column = int(position)
    part = position - column
    if column < low or column > high - 2:
        return np.uint64(line * width * ROWS), np.float32(0.0), np.float32(0.0)
    return np.uint64((line * width + column) * ROWS), np.float32((1.0 - part) * scale), np.float32(part * scale)


@njit(cache=True)
def sample_ray(sums: Any, to: Any, data: Any, ray: Any, frame: Any, spans: Any) -> None:
    """Add to 32 rows of sums the samples of a ray in all lines of data.

    ray: column at line 0, columns from line to line, weight. frame: line of data to begin with, columns of a line.
    spans: columns (line, 2) that hold something.
    """
    start, slope, scale = ray
    line, width = frame
    lines = spans.shape[0]
    for k in range(0, lines, 4):
        k1, k2, k3 = min(k + 1, lines - 1), min(k + 2, lines - 1), min(k + 3, lines - 1)
        a0, u0, v0 = _tap(start + slope * k, spans[k, 0], spans[k, 1], line + k, width, scale)
        a1, u1, v1 = _tap(start + slope * k1, spans[k1, 0], spans[k1, 1], line + k1, width, scale)
        a2, u2, v2 = _tap(start + slope * k2, spans[k2, 0], spans[k2, 1], line + k2, width, scale)
        a3, u3, v3 = _tap(start + slope * k3, spans[k3, 0], spans[k3, 1], line + k3, width, scale)
        if k + 1 >= lines:
            u1, v1 = np.float32(0.0), np.float32(0.0)
        if k + 2 >= lines:
            u2, v2 = np.float32(0.0), np.float32(0.0)
        if k + 3 >= lines:
            u3, v3 = np.float32(0.0), np.float32(0.0)
        if u0 + v0 + u1 + v1 + u2 + v2 + u3 + v3 == 0.0:
            continue
        b0, b1, b2, b3 = a0 + _ROWS, a1 + _ROWS, a2 + _ROWS, a3 + _ROWS
        for z in range(_ROWS):
            one = fma(v1, data[b1 + z], fma(u1, data[a1 + z], fma(v0, data[b0 + z], u0 * data[a0 + z])))
            two = fma(v3, data[b3 + z], fma(u3, data[a3 + z], fma(v2, data[b2 + z], u2 * data[a2 + z])))
            sums[to + z] += one + two


@njit(cache=True)
def spread_ray(data: Any, sums: Any, at: Any, ray: Any, width: Any, spans: Any) -> None:
    """Add to all lines of data the transpose of :func:`sample_ray`."""
    start, slope, scale = ray
    for k in range(spans.shape[0]):
        a, u, v = _tap(start + slope * k, spans[k, 0], spans[k, 1], k, width, scale)
        if u + v == 0.0:
            continue
        b = a + _ROWS
        for z in range(_ROWS):
            data[a + z] = fma(u, sums[at + z], data[a + z])
        for z in range(_ROWS):
            data[b + z] = fma(v, sums[at + z], data[b + z])


@njit(cache=True, inline="always")
def _seven_taps(out: Any, to: Any, data: Any, at: Any, stride: Any, taps: Any) -> None:
    w0, w1, w2, w3, w4, w5, w6 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6]
    a1 = at + stride
    a2 = a1 + stride
    a3 = a2 + stride
    a4 = a3 + stride
    a5 = a4 + stride
    a6 = a5 + stride
    for z in range(_ROWS):
        one = fma(w3, data[a3 + z], fma(w2, data[a2 + z], fma(w1, data[a1 + z], w0 * data[at + z])))
        two = fma(w6, data[a6 + z], fma(w5, data[a5 + z], w4 * data[a4 + z]))
        out[to + z] = one + two


@njit(cache=True)
def refine_line(out: Any, out_line: Any, data: Any, at: Any, stride: Any, frame: Any) -> None:
    """Fill a line of out with a row of data, twice as fine; both flat.

    at, stride: offset of the row's first pixel and from pixel to pixel. frame: pixels, columns of a line, margin, and
    the taps (2, 7): of columns on a pixel and between two.
    """
    pixels, width, margin, taps = frame
    for column in range(width):
        pixel, odd = (column - margin) // 2, (column - margin) % 2
        to = np.uint64((out_line * width + column) * ROWS)
        if 3 <= pixel < pixels - 3:
            _seven_taps(out, to, data, np.uint64(at + (pixel - 3) * stride), np.uint64(stride), taps[odd])
            continue
        for z in range(_ROWS):
            out[to + z] = np.float32(0.0)
        for i in range(max(pixel - 3, 0), min(pixel + 4, pixels)):
            w, a = taps[odd, i - pixel + 3], np.uint64(at + i * stride)
            for z in range(_ROWS):
                out[to + z] = fma(w, data[a + z], out[to + z])


@njit(cache=True)
def coarsen_line(out: Any, at: Any, stride: Any, data: Any, line: Any, frame: Any) -> None:
    """Add to a row of out the transpose of :func:`refine_line` of a line of data."""
    pixels, width, margin, taps = frame
    for column in range(width):
        pixel, odd = (column - margin) // 2, (column - margin) % 2
        source = np.uint64((line * width + column) * ROWS)
        for i in range(max(pixel - 3, 0), min(pixel + 4, pixels)):
            w, a = taps[odd, i - pixel + 3], np.uint64(at + i * stride)
            for z in range(_ROWS):
                out[a + z] = fma(w, data[source + z], out[a + z])
