"""Vessels and the bile duct as tubes: those with landmarks follow the organ's courses, the others lead on from them.

An organ that brings no course of its own for ``smv``, ``sma``, ``splenic_vein`` or ``bile_duct`` (one made from a mask)
gets the course of an average body, laid relative to its neck. What is settled first keeps its way; what follows is
routed around it and around the gland (:mod:`pancreasgen.anatomy.tubes`).
"""

from __future__ import annotations

import numpy as np

from pancreasgen.anatomy.bile import bile_ducts
from pancreasgen.anatomy.fields import Points
from pancreasgen.anatomy.great_vessels import great_vessels, renal_vessels
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.splanchnic import Site, coeliac_arteries, mesentery, portal_system, superior_mesenteric_artery
from pancreasgen.anatomy.tubes import TOUCH_MM, Ground, Tube, stand_off
from pancreasgen.base.chance import Chance
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ, Region

_SMV_MM = 41.0  # in front of the vertebrae (100 CT, reference `smv_vert`)
NO_DUCTS = DuctNetwork(
    np.zeros((1, 3)), np.ones(1), np.zeros((0, 2), np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int16)
)


def neck_of(organ: Organ) -> Points:
    """Return the point of the axis (3,) [mm] that is nearest to the middle of the neck, or to x = 12 mm without one."""
    neck = np.argwhere(organ.regions.data == Region.NECK)
    axis = organ.axis_mm
    if not len(neck):
        return np.asarray(axis[np.argmin(np.abs(axis[:, 0] - 12.0))])
    middle = organ.regions.grid.to_world(neck.mean(axis=0))
    return np.asarray(axis[np.argmin(((axis - middle) ** 2).sum(axis=1))])


def courses(organ: Organ, physique: Physique) -> dict[str, Points]:
    """Return the courses of smv, sma, splenic_vein and bile_duct: the organ's own, or an average body's.

    An average body's lie relative to the neck, pushed backwards out of the gland.
    """
    ground, axis, neck = Ground(organ), organ.axis_mm, neck_of(organ)
    after = int(np.argmin(((axis - neck) ** 2).sum(axis=1)))
    back, radius = np.array([0.0, -1.0, 0.05]), 0.5 * physique.smv_diameter_mm
    base = ground.leave(neck[None] + [2.0, 0.0, 1.0], back, radius + TOUCH_MM, first=True)[0]
    base[1] = max(base[1], _SMV_MM - 6.0)
    base = stand_off(base, radius, ground)
    rows = np.linspace(after + 0.12 * (len(axis) - after), len(axis) - 1, 9).astype(int)
    along = ground.leave(axis[rows], back, 0.5 * physique.splenic_vein_diameter_mm + TOUCH_MM) + [0.0, 0.0, 3.0]
    left = np.array([base[0] - 15.3, base[1] - 6.0, neck[2]])  # between their centres, reference `smv_sma_dist`
    usual = {
        "smv": np.array([base + [0, -6, -95], base + [1, -3, -45], base + [1, -2, -18], base]),
        "sma": np.array([[-7.0, 19, neck[2] + 14], left + [-2, -6, 4], left, left + [1.5, 3, -28], left + [3, 0, -95]]),
        "splenic_vein": np.vstack([base, along, along[-1] + [-13, -9, -2]]),
        "bile_duct": np.array(
            [neck + [24, -16, 42], neck + [22, -21, 22], 0.5 * (neck + axis[0]) + [2, -8, 0], axis[0]]
        ),
    }
    return {name: np.asarray(organ.landmarks.get(name, course)) for name, course in usual.items()}


def build_vessels(organ: Organ, physique: Physique, chance: Chance, network: DuctNetwork = NO_DUCTS) -> list[Tube]:
    """Lay all vessels and the bile duct but those inside other organs (:mod:`pancreasgen.anatomy.vessel_trees`).

    Args:
        organ: The gland with its landmarks.
        physique: Diameters.
        chance: Stream for the twists of the splenic artery and the branches in the mesentery.
        network: The pancreatic ducts, into which the bile duct opens.

    Returns:
        Tubes; several may belong to one structure.
    """
    way = courses(organ, physique)
    ground = Ground(organ)
    site = Site(organ, ground, physique, way, neck_of(organ))
    height = float(way["sma"][0, 2])
    great = great_vessels(height, physique, ground)
    settled = [*great, superior_mesenteric_artery(site, great)]
    settled += portal_system(site, settled)
    settled += coeliac_arteries(site, settled, chance.sub("arteries"))
    settled += renal_vessels(height, physique, settled, ground)
    settled += bile_ducts(way["bile_duct"], network, physique, settled)
    return [*settled, *mesentery(site, settled, chance.sub("mesentery"))]
