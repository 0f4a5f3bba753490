"""An organ from a segmentation mask: any spacing, any orientation, any shape.

The mask becomes one piece of tissue with a smooth surface inside its voxels (:mod:`pancreasgen.organ.voxels`), its
axis the centred line between the ends that lie furthest apart (:mod:`pancreasgen.organ.centreline`). What was decided
on the way is told in plain sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.base.checks import checked_number, frozen_array
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import COORDINATE_LIMIT_MM, SPACING_RANGE_MM, Grid, Quantity, Volume
from pancreasgen.organ import centreline, parts
from pancreasgen.organ.axis import Axis
from pancreasgen.organ.exact import exact_distance
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.organ import Organ
from pancreasgen.organ.pieces import one_piece
from pancreasgen.organ.voxels import smooth_distance
from pancreasgen.organ.web import Web, furthest_ends, weave

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

THINNEST_MM = 2.0
MOST_VOXELS = 12_000_000
_SPACING_MM = (0.25, 1.0)  # of the organ's grid: a sixth of its largest depth, within these
_SHEAR = 1e-3
_OFF_MM = 20.0  # a given papilla or tip further from the organ than this is a mistake (assumed)
_PANCREAS_MM, _SLENDER = 60.0, 6.0  # shorter, or not as many times its depth: no pancreas lying in a body (assumed)
_SIDE_MM = 20.0  # one end lies to the right of the other if it does by this much (assumed)


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """What a user knows better than the program.

    Attributes:
        papilla_mm: The papilla (x, y, z) [mm, RAS+]; None to find the head's end.
        tail_mm: The tip of the tail (x, y, z) [mm, RAS+]; None to find it.
        spacing_mm: Size of the organ's voxels, 0.2–5 mm; None for one that suits its thickness.
        bridge_mm: Pieces of the mask are joined across gaps up to this, 0–60 mm; otherwise the largest alone counts.

    Raises:
        UsageError: If a value is not finite or outside its range.
    """

    papilla_mm: tuple[float, float, float] | None = None
    tail_mm: tuple[float, float, float] | None = None
    spacing_mm: float | None = None
    bridge_mm: float = 0.0

    def __post_init__(self) -> None:
        for name, point in (("papilla", self.papilla_mm), ("tail", self.tail_mm)):
            for axis, value in zip("xyz", point or (), strict=False):
                checked_number(f"{name} {axis}", value, -COORDINATE_LIMIT_MM, COORDINATE_LIMIT_MM, "mm")
        if self.spacing_mm is not None:
            checked_number("spacing", self.spacing_mm, 0.2, 5.0, "mm")
        checked_number("bridge", self.bridge_mm, 0.0, 60.0, "mm")


def organ_from_mask(mask: Bools, affine: Floats, options: MaskOptions | None = None) -> tuple[Organ, tuple[str, ...]]:
    """Return the organ that a mask shows, and what was decided on the way, one sentence each.

    Args:
        mask: True in the organ (I, J, K).
        affine: From indices of voxel centres to world mm, RAS+ (4, 4); any right-angled axes, also oblique ones.
        options: What the user knows better.

    Raises:
        BadInputError: If the mask is empty or thinner than 2 mm everywhere, or the affine is sheared or impossible.
        UsageError: If the given papilla or tip lies far from the organ.

    >>> x, y, z = np.ogrid[-30:31, -12:13, -12:13]
    >>> bean = (x / 28) ** 2 + (y / 10) ** 2 + (z / 10) ** 2 < 1
    >>> organ, notes = organ_from_mask(bean, np.eye(4))
    >>> 45 < organ.length_mm < 60
    True
    """
    options = options or MaskOptions()
    matrix = _checked_affine(affine)
    notes: list[str] = []
    piece, matrix = one_piece(_checked_mask(mask), matrix, options.bridge_mm, notes)
    depth = _depth_mm(piece, matrix)
    step = options.spacing_mm or _fitting(float(np.clip(depth / 6.0, *_SPACING_MM)), matrix)
    grid = _grid_around(piece, matrix, step, notes)
    distance = _whole(smooth_distance(piece, matrix, grid, depth), grid, notes)
    if 2.0 * float(distance.data.max()) < THINNEST_MM:
        raise _too_thin(2.0 * float(distance.data.max()))
    web, line = _line(distance, options, notes)
    axis, clear = _axis(distance, line)
    notes.append(
        f"the neck is the narrow place {0.5 * sum(axis.neck_mm):.0f} mm from the papilla end" if clear
        else "no narrow place tells the neck; it lies where it does on average"
    )  # fmt: skip
    regions = parts.divide(parts.arc_of_voxels(distance, web, axis), axis)
    marks = parts.find_marks(distance, axis, regions)
    organ = Organ(distance, axis.points_mm, marks, Volume(regions, grid, Quantity.LABEL))
    shown = float(piece.sum()) * abs(float(np.linalg.det(matrix[:3, :3]))) / 1000.0
    notes.append(
        f"the organ has {organ.volume_ml:.1f} mL of the mask's {shown:.1f} mL and is {organ.length_mm:.0f} mm long"
    )
    return organ, tuple(notes)


def _checked_mask(mask: Bools) -> Bools:
    if mask.ndim != 3 or mask.dtype != np.bool_:
        raise BadInputError(f"a mask must be three-dimensional and bool, not {mask.dtype} of shape {mask.shape}")
    if not mask.any():
        raise BadInputError("the mask is empty", "choose another label, or look at the segmentation")
    return mask


def _checked_affine(affine: Floats) -> Floats:
    """Return the matrix if its axes are at right angles and its spacing and place are possible."""
    matrix: Floats = frozen_array(affine, "the affine of the mask", (4, 4), "f8")
    size = np.linalg.norm(matrix[:3, :3], axis=0)
    low, high = SPACING_RANGE_MM
    if not ((size >= low) & (size <= high)).all() or not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise BadInputError(
            f"the mask's voxels measure {' × '.join(f'{s:.3g}' for s in size)} mm; {low:g} to {high:g} mm is possible"
        )
    cosines = np.abs((matrix[:3, :3] / size).T @ (matrix[:3, :3] / size) - np.eye(3))
    if cosines.max() > _SHEAR:
        angle = np.degrees(np.arccos(min(cosines.max(), 1.0)))
        raise BadInputError(
            f"the axes of the mask are not at right angles (two stand at {angle:.1f}°)",
            "resample it to an orthogonal grid first, for example with SimpleITK or `3dresample`",
        )
    return matrix


def _depth_mm(mask: Bools, matrix: Floats) -> float:
    """Return about how deep the deepest voxel lies [mm]: half the organ's thickness."""
    size = np.linalg.norm(matrix[:3, :3], axis=0)
    within = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=size)
    depth = max(float(np.max(within)) - 0.5 * float(size.max()), 0.5 * float(size.min()))
    if 2.0 * depth < 0.7 * THINNEST_MM:
        raise _too_thin(2.0 * depth)
    return depth


