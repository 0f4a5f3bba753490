"""Line integrals of a block of rows in a third-generation fan beam (arc detector), by Joseph's method.

A block is 32 rows (BLOCK), innermost in memory, so that one set of weights serves 32 rows of every material and the
inner loop is a run of SIMD instructions of fixed length: a row's result never depends on its place in the block, nor
on the number of threads. Joseph, IEEE Trans Med Imaging 1:192 (1982).

A ray is the line x cos α + y sin α = u (pancreasgen.scan.geometry): fans and parallel beams are one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.fast import fma
from pancreasgen.scan.geometry import ArcFan, Rays
from pancreasgen.scan.protocol import Protocol

BLOCK = 32
_ROWS = np.uint64(BLOCK)  # unsigned: signed indices would be tested for wrap-around in the inner loop
_SLAB = 16  # ray steps whose data stay in the second-level cache
_CHUNK = 8  # views that share a slab
Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plane:
    """Where the pixels of a slice lie about the isocentre.

    Attributes:
        shape: Number of pixels along x and y.
        spacing_mm: Their distance along x and y [mm].
        first_mm: Centre of pixel (0, 0) minus isocentre [mm].
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    first_mm: tuple[float, float]

    @classmethod
    def of(cls, grid: Grid, isocentre_mm: tuple[float, float]) -> Plane:
        """Return the plane of a grid's slices about an isocentre (x, y) [mm]."""
        first = (grid.origin_mm[0] - isocentre_mm[0], grid.origin_mm[1] - isocentre_mm[1])
        return cls(grid.shape[:2], grid.spacing_mm[:2], first)

    def numbers(self) -> tuple[float, float, float, float]:
        """Return (first x, first y, spacing x, spacing y) [mm], as the kernels take them."""
        return (*self.first_mm, *self.spacing_mm)


@njit(cache=True, inline="always")
def _accumulate(sums: Any, to: Any, data: Any, at: Any, weight: Any) -> None:
    """Add four interpolated samples, two taps each, to 32 rows."""
    a0, a1, a2, a3, b0, b1, b2, b3 = at
    u0, u1, u2, u3, v0, v1, v2, v3 = weight
    for z in range(_ROWS):
        one = fma(v1, data[b1 + z], fma(u1, data[a1 + z], fma(v0, data[b0 + z], u0 * data[a0 + z])))
        other = fma(v3, data[b3 + z], fma(u3, data[a3 + z], fma(v2, data[b2 + z], u2 * data[a2 + z])))
        sums[to + z] += one + other


