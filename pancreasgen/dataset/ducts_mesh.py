"""The ducts as closed surfaces: PLY (mm, LPS) and GLB (metres, glTF's axes).

Each line of :func:`~pancreasgen.dataset.ducts_chains.cut_into_chains` becomes one closed tube with round ends. Its
rings are polygons of the same area as the round lumen, and its caps enclose as much as half balls, so that few sides
change no volume: a tube encloses Σ π L (r₁² + r₁r₂ + r₂²) / 3 over its segments and ⅔ π (r₁³ + r₂³) for its ends.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pancreasgen.dataset.ducts_chains import cut_into_chains
from pancreasgen.network.network import DuctNetwork, Kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIDES = ((0.15, 6), (0.5, 8), (1.2, 12), (np.inf, 16))
"""Sides of a tube: the number that stands beside the first radius [mm] that its widest place does not pass."""

COLOURS = {
    Kind.MAIN: (255, 209, 102, 255),
    Kind.ACCESSORY: (255, 140, 66, 255),
    Kind.SIDE: (76, 201, 240, 255),
    Kind.LOBULAR: (144, 224, 168, 255),
}
"""Red, green, blue and opacity of each kind of duct in GLB."""

_LPS = np.array([-1.0, -1.0, 1.0])
_GLTF = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])  # left, head, front: a rotation of RAS
_CAP = 0.7683092839  # root of x + x² + √2 x³ = 2: a ring at 45° and an apex, blown up until they enclose a half ball
_FLATTEST = 0.5  # least 1 + cos of a bend whose ring lies in the bisecting plane: 120°
_GOLDEN_RAD = np.pi * (3 - np.sqrt(5))
_LEAST_MM = 1e-4  # points that are nearer may be one point in float32


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Triangles that close around tubes: every edge belongs to two of them.

    Attributes:
        vertices_mm: Corners (V, 3) [mm, RAS+].
        normals: Unit vectors (V, 3) that point out of the tube.
        faces: Corners of each triangle (F, 3), anticlockwise as seen from outside.
    """

    vertices_mm: Floats
    normals: Floats
    faces: Ints


def duct_surface(network: DuctNetwork, kind: Kind | None = None) -> Surface:
    """Return the ducts as closed tubes, each a shell of its own that begins inside the duct that it leaves.

    Args:
        network: The ducts. What is shorter than 0.0001 mm is left out.
        kind: Only ducts of this kind; all if None.

    Raises:
        BadInputError: If ducts run in a ring that nothing leads to.

    >>> tube = DuctNetwork([[0, 0, 0], [20, 0, 0]], [2, 2], [[0, 1]], [1], [0])
    >>> surface = duct_surface(tube)
    >>> a, b, c = surface.vertices_mm[surface.faces].transpose(1, 0, 2)
    >>> round(float((a * np.cross(b, c)).sum() / 6 / np.pi), 3)  # 20 · 2² + 4/3 · 2³
    90.667
    """
    points, radius, line = _line_points(network, kind)
    widest = np.zeros(line.max(initial=-1) + 1)
    np.maximum.at(widest, line, radius)
    limits, numbers = zip(*SIDES, strict=True)
    sides = np.array(numbers)[np.searchsorted(limits, widest)]
    parts = [Surface(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), np.int64))]
    for number in np.unique(sides[line]).tolist():
        chosen = sides[line] == number
        parts.append(_tubes(points[chosen], radius[chosen], line[chosen], number))
    before = np.cumsum([0] + [len(part.vertices_mm) for part in parts])
    return Surface(
        np.concatenate([part.vertices_mm for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.faces + count for part, count in zip(parts, before[:-1], strict=True)]),
    )


