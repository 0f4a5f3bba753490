"""The bile duct: behind the duodenum, through the back of the head, to the papilla, where the pancreatic duct joins."""

from __future__ import annotations

import numpy as np

from pancreasgen.anatomy.fields import Points
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.tubes import Tube, route, tube
from pancreasgen.network.network import DuctNetwork, Kind

_BESIDE_MM = 2.2  # between the two openings where there is no common channel (assumed)


def bile_ducts(course_mm: Points, network: DuctNetwork, physique: Physique, settled: list[Tube]) -> list[Tube]:
    """Return the common bile duct with the hepatic duct above it.

    It ends in the main duct, one common channel's length from the papilla, and keeps off it until then; without a
    channel it opens beside it.

    Args:
        course_mm: From above the gland to the papilla (K, 3) [mm].
        network: The pancreatic ducts; without any the duct ends at the papilla.
        physique: Its diameter and the channel's length.
        settled: Vessels to keep off.
    """
    upper = np.vstack([[course_mm[0] + [8.0, 2.0, 22.0]], course_mm])
    main = _main_ducts(network)
    if main:
        upper = upper[np.linalg.norm(upper - course_mm[-1], axis=1) > 5.0]
        upper = np.vstack([upper, _mouth(course_mm[-1], main, physique)])
    sizes = np.linspace(1.0, 0.6, len(upper)) ** 0.5 * physique.bile_duct_diameter_mm
    return [route(tube("common_bile_duct", upper, sizes), [*settled, *main], None, gap_mm=0.8)]


def _main_ducts(network: DuctNetwork) -> list[Tube]:
    """Return the main and accessory ducts as tubes, piece by piece from their openings."""
    tubes = []
    for kind in (Kind.MAIN, Kind.ACCESSORY):
        rows = network.segments[network.kind == kind]
        if not len(rows):
            continue
        breaks = np.flatnonzero(rows[1:, 0] != rows[:-1, 1]) + 1
        for piece in np.split(rows, breaks):
            nodes = np.append(piece[:, 0], piece[-1, 1])
            tubes.append(Tube(kind.name.lower(), network.nodes_mm[nodes], network.radius_mm[nodes]))
    return tubes


def _mouth(papilla_mm: Points, main: list[Tube], physique: Physique) -> Points:
    """Return where the bile duct ends (3,) [mm]: in the duct that opens at the papilla, or beside its opening."""
    duct = min(main, key=lambda one: float(np.linalg.norm(one.points_mm[0] - papilla_mm)))
    channel = physique.common_channel_mm
    if channel <= 0.0:
        return np.asarray(duct.points_mm[0] + (_BESIDE_MM + duct.radii_mm[0]) * np.array([0.0, -0.6, 0.8]))
    step = np.linalg.norm(np.diff(duct.points_mm, axis=0), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(step)])
    return np.array([np.interp(channel, arc, duct.points_mm[:, axis]) for axis in range(3)])
