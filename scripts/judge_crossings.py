"""Tubes against each other: which capsules overlap, and how far apart they are along the ducts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from judge_tubes import SHOWN, Bools, Floats, Ints, Tubes, arriving, dot, told
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

KIN_FACTOR, CLEARANCE_MM = 1.8, 0.15
_REACHES_MM = (0.0, 0.4, 0.7, 1.1, 1.8, 3.0, 6.0, 12.0, np.inf)
_PATHS_AT_ONCE = 256


def axis_distance(tubes: Tubes, one: Ints, two: Ints) -> tuple[Floats, Floats, Floats]:
    """Return the least distance (K,) between the axes of pairs of segments, and the shares where it is.

    Two straight lines are nearest where the line between them stands on both; if that place lies beyond an end, then
    one of the four ends is nearest to the other segment. All five are asked.
    """
    p, q = tubes.start_mm[one], tubes.start_mm[two]
    u, v, w = tubes.end_mm[one] - p, tubes.end_mm[two] - q, p - q
    a, b, c = dot(u, u), dot(u, v), dot(v, v)
    d, e = dot(u, w), dot(v, w)
    least = 1e-300
    across = a * c - b * b
    s = np.clip((b * e - c * d) / np.maximum(across, least), 0.0, 1.0)
    t = np.clip((a * e - b * d) / np.maximum(across, least), 0.0, 1.0)
    zero, full = np.zeros_like(s), np.ones_like(s)
    places = [(s, t)]
    places += [(side, np.clip((e + side * b) / np.maximum(c, least), 0.0, 1.0)) for side in (zero, full)]
    places += [(np.clip((side * b - d) / np.maximum(a, least), 0.0, 1.0), side) for side in (zero, full)]
    shares = np.array(places)
    gaps = np.linalg.norm(w + shares[:, 0, :, None] * u - shares[:, 1, :, None] * v, axis=2)
    best = gaps.argmin(axis=0)
    rows = np.arange(len(best))
    return gaps[best, rows], shares[best, 0, rows], shares[best, 1, rows]


def skin_gap(tubes: Tubes, one: Ints, two: Ints) -> Floats:
    """Return the least gap (K,) between the skins of pairs of tapered capsules; negative where they overlap.

    The gap |p(s) − q(t)| − r(s) − r(t) is convex in both places, so going to the best place on the one and on the other
    in turn, from where the axes are nearest, comes to the least.
    """
    distance, s, t = axis_distance(tubes, one, two)
    gap = distance - tubes.along(one, s)[1] - tubes.along(two, t)[1]
    for _ in range(12):
        s = _best_place(tubes, one, tubes.along(two, t)[0])
        t = _best_place(tubes, two, tubes.along(one, s)[0])
        (p, a), (q, b) = tubes.along(one, s), tubes.along(two, t)
        gap = np.minimum(gap, np.linalg.norm(p - q, axis=1) - a - b)
    return gap


def _best_place(tubes: Tubes, rows: Ints, points_mm: Floats) -> Floats:
    """Return the share (K,) of the way where a cone's skin is nearest to a point: √(h² + x²) − k·x is least there."""
    along = tubes.end_mm[rows] - tubes.start_mm[rows]
    length = np.maximum(np.linalg.norm(along, axis=1), 1e-12)
    away = points_mm - tubes.start_mm[rows]
    foot = dot(away, along) / length
    high = np.sqrt(np.maximum(dot(away, away) - foot**2, 0.0))
    slope = np.clip((tubes.last_mm[rows] - tubes.first_mm[rows]) / length, -0.999, 0.999)
    return np.clip((foot + slope * high / np.sqrt(1.0 - slope**2)) / length, 0.0, 1.0)


def overlapping(tubes: Tubes) -> tuple[Ints, Ints, Floats]:
    """Return all pairs of segments (K,), (K,) whose capsules overlap, kin or not, and the gap between their skins."""
    found = [(one, two, skin_gap(tubes, one, two)) for one, two in _near(tubes)]
    one, two, gap = (np.concatenate(column) for column in zip(*found, strict=True))
    touching = gap < 0.0
    return one[touching], two[touching], gap[touching]