def _line_points(network: DuctNetwork, kind: Kind | None) -> tuple[Floats, Floats, Ints]:
    """Return place, radius and line of the points that tubes run through, two or more a line."""
    chains = cut_into_chains(network)
    line = np.repeat(np.arange(len(chains.kind)), np.diff(chains.offset))
    wanted = np.ones(len(line), np.bool_) if kind is None else chains.kind[line] == kind
    points, radius, line = network.nodes_mm[chains.node[wanted]], chains.radius_mm[wanted], line[wanted]
    moves = np.ones(len(line), np.bool_)
    moves[1:] = (line[1:] != line[:-1]) | (np.linalg.norm(np.diff(points, axis=0), axis=1) > _LEAST_MM)
    _, which, count = np.unique(line[moves], return_inverse=True, return_counts=True)
    kept = np.flatnonzero(moves)[count[which] > 1]
    return points[kept], radius[kept], line[kept]


def _tubes(points: Floats, radius: Floats, line: Ints, sides: int) -> Surface:
    """Return closed tubes of one number of sides along lines of points (P, 3)."""
    first, last = np.flatnonzero(np.diff(line, prepend=-1)), np.flatnonzero(np.diff(line, append=line[-1] + 1))
    arrives, leaves = _directions(points, first, last)
    turn = _GOLDEN_RAD * line[:, None] + 2 * np.pi * np.arange(sides) / sides  # tubes that meet share no corner
    across, up = _frames(arrives, first, last)
    out = np.cos(turn)[..., None] * across[:, None] + np.sin(turn)[..., None] * up[:, None]
    spoke = radius * np.sqrt(2 * np.pi / sides / np.sin(2 * np.pi / sides))  # a polygon of the circle's area
    rings = points[:, None] + spoke[:, None, None] * out
    bend = np.maximum(1 + (arrives * leaves).sum(axis=1), _FLATTEST)
    slide = spoke[:, None] * np.einsum("psx,px->ps", out, leaves) / bend[:, None]
    room = _room(points, first, last)[:, None]
    rings -= np.clip(slide, -room, room)[..., None] * arrives[:, None]  # into the plane that halves the bend
    num_lines = len(first)
    place, normal = np.empty((2, len(points) + 2 * num_lines, sides, 3))
    rank = np.repeat(np.arange(num_lines), last - first + 1)
    own = np.arange(len(points)) + 2 * rank + 1
    place[own], normal[own] = rings, out
    tips = []
    for end, ring, outward in ((first, own[first] - 1, -arrives[first]), (last, own[last] + 1, arrives[last])):
        deep = (radius[end, None] * outward)[:, None]
        place[ring] = points[end, None] + _CAP * (deep + spoke[end, None, None] * out[end])
        normal[ring] = (out[end] + outward[:, None]) / np.sqrt(2)
        tips.append(points[end] + np.sqrt(2) * _CAP * deep[:, 0])
    return Surface(
        np.concatenate([place.reshape(-1, 3), *tips]),
        np.concatenate([normal.reshape(-1, 3), -arrives[first], arrives[last]]),
        _faces(own[first] - 1, own[last] + 1, sides),
    )


def _directions(points: Floats, first: Ints, last: Ints) -> tuple[Floats, Floats]:
    """Return the direction in which the line arrives at each point and leaves it; the same at a line's ends."""
    step = np.diff(points, axis=0, append=points[-1:])
    leaves = step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), _LEAST_MM)
    arrives = np.roll(leaves, 1, axis=0)
    arrives[first] = leaves[first]
    leaves[last] = arrives[last]
    return arrives, leaves


def _room(points: Floats, first: Ints, last: Ints) -> Floats:
    """Return half the length of the shorter segment at each point: rings that stay in it never cross."""
    after = np.linalg.norm(np.diff(points, axis=0, append=points[-1:]), axis=1)
    after[last] = np.inf
    before = np.roll(after, 1)
    before[first] = np.inf
    return np.asarray(0.5 * np.minimum(before, after), dtype=np.float64)


