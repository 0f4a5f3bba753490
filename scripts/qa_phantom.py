"""A virtual CatPhan 604 and a water cylinder, slab by slab, as densities of the scanner's basis materials.

Places and nominal HU are those that pylinac's CatPhan604 looks for (pylinac.ct, MIT; it takes them from the manuals of
The Phantom Laboratory). Formulas and specific gravities are those of the CatPhan manual ("Sensitometry", nominal
material formulation). The bone inserts are not published: mineral in epoxy of the density that gives the nominal HU at
70 keV, so they test linearity, not materials.

The phantom lies as an image is seen: u to the right, v down, z from the sensitometry module, which is at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.materials import BONE_MINERAL, WATER, basis_densities

Plane = NDArray[np.float32]
MASS = {"H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998}


def formula(**atoms: int) -> dict[str, float]:
    """Return the mass fractions of a formula.

    >>> {name: round(share, 3) for name, share in formula(H=2, O=1).items()}
    {'H': 0.112, 'O': 0.888}
    """
    total = sum(MASS[name] * number for name, number in atoms.items())
    return {name: MASS[name] * number / total for name, number in atoms.items()}


EPOXY = formula(C=18, H=20, O=3)  # a plain epoxy; assumed


def _with_mineral(share: float) -> dict[str, float]:
    names = {*EPOXY, *BONE_MINERAL}
    return {n: (1.0 - share) * EPOXY.get(n, 0.0) + share * BONE_MINERAL.get(n, 0.0) for n in names}


@dataclass(frozen=True, slots=True)
class Insert:
    """A rod of the sensitometry module.

    Attributes:
        angle_deg: Where it stands, clockwise from the right, as pylinac counts.
        composition: Mass fractions.
        density: Specific gravity [g/cm³].
        nominal_hu: The middle of the manual's range [HU].
        range_hu: That range [HU].
        published: Whether composition and density are.
    """

    angle_deg: float
    composition: dict[str, float]
    density: float
    nominal_hu: float
    range_hu: tuple[float, float]
    published: bool = True


AIR = {"N": 0.755, "O": 0.245}
_BONE_20, _BONE_50 = _with_mineral(0.1967), _with_mineral(0.3897)
INSERTS = {
    "Air": Insert(-90, AIR, 0.0, -1000, (-1046, -986)),
    "PMP": Insert(-120, formula(C=6, H=12), 0.83, -196, (-220, -172)),
    "50% Bone": Insert(-150, _BONE_50, 1.40, 725, (667, 783), False),
    "LDPE": Insert(180, formula(C=2, H=4), 0.92, -104, (-121, -87)),
    "Poly": Insert(120, formula(C=8, H=8), 1.03, -47, (-65, -29)),
    "Acrylic": Insert(60, formula(C=5, H=8, O=2), 1.18, 115, (92, 137)),
    "20% Bone": Insert(30, _BONE_20, 1.14, 237, (211, 263), False),
    "Delrin": Insert(0, formula(C=1, H=2, O=1), 1.425, 365, (344, 387)),
    "Teflon": Insert(-60, formula(C=2, F=4), 2.21, 1000, (941, 1060)),
}
"""Gravities are the manual's. Where NIST's table of materials has another (recalled: Delrin 1.425 for 1.42, Teflon 2.25
for 2.16), one between the two is taken, that which comes nearest to the nominal HU."""
INSERT_MM, INSERT_RADIUS_MM, INSERT_HALF_MM = 58.7, 6.0, 12.5
PHANTOM_RADIUS_MM = 101.0
BODY_G_CM3 = 1.008  # water: modules are made 5 to 18 HU above it (CatPhan manual, recalled)
NODE_MM, NODE_RADIUS_MM = 25.0, 1.5  # four rods at the corners of a square of 50 mm
WIRE_MM, WIRE_REACH_MM, WIRE_RADIUS_MM, RAMP_DEG = 38.0, 20.0, 0.14, 23.0
STEEL = {"Fe": 1.0}
ALUMINIUM = {"Al": 1.0}
# (start and end on the circle, bars, line pairs per mm): pylinac.ct.CTP528CP504, a circle of 47 mm.
PAIRS_RADIUS_MM, PAIRS_HALF_MM = 47.0, 5.0
PAIRS = (
    (0.0, 0.107, 2, 0.1), (0.107, 0.173, 3, 0.2), (0.173, 0.236, 4, 0.3), (0.236, 0.286, 4, 0.4),
    (0.286, 0.335, 4, 0.5), (0.335, 0.387, 5, 0.6), (0.387, 0.434, 5, 0.7), (0.434, 0.479, 5, 0.8),
)  # fmt: skip
FAINT_HU, FAINT_MM = 10.0, 50.0
FAINT = ((-87.4, 7.5), (-69.1, 4.5), (-52.7, 4.0), (-38.5, 3.5), (-25.1, 3.0), (-12.9, 2.5))  # angle, radius [mm]


class Canvas:
    """A slab's basis densities on a fine plane, mixed by the share of each pixel that a shape covers."""

    def __init__(self, size: int, pixel_mm: float) -> None:
        place = (np.arange(size) - (size - 1) / 2.0) * pixel_mm
        self.pixel_mm = pixel_mm
        self.u, self.v = np.meshgrid(place, place, indexing="ij")
        self.data = np.zeros((3, size, size), dtype=np.float64)

    def cover(self, share: NDArray[np.float64], composition: dict[str, float], density: float) -> None:
        """Replace what is there by a material where a share of the pixel is covered."""
        wanted = basis(tuple(sorted(composition.items())), density)
        self.data += share * (wanted[:, None, None] - self.data)

    def disc(self, at_mm: tuple[float, float], radius_mm: float) -> NDArray[np.float64]:
        """Return the share of each pixel inside a disc."""
        away = np.hypot(self.u - at_mm[0], self.v - at_mm[1])
        return np.clip((radius_mm - away) / self.pixel_mm + 0.5, 0.0, 1.0)

    def wire(self, points_mm: NDArray[np.float64], area_mm2: float) -> NDArray[np.float64]:
        """Return the share that points (n, 2) cover which hold an area together; spread over the nearest pixels."""
        size, pixel = self.u.shape[0], self.pixel_mm
        index = points_mm / pixel + (size - 1) / 2.0
        first = np.floor(index).astype(np.int64)
        part = index - first
        share = np.zeros((size, size))
        for i in (0, 1):
            for j in (0, 1):
                weight = np.abs(1 - i - part[:, 0]) * np.abs(1 - j - part[:, 1])
                np.add.at(share, (first[:, 0] + i, first[:, 1] + j), weight)
        return share * (area_mm2 / len(points_mm) / pixel**2)


