"""Which ducts a grid can show: those wide enough to fill half of a voxel, and how many of them there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid
from pancreasgen.network.links import Flags, Rows, links
from pancreasgen.network.network import DuctNetwork, Kind


def resolvable_width_mm(grid: Grid, direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the width from which ducts are resolvable on a grid (M,) [mm], by the direction in which they run.

    A duct of width d that runs in the direction u through the middle of a voxel stays in it for ℓ = min Δᵢ/|uᵢ|, and
    fills πd²ℓ/4 of its volume V. It is resolvable if that is half of V: d = √(2V/πℓ). In cubic voxels and along an axis
    these are 0.80 of an edge. Half of a voxel is also where a duct's hard label begins.

    Args:
        grid: The voxels.
        direction: Unit vectors (M, 3).

    >>> thick = Grid((9, 9, 9), (0.7, 0.7, 2.5), (0, 0, 0))
    >>> resolvable_width_mm(thick, np.eye(3)).round(3).tolist()
    [1.056, 1.056, 0.559]
    """
    with np.errstate(divide="ignore"):
        way = (np.array(grid.spacing_mm) / np.abs(direction)).min(axis=1, initial=np.inf)
    return np.asarray(np.sqrt(2.0 * np.prod(grid.spacing_mm) / (np.pi * way)), dtype=np.float64)


def resolvable(network: DuctNetwork, grid: Grid) -> Flags:
    """Return which segments (M,) are resolvable on a grid, by the mean width of their ends.

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0]], [1, 0.5, 0.1], [[0, 1], [1, 2]], [1, 1], [0, 0])
    >>> resolvable(duct, Grid((9, 9, 9), (1, 1, 1), (0, 0, 0))).tolist()
    [True, False]
    """
    ends, length = network.nodes_mm[network.segments], network.lengths_mm
    along = (ends[:, 1] - ends[:, 0]) / np.where(length > 0.0, length, 1.0)[:, None]
    along[length <= 0.0] = (0.0, 0.0, 1.0)
    return np.asarray(network.capsule_radii_mm.sum(axis=1) >= resolvable_width_mm(grid, along))


def drawn(network: DuctNetwork, grid: Grid) -> Flags:
    """Return which segments (M,) have a hard label on their whole centreline.

    These are the resolvable ones, those that lead from the papilla to one of them, and all main and accessory ducts.
    So the label of all ducts below a papilla is one piece, also where a wide duct hangs on a narrow neck.

    Raises:
        BadInputError: If segments follow each other in a ring that no papilla reaches.

    >>> neck = DuctNetwork([[0, 0, 0], [5, 0, 0], [5, 2, 0], [5, 9, 0], [9, 2, 0]], [2, 2, 0.1, 3, 0.1],
    ...                    [[0, 1], [1, 2], [2, 3], [2, 4]], [1, 3, 3, 4], [0, 1, 1, 2])
    >>> drawn(neck, Grid((9, 9, 9), (1, 1, 1), (0, 0, 0))).tolist()
    [True, True, True, False]
    """
    chosen = resolvable(network, grid) | np.isin(network.kind, (Kind.MAIN, Kind.ACCESSORY))
    parent = links(network).parent
    new = np.flatnonzero(chosen)
    while len(new):
        above = np.unique(parent[new])
        new = above[above >= 0]
        new = new[~chosen[new]]
        chosen[new] = True
    return chosen


def resolvable_measures(network: DuctNetwork, grid: Grid) -> dict[str, Any]:
    """Return how much of the ducts is resolvable: by kind and by order, as lengths, shares and numbers.

    A branch counts where it is resolvable somewhere. Orders without a resolvable duct are left out.

    Raises:
        BadInputError: If segments follow each other in a ring that no papilla reaches.

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0], [8, 0, 0]], [1, 0.5, 0.1], [[0, 1], [1, 2]], [1, 1], [0, 0])
    >>> told = resolvable_measures(duct, Grid((9, 9, 9), (1, 1, 1), (0, 0, 0)))
    >>> told["resolvable_length_mm"], told["resolvable_share"], told["num_resolvable_order_0"]
    (5.0, 0.625, 1)
    """
    seen, lengths, branch = resolvable(network, grid), network.lengths_mm, _branches(network)
    total = float(lengths.sum())
    found: dict[str, Any] = {
        "resolvable_in_plane_mm": float(resolvable_width_mm(grid, np.eye(3))[:2].max()),
        "resolvable_through_plane_mm": float(resolvable_width_mm(grid, np.eye(3))[2]),
        "resolvable_length_mm": float(lengths[seen].sum()),
        "resolvable_share": float(lengths[seen].sum()) / total if total > 0.0 else None,
    }
    for kind in Kind:
        here = network.kind == kind
        name, length = kind.name.lower(), float(lengths[here].sum())
        found[f"resolvable_{name}_length_mm"] = float(lengths[here & seen].sum())
        found[f"resolvable_{name}_share"] = found[f"resolvable_{name}_length_mm"] / length if length > 0.0 else None
    for order in np.unique(network.order[seen]).tolist():
        here = seen & (network.order == order)
        found[f"resolvable_order_{order}_length_mm"] = float(lengths[here].sum())
        found[f"num_resolvable_order_{order}"] = len(np.unique(branch[here]))
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}


def _branches(network: DuctNetwork) -> Rows:
    """Return the row of the segment with which each segment's branch begins (M,): a run of one order."""
    parent, rows = links(network).parent, np.arange(len(network.segments))
    goes_on = (parent >= 0) & (network.order == network.order[np.maximum(parent, 0)])
    first = np.where(goes_on, parent, rows)
    while (first != first[first]).any():
        first = first[first]
    return np.asarray(first, dtype=np.int64)
