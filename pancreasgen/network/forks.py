"""Forks: the angles of the ducts that leave one, and the exponent that their radii obey."""

from __future__ import annotations

from typing import Any

import numpy as np

from pancreasgen.network.links import Flags, Floats, Links, Rows, angles_deg, directions
from pancreasgen.network.network import DuctNetwork

_TOLERANCE = 1e-12


def fork_measures(network: DuctNetwork, found: Links) -> dict[str, Any]:
    """Return angles [deg] and Murray exponents over all true forks: one duct arrives, two or more leave.

    ``fork_angle_median_deg`` is the angle between the two widest ducts that leave; the wide and the thin one's own
    angles are those with the direction of the duct that arrives. The exponent g solves r₀^g = Σ rᵢ^g at each fork
    (Murray 1926: 3), see :func:`murray_exponents`; forks with a duct whose radius the network does not hold, because it
    ends in another duct, are left out, and forks without a solution are counted.

    >>> from pancreasgen.network.links import links
    >>> fork = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 4, 0], [9, -4, 0]], [1, 1, 0.5 ** (1 / 3), 0.5 ** (1 / 3)],
    ...                    [[0, 1], [1, 2], [1, 3]], [1, 1, 3], [0, 0, 1])
    >>> told = fork_measures(fork, links(fork))
    >>> round(told["murray_exponent_median"], 9), round(told["fork_angle_median_deg"], 9)
    (3.0, 90.0)
    """
    child, first, above = _forks(network, found)
    result: dict[str, Any] = {"num_forks": len(first)}
    result.update(_angles(network, child, first, above))
    radius = network.radius_mm[network.segments[child, 1]]
    share = radius / np.repeat(network.radius_mm[network.segments[above, 1]], np.diff(first, append=len(child)))
    known = ~np.logical_or.reduceat(found.joins[child], first) if len(first) else np.zeros(0, np.bool_)
    exponent = murray_exponents(share, first)
    solved = known & np.isfinite(exponent)
    result["num_forks_without_exponent"] = int((known & ~solved).sum())
    for name, level in (("median", 0.5), ("p05", 0.05), ("p95", 0.95)):
        result[f"murray_exponent_{name}"] = float(np.quantile(exponent[solved], level)) if solved.any() else None
    return result


def murray_exponents(share: Floats, first: Rows) -> Floats:
    """Return for each fork the g with Σ shareᵢ^g = 1, NaN where there is none.

    There is one, and only one above 0, if and only if every share is below 1: the sum then falls from the number of
    ducts at g = 0 to 0. Newton's method on the logarithm of the sum, which is convex in g, climbs to it from g = 0
    without ever stepping over it.

    Args:
        share: Radius of each duct that leaves as a share of the one that arrives (C,), fork by fork.
        first: Where each fork begins in ``share`` (F,), ascending; each has at least two ducts.

    >>> murray_exponents(np.array([0.5 ** 0.5, 0.5 ** 0.5, 1.0, 0.5]), np.array([0, 2])).round(9).tolist()
    [2.0, nan]
    """
    exponent = np.full(len(first), np.nan)
    if not len(first):
        return exponent
    sizes = np.diff(first, append=len(share))
    solvable = np.maximum.reduceat(share, first) < 1.0
    log = np.log(share[np.repeat(solvable, sizes)])
    sizes = sizes[solvable]
    if not len(sizes):
        return exponent
    start = np.cumsum(sizes) - sizes
    g = np.zeros(len(sizes))
    climbing = np.ones(len(sizes), np.bool_)
    while climbing.any():
        power = np.exp(np.repeat(g, sizes) * log)
        total = np.add.reduceat(power, start)
        step = -np.log(total) * total / np.add.reduceat(power * log, start)
        g[climbing] += step[climbing]
        climbing &= step > _TOLERANCE * np.maximum(g, 1.0)  # a step down is rounding: the top is reached
    exponent[solvable] = g
    return exponent


def _forks(network: DuctNetwork, found: Links) -> tuple[Rows, Rows, Rows]:
    """Return the segments that leave forks, fork by fork, the widest first; where each fork begins; what arrives."""
    num_in = np.bincount(network.segments[:, 1], minlength=len(network.nodes_mm))
    leaving = (found.children >= 2) & (num_in[network.segments[:, 1]] == 1)
    mine: Flags = (found.parent >= 0) & leaving[np.maximum(found.parent, 0)]
    child = np.flatnonzero(mine)
    radius = network.capsule_radii_mm[child, 1]
    child = child[np.lexsort((child, -radius, found.parent[child]))]
    above, first = np.unique(found.parent[child], return_index=True)
    return child, first.astype(np.int64), above


def _angles(network: DuctNetwork, child: Rows, first: Rows, above: Rows) -> dict[str, float | None]:
    names = ("fork_angle_median_deg", "fork_wide_angle_median_deg", "fork_thin_angle_median_deg")
    if not len(first):
        return dict.fromkeys(names)
    along = directions(network)
    before, wide, thin = along[above], along[child[first]], along[child[first + 1]]
    pairs = ((wide, thin), (before, wide), (before, thin))
    return {name: float(np.median(angles_deg(a, b))) for name, (a, b) in zip(names, pairs, strict=True)}
