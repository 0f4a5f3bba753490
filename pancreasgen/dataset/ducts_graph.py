"""The ducts as a graph and as lines: GraphML and VTP, which hold loops. Coordinates are mm, RAS+."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.grid import Grid
from pancreasgen.dataset.ducts_chains import cut_into_chains
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.resolvable import resolvable
from pancreasgen.organ.organ import Organ, Region

_GRAPHML_HEAD = (
    "<?xml version='1.0' encoding='utf-8'?>\n"
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns '
    'http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">\n'
)
_GRAPH_FACTS = {"space": "RAS+", "unit": "mm", "source": "pancreasgen (synthetic)"}
_NODE_FIELDS = {"x_mm": "double", "y_mm": "double", "z_mm": "double", "radius_mm": "double"}
_EDGE_FIELDS = {
    "kind": "string", "order": "long", "length_mm": "double", "radius_start_mm": "double", "radius_end_mm": "double",
}  # fmt: skip


def graphml_bytes(network: DuctNetwork, organ: Organ | None = None, image: Grid | None = None) -> bytes:
    """Return the network as GraphML: nodes with x, y, z, radius (and region), edges with kind, order and length [mm].

    Args:
        network: The ducts; an edge runs from the end nearer to the papilla.
        organ: If given, each node names the region of the gland that it lies in.
        image: If given, each edge says whether it is ``resolvable`` on this grid, and the graph holds the voxel's size.

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> import io, networkx
    >>> networkx.read_graphml(io.BytesIO(graphml_bytes(duct))).edges["0", "1"]["radius_end_mm"]
    0.5
    """
    node_fields = _NODE_FIELDS | ({"region": "string"} if organ is not None else {})
    columns = [*network.nodes_mm.T.tolist(), network.radius_mm.tolist()]
    if organ is not None:
        columns.append(_region_names(network, organ))
    nodes = _elements('<node id="%d">', node_fields, "n", [range(len(network.nodes_mm)), *columns], "</node>\n")
    names = {int(kind): kind.name.lower() for kind in Kind}
    facts: list[list[object]] = [
        [names[kind] for kind in network.kind.tolist()],
        network.order.tolist(),
        np.round(network.lengths_mm, 6).tolist(),
        *network.capsule_radii_mm.T.tolist(),
    ]
    edge_fields, about, types = _EDGE_FIELDS, _GRAPH_FACTS, dict.fromkeys(_GRAPH_FACTS, "string")
    if image is not None:
        edge_fields, types = edge_fields | {"resolvable": "boolean"}, types | {"resolvable_voxel_mm": "string"}
        about = about | {"resolvable_voxel_mm": " ".join(map(repr, image.spacing_mm))}
        facts.append(["true" if wide else "false" for wide in resolvable(network, image).tolist()])
    ends = network.segments.T.tolist()
    edges = _elements('<edge source="%d" target="%d">', edge_fields, "e", [*ends, *facts], "</edge>\n")
    keys = _keys("graph", types, "g") + _keys("node", node_fields, "n") + _keys("edge", edge_fields, "e")
    graph = "".join(f'<data key="g{i}">{text}</data>\n' for i, text in enumerate(about.values()))
    parts = [_GRAPHML_HEAD, keys, '<graph edgedefault="directed">\n', graph, nodes, edges, "</graph>\n</graphml>\n"]
    return "".join(parts).encode()


def _keys(owner: str, fields: dict[str, str], prefix: str) -> str:
    return "".join(
        f'<key id="{prefix}{i}" for="{owner}" attr.name="{name}" attr.type="{kind}" />\n'
        for i, (name, kind) in enumerate(fields.items())
    )


def _elements(
    opening: str, fields: dict[str, str], prefix: str, columns: Sequence[Sequence[object]], closing: str
) -> str:
    """Write one element a row: its opening tag, a ``<data>`` for each field, and its closing tag."""
    data = "".join(f'<data key="{prefix}{i}">%s</data>' for i in range(len(fields)))
    row = opening + data + closing
    return (row * len(columns[-1])) % tuple(chain.from_iterable(zip(*columns, strict=True)))


def _region_names(network: DuctNetwork, organ: Organ) -> list[str]:
    grid = organ.regions.grid
    index = np.clip(np.rint(grid.to_index(network.nodes_mm)).astype(int), 0, np.array(grid.shape) - 1)
    names = {int(region): region.name.lower() for region in Region}
    return [names[value] for value in organ.regions.data[tuple(index.T)].tolist()]


def vtp_bytes(network: DuctNetwork) -> bytes:
    """Return the network as VTK PolyData (XML, ASCII): a polyline a duct, cut where its kind changes [mm, RAS+].

    Points carry ``radius_mm`` and ``node``, the number of the node in GraphML; a branch has a point of its own where
    it begins, with its own radius. Lines carry ``kind``, ``order`` and ``duct``, which pieces of one duct share.
    Numbers are written in full: reading gives the same float64 back.

    Raises:
        BadInputError: If ducts run in a ring that nothing leads to.

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> '<DataArray type="Float64" Name="radius_mm" format="ascii">1.0 0.5</DataArray>' in vtp_bytes(duct).decode()
    True
    """
    lines = cut_into_chains(network)
    kinds = ", ".join(f"{item.value} {item.name.lower()}" for item in Kind)
    points = _array("Float64", "radius_mm", lines.radius_mm) + _array("Int32", "node", lines.node)
    cells = _array("UInt8", "kind", lines.kind) + _array("Int16", "order", lines.order)
    cells += _array("Int32", "duct", lines.duct)
    place = _array("Float64", "points", network.nodes_mm[lines.node].ravel(), ' NumberOfComponents="3"')
    run = _array("Int64", "connectivity", np.arange(len(lines.node))) + _array("Int64", "offsets", lines.offset[1:])
    return f"""<?xml version="1.0"?>
<!-- pancreasgen: synthetic pancreatic ducts, mm, RAS+; kinds: {kinds} -->
<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian">
<PolyData>
<Piece NumberOfPoints="{len(lines.node)}" NumberOfVerts="0" NumberOfLines="{len(lines.kind)}" NumberOfStrips="0" \
NumberOfPolys="0">
<PointData Scalars="radius_mm">
{points}</PointData>
<CellData Scalars="kind">
{cells}</CellData>
<Points>
{place}</Points>
<Lines>
{run}</Lines>
</Piece>
</PolyData>
</VTKFile>
""".encode()


def _array(kind: str, name: str, values: NDArray[np.generic], more: str = "") -> str:
    text = " ".join(map(repr, values.tolist()))
    return f'<DataArray type="{kind}" Name="{name}"{more} format="ascii">{text}</DataArray>\n'