def _frames(along: Floats, first: Ints, last: Ints) -> tuple[Floats, Floats]:
    """Return two unit vectors across each direction (P, 3), carried along each line without twist.

    The frame at a point is the product of the smallest turns from point to point. All prefixes of that product are
    found at once, in log₂ P passes of which each doubles the run that is known (Hillis and Steele 1986).
    """
    before = np.roll(along, 1, axis=0)
    before[first] = [0.0, 0.0, 1.0]
    cosine = (before * along).sum(axis=1)
    aside = np.where(np.abs(before[:, :1]) < 0.7, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    axis = np.where((cosine < -1 + 1e-12)[:, None], np.cross(before, aside), np.cross(before, along))
    turns = np.column_stack([axis, np.maximum(1 + cosine, 0.0)])  # quaternions, not yet of length 1
    position = np.arange(len(along)) - np.repeat(first, last - first + 1)
    reach = 1
    while reach <= position.max():
        far = np.flatnonzero(position >= reach)
        turns[far] = (Rotation.from_quat(turns[far]) * Rotation.from_quat(turns[far - reach])).as_quat()
        reach *= 2
    matrices = Rotation.from_quat(turns).as_matrix()
    return matrices[:, :, 0], matrices[:, :, 1]


def _faces(begin: Ints, end: Ints, sides: int) -> Ints:
    """Return the triangles of tubes whose rings are numbered from begin to end; their tips follow all rings."""
    num_rings = end[-1] + 1
    ring = np.setdiff1d(np.arange(num_rings), end, assume_unique=True)[:, None] * sides
    this = np.arange(sides)
    following = np.roll(this, -1)
    near, near_next, far, far_next = ring + this, ring + following, ring + sides + this, ring + sides + following
    tip = num_rings * sides + np.arange(2 * len(begin)).reshape(2, -1, 1) + np.zeros(sides, np.int64)
    opening, closing = begin[:, None] * sides, end[:, None] * sides
    groups = (
        (near, near_next, far),
        (near_next, far_next, far),
        (tip[0], opening + following, opening + this),
        (tip[1], closing + this, closing + following),
    )
    return np.concatenate([np.stack(group, axis=-1).reshape(-1, 3) for group in groups])


def ply_bytes(network: DuctNetwork) -> bytes:
    """Return the ducts as closed tubes in PLY (binary) [mm, LPS].

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> b"comment SPACE=LPS" in ply_bytes(duct)
    True
    """
    surface = duct_surface(network)
    vertices = (surface.vertices_mm * _LPS).astype("<f4")  # half a turn about z: triangles keep facing outwards
    faces = np.zeros(len(surface.faces), dtype=[("n", "u1"), ("v", "<i4", 3)])
    faces["n"], faces["v"] = 3, surface.faces
    head = (
        "ply\nformat binary_little_endian 1.0\ncomment pancreasgen: synthetic pancreatic ducts, mm\ncomment SPACE=LPS\n"
        f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return head.encode() + vertices.tobytes() + faces.tobytes()


def glb_bytes(network: DuctNetwork) -> bytes:
    """Return the ducts as closed tubes in binary glTF 2.0, a mesh and a colour a kind.

    Units and axes are those that glTF asks for: metres; x to the patient's left, y to the head, z to the front, so that
    a viewer shows the patient from the front.

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> glb_bytes(duct)[:4]
    b'glTF'
    """
    import trimesh

    scene = trimesh.Scene()
    for kind in Kind:
        surface = duct_surface(network, kind)
        if len(surface.faces):
            name = f"{kind.name.lower()}_ducts"
            paint = trimesh.visual.material.PBRMaterial(
                name=name, baseColorFactor=COLOURS[kind], metallicFactor=0.0, roughnessFactor=0.6
            )
            mesh = trimesh.Trimesh(
                vertices=surface.vertices_mm @ _GLTF.T / 1000,
                faces=surface.faces,
                vertex_normals=surface.normals @ _GLTF.T,
                visual=trimesh.visual.TextureVisuals(material=paint),
                process=False,
            )
            scene.add_geometry(mesh, node_name=name, geom_name=name)
    if not scene.geometry:
        return _empty_glb()
    return bytes(scene.export(file_type="glb", include_normals=True))


def _empty_glb() -> bytes:
    """Return a scene without anything in it: a head, and a chunk of JSON filled up to a multiple of four."""
    text = json.dumps({"asset": {"version": "2.0", "generator": "pancreasgen"}, "scene": 0, "scenes": [{}]}).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text
