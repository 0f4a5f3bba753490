"""Noise that follows from fluence, mAs and detector alone, against published values and laws."""

import dataclasses

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Volume
from pancreasgen.scan.detect import aperture_tap
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.reconstruct import kernel_mtf
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, protocol

CENTRE = (0.0, 0.0, 0.0)


def abdomen(**place: float) -> Volume:
    """An adult: 350 × 250 mm, 1.04 g/cm³."""
    return ellipse((175.0, 125.0), (1.04, 0.0, 0.0), 4, slice_mm=20.0, **place)


def noise_of(setting: Protocol, slices: int) -> np.ndarray:
    """Return noise alone, the difference of two scans over √2 (x, y, slice) [HU]."""
    grid, body = setting.image_grid(CENTRE, slices), abdomen()
    one, other = (scan(body, setting, grid, Chance(seed, 0, "noise")).data for seed in (1, 2))
    return (one - other) / np.sqrt(2.0)


def middle_hu(setting: Protocol, slices: int, radius_mm: float = 40.0) -> float:
    x, y, _ = setting.image_grid(CENTRE, 1).mesh_mm()
    return float(noise_of(setting, slices)[(np.hypot(x, y) < radius_mm)[:, :, 0]].std())


def routine(**changes: object) -> Protocol:
    """The routine protocol at 10 mGy, half the views."""
    plain = protocol(noise=True, num_views=360, **changes)
    return dataclasses.replace(plain, mas=plain.mas * 10.0 / plain.ctdi_vol_mgy())


@pytest.mark.parametrize(
    ("kernel", "slice_mm", "row_mm", "low", "high"),
    [
        ("soft", 5.0, 1.25, 7.0, 14.0),  # reference.csv noise_5mm, recalled
        ("soft", 1.0, 1.0, 16.0, 35.0),  # noise_1mm, recalled
        ("standard", 1.25, 1.25, 28.1, 42.8),  # noise_fbp_thin, quartiles of PMC6220000
    ],
)
def test_an_adult_abdomen_is_as_noisy_as_published(
    kernel: str, slice_mm: float, row_mm: float, low: float, high: float
) -> None:
    """At 120 kV and 10 mGy the middle of 350 × 250 mm of soft tissue has the published noise; nothing is fitted."""
    setting = routine(kernel=kernel, row_mm=row_mm, slice_thickness_mm=slice_mm, slice_increment_mm=slice_mm)
    assert low < middle_hu(setting, round(16 * row_mm / slice_mm)) < high


def test_noise_against_dose() -> None:
    """SD goes with mAs to the power −0.50 ± 0.02, 60 to 480 mAs."""
    doses = np.array([60.0, 170.0, 480.0])
    coarse = {"row_mm": 5.0, "slice_thickness_mm": 5.0, "slice_increment_mm": 5.0, "matrix": 256}
    spread = [middle_hu(protocol(noise=True, num_views=360, mas=float(mas), **coarse), 32) for mas in doses]
    assert np.polyfit(np.log(doses), np.log(spread), 1)[0] == pytest.approx(-0.5, abs=0.02)


def test_noise_against_slice_thickness() -> None:
    """SD goes with the slice thickness to the power −0.50 ± 0.05, 1.25 to 10 mm."""
    thicknesses = np.array([1.25, 2.5, 5.0, 10.0])
    spread = []
    for mm in thicknesses:
        setting = routine(matrix=192, fov_mm=300, slice_thickness_mm=float(mm), slice_increment_mm=float(mm))
        spread.append(middle_hu(setting, round(40.0 / mm), 60.0))
    assert np.polyfit(np.log(thicknesses), np.log(spread), 1)[0] == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize("kernel", ["soft", "standard"])
def test_the_noise_spectrum_follows_the_kernel(kernel: str) -> None:
    """The radial NPS in the middle is f · (MTF / aperture)² within 12 % in each fifth of its power.

    Quanta are drawn behind the aperture, whose blur the kernel undoes; cross-talk blurs noise and is undone alike.
    """
    pixel = 0.4
    setting = routine(kernel=kernel, fov_mm=pixel * 256, matrix=256, slice_thickness_mm=1.25, slice_increment_mm=1.25)
    noise = noise_of(setting, 32)[64:192, 64:192]
    power = (np.abs(np.fft.fft2(noise - noise.mean(axis=(0, 1)), axes=(0, 1))) ** 2).mean(axis=2)
    place = np.fft.fftfreq(128, pixel)
    f = np.hypot(place[:, None], place[None])
    bin_mm = setting.bin_angle_rad * setting.source_to_isocentre_mm
    aperture = 1.0 - 2.0 * aperture_tap(setting) * (1.0 - np.cos(2.0 * np.pi * f * bin_mm))
    law = f * (kernel_mtf(kernel, f) / aperture) ** 2
    law *= power.sum() / law.sum()
    order = np.argsort(f, axis=None)
    fifth = np.minimum(5.0 * np.cumsum(law.ravel()[order]) / law.sum(), 4.999).astype(int)
    share = np.bincount(fifth, power.ravel()[order]) / np.bincount(fifth, law.ravel()[order])
    assert share == pytest.approx(1.0, abs=0.12)