def _near(tubes: Tubes) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs whose axes come closer than their wider radii: each pair once, in classes of like size."""
    middle, reach = 0.5 * (tubes.start_mm + tubes.end_mm), 0.5 * tubes.length_mm + tubes.widest_mm
    sizes = np.digitize(reach, _REACHES_MM)
    classes = [rows for rows in (np.flatnonzero(sizes == n) for n in range(len(_REACHES_MM) + 1)) if len(rows)]
    trees = [cKDTree(middle[rows]) for rows in classes]
    yield np.zeros(0, np.int64), np.zeros(0, np.int64)
    for m, n in product(range(len(classes)), repeat=2):
        if n < m:
            continue
        most = float(reach[classes[m]].max() + reach[classes[n]].max())
        found = trees[m].sparse_distance_matrix(trees[n], most, output_type="ndarray")
        one, two = classes[m][found["i"]], classes[n][found["j"]]
        close = (found["v"] <= reach[one] + reach[two]) & ((one < two) | (m != n))
        one, two = one[close], two[close]
        touch = axis_distance(tubes, one, two)[0] < tubes.widest_mm[one] + tubes.widest_mm[two]
        yield one[touch], two[touch]


def way_along_ducts(tubes: Tubes, one: Ints, two: Ints, limit_mm: float) -> Floats:
    """Return how far the nearest ends of pairs of segments are apart along the ducts (K,) [mm]; inf beyond limit."""
    graph = _graph(tubes)
    way = np.full(len(one), np.inf)
    for side in (0, 1):
        starts = tubes.segments[one, side]
        order = np.argsort(starts, kind="stable")
        sources = np.unique(starts)
        for begin in range(0, len(sources), _PATHS_AT_ONCE):
            some = sources[begin : begin + _PATHS_AT_ONCE]
            low, high = np.searchsorted(starts[order], [some[0], some[-1] + 1])
            rows = order[low:high]
            ways = dijkstra(graph, directed=False, indices=some, limit=limit_mm)
            places = np.searchsorted(some, starts[rows])
            way[rows] = np.minimum(way[rows], ways[places[:, None], tubes.segments[two[rows]]].min(axis=1))
    return way


def _graph(tubes: Tubes) -> csr_array:
    """Return the ducts as a graph; no edge is 0 long, because that would mean none."""
    size = len(tubes.node_mm)
    return csr_array(coo_array((np.maximum(tubes.length_mm, 1e-9), tuple(tubes.segments.T)), shape=(size, size)))


def crossings(tubes: Tubes) -> dict[str, Any]:
    """Return how many pairs of tubes cross that are not kin, and where.

    Kin are no further apart along the ducts than 1.8 · (both wider radii + 0.15 mm). ``crossings_strict`` counts more:
    there kin share a node, or one is a branch's first piece and the other lies within the parent's radius of the fork.
    """
    one, two, gap = overlapping(tubes)
    share = (tubes.segments[one][:, :, None] == tubes.segments[two][:, None]).any(axis=(1, 2))
    one, two, gap = one[~share], two[~share], gap[~share]
    kin = KIN_FACTOR * (tubes.widest_mm[one] + tubes.widest_mm[two] + CLEARANCE_MM)
    far = way_along_ducts(tubes, one, two, float(kin.max(initial=0.0)) + 1e-6) > kin
    strict = ~(_leaves(tubes, one, two) | _leaves(tubes, two, one))
    worst = np.flatnonzero(far)[np.argsort(gap[far])][:SHOWN]
    return {
        "crossings": int(far.sum()),
        "deepest_mm": float(-gap[far].min(initial=0.0)),
        "crossings_strict": int(strict.sum()),
        "deepest_strict_mm": float(-gap[strict].min(initial=0.0)),
        "crossings_at": [told(tubes, int(one[k]), int(two[k]), gap_mm=float(gap[k])) for k in worst],
    }


def _leaves(tubes: Tubes, branch: Ints, parent: Ints) -> Bools:
    """Return whether each first segment begins a branch and the second is its parent within a radius of the fork."""
    above = arriving(tubes)[tubes.segments[branch, 0]]
    begins = (above >= 0) & (tubes.order[branch] > tubes.order[np.maximum(above, 0)])
    same = tubes.order[parent] == tubes.order[np.maximum(above, 0)]
    fork, radius = tubes.start_mm[branch], tubes.node_mm[tubes.segments[branch, 0]]
    near = np.minimum(*(np.linalg.norm(ends[parent] - fork, axis=1) for ends in (tubes.start_mm, tubes.end_mm)))
    return np.asarray(begins & same & (near <= radius))
