"""The ducts in forms that others read: GraphML, SWC, VTP and PLY. Coordinates are mm; RAS+ but for PLY (LPS)."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.organ import Organ, Region

_SIDES = 8


def graphml_bytes(network: DuctNetwork, organ: Organ | None = None) -> bytes:
    """Return the network as GraphML: nodes with x, y, z, radius (and region), edges with kind, order and length [mm].

    Args:
        network: The ducts; an edge runs from the end nearer to the papilla.
        organ: If given, each node names the region of the gland that it lies in.
    """
    import networkx

    graph = networkx.DiGraph(space="RAS+", unit="mm", source="pancreasgen (synthetic)")
    regions = _region_names(network, organ) if organ is not None else None
    for number, (point, radius) in enumerate(zip(network.nodes_mm.tolist(), network.radius_mm.tolist(), strict=True)):
        fields = {"x_mm": point[0], "y_mm": point[1], "z_mm": point[2], "radius_mm": radius}
        graph.add_node(number, **fields, **({"region": regions[number]} if regions else {}))
    ends = network.capsule_radii_mm.tolist()
    rows = zip(network.segments.tolist(), network.kind.tolist(), network.order.tolist(), strict=True)
    for ((start, end), kind, order), length, radii in zip(rows, network.lengths_mm.tolist(), ends, strict=True):
        fields = {"length_mm": round(length, 6), "radius_start_mm": radii[0], "radius_end_mm": radii[1]}
        graph.add_edge(start, end, kind=Kind(kind).name.lower(), order=order, **fields)
    stream = io.BytesIO()
    networkx.write_graphml_xml(graph, stream, prettyprint=True)
    return stream.getvalue()


def _region_names(network: DuctNetwork, organ: Organ) -> list[str]:
    grid = organ.regions.grid
    index = np.clip(np.rint(grid.to_index(network.nodes_mm)).astype(int), 0, np.array(grid.shape) - 1)
    return [Region(int(value)).name.lower() for value in organ.regions.data[tuple(index.T)]]


def swc_bytes(network: DuctNetwork) -> bytes:
    """Return the network as SWC: ``id type x y z radius parent`` [mm, RAS+].

    SWC knows trees only. Segments that close a loop are left out and listed in the head as ``# loop: id id``. The type
    is 10 plus the duct's kind (11 main, 12 accessory, 13 side, 14 lobular); the first node of a tree is its root.
    """
    parent, kind, loops, order = _tree(network)
    names = ", ".join(f"{10 + item} {item.name.lower()}" for item in Kind)
    head = ["# pancreasgen: synthetic pancreatic ducts, mm, RAS+", f"# types: {names}"]
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(1, len(order) + 1)
    head += [f"# loop: {number[a]} {number[b]}" for a, b in loops]
    rows = []
    for node in order.tolist():
        x, y, z = network.nodes_mm[node].tolist()
        up = number[parent[node]] if parent[node] >= 0 else -1
        rows.append(f"{number[node]} {10 + kind[node]} {x:.6g} {y:.6g} {z:.6g} {network.radius_mm[node]:.6g} {up}")
    return ("\n".join(head + rows) + "\n").encode()


def _tree(
    network: DuctNetwork,
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[tuple[int, int]], NDArray[np.int64]]:
    """Return parent and kind of each node, the segments that close loops, and the nodes with parents first."""
    count = len(network.nodes_mm)
    parent, kind = np.full(count, -1, dtype=np.int64), np.full(count, int(Kind.MAIN), dtype=np.int64)
    has_parent, loops = np.zeros(count, dtype=bool), []
    for (start, end), this in zip(network.segments.tolist(), network.kind.tolist(), strict=True):
        if has_parent[end]:
            loops.append((start, end))
        else:
            parent[end], kind[end], has_parent[end] = start, this, True
    children: dict[int, list[int]] = {}
    for node in np.flatnonzero(has_parent).tolist():
        children.setdefault(int(parent[node]), []).append(node)
    order: list[int] = []
    stack = np.flatnonzero(~has_parent)[::-1].tolist()
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(reversed(children.get(node, [])))
    return parent, kind, loops, np.array(order, dtype=np.int64)


def vtp_bytes(network: DuctNetwork) -> bytes:
    """Return the network as VTK PolyData (XML, ASCII): a line a segment, radius at points, kind and order at lines."""
    points, lines = len(network.nodes_mm), len(network.segments)
    order = " ".join(map(str, network.order.tolist()))
    kind = " ".join(map(str, network.kind.tolist()))
    ends = " ".join(map(str, network.segments.ravel().tolist()))
    offsets = " ".join(str(2 * i + 2) for i in range(lines))
    radius = " ".join(f"{r:.6g}" for r in network.radius_mm.tolist())
    place = " ".join(f"{v:.9g}" for v in network.nodes_mm.ravel().tolist())
    return f"""<?xml version="1.0"?>
