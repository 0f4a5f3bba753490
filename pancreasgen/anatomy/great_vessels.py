"""Aorta and inferior vena cava with what leaves them for kidneys and legs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.tubes import Ground, Tube, flattened, route, tube

FORK_MM, MEET_MM = 106.0, 122.0  # aortic fork (L4) and confluence of the iliac veins (L5) below the SMA's origin (L1)
RENAL_MM = 16.0  # renal arteries below the SMA's origin, L1-L2 (assumed)
RENAL_VEIN_MM = 24.0
_TOP_MM = 130.0


def great_vessels(sma_z_mm: float, physique: Physique, ground: Ground) -> list[Tube]:
    """Return aorta and cava, down to and beyond their forks.

    Below the renal veins the cava holds blood from the legs, which enhances later.

    Args:
        sma_z_mm: Height of the superior mesenteric artery's origin [mm].
        physique: Diameters.
        ground: The gland.
    """
    aorta, cava = physique.aorta_diameter_mm, physique.ivc_diameter_mm
    front, bed = aorta_y_mm(physique), 0.36 * cava + 2.5
    fork, meet, mouth = sma_z_mm - FORK_MM, sma_z_mm - MEET_MM, sma_z_mm - RENAL_VEIN_MM - 6.0
    artery = [
        [-3, front - 1, fork],
        [-7, front, fork + 40],
        [-9, front, 0],
        [-8, front + 0.5, 50],
        [-5, front - 1, _TOP_MM],
    ]
    iliac = 0.55 * aorta
    tubes = [route(tube("aorta", artery, np.array([0.9, 0.95, 1.0, 1.05, 1.1]) * aorta), [], ground)]
    over = bed + 0.45 * cava + 0.5 * iliac + 0.5  # the right iliac artery crosses in front of the veins' confluence
    for middle in ([10, over, meet + 2], [-14, front, fork - 18]):
        side = np.sign(middle[0])
        way = [artery[0], middle, [side * 32, front - 4, fork - 62]]
        tubes.append(tube("aorta", way, [0.9 * iliac + 2.0, iliac, iliac]))
    way = [[14, bed - 1, meet], [19, bed, meet + 40], [20, bed, mouth], [20.5, bed + 1, mouth + 25]]
    way += [[22, bed + 5, mouth + 65], [22, bed + 12, _TOP_MM]]
    vein = route(tube("inferior_vena_cava", way, np.array([0.9, 0.93, 0.95, 1.0, 1.05, 1.1]) * cava), tubes, ground)
    vein = flattened(vein, tubes, ground)
    split = int(np.argmin(np.abs(vein.points_mm[:, 2] - mouth)))
    below = replace(vein, points_mm=vein.points_mm[: split + 1], radii_mm=vein.radii_mm[: split + 1])
    above = replace(vein, points_mm=vein.points_mm[split:], radii_mm=vein.radii_mm[split:])
    tubes += [replace(below, tissue="lower_venous_blood"), above]
    for side in (1.0, -1.0):
        way = [below.points_mm[0], [side * 13 + 8, bed - 4, meet - 16], [side * 38, bed - 16, meet - 50]]
        branch = tube("inferior_vena_cava", way, [0.75 * cava, 0.6 * cava, 0.55 * cava], "lower_venous_blood")
        tubes.append(route(branch, tubes[:3], None))
    return tubes


def aorta_y_mm(physique: Physique) -> float:
    """Return how far the aorta's axis lies in front of the vertebrae [mm]."""
    return 0.5 * physique.aorta_diameter_mm + 1.5


def renal_vessels(sma_z_mm: float, physique: Physique, settled: list[Tube], ground: Ground) -> list[Tube]:
    """Return renal arteries and veins on both sides, up to the hila.

    The left vein crosses in front of the aorta, below the superior mesenteric artery; the right artery runs behind the
    cava. Each ends in the hilum, with x > 0 on the right: :func:`hilum`.

    Args:
        sma_z_mm: Height of the superior mesenteric artery's origin [mm].
        physique: Diameters.
        settled: The great vessels and the artery.
        ground: The gland.
    """
    front, wide = aorta_y_mm(physique), 0.5 * physique.aorta_diameter_mm
    bed = 0.36 * physique.ivc_diameter_mm + 2.5
    artery, vein = physique.renal_artery_diameter_mm, physique.renal_vein_diameter_mm
    origin, cross = sma_z_mm - RENAL_MM, sma_z_mm - RENAL_VEIN_MM
    ends = {side: (hilum(side, physique), hilum(side, physique) + [0.0, 7.5, -5.0]) for side in (1.0, -1.0)}
    ways = [
        ("renal_vessels", [[-9, front - 1, origin], [2, 3.5, origin - 1], [20, -5, origin - 8], ends[1.0][0]], artery,
         "arterial_blood"),
        ("renal_vessels", [[-9, front - 1, origin - 1], [-24, 4, origin - 4], [-36, -5, origin - 10], ends[-1.0][0]],
         artery, "arterial_blood"),
        ("renal_vein_left", [[20, bed, cross - 2], [4, front + 0.7 * wide, cross],
         [-9, front + wide + 0.5 * vein, cross + 1], [-22, front + 2, cross], ends[-1.0][1]], vein, ""),
        ("renal_vessels", [[20, bed, cross - 4], [33, bed - 2, cross - 8], ends[1.0][1]], vein, "renal_venous_blood"),
    ]  # fmt: skip
    tubes: list[Tube] = []
    for name, points, diameter, tissue in ways:
        way = tube(name, np.array(points, dtype=float), diameter, tissue)
        laid = route(way, [*settled, *tubes], ground)
        tubes.append(laid if tissue == "arterial_blood" else flattened(laid, [*settled, *tubes], ground))
    return tubes


def hilum(side: float, physique: Physique) -> np.ndarray:
    """Return where the renal artery reaches the kidney of a side (1 right, −1 left) of an average body [mm]."""
    size = physique.kidney_scale
    return np.array([71.0 - 26.0 * size, -10.0, -31.0]) if side > 0 else np.array([-69.0 + 26.0 * size, -10.0, -17.0])