def _fitting(step: float, matrix: Floats) -> float:
    """Return a step near to the wanted one that divides the mask's voxels, if these are cubes along the body's axes."""
    size = np.linalg.norm(matrix[:3, :3], axis=0)
    main = np.abs(matrix[:3, :3]).max(axis=0)
    if np.ptp(size) > 1e-3 * size[0] or (main < 0.9999 * size).any() or size[0] < 0.6 * step:
        return step
    return float(size[0] / np.ceil(0.999 * size[0] / step))


def _grid_around(mask: Bools, matrix: Floats, step: float, notes: list[str]) -> Grid:
    """Return the grid of the organ: cubes of the wanted size, as far as memory allows."""
    corners = np.stack(np.meshgrid(*[(-0.5, n - 0.5) for n in mask.shape], indexing="ij"), axis=-1).reshape(-1, 3)
    corners = corners @ matrix[:3, :3].T + matrix[:3, 3]
    low, high = corners.min(axis=0), corners.max(axis=0)
    wanted = step
    while np.prod(np.ceil((high - low) / step) + 8.0) > MOST_VOXELS:
        step *= 1.02
    if step > wanted:
        notes.append(f"the organ is large: it is kept on a grid of {step:.2f} mm")
    anchor = matrix[:3, 3]  # a grid that has the mask's own centres, where it can, meets its corners exactly
    origin = anchor + np.floor((low - anchor) / step - 3.0) * step
    counts = np.ceil((high - origin) / step).astype(int) + 4
    return Grid((int(counts[0]), int(counts[1]), int(counts[2])), (step,) * 3, (origin[0], origin[1], origin[2]))


