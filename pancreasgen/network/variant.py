"""How the ducts drain: the accessory duct, its junction and its papilla, and pancreas divisum."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pancreasgen.network.branches import TRUNKS
from pancreasgen.network.links import Flags, Links
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.organ import Organ

AT_PAPILLA_MM = 0.5
"""A duct that comes this near to a papilla opens there (assumed)."""


def variant_measures(network: DuctNetwork, organ: Organ, found: Links) -> dict[str, Any]:
    """Return length, diameter, junction and patency of the accessory duct, and whether the pancreas is divided.

    ``accessory_junction_mm`` is the way along the main duct from where it begins (the major papilla as a rule) to the
    node where the accessory duct meets it, None if they do not meet. ``accessory_patent`` is 1 if a main or accessory
    duct reaches the minor papilla within 0.5 mm, 0 if there is an accessory duct but none does so, and None without
    either. ``divisum`` is 1 if the main duct, which is the longest, begins at the minor papilla and nothing connects
    it with a duct that begins elsewhere; else 0; None if the organ has no minor papilla or there is no main duct.

    >>> from pancreasgen.base.grid import Grid, Quantity, Volume
    >>> from pancreasgen.network.links import links
    >>> grid = Grid((3, 3, 3), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    >>> inside = Volume(np.ones((3, 3, 3), "f4"), grid, Quantity.DISTANCE)
    >>> body = Volume(np.full((3, 3, 3), 4, "u1"), grid, Quantity.LABEL)
    >>> organ = Organ(inside, np.array([[0, 0, 0], [9, 0, 0]]), {"minor_papilla": np.array([[0, 3, 0]])}, body)
    >>> loop = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0], [0, 3, 0]], [2, 1.5, 1, 0.4],
    ...                    [[0, 1], [1, 2], [3, 1]], [1, 1, 2], [0, 0, 0])
    >>> told = variant_measures(loop, organ, links(loop))
    >>> told["accessory_junction_mm"], told["accessory_patent"], told["divisum"]
    (5.0, 1, 0)
    """
    lengths = network.lengths_mm
    own = network.kind == Kind.ACCESSORY
    length = float(lengths[own].sum())
    wide = float(np.average(network.capsule_radii_mm[own].sum(axis=1), weights=lengths[own])) if length > 0 else None
    at_minor = _near(network, organ, "minor_papilla")
    return {
        "accessory_duct_length_mm": length,
        "accessory_duct_diameter_mm": wide,
        "accessory_junction_mm": _junction(network, found, own),
        "accessory_patent": _patent(network, own, at_minor),
        "divisum": _divisum(network, found, at_minor),
    }


def _near(network: DuctNetwork, organ: Organ, landmark: str) -> Flags | None:
    """Which nodes (N,) lie at a landmark; None if the organ does not have it."""
    if landmark not in organ.landmarks:
        return None
    far = np.linalg.norm(network.nodes_mm - organ.landmarks[landmark][0], axis=1)
    return np.asarray(far <= AT_PAPILLA_MM, dtype=np.bool_)


def _junction(network: DuctNetwork, found: Links, own: Flags) -> float | None:
    """The node that accessory and main duct share, if they have one; the first along the main duct if several."""
    main = np.flatnonzero(network.kind == Kind.MAIN)
    shared = np.isin(network.segments[main], network.segments[own])
    if not shared.any():
        return None
    places = found.path_mm[main, None] - network.lengths_mm[main, None] * [1.0, 0.0]
    return float(places[shared].min() - places.min())


def _patent(network: DuctNetwork, own: Flags, at_minor: Flags | None) -> int | None:
    if at_minor is None:
        return None
    trunk = np.isin(network.kind, TRUNKS)
    if at_minor[network.segments[trunk]].any():
        return 1
    return 0 if own.any() else None


def _divisum(network: DuctNetwork, found: Links, at_minor: Flags | None) -> int | None:
    main = np.flatnonzero(network.kind == Kind.MAIN)
    if at_minor is None or not len(main):
        return None
    first = main[np.argmin(found.path_mm[main])]
    start = network.segments[first, 0]
    if not at_minor[start]:
        return 0
    count = len(network.nodes_mm)
    bonds = coo_matrix((np.ones(len(network.segments), np.int8), tuple(network.segments.T)), (count, count))
    piece = connected_components(bonds, directed=False)[1]
    trunk_starts = network.segments[(found.parent < 0) & np.isin(network.kind, TRUNKS), 0]
    elsewhere = trunk_starts[~at_minor[trunk_starts]]
    return int(not (piece[elsewhere] == piece[start]).any())
