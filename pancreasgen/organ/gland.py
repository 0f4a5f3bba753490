"""A procedural pancreas: a shape type, a length and four thicknesses become a gland in the body.

The section is an ellipse swept along the axis; the head is a taller body in the duodenal C, the uncinate process a hook
behind the superior mesenteric vein. Grooves keep the mesenteric and the splenic vein free. The surface is lobulated by
noise. Published: shape frequencies, length, AP thickness, uncinate variants (see the population files for the sources).
Assumed: heights of the sections, chosen so that the mean volume is that of Saisho 2007 (72 mL).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import checked_number, unknown_name
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.organ import surface
from pancreasgen.organ.axis import SHAPES, Axis, course
from pancreasgen.organ.clefts import clefts
from pancreasgen.organ.landmarks import find_landmarks, ring_course, vessel_courses
from pancreasgen.organ.lesion import Lesion, section_factor
from pancreasgen.organ.organ import Organ, Region
from pancreasgen.organ.surface import Field

SPACING_MM = 1.0
_MARGIN_MM = 9.0
_BEND_MM = 3.0
_LOBULE_MM = 4.5
_THREAD_MM, _CRUMB_MM = 0.3, 1.5
_TAKEN_MM = (1.9, 3.5, 2.9)  # what grooves, relief and blunted edges take from head, body and tail, as measured
ABSENT, HYPOPLASTIC = 0.2, 0.5  # sizes of the uncinate process below which it is not shaped, or counts as small

RANGES: dict[str, tuple[float, float, str]] = {
    "length_mm": (80.0, 220.0, "mm"),
    "ap_head_mm": (12.0, 42.0, "mm"),
    "ap_neck_mm": (7.0, 18.0, "mm"),
    "ap_body_mm": (9.0, 36.0, "mm"),
    "ap_tail_mm": (8.0, 34.0, "mm"),
    "height_ratio": (0.45, 1.7, ""),
    "uncinate": (0.0, 1.5, ""),
    "lobulation_mm": (0.0, 1.5, "mm"),
    "cleft_mm": (0.0, 8.0, "mm"),
    "extent": (0.25, 1.0, ""),
    "ring_mm": (0.0, 6.0, "mm"),
}


@dataclass(frozen=True, slots=True)
class Gland:
    """The drawn scalars of one gland.

    Attributes:
        shape: Shape type, one of ``oblique``, ``sigmoid``, ``transverse``, ``L``, ``horseshoe``, ``inverted-V``.
        length_mm: Length along the axis from the papilla end to the tip of the tail, 80–220 mm.
        ap_head_mm: Thickness of the head from front to back [mm].
        ap_neck_mm: Thickness of the neck [mm].
        ap_body_mm: Thickness of the body [mm].
        ap_tail_mm: Thickness of the tail [mm].
        height_ratio: Factor on the section's heights, 1 for an average gland.
        uncinate: Size of the uncinate process: 1 average, below 0.5 hypoplastic, below 0.2 absent.
        lobulation_mm: SD of the surface's relief of lobules [mm].
        cleft_mm: Depth of the deepest cleft in the surface [mm]; there are one to three.
        extent: Share of the length that exists, from the papilla on; below 1 where the dorsal bud is missing.
        ring_mm: Half the thickness of a ring of tissue around the descending duodenum (annular pancreas); 0 for none.

    Raises:
        UsageError: If a value is outside its range, or the shape does not exist.
    """

    shape: str = "oblique"
    length_mm: float = 162.0
    ap_head_mm: float = 27.9
    ap_neck_mm: float = 12.0
    ap_body_mm: float = 23.1
    ap_tail_mm: float = 19.0
    height_ratio: float = 1.0
    uncinate: float = 1.0
    lobulation_mm: float = 0.5
    cleft_mm: float = 0.0
    extent: float = 1.0
    ring_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise unknown_name("gland shape", self.shape, SHAPES)
        for name, (low, high, unit) in RANGES.items():
            object.__setattr__(self, name, checked_number(f"gland.{name}", getattr(self, name), low, high, unit))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Gland:
        """Return the gland of a dictionary made by :meth:`to_dict`."""
        return cls(**data)


@lru_cache(maxsize=2)  # the image grid and the case both need it; an organ is immutable
def shape_organ(gland: Gland, chance: Chance, lesions: tuple[Lesion, ...] = ()) -> Organ:
    """Shape the gland: axis, section, head and uncinate, grooves, relief, then a true distance.

    Args:
        gland: The drawn scalars.
        chance: Stream for the course's bends and the surface's relief.
        lesions: Diseases that thin or swell the gland.

    Returns:
        The organ on a grid of 1 mm, in world coordinates.

    >>> organ = shape_organ(Gland(), Chance(1, 0, "organ"))
    >>> 40 < organ.volume_ml < 140
    True
    """
    bend = chance.sub("bend").generator().normal(0.0, _BEND_MM, (8, 3)) * [1.0, 0.5, 1.0]
    axis = whole = course(gland.shape, gland.length_mm, bend)
    courses = vessel_courses(axis, gland.ap_body_mm, gland.ap_tail_mm)
    grid = _grid_around(axis, gland)
    nearest = surface.nearest_sample(grid, axis.points_mm)
    field, uncinate = _solid(gland, axis, grid, nearest, section_factor(lesions, axis.arc_mm))
    relief = surface.lobules(grid, _LOBULE_MM, chance.sub("relief"))
    ring = ring_course(axis)
    if gland.ring_mm > 0.0:
        field = surface.smooth_union(field, surface.tube(grid, ring, gland.ring_mm, 12.0), 3.0)
    field += gland.lobulation_mm * relief
    if gland.cleft_mm > 0.0:
        field -= gland.cleft_mm * clefts(grid, whole, nearest, relief, chance.sub("clefts"))
    for name, groove_mm in (("smv", 7.2), ("sma", 5.5), ("splenic_vein", 4.8)):
        field = np.minimum(field, -surface.tube(grid, courses[name], groove_mm, 6.0))
    if gland.extent < 1.0:
        axis = whole.until(gland.extent * float(axis.arc_mm[-1]))
        field = np.minimum(field, _stump(grid, axis))
    field = _one_piece(field, grid, axis)
    distance = _no_crumbs(surface.redistance(field, grid), grid, axis)
    regions = _regions(distance, uncinate, nearest, whole)
    capsule = Volume(distance, grid, Quantity.DISTANCE)
    marks = find_landmarks(capsule, axis)
    courses["bile_duct"][-1] = marks["major_papilla"][0]
    if gland.ring_mm > 0.0:
        courses["ring"] = ring
    return Organ(capsule, axis.points_mm, {**courses, **marks}, Volume(regions, grid, Quantity.LABEL))


def _grid_around(axis: Axis, gland: Gland) -> Grid:
    reach = 0.5 * gland.ap_head_mm + _MARGIN_MM
    low = np.floor(axis.points_mm.min(axis=0) - [reach, reach, 34.0 * gland.height_ratio])
    high = np.ceil(axis.points_mm.max(axis=0) + [reach, reach, 18.0 * gland.height_ratio + 5.0])
    if gland.ring_mm > 0.0:
        ring = ring_course(axis)
        low = np.minimum(low, np.floor(ring.min(axis=0) - 12.0))
        high = np.maximum(high, np.ceil(ring.max(axis=0) + 12.0))
    shape = np.ceil((high - low) / SPACING_MM).astype(int) + 1
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), (SPACING_MM,) * 3, (low[0], low[1], low[2]))


def _solid(
    gland: Gland, axis: Axis, grid: Grid, nearest: NDArray[np.int32], factor: NDArray[np.float64]
) -> tuple[Field, Field]:  # fmt: skip
    """Return the field of the whole gland, and that of the uncinate process alone.

    The factor (A,) thins or swells the section along the axis; the head takes its value at the axis' start.
    """
    knots, thickness, height = _profile(gland, axis)
    half_thickness = 0.5 * factor * np.interp(axis.arc_mm, knots, thickness)
    half_height = 0.5 * factor * gland.height_ratio * np.interp(axis.arc_mm, knots, height)
    cap = _rounded_ends(axis, half_thickness)
    body = surface.swept_section(grid, axis, nearest, half_thickness * cap, half_height * cap)
    middle = axis.at(0.5 * axis.neck_mm[0])
    half = factor[0] * np.array([0.55 * gland.ap_head_mm, 0.5 * gland.ap_head_mm, 22.5 * gland.height_ratio])
    head = surface.ellipsoid(grid, middle - [0.0, 0.0, 7.0 * gland.height_ratio], half)
    whole = surface.smooth_union(body, head, 6.0)
    if gland.uncinate < ABSENT:
        return whole, np.full_like(whole, -np.inf)
    size = gland.uncinate**0.7  # of a small process the thickness shrinks less than the volume
    tip = np.array([9.0, 24.0, middle[2] - 16.0 * gland.height_ratio])
    root = np.array([middle[0], middle[1] - 4.0, tip[2] + 3.0])
    along = (tip - root) / np.linalg.norm(tip - root)
    back = np.cross([0.0, 0.0, 1.0], along)
    back /= np.linalg.norm(back)
    hook = surface.ellipsoid(
        grid,
        root + (0.2 + 0.3 * size) * (tip - root),
        np.array([16.0, 8.0, 12.5 * gland.height_ratio]) * size,
        np.array([along, back, np.cross(along, back)]),
    )
    return surface.smooth_union(whole, hook, 5.0), hook


def _profile(gland: Gland, axis: Axis) -> tuple[list[float], list[float], list[float]]:
    """Return arc lengths with the section's full thickness and height at them [mm]."""
    neck_start, neck_end = axis.neck_mm
    end, split = float(axis.arc_mm[-1]), axis.body_end_mm
    body_mm, tail_mm = split - neck_end, end - split
    knots = [0.0, 0.5 * neck_start, neck_start + 4, neck_end - 4, neck_end + 0.22 * body_mm]
    knots += [split - 0.3 * body_mm, split + 0.2 * tail_mm, end - 0.2 * tail_mm, end]
    drawn = (gland.ap_head_mm, gland.ap_body_mm, gland.ap_tail_mm)
    head, body, tail = (mm + taken for mm, taken in zip(drawn, _TAKEN_MM, strict=True))
    neck = gland.ap_neck_mm
    thickness = [0.75 * head, 0.95 * head, neck, neck, body, body, tail, tail, 0.85 * tail]
    return knots, thickness, [26.0, 34.0, 18.5, 17.5, 21.0, 21.0, 20.5, 20.0, 17.0]


