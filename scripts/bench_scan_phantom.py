"""The phantom of `bench_scan.py`: six ellipses with exact chords, and the geometries that it is measured in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIXELS, PIXEL_MM = 512, 0.75
VIEWS, BINS, BIN_MM = 720, 736, 0.5
ELLIPSES = (
    (0.0, 0.0, 165.0, 120.0, 0.0, 1.0),
    (-60.0, 20.0, 50.0, 35.0, 0.3, 0.06),
    (70.0, 10.0, 30.0, 40.0, -0.4, -0.05),
    (0.0, -70.0, 14.0, 14.0, 0.0, 0.3),
    (-110.0, -20.0, 12.0, 25.0, 0.5, 0.1),
    (20.0, 40.0, 6.0, 6.0, 0.0, 0.1),
)  # centre x, y, half axes [mm], turn [rad], density
EDGE_PIXELS = 6


def ellipses() -> NDArray[np.float32]:
    """Return the mean density of each pixel (x, y), from 6 × 6 points."""
    fine = 6
    place = (np.arange(fine * PIXELS) - (fine * PIXELS - 1) / 2.0) * PIXEL_MM / fine
    image = np.zeros((place.size, place.size), dtype=np.float32)
    for cx, cy, a, b, turn, value in ELLIPSES:
        x, y = place[:, None] - cx, place[None] - cy
        along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        image += np.float32(value) * ((along / a) ** 2 + (across / b) ** 2 < 1.0)
    return image.reshape(PIXELS, fine, PIXELS, fine).mean(axis=(1, 3), dtype=np.float32)


def chords(geometry: Any) -> NDArray[np.float32]:
    """Return the exact line integrals of the ellipses (views, bins) [mm]."""
    rays = geometry.rays()
    angle = rays.view_rad[:, None] + rays.bin_rad[None]
    total = np.zeros(angle.shape)
    for cx, cy, a, b, turn, value in ELLIPSES:
        away = rays.offset_mm[None] - cx * np.cos(angle) - cy * np.sin(angle)
        square = (a * np.cos(angle - turn)) ** 2 + (b * np.sin(angle - turn)) ** 2
        total += 2.0 * value * a * b * np.sqrt(np.clip(square - away**2, 0.0, None)) / square
    return total.astype(np.float32)


def places(image: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the pixels away from edges inside the field, and all of the field."""
    from scipy.ndimage import binary_dilation

    place = (np.arange(PIXELS) - (PIXELS - 1) / 2.0) * PIXEL_MM
    field = np.hypot(place[:, None], place[None]) < 180.0
    steep = np.hypot(*np.gradient(image)) > 1e-4
    return field & ~binary_dilation(steep, iterations=EDGE_PIXELS), field


def geometries(rows: int) -> dict[str, Any]:
    """Return the parallel beam and the fans that are measured."""
    from pancreasgen.scan.geometry import ArcFan, Parallel

    fan = (BINS, 2.0 * math.asin(250.0 / 570.0) / BINS, 0.25, 570.0, (0.0, 0.0), 0.0, 1.0, rows)
    turn = np.arange(VIEWS) * (2.0 * math.pi / VIEWS)
    return {
        "parallel": Parallel(turn / 2.0, BINS, BIN_MM, 0.0, (0.0, 0.0), 0.0, 1.0, rows),
        "arc fan": ArcFan(turn, *fan),
        "arc fan, short scan": ArcFan(turn[:480], *fan),
    }


def grid_of(slices: int) -> Any:
    from pancreasgen.base.grid import Grid

    return Grid((PIXELS, PIXELS, slices), (PIXEL_MM, PIXEL_MM, 1.0), (-(PIXELS - 1) / 2 * PIXEL_MM,) * 2 + (0.0,))
