"""The fast twin: an image as the scanner would make it, without rays. For training on the fly.

The body is blurred by the scanner's MTF and averaged over its rows. Noise is white noise keyed by place, filtered to
the scanner's own noise power, and weighed, pixel by pixel and direction by direction, with what the readings through
that pixel vary (pancreasgen.scan.twin_maps). What it leaves out: streaks, aliasing of views, and beam hardening finer
than about 2 cm.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import lock
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.bench import first_row_mm, num_rows
from pancreasgen.scan.materials import BASIS
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.rows import RowTaps
from pancreasgen.scan.twin_kernels import add_map, add_shaped, add_wave, add_white, fill_body, put, weigh
from pancreasgen.scan.twin_maps import Maps, make_maps
from pancreasgen.scan.twin_noise import Filters, make_filters, spectra

Array = NDArray[np.float32]
Box = tuple[slice, slice, slice]
WHOLE: Box = (slice(None), slice(None), slice(None))
_SLICES = 16  # that are worked on together: whole cache lines of body and image


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """A body on the table of the fast scanner; it makes as many images as are wanted.

    Attributes:
        materials: Densities of the basis materials [g/cm³].
        protocol: The setting.
        image_grid: Grid of the whole image; its pixels lie on those of the materials.
        maps: What varies slowly over it.
        taps: Planes of the materials that each row reads.
        corner: Pixel of the materials at the image's corner (x, y).
    """

    materials: Volume
    protocol: Protocol
    image_grid: Grid
    maps: Maps
    taps: RowTaps
    corner: tuple[int, int]

    @classmethod
    def of(cls, materials: Volume, protocol: Protocol, image_grid: Grid) -> Twin:
        """Lay a body on the table. The axis of rotation is the middle of the image grid.

        Args:
            materials: Densities of the basis materials, quantity DENSITY [g/cm³].
            protocol: The setting.
            image_grid: Grid of the image; x and y are those of the materials, shifted by whole pixels.

        Raises:
            BadInputError: If materials are not three basis densities.
            UsageError: If pixels do not lie on pixels, the z spacing does not fit the rows, or the protocol has what
                the twin does not know.
        """
        _check_known(protocol)
        if materials.quantity is not Quantity.DENSITY or materials.data.shape[0] != len(BASIS):
            raise BadInputError(
                f"the scanner wants densities of {', '.join(BASIS)}, not {materials.quantity.value}",
                "CT numbers become densities with pancreasgen.scan.materials.from_hu",
            )
        grid = materials.grid
        corner = [(a - b) / s for a, b, s in zip(image_grid.origin_mm, grid.origin_mm, grid.spacing_mm, strict=True)]
        same = np.allclose(image_grid.spacing_mm[:2], grid.spacing_mm[:2], rtol=1e-6)
        if not same or any(abs(place - round(place)) > 1e-3 for place in corner[:2]):
            raise UsageError(
                "the fast twin wants an image whose pixels lie on those of the body",
                "make the body on the image's grid, or scan with fidelity full",
            )
        count = num_rows(image_grid, protocol)
        z_mm = first_row_mm(image_grid, protocol) + np.arange(count, dtype=np.float64) * protocol.row_mm
        known = spectra(protocol, max(image_grid.spacing_mm[:2]))
        maps = make_maps(materials, protocol, _middle_mm(image_grid), known)
        return cls(materials, protocol, image_grid, maps, RowTaps.of(z_mm, grid), (round(corner[0]), round(corner[1])))

    def image(self, chance: Chance, box: Box = WHOLE, progress: Callable[[float], None] | None = None) -> Volume:
        """Return the image, or a part of it; a part is what the whole is there, noise included.

        Args:
            chance: Stage of the noise.
            box: Voxels (x, y, z) of the whole image.
            progress: Called with the share that is done, 0 to 1.

        Returns:
            CT numbers, float32, not rounded [HU].

        Raises:
            UsageError: If the box is empty or has steps.
        """
        grid = _cropped(self.image_grid, box)
        part = _Part.of(self, grid, int(chance.key) if self.protocol.noise else None)
        data = np.empty(grid.shape, dtype=np.float32)
        starts = range(0, grid.shape[2], _SLICES)

        def work(start: int) -> None:
            part.fill(data[:, :, start : start + _SLICES], start)

        with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
            for done, _ in enumerate(pool.map(work, starts), start=1):
                if progress is not None:
                    progress(done / len(starts))
        return Volume(lock(data), grid, Quantity.HU)


def twin_scan(
    materials: Volume,
    protocol: Protocol,
    image_grid: Grid,
    chance: Chance,
    progress: Callable[[float], None] | None = None,
) -> Volume:
    """Return about what :func:`pancreasgen.scan.scan.scan` would, without rays; arguments and result are the same.

    Raises:
        BadInputError: If materials are not three basis densities.
        UsageError: If pixels of the image do not lie on those of the body, or the z spacing does not fit the rows.
    """
    return Twin.of(materials, protocol, image_grid).image(chance, WHOLE, progress)


def _check_known(protocol: Protocol) -> None:
    """Refuse what the fast twin does not know."""
    unknown = {
        "two spectra": protocol.second_kvp > 0.0,
        "the correction of bone": protocol.bone_correction,
        "scatter without a correction": protocol.scatter > 0.0 and not protocol.scatter_correction,
        "iterative reconstruction": protocol.reconstruction == "iterative",
        "breathing": protocol.breathing_mm > 0.0,
    }
    for name, there in unknown.items():
        if there:
            raise UsageError(f"the fast twin does not know {name}", "scan with fidelity full")


def _middle_mm(grid: Grid) -> tuple[float, float]:
    """Return the middle of a grid in x and y, where the axis of rotation is."""
    x, y = (grid.origin_mm[axis] + (grid.shape[axis] - 1) / 2.0 * grid.spacing_mm[axis] for axis in (0, 1))
    return x, y


def _cropped(grid: Grid, box: Box) -> Grid:
    """Return the part of a grid."""
    spans = [part.indices(n) for part, n in zip(box, grid.shape, strict=True)]
    if any(step != 1 or stop <= start for start, stop, step in spans):
        raise UsageError(f"a part of an image is a box of at least one voxel, not {box}")
    origin = [o + start * s for o, s, (start, _, _) in zip(grid.origin_mm, grid.spacing_mm, spans, strict=True)]
    shape = [stop - start for start, stop, _ in spans]
    return Grid((shape[0], shape[1], shape[2]), grid.spacing_mm, (origin[0], origin[1], origin[2]))


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part of an image that is being made.

    Attributes:
        twin: The body on the table.
        first: Voxel of the whole image at the part's corner.
        filters: Transfer functions, for planes with a margin.
        key: 64 bits of the noise, or None for none.
        taps: Where the planes' pixels lie among the coarse ones: index and part along x and y, then along z.
        outside: Pixels that were not measured (x, y).
    """

    twin: Twin
    first: tuple[int, int, int]
    filters: Filters
    key: int | None
    taps: tuple[Any, Any, Any]
    outside: NDArray[np.bool_]

    @classmethod
    def of(cls, twin: Twin, grid: Grid, key: int | None) -> _Part:
        """Prepare a part."""
        whole, protocol = twin.image_grid, twin.protocol
        first = [round((a - b) / s) for a, b, s in zip(grid.origin_mm, whole.origin_mm, whole.spacing_mm, strict=True)]
        pixel = whole.spacing_mm[:2]
        filters = make_filters(spectra(protocol, max(pixel)), pixel, grid.shape[:2])
        axes = [
            grid.origin_mm[axis] + (np.arange(filters.size[axis], dtype=np.float64) - filters.reach) * pixel[axis]
            for axis in (0, 1)
        ]
        taps = [_coarse_taps(axis, mm, twin.maps.grid) for axis, mm in enumerate([*axes, grid.axis_mm(2)])]
        x, y = (grid.axis_mm(axis) - centre for axis, centre in enumerate(_middle_mm(whole)))
        outside = x[:, None] ** 2 + y[None] ** 2 > (protocol.fan_fov_mm / 2.0) ** 2
        return cls(twin, (first[0], first[1], first[2]), filters, key, (taps[0], taps[1], taps[2]), outside)

    def fill(self, out: Array, start: int) -> None:
        """Fill slices (x, y, slices) of the part, from slice ``start`` on."""
        twin, slices, size = self.twin, range(start, start + out.shape[2]), self.filters.size
        gain, offset, noise, shape = (_at_slices(a, self.taps[2], slices) for a in twin.maps.arrays)
        taps = (*self.taps[0], *self.taps[1])
        corner = (self.first[0] - self.filters.reach, self.first[1] - self.filters.reach)
        place = (corner[0] + twin.corner[0], corner[1] + twin.corner[1])
        rows = self._rows(slices)
        planes = np.empty((len(slices), *size), dtype=np.float32)
        fill_body(planes, twin.materials.data, _weights(twin.taps, rows), place, gain, taps)
        room = np.empty(self.filters.blur.shape, dtype=np.complex64)
        for k, plane in enumerate(planes):
            weigh(room, scipy.fft.rfft2(plane), self.filters.blur)
            plane[:] = scipy.fft.irfft2(room, size)
            add_map(plane, offset[k, 0], taps)
            if self.key is not None:
                white = np.zeros(size, dtype=np.float32)
                for row in rows[k]:
                    add_white(white, np.uint64(self.key), int(row), corner, 1.0 / rows.shape[1])
                spectrum = scipy.fft.rfft2(white)
                white[:] = 0.0
                for transfer, coarse in zip(self.filters.noise, noise[k], strict=True):
                    weigh(room, spectrum, transfer)
                    add_wave(white, scipy.fft.irfft2(room, size), coarse, taps)
                add_shaped(plane, white, shape[k], taps)
        put(out, planes, self.filters.reach, self.outside)

    def _rows(self, slices: range) -> NDArray[np.int64]:
        """Return the detector rows of slices of the part (slices, rows), counted from the whole image's lowest."""
        protocol = self.twin.protocol
        step = round(self.twin.image_grid.spacing_mm[2] / protocol.row_mm)
        return (self.first[2] + np.array(slices))[:, None] * step + np.arange(protocol.rows_per_slice)


