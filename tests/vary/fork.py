"""A forked duct in noise, varied, and how the results are compared."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pancreasgen.anatomy.voxelize import duct_fraction
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.network import DuctNetwork
from pancreasgen.vary.variation import Pair, apply, draw_variation

GRID = Grid.centred((72, 60, 48), (1.0, 1.0, 1.2), (10.0, -5.0, 3.0))
FORK = DuctNetwork(
    np.array([[-14.0, -8, -4], [0, 0, 0], [14, 5, 6], [6, -10, 8]]) + [10.0, -5.0, 3.0],
    [6.5, 6.5, 5.5, 5.5], [[0, 1], [1, 2], [1, 3]], np.uint8([1, 1, 3]), np.int16([0, 0, 1]),
)  # fmt: skip


def labels_of(network: DuctNetwork, grid: Grid = GRID) -> Volume:
    return Volume((duct_fraction(network, grid).data > 127).astype(np.uint8), grid, Quantity.LABEL)


def noisy_image() -> Volume:
    noise = Chance(3, 0, "test").generator().normal(0.0, 8.0, GRID.shape)
    smooth = ndimage.gaussian_filter(Chance(4, 0, "test").generator().normal(0.0, 600.0, GRID.shape), 3.0)
    return Volume((40.0 + noise + smooth).round().astype(np.float32), GRID, Quantity.HU)


IMAGE, LABELS = noisy_image(), labels_of(FORK)


def vary(name: str, pair: Pair | None = None, **given: str) -> tuple[Pair, dict[str, object]]:
    settings = {f"{name}.{key}": text for key, text in given.items()}
    return apply(draw_variation(Chance(5, 1, "vary"), [name], settings), pair or Pair(IMAGE, LABELS))


def dice(first: Volume, second: Volume) -> float:
    a, b = first.data > 0, second.data > 0
    return float(2.0 * (a & b).sum() / (a.sum() + b.sum()))


def euler(volume: Volume) -> int:
    """Euler number of the union of closed voxels: corners − edges + faces − voxels, counted."""
    mask = np.pad(volume.data > 0, 1)
    total = 0
    for axes in ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        cells = mask
        for axis in axes:
            cells = cells[tuple(slice(1, None) if a == axis else slice(None) for a in range(3))] | np.take(
                cells, range(cells.shape[axis] - 1), axis
            )
        total += (-1) ** (3 - len(axes)) * int(cells.sum())
    return total


def topology(volume: Volume) -> tuple[int, int]:
    return euler(volume), int(ndimage.label(volume.data > 0, np.ones((3, 3, 3)))[1])
