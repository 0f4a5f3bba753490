"""Tubes of a network as the judge sees them: arrays, and nothing of the engine that made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHOWN = 5  # worst places that are told


@dataclass(frozen=True, slots=True, eq=False)
class Tubes:
    """Tapered capsules and how they hang together.

    Attributes:
        start_mm: Proximal ends (M, 3).
        end_mm: Distal ends (M, 3).
        first_mm: Radius at the proximal end (M,).
        last_mm: Radius at the distal end (M,).
        segments: Node indices (M, 2).
        node_mm: Radius of the duct that arrives at each node (N,).
        order: Branch order (M,).
    """

    start_mm: Floats
    end_mm: Floats
    first_mm: Floats
    last_mm: Floats
    segments: Ints
    node_mm: Floats
    order: Ints

    @property
    def length_mm(self) -> Floats:
        return np.asarray(np.linalg.norm(self.end_mm - self.start_mm, axis=1))

    @property
    def widest_mm(self) -> Floats:
        return np.maximum(self.first_mm, self.last_mm)

    def along(self, rows: Ints, share: Floats) -> tuple[Floats, Floats]:
        """Return points (K, 3) and radii (K,) at shares 0–1 of the way along segments."""
        points = self.start_mm[rows] + share[:, None] * (self.end_mm[rows] - self.start_mm[rows])
        return points, self.first_mm[rows] + share * (self.last_mm[rows] - self.first_mm[rows])


def tubes_of(network: Any) -> Tubes:
    """Return the tubes of a network, read from its arrays alone."""
    segments = np.asarray(network.segments, np.int64)
    ends = np.asarray(network.nodes_mm, np.float64)[segments]
    radii = np.asarray(network.capsule_radii_mm, np.float64)
    return Tubes(
        ends[:, 0], ends[:, 1], radii[:, 0], radii[:, 1], segments, np.asarray(network.radius_mm, np.float64),
        np.asarray(network.order, np.int64),
    )  # fmt: skip


def arriving(tubes: Tubes) -> Ints:
    """Return the first segment that arrives at each node (N,), −1 for none."""
    first = np.full(len(tubes.node_mm), -1, np.int64)
    first[tubes.segments[::-1, 1]] = np.arange(len(tubes.segments))[::-1]
    return first


def told(tubes: Tubes, row: int, other: int = -1, **numbers: float) -> dict[str, Any]:
    """Return a segment, or a pair, as one can look for it."""
    rows = [row] if other < 0 else [row, other]
    return {
        "segments": rows,
        "order": [int(tubes.order[n]) for n in rows],
        "radius_mm": [round(float(tubes.widest_mm[n]), 3) for n in rows],
        "at_mm": [round(float(x), 2) for x in 0.5 * (tubes.start_mm[row] + tubes.end_mm[row])],
        **{key: round(value, 4) for key, value in numbers.items()},
    }


def dot(a: Floats, b: Floats) -> Floats:
    return np.asarray((a * b).sum(axis=1))