def _weights(taps: RowTaps, rows: NDArray[np.int64]) -> tuple[int, Array]:
    """Return the lowest plane that slices read, and what they take of it and those above it (slices, planes)."""
    bottom, top = int(taps.low[rows].min()), int(taps.high[rows].max())
    weights = np.zeros((rows.shape[0], top - bottom + 1), dtype=np.float32)
    for k, own in enumerate(rows):
        for planes, share in ((taps.low[own], taps.weight[own, 0]), (taps.high[own], taps.weight[own, 1])):
            np.add.at(weights[k], planes - bottom, share * np.float32(1000.0 / own.size))
    return bottom, weights


def _coarse_taps(axis: int, places_mm: NDArray[np.float64], coarse: Grid) -> tuple[NDArray[np.int64], Array]:
    """Return the lower coarse pixel and the part of the way to the next; held at the ends."""
    last = coarse.shape[axis] - 1
    place = np.clip((places_mm - coarse.origin_mm[axis]) / coarse.spacing_mm[axis], 0.0, last)
    low = np.minimum(place.astype(np.int64), max(last - 1, 0))
    return low, (place - low).astype(np.float32)


def _at_slices(maps: Array, taps: Any, slices: range) -> Array:
    """Return maps (z, channels, x, y) at slices."""
    low, part = taps[0][slices.start : slices.stop], taps[1][slices.start : slices.stop, None, None, None]
    high = np.minimum(low + 1, maps.shape[0] - 1)
    result: Array = maps[low] + part * (maps[high] - maps[low])
    return result
