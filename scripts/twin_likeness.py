"""Compare the fast twin with the full scan: mean HU by organ, noise by place, noise power by band and direction.

    python scripts/twin_likeness.py [--scans N]

Two bodies: an elliptical abdomen of 330 × 230 mm (portal-venous as it is, 32 slices), and the first adult case
(``--quick``). Each is scanned without noise once and with noise N times, by both; noise is what a noisy image has
beside the noise-free one. The last digit of a ratio is not known better than the error that stands beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from bench_grammar import Goal
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.protocol import Protocol, load_protocol
from pancreasgen.scan.scan import scan
from pancreasgen.scan.twin import Twin

Array = NDArray[Any]
WIDTH_MM = 50.0  # of the square in which noise power is measured


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A body, how it is scanned, and where it is looked at.

    Attributes:
        materials: Densities.
        protocol: The setting.
        grid: Grid of the image.
        organs: Name → voxels (x, y, z) or (x, y, 1).
        places: Name → middle of a square (x, y) [mm from the isocentre].
    """

    materials: Volume
    protocol: Protocol
    grid: Grid
    organs: dict[str, Array]
    places: dict[str, tuple[float, float]]


def abdomen() -> Subject:
    """Return an elliptical abdomen with liver, pancreas, aorta, spine and a gas bubble, the same in all slices."""
    protocol = load_protocol("portal-venous")
    grid = protocol.image_grid((0.0, 0.0, 0.0), 32)
    rows = protocol.rows_per_increment
    fine = Grid.centred((*grid.shape[:2], 32 * rows), (*grid.spacing_mm[:2], protocol.row_mm), (0.0, 0.0, 0.0))
    x, y = (axis[:, :, 0] for axis in fine.mesh_mm()[:2])

    def soft(centre: tuple[float, float], half: tuple[float, float]) -> Array:
        level = np.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1])
        return np.clip((1.0 - level) * min(half) / grid.spacing_mm[0] + 0.5, 0.0, 1.0)

    parts = {"liver": ((80.0, 10.0), (55.0, 60.0)), "pancreas": ((-20.0, 25.0), (45.0, 14.0)),
             "aorta": ((20.0, -35.0), (11.0, 11.0)), "spine": ((0.0, -70.0), (18.0, 18.0)),
             "gas": ((-60.0, 70.0), (15.0, 15.0))}  # fmt: skip
    cover = {name: soft(*place) for name, place in parts.items()}
    data = np.zeros((3, *fine.shape), dtype=np.float32)
    water = 0.97 * soft((0.0, 0.0), (165.0, 115.0)) + 0.06 * cover["liver"] + 0.05 * cover["pancreas"]
    data[0] = ((water + 0.05 * cover["aorta"]) * (1.0 - cover["gas"]))[:, :, None]
    data[1] = (0.35 * cover["spine"])[:, :, None]
    data[2] = (0.006 * cover["aorta"] + 0.002 * cover["liver"] + 0.003 * cover["pancreas"])[:, :, None]
    organs = {
        name: (soft(centre, (half[0] - 3.0, half[1] - 3.0)) >= 1.0)[:, :, None]
        for name, (centre, half) in parts.items()
    }
    organs["fat in front"] = (np.hypot(x, y - 95.0) < 12.0)[:, :, None]
    organs["fat at the right"] = (np.hypot(x - 145.0, y) < 12.0)[:, :, None]
    places = {"middle": (0.0, 0.0), "right": (90.0, 20.0), "left": (-110.0, 0.0), "left edge": (-140.0, 0.0),
              "front": (0.0, 70.0), "back": (30.0, -60.0)}  # fmt: skip
    return Subject(Volume(data, fine, Quantity.DENSITY), protocol, grid, organs, places)


def first_case() -> Subject:
    """Return the first adult case with coarse numbers."""
    from scipy import ndimage

    from pancreasgen.anatomy.phantom import compose
    from pancreasgen.anatomy.slices import labels_on
    from pancreasgen.anatomy.structures import VALUES
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings
    from pancreasgen.network.illness import grow_in
    from pancreasgen.organ.gland import shape_organ

    recipe = make_settings(find_grammar("human_pancreas"), seed=0, quick=True).recipe(0)
    person = recipe.subject
    organ = shape_organ(person.gland, recipe.chance("organ"), person.lesions)
    network, seats = grow_in(recipe.grammar, organ, person.ducts, person.lesions, recipe.chance("growth"))
    stage, phase = recipe.chance("tissue"), recipe.protocol.phase
    phantom = compose(organ, network, person.physique, recipe.phantom_grid, phase, stage, recipe.vessels, seats)
    grid, labels = recipe.image_grid, labels_on(phantom, network, recipe.image_grid).data
    names = {value: name for name, value in VALUES.items()}
    organs = {}
    for value in np.unique(labels).tolist():
        inside = ndimage.binary_erosion(labels == value)  # away from edges, where no two blurs are quite the same
        if value and inside.sum() > 60:
            organs[str(names.get(value, value))] = inside
    places = {"middle": (0.0, 0.0), "right": (90.0, 0.0), "left": (-90.0, 0.0), "front": (0.0, 45.0)}
    return Subject(phantom.materials, recipe.protocol, grid, organs, places)


