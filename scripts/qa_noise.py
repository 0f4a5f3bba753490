"""Measure the noise of the virtual tomograph: against dose, slice thickness, kernel and place, and its spectrum.

    python scripts/qa_noise.py            about two minutes on two cores; prints tables for docs/tomograph.md
    python scripts/qa_noise.py --quick    half the views

The body is an adult abdomen, an ellipse of 350 × 250 mm of soft tissue (1.04 g/cm³ water) without or with a liver's
iodine; nothing is fitted: noise follows from the tube's fluence, the mAs and the detector.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.detect import aperture_tap
from pancreasgen.scan.protocol import KERNELS, Protocol, load_protocol
from pancreasgen.scan.reconstruct import kernel_mtf
from pancreasgen.scan.scan import scan

CENTRE = (0.0, 0.0, 0.0)
HALF_AXES_MM = (175.0, 125.0)
SOFT_TISSUE_G_CM3 = 1.04
PUBLISHED = {  # HU; reference.csv: noise_5mm, noise_1mm (recalled), noise_fbp_thin (PMC6220000)
    ("soft", 5.0): (7.0, 14.0),
    ("soft", 1.0): (16.0, 35.0),
    ("standard", 1.25): (28.1, 42.8),
}


def abdomen(half_axes_mm: tuple[float, float] = HALF_AXES_MM, density: float = SOFT_TISSUE_G_CM3) -> Volume:
    """Return an ellipse with soft edges, long enough in z for every scan here."""
    grid = Grid.centred((512, 512, 4), (0.8, 0.8, 20.0), CENTRE)
    x, y, z = grid.mesh_mm()
    level = np.hypot(x / half_axes_mm[0], y / half_axes_mm[1])
    cover = np.clip((1.0 - level) * min(half_axes_mm) / 0.8 + 0.5, 0.0, 1.0) + 0.0 * z
    data = np.zeros((3, *cover.shape), dtype=np.float32)
    data[0] = density * cover
    return Volume(data, grid, Quantity.DENSITY)


def routine(quick: bool, **changes: object) -> Protocol:
    """Return the routine protocol at 10 mGy."""
    plain = load_protocol("portal-venous")
    dose = {"mas": plain.mas * 10.0 / plain.ctdi_vol_mgy()}
    return dataclasses.replace(plain, **(dose | ({"num_views": 360} if quick else {}) | changes))


def noise_image(body: Volume, protocol: Protocol, slices: int) -> NDArray[np.float32]:
    """Return noise alone: the difference of two scans over √2 (x, y, slice) [HU]."""
    grid = protocol.image_grid(CENTRE, slices)
    one, other = (scan(body, protocol, grid, Chance(seed, 0, "noise")).data for seed in (1, 2))
    return (one - other) / np.float32(np.sqrt(2.0))


def spread_hu(noise: NDArray[np.float32], protocol: Protocol, at_mm: tuple[float, float], radius_mm: float) -> float:
    """Return the standard deviation in a disc [HU]."""
    x, y, _ = protocol.image_grid(CENTRE, 1).mesh_mm()
    disc = (np.hypot(x - at_mm[0], y - at_mm[1]) < radius_mm)[:, :, 0]
    return float(noise[disc].std())


def spectrum(noise: NDArray[np.float32], pixel_mm: float, half: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies [1/mm] and the radial noise power of a square in the middle [HU² mm²]."""
    middle = noise.shape[0] // 2
    part = noise[middle - half : middle + half, middle - half : middle + half].astype(np.float64)
    part -= part.mean(axis=(0, 1))
    power = (np.abs(np.fft.fft2(part, axes=(0, 1))) ** 2).mean(axis=2) * pixel_mm**2 / (2 * half) ** 2
    f = np.fft.fftfreq(2 * half, pixel_mm)
    radius = np.hypot(f[:, None], f[None])
    edges = np.arange(0.0, 0.5 / pixel_mm, 0.04)
    which = np.digitize(radius.ravel(), edges)
    means = [power.ravel()[which == k].mean() for k in range(1, edges.size)]
    return (edges[1:] + edges[:-1]) / 2.0, np.array(means)