<!-- pancreasgen: synthetic pancreatic ducts, mm, RAS+ -->
<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian">
<PolyData>
<Piece NumberOfPoints="{points}" NumberOfVerts="0" NumberOfLines="{lines}" NumberOfStrips="0" NumberOfPolys="0">
<PointData Scalars="radius_mm">
<DataArray type="Float64" Name="radius_mm" format="ascii">{radius}</DataArray></PointData>
<CellData Scalars="kind"><DataArray type="UInt8" Name="kind" format="ascii">{kind}</DataArray>
<DataArray type="Int16" Name="order" format="ascii">{order}</DataArray></CellData>
<Points><DataArray type="Float64" NumberOfComponents="3" format="ascii">{place}</DataArray></Points>
<Lines><DataArray type="Int64" Name="connectivity" format="ascii">{ends}</DataArray>
<DataArray type="Int64" Name="offsets" format="ascii">{offsets}</DataArray></Lines>
</Piece></PolyData>
</VTKFile>
""".encode()


def ply_bytes(network: DuctNetwork) -> bytes:
    """Return the ducts as a triangle surface: an open tapered tube of eight sides a segment [mm, LPS]."""
    ends = network.nodes_mm[network.segments]
    along = ends[:, 1] - ends[:, 0]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(along, side)
    turn = 2 * np.pi * np.arange(_SIDES) / _SIDES
    ring = np.cos(turn)[None, :, None] * side[:, None] + np.sin(turn)[None, :, None] * up[:, None]
    radius = network.capsule_radii_mm
    corners = ends[:, :, None, :] + radius[:, :, None, None] * ring[:, None]
    vertices = (corners * [-1.0, -1.0, 1.0]).reshape(-1, 3).astype("<f4")
    i = np.arange(_SIDES)
    j = (i + 1) % _SIDES
    quad = np.concatenate([np.stack([i, j, i + _SIDES], 1), np.stack([j, j + _SIDES, i + _SIDES], 1)])
    triangles = (quad[None] + 2 * _SIDES * np.arange(len(ends))[:, None, None]).reshape(-1, 3)
    faces = np.zeros(len(triangles), dtype=[("n", "u1"), ("v", "<i4", 3)])
    faces["n"], faces["v"] = 3, triangles
    head = (
        "ply\nformat binary_little_endian 1.0\ncomment pancreasgen: synthetic pancreatic ducts, mm\ncomment SPACE=LPS\n"
        f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return head.encode() + vertices.tobytes() + faces.tobytes()


SUFFIXES = (".graphml", ".swc", ".vtp", ".ply")
"""What :func:`duct_bytes` can write."""


def duct_bytes(suffix: str, network: DuctNetwork, organ: Organ | None) -> bytes:
    """Return the ducts in the form that a file's suffix asks for (one of :data:`SUFFIXES`)."""
    if suffix == ".graphml":
        return graphml_bytes(network, organ)
    return {".swc": swc_bytes, ".vtp": vtp_bytes, ".ply": ply_bytes}[suffix](network)
