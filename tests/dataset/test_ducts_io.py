"""The ducts in other people's forms."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import networkx
import numpy as np
import pytest
import trimesh

from pancreasgen.dataset.ducts_io import SUFFIXES, duct_bytes, graphml_bytes, ply_bytes, swc_bytes, vtp_bytes
from pancreasgen.network.network import DuctNetwork

FORK = DuctNetwork(
    [[0, 0, 0], [5, 0, 0], [9, 0, 0], [5, 3, 0]],
    [2, 1.5, 1, 0.4],
    np.array([[0, 1], [1, 2], [1, 3]]),
    np.array([1, 1, 3], "u1"),
    np.array([0, 0, 1], "i2"),
)
LOOP = DuctNetwork(
    [[0, 0, 0], [5, 0, 0], [5, 5, 0]],
    [1, 1, 1],
    np.array([[0, 1], [1, 2], [0, 2]]),
    np.array([1, 2, 2], "u1"),
    np.array([0, 0, 0], "i2"),
)


def test_graphml_keeps_places_radii_and_kinds() -> None:
    """Networkx reads back what the network holds, with the direction away from the papilla."""
    graph = networkx.read_graphml(io.BytesIO(graphml_bytes(FORK)), node_type=int)
    assert [graph.nodes[n]["x_mm"] for n in range(4)] == [0, 5, 9, 5]
    assert graph.edges[1, 3]["kind"] == "side"
    assert graph.edges[1, 3]["radius_start_mm"] == 0.4
    assert graph.edges[0, 1]["length_mm"] == 5.0


def test_swc_is_a_tree_with_parents_first() -> None:
    """Every parent stands above its child; the root has −1; types are 10 + kind."""
    rows = [line.split() for line in swc_bytes(FORK).decode().splitlines() if not line.startswith("#")]
    assert [int(row[6]) for row in rows] == [-1, 1, 2, 2]
    assert all(int(row[6]) < int(row[0]) for row in rows)
    assert rows[3][1] == "13"
    assert rows[3][2:6] == ["5", "3", "0", "0.4"]


def test_swc_tells_what_it_leaves_out() -> None:
    """A segment that closes a loop is listed, because SWC cannot hold it."""
    text = swc_bytes(LOOP).decode()
    assert "# loop: 1 3" in text
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 3


def test_vtp_is_well_formed_and_counts_agree() -> None:
    """Points, lines, offsets and arrays have the lengths that the head promises."""
    piece = ET.fromstring(vtp_bytes(FORK)).find("PolyData/Piece")
    assert piece is not None
    assert (piece.get("NumberOfPoints"), piece.get("NumberOfLines")) == ("4", "3")
    arrays = {item.get("Name") or "points": (item.text or "").split() for item in piece.iter("DataArray")}
    assert arrays["offsets"] == ["2", "4", "6"]
    assert arrays["connectivity"] == ["0", "1", "1", "2", "1", "3"]
    assert arrays["kind"] == ["1", "1", "3"]
    assert len(arrays["points"]) == 12


def test_ply_tubes_have_the_right_area_in_lps() -> None:
    """The surface of a straight tube with eight sides is 8 · 2 r sin(π/8) · L; x and y have changed sign."""
    tube = DuctNetwork([[10, 0, 0], [30, 0, 0]], [2, 2], np.array([[0, 1]]), np.array([1], "u1"), np.array([0], "i2"))
    content = ply_bytes(tube)
    assert b"comment SPACE=LPS" in content
    mesh = trimesh.load(io.BytesIO(content), file_type="ply", process=False)
    assert mesh.area == pytest.approx(8 * 2 * 2 * np.sin(np.pi / 8) * 20, rel=1e-5)
    assert mesh.bounds[:, 0].tolist() == [-30, -10]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_network_is_written_too(suffix: str) -> None:
    """No ducts is a valid answer of a grammar."""
    empty = DuctNetwork(np.zeros((0, 3)), np.zeros(0), np.zeros((0, 2), "i4"), np.zeros(0, "u1"), np.zeros(0, "i2"))
    assert duct_bytes(suffix, empty, None)