def kernels_and_slices(body: Volume, quick: bool) -> None:
    """Print the noise of each kernel and thickness beside what is published."""
    print("\nkernel    slice mm   SD HU middle   95 mm left   120 mm left   published (middle)")
    for kernel in KERNELS:
        for thickness in (5.0, 2.5, 1.25, 1.0):
            row = 0.5 if thickness == 1.0 else 1.25
            setting = routine(
                quick, kernel=kernel, row_mm=row, slice_thickness_mm=thickness, slice_increment_mm=thickness
            )
            noise = noise_image(body, setting, max(round(16 * row / thickness), 1))
            spots = [spread_hu(noise, setting, (x, 0.0), r) for x, r in ((0.0, 30.0), (-95.0, 20.0), (-120.0, 20.0))]
            published = PUBLISHED.get((kernel, thickness))
            text = f"{published[0]:g} to {published[1]:g}" if published else ""
            print(
                f"{kernel:9} {thickness:7g} {spots[0]:13.1f} {spots[1]:13.1f} {spots[2]:13.1f}     {text}", flush=True
            )


def laws(body: Volume) -> None:
    """Print the exponents of noise against dose and thickness."""
    doses, thicknesses = (30.0, 60.0, 120.0, 240.0), (1.25, 2.5, 5.0, 10.0)
    by_dose = []
    for mas in doses:
        setting = routine(True, mas=mas, slice_thickness_mm=1.25, slice_increment_mm=1.25)
        by_dose.append(spread_hu(noise_image(body, setting, 32), setting, (0.0, 0.0), 60.0))
    by_slice = []
    for thickness in thicknesses:
        setting = routine(True, slice_thickness_mm=thickness, slice_increment_mm=thickness)
        noise = noise_image(body, setting, round(40.0 / thickness))
        by_slice.append(spread_hu(noise, setting, (0.0, 0.0), 60.0))
    dose = np.polyfit(np.log(doses), np.log(by_dose), 1)[0]
    thick = np.polyfit(np.log(thicknesses), np.log(by_slice), 1)[0]
    print(f"\nSD against mAs {doses}: {np.round(by_dose, 2).tolist()} HU, exponent {dose:.3f} (-0.50)")
    print(f"SD against slice {thicknesses} mm: {np.round(by_slice, 2).tolist()} HU, exponent {thick:.3f} (-0.50)")


def power_spectra(body: Volume, quick: bool) -> None:
    """Print where the noise power peaks, and how far its shape is from frequency × MTF²."""
    print("\nkernel    NPS peak 1/mm   law's peak   mean deviation of the shape from f (MTF / aperture)²")
    for kernel in KERNELS:
        setting = routine(quick, kernel=kernel, slice_thickness_mm=1.25, slice_increment_mm=1.25)
        setting = dataclasses.replace(setting, fov_mm=setting.matrix * 0.4)
        noise = noise_image(body, setting, 32)
        f, power = spectrum(noise, 0.4, 64)
        bin_mm = setting.bin_angle_rad * setting.source_to_isocentre_mm
        aperture = 1.0 - 2.0 * aperture_tap(setting) * (1.0 - np.cos(2.0 * np.pi * f * bin_mm))
        law = f * (kernel_mtf(kernel, f) / aperture) ** 2  # quanta are drawn behind the aperture; the kernel undoes it
        law *= power.sum() / law.sum()
        away = np.abs(power - law).sum() / power.sum()
        print(f"{kernel:9} {f[power.argmax()]:10.2f} {f[law.argmax()]:13.2f} {away:20.1%}", flush=True)


def main() -> None:
    """Print all tables."""
    quick, body = "--quick" in sys.argv, abdomen()
    plain = routine(quick)
    print(f"120 kV, {plain.mas:.0f} mAs, CTDIvol {plain.ctdi_vol_mgy():.1f} mGy, ellipse 350 × 250 mm of 1.04 g/cm³")
    kernels_and_slices(body, quick)
    laws(body)
    power_spectra(body, quick)


if __name__ == "__main__":
    main()
