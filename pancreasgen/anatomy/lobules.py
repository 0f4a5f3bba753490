"""Lobules: parts of the gland that one duct drains, and the walls between them.

A lobule is what the largest subtree of ducts with no more ends than fill one lobule drains; its middle is the mean of
these ends. Cells of the Voronoi diagram of the middles are the lobules' shapes, so fat lies where two ducts' tissue
meets. Where no duct ends nearby (a coarse tree, or none), points of a jittered lattice stand in (Worley's cellular
pattern, SIGGRAPH 1996). Groups of lobules are made in the same way, three times as wide.

With F₁ and F₂ the distances to the two nearest middles, (F₂ − F₁)/2 is about the distance to the wall between them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from pancreasgen.anatomy.fields import hashed_normal
from pancreasgen.network.links import links
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ

APART_SIZES = 0.45  # middles nearer to each other than this many sizes are one lobule
MEAN_SHARE = 2.0 / 3.0  # ends of a subtree cut at a largest number of them, as a share of it; measured
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cells = tuple[Floats, Ints, Floats, Ints, float]
"""Points (N, 3) [mm] sorted by cubic cell, where each cell begins, the first cell's corner, the counts and the side."""


def lobule_middles(organ: Organ, network: DuctNetwork, size_mm: float, key: int) -> Floats:
    """Return the middles of lobules (L, 3) [mm], about one in each cube of size_mm of the gland.

    Args:
        organ: The gland.
        network: Its ducts.
        size_mm: Width of a lobule [mm].
        key: Key of the hashes of the lattice that stands in for ducts.

    Raises:
        BadInputError: If segments of the network follow each other in a ring that no papilla reaches.
    """
    drained = _drained(network, organ.volume_ml * 1000.0, size_mm)
    more = _lattice(organ, size_mm, key)
    if len(drained) and len(more):
        more = more[cKDTree(drained).query(more)[0] > size_mm]
    return np.concatenate([drained, more])


def _drained(network: DuctNetwork, gland_mm3: float, size_mm: float) -> Floats:
    """Return the middles of the ends of the largest subtrees that drain no more than a lobule."""
    found = links(network)
    blind = (found.children == 0) & ~found.joins
    below = blind.astype(np.int64)
    order = np.argsort(-found.depth, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(found.depth[order])) + 1):
        rows = rows[found.parent[rows] >= 0]
        np.add.at(below, found.parent[rows], below[rows])
    most = max(blind.sum() / gland_mm3 * size_mm**3 / MEAN_SHARE, 1.0)
    goes_on = (found.parent >= 0) & (below[np.maximum(found.parent, 0)] <= most)
    top = np.where(goes_on, found.parent, np.arange(len(below)))
    while (top != top[top]).any():
        top = top[top]
    _, lobule, count = np.unique(top[blind], return_inverse=True, return_counts=True)
    ends = network.nodes_mm[network.segments[blind, 1]]
    sums = [np.bincount(lobule.reshape(-1), weights=ends[:, axis], minlength=len(count)) for axis in range(3)]
    middles = np.stack(sums, axis=1) / count[:, None]
    if len(middles) < 2:
        return middles
    pairs = cKDTree(middles).query_pairs(APART_SIZES * size_mm, output_type="ndarray")
    return np.asarray(np.delete(middles, np.unique(pairs.max(axis=1, initial=0)) if len(pairs) else [], axis=0))


def _lattice(organ: Organ, size_mm: float, key: int) -> Floats:
    """Return one point at a hashed place in each cube of size_mm in and around the gland (N, 3)."""
    grid = organ.distance.grid
    low, high = grid.to_world(np.zeros(3)), grid.to_world(np.array(grid.shape) - 1)
    axes = [np.arange(np.floor(a / size_mm), np.ceil(b / size_mm) + 1) for a, b in zip(low, high, strict=True)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    shift = [np.clip(0.3 * hashed_normal(key + n, *nodes.T), -0.5, 0.5) for n in range(3)]
    points = size_mm * (nodes + np.stack(shift, axis=1))
    depth = map_coordinates(organ.distance.data, grid.to_index(points).T, order=1, mode="constant", cval=-99.0)
    return np.asarray(points[depth > -size_mm], dtype=np.float64)


def in_cells(points: Floats, cell_mm: float) -> Cells:
    """Return points sorted into cubic cells, as :func:`wall_mm` takes them.

    >>> in_cells(np.array([[0.0, 0, 0], [9.0, 0, 0]]), 5.0)[1].tolist()
    [0, 1, 1, 2]
    """
    low = points.min(axis=0, initial=1e9) - 0.5 * cell_mm
    cell = np.floor((points - low) / cell_mm).astype(np.int64)
    shape = cell.max(axis=0, initial=0) + 1
    flat = (cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2]
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(int(np.prod(shape)) + 1)).astype(np.int64)
    return np.ascontiguousarray(points[order]), first, low, shape, float(cell_mm)


@njit(cache=True)
def wall_mm(x: float, y: float, z: float, cells: Cells) -> float:
    """Return how far a place is from the wall of its lobule [mm]; 1000 where no wall is near."""
    points, first, low, shape, side = cells
    i0, j0, k0 = (
        int(np.floor((x - low[0]) / side)),
        int(np.floor((y - low[1]) / side)),
        int(np.floor((z - low[2]) / side)),
    )
    best, second = 1e12, 1e12
    for i in range(max(i0 - 1, 0), min(i0 + 2, shape[0])):
        for j in range(max(j0 - 1, 0), min(j0 + 2, shape[1])):
            for k in range(max(k0 - 1, 0), min(k0 + 2, shape[2])):
                flat = (i * shape[1] + j) * shape[2] + k
                for n in range(first[flat], first[flat + 1]):
                    d = (x - points[n, 0]) ** 2 + (y - points[n, 1]) ** 2 + (z - points[n, 2]) ** 2
                    if d < best:
                        best, second = d, best
                    elif d < second:
                        second = d
    return 1000.0 if second == 1e12 else 0.5 * (np.sqrt(second) - np.sqrt(best))
