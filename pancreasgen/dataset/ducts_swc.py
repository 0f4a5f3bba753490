"""The ducts as SWC, the format of neurons: samples with one radius each, in trees. Coordinates are mm, RAS+."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.dataset.ducts_chains import arriving_segment
from pancreasgen.network.network import DuctNetwork, Kind


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """Samples by place (S, 3), radius, kind, and parent (−1 at a root); ``order`` lists parents before children."""

    place_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    kind: NDArray[np.int64]
    parent: NDArray[np.int64]
    order: NDArray[np.int64]


def swc_bytes(network: DuctNetwork) -> bytes:
    r"""Return the network as SWC: ``id type x y z radius parent`` [mm, RAS+].

    The type is 10 plus the duct's kind (11 main, 12 accessory, 13 side, 14 lobular); parents stand before their
    children. SWC gives a point one radius, so a branch would begin as a funnel as wide as the duct that it leaves.
    A further sample with the branch's own radius, one radius of that duct from the fork but at most half a segment,
    keeps the funnel inside that duct. SWC knows trees only: a duct that runs into another one ends in a sample of its
    own at the same place, and the head says so: ``# loop: id id``. Readers of neurons refuse a type that changes
    between forks, so an unbranched piece keeps the type that it begins with. See :func:`lost_in_swc`.

    Raises:
        BadInputError: If ducts run in a ring that nothing leads to.

    >>> fork = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0], [5, 3, 0]], [2, 1.5, 1, 0.4],
    ...                    [[0, 1], [1, 2], [1, 3]], [1, 1, 3], [0, 0, 1])
    >>> print(swc_bytes(fork).decode().split("parent\n")[1], end="")
    1 11 0 0 0 2 -1
    2 11 5 0 0 1.5 1
    3 11 9 0 0 1 2
    4 13 5 1.5 0 0.4 2
    5 13 5 3 0 0.4 4
    """
    samples = _samples(network)
    order, kind = samples.order, _kind_of_piece(samples)
    number = np.empty(len(order) + 1, np.int64)
    number[order], number[-1] = np.arange(1, len(order) + 1), -1  # the parent of a root is −1, and so is its number
    names = ", ".join(f"{10 + item} {item.name.lower()}" for item in Kind)
    head = ["# pancreasgen: synthetic pancreatic ducts, mm, RAS+", f"# types: {names}"]
    for blind, node in _blind_ends(network):
        head.append(f"# loop: {number[blind]} {number[node]} (in truth one point; SWC knows trees only)")
    head.append("# id type x y z radius parent")
    rows = zip(
        number[order].tolist(), (10 + kind[order]).tolist(), *samples.place_mm[order].T.tolist(),
        samples.radius_mm[order].tolist(), number[samples.parent[order]].tolist(), strict=True,
    )  # fmt: skip
    body = ("%d %d %.9g %.9g %.9g %.9g %d\n" * len(order)) % tuple(chain.from_iterable(rows))
    return ("\n".join(head) + "\n" + body).encode()


def lost_in_swc(network: DuctNetwork) -> list[str]:
    """Return what SWC cannot hold of a network, a sentence each; none if it holds all.

    >>> loop = DuctNetwork([[0, 0, 0], [5, 0, 0], [5, 5, 0]], [1, 1, 1],
    ...                    [[0, 1], [1, 2], [0, 2]], [1, 1, 2], [0, 0, 0])
    >>> print(*lost_in_swc(loop))
    SWC knows trees only: the accessory duct ends blind at (5.0, 5.0, 0.0) mm, where it joins another duct.
    """
    sentences = []
    for row in _joins(network).tolist():
        where = ", ".join(f"{value:.1f}" for value in network.nodes_mm[network.segments[row, 1]])
        name = Kind(int(network.kind[row])).name.lower()
        sentences.append(
            f"SWC knows trees only: the {name} duct ends blind at ({where}) mm, where it joins another duct."
        )
    samples = _samples(network)
    other = np.flatnonzero((_kind_of_piece(samples) != samples.kind) & (samples.parent >= 0))
    steps = samples.place_mm[other] - samples.place_mm[samples.parent[other]]
    if len(other):
        length = np.linalg.norm(steps, axis=1).sum()
        sentences.append(
            f"SWC types change at forks only: {length:.1f} mm have the type of the duct that they continue."
        )
    return sentences


def _joins(network: DuctNetwork) -> NDArray[np.int64]:
    """Rows of the segments that end in a node where another segment has arrived before."""
    arriving = arriving_segment(network)
    return np.flatnonzero(arriving[network.segments[:, 1]] != np.arange(len(network.segments)))


def _blind_ends(network: DuctNetwork) -> list[tuple[int, int]]:
    """The sample that stands for the end of each duct that joins another, and the node that it lies at."""
    joins, count = _joins(network), len(network.nodes_mm)
    return list(zip(range(count, count + len(joins)), network.segments[joins, 1].tolist(), strict=True))


def _samples(network: DuctNetwork) -> _Samples:
    """Return the samples: the nodes, then the blind ends, then the beginnings of branches."""
    start, end = network.segments.T.astype(np.int64)
    radii, joins = network.capsule_radii_mm, _joins(network)
    end[joins] = len(network.nodes_mm) + np.arange(len(joins))
    funnels = np.flatnonzero((radii[:, 0] != network.radius_mm[start]) & (network.lengths_mm > 0))
    ends = network.nodes_mm[network.segments[funnels]]
    share = np.minimum(network.radius_mm[start[funnels]] / network.lengths_mm[funnels], 0.5)[:, None]
    place = [
        network.nodes_mm,
        network.nodes_mm[network.segments[joins, 1]],
        (1 - share) * ends[:, 0] + share * ends[:, 1],
    ]
    radius = [network.radius_mm, radii[joins, 1], radii[funnels, 0]]
    count = sum(map(len, radius))
    parent, kind = np.full(count, -1, np.int64), np.full(count, int(Kind.MAIN), np.int64)
    kind[start[::-1]] = network.kind[::-1]  # a root is of the kind of the first duct that leaves it
    kind[end], parent[end] = network.kind, start
    extra = count - len(funnels) + np.arange(len(funnels))
    parent[end[funnels]], parent[extra] = extra, start[funnels]
    kind[extra] = network.kind[funnels]
    return _Samples(np.vstack(place), np.concatenate(radius), kind, parent, _parents_first(parent))


def _parents_first(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the samples so that each stands behind its parent, and a duct's samples behind each other."""
    children: dict[int, list[int]] = {}
    for sample, above in enumerate(parent.tolist()):
        children.setdefault(above, []).append(sample)
    order: list[int] = []
    waiting = children.get(-1, [])[::-1]
    while waiting:
        sample = waiting.pop()
        order.append(sample)
        waiting.extend(reversed(children.get(sample, [])))
    if len(order) < len(parent):
        raise BadInputError(
            f"{len(parent) - len(order)} nodes of the duct network lie in a ring that nothing leads to",
            "each duct must begin at a root or at another duct",
        )
    return np.array(order, dtype=np.int64)


def _kind_of_piece(samples: _Samples) -> NDArray[np.int64]:
    """Return the kind of each sample if that may change only behind a fork."""
    alone = np.bincount(samples.parent + 1, minlength=len(samples.parent) + 1)[samples.parent + 1] == 1
    alone &= samples.parent >= 0
    kind, parent = samples.kind.tolist(), samples.parent.tolist()
    for sample in samples.order[alone[samples.order]].tolist():
        kind[sample] = kind[parent[sample]]
    return np.array(kind, np.int64)
