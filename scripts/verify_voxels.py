"""Print how exactly ducts become voxels: volume errors against formulas, and how fast they fall.

    python scripts/verify_voxels.py

Shapes are placed at random; the error is that of the total lumen volume, the worst of all places. A junction's truth is
a count of random points, good to about 0.1 %. Exit code 1 if an error is 1 % or more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from pancreasgen.anatomy.voxelize import CELLS_PER_RADIUS, duct_cover
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork

Points = NDArray[np.float64]
RADII = (0.2, 0.35, 0.5, 1.0, 2.0, 5.0)
GRIDS = {
    "1 x 1 x 1": Grid.centred((100, 100, 100), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
    "0.7 x 0.7 x 5": Grid.centred((100, 100, 16), (0.7, 0.7, 5.0), (0.0, 0.0, 0.0)),
}
PLACES = 8


def hull_mm3(a: float, b: float, length: float) -> float:
    """Return the volume of the hull of two balls [mm³]: a frustum where it touches them, and two caps."""
    sine = (a - b) / length
    ra, rb = a * np.sqrt(1 - sine**2), b * np.sqrt(1 - sine**2)
    frustum = np.pi * (length + (b - a) * sine) / 3 * (ra**2 + ra * rb + rb**2)
    cap_a = 4 / 3 * np.pi * a**3 - np.pi * a**3 * (1 - sine) ** 2 * (2 + sine) / 3
    return float(frustum + cap_a + np.pi * b**3 * (1 - sine) ** 2 * (2 + sine) / 3)


def chain(nodes: Points, radii: list[float], segments: list[list[int]]) -> DuctNetwork:
    """Return a network of one kind."""
    count = len(segments)
    kind, order = np.ones(count, np.uint8), np.zeros(count, np.int16)
    return DuctNetwork(nodes, np.array(radii), np.array(segments, np.int32), kind, order)


def fork(at: Points, turn: Points, r: float) -> DuctNetwork:
    """Return a fork of three tubes around a place."""
    arms = np.array([[0, 0, 0], [-7, 0, 0], [5, 4, 0], [5, -5, 0]]) * r
    return chain(at + arms @ turn.T, [r, 1.2 * r, 0.8 * r, 0.6 * r], [[1, 0], [0, 2], [0, 3]])


def union_mm3(network: DuctNetwork, points: int = 4_000_000) -> float:
    """Return the volume of the union of a network's cones [mm³], by counting random points."""
    ends, radii = network.nodes_mm[network.segments], network.capsule_radii_mm
    low, high = (ends - radii[..., None]).min(axis=(0, 1)), (ends + radii[..., None]).max(axis=(0, 1))
    places = np.random.default_rng(0).uniform(low, high, (points, 3))
    inside = np.zeros(points, bool)
    for (a, b), (ra, rb) in zip(ends, radii, strict=True):
        length = float(np.linalg.norm(b - a))
        along = (places - a) @ (b - a) / length
        off = np.sqrt(np.maximum(((places - a) ** 2).sum(axis=1) - along**2, 0))
        t = np.clip((along + off * (rb - ra) / np.sqrt(length**2 - (rb - ra) ** 2)) / length, 0, 1)
        inside |= np.hypot(along - t * length, off) < ra + t * (rb - ra)
    return float(inside.mean() * np.prod(high - low))


def placed(edge: float, draw: np.random.Generator) -> Iterator[tuple[Points, Points]]:
    """Return places and turns: along two axes of the grid first, then at random."""
    for turn in (np.eye(3), np.eye(3)[[2, 0, 1]].T):
        yield draw.uniform(-0.5, 0.5, 3) * edge, turn
    for _ in range(PLACES - 2):
        yield draw.uniform(-0.5, 0.5, 3) * edge, np.linalg.qr(draw.normal(size=(3, 3)))[0]


def tube(at: Points, along: Points, a: float, b: float) -> DuctNetwork:
    """Return a cone from at − along to at + along."""
    return chain(np.array([at - along, at + along]), [a, b], [[0, 1]])


