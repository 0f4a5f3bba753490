"""What a lesion does to the body around it: bile that is dammed up, stones, stents, vessels that are touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.fields import Points
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import VALUES
from pancreasgen.anatomy.tissues import tissues
from pancreasgen.anatomy.tubes import Tube
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.seat import Seat

BILE_TOUCH_MM = 3.5  # a tumour this near to the middle of the bile duct dams it up: radius and infiltrated rim; assumed
FULL_GALLBLADDER = 0.97  # filling of a gallbladder behind an obstruction, assumed
DRAINED = 0.55  # what a stent leaves of the bile duct's widening, assumed
SWOLLEN_FAT, SWOLLEN_RELIEF = 0.5, 0.4  # what is left of fat and lobulation in an oedematous gland, assumed
STENTS = {"bile_duct": (1.67, 1.1), "main_duct": (1.0, 0.6)}  # outer and inner radius [mm]: 10 and 6 French
STENT_BEYOND_MM, STENT_OUT_MM = 28.0, 9.0  # beyond the tumour, and into the duodenum; assumed
PUNCTATE_MM = (1.0, 5.0)  # length of all stones but the largest, assumed
STONE_MAIN_SHARE = 0.65  # share of the stones that lie in the main duct, assumed
VESSELS = {
    "smv": "superior_mesenteric_vein",
    "sma": "superior_mesenteric_artery",
    "portal_vein": "portal_vein",
    "splenic_vein": "splenic_vein",
    "coeliac": "coeliac_trunk",
    "hepatic_artery": "common_hepatic_artery",
}
"""Short name → vessel whose contact with a tumour is measured."""
CONTACT_MM = 1.0  # a tumour touches a vessel within this distance of its wall
_AROUND = 72


def body_with(physique: Physique, vessels: Sequence[Tube], seats: Sequence[Seat], phase: str) -> Physique:
    """Return the body with what lesions change in it.

    A tumour on the bile duct fills the gallbladder. Oedema darkens the gland by the drawn contrast and blurs its fat.

    Args:
        physique: The healthy body.
        vessels: Its vessels and bile duct.
        seats: Lesions in their places.
        phase: Phase of the contrast medium.
    """
    for seat in seats:
        if seat.lesion.kind == "acute_pancreatitis" and phase != "unenhanced":
            full = 25.8 * tissues()["pancreas"].iodine_mg_ml[phase] * physique.pancreas_enhancement
            left = max(1.0 - seat.lesion.contrast_hu(phase, 0.0) / full, 0.1)
            physique = replace(physique, pancreas_enhancement=physique.pancreas_enhancement * left)
        if seat.lesion.kind == "acute_pancreatitis":
            physique = replace(
                physique,
                pancreatic_fat_fraction=SWOLLEN_FAT * physique.pancreatic_fat_fraction,
                lobulation_mm=SWOLLEN_RELIEF * physique.lobulation_mm,
            )
        if seat.lesion.bile_mm > 0.0 and _dammed(seat, bile_course(vessels)).any():
            physique = replace(physique, gallbladder_filling=max(physique.gallbladder_filling, FULL_GALLBLADDER))
    return physique


def bile_course(vessels: Sequence[Tube]) -> Points:
    """Return the course (K, 3) [mm] of the healthy bile duct, from the liver to the papilla; no point without one."""
    return np.vstack([np.zeros((0, 3)), *(tube.points_mm for tube in vessels if tube.structure == "common_bile_duct")])


def _dammed(seat: Seat, points_mm: Points) -> NDArray[np.bool_]:
    """Return which points (K,) of a bile duct a carcinoma closes."""
    if seat.lesion.kind != "pdac":
        return np.zeros(len(points_mm), np.bool_)
    return np.asarray(seat.field(tuple(points_mm.T)) > -BILE_TOUCH_MM)


def vessels_with(vessels: list[Tube], seats: Sequence[Seat]) -> list[Tube]:
    """Return the vessels, the bile duct cut where a carcinoma closes it and wide above.

    The wide duct keeps off the portal vein; of a duct that a stent drains less widening is left.

    Args:
        vessels: All tubes of the body.
        seats: Lesions in their places.
    """
    for seat in seats:
        if seat.lesion.bile_mm > 0.0:
            portal = np.vstack([v.points_mm for v in vessels if v.structure == "portal_vein"])
            wide = max(float(v.radii_mm.max()) for v in vessels if v.structure == "portal_vein")
            vessels = [new for old in vessels for new in _bile_with(old, seat, portal, wide)]
    return vessels


def _bile_with(old: Tube, seat: Seat, portal_mm: Points, portal_radius_mm: float) -> list[Tube]:
    if old.structure != "common_bile_duct":
        return [old]
    closed = np.flatnonzero(_dammed(seat, old.points_mm))
    if not len(closed):
        return [old]
    first, last = int(closed[0]), int(closed[-1])
    lesion, parts = seat.lesion, []
    wanted = 0.5 * lesion.bile_mm
    if first > 1:
        points, radii = old.points_mm[:first], old.radii_mm[:first]
        drained = DRAINED if lesion.stent == "bile_duct" else 1.0
        wider = radii + drained * np.maximum(wanted - radii, 0.0)
        wider[-1] = 0.6 * wider[-1]  # the blunt end above the tumour
        parts.append(Tube(old.structure, _kept_off(points, wider, portal_mm, portal_radius_mm), wider))
    if last < len(old.points_mm) - 2:
        parts.append(Tube(old.structure, old.points_mm[last + 1 :], old.radii_mm[last + 1 :]))
    return parts


def _kept_off(points_mm: Points, radii_mm: Points, others_mm: Points, other_radius_mm: float) -> Points:
    """Return a course (K, 3) pushed away from another one, smoothly, until two tubes hardly meet."""
    tree, out = cKDTree(others_mm), points_mm.copy()
    for _ in range(4):
        away, row = tree.query(out)
        lack = np.maximum(0.9 * (radii_mm + other_radius_mm) - away, 0.0)
        way: Any = (out - others_mm[row]) / np.maximum(away, 1e-6)[:, None]
        out = out + ndimage.gaussian_filter1d(lack[:, None] * way, 2.0, axis=0, mode="nearest")
    return np.asarray(out)


def paint_hard(canvas: Canvas, network: DuctNetwork, vessels: Sequence[Tube], seats: Sequence[Seat]) -> None:
    """Paint stones and stents into the ducts.

    Args:
        canvas: The body with its ducts.
        network: The ducts.
        vessels: The healthy body's vessels and bile duct.
        seats: Lesions in their places.
    """
    for seat in seats:
        if seat.lesion.num_stones > 0.0:
            for points, radii in stones(seat, network):
                canvas.paint_tube(points, radii, VALUES["calcification"], "calcification")
        course = stent_course(seat, network, vessels)
        if len(course) > 1:
            outer, inner = STENTS[seat.lesion.stent]
            canvas.paint_tube(course, np.full(len(course), outer), VALUES["stent"], "stent")
            canvas.paint_tube(course, np.full(len(course), inner), VALUES["stent"], "bile")


def main_course(network: DuctNetwork) -> tuple[Points, Points]:
    """Return the nodes (K, 3) of the main duct from the papilla on and their radii (K,) [mm]."""
    rows = network.segments[network.kind == Kind.MAIN]
    if not len(rows):
        return np.zeros((0, 3)), np.zeros(0)
    nodes = np.append(rows[:1, 0], rows[:, 1])
    return network.nodes_mm[nodes], network.radius_mm[nodes]


def stones(seat: Seat, network: DuctNetwork) -> list[tuple[Points, Points]]:
    """Return the stones of a chronically inflamed gland as short tubes: points (K, 3) and radii (K,) [mm].

    The largest lies in the main duct, most of them towards the papilla; each is as wide as its duct, at least 0.5 mm.

    Args:
        seat: The disease; its chance places the stones.
        network: The ducts.
    """
    draw = seat.chance.sub("stones").generator()
    nodes, radii = main_course(network)
    sides = np.flatnonzero((network.kind == Kind.SIDE) & (network.order == 1))
    found: list[tuple[Points, Points]] = []
    if len(nodes) < 2:
        return found
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(nodes, axis=0), axis=1))])
    for number in range(round(seat.lesion.num_stones)):
        length = float(np.exp(draw.uniform(*np.log(PUNCTATE_MM))))
        place, share, side = draw.beta(1.0, 1.9), draw.random(), draw.random()
        if number == 0 or share < STONE_MAIN_SHARE or not len(sides):
            length = seat.lesion.stone_mm if number == 0 else min(length, seat.lesion.stone_mm)
            start = place * max(float(arc[-1]) - length, 0.0)
            at = np.linspace(start, min(start + length, arc[-1]), max(int(length), 1) + 1)
            points = np.column_stack([np.interp(at, arc, nodes[:, axis]) for axis in range(3)])
            found.append((points, np.clip(0.9 * np.interp(at, arc, radii), 0.5, 0.5 * length + 0.3)))
        else:
            row = sides[int(side * len(sides))]
            ends = network.nodes_mm[network.segments[row]]
            found.append((ends, np.full(2, min(max(float(network.capsule_radii_mm[row].max()), 0.5), 0.5 * length))))
    return found


def stent_course(seat: Seat, network: DuctNetwork, vessels: Sequence[Tube]) -> Points:
    """Return the course (K, 3) [mm] of a stent through a tumour, from the duodenum on; no point without a stent.

    A stent in the bile duct is set only where the tumour closes that.

    Args:
        seat: The lesion.
        network: The ducts.
        vessels: The healthy body's vessels and bile duct.
    """
    none = np.zeros((0, 3))
    lesion = seat.lesion
    if lesion.stent == "none" or lesion.kind != "pdac":
        return none
    if lesion.stent == "bile_duct":
        course = bile_course(vessels)[::-1]
        if not _dammed(seat, _dense(course)).any():
            return none
    else:
        course = main_course(network)[0]
    if len(course) < 2:
        return none
    course = _dense(course)
    inside = np.flatnonzero(seat.field(tuple(course.T)) > -BILE_TOUCH_MM)
    if not len(inside):
        return none
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(course, axis=0), axis=1))])
    course = course[arc <= arc[inside[-1]] + STENT_BEYOND_MM]
    out = course[0] - course[min(4, len(course) - 1)]
    out = course[0] + out / max(float(np.linalg.norm(out)), 1e-6) * STENT_OUT_MM
    return np.vstack([out, course])


def _dense(course: Points) -> Points:
    """Return a polyline with points at most 1 mm apart."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(course, axis=0), axis=1))])
    at = np.linspace(0.0, arc[-1], max(int(np.ceil(arc[-1])), 1) + 1)
    return np.column_stack([np.interp(at, arc, course[:, axis]) for axis in range(3)])


