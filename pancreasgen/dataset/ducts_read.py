"""The ducts read back from the GraphML that this program writes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from pancreasgen.base.errors import BadInputError, PancreasgenError
from pancreasgen.dataset.disk import read_bytes
from pancreasgen.network.network import DuctNetwork, Kind

MAX_BYTES = 512_000_000
_SPACE = "{http://graphml.graphdrawing.org/xmlns}"


def read_graphml(path: Path) -> DuctNetwork:
    """Return the ducts of a ``ducts.graphml``.

    Raises:
        MissingInputError: If there is no such file.
        BadInputError: If it is no graph of ducts as this program writes it.
    """
    return network_of(read_bytes(path, "graph", MAX_BYTES), str(path))


def network_of(content: bytes, file: str = "the graph") -> DuctNetwork:
    """Return the ducts of GraphML bytes; nodes and segments keep their numbers.

    Args:
        content: The file.
        file: The file as the user knows it.

    Raises:
        BadInputError: If it is no graph of ducts as this program writes it.

    >>> from pancreasgen.dataset.ducts_graph import graphml_bytes
    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> network_of(graphml_bytes(duct)).nodes_mm.tolist()
    [[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]]
    """
    try:
        root = ElementTree.fromstring(content)
        names = {key.attrib["id"]: key.attrib["attr.name"] for key in root.iter(f"{_SPACE}key")}
        nodes = {int(node.attrib["id"]): _facts(node, names) for node in root.iter(f"{_SPACE}node")}
        edges = [(edge.attrib, _facts(edge, names)) for edge in root.iter(f"{_SPACE}edge")]
        if root.tag != f"{_SPACE}graphml":
            raise BadInputError("it is no GraphML")
        if list(nodes) != list(range(len(nodes))):
            raise BadInputError("its nodes are not numbered 0, 1, 2 …")
        places = [[float(facts[axis]) for axis in ("x_mm", "y_mm", "z_mm")] for facts in nodes.values()]
        return DuctNetwork(
            np.array(places, np.float64).reshape(-1, 3),
            np.array([float(facts["radius_mm"]) for facts in nodes.values()]),
            np.array([[int(ends["source"]), int(ends["target"])] for ends, _ in edges], np.int32).reshape(-1, 2),
            np.array([Kind[facts["kind"].upper()] for _, facts in edges], np.uint8),
            np.array([int(facts["order"]) for _, facts in edges], np.int16),
        )
    except (ElementTree.ParseError, KeyError, ValueError, OverflowError, PancreasgenError) as error:
        raise BadInputError(f"{file} is no graph of ducts of this program: {error}") from error


def _facts(element: ElementTree.Element, names: dict[str, str]) -> dict[str, str]:
    """Return name → text of the data of a node or an edge."""
    return {names[item.attrib["key"]]: item.text or "" for item in element}
