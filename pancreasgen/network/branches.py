"""The main duct and its side branches: where they leave, at which angle, how far apart, how straight they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from pancreasgen.network.links import Flags, Floats, Links, Rows, angles_deg, directions, heads
from pancreasgen.network.network import DuctNetwork, Kind

TRUNKS = (Kind.MAIN, Kind.ACCESSORY)


def branch_measures(network: DuctNetwork, found: Links) -> dict[str, Any]:
    """Return number, spacing [mm], angle [deg], diameter [mm] and tortuosity of side branches, and the main duct's.

    A side branch leaves the main or the accessory duct. Spacing and angle are those of branches that leave the main
    duct where that goes on; the tributaries that the main duct begins with in the tail are no side branches of it.
    Branches that leave at one point count as one mouth for the spacing. The angle is that with the main duct's segment
    that arrives at the mouth, both seen away from the papilla: 90° stands across, less leans towards the tail.

    >>> from pancreasgen.network.links import links
    >>> comb = DuctNetwork([[0, 0, 0], [2, 0, 0], [5, 0, 0], [9, 0, 0], [2, 1, 0], [5, 1, 0]], [2, 2, 2, 2, 1, 1],
    ...                    [[0, 1], [1, 2], [2, 3], [1, 4], [2, 5]], [1, 1, 1, 3, 3], [0, 0, 0, 1, 1])
    >>> told = branch_measures(comb, links(comb))
    >>> told["num_side_branches"], told["side_branch_spacing_mm"], round(told["side_branch_angle_median_deg"], 6)
    (2, 3.0, 90.0)
    """
    branches, main = side_branches(network), network.kind == Kind.MAIN
    mouth = network.segments[:, 0]
    goes_on = np.isin(mouth, mouth[main])
    of_main = branches[goes_on[branches]]
    diameter = 2.0 * network.capsule_radii_mm[branches, 1]
    gaps = np.diff(np.unique(found.node_path_mm(np.unique(mouth[of_main]))))
    angle = _angle_with_main(network, found, of_main)
    stems = _stem_tortuosity(network, found, branches)
    return {
        "num_side_branches": len(branches),
        "num_main_side_branches": len(of_main),
        "side_branch_spacing_mm": _mean(gaps),
        "side_branch_spacing_sd_mm": _sd(gaps),
        "side_branch_spacing_min_mm": float(gaps.min()) if len(gaps) else None,
        "side_branch_spacing_max_mm": float(gaps.max()) if len(gaps) else None,
        "side_branch_angle_median_deg": float(np.median(angle)) if len(angle) else None,
        "side_branch_angle_mean_deg": _mean(angle),
        "side_branch_angle_sd_deg": _sd(angle),
        "side_branch_diameter_mm": _mean(diameter),
        "side_branch_tortuosity": _mean(stems),
        "main_duct_tortuosity": _main_tortuosity(network, found, main),
    }


def side_branches(network: DuctNetwork) -> Rows:
    """Return the rows of the first segments of branches that leave the main or the accessory duct."""
    trunk = np.isin(network.kind, TRUNKS)
    return np.flatnonzero(~trunk & _touches(network, trunk)[network.segments[:, 0]])


def _touches(network: DuctNetwork, chosen: Flags) -> Flags:
    """Which nodes (N,) chosen segments begin or end in."""
    touched = np.zeros(len(network.nodes_mm), np.bool_)
    touched[network.segments[chosen].ravel()] = True
    return touched


def _angle_with_main(network: DuctNetwork, found: Links, branches: Rows) -> Floats:
    """Return the angle (B,) [deg] of branches with the main duct that arrives at their mouth, or begins there."""
    main = network.kind == Kind.MAIN
    onwards = np.full(len(network.nodes_mm), -1, np.int64)
    onwards[network.segments[main, 0]] = np.flatnonzero(main)
    mouth = network.segments[branches, 0]
    arriving = found.arriving[mouth]
    here = np.where((arriving >= 0) & main[np.maximum(arriving, 0)], arriving, onwards[mouth])
    along = directions(network)
    return angles_deg(along[here], along[branches])


def _stem_tortuosity(network: DuctNetwork, found: Links, branches: Rows) -> Floats:
    """Return arc over chord of the stems of branches: from the mouth on along segments of the branch's own order.

    Where two segments of that order leave a node, the wider one is the stem.
    """
    count = len(network.segments)
    above = np.maximum(found.parent, 0)
    same = (found.parent >= 0) & (network.order == network.order[above])
    rows = np.flatnonzero(same)
    rows = rows[np.lexsort((rows, -network.capsule_radii_mm[rows, 1], found.parent[rows]))]
    widest = rows[np.unique(found.parent[rows], return_index=True)[1]]
    goes_on = np.zeros(count, np.bool_)
    goes_on[widest] = True
    goes_on[branches] = False
    stem = heads(np.where(goes_on, found.parent, np.arange(count)))
    last = np.zeros(count, np.int64)
    by_depth = np.argsort(found.depth, kind="stable")
    last[stem[by_depth]] = by_depth  # the deepest of each stem stays
    arc = np.bincount(stem, network.lengths_mm, count)[branches]
    ends = network.nodes_mm[network.segments[branches, 0]], network.nodes_mm[network.segments[last[branches], 1]]
    chord = np.linalg.norm(ends[1] - ends[0], axis=1)
    return np.asarray(arc[chord > 0] / chord[chord > 0])


def _main_tortuosity(network: DuctNetwork, found: Links, main: Flags) -> float | None:
    """Return arc over chord of the main duct, from its first node to the end that is furthest along it."""
    rows = np.flatnonzero(main)
    if not len(rows):
        return None
    last, first = rows[np.argmax(found.path_mm[rows])], rows[np.argmin(found.path_mm[rows])]
    begin = network.segments[first, 0]
    chord = float(np.linalg.norm(network.nodes_mm[network.segments[last, 1]] - network.nodes_mm[begin]))
    arc = float(found.path_mm[last] - found.node_path_mm(np.array([begin]))[0])
    return arc / chord if chord > 0 else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _sd(values: Floats) -> float | None:
    """Return the standard deviation of a sample (n − 1)."""
    return float(values.std(ddof=1)) if len(values) > 1 else None