def contact_deg(seat: Seat, tube: Tube) -> float:
    """Return how much of a vessel's circumference a mass touches, at most, along its course [degrees].

    A ring of points 1 mm outside the wall is asked at each sample of the course.

    >>> from pancreasgen.base.chance import Chance
    >>> from pancreasgen.organ.lesion import Lesion
    >>> from pancreasgen.organ.seat import seat_of
    >>> ball = seat_of(Lesion(kind="mucinous_cyst", diameter_mm=30), np.zeros(3), Chance(1, 0, "x"))
    >>> line = np.column_stack([np.zeros(9), np.full(9, 14.0), np.linspace(-20, 20, 9)])
    >>> 90 < contact_deg(ball, Tube("portal_vein", line, np.full(9, 5.0))) < 220
    True
    """
    points = tube.points_mm
    if len(points) < 2 or cKDTree(points).query(seat.centre_mm)[0] > seat.reach_mm + float(tube.radii_mm.max()) + 2.0:
        return 0.0
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    other = np.where(np.abs(along[:, 2:3]) < 0.8, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(along, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    turn = 2.0 * np.pi * np.arange(_AROUND) / _AROUND
    out = (tube.radii_mm + CONTACT_MM)[:, None, None]
    ring = points[:, None] + out * (np.cos(turn)[:, None] * first[:, None] + np.sin(turn)[:, None] * second[:, None])
    inside = seat.field((ring[..., 0], ring[..., 1], ring[..., 2])) > 0.0
    return float(360.0 * inside.mean(axis=1).max())


def contacts_deg(seat: Seat, vessels: Sequence[Tube]) -> dict[str, float]:
    """Return short name → :func:`contact_deg` of each vessel that matters to a surgeon."""
    found = {}
    for short, structure in VESSELS.items():
        found[short] = max((contact_deg(seat, v) for v in vessels if v.structure == structure), default=0.0)
    return found
