"""Weighted filtered backprojection of a helical scan with a multi-row arc detector.

Fan views are rebinned to parallel ones, row by row; each keeps the z of the foci that its rays came from. They are
filtered along the bins with the ramp and backprojected along the tilted rays. Where several half turns see a voxel from
one direction, each counts by the row that saw it: fully in the middle of the detector, falling as a squared cosine to
nothing at its edge; the weights are divided by their sum. So no slice begins or ends at a view, and an oblique rod has
no stairs. Stierstorfer et al., Phys Med Biol 49:2209 (2004). The tilt of the filter lines is neglected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.columns import fill_columns
from pancreasgen.scan.fast import fma
from pancreasgen.scan.fbp import WINDOWS, Window, ramp_taps
from pancreasgen.scan.fdk import empty_cells, even_filter, field_mm, filter_lines, summed_views
from pancreasgen.scan.filtering import interpolation_taps
from pancreasgen.scan.geometry import ArcCone
from pancreasgen.scan.kernels import kernel_mtf
from pancreasgen.scan.operator import checked_array, num_threads
from pancreasgen.scan.project import Plane
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.reconstruct import system_mtf
from pancreasgen.scan.slant import ROWS

Array = NDArray[np.float32]
HIGHEST_PITCH = 1.5  # beyond it a fan of 52° leaves gaps between half turns
FLAT = (
    0.5  # share of the detector, from its middle, whose rows count fully; assumed, a trade of dose use for smoothness
)
_CHUNK = 16  # directions that are filtered and backprojected at a time
_SLAB = 128  # slices that are made at a time
_LEAST = 0.01  # sum of weights below which a voxel was not seen


@dataclass(frozen=True, slots=True)
class Helix:
    """The parallel views of a helical scan: view i has the angle first_rad + i · step_rad.

    Attributes:
        first_rad: Angle of view 0 [rad].
        step_rad: From view to view [rad].
        half_turn: Views of half a turn.
        num: Views.
        focus_mm: z of the focus at angle 0 [mm].
        feed_mm_per_rad: How far the focus moves [mm/rad].
    """

    first_rad: float
    step_rad: float
    half_turn: int
    num: int
    focus_mm: float
    feed_mm_per_rad: float

    @classmethod
    def of(cls, geometry: ArcCone) -> Helix:
        """Return the parallel views of a geometry.

        Raises:
            BadInputError: If the views are not evenly spaced along a helix, the pitch is 0 or above 1.5, or the scan is
                shorter than half a turn and the fan.
        """
        beta, z = geometry.angles_rad, geometry.source_z_mm
        if beta.size < 3 or not np.allclose(np.diff(beta), beta[1] - beta[0], atol=1e-9) or beta[1] <= beta[0]:
            raise BadInputError("the views of a helix must be evenly spaced, in rising order")
        step, feed = float(beta[1] - beta[0]), float((z[-1] - z[0]) / (beta[-1] - beta[0]))
        if not np.allclose(z, z[0] + feed * (beta - beta[0]), atol=1e-4):
            raise BadInputError("the focus of a helix must move evenly from view to view")
        pitch = abs(feed) * 2.0 * math.pi / (geometry.num_rows * geometry.row_mm)
        if not 0.0 < pitch <= HIGHEST_PITCH + 1e-9:
            raise BadInputError(
                f"a helix must have a pitch above 0 and up to {HIGHEST_PITCH:g}, not {pitch:.3g}",
                "use fdk() for a scan whose table stands" if pitch == 0.0 else "move the table more slowly",
            )
        widest, half_turn = float(np.abs(geometry.rays().bin_rad).max()), math.ceil(math.pi / step - 1e-9)
        first = beta[0] + widest
        num = math.floor((beta[-1] - widest - first) / (math.pi / half_turn) + 1e-9) + 1
        if num < half_turn:
            need = math.degrees(math.pi + 2.0 * widest)
            raise BadInputError(f"a helix must cover {need:.0f}°, not {math.degrees(beta[-1] - beta[0]):.0f}°")
        return cls(float(first), math.pi / half_turn, half_turn, num, float(z[0] - feed * beta[0]), feed)


def helical_geometry(protocol: Protocol, grid: Grid, isocentre_mm: tuple[float, float]) -> ArcCone:
    """Return the helix of a protocol that sees every slice of a grid from all sides, run-in and run-out included.

    Raises:
        UsageError: If the protocol has no pitch.

    >>> from pancreasgen.scan.protocol import load_protocol
    >>> protocol = Protocol.from_dict(load_protocol("thin").to_dict() | {"pitch": 1.0, "detector_rows": 32})
    >>> grid = Grid.centred((8, 8, 40), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    >>> geometry = helical_geometry(protocol, grid, (0.0, 0.0))
    >>> bool(geometry.source_z_mm[0] < -20.0 and geometry.source_z_mm[-1] > 20.0)
    True
    """
    if protocol.pitch == 0.0:
        raise UsageError("a helical scan needs a pitch above 0; this protocol has 0", "set pitch, for example to 1")
    gamma, distance = protocol.bin_angles_rad(), protocol.source_to_isocentre_mm
    beam, widest = protocol.detector_rows * protocol.row_mm, float(np.abs(gamma).max())
    feed = protocol.pitch * beam
    over = beam / 2.0 * (1.0 + math.sin(widest)) + feed * (0.25 + widest / math.pi)
    z = grid.axis_mm(2)
    num = math.ceil((z[-1] - z[0] + 2.0 * over) / feed * protocol.num_views) + 1
    angles = np.arange(num) * (2.0 * math.pi / protocol.num_views)
    places = (z[0] + z[-1]) / 2.0 + (angles - angles[-1] / 2.0) * (feed / (2.0 * math.pi))
    return ArcCone(
        angles, places, protocol.num_bins, protocol.bin_angle_rad, 0.25, protocol.detector_rows, protocol.row_mm,
        distance, isocentre_mm,
    )  # fmt: skip


def kernel_window(protocol: Protocol, pixel_mm: float) -> Window:
    """Return a protocol's kernel as a window for :func:`helical`: MTF10 is held to 0.45 per bin and 0.8 per pixel.

    >>> from pancreasgen.scan.protocol import load_protocol
    >>> kernel_window(load_protocol("thick"), 0.8)(np.zeros(1)).round(3).tolist()
    [1.0]
    """
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    limit = min(0.45 / bin_mm, 0.8 / pixel_mm)

    def window(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        per_mm = frequency * (0.5 / bin_mm)
        result: NDArray[np.float64] = kernel_mtf(protocol.kernel, per_mm, limit) / system_mtf(protocol, per_mm)
        return result

    return window


def row_weights(num_rows: int) -> Array:
    """Return what each row counts (num_rows,): 1 in the middle of the detector, falling to 0 beyond its edge.

    >>> row_weights(4).round(2).tolist()
    [0.5, 1.0, 1.0, 0.5]
    """
    place = np.abs(np.arange(num_rows) - (num_rows - 1) / 2.0) / (num_rows / 2.0)
    fall = np.clip((place - FLAT) / (1.0 - FLAT), 0.0, 1.0)
    weight: Array = (np.cos(0.5 * math.pi * fall) ** 2).astype(np.float32)
    return weight


@njit(cache=True, inline="always")
def _phase(position: Any, phases: Any) -> Any:
    first = math.floor(position)
    where = (position - first) * phases
    return first, int(where), np.float32(where - int(where))


@njit(cache=True)
def _rebin_view(out: Any, line: Any, sinogram: Any, place: Any, sources: Any, table: Any) -> None:
    """Fill a parallel view (bins, rows). place: fan view of each bin; sources: bin of each ray; both fractional."""
    phases, taps = table.shape[0] - 1, table.shape[1]
    views, bins, rows = sinogram.shape
    line[:] = np.float32(0.0)
    out[:] = np.float32(0.0)
    for k in range(bins):
        first, phase, rest = _phase(place[k], phases)
        for t in range(taps):
            view = min(max(first + t - (taps // 2 - 1), 0), views - 1)
            weight = fma(rest, table[phase + 1, t] - table[phase, t], table[phase, t])
            for r in range(np.uint64(rows)):
                line[k, r] = fma(weight, sinogram[view, k, r], line[k, r])
    for n in range(bins):
        first, phase, rest = _phase(sources[n], phases)
        for t in range(taps):
            m = first + t - (taps // 2 - 1)
            if 0 <= m < bins:
                weight = fma(rest, table[phase + 1, t] - table[phase, t], table[phase, t])
                for r in range(np.uint64(rows)):
                    out[n, r] = fma(weight, line[m, r], out[n, r])


@njit(cache=True, parallel=True)
def _rebin(out: Any, sinogram: Any, places: Any, sources: Any, table: Any) -> None:
    """Fill parallel views (view, bin, row) from fan views. places: fractional fan view (view, bin); negative: none."""
    for view in prange(out.shape[0]):
        if places[view, 0] >= 0.0:
            line = np.empty(out.shape[1:], dtype=np.float32)
            _rebin_view(out[view], line, sinogram, places[view], sources, table)


def helical(
    sinogram: Array,
    geometry: ArcCone,
    grid: Grid,
    window: str | Window = "ram-lak",
    threads: int | None = None,
) -> Array:
    """Return the reconstruction of a helical scan.

    A thin disc shows with a full width at half maximum of 1.25 to 1.65 rows, more at high pitch, without the rows' own
    height, which is in the measurements. Average slices for thicker ones.

    Args:
        sinogram: Line integrals (views, bins, rows) [value × mm].
        geometry: Where they were measured: evenly along a helix, pitch up to 1.5.
        grid: Grid of the image.
        window: One of pancreasgen.scan.fbp.WINDOWS, or a function of the frequency over the highest the bins carry.
        threads: Threads; None for all.

    Returns:
        Shape ``grid.shape``, float32 [value]. Voxels that were not seen from every direction of half a turn are 0.

    Raises:
        UsageError: If the window is unknown.
        BadInputError: If shapes do not fit, a value is not finite, or the views are no helix (:class:`Helix`).

    >>> turn = np.arange(30) * math.pi / 8
    >>> geometry = ArcCone(turn, turn - turn.mean(), 9, 0.01, 0.0, 8, 1.0, 500.0, (0.0, 0.0))
    >>> grid = Grid.centred((3, 3, 2), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    >>> helical(np.zeros(geometry.shape, dtype=np.float32), geometry, grid).shape
    (3, 3, 2)
    """
    if isinstance(window, str) and window not in WINDOWS:
        raise unknown_name("window", window, list(WINDOWS))
    shape = WINDOWS[window] if isinstance(window, str) else window
    data = checked_array(sinogram, geometry.shape, "the sinogram")[0]
    helix, bins = Helix.of(geometry), geometry.num_bins
    bin_mm = geometry.source_to_isocentre_mm * geometry.bin_angle_rad
    taps = ramp_taps(2 * bins + 1, bin_mm / 2.0, shape, 0.25) * (2.0 * helix.step_rad)
    out = np.empty(grid.shape, dtype=np.float32)
    with num_threads(threads):
        for first in range(0, grid.shape[2], _SLAB):
            count = min(_SLAB, grid.shape[2] - first)
            origin = (*grid.origin_mm[:2], grid.origin_mm[2] + first * grid.spacing_mm[2])
            slab = Grid((*grid.shape[:2], count), grid.spacing_mm, (origin[0], origin[1], origin[2]))
            out[..., first : first + count] = _make_slab(data, geometry, helix, slab, even_filter(taps, bins))
    return out


def _numbers(helix: Helix, geometry: ArcCone, slab: Grid, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return sine, cosine, z of the focus at fan angle 0, and whether it counts, of parallel views (…, 4)."""
    angle = helix.first_rad + index * helix.step_rad
    focus = helix.focus_mm + helix.feed_mm_per_rad * angle
    distance, widest = geometry.source_to_isocentre_mm, float(np.abs(geometry.rays().bin_rad).max())
    beam = geometry.num_rows * geometry.row_mm / 2.0 * (1.0 + field_mm(geometry) / distance)
    reach = beam + abs(helix.feed_mm_per_rad) * widest
    z = slab.axis_mm(2)
    counts = (index >= 0) & (index < helix.num) & (focus >= z[0] - reach) & (focus <= z[-1] + reach)
    return np.stack([np.sin(angle), np.cos(angle), focus, counts.astype(np.float64)], axis=-1)


def _make_slab(data: Array, geometry: ArcCone, helix: Helix, slab: Grid, half_filter: NDArray[np.float64]) -> Array:
    """Return some slices (x, y, z)."""
    (nx, ny, nz), bins, rows = slab.shape, geometry.num_bins, geometry.num_rows
    distance, pitch, rays = geometry.source_to_isocentre_mm, geometry.bin_angle_rad, geometry.rays()
    plane, pad, bin_mm = Plane.of(slab, geometry.isocentre_mm), empty_cells(geometry, slab), distance * pitch
    u = (np.arange(bins) - (bins - 1) / 2.0) * bin_mm
    sources = (np.arcsin(np.clip(u / distance, -1.0, 1.0)) - rays.bin_rad[0]) / pitch
    weight = row_weights(rows)
    tilt = weight * np.cos(np.arctan(geometry.row_offsets_mm() / distance)).astype(np.float32)
    turns = -(-helix.num // helix.half_turn)
    image = np.zeros((nx, ny, -(-nz // ROWS) * ROWS), dtype=np.float32)
    lowest, table = np.ones_like(image), np.pad(weight, pad)
    scan = (distance, float(u[0]), bin_mm / 2.0, helix.feed_mm_per_rad)
    line = (2 * bins, rows + 2 * pad, True, 1.0 / geometry.row_mm, (rows - 1) / 2.0)
    depth = (slab.origin_mm[2], slab.spacing_mm[2], nz, rows, pad)
    group = (min(summed_views(geometry, slab, helix.step_rad), _CHUNK), True)
    for first in range(0, helix.half_turn, _CHUNK):
        directions = np.arange(first, min(first + _CHUNK, helix.half_turn))
        index = np.arange(turns)[:, None] * helix.half_turn + directions[None]
        views = _numbers(helix, geometry, slab, index)
        used = np.flatnonzero(views[..., 3].any(axis=1))
        views, index = np.ascontiguousarray(views[used]), index[used]
        beta = helix.first_rad + index.reshape(-1, 1) * helix.step_rad - rays.bin_rad[None]
        places = (beta - geometry.angles_rad[0]) / (geometry.angles_rad[1] - geometry.angles_rad[0])
        places = np.where(views[..., 3].reshape(-1, 1) > 0.0, np.maximum(places, 0.0), -1.0)
        parallel = np.zeros((index.size, bins, rows), dtype=np.float32)
        _rebin(parallel, data, places, sources, interpolation_taps())
        lines = np.zeros((index.size, 2 * bins, rows + 2 * pad), dtype=np.float32)
        filter_lines(lines, parallel * tilt, half_filter, pad)
        field = (nx, ny, *plane.numbers(), field_mm(geometry))
        fill_columns(
            image.reshape(-1), lowest.reshape(-1), lines.reshape(-1), views, table, field, scan, line, depth, group
        )
    image[lowest < _LEAST] = 0.0
    return image[..., :nz]
