"""A network cut into lines: each duct from its fork to its end, with a radius of its own at every point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.network.network import DuctNetwork


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """Lines along ducts. A duct is a run of segments of one branch order; where its kind changes, a new line begins.

    Every line has points of its own, also where it begins on another duct: there it has its own radius.

    Attributes:
        node: Node of the network at each point (P,).
        radius_mm: Radius of this line at each point (P,) [mm].
        offset: First point of each line, and P at the end (K + 1,).
        duct: Number of the duct that each line is a part of (K,).
        kind: Kind of each line (K,).
        order: Branch order of each line (K,).
    """

    node: NDArray[np.int64]
    radius_mm: NDArray[np.float64]
    offset: NDArray[np.int64]
    duct: NDArray[np.int64]
    kind: NDArray[np.uint8]
    order: NDArray[np.int16]


def arriving_segment(network: DuctNetwork) -> NDArray[np.int64]:
    """Return the segment that ends in each node (N,), the first if there are several, or −1.

    >>> network = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 1], [[0, 1]], [1], [0])
    >>> arriving_segment(network).tolist()
    [-1, 0]
    """
    arriving = np.full(len(network.nodes_mm), -1, np.int64)
    arriving[network.segments[::-1, 1]] = np.arange(len(network.segments))[::-1]
    return arriving


def cut_into_chains(network: DuctNetwork) -> Chains:
    """Cut a network into lines.

    Args:
        network: The ducts. Of several segments that leave a node with the order of the one that arrives there, the
            first goes on with its duct and the others begin their own.

    Returns:
        The lines, in the order of their first segments; each segment is in exactly one.

    Raises:
        BadInputError: If ducts run in a ring that nothing leads to.

    >>> fork = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0], [5, 3, 0]], [2, 1.5, 1, 0.4],
    ...                    [[0, 1], [1, 2], [1, 3]], [1, 1, 3], [0, 0, 1])
    >>> chains = cut_into_chains(fork)
    >>> chains.node.tolist(), chains.offset.tolist(), chains.radius_mm.tolist()
    ([0, 1, 2, 1, 3], [0, 3, 5], [2.0, 1.5, 1.0, 0.4, 0.4])
    """
    rows, heads = _in_line(network)
    kind, order = network.kind[rows], network.order[rows]
    begins = heads | (kind != np.roll(kind, 1))
    first = np.flatnonzero(begins)
    place = np.arange(len(rows)) + np.cumsum(begins)  # each line has one point more than segments
    node, radius = np.empty(len(rows) + len(first), np.int64), np.empty(len(rows) + len(first))
    ends, radii = network.segments[rows], network.capsule_radii_mm[rows]
    node[place], radius[place] = ends[:, 1], radii[:, 1]
    node[place[first] - 1], radius[place[first] - 1] = ends[first, 0], radii[first, 0]
    return Chains(
        node=node,
        radius_mm=radius,
        offset=np.append(place[first] - 1, len(node)),
        duct=np.cumsum(heads)[first] - 1,
        kind=kind[first],
        order=order[first],
    )


def _in_line(network: DuctNetwork) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return all segments duct by duct, each from its fork to its end, and which of them begin a duct."""
    above = arriving_segment(network)[network.segments[:, 0]]
    follows = np.flatnonzero((above >= 0) & (network.order == network.order[np.maximum(above, 0)]))
    last, which = np.unique(above[follows], return_index=True)
    after, head = np.full(len(above), -1, np.int64), np.ones(len(above), np.bool_)
    after[last] = follows[which]
    head[follows[which]] = False
    rows: list[int] = []
    following = after.tolist()
    for start in np.flatnonzero(head).tolist():
        at = start
        while at >= 0:
            rows.append(at)
            at = following[at]
    if len(rows) < len(above):
        raise BadInputError(
            f"{len(above) - len(rows)} segments of the duct network run in a ring that nothing leads to",
            "each duct must begin at a root or at another duct",
        )
    return np.array(rows, np.int64), head[rows]
