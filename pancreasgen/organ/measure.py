"""Measures of a gland: volume, length, and its thickness as a radiologist takes it on axial slices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from pancreasgen.base.grid import Volume
from pancreasgen.organ.organ import Organ, Region

Floats = NDArray[np.float64]

PARTS: dict[str, tuple[Region, ...]] = {
    "head": (Region.HEAD, Region.UNCINATE),
    "neck": (Region.NECK,),
    "body": (Region.BODY,),
    "tail": (Region.TAIL,),
}
_STEEP = 0.3
_STATION_MM = 0.5
_CHORD_MM = 3.0


def measure_gland(organ: Organ) -> dict[str, float]:
    """Return ``volume_ml``, ``length_mm`` and ``ap_head_mm``, ``ap_neck_mm``, ``ap_body_mm``, ``ap_tail_mm``.

    The ``ap_`` measures are the means of :func:`thickness_mm` over the middle half of the region's part of the axis;
    a region that the axis does not pass, or in which it has no thickness to measure, is left out.

    >>> from pancreasgen.base.grid import Grid, Quantity
    >>> grid = Grid((41, 31, 31), (1.0, 1.0, 1.0), (-20.0, -15.0, -15.0))
    >>> x, y, z = grid.mesh_mm()
    >>> rod = Volume((8.0 - np.hypot(y, z) + 0 * x).astype("f4"), grid, Quantity.DISTANCE)
    >>> body = Volume(np.where(rod.data > 0, Region.BODY, 0).astype("u1"), grid, Quantity.LABEL)
    >>> measure_gland(Organ(rod, np.array([[-20.0, 0, 0], [20.0, 0, 0]]), {}, body))["ap_body_mm"]
    16.0
    """
    found = {"volume_ml": round(organ.volume_ml, 4), "length_mm": round(organ.length_mm, 4)}
    stations, across = axis_stations(organ)
    region = region_of(stations, organ)
    thickness = thickness_mm(organ.distance, stations, across)
    for name, members in PARTS.items():
        rows = np.flatnonzero(np.isin(region, members))
        middle = thickness[rows[len(rows) // 4 : len(rows) - len(rows) // 4]]
        middle = middle[np.isfinite(middle)]
        if len(middle):
            found[f"ap_{name}_mm"] = round(float(middle.mean()), 4)
    return found


def axis_stations(organ: Organ) -> tuple[Floats, Floats]:
    """Return points (S, 3) every 0.5 mm along the axis, and unit vectors (S, 3) across it in the axial plane.

    The vector is perpendicular to the axis's tangent and to the body's long axis: t × z. The tangent t is the chord
    from 3 mm before to 3 mm behind the point, so that steps of an axis that was found in voxels do not count. Where
    the axis runs within 17° of the body's long axis (horizontal part of t below 0.3, assumed) there is no such
    direction, and it is NaN.
    """
    points = organ.axis_mm
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    places = np.linspace(0.0, arc[-1], max(2, round(arc[-1] / _STATION_MM) + 1))
    stations = np.column_stack([np.interp(places, arc, points[:, axis]) for axis in range(3)])
    reach = round(_CHORD_MM / _STATION_MM)
    rows = np.arange(len(stations))
    tangent = stations[np.minimum(rows + reach, len(rows) - 1)] - stations[np.maximum(rows - reach, 0)]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    across = np.cross(tangent, [0.0, 0.0, 1.0])
    level = np.linalg.norm(across, axis=1, keepdims=True)
    return stations, np.where(level >= _STEEP, across / np.maximum(level, _STEEP), np.nan)


def thickness_mm(distance: Volume, points_mm: Floats, direction: Floats) -> Floats:
    """Return the thickness (N,) [mm] of the gland through points (N, 3), along unit vectors (N, 3), both ways.

    It ends where the signed distance first falls to 0, found between samples half a voxel apart by linear
    interpolation, or at the grid's border. NaN where the point lies outside the gland or the direction is NaN.
    """
    thickness = np.full(len(points_mm), np.nan)
    rows = np.flatnonzero(np.isfinite(direction).all(axis=1))
    start = _sample(distance, points_mm[rows])
    rows = rows[start > 0]
    thickness[rows] = sum(_way_out(distance, points_mm[rows], sign * direction[rows]) for sign in (1.0, -1.0))
    return thickness


def _way_out(distance: Volume, points_mm: Floats, direction: Floats) -> Floats:
    """Length of the way (N,) [mm] from points inside until the distance falls to 0."""
    step = 0.5 * min(distance.grid.spacing_mm)
    way, depth = np.zeros(len(points_mm)), _sample(distance, points_mm)
    going = np.arange(len(points_mm))
    while len(going):
        following = _sample(distance, points_mm[going] + (way[going] + step)[:, None] * direction[going])
        here = depth[going]
        out = following <= 0
        way[going] += step * np.where(out, here / np.where(out, here - following, 1.0), 1.0)
        depth[going] = following
        going = going[~out]
    return way


def _sample(distance: Volume, points_mm: Floats) -> Floats:
    """Return the signed distance at points (N, 3); outside the grid it is −1 voxel."""
    index = distance.grid.to_index(points_mm).T
    outside = -min(distance.grid.spacing_mm)
    return np.asarray(
        ndimage.map_coordinates(distance.data, index, order=1, mode="constant", cval=outside, output=np.float64)
    )


def region_of(points_mm: Floats, organ: Organ) -> NDArray[np.uint8]:
    """Return the :class:`Region` at points (N, 3), outside the organ that of the nearest voxel of tissue."""
    data, grid = organ.regions.data, organ.regions.grid
    index = np.clip(np.rint(grid.to_index(points_mm)).astype(int), 0, np.array(grid.shape) - 1)
    region = np.array(data[tuple(index.T)], dtype=np.uint8)
    lost = np.flatnonzero(region == Region.OUTSIDE)
    if len(lost) and data.any():
        inside = data != Region.OUTSIDE
        border = np.argwhere(inside & ~ndimage.binary_erosion(inside))
        nearest = cKDTree(border * grid.spacing_mm).query(points_mm[lost] - grid.origin_mm)[1]
        region[lost] = data[tuple(border[nearest].T)]
    return region
