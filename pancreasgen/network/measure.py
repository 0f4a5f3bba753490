"""Measures of a duct network: what an anatomist would read off a cast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.organ import Organ, Region

Floats = NDArray[np.float64]


def measure(network: DuctNetwork, organ: Organ) -> dict[str, Any]:
    """Return the measures of a network in its organ: numbers with the unit in the name.

    ``main_duct_*_diameter_mm`` are means over the length of the main duct in head (with neck), body and tail;
    ``side_branch_spacing_mm`` is the mean distance along the main duct between neighbouring side branches;
    ``tissue_to_duct_*_mm`` are distances from tissue (a voxel deep at least) to the nearest duct's centreline.

    >>> from pancreasgen.base.grid import Grid, Quantity, Volume
    >>> grid = Grid((21, 21, 21), (1.0, 1.0, 1.0), (-10.0, -10.0, -10.0))
    >>> x, y, z = grid.mesh_mm()
    >>> ball = Volume((9.0 - np.sqrt(x * x + y * y + z * z)).astype("f4"), grid, Quantity.DISTANCE)
    >>> body = Volume(np.where(ball.data > 0, Region.BODY, 0).astype("u1"), grid, Quantity.LABEL)
    >>> organ = Organ(ball, np.array([[-8.0, 0, 0], [8.0, 0, 0]]), {}, body)
    >>> duct = DuctNetwork([[-8, 0, 0], [8, 0, 0]], [1.0, 0.5], [[0, 1]], [1], [0])
    >>> round(measure(duct, organ)["main_duct_length_mm"], 3)
    16.0
    """
    lengths = network.lengths_mm
    radii = network.capsule_radii_mm
    main = network.kind == Kind.MAIN
    branches = _side_branches(network)
    result: dict[str, Any] = {
        "gland_volume_ml": organ.volume_ml,
        "gland_length_mm": organ.length_mm,
        "num_segments": len(network.segments),
        "num_ends": int(_is_end(network).sum()),
        "max_order": int(network.order.max(initial=0)),
        "total_length_mm": float(lengths.sum()),
        "lumen_volume_ml": float(np.pi / 3000 * (lengths * ((radii**2).sum(axis=1) + radii.prod(axis=1))).sum()),
        "main_duct_length_mm": float(lengths[main].sum()),
        "num_side_branches": len(branches),
        "side_branch_spacing_mm": float(lengths[main].sum() / len(branches)) if len(branches) else None,
        "side_branch_diameter_mm": float(2 * radii[branches, 1].mean()) if len(branches) else None,
        "accessory_duct_length_mm": float(lengths[network.kind == Kind.ACCESSORY].sum()),
    }
    result.update(_calibres(network, organ, main))
    result.update(_coverage(network, organ))
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in result.items()}


def region_of(points_mm: Floats, organ: Organ) -> NDArray[np.uint8]:
    """Return the :class:`Region` at points (N, 3), outside the organ that of the nearest voxel of tissue."""
    grid = organ.regions.grid
    where: NDArray[np.int32] = np.asarray(
        ndimage.distance_transform_edt(organ.regions.data == 0, return_distances=False, return_indices=True)
    )
    index = np.clip(np.rint(grid.to_index(points_mm)).astype(int), 0, np.array(grid.shape) - 1)
    return np.asarray(organ.regions.data[tuple(where[:, *index.T])], dtype=np.uint8)


def _is_end(network: DuctNetwork) -> NDArray[np.bool_]:
    return ~np.isin(network.segments[:, 1], network.segments[:, 0])


def _side_branches(network: DuctNetwork) -> NDArray[np.int64]:
    """Rows of the first segments of branches that leave the main or accessory duct."""
    on_trunk = np.zeros(len(network.nodes_mm), np.bool_)
    on_trunk[network.segments[np.isin(network.kind, [Kind.MAIN, Kind.ACCESSORY])].ravel()] = True
    return np.flatnonzero(~np.isin(network.kind, [Kind.MAIN, Kind.ACCESSORY]) & on_trunk[network.segments[:, 0]])


def _calibres(network: DuctNetwork, organ: Organ, main: NDArray[np.bool_]) -> dict[str, float | None]:
    middle = network.nodes_mm[network.segments[main]].mean(axis=1)
    region = region_of(middle, organ)
    weight, diameter = network.lengths_mm[main], network.capsule_radii_mm[main].sum(axis=1)
    parts = {"head": (Region.HEAD, Region.UNCINATE, Region.NECK), "body": (Region.BODY,), "tail": (Region.TAIL,)}
    result: dict[str, float | None] = {}
    for name, members in parts.items():
        here = np.isin(region, members)
        mean = float(np.average(diameter[here], weights=weight[here])) if here.any() else None
        result[f"main_duct_{name}_diameter_mm"] = mean
    return result


def _coverage(network: DuctNetwork, organ: Organ) -> dict[str, float]:
    grid = organ.distance.grid
    tissue = grid.to_world(np.argwhere(organ.distance.data > max(grid.spacing_mm))[::7])
    ends = network.nodes_mm[network.segments]
    share = np.linspace(0.0, 1.0, 5)[:, None, None]
    points = ((1 - share) * ends[:, 0] + share * ends[:, 1]).reshape(-1, 3)
    far = np.asarray(cKDTree(points).query(tissue)[0])
    return {
        "tissue_to_duct_median_mm": float(np.median(far)),
        "tissue_to_duct_p95_mm": float(np.quantile(far, 0.95)),
        "tissue_to_duct_max_mm": float(far.max()),
    }
