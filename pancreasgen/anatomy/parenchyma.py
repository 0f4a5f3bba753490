"""Parenchyma: the gland's lobules with the fat between them, its lobulated surface, and its regions as labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.anatomy.canvas import Canvas, sub_grid
from pancreasgen.anatomy.fat import fat_factor, pattern, spared
from pancreasgen.anatomy.lobules import in_cells, lobule_middles
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import VALUES
from pancreasgen.anatomy.tissues import tissue_index
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ, Region

GROUP_SIZES = 3.0  # width of a group in lobules, assumed
FAT_CLEFTS = 3.0  # how much deeper clefts are per fat fraction, assumed
REGION_LABELS = {
    Region.HEAD: VALUES["pancreas_head"],
    Region.UNCINATE: VALUES["pancreas_uncinate"],
    Region.NECK: VALUES["pancreas_neck"],
    Region.BODY: VALUES["pancreas_body"],
    Region.TAIL: VALUES["pancreas_tail"],
}


@njit(cache=True, parallel=True)
def _fill(
    labels: Any, materials: Any, corner: NDArray[np.int64], inside: Any, fat: Any, regions: Any, factor: float,
    lobule: Any, lipid: Any, edge: float,
) -> None:  # fmt: skip
    for i in prange(inside.shape[0]):
        for j in range(inside.shape[1]):
            for k in range(inside.shape[2]):
                d = inside[i, j, k]
                share = min(max(d / edge + 0.5, 0.0), 1.0)
                if share <= 0.0:
                    continue
                a, b, c = corner[0] + i, corner[1] + j, corner[2] + k
                amount = min(factor * fat[i, j, k], 1.0)
                for m in range(3):
                    tissue = lobule[m] + amount * (lipid[m] - lobule[m])
                    materials[m, a, b, c] += share * (tissue - materials[m, a, b, c])
                if d >= 0.0:
                    labels[a, b, c] = regions[i, j, k]


def paint_gland(
    canvas: Canvas,
    organ: Organ,
    network: DuctNetwork,
    physique: Physique,
    bile_ducts_mm: Sequence[NDArray[np.float64]],
    chance: Chance,
) -> None:
    """Paint the gland's lobules and the fat between them, and its regions as labels.

    The organ's distance is interpolated linearly; each voxel inside takes the region of the nearest organ voxel that
    has one. How much fat there is in all is settled on the organ's grid, so that it does not depend on the canvas.

    Args:
        canvas: What to paint on.
        organ: The gland.
        network: Its ducts; each lobule is drained by one.
        physique: How much fat, how large the lobules, how deep the clefts.
        bile_ducts_mm: Courses of bile ducts (K, 3), around which fat is spared.
        chance: Stream of the unevenness.
    """
    grid = organ.distance.grid
    found = np.argwhere(organ.distance.data > -2.0)
    if not len(found):
        return
    corners = grid.to_world(np.stack([found.min(axis=0), found.max(axis=0)]))
    part = sub_grid(canvas.grid, corners, canvas.edge_mm)
    if part is None:
        return
    chance = chance.sub("lobules")
    sizes = (physique.lobule_size_mm, GROUP_SIZES * physique.lobule_size_mm)
    cells = [in_cells(lobule_middles(organ, network, size, chance.key), size) for size in sizes]
    spare = np.float32(physique.fat_sparing) * spared(organ, bile_ducts_mm)
    cleft = physique.lobulation_mm * (1.0 + FAT_CLEFTS * physique.pancreatic_fat_fraction)

    def amounts(where: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        inside, fat = np.empty(where.shape, np.float32), np.empty(where.shape, np.float32)
        frame = np.array([where.origin_mm, where.spacing_mm])
        organ_frame = np.array([grid.origin_mm, grid.spacing_mm])
        key = np.uint64(chance.key)
        pattern(
            organ.distance.data, spare, organ_frame, frame, *cells, cleft, canvas.edge_mm, key, inside, fat,
        )  # fmt: skip
        return inside, fat

    inside, fat = amounts(grid)
    gland = fat[inside >= 0]
    factor = fat_factor(gland, physique.pancreatic_fat_fraction) if len(gland) else 0.0
    inside, fat = amounts(part)
    corner = np.rint(canvas.grid.to_index(np.array(part.origin_mm))).astype(np.int64)
    colours = canvas.palette[[tissue_index()["pancreas"], tissue_index()["fat"]]]
    _fill(
        canvas.labels, canvas.materials, corner, inside, fat, _region_labels(organ, part), factor, colours[0],
        colours[1], canvas.edge_mm,
    )  # fmt: skip


def _region_labels(organ: Organ, part: Grid) -> NDArray[np.uint8]:
    """Return the label of the nearest organ voxel, its regions grown outwards by three voxels first."""
    table = np.zeros(len(Region), np.uint8)
    for region, label in REGION_LABELS.items():
        table[region] = label
    regions = organ.regions.data.copy()
    for _ in range(3):
        grown = regions.copy()
        for axis in range(3):
            for shift in (1, -1):
                np.copyto(grown, np.roll(regions, shift, axis), where=grown == 0)
        regions = grown
    index = [
        np.clip(np.rint((part.axis_mm(a) - regions_origin) / step), 0, size - 1).astype(int)
        for a, (regions_origin, step, size) in enumerate(
            zip(organ.regions.grid.origin_mm, organ.regions.grid.spacing_mm, regions.shape, strict=True)
        )
    ]
    return np.asarray(table[regions[np.ix_(*index)]])
