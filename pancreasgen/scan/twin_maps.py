"""What a scan would do to a body, on a coarse grid: how noisy it is and how far its HU are off, place by place.

A body of pixels of about 6 mm and planes of about 5 mm is projected along a few parallel views, and every reading gets
its expectation and its variance from the tables of the detector. Backprojected without a filter, the variances say how
much noise comes to a pixel from each direction; the expectations, filtered and backprojected, say what is left of beam
hardening.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid, Volume
from pancreasgen.scan.detect import Detector, counts, prepare_detector
from pancreasgen.scan.fast import exp_negative, fma
from pancreasgen.scan.fbp import fbp
from pancreasgen.scan.geometry import Parallel
from pancreasgen.scan.modulation import tube_current
from pancreasgen.scan.operator import operator
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.scatter import group_size
from pancreasgen.scan.twin_noise import Spectra

Array = NDArray[np.float32]
PIXEL_MM, PLANE_MM, VIEWS = 6.0, 5.0, 48
_SAMPLES = 4  # voxels that are read along each side of a coarse pixel, at most


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What varies slowly over an image.

    Attributes:
        grid: Coarse grid of the maps.
        gain: HU per 1/1000 g/cm³ of bone mineral and of iodine, water being 1 (z, 2, x, y), float32.
        offset: What is added to the HU (z, 1, x, y), float32.
        noise: Amplitude a(φ) of the readings' noise that comes from direction φ, as a Fourier series: the factors of 1,
            cos 2φ, sin 2φ, cos 4φ, sin 4φ (z, 5, x, y), float32 [mm of water].
        shape: Factors of the noise, of the mean of the four pixels next to it, and of the four after next, of which it
            is made up where views are interpolated (z, 3, x, y), float32.
    """

    grid: Grid
    gain: Array
    offset: Array
    noise: Array
    shape: Array

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """Gain, offset, noise and shape."""
        return self.gain, self.offset, self.noise, self.shape


@njit(cache=True, parallel=True)
def _coarsen(out: Any, data: Any, first: Any, factors: Any, strides: Any) -> None:
    """Fill out (3, x, y, z) with means of blocks of data; out's pixel 0 begins at voxel ``first`` of data."""
    fx, fy, fz = factors
    for i in prange(out.shape[1]):
        for c in range(out.shape[0]):
            for j in range(out.shape[2]):
                for x in range(first[0] + i * fx, first[0] + (i + 1) * fx, strides[0]):
                    if x < 0 or x >= data.shape[1]:
                        continue
                    for y in range(first[1] + j * fy, first[1] + (j + 1) * fy, strides[1]):
                        if y < 0 or y >= data.shape[2]:
                            continue
                        for k in range(out.shape[3]):
                            total = np.float32(0.0)
                            for z in range(k * fz, min((k + 1) * fz, data.shape[3])):
                                total += data[c, x, y, z]
                            out[c, i, j, k] += total
                area = np.float32(len(range(0, fx, strides[0])) * len(range(0, fy, strides[1])))
                for k in range(out.shape[3]):
                    out[c, i, j, k] /= area * np.float32(min((k + 1) * fz, data.shape[3]) - k * fz)


