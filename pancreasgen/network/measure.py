"""Measures of a duct network: what an anatomist would read off a cast."""

from __future__ import annotations

from typing import Any

import numpy as np

from pancreasgen.network.branches import branch_measures
from pancreasgen.network.coverage import coverage_measures
from pancreasgen.network.forks import fork_measures
from pancreasgen.network.links import Flags, Floats, links
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.strahler import strahler_measures
from pancreasgen.network.variant import variant_measures
from pancreasgen.organ.measure import region_of
from pancreasgen.organ.organ import Organ, Region

__all__ = ["measure", "region_of"]


def measure(network: DuctNetwork, organ: Organ) -> dict[str, Any]:
    """Return the measures of a network in its organ: numbers with the unit in the name, None where there is no value.

    ``docs/measures.md`` defines each one. ``main_duct_*_diameter_mm`` are means over the length of the main duct in
    head (with neck), body and tail; ``axis_fraction`` is the place along the gland's axis, 0 at the papilla's end.

    Raises:
        BadInputError: If segments follow each other in a ring that no papilla reaches.

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
    found = links(network)
    lengths, radii = network.lengths_mm, network.capsule_radii_mm
    main = network.kind == Kind.MAIN
    result: dict[str, Any] = {
        "gland_volume_ml": organ.volume_ml,
        "gland_length_mm": organ.length_mm,
        "num_segments": len(network.segments),
        "num_ends": int(((found.children == 0) & ~found.joins).sum()),
        "max_order": int(network.order.max(initial=0)),
        "total_length_mm": float(lengths.sum()),
        "lumen_volume_ml": float(np.pi / 3000 * (lengths * ((radii**2).sum(axis=1) + radii.prod(axis=1))).sum()),
        "main_duct_length_mm": float(lengths[main].sum()),
        **_calibres(network, organ, main),
        **_widest(network, organ, np.ones(len(lengths), np.bool_), "widest_lumen"),
        **_widest(network, organ, main, "main_duct_widest"),
        **variant_measures(network, organ, found),
        **branch_measures(network, found),
        **fork_measures(network, found),
        **strahler_measures(network, found),
        **coverage_measures(network, organ),
    }
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in result.items()}


def _calibres(network: DuctNetwork, organ: Organ, main: Flags) -> dict[str, float | None]:
    middle = network.nodes_mm[network.segments[main]].mean(axis=1)
    region = region_of(middle, organ)
    weight, diameter = network.lengths_mm[main], network.capsule_radii_mm[main].sum(axis=1)
    parts = {"head": (Region.HEAD, Region.UNCINATE, Region.NECK), "body": (Region.BODY,), "tail": (Region.TAIL,)}
    result: dict[str, float | None] = {}
    for name, members in parts.items():
        here = np.isin(region, members) & (weight > 0)
        mean = float(np.average(diameter[here], weights=weight[here])) if here.any() else None
        result[f"main_duct_{name}_diameter_mm"] = mean
    return result


def _widest(network: DuctNetwork, organ: Organ, chosen: Flags, name: str) -> dict[str, float | None]:
    """Largest diameter of the chosen segments, and where along the gland's axis it is."""
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return {f"{name}_diameter_mm": None, f"{name}_axis_fraction": None}
    radii = network.capsule_radii_mm[rows]
    place, end = np.unravel_index(np.argmax(radii), radii.shape)
    point = network.nodes_mm[network.segments[rows[place], end]]
    return {f"{name}_diameter_mm": float(2 * radii.max()), f"{name}_axis_fraction": _axis_fraction(point, organ)}


def _axis_fraction(point_mm: Floats, organ: Organ) -> float:
    """Return the place along the axis's polyline that is nearest to a point: 0 at the papilla's end, 1 at the tail."""
    start, along = organ.axis_mm[:-1], np.diff(organ.axis_mm, axis=0)
    length = np.linalg.norm(along, axis=1)
    square = np.where(length > 0, length**2, 1.0)
    share = np.clip(((point_mm - start) * along).sum(axis=1) / square, 0.0, 1.0)
    nearest = int(np.argmin(np.linalg.norm(start + share[:, None] * along - point_mm, axis=1)))
    arc = length[:nearest].sum() + share[nearest] * length[nearest]
    return float(arc / length.sum())