@njit(cache=True, inline="always")
def _taps(position: Any, count: Any, step: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    """Return first tap and the two weights of a sample at a fractional index; weights 0 where nothing is."""
    first = math.floor(position)
    if first < 0 or first > count - 2 or first + 1 < low or first > high:
        return np.uint64(0), np.float32(0.0), np.float32(0.0)
    part = position - first
    return np.uint64(first), np.float32((1.0 - part) * step), np.float32(part * step)


@njit(cache=True)
def _ray(sums: Any, to: Any, data: Any, line: Any, strides: Any, size: Any, span: Any, steps: Any) -> None:
    """Add the steps [start, stop) of one ray to 32 rows of one material.

    line: fractional cross index at main index 0, its slope per step, length of a step [mm].
    strides: offset of the material, of the main and of the cross index. span: occupied cross range per main index.
    """
    start, slope, length = line
    base, main_stride, cross_stride = strides
    first, last = steps
    for j in range(first, last, 4):
        i0, u0, v0 = _taps(start + slope * j, size, length, span[j, 0], span[j, 1])
        k1, k2, k3 = min(j + 1, last - 1), min(j + 2, last - 1), min(j + 3, last - 1)
        i1, u1, v1 = _taps(start + slope * k1, size, length, span[k1, 0], span[k1, 1])
        i2, u2, v2 = _taps(start + slope * k2, size, length, span[k2, 0], span[k2, 1])
        i3, u3, v3 = _taps(start + slope * k3, size, length, span[k3, 0], span[k3, 1])
        if j + 1 >= last:
            u1, v1 = np.float32(0.0), np.float32(0.0)
        if j + 2 >= last:
            u2, v2 = np.float32(0.0), np.float32(0.0)
        if j + 3 >= last:
            u3, v3 = np.float32(0.0), np.float32(0.0)
        if u0 + v0 + u1 + v1 + u2 + v2 + u3 + v3 == 0.0:
            continue
        a0 = base + np.uint64(j) * main_stride + i0 * cross_stride
        a1 = base + np.uint64(k1) * main_stride + i1 * cross_stride
        a2 = base + np.uint64(k2) * main_stride + i2 * cross_stride
        a3 = base + np.uint64(k3) * main_stride + i3 * cross_stride
        at = (a0, a1, a2, a3, a0 + cross_stride, a1 + cross_stride, a2 + cross_stride, a3 + cross_stride)
        _accumulate(sums, to, data, at, (u0, u1, u2, u3, v0, v1, v2, v3))


@njit(cache=True, inline="always")
def ray_line(angle: float, offset: float, numbers: Any, along_y: bool) -> tuple[float, float, float]:
    """Return where a ray crosses: (cross index at main index 0, its slope per main step, length of a step in mm).

    The ray is x cos(angle) + y sin(angle) = offset; the main axis is y if along_y, else x. numbers: those of the plane.
    """
    x0, y0, dx, dy = numbers
    cosine, sine = math.cos(angle), math.sin(angle)
    if along_y:
        return ((offset - y0 * sine) / cosine - x0) / dx, -sine / cosine * dy / dx, dy / abs(cosine)
    return ((offset - x0 * cosine) / sine - y0) / dy, -cosine / sine * dx / dy, dx / abs(sine)


@njit(cache=True, parallel=True)
def _forward(sums: Any, data: Any, shape: Any, numbers: Any, rays: Any, spans: Any) -> None:
    """Fill sums (material, view, bin, row; flat) with line integrals of data (material, y, x, row; flat)."""
    materials, ny, nx = shape
    y_spans, x_spans = spans
    views, fan, offsets = rays
    num_views, num_bins = views.size, fan.size
    for chunk in prange((num_views + _CHUNK - 1) // _CHUNK):
        for along_y in (True, False):
            main, cross = (ny, nx) if along_y else (nx, ny)
            main_stride, cross_stride = (
                np.uint64(BLOCK * (nx if along_y else 1)),
                np.uint64(BLOCK * (1 if along_y else nx)),
            )
            for slab in range(0, main, _SLAB):
                stop = min(slab + _SLAB, main)
                for view in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, num_views)):
                    for k in range(num_bins):
                        angle = views[view] + fan[k]
                        if (abs(math.cos(angle)) >= abs(math.sin(angle))) != along_y:
                            continue
                        line = ray_line(angle, offsets[k], numbers, along_y)
                        one, other = line[0] + line[1] * slab, line[0] + line[1] * (stop - 1)
                        if max(one, other) < 0.0 or min(one, other) > cross - 1:
                            continue
                        for m in range(materials):
                            to = np.uint64(((m * num_views + view) * num_bins + k) * BLOCK)
                            strides = (np.uint64(m * ny * nx * BLOCK), main_stride, cross_stride)
                            span = y_spans[m] if along_y else x_spans[m]
                            _ray(sums, to, data, line, strides, cross, span, (slab, stop))


