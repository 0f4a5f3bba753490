"""What `qa.py` scans and measures: the CatPhan's slabs, kernels' MTF, water, iodine, noise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qa_phantom import INSERT_RADIUS_MM, INSERTS, SECTIONS, Insert, Section, catphan, cylinder
from scipy.optimize import brentq

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.detect import aperture_tap
from pancreasgen.scan.kernels import KERNELS, carried_mtf, finest_mtf10, kernel_mtf, pass_band
from pancreasgen.scan.materials import basis_attenuation, energies_kev, mass_attenuation
from pancreasgen.scan.protocol import Protocol, load_protocol
from pancreasgen.scan.scan import scan
from pancreasgen.scan.spectrum import detector_efficiency, tube_spectrum

Image = NDArray[np.float32]
CENTRE = (0.0, 0.0, 0.0)
CATPHAN_PIXEL_MM = 0.4


def routine(**changes: Any) -> Protocol:
    """Return the routine protocol with changes."""
    return dataclasses.replace(load_protocol("unenhanced"), **changes)


def as_seen(volume: Volume) -> Image:
    """Return slices (slice, row, column) as an image is seen: rows from the front down, columns to the left hand."""
    return np.ascontiguousarray(volume.data[::-1, ::-1].transpose(2, 1, 0))


def _slabs(section: Section, protocol: Protocol) -> list[tuple[float, float]]:
    row = protocol.row_mm
    count = round((section.high_mm - section.low_mm) / row)
    return [(section.low_mm + k * row, section.low_mm + (k + 1) * row) for k in range(count)]


def scan_catphan(protocol: Protocol, seed: int = 1) -> tuple[Image, NDArray[np.float64]]:
    """Return images (slices, rows, columns) [HU] of the whole phantom, and z of the slices [mm]."""
    images, places = [], []
    for number, section in enumerate(SECTIONS):
        body = catphan(_slabs(section, protocol), section.fill, CATPHAN_PIXEL_MM)
        count = round((section.high_mm - section.low_mm) / protocol.slice_increment_mm)
        grid = protocol.image_grid((0.0, 0.0, (section.low_mm + section.high_mm) / 2.0), count)
        images.append(as_seen(scan(body, protocol, grid, Chance(seed, number, "noise"))))
        places.append(grid.axis_mm(2))
    return np.concatenate(images), np.concatenate(places)


def expected_hu(insert: Insert, protocol: Protocol, water_mm: float = 200.0) -> float:
    """Return the HU of a rod of an insert's material as a detector with a water correction must see it.

    The rod weakens the spectrum that is left behind the rest of a cylinder of water as much as so much water does:
    HU = 1000 · (that water / rod − 1). Independent of projector, detector's noise and reconstruction.
    """
    rod_cm, water = 2.0 * INSERT_RADIUS_MM / 10.0, basis_attenuation()[0]
    weight = tube_spectrum(protocol.kvp, protocol.filtration_mm_al) * energies_kev()
    weight = weight * detector_efficiency(protocol.scintillator_mm, 1.0) * np.exp(-water * (water_mm / 10.0 - rod_cm))
    behind_rod = float(weight @ np.exp(-insert.density * mass_attenuation(insert.composition) * rod_cm))
    same_cm = brentq(lambda cm: float(weight @ np.exp(-water * cm)) - behind_rod, -1.0, 10.0)
    return 1000.0 * (same_cm / rod_cm - 1.0)


def edge_mtf(protocol: Protocol) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies [1/mm] and the MTF of the chain, from the edge of a noise-free disc of 50 mm near the axis."""
    step, at = 0.05, (3.0, 2.0)
    size, pixel = 580, 0.1
    place = (np.arange(size) - (size - 1) / 2.0) * pixel
    away = np.hypot(place[:, None] - at[0], place[None] - at[1])
    body = np.zeros((3, size, size, 1), dtype=np.float32)
    body[0, ..., 0] = np.clip((25.0 - away) / pixel + 0.5, 0.0, 1.0)
    grid = Grid.centred((size, size, 1), (pixel, pixel, 5.0), CENTRE)
    image_grid = protocol.image_grid(CENTRE, 1)
    image = scan(Volume(body, grid, Quantity.DENSITY), protocol, image_grid, Chance(1, 0, "noise")).data[:, :, 0]
    x, y, _ = image_grid.mesh_mm()
    edges = np.arange(17.0, 33.0, step)
    radius = np.hypot(x - at[0], y - at[1])[:, :, 0]
    edge = np.histogram(radius, edges, weights=image)[0] / np.histogram(radius, edges)[0]
    spread = np.diff(edge) / np.diff(edge).sum()
    frequency = np.arange(0.0, 1.8, 0.005)
    wave = np.exp(-2j * np.pi * frequency[:, None] * np.arange(spread.size) * step)
    return frequency, np.abs(wave @ spread) / np.sinc(frequency * step) ** 2