def _coarse_body(materials: Volume) -> Volume:
    """Return the body on coarse voxels, with an empty pixel all round."""
    grid, data = materials.grid, materials.data
    fx, fy = (max(1, round(PIXEL_MM / grid.spacing_mm[axis])) for axis in (0, 1))
    fz = max(1, round(PLANE_MM / grid.spacing_mm[2]))
    nx, ny = -(-grid.shape[0] // fx) + 2, -(-grid.shape[1] // fy) + 2
    nz = max(1, round(grid.shape[2] / fz))
    fz = -(-grid.shape[2] // nz)
    nz = -(-grid.shape[2] // fz)
    out = np.zeros((data.shape[0], nx, ny, nz), dtype=np.float32)
    strides = (max(1, fx // _SAMPLES), max(1, fy // _SAMPLES))
    _coarsen(out, data, (-fx, -fy), (fx, fy, fz), strides)
    spacing = tuple(f * s for f, s in zip((fx, fy, fz), grid.spacing_mm, strict=True))
    first = (-fx, -fy, 0)
    origin = tuple(
        o + (p + (f - 1) / 2.0) * s
        for o, p, f, s in zip(grid.origin_mm, first, (fx, fy, fz), grid.spacing_mm, strict=True)
    )
    return Volume(out, Grid(out.shape[1:], spacing, origin), materials.quantity)  # type: ignore[arg-type]


@njit(cache=True, parallel=True)
def _expect(out: Any, lines: Any, bins: Any, tables: Any) -> None:
    """Fill out (4, views, bins, rows): signal, its variance by quanta, gains of mineral and iodine."""
    attenuation, air, air_square = tables
    for v in prange(lines.shape[1]):
        for n in range(lines.shape[2]):
            k = bins[n]
            for z in range(lines.shape[3]):
                signal, square = np.float32(0.0), np.float32(0.0)
                by_water, by_mineral, by_iodine = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                for g in range(attenuation.shape[1]):
                    a, b, c = attenuation[0, g], attenuation[1, g], attenuation[2, g]
                    path = fma(c, lines[2, v, n, z], fma(b, lines[1, v, n, z], a * lines[0, v, n, z]))
                    through = exp_negative(path)
                    here = air[k, g] * through
                    signal += here
                    square = fma(air_square[k, g], through, square)
                    by_water = fma(a, here, by_water)
                    by_mineral = fma(b, here, by_mineral)
                    by_iodine = fma(c, here, by_iodine)
                out[0, v, n, z] = signal
                out[1, v, n, z] = square
                out[2, v, n, z] = by_mineral / by_water
                out[3, v, n, z] = by_iodine / by_water


@njit(cache=True, parallel=True)
def _believe(out: Any, seen: Any, bins: Any, curve: Any, electronic_kev: Any) -> None:
    """Fill out (5, …) of :func:`readings` from what is seen (4, …) of :func:`_expect`."""
    air_kev, floor_kev, water, step = curve
    for v in prange(seen.shape[1]):
        for n in range(seen.shape[2]):
            k = bins[n]
            for z in range(seen.shape[3]):
                signal = max(seen[0, v, n, z], floor_kev[k])
                place = np.float32(math.log(air_kev[k] / signal)) / step
                entry = min(max(int(place), 0), water.shape[1] - 2)
                slope = water[k, entry + 1] - water[k, entry]
                change = slope / step / signal  # of the water path with the signal
                out[0, v, n, z] = water[k, entry] + (place - np.float32(entry)) * slope
                out[1, v, n, z] = seen[2, v, n, z]
                out[2, v, n, z] = seen[3, v, n, z]
                out[3, v, n, z] = change * change * seen[1, v, n, z]
                out[4, v, n, z] = change * change * electronic_kev * electronic_kev


def _beams(protocol: Protocol, isocentre_mm: tuple[float, float], grid: Grid) -> Parallel:
    """Return parallel views as wide as the fan, with bins of about a coarse pixel."""
    bin_mm = min(max(grid.spacing_mm[:2]), protocol.fan_fov_mm / 8.0)
    num = math.ceil(protocol.fan_fov_mm / bin_mm)
    angles = np.arange(VIEWS, dtype=np.float64) * (math.pi / VIEWS)
    return Parallel(angles, num, bin_mm, 0.0, isocentre_mm, grid.origin_mm[2], grid.spacing_mm[2], grid.shape[2])


def _scatter(seen: Array, gamma: NDArray[np.float64], protocol: Protocol, detector: Detector) -> None:
    """Add, in place, the noise of scattered quanta to what is seen, and what is left of them without a correction."""
    size = group_size(protocol.num_bins)
    fan = protocol.bin_angles_rad()
    middles = np.array([fan[k : k + size].mean() for k in range(0, fan.size, size)])

    def between(at: NDArray[np.float64], known: NDArray[np.float64]) -> Array:
        """Return the weights (at, known) with which values at known places are interpolated."""
        return np.stack([np.interp(at, known, unit) for unit in np.eye(known.size)], axis=1).astype(np.float32)

    air = detector.group_air_kev[:, None]
    primary = np.clip(between(middles, gamma) @ seen[0], np.float32(1e-6) * air, air)
    spread = between(gamma, middles) @ (detector.scatter @ (primary * np.log(air / primary)))
    seen[1] += spread * seen[1] / np.maximum(seen[0], np.float32(1e-20))
    if not protocol.scatter_correction:
        seen[0] += spread


def _current(materials: Volume, protocol: Protocol, beams: Parallel) -> Array:
    """Return the tube current of parallel views (views, 1, rows); as noise sees it, the harmonic mean of both sides."""
    z_mm = beams.first_row_mm + np.arange(beams.num_rows, dtype=np.float64) * beams.row_mm
    views = np.round(beams.angles_rad / (2.0 * math.pi) * protocol.num_views).astype(np.int64)
    own = tube_current(materials, protocol, z_mm)
    there = own[(views + protocol.num_views // 2) % protocol.num_views]
    mean = 2.0 / (1.0 / own[views % protocol.num_views] + 1.0 / there)
    return np.asarray(mean[:, None], dtype=np.float32)


def readings(
    lines: Array, protocol: Protocol, detector: Detector, offset_mm: NDArray[np.float64], current: Array
) -> Array:
    """Return what the scanner expects of readings along parallel rays, and how they vary.

    Args:
        lines: Line integrals of the basis densities (3, views, bins, rows) [g/cm³ · mm].
        protocol: The setting.
        detector: Its tables.
        offset_mm: Distance of each bin's ray from the isocentre (bins,) [mm].
        current: Tube current over the protocol's, of a shape that fits (views, bins, rows).

    Returns:
        Shape (5, views, bins, rows): path of water [mm], HU of bone mineral and of iodine over those of water of the
        same density, variance of the path by quanta and by electronics [mm²].
    """
    gamma = np.arcsin(np.clip(offset_mm / protocol.source_to_isocentre_mm, -1.0, 1.0))
    bins = np.abs(gamma[:, None] - protocol.bin_angles_rad()).argmin(axis=1)
    seen, out = (np.empty((count, *lines.shape[1:]), dtype=np.float32) for count in (4, 5))
    _expect(seen, lines, bins, (detector.attenuation * np.float32(0.1), detector.signal_kev, detector.square_kev2))
    curve = (detector.air_kev, detector.floor_kev, detector.water_mm, np.float32(detector.step))
    if protocol.scatter > 0.0:
        _scatter(seen, gamma, protocol, detector)
    seen[1] /= current
    _believe(out, seen, bins, curve, np.float32(0.0 if counts(protocol) else protocol.electronic_noise_kev))
    out[4] /= current * current
    out[3:] *= np.cos(gamma).astype(np.float32)[:, None]  # towards the edge of the fan the rays lie closer
    return out


@njit(cache=True, parallel=True)
def _gather(out: Any, read: Any, places: Any, beams: Any, kept: Any, waves: Any) -> None:
    """Fill out (x, y, 11, z): means over all views of the readings through a pixel.

    read: water path, gains, variance, electronic variance (5, views, bins, rows). places: x and y about the isocentre.
    beams: cosines, sines, bins per mm, middle bin. kept: tables of what views keep of noise (4, mm).
    waves: what the amplitude is multiplied with (views, 5).
    """
    xs, ys, floor = places
    cosines, sines, per_mm, middle = beams
    rows, last, share = read.shape[3], read.shape[2] - 1, np.float32(1.0 / cosines.size)
    for i in prange(xs.size):
        amplitude = np.empty(rows, dtype=np.float32)
        for j in range(ys.size):
            cell = out[i, j]
            for v in range(cosines.size):
                place = (xs[i] * cosines[v] + ys[j] * sines[v]) * per_mm + middle
                place = min(max(place, 0.0), float(last))
                n = min(int(place), last - 1)
                part = np.float32(place - n)
                far = min(int(abs(ys[j] * cosines[v] - xs[i] * sines[v])), kept.shape[1] - 1)
                left, own, next_one, second = kept[0, far], kept[1, far], kept[2, far], kept[3, far]
                for z in range(rows):
                    cell[0, z] += share * fma(part, read[1, v, n + 1, z] - read[1, v, n, z], read[1, v, n, z])
                    cell[1, z] += share * fma(part, read[2, v, n + 1, z] - read[2, v, n, z], read[2, v, n, z])
                    here = fma(floor, read[4, v, n, z], read[3, v, n, z])
                    there = fma(floor, read[4, v, n + 1, z], read[3, v, n + 1, z])
                    variance = left * fma(part, there - here, here)
                    amplitude[z] = np.float32(math.sqrt(variance))
                    cell[2, z] += share * variance
                    cell[3, z] += own * variance
                    cell[4, z] += next_one * variance
                    cell[5, z] += second * variance
                for c in range(waves.shape[1]):
                    for z in range(rows):
                        cell[6 + c, z] = fma(waves[v, c], amplitude[z], cell[6 + c, z])


def _means(read: Array, grid: Grid, beams: Parallel, known: Spectra) -> tuple[Array, Array, Array]:
    """Return the gains, and amplitude and shape of the noise: means over the rays through a pixel."""
    out = np.zeros((*grid.shape[:2], 11, grid.shape[2]), dtype=np.float32)
    xs, ys = (grid.axis_mm(axis) - beams.isocentre_mm[axis] for axis in (0, 1))
    angles = beams.angles_rad
    directions = (np.cos(angles), np.sin(angles), 1.0 / beams.bin_mm, (beams.num_bins - 1) / 2.0)
    waves = [np.ones_like(angles)] + [2.0 * wave(n * angles) for n in (2, 4) for wave in (np.cos, np.sin)]
    series = (np.stack(waves, axis=1) / angles.size).astype(np.float32)
    _gather(out, read, (xs, ys, np.float32(known.floor)), directions, known.kept.tables, series)
    mean = np.ascontiguousarray(out.transpose(3, 2, 0, 1))
    noise, shape = mean[:, 6:], mean[:, 3:6]
    # The series leaves out the finest changes with direction; their power is given to what it holds.
    told = noise[:, 0] ** 2 + 0.5 * (noise[:, 1:] ** 2).sum(axis=1)
    noise *= np.sqrt(mean[:, 2] / np.maximum(told, np.float32(1e-20)))[:, None]
    power = np.einsum("zixy,ij,zjxy->zxy", shape, known.kept.gram, shape)
    shape = shape / np.sqrt(np.maximum(power, np.float32(1e-20)))[:, None]
    return mean[:, :2], noise, shape


@lru_cache(maxsize=8)
def _detector(protocol: Protocol) -> Detector:
    return prepare_detector(protocol)


def make_maps(materials: Volume, protocol: Protocol, isocentre_mm: tuple[float, float], known: Spectra) -> Maps:
    """Return the maps of a body.

    Args:
        materials: Densities of the basis materials [g/cm³].
        protocol: The setting.
        isocentre_mm: Axis of rotation (x, y) [mm].
        known: What its kernel does to noise.
    """
    body = _coarse_body(materials)
    beams = _beams(protocol, isocentre_mm, body.grid)
    project = operator(body.grid, beams, "direct")
    current = _current(body, protocol, beams)
    read = readings(project(body.data), protocol, _detector(protocol), beams.rays().offset_mm, current)
    gain, noise, shape = _means(read, body.grid, beams, known)
    mineral, iodine = gain.transpose(1, 2, 3, 0)
    linear = body.data[0] + mineral * body.data[1] + iodine * body.data[2]
    offset = fbp(read[0] - project(linear), beams, body.grid, "hann") * np.float32(1000.0)
    return Maps(body.grid, gain, np.ascontiguousarray(offset.transpose(2, 0, 1))[:, None], noise, shape)