def _rounded_ends(axis: Axis, half_thickness_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor that closes the tube like a half ellipse at both ends; never 0, so that fields stay finite."""
    reach = 1.2 * half_thickness_mm
    end = np.minimum(axis.arc_mm, axis.arc_mm[-1] - axis.arc_mm)
    return np.sqrt(np.clip(1.0 - (1.0 - np.minimum(end / reach, 1.0)) ** 2, 0.04, 1.0))


def _stump(grid: Grid, axis: Axis) -> Field:
    """Return the distance [mm] to the plane across the end of a shortened axis, positive on the papilla's side."""
    x, y, z = grid.mesh_mm()
    end, along = axis.points_mm[-1], axis.tangent[-1]
    beyond = (x - end[0]) * along[0] + (y - end[1]) * along[1] + (z - end[2]) * along[2]
    return np.asarray(-beyond, dtype=np.float32)


def _one_piece(field: Field, grid: Grid, axis: Axis) -> Field:
    """Drop islands that relief or grooves cut off, and keep a thin bridge of tissue along the whole axis.

    Islands become deep outside, so that no surface is found where they were.
    """
    inner = axis.points_mm[(axis.arc_mm > 4.0) & (axis.arc_mm < axis.arc_mm[-1] - 4.0)]
    field = np.maximum(field, surface.tube(grid, inner, 4.2, 6.0))
    pieces, _ = ndimage.label(field > 0)
    i, j, k = np.rint(grid.to_index(inner[len(inner) // 2])).astype(int)
    return np.where((field > 0) & (pieces != pieces[i, j, k]), np.float32(-6.0), field).astype(np.float32)


def _no_crumbs(distance: Field, grid: Grid, axis: Axis) -> Field:
    """Take away what hangs on by a thread: tissue beyond a neck through which the finest duct finds no way.

    What is deeper than 0.3 mm, in one piece, is the core. With E the distance to it, depth becomes min(d, 1.5 mm − E),
    and what then hangs on nothing is turned inside out.
    """
    deep = distance > _THREAD_MM
    pieces, _ = ndimage.label(deep)
    i, j, k = np.rint(grid.to_index(axis.points_mm[len(axis.points_mm) // 2])).astype(int)
    core = deep & (pieces == pieces[i, j, k])
    shallow = np.argwhere((distance > 0) & ~core)
    border = np.argwhere(core & ~ndimage.binary_erosion(core))
    away = SPACING_MM * np.asarray(cKDTree(border).query(shallow)[0], dtype=np.float32)
    result, places = distance.copy(), tuple(shallow.T)
    result[places] = np.minimum(result[places], np.float32(_CRUMB_MM) - away)
    pieces, _ = ndimage.label(result > 0)
    loose = (result > 0) & (pieces != pieces[i, j, k])  # near the core, but not of one piece with it
    return np.where(loose, -result, result).astype(np.float32)


def _regions(distance: Field, uncinate: Field, nearest: NDArray[np.int32], axis: Axis) -> NDArray[np.uint8]:
    arc = axis.arc_mm[nearest]
    steps = np.searchsorted([axis.neck_mm[0], axis.neck_mm[1], axis.body_end_mm], arc, side="right")
    regions = np.array([Region.HEAD, Region.NECK, Region.BODY, Region.TAIL], np.uint8)[steps]
    regions[(uncinate > 0) & (arc < axis.neck_mm[1])] = Region.UNCINATE
    regions[distance <= 0] = Region.OUTSIDE
    return regions
