"""Measure the scan stage: python scripts/bench_scan.py [slices] [--quick]. Prints seconds and peak memory."""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.protocol import load_protocol
from pancreasgen.scan.scan import scan


def abdomen(num_rows: int, row_mm: float, spacing_mm: float) -> Volume:
    """An ellipse of 330 × 220 mm with a spine and an organ full of iodine."""
    size = int(380 / spacing_mm)
    grid = Grid.centred((size, size, num_rows), (spacing_mm, spacing_mm, row_mm), (0.0, 0.0, 0.0))
    x, y, z = grid.mesh_mm()
    data = np.zeros((3, *grid.shape), dtype=np.float32)
    data[0] = 1.03 * (np.hypot(x / 165, y / 110) < 1.0) + 0.0 * z
    data[1] = 0.004 * data[0] + 0.3 * (np.hypot(x / 23, (y + 55) / 17) < 1.0)
    data[2] = 0.002 * (np.hypot((x - 60) / 60, (y - 20) / 50) < 1.0)
    return Volume(data, grid, Quantity.DENSITY)


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    quick = "--quick" in sys.argv
    protocol = load_protocol("portal-venous")
    protocol = protocol.quick() if quick else protocol
    slices = numbers[0] if numbers else (32 if quick else 64)
    image_grid = protocol.image_grid((0.0, 0.0, 0.0), slices)
    body = abdomen(slices * protocol.rows_per_increment, protocol.row_mm, 2.0 if quick else 0.8)
    for name in ("first (with compiling or loading)", "second"):
        start = time.perf_counter()
        image = scan(body, protocol, image_grid, Chance(1, 0, "noise"))
        print(f"{name}: {time.perf_counter() - start:.2f} s, {slices} slices of {protocol.matrix}²")
    x, y, _ = image_grid.mesh_mm()
    plain = image.data[(np.hypot(x + 60, y - 10) < 30.0)[:, :, 0], slices // 2]
    print(f"noise in plain tissue left of the middle: {plain.std():.1f} HU")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB, of it input {body.data.nbytes / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
