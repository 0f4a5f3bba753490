"""Parts and landmarks of an organ of any shape, told by its axis alone: head, neck, body and tail, papillae, tip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from pancreasgen.base.grid import Volume
from pancreasgen.organ.axis import NECK_LENGTH_MM, Axis
from pancreasgen.organ.landmarks import INTERPAPILLARY_MM, PAPILLA_DEPTH_MM, sample_with_gradient
from pancreasgen.organ.organ import Region
from pancreasgen.organ.web import Web

Floats = NDArray[np.float64]

USUAL_LENGTH_MM = 162.0  # of an average gland, `Gland.length_mm`; smaller organs have smaller parts
_NECK_SHARE = 0.325  # where the neck's middle lies in a procedural gland, in shares of the axis
_NECK_RANGE = (0.15, 0.40)
_CLEAR = 0.85  # a narrow place is a neck if it is this much thinner than what lies on both sides (assumed)
_TO_PAPILLA = np.array([0.8, -0.5, -0.3])  # within the head (assumed)
_UPWARD = np.array([-0.15, 0.62, 0.77])  # from the major to the minor papilla, as in a procedural gland


def framed(points_mm: Floats, neck_mm: tuple[float, float]) -> Axis:
    """Return a line of points (A, 3) as an axis with frames; a vertical piece takes the front as its upward direction.

    >>> axis = framed(np.array([[0.0, 0, 0], [0.0, 0, 5], [0.0, 0, 9]]), (2.0, 4.0))
    >>> axis.upward[1].tolist(), float(axis.arc_mm[-1])
    ([0.0, 1.0, 0.0], 9.0)
    """
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points_mm, axis=0), axis=1))])
    tangent = np.gradient(points_mm, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    steep = np.abs(tangent[:, 2:3]) > 0.99
    wish = np.where(steep, [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]])
    upward = wish - tangent * (tangent * wish).sum(axis=1, keepdims=True)
    upward /= np.linalg.norm(upward, axis=1, keepdims=True)
    return Axis(points_mm, arc, tangent, upward, np.cross(tangent, upward), neck_mm)


def find_neck(arc_mm: Floats, depth_mm: Floats) -> tuple[tuple[float, float], bool]:
    """Return where the neck begins and ends on the axis [mm], and whether a narrow place tells it.

    Args:
        arc_mm: Length from the papilla end to each sample of the axis (A,).
        depth_mm: Depth of each sample below the surface (A,).

    >>> arc = np.linspace(0.0, 160.0, 321)
    >>> find_neck(arc, 9.0 - 4.0 * np.exp(-(((arc - 40.0) / 8.0) ** 2)))
    ((30.123456790123456, 49.876543209876544), True)
    """
    length = float(arc_mm[-1])
    step = length / (len(arc_mm) - 1)
    depth = ndimage.gaussian_filter1d(depth_mm, 0.02 * length / step, mode="nearest")
    rows = np.flatnonzero((arc_mm >= _NECK_RANGE[0] * length) & (arc_mm <= _NECK_RANGE[1] * length))
    thinnest = int(rows[np.argmin(depth[rows])])
    clear = depth[thinnest] < _CLEAR * min(depth[: thinnest + 1].max(), depth[thinnest:].max())
    clear = bool(clear and rows[0] < thinnest < rows[-1])
    middle = float(arc_mm[thinnest]) if clear else _NECK_SHARE * length
    half = 0.5 * NECK_LENGTH_MM * length / USUAL_LENGTH_MM
    return (middle - half, middle + half), clear


def arc_of_nodes(web: Web, axis: Axis) -> Floats:
    """Return for each node (N,) the arc length [mm] of the axis's sample that is nearest inside the organ.

    Nearest means the shortest way through tissue, so that a tail that bends back to the head stays a tail.
    """
    rows = cKDTree(web.points_mm).query(axis.points_mm)[1]
    nodes, first = np.unique(rows, return_index=True)
    weights = web.matrix(web.lengths_mm())
    _, _, source = dijkstra(weights, indices=nodes, min_only=True, return_predecessors=True)
    arc = np.zeros(len(web.points_mm))
    arc[nodes] = axis.arc_mm[first]
    apart = cKDTree(axis.points_mm).query(web.points_mm)[1]  # for nodes that no way leads to
    return np.where(source >= 0, arc[np.maximum(source, 0)], axis.arc_mm[apart])


def arc_of_voxels(distance: Volume, web: Web, axis: Axis) -> Floats:
    """Return for each voxel the arc length [mm] of the node that is nearest to it; NaN outside the organ."""
    result = np.full(distance.grid.shape, np.nan)
    inside = distance.data > 0
    points = distance.grid.to_world(np.argwhere(inside))
    result[inside] = arc_of_nodes(web, axis)[cKDTree(web.points_mm).query(points)[1]]
    return result


def right_hind_border(web: Web, axis: Axis) -> Floats:
    """Return the place (3,) [mm] in the head that lies furthest to the right, to the back and a little down.

    There the main duct opens into the duodenum, as in a procedural gland; the uncinate process reaches further from
    the tail, and would be taken for the papilla's end otherwise.
    """
    head = np.flatnonzero(arc_of_nodes(web, axis) < axis.neck_mm[0])
    if not len(head):
        return np.asarray(axis.points_mm[0])
    return np.asarray(web.points_mm[head[np.argmax(web.points_mm[head] @ _TO_PAPILLA)]])


def divide(arc_mm: Floats, axis: Axis) -> NDArray[np.uint8]:
    """Return the :class:`Region` of each voxel from its arc length; NaN is outside. No uncinate process is told."""
    steps = np.searchsorted([axis.neck_mm[0], axis.neck_mm[1], axis.body_end_mm], np.nan_to_num(arc_mm), side="right")
    regions = np.array([Region.HEAD, Region.NECK, Region.BODY, Region.TAIL], np.uint8)[steps]
    regions[np.isnan(arc_mm)] = Region.OUTSIDE
    return regions


def find_marks(distance: Volume, axis: Axis, regions: NDArray[np.uint8]) -> dict[str, Floats]:
    """Return ``major_papilla``, ``minor_papilla`` and ``tail_tip`` of any organ, each (1, 3) [mm], inside the capsule.

    The major papilla and the tip are the first and the last place of the axis deep enough for a duct: 3.2 and 1 mm, or
    85 and 50 % of the largest depth in the organ's first and last quarter if that is less. The minor papilla lies in
    head or neck at 60 % of the major one's depth, 20 mm from it (less in an organ shorter than an average gland), as
    far above and in front as may be.
    """
    depth = sample_with_gradient(distance, axis.points_mm)[0]
    quarter = max(len(depth) // 4, 2)
    papilla_depth = min(PAPILLA_DEPTH_MM, 0.85 * float(depth[:quarter].max()))
    tip_depth = min(1.0, 0.5 * float(depth[-quarter:].max()))
    major = axis.points_mm[int(np.flatnonzero(depth >= papilla_depth)[0])]
    tail = axis.points_mm[int(np.flatnonzero(depth >= tip_depth)[-1])]
    scale = min(1.0, float(axis.arc_mm[-1]) / USUAL_LENGTH_MM)
    minor = _minor(distance, regions, major, (INTERPAPILLARY_MM * scale, 0.6 * papilla_depth))
    return {"major_papilla": major[None].copy(), "minor_papilla": minor[None], "tail_tip": tail[None].copy()}


def _minor(distance: Volume, regions: NDArray[np.uint8], major: Floats, wanted: tuple[float, float]) -> Floats:
    """Return the place at a distance from the major papilla and at a depth [mm] that lies best above and in front."""
    away_mm, depth_mm = wanted
    grid = distance.grid
    head = (regions == Region.HEAD) | (regions == Region.NECK)
    shell = head & (np.abs(distance.data - depth_mm) <= 0.6 * grid.spacing_mm[0])
    points = grid.to_world(np.argwhere(shell if shell.any() else distance.data > depth_mm))
    offset = points - major
    away = np.linalg.norm(offset, axis=1)
    cosine = (offset @ _UPWARD) / np.maximum(away * float(np.linalg.norm(_UPWARD)), 1e-9)
    best = np.argmin(np.abs(away - away_mm) / away_mm + 0.5 * (1.0 - cosine))
    return np.asarray(points[best])