Fill = Callable[[Canvas, float, float], None]


@dataclass(frozen=True, slots=True)
class Section:
    """A module: where it lies along z, and what is in a slab of it."""

    name: str
    low_mm: float
    high_mm: float
    fill: Fill


@cache
def basis(composition: tuple[tuple[str, float], ...], density: float) -> NDArray[np.float64]:
    """Return the basis densities of a material [g/cm³]."""
    return basis_densities(dict(composition), density)


def around(angle_deg: float, radius_mm: float) -> tuple[float, float]:
    """Return the place at an angle, clockwise from the right [mm]."""
    return radius_mm * math.cos(math.radians(angle_deg)), radius_mm * math.sin(math.radians(angle_deg))


def _overlap(low: float, high: float, half: float) -> float:
    """Return the share of a slab within ± half."""
    return max(min(high, half) - max(low, -half), 0.0) / (high - low)


def _sensitometry(canvas: Canvas, low: float, high: float) -> None:
    inside = _overlap(low, high, INSERT_HALF_MM)
    for insert in INSERTS.values():
        share = inside * canvas.disc(around(insert.angle_deg, INSERT_MM), INSERT_RADIUS_MM)
        canvas.cover(share, insert.composition, insert.density)
    canvas.cover(inside * canvas.disc(around(90.0, INSERT_MM), INSERT_RADIUS_MM), AIR, 0.0)
    for u, v, name in ((-1, -1, "Air"), (1, -1, "Air"), (-1, 1, "Teflon"), (1, 1, "Air")):
        node = inside * canvas.disc((u * NODE_MM, v * NODE_MM), NODE_RADIUS_MM)
        canvas.cover(node, INSERTS[name].composition, INSERTS[name].density)
    slope = math.tan(math.radians(RAMP_DEG))
    start, end = max(low / slope, -WIRE_REACH_MM), min(high / slope, WIRE_REACH_MM)
    if end <= start:
        return
    along = np.linspace(start, end, 400)
    section_mm2 = math.pi * WIRE_RADIUS_MM**2
    area = section_mm2 * (end - start) / math.cos(math.radians(RAMP_DEG)) / (high - low)
    for sign in (-1.0, 1.0):
        side, way = np.full_like(along, sign * WIRE_MM), sign * along
        for points in (np.stack([side, way], axis=1), np.stack([way, side], axis=1)):
            canvas.cover(canvas.wire(points, area), STEEL, 7.87)


