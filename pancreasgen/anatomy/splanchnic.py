"""Vessels of the upper abdomen: coeliac and mesenteric arteries, the portal vein and what flows into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pancreasgen.anatomy.fields import Points, smooth_course
from pancreasgen.anatomy.great_vessels import aorta_y_mm
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.tubes import TOUCH_MM, Ground, Tube, flattened, route, stand_off, tube
from pancreasgen.base.chance import Chance
from pancreasgen.organ.organ import Organ, Region

COELIAC_MM = 15.0  # the coeliac trunk leaves the aorta so far above the SMA (assumed: 10-20)
TRUNK_MM = 19.0  # its length (Malnar 2010, PMID 20977083)
_TRIES, _TALLEST_MM, _NEAR = 7, 16.0, 0.01  # bisection of the splenic artery's windings


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Where the vessels of the upper abdomen run.

    Attributes:
        organ: The gland.
        ground: The gland as vessels see it.
        physique: Diameters.
        way: Courses of smv, sma, splenic_vein and bile_duct.
        neck_mm: Middle of the neck (3,) [mm].
    """

    organ: Organ
    ground: Ground
    physique: Physique
    way: dict[str, Points]
    neck_mm: Points

    def head_mm(self) -> Points:
        """Return the middle of the head (3,) [mm]; where the organ has none, of the axis' first quarter."""
        regions = self.organ.regions
        head = np.argwhere(regions.data == Region.HEAD)
        if len(head):
            return np.asarray(regions.grid.to_world(head.mean(axis=0)))
        return np.asarray(self.organ.axis_mm[: max(len(self.organ.axis_mm) // 4, 1)].mean(axis=0))


def superior_mesenteric_artery(site: Site, settled: list[Tube]) -> Tube:
    """Return the artery, from the aorta's middle on."""
    course = site.way["sma"]
    root = [[-8.5, aorta_y_mm(site.physique), course[0, 2] + 4.0]]
    course = np.vstack([root, course[1:] if len(course) > 3 else course])
    sizes = np.linspace(1.05, 0.9, len(course)) * site.physique.sma_diameter_mm
    return route(tube("superior_mesenteric_artery", course, sizes), settled, site.ground)


def portal_system(site: Site, settled: list[Tube]) -> list[Tube]:
    """Return the superior mesenteric, the portal and the splenic vein; they meet behind the neck."""
    smv, splenic, bile = site.way["smv"], site.way["splenic_vein"], site.way["bile_duct"]
    body, portal = site.physique, site.physique.portal_vein_diameter_mm
    wide = 0.5 * max(portal, 1.05 * body.smv_diameter_mm)
    meet, gate = stand_off(smv[-1], wide, site.ground), bile[0] + [-10.0, -5.0, 2.0]
    smv, splenic = np.vstack([smv[:-1], meet]), np.vstack([meet, splenic[1:]])
    trunk = [meet, 0.55 * meet + 0.45 * gate + [-1.5, -1.0, 0.0], gate, gate + [9.0, 1.0, 12.0]]
    ways = [
        tube("superior_mesenteric_vein", smv, np.linspace(0.85, 1.05, len(smv)) * body.smv_diameter_mm),
        tube("portal_vein", trunk, np.array([0.95, 1.0, 1.0, 0.9]) * portal),
        tube("splenic_vein", splenic, np.linspace(1.1, 0.8, len(splenic)) * body.splenic_vein_diameter_mm),
    ]
    tubes: list[Tube] = []
    for way in ways:
        tubes.append(flattened(route(way, [*settled, *tubes], site.ground), [*settled, *tubes], site.ground))
    return tubes


def coeliac_arteries(site: Site, settled: list[Tube], chance: Chance) -> list[Tube]:
    """Return the coeliac trunk, the common hepatic and its two branches, the splenic and the left gastric artery."""
    body, neck, bile = site.physique, site.neck_mm, site.way["bile_duct"]
    top = float(site.way["sma"][0, 2]) + COELIAC_MM
    front = body.aorta_diameter_mm + 1.5
    fork = np.array([-5.5, front + TRUNK_MM * 0.93, top + 4.0])
    turn = np.array([neck[0] + 12.0, max(neck[1] - 4.0, 40.0), neck[2] + 20.0])
    turn = site.ground.leave(turn[None], np.array([0.0, -0.2, 0.98]), 0.6 * body.hepatic_artery_diameter_mm + 1.0)[0]
    hepatic, small = body.hepatic_artery_diameter_mm, body.gda_diameter_mm
    ways = [
        tube("coeliac_trunk", [[-8.5, front - 0.5 * body.aorta_diameter_mm, top], fork], body.coeliac_diameter_mm),
        tube("common_hepatic_artery", [fork, 0.5 * (fork + turn) + [0.0, 3.0, -2.0], turn], hepatic),
        tube("gastroduodenal_artery", np.vstack([turn, _front_of_head(site, 0.5 * small)]),
             np.array([1.05, 1.0, 0.95, 0.7, 0.5]) * small),
        tube("common_hepatic_artery", [turn, bile[0] + [-7.0, 6.0, -8.0], bile[0] + [1.0, 8.0, 16.0]],
             [0.85 * hepatic, 0.75 * hepatic, 0.5 * hepatic]),
    ]  # fmt: skip
    tubes: list[Tube] = []
    for way in ways:
        tubes.append(route(way, [*settled, *tubes], site.ground))
    splenic = _splenic_artery(site, fork, [*settled, *tubes], chance)
    tubes.append(splenic)
    rise = [fork, fork + [-4.0, 2.0, 16.0], fork + [2.0, 16.0, 30.0], fork + [0.0, 32.0, 22.0], fork + [8.0, 42.0, 4.0]]
    gastric = tube("mesenteric_vessels", rise, np.linspace(0.6, 0.3, 5) * body.coeliac_diameter_mm, "arterial_blood")
    tubes.append(route(gastric, [*settled, *tubes], site.ground))
    return tubes


def _front_of_head(site: Site, radius_mm: float) -> Points:
    """Return the way down the front of the head (4, 3) [mm], near its left border as the artery runs."""
    head, neck = site.head_mm(), site.neck_mm
    x = neck[0] + 0.55 * (head[0] - neck[0])
    heights = np.linspace(neck[2] + 9.0, min(head[2], neck[2]) - 12.0, 4)
    inside = np.column_stack([np.linspace(x, x + 4.0, 4), np.full(4, 0.5 * (head[1] + neck[1])), heights])
    return site.ground.leave(inside, np.array([0.1, 0.995, 0.0]), radius_mm + TOUCH_MM)


def _splenic_artery(site: Site, fork: Points, settled: list[Tube], chance: Chance) -> Tube:
    """Return the artery along the upper border of body and tail, wound so far as the physique says.

    Its windings stand up and back from the gland like a sine of drawn phase and uneven pitch; their height is found by
    bisection of the tortuosity index, which is the length along the artery to the distance of its ends.
    """
    axis, radius = site.organ.axis_mm, 0.5 * site.physique.splenic_artery_diameter_mm
    first = int(np.argmin(np.linalg.norm(axis - site.neck_mm, axis=1)))
    first += int(0.25 * (len(axis) - first))
    along = axis[np.linspace(first, len(axis) - 1, 28).astype(int)]
    out = np.array([0.0, -0.45, 0.89])
    base = site.ground.leave(along, out, radius + TOUCH_MM)
    base = np.vstack([fork, base[3:], base[-1] + [-12.0, -7.0, 5.0]])
    draw = chance.generator()
    turns = np.cumsum(draw.uniform(0.6, 1.4, len(base))) * 2.0 * np.pi / 7.5 + draw.uniform(0.0, 2.0 * np.pi)
    ease = np.sin(np.linspace(0.0, np.pi, len(base))) ** 0.5
    up = ease[:, None] * (1.0 + np.sin(turns))[:, None] * out
    side = ease[:, None] * np.cos(1.37 * turns)[:, None] * np.array([0.3, 0.5, 0.2])

    def wound(tall: float) -> Tube:
        way = tube("splenic_artery", base + tall * (up + side), np.linspace(1.0, 0.85, len(base)) * 2.0 * radius)
        return route(way, settled, site.ground, stiff=0.08)

    best, wanted = wound(0.0), site.physique.splenic_tortuosity
    low, high = 0.0, _TALLEST_MM
    for _ in range(_TRIES if best.tortuosity < wanted else 0):
        tall = 0.5 * (low + high)
        best = wound(tall)
        if abs(best.tortuosity - wanted) < _NEAR:
            break
        low, high = (tall, high) if best.tortuosity < wanted else (low, tall)
    return best


def mesentery(site: Site, settled: list[Tube], chance: Chance) -> list[Tube]:
    """Return branches of the mesenteric vessels, which fan out below the gland, mostly to the left and front."""
    draw = chance.generator()
    tubes = []
    for name, count in (("smv", 14), ("sma", 14)):
        blood = "portal_blood" if name == "smv" else "arterial_blood"
        trunk, _ = smooth_course(site.way[name], 1.0)
        low = trunk[trunk[:, 2] < site.way["smv"][-1, 2] - 25.0]
        for _ in range(count if len(low) else 0):
            start = low[draw.integers(len(low))]
            turn = draw.uniform(-0.3, 1.15) * np.pi
            reach = draw.uniform(30.0, 75.0)
            aim = np.array([-np.cos(turn), 0.5 * np.abs(np.sin(turn)) + 0.1, draw.uniform(-0.5, 0.1)]) * reach
            bends = draw.normal(0.0, 3.0, (3, 3))
            points = start + np.linspace(0, 1, 5)[:, None] * aim
            points[1:4] += bends
            width = draw.uniform(2.2, 4.0)
            branch = tube("mesenteric_vessels", points, np.linspace(width, 1.2, 5), blood)
            tubes.append(route(branch, settled, site.ground, stiff=0.1, loose=True))
    return tubes
