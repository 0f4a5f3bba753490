"""How the segments of a network hang together: the tree below each papilla, and paths in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.network.network import DuctNetwork

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """The network as directed trees that begin at the papillae.

    Where several ducts run into one node, the first of them is the duct itself; the others join it, and end blind in
    the tree.

    Attributes:
        parent: Row of the segment that each segment leaves (M,), −1 at a root.
        depth: Number of segments between each segment and its root (M,).
        arriving: Row of the segment whose own end each node is (N,), −1 for a node where a tree begins.
        joins: Whether a segment ends in another duct (M,).
        path_mm: Length of the way from the root to the distal end of each segment (M,) [mm].
    """

    parent: Rows
    depth: Rows
    arriving: Rows
    joins: Flags
    path_mm: Floats

    @property
    def children(self) -> Rows:
        """Number of segments that leave the distal end of each segment (M,); none where it joins another duct."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self.parent))

    def node_path_mm(self, nodes: NDArray[np.integer]) -> Floats:
        """Return the length of the way from the root to nodes (K,) [mm], 0 at a root."""
        row = self.arriving[nodes]
        return np.where(row >= 0, self.path_mm[np.maximum(row, 0)], 0.0)


def links(network: DuctNetwork) -> Links:
    """Return how the segments of a network hang together, in whatever order they come.

    Raises:
        BadInputError: If segments follow each other in a ring that no papilla reaches.

    >>> loop = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0], [0, 3, 0]], [2, 1.5, 1, 0.4],
    ...                    [[0, 1], [1, 2], [3, 1]], [1, 1, 2], [0, 0, 0])
    >>> found = links(loop)
    >>> found.parent.tolist(), found.joins.tolist(), found.path_mm.round(1).tolist()
    ([-1, 0, -1], [False, False, True], [5.0, 9.0, 5.8])
    """
    count = len(network.segments)
    rows = np.arange(count)
    arriving = np.full(len(network.nodes_mm), -1, np.int64)
    arriving[network.segments[::-1, 1]] = rows[::-1]
    parent = arriving[network.segments[:, 0]]
    depth, path = np.zeros(count, np.int64), network.lengths_mm
    depth[parent >= 0] = 1
    above = parent.copy()
    for _ in range(count.bit_length() + 1):  # each round looks twice as far back
        has = above >= 0
        if not has.any():
            return Links(parent, depth, arriving, arriving[network.segments[:, 1]] != rows, path)
        further = above[has]
        depth[has] += depth[further]
        path[has] += path[further]
        above[has] = above[further]
    raise BadInputError(
        "the duct network has a ring of segments that no papilla reaches",
        "let each segment run from the end nearer to its papilla to the other one",
    )


def heads(towards: Rows) -> Rows:
    """Return where each row (M,) arrives that goes on and on to ``towards[row]`` until that is the row itself.

    >>> heads(np.array([0, 0, 1, 3, 2])).tolist()
    [0, 0, 0, 3, 0]
    """
    while True:
        further = towards[towards]
        if np.array_equal(further, towards):
            return towards
        towards = further


def directions(network: DuctNetwork) -> Floats:
    """Return the unit vector (M, 3) of each segment away from the papilla; zero for a segment without length."""
    ends = network.nodes_mm[network.segments]
    along = ends[:, 1] - ends[:, 0]
    length = np.linalg.norm(along, axis=1, keepdims=True)
    return np.asarray(along / np.where(length > 0, length, 1.0))


def angles_deg(a: Floats, b: Floats) -> Floats:
    """Return the angle between unit vectors a and b (K, 3) [deg], exact for small angles and near 180° too.

    The angle is 2·atan2(|a − b|, |a + b|) (Kahan 2006, "How futile are mindless assessments of roundoff").

    >>> angles_deg(np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]])).round(9).tolist()
    [90.0]
    """
    half = np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.asarray(np.degrees(2.0 * half))