def kernels_measured() -> Iterator[dict[str, Any]]:
    """Yield for each kernel and number of bins what is stated and measured [1/mm]."""
    for kernel in KERNELS:
        for bins in (736, 888) if kernel == "sharp" else (736,):
            protocol = routine(kernel=kernel, num_bins=bins, fov_mm=100.0, noise=False)
            bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
            frequency, mtf = edge_mtf(protocol)
            stated = carried_mtf(kernel, finest_mtf10(bin_mm, protocol.fov_mm / protocol.matrix))
            found = tuple(float(frequency[np.argmax(mtf < level)]) for level in (0.5, 0.1))
            yield {"kernel": kernel, "bins": bins, "bin_mm": bin_mm, "stated": stated, "measured": found,
                   "frequency": frequency[::2].tolist(), "mtf": mtf[::2].tolist()}  # fmt: skip


def _radius(grid: Grid) -> NDArray[np.float64]:
    x, y, _ = grid.mesh_mm()
    return np.hypot(x, y)[:, :, 0]


def water_measured() -> dict[str, Any]:
    """Return HU of a noise-free water cylinder of 320 mm and of the air about it, and the profile by radius."""
    protocol = routine(noise=False)
    grid = protocol.image_grid(CENTRE, 1)
    image = scan(cylinder(160.0, 0.5), protocol, grid, Chance(1, 0, "noise")).data[:, :, 0]
    radius = _radius(grid)
    rings = [(float(r), float(image[(radius >= r - 5.0) & (radius < r + 5.0)].mean())) for r in range(0, 151, 10)]
    inside = image[radius < 150.0]
    air = image[(radius > 170.0) & (radius < 195.0)]
    return {"mean": float(inside.mean()), "sd": float(inside.std()), "air": float(air.mean()), "rings": rings,
            "spread": max(h for _, h in rings) - min(h for _, h in rings)}  # fmt: skip


def iodine_measured() -> list[dict[str, float]]:
    """Return HU per mg/mL of iodine at each voltage: rods of 25 mm in a water cylinder of 200 mm, noise-free."""
    strengths = (0.0, 2.0, 5.0, 10.0, 15.0)
    places = [(55.0 * math.cos(0.4 + k * 1.2566), 55.0 * math.sin(0.4 + k * 1.2566)) for k in range(5)]
    body = cylinder(100.0, 0.5)
    x, y, _ = body.grid.mesh_mm()
    data = body.data.copy()
    for (px, py), strength in zip(places, strengths, strict=True):
        data[2] += (strength / 1000.0) * (np.hypot(x - px, y - py) < 12.5)
    rods = Volume(data, body.grid, Quantity.DENSITY)
    rows = []
    for kvp in (80, 100, 120, 140):
        protocol = routine(kvp=kvp, noise=False, fov_mm=250.0, matrix=256)
        grid = protocol.image_grid(CENTRE, 1)
        image = scan(rods, protocol, grid, Chance(1, 0, "noise")).data[:, :, 0]
        gx, gy, _ = grid.mesh_mm()
        means = [float(image[(np.hypot(gx - px, gy - py) < 9.0)[:, :, 0]].mean()) for px, py in places]
        slope, offset = np.polyfit(strengths, means, 1)
        rest = float(np.abs(np.polyval((slope, offset), strengths) - means).max())
        rows.append({"kvp": kvp, "slope": float(slope), "offset": float(offset), "worst": rest})
    return rows