def pairs(subject: Subject, scans: int) -> Iterator[tuple[Array, Array]]:
    """Yield the noise-free images of both, and then the noise of one scan after the other."""
    quiet = dataclasses.replace(subject.protocol, noise=False)
    made = Chance(5, 0, "noise")
    still = (
        scan(subject.materials, quiet, subject.grid, made).data,
        Twin.of(subject.materials, quiet, subject.grid).image(made).data,
    )
    yield still
    twin = Twin.of(subject.materials, subject.protocol, subject.grid)
    for k in range(scans):
        chance = Chance(5, k, "noise")
        full = scan(subject.materials, subject.protocol, subject.grid, chance).data
        yield full - still[0], twin.image(chance).data - still[1]


def power(noise: Array, centre: tuple[int, int], width: int) -> Array:
    """Return the noise power of a square, mean over slices (frequencies x, y), in a Hann window."""
    i, j = (c - width // 2 for c in centre)
    square = noise[i : i + width, j : j + width]
    window = np.hanning(width)[:, None, None] * np.hanning(width)[:, None]
    values = np.abs(np.fft.fft2((square - square.mean((0, 1))) * window, axes=(0, 1))) ** 2
    return np.asarray(values.mean(axis=2) / (window**2).sum())


def compare(subject: Subject, scans: int) -> list[Goal]:
    """Print all figures of a body; return the goals."""
    pixel, middle = subject.grid.spacing_mm[0], [n // 2 for n in subject.grid.shape[:2]]
    width = 2 * round(WIDTH_MM / pixel / 2.0)
    source = pairs(subject, scans)
    still = next(source)
    squares = {name: np.zeros((2, width, width)) for name in subject.places}
    variance = {name: np.zeros(2) for name in subject.organs}
    for noise in source:
        for side in (0, 1):
            for name, (x, y) in subject.places.items():
                centre = (middle[0] + round(x / pixel), middle[1] + round(y / pixel))
                squares[name][side] += power(noise[side], centre, width) / scans
            for name, inside in subject.organs.items():
                chosen = noise[side][np.broadcast_to(inside, noise[side].shape)]
                variance[name][side] += float((chosen**2).mean()) / scans
    hu, spread = [], []
    for name, inside in subject.organs.items():
        means = [float(image[np.broadcast_to(inside, image.shape)].mean()) for image in still]
        sds = np.sqrt(variance[name])
        voxels = int(np.broadcast_to(inside, still[0].shape).sum())
        hu.append(abs(means[1] - means[0]))
        error = 1.0 / np.sqrt(0.5 * voxels * scans)  # about four voxels share one number
        if error < 0.01:
            spread.append(abs(sds[1] / sds[0] - 1.0))
        print(f"  {name:<20}{voxels:8,} voxels   HU {means[0]:8.1f} {means[1]:8.1f} ({means[1] - means[0]:+.2f})"
              f"   SD {sds[0]:6.2f} {sds[1]:6.2f} ({sds[1] / sds[0]:.3f} ± {error:.3f})", flush=True)  # fmt: skip
    bands = [compare_power(name, pair, pixel, scans * subject.grid.shape[2]) for name, pair in squares.items()]
    return [
        Goal("mean HU of an organ, at worst", max(hu), 2.0, "HU"),
        Goal("SD of an organ over the full scan's, at worst off by", 100.0 * max(spread), 5.0, "%"),
        Goal("noise power of a band, at worst off by", 100.0 * max(bands), 10.0, "%"),
    ]


def compare_power(name: str, pair: Array, pixel: float, slices: int) -> float:
    """Print the ratios of noise power by band and by direction; return the largest deviation of a band that counts."""
    frequency = np.fft.fftfreq(pair.shape[1], pixel)
    radius, turn = np.hypot(frequency[:, None], frequency), np.arctan2(frequency, frequency[:, None])
    edges, worst, told = np.linspace(0.0, 0.5 / pixel, 7), 0.0, []
    for low, high in pairwise(edges):
        ring = (radius >= low) & (radius < high) & (radius > 0.0)
        full, twin = (float(side[ring].sum()) for side in pair)
        cells = float(pair[0][ring].sum() ** 2 / (pair[0][ring] ** 2).sum()) * slices / 4.5  # Hann joins neighbours
        told.append(f"{high:.2f}: {twin / full:.3f} ± {(2.0 / cells) ** 0.5:.3f}")
        if full > 0.05 * float(pair[0].sum()):
            worst = max(worst, abs(twin / full - 1.0))
    sd = np.sqrt(pair.sum(axis=(1, 2)))
    print(f"  {name:<12}SD {sd[1] / sd[0]:.3f}   bands up to [1/mm]  " + "   ".join(told))
    inner = (radius > 0.1 / pixel) & (radius < 0.45 / pixel)
    sectors = [
        inner & (np.abs((turn - a + np.pi / 2.0) % np.pi - np.pi / 2.0) < np.pi / 16) for a in np.arange(8) * np.pi / 8
    ]
    print(f"  {'':<12}by direction, full {' '.join(f'{pair[0][s].mean():.0f}' for s in sectors)}"
          f"   twin {' '.join(f'{pair[1][s].mean():.0f}' for s in sectors)}", flush=True)  # fmt: skip
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=8, metavar="N", help="noisy scans of each body (8)")
    given = parser.parse_args()
    goals = []
    for title, make in (("first adult case, quick", first_case), ("elliptical abdomen", abdomen)):
        print(f"{title}: full, twin (difference or ratio)", flush=True)
        goals += compare(make(), max(given.scans, 1))
    print("\n" + "\n".join(map(str, goals)))
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