def worst(grid: Grid, radius_voxels: float, shape: str) -> float:
    """Return the largest relative error of a shape's volume over all places."""
    edge = min(grid.spacing_mm)
    r, length = radius_voxels * edge, 15.0 * edge
    make: dict[str, Callable[[Points, Points], DuctNetwork]] = {
        "sphere": lambda at, turn: tube(at, 1e-7 * turn[:, 0], r, r),
        "capsule": lambda at, turn: tube(at, 0.5 * length * turn[:, 0], r, r),
        "cone": lambda at, turn: tube(at, 0.5 * length * turn[:, 0], r, r / 3),
        "junction": lambda at, turn: fork(at, turn, r),
    }
    wanted = {
        "sphere": 4 / 3 * np.pi * r**3,
        "capsule": hull_mm3(r, r, length),
        "cone": hull_mm3(r, r / 3, length),
        "junction": union_mm3(fork(np.zeros(3), np.eye(3), r)) if shape == "junction" else 0.0,
    }[shape]
    found = [
        duct_cover(make[shape](at, turn), grid)[1].sum() * grid.voxel_ml * 1000
        for at, turn in placed(edge, np.random.default_rng(1))
    ]
    return float(np.abs(np.array(found) / wanted - 1).max())


def order() -> None:
    """Print the error of cones of 0.7 and 0.55 voxels against the cells a radius, and the order at which it falls."""
    draw, grid = np.random.default_rng(2), GRIDS["1 x 1 x 1"]
    lines = [draw.uniform(-8, 8, (2, 3)) for _ in range(60)]
    print("\ncells a radius   rms error   order")
    before = (0.0, 0.0)
    for cells in (1.4, 2.8, 5.6, 11.2):
        errors = []
        for line in lines:
            share = duct_cover(chain(line, [0.7, 0.55], [[0, 1]]), grid, cells)[1]
            errors.append(share.sum() / hull_mm3(0.7, 0.55, float(np.linalg.norm(line[1] - line[0]))) - 1)
        rms = float(np.sqrt(np.mean(np.square(errors))))
        rate = f"{np.log(before[1] / rms) / np.log(cells / before[0]):8.1f}" if before[0] else ""
        print(f"{cells:14.1f} {100 * rms:10.4f} % {rate}")
        before = (cells, rms)
    print(f"in use: {CELLS_PER_RADIUS:g}")


def speed() -> None:
    """Print the time for a random tree of 5,000 to 20,000 segments in 512 × 512 × 128 voxels."""
    grid, draw = Grid.centred((512, 512, 128), (0.78, 0.78, 1.25), (0.0, 0.0, 0.0)), np.random.default_rng(3)
    print("\nsegments   seconds")
    for count in (100, 5000, 10000, 20000):
        ends = draw.uniform([-80, -40, -40], [80, 40, 40], (count, 3))
        nodes = np.vstack([ends, ends + draw.normal(0, 0.4, (count, 3))])
        radii = np.tile(np.exp(draw.normal(np.log(0.08), 0.5, count)), 2)
        network = chain(nodes, list(radii), [[n, n + count] for n in range(count)])
        begin = time.perf_counter()
        duct_cover(network, grid)
        print(f"{count:8d} {time.perf_counter() - begin:9.3f}")


def main() -> int:
    """Print all tables."""
    highest = 0.0
    for name, grid in GRIDS.items():
        print(f"\nvoxels {name} mm: largest error of the volume [%]\nradius/voxel " + "".join(f"{r:8g}" for r in RADII))
        for shape in ("sphere", "capsule", "cone", "junction"):
            errors = [worst(grid, r, shape) for r in RADII]
            highest = max(highest, float(max(errors)))
            print(f"{shape:12s} " + "".join(f"{100 * e:8.3f}" for e in errors))
    order()
    speed()
    print(f"\nlargest error {100 * highest:.2f} %: {'good' if highest < 0.01 else 'TOO LARGE'}")
    return 0 if highest < 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())