def _whole(distance: NDArray[np.float32], grid: Grid, notes: list[str]) -> Volume:
    """Return the distance of the largest piece alone: a smooth surface may cut what hangs on by an edge."""
    labels, count = ndimage.label(distance > 0)
    if count > 1:
        sizes = np.bincount(labels.ravel())[1:]
        lost = float(sizes.sum() - sizes.max()) * grid.voxel_ml
        if lost > 0.01:
            notes.append(f"{lost:.2g} mL hang on by less than a duct's width and are dropped")
        other = (labels > 0) & (labels != 1 + int(sizes.argmax()))
        distance = exact_distance(np.where(other, np.float32(-grid.spacing_mm[0]), distance), grid.spacing_mm[0])
    return Volume(distance, grid, Quantity.DISTANCE)


def _too_thin(thickness_mm: float) -> BadInputError:
    return BadInputError(
        f"the organ is {max(thickness_mm, 0.0):.1f} mm thick at most; a duct needs {THINNEST_MM:g} mm",
        "choose another label, or look at the segmentation and its spacing",
    )


def _line(distance: Volume, options: MaskOptions, notes: list[str]) -> tuple[Web, Floats]:
    """Return the inside as a graph, cut if it is a ring, and the axis from the papilla end to the tip of the tail."""
    start = _placed(distance, "papilla", options.papilla_mm, notes)
    end = _placed(distance, "tip of the tail", options.tail_mm, notes)
    walled = centreline.opened(distance, start, end)
    if walled is not None:
        notes.append("the organ is a ring: the axis goes around it")
    room = distance if walled is None else walled
    web = weave(room)
    first, last = furthest_ends(web, start, end)
    if first == last:
        raise UsageError("the papilla and the tip of the tail lie in one place", "give two places that lie apart")
    fixed = (start is not None, end is not None)
    line = centreline.centred_line(room, web, first, last, fixed)
    if start is not None:
        return web, line
    if end is None:
        turned, reason = _head_is_last(distance, line)
        notes.append(reason)
        line, last = (line[::-1], first) if turned else (line, last)
    axis = _axis(distance, line)[0]
    slender = axis.arc_mm[-1] >= max(_PANCREAS_MM, _SLENDER * float(distance.data.max()))
    if walled is None and slender and line[0, 0] - line[-1, 0] >= _SIDE_MM:
        first = web.nearest(parts.right_hind_border(web, axis))
        line = centreline.centred_line(room, web, first, last, fixed)
    return web, line


def _axis(distance: Volume, line: Floats) -> tuple[Axis, bool]:
    """Return the line as an axis with a neck, and whether a narrow place tells the neck."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    neck, clear = parts.find_neck(arc, sample_with_gradient(distance, line)[0])
    return parts.framed(np.ascontiguousarray(line), neck), clear


def _placed(distance: Volume, name: str, point: tuple[float, float, float] | None, notes: list[str]) -> Floats | None:
    """Return the place in the organ nearest to a given point (3,) [mm]; None if none is given."""
    if point is None:
        return None
    given = np.array(point, dtype=np.float64)
    inside = distance.grid.to_world(np.argwhere(distance.data > 0))
    place = np.asarray(inside[((inside - given) ** 2).sum(axis=1).argmin()])
    off = float(np.linalg.norm(place - given))
    if off > _OFF_MM:
        near = ",".join(f"{value:.0f}" for value in place)
        raise UsageError(
            f"the {name} lies {off:.0f} mm from the organ", f"the nearest place in it is {near} (R,A,S mm)"
        )
    if off > 2.0 * distance.grid.spacing_mm[0]:
        notes.append(f"the {name} was moved by {off:.1f} mm into the organ")
    return place


def _head_is_last(distance: Volume, line: Floats) -> tuple[bool, str]:
    """Return whether the head is at the line's end, and why: the patient's right tells it, else the thicker end."""
    depth = sample_with_gradient(distance, line)[0]
    part = max(len(depth) * 3 // 10, 1)
    thick = 2.0 * float(depth[:part].mean()), 2.0 * float(depth[-part:].mean())
    right = float(line[0, 0] - line[-1, 0])
    if abs(right) >= _SIDE_MM:
        last = right < 0
        other, head = (thick[0], thick[1]) if last else (thick[1], thick[0])
        doubt = f"; yet the left end is thicker ({other:.0f} against {head:.0f} mm)" if other > 1.15 * head else ""
        return last, f"the head is the end on the patient's right{doubt}"
    last = thick[1] > thick[0]
    return last, f"the head is the thicker end ({max(thick):.0f} against {min(thick):.0f} mm)"
