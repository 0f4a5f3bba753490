"""Trees of vessels inside an organ, grown by the engine that grows ducts, from grammars of their own.

The organ is a distance on the lattice, as far as it lies in the scan. Where the scan cuts it the organ goes on for a
little, so that vessels run through the cut; what is further away is not grown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, cKDTree

from pancreasgen.anatomy.fields import Field, Points
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.network.grow import grow
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.centreline import resample
from pancreasgen.organ.organ import Organ
from pancreasgen.organ.web import path, weave

LEAST_ML = 20.0  # an organ of which less lies in the scan gets no vessels (assumed)
_DEEP_MM = 2.5  # a trunk begins and ends no nearer to the capsule than this beyond its radius (assumed)
_SPARE_MM, _STEP_MM, _SOFT_MM = 5.0, 1.0, 6.0
_BEYOND_MM = 25.0  # so far an organ goes on where the scan cuts it (assumed)
_TRIES, _THINNER = 4, 0.8  # a trunk that finds no room is tried again, thinner
_APART_MM, _DEAR = 3.0, 30.0  # so far apart trunks keep where they can: a way nearer costs so many times as much


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """Where a tree of vessels comes from and goes to.

    Attributes:
        name: Landmark where the tree begins; the grammar's ``@start`` takes it.
        course: Landmark of the way that it takes, for ``@toward``.
        from_mm: Where the vessel comes from (3,) [mm].
        ends_mm: Where in the organ it should begin and where it should go (2, 3) [mm]; the nearest deep places count.
        radius_mm: Radius where it enters the organ [mm]; the grammar's parameter ``r_NAME``, if it declares one.
        tissue: What flows in it.
    """

    name: str
    course: str
    from_mm: Points
    ends_mm: Points
    radius_mm: float
    tissue: str


@dataclass(frozen=True, slots=True, eq=False)
class VesselTree:
    """One tree in an organ.

    Attributes:
        structure: Name in the table of structures.
        tissue: What flows in it.
        network: Its tubes.
    """

    structure: str
    tissue: str
    network: DuctNetwork


def grow_vessels(
    grammar: Grammar, field: Field, grid: Grid, roots: Sequence[Root], structure: str, chance: Chance
) -> list[VesselTree]:  # fmt: skip
    """Grow the vessels of an organ, and the pieces that lead from where they come from to where they enter it.

    Args:
        grammar: Rules of growth; it is told the roots' radii as far as it declares ``r_NAME``.
        field: Distance of the organ on the grid [mm, positive inside].
        grid: The lattice.
        roots: The trees.
        structure: Label of all of them.
        chance: Stream of the growth.

    Returns:
        A tree for each root; none where less than 20 mL of the organ lies in the scan, or it has no room for a root,
        not even for one of half the width.

    Raises:
        PancreasgenError: If the grammar cannot grow in the organ.
    """
    if np.count_nonzero(field > 0) * grid.voxel_ml < LEAST_ML:
        return []
    field, grid = beyond(field, grid)
    grown: dict[str, DuctNetwork] = {}
    for _ in range(_TRIES):
        marks = _marks(field, grid, roots)
        grown = _grown(grammar, organ_of_field(field, grid, marks), roots, chance)
        if len(grown) == len(roots):
            break
        roots = [
            root if root.name in grown else replace(root, radius_mm=_THINNER * root.radius_mm) for root in roots
        ]  # fmt: skip
    return [VesselTree(structure, root.tissue, grown[root.name]) for root in roots if root.name in grown]


def _grown(grammar: Grammar, organ: Organ, roots: Sequence[Root], chance: Chance) -> dict[str, DuctNetwork]:
    """Return the tree of each root that found room."""
    told = {f"r_{root.name}": root.radius_mm for root in roots if f"r_{root.name}" in grammar.parameters}
    network, found = grow(grammar, organ, told, chance), {}
    for root in roots:
        if root.name in organ.landmarks:
            tree = _led_to(network, organ.landmarks[root.name][0], root.from_mm)
            if tree is not None:
                found[root.name] = tree
    return found


def beyond(field: Field, grid: Grid) -> tuple[Field, Grid]:
    """Return an organ that goes on for 25 mm above and below where the scan cuts it, and the lattice that holds it.

    >>> grid = Grid.centred((8, 8, 4), (2.5, 2.5, 2.5), (0.0, 0.0, 0.0))
    >>> rod = 5.0 - np.hypot(*grid.mesh_mm()[:2]) + 0.0 * grid.mesh_mm()[2]
    >>> beyond(rod, grid)[1].shape
    (8, 8, 24)
    """
    many = int(np.ceil(_BEYOND_MM / grid.spacing_mm[2]))
    below, above = (many * bool((field[:, :, end] > 0).any()) for end in (0, -1))
    longer = np.pad(np.asarray(field, np.float32), ((0, 0), (0, 0), (below, above)), mode="edge")
    origin = grid.to_world(np.array([0, 0, -below]))
    shape = (grid.shape[0], grid.shape[1], longer.shape[2])
    own = Grid(shape, grid.spacing_mm, (origin[0], origin[1], origin[2]))
    return _closed(longer, own.spacing_mm), own


def _closed(field: Field, spacing_mm: Sequence[float]) -> Field:
    """Return the field without what lies nearer to the lattice's border than it is deep."""
    for axis, count in enumerate(field.shape):
        nodes = np.arange(count)
        rim = np.asarray(spacing_mm[axis] * np.minimum(nodes, count - 1 - nodes), dtype=np.float32)
        field = np.minimum(field, rim.reshape([-1 if other == axis else 1 for other in range(3)]))
    return field


