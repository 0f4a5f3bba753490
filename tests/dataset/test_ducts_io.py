"""The ducts in other people's forms."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable

import networkx
import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError
from pancreasgen.dataset.ducts_io import (
    SUFFIXES,
    duct_bytes,
    glb_bytes,
    graphml_bytes,
    lost_in_swc,
    ply_bytes,
    swc_bytes,
    vtp_bytes,
)
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
    assert [int(row[6]) for row in rows] == [-1, 1, 2, 2, 4]
    assert all(int(row[6]) < int(row[0]) for row in rows)
    assert rows[4][1] == "13"
    assert rows[4][2:6] == ["5", "3", "0", "0.4"]


@pytest.mark.parametrize(("trunk_radius", "expected"), [(1.0, 1.0), (1.5, 1.5), (2.5, 1.5)])
def test_a_branch_in_swc_is_a_funnel_inside_its_trunk_only(trunk_radius: float, expected: float) -> None:
    """The branch has its own radius from one trunk radius on, or from half its first segment if that is less."""
    ducts = DuctNetwork(FORK.nodes_mm, [3, trunk_radius, 1, 0.4], FORK.segments, FORK.kind, FORK.order)
    rows = np.loadtxt(io.BytesIO(swc_bytes(ducts)))
    begin, end = rows[rows[:, 1] == 13]
    assert begin[2:6].tolist() == [5, expected, 0, 0.4]
    assert end[6] == begin[0]


def test_swc_tells_what_it_leaves_out() -> None:
    """A duct that joins another keeps its length in SWC, with an end of its own, and the loop is told."""
    text = swc_bytes(LOOP).decode()
    rows = np.loadtxt(io.StringIO(text))
    (told,) = [line.split()[2:4] for line in text.splitlines() if line.startswith("# loop:")]
    blind, joint = (rows[int(number) - 1] for number in told)
    assert blind[2:6].tolist() == joint[2:6].tolist() == [5, 5, 0, 1]
    below = rows[rows[:, 6] > 0]
    lengths = np.linalg.norm(below[:, 2:5] - rows[below[:, 6].astype(int) - 1, 2:5], axis=1)
    assert lengths.sum() == pytest.approx(LOOP.lengths_mm.sum(), rel=1e-9)
    joined = [sentence for sentence in lost_in_swc(LOOP) if "joins" in sentence]
    assert len(joined) == 1
    assert "accessory duct ends blind at (5.0, 5.0, 0.0) mm" in joined[0]
    assert lost_in_swc(FORK) == []


@pytest.mark.parametrize("write", [swc_bytes, vtp_bytes, ply_bytes, glb_bytes])
def test_ducts_in_a_ring_are_refused(write: Callable[[DuctNetwork], bytes]) -> None:
    """Three segments that follow each other for ever lead nowhere: the letter says so and nothing is left out."""
    ring = DuctNetwork(LOOP.nodes_mm, LOOP.radius_mm, [[0, 1], [1, 2], [2, 0]], LOOP.kind, LOOP.order)
    with pytest.raises(BadInputError, match="ring"):
        write(ring)


def test_vtp_has_a_line_a_duct_with_its_own_radius() -> None:
    """The trunk is one line through its fork; the branch begins there with a point of its own, as wide as itself."""
    piece = ET.fromstring(vtp_bytes(FORK)).find("PolyData/Piece")
    assert piece is not None
    assert (piece.get("NumberOfPoints"), piece.get("NumberOfLines")) == ("5", "2")
    arrays = {item.get("Name") or "": (item.text or "").split() for item in piece.iter("DataArray")}
    assert arrays["offsets"] == ["3", "5"]
    assert arrays["node"] == ["0", "1", "2", "1", "3"]
    assert [float(value) for value in arrays["radius_mm"]] == [2, 1.5, 1, 0.4, 0.4]
    assert (arrays["kind"], arrays["order"], arrays["duct"]) == (["1", "3"], ["0", "1"], ["0", "1"])
    assert len(arrays["points"]) == 15


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_network_is_written_too(suffix: str) -> None:
    """No ducts is a valid answer of a grammar."""
    empty = DuctNetwork(np.zeros((0, 3)), np.zeros(0), np.zeros((0, 2), "i4"), np.zeros(0, "u1"), np.zeros(0, "i2"))
    assert duct_bytes(suffix, empty, None)