def occupied_spans(occupied: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return first and last True along the last axis (… , 2); (size, −1) where there is none."""
    size = occupied.shape[-1]
    some = occupied.any(axis=-1)
    first = np.where(some, occupied.argmax(axis=-1), size)
    last = np.where(some, size - 1 - occupied[..., ::-1].argmax(axis=-1), -1)
    return np.ascontiguousarray(np.stack([first, last], axis=-1).astype(np.int64))


def project_rays(block: Image, plane: Plane, rays: Rays) -> Image:
    """Return the line integrals of a block of rows along any rays.

    Outside the plane there is nothing; beyond its outermost centres a pixel does not reach, so leave a border.

    Args:
        block: Shape (materials, ny, nx, 32): any density on the plane.
        plane: Where the pixels are.
        rays: The rays of a row.

    Returns:
        Shape (materials, views, bins, 32), float32: density × mm.

    Raises:
        BadInputError: If block and plane do not fit.
    """
    nx, ny = plane.shape
    if block.ndim != 4 or block.shape[1:] != (ny, nx, BLOCK):
        raise BadInputError(f"a block must have shape materials × {ny} × {nx} × {BLOCK}, not {block.shape}")
    sums = np.zeros((block.shape[0], rays.view_rad.size, rays.bin_rad.size, BLOCK), dtype=np.float32)
    occupied: NDArray[np.bool_] = np.any(block, axis=3)
    spans = (occupied_spans(occupied), occupied_spans(occupied.transpose(0, 2, 1)))
    data = np.ascontiguousarray(block, dtype=np.float32).reshape(-1)
    lines = (rays.view_rad, rays.bin_rad, rays.offset_mm)
    if min(nx, ny) > 1:
        _forward(sums.reshape(-1), data, (block.shape[0], ny, nx), plane.numbers(), lines, spans)
    return sums


def project(block: Image, plane: Plane, protocol: Protocol) -> Image:
    """Return the line integrals of a block of rows through every bin of every view of a protocol.

    Arguments, result and errors are those of :func:`project_rays`.
    """
    return project_rays(block, plane, fan_geometry(protocol).rays())


def fan_geometry(
    protocol: Protocol, isocentre_mm: tuple[float, float] = (0.0, 0.0), first_row_mm: float = 0.0, num_rows: int = 1
) -> ArcFan:
    """Return the geometry of a protocol's rows; its arc is shifted by a quarter bin."""
    return ArcFan(
        protocol.view_angles_rad(), protocol.num_bins, protocol.bin_angle_rad, 0.25,
        protocol.source_to_isocentre_mm, isocentre_mm, first_row_mm, protocol.row_mm, num_rows,
    )  # fmt: skip


@njit(cache=True, inline="always")
def _spread(image: Any, to: Any, next_to: Any, sums: Any, at: Any, line: Any) -> None:
    """Add a ray's 32 rows to its two pixels of one step."""
    low, high = line
    for z in range(_ROWS):
        image[to + z] = fma(low, sums[at + z], image[to + z])
    for z in range(_ROWS):
        image[next_to + z] = fma(high, sums[at + z], image[next_to + z])


@njit(cache=True, parallel=True)
def _transpose(image: Any, sums: Any, shape: Any, numbers: Any, rays: Any, along_y: bool) -> None:
    """Add all rays of one main axis to the image (y, x, row; flat). A thread owns a slab of the main axis."""
    ny, nx = shape
    views, fan, offsets = rays
    main, cross = (ny, nx) if along_y else (nx, ny)
    main_stride = np.uint64(BLOCK * (nx if along_y else 1))
    cross_stride = np.uint64(BLOCK * (1 if along_y else nx))
    for slab in prange((main + _SLAB - 1) // _SLAB):
        first, stop = slab * _SLAB, min((slab + 1) * _SLAB, main)
        for view in range(views.size):
            for k in range(fan.size):
                angle = views[view] + fan[k]
                if (abs(math.cos(angle)) >= abs(math.sin(angle))) != along_y:
                    continue
                start, slope, length = ray_line(angle, offsets[k], numbers, along_y)
                at = np.uint64((view * fan.size + k) * BLOCK)
                for j in range(first, stop):
                    i, low, high = _taps(start + slope * j, cross, length, 0, cross - 1)
                    if low + high > 0.0:
                        to = np.uint64(j) * main_stride + i * cross_stride
                        _spread(image, to, to + cross_stride, sums, at, (low, high))


def transpose_rays(sums: Image, plane: Plane, rays: Rays) -> Image:
    """Return the transpose of :func:`project_rays`, with the same weights: ⟨Ax, y⟩ = ⟨x, Aᵀy⟩.

    Args:
        sums: Shape (materials, views, bins, 32).
        plane: Where the pixels are.
        rays: The rays of a row.

    Returns:
        Shape (materials, ny, nx, 32), float32. Every pixel adds its rays in the same order, whatever the threads.

    Raises:
        BadInputError: If sums and rays do not fit.
    """
    nx, ny = plane.shape
    if sums.ndim != 4 or sums.shape[1:] != (rays.view_rad.size, rays.bin_rad.size, BLOCK):
        want = f"{rays.view_rad.size} × {rays.bin_rad.size} × {BLOCK}"
        raise BadInputError(f"line integrals must have shape materials × {want}, not {sums.shape}")
    image = np.zeros((sums.shape[0], ny, nx, BLOCK), dtype=np.float32)
    lines = (rays.view_rad, rays.bin_rad, rays.offset_mm)
    for one, to in zip(np.ascontiguousarray(sums, dtype=np.float32), image, strict=True):
        for along_y in (True, False):
            if min(nx, ny) > 1:
                _transpose(to.reshape(-1), one.reshape(-1), (ny, nx), plane.numbers(), lines, along_y)
    return image


def backproject_adjoint(sums: Image, plane: Plane, protocol: Protocol) -> Image:
    """Return the transpose of :func:`project` for one material and at most 32 rows.

    Args:
        sums: Shape (views, bins, rows).
        plane: Where the pixels are.
        protocol: Its views, bins and distances are used.

    Returns:
        Shape (ny, nx, rows), float32.
    """
    rows = sums.shape[2]
    block = np.zeros((1, *sums.shape[:2], BLOCK), dtype=np.float32)
    block[0, :, :, :rows] = sums
    return transpose_rays(block, plane, fan_geometry(protocol).rays())[0, :, :, :rows]
