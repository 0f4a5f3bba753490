"""Parenchyma: lobules parted by septa of fat, and the slow unevenness of all organs.

Lobules are the cells of a jittered lattice (Worley's cellular pattern, SIGGRAPH 1996) at two scales, the lobule and
three lobules. With F₁ and F₂ the distances to the two nearest centres, (F₂ − F₁)/2 is about the distance to the wall
between two cells; fat lies there, more of it towards the surface and in patches. One factor is solved for so that the
mean fat fraction of the gland is the physique's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.anatomy.canvas import Canvas, interpolate, node_unit, sub_grid
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import STRUCTURES, VALUES
from pancreasgen.anatomy.tissues import tissue_index
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.organ.organ import Organ, Region

SMALL_SEPTUM_MM = 0.3  # width of the fat's profile beside a septum between lobules, assumed
LARGE_SEPTUM_MM = 0.55  # the same between groups of lobules, assumed
CLEFT_SHARE = 0.42  # mean depth of the relief, as a share of the clefts' depth; measured
CLEFT_MM = 0.7  # the same for clefts in the surface, assumed
REGION_LABELS = {
    Region.HEAD: VALUES["pancreas_head"],
    Region.UNCINATE: VALUES["pancreas_uncinate"],
    Region.NECK: VALUES["pancreas_neck"],
    Region.BODY: VALUES["pancreas_body"],
    Region.TAIL: VALUES["pancreas_tail"],
}


@njit(cache=True)
def _wall_mm(x: float, y: float, z: float, size: float, key: np.uint64) -> float:
    """Return (F₂ − F₁)/2 [mm] of the cellular pattern of a size at a point of the world."""
    i0, j0, k0 = int(np.floor(x / size)), int(np.floor(y / size)), int(np.floor(z / size))
    first, second = 1e30, 1e30
    for i in range(i0 - 1, i0 + 2):
        for j in range(j0 - 1, j0 + 2):
            for k in range(k0 - 1, k0 + 2):
                cx = (i + node_unit(key, i, j, k, 1)) * size
                cy = (j + node_unit(key, i, j, k, 2)) * size
                cz = (k + node_unit(key, i, j, k, 3)) * size
                d = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
                if d < first:
                    first, second = d, first
                elif d < second:
                    second = d
    return 0.5 * (np.sqrt(second) - np.sqrt(first))


@njit(cache=True)
def _slow(x: float, y: float, z: float, size: float, key: np.uint64) -> float:
    """Return value noise of mean 0 and SD about 1 at a point of the world: smooth between hashed nodes."""
    fx, fy, fz = x / size, y / size, z / size
    i, j, k = int(np.floor(fx)), int(np.floor(fy)), int(np.floor(fz))
    u, v, w = fx - i, fy - j, fz - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    total = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
                total += weight * (node_unit(key, i + a, j + b, k + c, 4) - 0.5)
    return total * 5.3


@njit(cache=True, parallel=True)
def _pattern(
    distance: Any, grid_map: NDArray[np.float64], frame: NDArray[np.float64], size: float, cleft: float, key: np.uint64,
    inside: Any, fat: Any,
) -> None:  # fmt: skip
    """Write the gland's distance with clefts, and the unscaled amount of fat, on a part of the fine grid."""
    for i in prange(inside.shape[0]):
        for j in range(inside.shape[1]):
            for k in range(inside.shape[2]):
                x, y, z = frame[0, 0] + i * frame[1, 0], frame[0, 1] + j * frame[1, 1], frame[0, 2] + k * frame[1, 2]
                d = interpolate(
                    distance,
                    (x - grid_map[0, 0]) / grid_map[1, 0],
                    (y - grid_map[0, 1]) / grid_map[1, 1],
                    (z - grid_map[0, 2]) / grid_map[1, 2],
                )
                # lobules bulge by what the clefts take away, so that the gland keeps its volume
                d += CLEFT_SHARE * cleft
                inside[i, j, k] = d
                fat[i, j, k] = 0.0
                if d < -2.0:
                    continue
                small, large = _wall_mm(x, y, z, size, key), _wall_mm(x, y, z, 3.0 * size, key + np.uint64(1))
                edge = np.exp(-((large / CLEFT_MM) ** 2))
                if d < 6.0:
                    near = np.exp(-((small / CLEFT_MM) ** 2))
                    inside[i, j, k] = d - cleft * max(edge, 0.6 * near) * np.exp(-max(d, 0.0) / 2.0)
                patch = max(1.0 + 0.6 * _slow(x, y, z, 5.0 * size, key + np.uint64(2)), 0.1)
                septum = (
                    0.55 * np.exp(-((small / SMALL_SEPTUM_MM) ** 2)) + np.exp(-((large / LARGE_SEPTUM_MM) ** 2)) + 0.01
                )
                fat[i, j, k] = septum * patch * (1.0 + 1.5 * np.exp(-max(d, 0.0) / 3.0))


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