def noise_measured() -> dict[str, Any]:
    """Return SD against dose and thickness, and the NPS of each kernel, in a water cylinder of 200 mm."""
    body = cylinder(100.0, 0.5)
    plain = {"fov_mm": 220.0, "matrix": 512}

    def pair(slices: int, **changes: Any) -> Image:
        protocol = routine(**(plain | changes))
        grid = protocol.image_grid(CENTRE, slices)
        one, other = (scan(body, protocol, grid, Chance(seed, 0, "noise")).data for seed in (1, 2))
        return (one - other) / np.float32(math.sqrt(2.0))

    def spread(noise: Image) -> float:
        size = noise.shape[0]
        place = (np.arange(size) - (size - 1) / 2.0) * plain["fov_mm"] / size
        return float(noise[np.hypot(place[:, None], place[None]) < 40.0].std())

    dose = [(mas, spread(pair(4, mas=mas))) for mas in (30.0, 60.0, 120.0, 240.0)]
    thick = [(t, spread(pair(4, row_mm=1.25, slice_thickness_mm=t, slice_increment_mm=t))) for t in (1.25, 2.5, 5.0)]
    spectra = {}
    for kernel in KERNELS:
        frequency, power = radial_nps(pair(16, kernel=kernel), plain["fov_mm"] / plain["matrix"])
        law = nps_law(routine(**(plain | {"kernel": kernel})), frequency)
        spectra[kernel] = {"frequency": frequency.tolist(), "power": power.tolist(), "law": law.tolist()}
    return {"dose": dose, "thickness": thick, "nps": spectra}


def nps_law(protocol: Protocol, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return f · (MTF of the kernel over that of what blurs before the quanta are drawn)², any unit.

    White noise of parallel views through a ramp and a window; Kijewski and Judy, Phys Med Biol 32:565 (1987).
    """
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    limit = finest_mtf10(bin_mm, protocol.fov_mm / protocol.matrix)
    aperture = 1.0 - 2.0 * aperture_tap(protocol) * (1.0 - np.cos(2.0 * np.pi * frequency * bin_mm))
    window = kernel_mtf(protocol.kernel, frequency, limit) / aperture * pass_band(frequency * bin_mm)
    return frequency * window**2


def radial_nps(noise: Image, pixel_mm: float, size: int = 128) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies [1/mm] and the noise power [HU² mm²] of the middle of the image, averaged over angles."""
    low = (noise.shape[0] - size) // 2
    part = noise[low : low + size, low : low + size].astype(np.float64)
    part -= part.mean(axis=(0, 1))
    power = (np.abs(np.fft.fft2(part, axes=(0, 1))) ** 2).mean(axis=2) * pixel_mm**2 / size**2
    f = np.fft.fftfreq(size, pixel_mm)
    radius = np.hypot(f[:, None], f[None])
    edges = np.arange(0.5, size / 2) / (size * pixel_mm)
    counts = np.histogram(radius, edges)[0]
    return (edges[:-1] + edges[1:]) / 2.0, np.histogram(radius, edges, weights=power)[0] / counts


def inserts_expected(protocol: Protocol) -> dict[str, dict[str, Any]]:
    """Return nominal HU, the manual's range and the HU of the material for each insert."""
    return {
        name: {
            "nominal": insert.nominal_hu,
            "range": insert.range_hu,
            "expected": expected_hu(insert, protocol),
            "published": insert.published,
        }
        for name, insert in INSERTS.items()
    }
