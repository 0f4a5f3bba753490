"""The duct network: a graph of tapered capsules with exact coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import frozen_array
from pancreasgen.base.errors import BadInputError

MAX_NODES = 500_000


class Kind(IntEnum):
    """What a duct segment belongs to."""

    MAIN = 1
    ACCESSORY = 2
    SIDE = 3
    LOBULAR = 4


@dataclass(frozen=True, slots=True, eq=False)
class DuctNetwork:
    """Ducts as nodes and segments. A segment is a tapered capsule from its proximal node to its distal node.

    A node has the radius of the duct that arrives there. Where a side branch leaves a duct, its first capsule has the
    branch's radius at both ends, and where a duct runs into another one (the accessory duct into the main duct) its
    last capsule keeps the radius it came with: see :attr:`capsule_radii_mm`, the only truth for drawing.

    Attributes:
        nodes_mm: Positions (N, 3) [mm, RAS+].
        radius_mm: Lumen radius (N,) at each node, of the duct that arrives there [mm].
        segments: Node indices (M, 2), proximal (towards the papilla) first.
        kind: :class:`Kind` of each segment (M,).
        order: Branch order of each segment (M,): 0 main and accessory duct, 1 their side branches, and so on.

    Raises:
        BadInputError: If shapes do not fit, an index points nowhere, a radius is not above 0, or there are more
            than 500,000 nodes.
    """

    nodes_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    segments: NDArray[np.int32]
    kind: NDArray[np.uint8]
    order: NDArray[np.int16]

    def __post_init__(self) -> None:
        nodes = frozen_array(self.nodes_mm, "nodes_mm", (None, 3), "f8")
        if len(nodes) > MAX_NODES:
            raise BadInputError(f"a duct network may have {MAX_NODES:,} nodes, not {len(nodes):,}")
        segments = frozen_array(self.segments, "segments", (None, 2), "i4")
        if segments.size and (segments.min() < 0 or segments.max() >= len(nodes)):
            raise BadInputError(f"a segment points to a node that does not exist (there are {len(nodes)})")
        radius = frozen_array(self.radius_mm, "radius_mm", (len(nodes),), "f8")
        if radius.size and radius.min() <= 0:
            raise BadInputError("every duct needs a radius above 0 mm")
        object.__setattr__(self, "nodes_mm", nodes)
        object.__setattr__(self, "radius_mm", radius)
        object.__setattr__(self, "segments", segments)
        object.__setattr__(self, "kind", frozen_array(self.kind, "kind", (len(segments),), "u1"))
        object.__setattr__(self, "order", frozen_array(self.order, "order", (len(segments),), "i2"))

    @property
    def lengths_mm(self) -> NDArray[np.float64]:
        """Length of each segment (M,) [mm]."""
        ends = self.nodes_mm[self.segments]
        return np.asarray(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), dtype=np.float64)

    @property
    def capsule_radii_mm(self) -> NDArray[np.float64]:
        """Radius of each segment's capsule at its proximal and distal end (M, 2) [mm].

        >>> fork = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0], [5, 3, 0]], [2, 1.5, 1, 0.4],
        ...                    [[0, 1], [1, 2], [1, 3]], [1, 1, 3], [0, 0, 1])
        >>> fork.capsule_radii_mm.tolist()
        [[2.0, 1.5], [1.5, 1.0], [0.4, 0.4]]
        """
        count = len(self.segments)
        arriving = np.full(len(self.nodes_mm), -1, np.int64)
        arriving[self.segments[::-1, 1]] = np.arange(count)[::-1]  # the first to arrive is the duct itself
        above = arriving[self.segments[:, 0]]
        begins = (above >= 0) & (self.order != self.order[np.maximum(above, 0)])
        joins = arriving[self.segments[:, 1]] != np.arange(count)
        proximal, distal = self.radius_mm[self.segments].T
        return np.column_stack([np.where(begins & ~joins, distal, proximal), np.where(joins, proximal, distal)])