def _line_pairs(canvas: Canvas, low: float, high: float, middle: float) -> None:
    inside = _overlap(low - middle, high - middle, PAIRS_HALF_MM)
    radius = np.hypot(canvas.u, canvas.v)
    ring = np.clip((4.0 - np.abs(radius - PAIRS_RADIUS_MM)) / canvas.pixel_mm + 0.5, 0.0, 1.0)
    turn = np.mod(math.pi - np.arctan2(canvas.v, canvas.u), 2.0 * math.pi) / (2.0 * math.pi)
    share = np.zeros_like(radius)
    for start, end, bars, per_mm in PAIRS:
        place = (turn - (start + end) / 2.0) * 2.0 * math.pi * PAIRS_RADIUS_MM
        for k in range(bars):
            away = np.abs(place - (k - (bars - 1) / 2.0) / per_mm)
            share += np.clip((0.25 / per_mm - away) / canvas.pixel_mm + 0.5, 0.0, 1.0)
    canvas.cover(inside * ring * share, ALUMINIUM, 2.70)


def _faint(canvas: Canvas, _low: float, _high: float) -> None:
    for angle, radius in FAINT:
        canvas.cover(canvas.disc(around(angle, FAINT_MM), radius), dict(WATER), BODY_G_CM3 + FAINT_HU / 1000.0)


def _nothing(_canvas: Canvas, _low: float, _high: float) -> None:
    pass


SECTIONS = (
    Section("uniformity", -95.0, -60.0, _nothing),
    Section("low contrast", -60.0, -20.0, _faint),
    Section("sensitometry", -20.0, 20.0, _sensitometry),
    Section("line pairs", 20.0, 60.0, lambda canvas, low, high: _line_pairs(canvas, low, high, 40.0)),
)


def catphan(slabs_mm: Sequence[tuple[float, float]], fill: Fill, pixel_mm: float) -> Volume:
    """Return slabs (low, high) of the phantom as basis densities, one voxel a slab.

    World axes are RAS+: x = −u, y = −v. Slabs are of equal height and touch.
    """
    size = 2 * math.ceil((PHANTOM_RADIUS_MM + 2.0) / pixel_mm)
    data = np.empty((3, size, size, len(slabs_mm)), dtype=np.float32)
    for k, (low, high) in enumerate(slabs_mm):
        canvas = Canvas(size, pixel_mm)
        canvas.cover(canvas.disc((0.0, 0.0), PHANTOM_RADIUS_MM), dict(WATER), BODY_G_CM3)
        fill(canvas, low, high)
        data[..., k] = canvas.data[:, ::-1, ::-1]
    height = slabs_mm[0][1] - slabs_mm[0][0]
    middle = (slabs_mm[0][0] + slabs_mm[-1][1]) / 2.0
    grid = Grid.centred((size, size, len(slabs_mm)), (pixel_mm, pixel_mm, height), (0.0, 0.0, middle))
    return Volume(data, grid, Quantity.DENSITY)


def cylinder(radius_mm: float, pixel_mm: float, densities: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> Volume:
    """Return a long cylinder of basis densities about the z axis."""
    canvas = Canvas(2 * math.ceil((radius_mm + 2.0) / pixel_mm), pixel_mm)
    plane = np.asarray(densities)[:, None, None] * canvas.disc((0.0, 0.0), radius_mm)
    data = np.repeat(plane[..., None].astype(np.float32), 4, axis=3)
    grid = Grid.centred(data.shape[1:], (pixel_mm, pixel_mm, 20.0), (0.0, 0.0, 0.0))
    return Volume(data, grid, Quantity.DENSITY)
