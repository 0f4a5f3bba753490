"""The inside of an organ as a graph: ways through tissue, long or dear, by Dijkstra's algorithm.

Nodes are the deepest voxels of small blocks, so that thin places stay joined whatever the size of the organ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from pancreasgen.base.grid import Volume
from pancreasgen.organ.landmarks import sample_with_gradient

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_NODES = 40_000
_PRICE = 2.0  # a millimetre at depth d costs (deepest / d) to this power


@dataclass(frozen=True, slots=True, eq=False)
class Web:
    """The inside of an organ as a graph.

    Attributes:
        points_mm: Nodes (N, 3) [mm].
        depth_mm: Depth of each node below the surface (N,).
        ends: Nodes that each edge joins (E, 2), each edge once.
        depth_between_mm: Least depth between the ends of each edge (E,).
        step_mm: Size of the blocks that the nodes stand for.
    """

    points_mm: Floats
    depth_mm: Floats
    ends: Ints
    depth_between_mm: Floats
    step_mm: float

    def lengths_mm(self) -> Floats:
        """Return the length of each edge (E,) [mm]."""
        return np.asarray(np.linalg.norm(self.points_mm[self.ends[:, 1]] - self.points_mm[self.ends[:, 0]], axis=1))

    def matrix(self, weight: Floats) -> Any:
        """Return the graph as a symmetric sparse matrix of weights (N, N)."""
        count = len(self.points_mm)
        a, b = self.ends.T
        both = (np.concatenate([a, b]), np.concatenate([b, a]))
        return csr_array((np.concatenate([weight, weight]), both), shape=(count, count))

    def price(self) -> Floats:
        """Return what each edge costs (E,): its length, dearer near the surface."""
        depth = np.maximum(self.depth_between_mm, 0.02 * float(self.depth_mm.max()))
        return np.asarray(self.lengths_mm() * (float(self.depth_mm.max()) / depth) ** _PRICE)

    def nearest(self, point_mm: Floats) -> int:
        """Return the node nearest to a point (3,)."""
        return int(np.argmin(((self.points_mm - point_mm) ** 2).sum(axis=1)))

    def without_nodes(self, gone: NDArray[np.bool_]) -> Web:
        """Return the web with all edges at some nodes taken away; nodes keep their numbers."""
        return self.with_edges(np.asarray(~gone[self.ends].any(axis=1)))

    def with_edges(self, keep: NDArray[np.bool_]) -> Web:
        """Return the web with some of its edges (E,)."""
        return replace(self, ends=self.ends[keep], depth_between_mm=self.depth_between_mm[keep])


def weave(distance: Volume) -> Web:
    """Return the graph of an organ, of at most some ten thousand nodes; only its largest piece.

    >>> from pancreasgen.base.grid import Grid, Quantity
    >>> slab = np.full((5, 3, 3), -1.0, np.float32)
    >>> slab[:, 1, 1] = 1.0
    >>> web = weave(Volume(slab, Grid((5, 3, 3), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)), Quantity.DISTANCE))
    >>> len(web.points_mm), web.lengths_mm().tolist()
    (5, [2.0, 2.0, 2.0, 2.0])
    """
    data, grid = distance.data, distance.grid
    block = max(1, round((int((data > 0).sum()) / _MOST_NODES) ** (1 / 3) + 0.49))
    padded = np.pad(data, [(0, -n % block) for n in data.shape], constant_values=-np.inf)
    counts = [n // block for n in padded.shape]
    blocks = padded.reshape(counts[0], block, counts[1], block, counts[2], block).transpose(0, 2, 4, 1, 3, 5)
    blocks = blocks.reshape(*counts, -1)
    best = blocks.argmax(axis=-1)
    depth = np.take_along_axis(blocks, best[..., None], axis=-1)[..., 0]
    inside = np.argwhere(depth > 0)
    within = np.stack(np.unravel_index(best[tuple(inside.T)], (block,) * 3), axis=1)
    number = np.full([n + 2 for n in counts], -1)
    number[tuple((inside + 1).T)] = np.arange(len(inside))
    pairs = []
    for shift in np.argwhere(np.ones((3, 3, 3)))[14:] - 1:
        other = number[tuple((inside + 1 + shift).T)]
        pairs.append(np.column_stack([np.arange(len(inside)), other])[other >= 0])
    ends = np.concatenate(pairs)
    points = grid.to_world(inside * block + within)
    shares = (0.5,) if block == 1 else (0.25, 0.5, 0.75)  # long edges must not leap over a cleft
    places = [(1.0 - share) * points[ends[:, 0]] + share * points[ends[:, 1]] for share in shares]
    between = np.min([sample_with_gradient(distance, place)[0] for place in places], axis=0)
    web = Web(points, depth[tuple(inside.T)].astype(np.float64), ends, between, block * grid.spacing_mm[0])
    return _largest_piece(web.with_edges(between > 0))


def _largest_piece(web: Web) -> Web:
    piece = connected_components(web.matrix(web.lengths_mm()), directed=False)[1]
    keep = piece == np.bincount(piece).argmax()
    number = np.cumsum(keep) - 1
    rows = keep[web.ends].all(axis=1)
    return Web(web.points_mm[keep], web.depth_mm[keep], number[web.ends[rows]], web.depth_between_mm[rows], web.step_mm)


def path(web: Web, weight: Floats, start: int, end: int) -> Ints:
    """Return the nodes of the cheapest way between two nodes, both included; empty if there is none."""
    _, rows = dijkstra(web.matrix(weight), indices=[start], return_predecessors=True)
    before = rows[0]
    nodes = [end]
    while nodes[-1] != start:
        nodes.append(int(before[nodes[-1]]))
        if nodes[-1] < 0:
            return np.empty(0, np.int64)
    return np.array(nodes[::-1])


def furthest_ends(web: Web, start_mm: Floats | None = None, end_mm: Floats | None = None) -> tuple[int, int]:
    """Return the two nodes with the longest way between them, or the furthest from a place (3,) that is given."""
    start, end = (None if place is None else web.nearest(place) for place in (start_mm, end_mm))
    if start is not None and end is not None:
        return start, end
    matrix = web.matrix(web.lengths_mm())
    if start is not None:
        return start, _furthest(matrix, start)
    if end is not None:
        return _furthest(matrix, end), end
    first = int(web.depth_mm.argmax())
    for _ in range(3):
        first, second = _furthest(matrix, first), first
    return first, second


def _furthest(matrix: Any, node: int) -> int:
    far = dijkstra(matrix, indices=[node])[0]
    return int(np.where(np.isfinite(far), far, -1.0).argmax())