def fat_factor(pattern: NDArray[np.float32], wanted: float) -> float:
    """Return the factor f at which the mean of min(1, f·pattern) is the wanted fat fraction, by bisection.

    >>> round(fat_factor(np.array([0.5, 1.5], np.float32), 0.1), 4)
    0.1
    """
    low, high = 0.0, 1.0
    while np.minimum(pattern * high, 1.0).mean(dtype=np.float64) < wanted and high < 1e6:
        high *= 2.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (
            (middle, high) if np.minimum(pattern * middle, 1.0).mean(dtype=np.float64) < wanted else (low, middle)
        )
    return 0.5 * (low + high)


def paint_gland(canvas: Canvas, organ: Organ, physique: Physique, chance: Chance) -> None:
    """Paint the gland's lobules and septa, and its regions as labels.

    The organ's distance is interpolated linearly; each voxel inside takes the region of the nearest organ voxel that
    has one.
    """
    grid = organ.distance.grid
    found = np.argwhere(organ.distance.data > -2.0)
    if not len(found):
        return
    corners = grid.to_world(np.stack([found.min(axis=0), found.max(axis=0)]))
    part = sub_grid(canvas.grid, corners, canvas.edge_mm)
    if part is None:
        return
    inside, fat = np.empty(part.shape, np.float32), np.empty(part.shape, np.float32)
    key = np.uint64(chance.sub("lobules").key)
    _pattern(
        organ.distance.data, np.array([grid.origin_mm, grid.spacing_mm]), np.array([part.origin_mm, part.spacing_mm]),
        physique.lobule_size_mm, physique.lobulation_mm, key, inside, fat,
    )  # fmt: skip
    gland = fat[inside >= 0]
    factor = fat_factor(gland, physique.pancreatic_fat_fraction) if len(gland) else 0.0
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


TEXTURE_FACTOR = {
    **dict.fromkeys((STRUCTURES[value].name for value in REGION_LABELS.values()), 1.0),
    **dict.fromkeys(("liver", "spleen", "kidney_right", "kidney_left", "subcutaneous_fat"), 1.0),
    **{"visceral_fat": 1.6, "spine": 3.5, "muscle": 1.4},
}  # how uneven each structure is, relative to texture_hu; assumed


@njit(cache=True, parallel=True)
def _texture(labels: Any, water: Any, amount: Any, frame: NDArray[np.float64], scale: float, key: np.uint64) -> None:
    for i in prange(labels.shape[0]):
        for j in range(labels.shape[1]):
            for k in range(labels.shape[2]):
                size = amount[labels[i, j, k]]
                if size > 0.0:
                    x = frame[0, 0] + i * frame[1, 0]
                    y = frame[0, 1] + j * frame[1, 1]
                    z = frame[0, 2] + k * frame[1, 2]
                    water[i, j, k] *= 1.0 + size * _slow(x, y, z, scale, key)


def paint_texture(canvas: Canvas, physique: Physique, chance: Chance) -> None:
    """Vary the density of organs slowly; muscle, fat and marrow more, hollow organs and vessels not at all."""
    amount = np.zeros(len(STRUCTURES))
    for name, factor in TEXTURE_FACTOR.items():
        amount[VALUES[name]] = factor * physique.texture_hu / 1000.0
    frame = np.array([canvas.grid.origin_mm, canvas.grid.spacing_mm])
    _texture(canvas.labels, canvas.materials[0], amount, frame, 4.0, np.uint64(chance.sub("texture").key))
