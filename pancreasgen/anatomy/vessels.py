"""Vessels and the bile duct as tubes: those with landmarks follow the organ's courses, the others lead on from them.

An organ that brings no course of its own for ``smv``, ``sma``, ``splenic_vein`` or ``bile_duct`` (one made from a mask)
gets the course of an average body, laid relative to the point of its axis that is nearest to the midline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pancreasgen.anatomy.fields import Points, smooth_course
from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance
from pancreasgen.organ.organ import Organ


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """A vessel.

    Attributes:
        structure: Name in the table of structures.
        points_mm: Course (K, 3) [mm].
        radii_mm: Radius (K,) [mm].
    """

    structure: str
    points_mm: Points
    radii_mm: Points


def courses(organ: Organ) -> dict[str, Points]:
    """Return the courses of smv, sma, splenic_vein and bile_duct: the organ's own, or an average body's."""
    axis = organ.axis_mm
    neck = axis[np.argmin(np.abs(axis[:, 0] - 12.0))]
    head, tail = axis[0], axis[-1]
    along = axis[np.linspace(np.argmin(np.abs(axis[:, 0] + 5.0)), len(axis) - 1, 6).astype(int)]
    base = neck + [2.0, -14.5, 1.0]
    usual = {
        "smv": np.array([neck + [2, -22, -95], neck + [2, -17, -18], base]),
        "sma": np.array([[-7.0, 19, neck[2] + 14], [-2.5, 34, neck[2] - 6], [1, 34, neck[2] - 95]]),
        "splenic_vein": np.vstack([base, along + [0, -13, 3], tail + [-14, -10, 4]]),
        "bile_duct": np.array([neck + [24, -18, 42], neck + [22, -24, 22], 0.5 * (neck + head) + [2, -8, 0], head]),
    }
    return {name: np.asarray(organ.landmarks.get(name, course)) for name, course in usual.items()}


def _tube(structure: str, points: Any, diameters: Any) -> Tube:
    course, radii = smooth_course(points, 0.5 * np.asarray(diameters, dtype=float))
    return Tube(structure, course, radii)


def build_vessels(organ: Organ, physique: Physique, chance: Chance) -> list[Tube]:
    """Lay all vessels and the bile duct.

    Args:
        organ: The gland with its landmarks.
        physique: Diameters.
        chance: Stream for the twists of the splenic artery and the branches in liver and mesentery.

    Returns:
        Tubes; several may belong to one structure.
    """
    way = courses(organ)
    return [
        *_great_vessels(way, physique),
        *_portal_system(way, physique),
        *_coeliac_arteries(organ, way, physique, chance.sub("arteries")),
        *_mesentery(way, chance.sub("mesentery")),
    ]


def _great_vessels(way: dict[str, Points], physique: Physique) -> list[Tube]:
    aorta, ivc = physique.aorta_diameter_mm, physique.ivc_diameter_mm
    front = 0.5 * aorta + 1.5
    artery = [[-6, front - 1, -120], [-9, front, -60], [-9, front, 0], [-8, front + 0.5, 50], [-5, front - 1, 120]]
    vein = [[19, 10, -120], [20, 10, -40], [21, 12, 20], [23, 17, 60], [22, 22, 120]]
    sma = way["sma"]
    pass_z = float(sma[0, 2]) - 24.0
    renal = [[14, 13, pass_z - 2], [2, front + 0.5 * aorta + 3.0, pass_z], [-14, front + 0.5 * aorta + 2, pass_z]]
    renal += [[-28, 8, pass_z - 2], [-44, -10, pass_z - 4]]
    root = np.vstack([[[-8.5, front, sma[0, 2] + 4]], sma[1:] if len(sma) > 3 else sma])
    return [
        _tube("aorta", artery, [aorta * 0.95, aorta, aorta, aorta * 1.05, aorta * 1.1]),
        _tube("inferior_vena_cava", vein, [ivc * 0.9, ivc * 0.95, ivc, ivc * 1.05, ivc * 1.1]),
        _tube("renal_vein_left", renal, [7.5, 6.5, 6.0, 7.5, 8.0]),
        _tube("superior_mesenteric_artery", root, np.linspace(1.05, 0.9, len(root)) * physique.sma_diameter_mm),
    ]


def _portal_system(way: dict[str, Points], physique: Physique) -> list[Tube]:
    smv, splenic, bile = way["smv"], way["splenic_vein"], way["bile_duct"]
    meet, hilum = smv[-1], bile[0] + [-10.0, -5.0, 2.0]
    portal = physique.portal_vein_diameter_mm
    trunk = [meet, 0.55 * meet + 0.45 * hilum + [-1.5, -1, 0], hilum, hilum + [9, 1, 12]]
    fork = hilum + [9.0, 1.0, 12.0]
    sizes = [portal * 0.75, portal * 0.6, portal * 0.35]
    branches = [
        [fork, fork + [22, -6, 6], fork + [48, -16, 8]],
        [fork + [20, -6, 5], fork + [36, 10, -6], fork + [52, 20, -12]],
        [fork, fork + [-22, 16, 4], fork + [-38, 30, 8]],
        [fork + [22, -6, 6], fork + [34, -26, 18], fork + [44, -38, 26]],
    ]
    vein = physique.splenic_vein_diameter_mm
    duct = physique.bile_duct_diameter_mm
    upper = np.vstack([[bile[0] + [8, 2, 22]], bile])
    return [
        _tube("superior_mesenteric_vein", smv, np.linspace(0.85, 1.05, len(smv)) * physique.smv_diameter_mm),
        _tube("splenic_vein", splenic, np.linspace(1.1, 0.8, len(splenic)) * vein),
        _tube("portal_vein", trunk, [portal * 0.95, portal, portal, portal * 0.9]),
        *[_tube("portal_vein", branch, sizes) for branch in branches],
        _tube("common_bile_duct", upper, np.linspace(1.0, 0.6, len(upper)) ** 0.5 * duct),
    ]


def _coeliac_arteries(organ: Organ, way: dict[str, Points], physique: Physique, chance: Chance) -> list[Tube]:
    top = way["sma"][0, 2] + 15.0
    front = physique.aorta_diameter_mm + 1.0
    fork = np.array([-5.0, front + 14.0, top + 3.0])
    axis = organ.axis_mm
    first = int(np.argmin(np.abs(axis[:, 0] + 12.0)))
    along = axis[np.linspace(first, len(axis) - 1, 9).astype(int)] + [0.0, -8.0, 17.0]
    twist = chance.generator().uniform(-3.5, 3.5, (len(along), 3)) * [1.0, 1.0, 1.3]
    wave = np.stack([np.zeros(9), 2.0 * np.cos(2.2 * np.arange(9)), 4.0 * np.sin(1.9 * np.arange(9))], axis=1)
    splenic = np.vstack([fork, along + twist + wave, along[-1] + [-12.0, -8.0, -4.0]])
    neck = axis[np.argmin(np.abs(axis[:, 0] - 12.0))]
    turn = np.array([neck[0] + 12.0, max(neck[1] - 10.0, 40.0), neck[2] + 20.0])
    gda = [turn, neck + [14.0, 5.0, 6.0], neck + [17.0, 7.0, -8.0], neck + [19.0, 5.0, -22.0]]
    hepatic = physique.hepatic_artery_diameter_mm
    return [
        _tube("coeliac_trunk", [[-8.5, front - 6, top], fork], physique.coeliac_diameter_mm),
        _tube("splenic_artery", splenic, physique.splenic_artery_diameter_mm),
        _tube("common_hepatic_artery", [fork, 0.5 * (fork + turn) + [0, 3, -2], turn], hepatic),
        _tube("common_hepatic_artery", [turn, way["bile_duct"][0] + [-4, 7, -4], way["bile_duct"][0] + [4, 8, 16]],
              [hepatic, 0.75 * hepatic, 0.5 * hepatic]),
        _tube("gastroduodenal_artery", gda, np.array([1.0, 0.9, 0.75, 0.5]) * physique.gda_diameter_mm),
    ]  # fmt: skip


def _mesentery(way: dict[str, Points], chance: Chance) -> list[Tube]:
    """Branches of the mesenteric vessels that fan out below the gland, mostly to the left and front."""
    draw = chance.generator()
    tubes = []
    for name, count in (("smv", 14), ("sma", 14)):
        trunk, _ = smooth_course(way[name], 1.0)
        low = trunk[trunk[:, 2] < way["smv"][-1, 2] - 25.0]
        for _ in range(count if len(low) else 0):
            start = low[draw.integers(len(low))]
            turn = draw.uniform(-0.3, 1.15) * np.pi
            reach = draw.uniform(30.0, 75.0)
            aim = np.array([-np.cos(turn), 0.5 * np.abs(np.sin(turn)) + 0.1, draw.uniform(-0.5, 0.1)]) * reach
            bends = draw.normal(0.0, 3.0, (3, 3))
            points = start + np.linspace(0, 1, 5)[:, None] * aim
            points[1:4] += bends
            width = draw.uniform(2.2, 4.0)
            tubes.append(_tube("mesenteric_vessels", points, np.linspace(width, 1.2, 5)))
    return tubes