def _marks(field: Field, grid: Grid, roots: Sequence[Root]) -> dict[str, Points]:
    """Return where each tree begins, a point, and the way that it takes, a course that keeps to the depth."""
    web = weave(_every_other(field, grid))
    free = np.ones(len(web.points_mm), np.bool_)
    price, taken = web.price(), np.zeros(len(web.points_mm), np.bool_)
    marks: dict[str, Points] = {}
    for root in roots:
        deep = web.depth_mm >= min(root.radius_mm + _DEEP_MM, 0.8 * float(web.depth_mm.max()))
        if not (deep & free).any():
            continue
        start, end = (
            int(rows[((web.points_mm[rows] - place) ** 2).sum(axis=1).argmin()])
            for rows, place in zip((np.flatnonzero(deep & free), np.flatnonzero(deep)), root.ends_mm, strict=True)
        )
        dear = np.where((taken & (np.arange(len(taken)) != start))[web.ends].any(axis=1), _DEAR, 1.0)
        way = web.points_mm[path(web, dear * price, start, end)]
        way = ndimage.gaussian_filter1d(resample(way, _STEP_MM), _SOFT_MM / _STEP_MM, axis=0, mode="nearest")
        marks[root.name], marks[root.course] = web.points_mm[start][None], way
        away = np.asarray(cKDTree(way).query(web.points_mm)[0])
        taken |= away < 2.0 * root.radius_mm + _APART_MM
        free &= ~taken
    return marks


def _every_other(field: Field, grid: Grid) -> Volume:
    """Return every other node along each axis: ways need no more."""
    part = np.ascontiguousarray(field[::2, ::2, ::2])
    step = 2.0 * grid.spacing_mm[0]
    return Volume(
        part, Grid((part.shape[0], part.shape[1], part.shape[2]), (step,) * 3, grid.origin_mm), Quantity.DISTANCE
    )


def organ_of_field(field: Field, grid: Grid, marks: Mapping[str, Points]) -> Organ:
    """Return an organ to grow vessels in, made of a distance on a lattice.

    Args:
        field: Distance on the grid [mm, positive inside].
        grid: The lattice.
        marks: Landmarks: points (1, 3) and courses (K, 3) [mm].

    >>> grid = Grid.centred((20, 20, 20), (2.5, 2.5, 2.5), (0.0, 0.0, 0.0))
    >>> ball = 15.0 - np.sqrt(sum(axis**2 for axis in grid.mesh_mm()))
    >>> round(organ_of_field(ball, grid, {}).volume_ml)
    14
    """
    inside = np.argwhere(field > 0)
    spare = int(np.ceil(_SPARE_MM / grid.spacing_mm[0]))
    low = np.maximum(inside.min(axis=0) - spare, 0)
    high = np.minimum(inside.max(axis=0) + spare + 1, np.array(grid.shape))
    closed = _closed(np.asarray(field, np.float32), grid.spacing_mm)
    part = np.ascontiguousarray(closed[low[0] : high[0], low[1] : high[1], low[2] : high[2]])
    origin = grid.to_world(low)
    own = Grid((part.shape[0], part.shape[1], part.shape[2]), grid.spacing_mm, (origin[0], origin[1], origin[2]))
    middle = grid.to_world(inside).mean(axis=0)
    regions = Volume((part > 0).astype(np.uint8), own, Quantity.LABEL)
    line = np.stack([middle, middle + [1.0, 0.0, 0.0]])
    return Organ(Volume(part, own, Quantity.DISTANCE), line, marks, regions)


def _led_to(network: DuctNetwork, start_mm: Points, from_mm: Points) -> DuctNetwork | None:
    """Return the tree that begins at a place, with the piece that leads to it; None if nothing grew there."""
    many = len(network.nodes_mm)
    links = coo_matrix((np.ones(len(network.segments)), network.segments.T), shape=(many, many))
    _, piece = connected_components(links, directed=False)
    root = int(((network.nodes_mm - start_mm) ** 2).sum(axis=1).argmin())
    if np.linalg.norm(network.nodes_mm[root] - start_mm) > 0.1:
        return None
    mine = piece == piece[root]
    rows = mine[network.segments[:, 0]]
    number = np.where(mine, np.cumsum(mine) - 1, -1)
    nodes, radii = network.nodes_mm[mine], network.radius_mm[mine]
    segments = number[network.segments[rows]]
    lead = np.array([[len(nodes), number[root]]])
    return DuctNetwork(
        np.vstack([nodes, from_mm]),
        np.append(radii, radii[number[root]]),
        np.vstack([lead, segments]).astype(np.int32),
        np.append(network.kind[rows][:1], network.kind[rows]),
        np.append(network.order[rows][:1], network.order[rows]),
    )


def hull_field(field: Field, grid: Grid) -> Field:
    """Return the distance to the convex hull of a shape [mm, positive inside]: of a kidney, with its sinus.

    Exact inside and over faces; outside, near edges and corners, it is the distance to the nearest face's plane.
    """
    inside = np.argwhere(field > 0)
    rim = inside[field[tuple(inside.T)] < 1.5 * grid.spacing_mm[0]]
    planes = np.unique(np.round(ConvexHull(grid.to_world(rim)).equations, 6), axis=0).astype(np.float32)
    low, high = np.maximum(inside.min(axis=0) - 2, 0), np.minimum(inside.max(axis=0) + 3, field.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    x, y, z = (
        axis[part].astype(np.float32) for axis, part in zip((grid.axis_mm(a) for a in range(3)), box, strict=True)
    )
    own = np.full([len(x), len(y), len(z)], -np.inf, np.float32)
    for a, b, c, d in planes:
        np.maximum(own, a * x[:, None, None] + b * y[:, None] + c * z + d, out=own)
    out = np.full(field.shape, np.float32(-15.0))
    out[box] = np.maximum(-own, np.float32(-15.0))
    return out
