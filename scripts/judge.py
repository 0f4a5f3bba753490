"""Judge a duct network by means of its own: what the growth engine promises, asked again of the finished arrays.

Nothing here calls the functions of pancreasgen.network. A network is read as nodes, radii, segments and capsule radii;
an organ as its signed distance. Where the engine hashes cells and walks up its tree, the judge asks scipy's k-d trees
and shortest paths, so that one mistake is not made twice.

Each function returns plain numbers and the worst places, for scripts/verify_laws.py and for the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from judge_crossings import crossings
from judge_tubes import SHOWN, Bools, Floats, Ints, Tubes, dot, told, tubes_of
from scipy import ndimage
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import cKDTree

TOLERANCE_MM = 0.01  # a skin point may lie this far outside
RING_STEP_MM, RING_POINTS, CAP_POINTS = 0.25, 10, 20
PAPILLA_MM = 8.0  # a duct that ends before its papilla begins up to 7 mm from it
COVERAGE_STEP_MM = 0.1
SHORTEST_MM = 1e-6


def skin(tubes: Tubes) -> tuple[Floats, Ints]:
    """Return points on the skins (K, 3) and the segment of each (K,): rings along each tube, and its round ends."""
    length = tubes.length_mm
    rows, place, middle, radius = _stations(tubes)
    along = (tubes.end_mm - tubes.start_mm) / np.maximum(length, 1e-12)[:, None]
    helper = np.eye(3)[np.abs(along).argmin(axis=1)]
    one = np.cross(along, helper)
    one /= np.maximum(np.linalg.norm(one, axis=1), 1e-12)[:, None]
    two = np.cross(along, one)
    angle = 2.0 * np.pi * (np.arange(RING_POINTS) + 0.5 * (place[:, None] % 2)) / RING_POINTS
    ring = np.cos(angle)[..., None] * one[rows][:, None] + np.sin(angle)[..., None] * two[rows][:, None]
    rings = (middle[:, None] + radius[:, None, None] * ring).reshape(-1, 3)
    ball = _ball(CAP_POINTS)
    caps = [
        (at[:, None] + radii[:, None, None] * ball).reshape(-1, 3)
        for at, radii in ((tubes.start_mm, tubes.first_mm), (tubes.end_mm, tubes.last_mm))
    ]
    owners = [np.repeat(rows, RING_POINTS)] + 2 * [np.repeat(np.arange(len(length)), CAP_POINTS)]
    return np.vstack([rings, *caps]), np.concatenate(owners)


def steepest(tubes: Tubes, distance: Any) -> tuple[Floats, Ints]:
    """Return the skin points (K, 3) that lie from the middle line straight towards the capsule, and their segments.

    Between the points of a ring a tube of 2 mm could hide 0.1 mm.
    """
    rows, _, middle, radius = _stations(tubes)
    step = 0.5 * np.diag(np.array(distance.grid.spacing_mm))
    slope = np.column_stack([depth_at(distance, middle + d) - depth_at(distance, middle - d) for d in step])
    slope /= np.maximum(np.linalg.norm(slope, axis=1), 1e-12)[:, None]
    return middle - radius[:, None] * slope, rows


def _stations(tubes: Tubes) -> tuple[Ints, Ints, Floats, Floats]:
    """Return places along the middle lines, at most 0.25 mm apart: segment, number in it, point and radius."""
    counts = np.maximum(np.ceil(tubes.length_mm / RING_STEP_MM).astype(np.int64), 1) + 1
    rows = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, place, *tubes.along(rows, place / (counts - 1)[rows])


def _ball(count: int) -> Floats:
    """Return points on the unit sphere, evenly spread on a golden spiral."""
    height = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    angle = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    flat = np.sqrt(1.0 - height**2)
    return np.column_stack([flat * np.cos(angle), flat * np.sin(angle), height])


def depth_at(distance: Any, points_mm: Floats) -> Floats:
    """Return the signed distance (K,) [mm] at points, trilinear; beyond the grid it is −1,000."""
    grid = distance.grid
    index = ((points_mm - np.array(grid.origin_mm)) / np.array(grid.spacing_mm)).T
    return np.asarray(ndimage.map_coordinates(distance.data, index, np.float64, order=1, mode="constant", cval=-1e3))


def containment(tubes: Tubes, distance: Any) -> dict[str, Any]:
    """Return how many skin points lie outside, the least margin, and where."""
    points, owner = (np.concatenate(parts) for parts in zip(skin(tubes), steepest(tubes, distance), strict=True))
    depth = depth_at(distance, points)
    bad = np.flatnonzero(depth < -TOLERANCE_MM)
    worst = bad[np.argsort(depth[bad])][:SHOWN]
    return {
        "skin_points": len(points),
        "outside": len(bad),
        "margin_mm": float(depth.min()),
        "outside_at": [told(tubes, int(owner[k]), depth_mm=float(depth[k])) for k in worst],
    }


def share_outside(tubes: Tubes, mask: Bools, affine: Floats) -> float:
    """Return the share of skin points that lie in no voxel of the mask that the organ was made from."""
    points, _ = skin(tubes)
    index = np.rint((points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(np.int64)
    here = np.all((index >= 0) & (index < mask.shape), axis=1)
    inside = np.zeros(len(points), np.bool_)
    inside[here] = mask[tuple(index[here].T)]
    return float(1.0 - inside.mean())


def murray(tubes: Tubes, gamma: float) -> dict[str, Any]:
    """Return the largest |Σ r_child^γ / r_node^γ − 1| over nodes where one duct arrives and two or more leave."""
    size = len(tubes.node_mm)
    arrive, leave = (np.bincount(tubes.segments[:, side], minlength=size) for side in (1, 0))
    sums = np.bincount(tubes.segments[:, 0], tubes.last_mm**gamma, minlength=size)
    forks = np.flatnonzero((arrive == 1) & (leave >= 2))
    error = np.abs(sums[forks] / tubes.node_mm[forks] ** gamma - 1.0)
    worst = forks[np.argsort(-error)][:SHOWN]
    over = [{"node": int(n), "radius_mm": float(tubes.node_mm[n]), "sum_mm": float(sums[n] ** (1.0 / gamma))}
            for n in worst]  # fmt: skip
    return {
        "forks": len(forks),
        "binary_share": float((leave[forks] == 2).mean()) if len(forks) else 1.0,
        "murray_error": float(error.max(initial=0.0)),
        "murray_at": over if error.max(initial=0.0) > 1e-9 else [],
    }


def coverage(tubes: Tubes, distance: Any) -> dict[str, Any]:
    """Return median, 95th percentile and maximum of the way from tissue to the nearest duct's middle line [mm].

    Exact point-to-segment distances for the segments of the six nearest of samples 0.1 mm apart: at most
    0.1² / 8d too long at distance d. ``deep_`` leaves out tissue within 0.5 mm of the capsule.
    """
    grid = distance.grid
    voxels = np.argwhere(distance.data > 0.0)
    points = voxels * np.array(grid.spacing_mm) + np.array(grid.origin_mm)
    deep = distance.data[tuple(voxels.T)] > 0.5
    counts = np.maximum(np.ceil(tubes.length_mm / COVERAGE_STEP_MM).astype(np.int64), 1)
    rows = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    samples, _ = tubes.along(rows, (place + 0.5) / counts[rows])
    _, near = cKDTree(samples).query(points, k=min(6, len(samples)))
    away = np.full(len(points), np.inf)
    for column in near.reshape(len(points), -1).T:
        away = np.minimum(away, _to_segment(tubes, rows[column], points))
    result: dict[str, Any] = {"tissue_voxels": len(points)}
    for name, part in (("", np.ones(len(points), np.bool_)), ("deep_", deep)):
        some = away[part] if part.any() else np.zeros(1)
        for key, value in (("median", np.median(some)), ("p95", np.percentile(some, 95)), ("max", some.max())):
            result[f"{name}{key}_mm"] = float(value)
    result["furthest_at"] = [round(float(x), 2) for x in points[away.argmax()]]
    return result


def _to_segment(tubes: Tubes, rows: Ints, points_mm: Floats) -> Floats:
    along, away = tubes.end_mm[rows] - tubes.start_mm[rows], points_mm - tubes.start_mm[rows]
    share = np.clip(dot(away, along) / np.maximum(dot(along, along), 1e-300), 0.0, 1.0)
    return np.asarray(np.linalg.norm(away - share[:, None] * along, axis=1))


def wholeness(tubes: Tubes, nodes_mm: Floats, papillae_mm: Floats) -> dict[str, Any]:
    """Return what is not reached from a papilla along the flow's other way, and what is no tube at all.

    ``unreached`` counts nodes that no way from proximal to distal leads to from a root within 8 mm of a papilla.
    """
    size = len(tubes.node_mm)
    used = np.zeros(size, np.bool_)
    used[tubes.segments] = True
    roots = np.flatnonzero(used & (np.bincount(tubes.segments[:, 1], minlength=size) == 0))
    away = np.linalg.norm(nodes_mm[roots][:, None] - papillae_mm[None], axis=2).min(axis=1)
    good = roots[away <= PAPILLA_MM]
    pairs = np.vstack([tubes.segments, np.column_stack([np.full(len(good), size), good])])
    graph = csr_array(coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(size + 1, size + 1)))
    reached = breadth_first_order(graph, size, return_predecessors=False)
    numbers = (tubes.start_mm, tubes.end_mm, tubes.first_mm[:, None], tubes.last_mm[:, None])
    return {
        "roots": len(roots),
        "roots_away_mm": [round(float(x), 3) for x in away],
        "unreached": int(size + 1 - len(reached)),
        "shortest_mm": float(tubes.length_mm.min()),
        "broken": int(
            (tubes.length_mm < SHORTEST_MM).sum()
            + sum((~np.isfinite(column)).any(axis=1).sum() for column in numbers)
            + (tubes.first_mm <= 0).sum()
            + (tubes.last_mm <= 0).sum()
        ),
    }


def judge(network: Any, organ: Any, gamma: float | None) -> dict[str, Any]:
    """Return all findings on a network in its organ; without gamma Murray's sum is not asked for."""
    tubes = tubes_of(network)
    marks = [points for name, points in organ.landmarks.items() if name.endswith("papilla")]
    result = {"segments": len(tubes.segments), **wholeness(tubes, network.nodes_mm, np.vstack(marks))}
    result |= containment(tubes, organ.distance)
    result |= crossings(tubes)
    result |= coverage(tubes, organ.distance)
    found = murray(tubes, gamma or 3.0)
    return result | (found if gamma else {key: found[key] for key in ("forks", "binary_share")})
