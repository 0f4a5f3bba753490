"""Ducts in other people's readers: NeuroM, MorphIO, VTK, networkx and trimesh find the same ducts, loop and all."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import networkx
import numpy as np
import pytest
import trimesh

from pancreasgen.base.chance import Chance
from pancreasgen.dataset.ducts_chains import cut_into_chains
from pancreasgen.dataset.ducts_io import (
    duct_bytes,
    glb_bytes,
    graphml_bytes,
    lost_in_swc,
    ply_bytes,
    swc_bytes,
    vtp_bytes,
)
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.network.grow import grow
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.organ import Organ

SEED = 1


@pytest.fixture(scope="module")
def organ() -> Organ:
    """Return a small gland."""
    return shape_organ(Gland(length_mm=120, ap_head_mm=18, ap_body_mm=13, ap_tail_mm=11), Chance(SEED, 0, "organ"))


@pytest.fixture(scope="module")
def network(organ: Organ) -> DuctNetwork:
    """Return its ducts, with an accessory duct that joins the main duct."""
    grammar = parse_grammar(find_grammar("human_pancreas").text, id="human_pancreas", file="")
    network = grow(grammar, organ, {"p_acc": 1.0}, Chance(SEED, 0, "growth"))
    assert len(lost_in_swc(network)) == 1
    return network


@pytest.fixture(scope="module")
def files(network: DuctNetwork, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the ducts on disk by suffix."""
    folder = tmp_path_factory.mktemp("ducts")
    paths = {suffix: folder / f"ducts{suffix}" for suffix in (".swc", ".vtp", ".ply", ".glb")}
    for suffix, path in paths.items():
        path.write_bytes(duct_bytes(suffix, network, None))
    return paths


@pytest.fixture
def quiet_morphio():
    """MorphIO warns of neurons without a soma; ducts have none."""
    import morphio

    ignored = (morphio.Warning.no_soma_found, morphio.Warning.disconnected_neurite)
    for warning in ignored:
        morphio.set_ignored_warning(warning, True)
    yield morphio
    for warning in ignored:
        morphio.set_ignored_warning(warning, False)


def test_morphio_reads_swc(network, files, quiet_morphio):
    """MorphIO finds a tree for each papilla, the four kinds as types, and the network's length (in float32)."""
    morphology = quiet_morphio.Morphology(str(files[".swc"]))
    roots = ~np.isin(np.arange(len(network.nodes_mm)), network.segments[:, 1])
    assert len(morphology.root_sections) == roots.sum() == 2
    steps = [np.linalg.norm(np.diff(s.points.astype(float), axis=0), axis=1).sum() for s in morphology.sections]
    assert sum(steps) == pytest.approx(network.lengths_mm.sum(), rel=1e-6)
    for kind in Kind:
        length = sum(step for step, s in zip(steps, morphology.sections, strict=True) if int(s.type) == 10 + int(kind))
        assert length == pytest.approx(network.lengths_mm[network.kind == kind].sum(), rel=1e-5)


def test_a_kind_that_changes_between_forks_is_readable_too(quiet_morphio, tmp_path):
    """MorphIO refuses types that change without a fork: the piece keeps its first type, and the change is reported."""
    places = [[0, 0, 0], [5, 0, 0], [9, 0, 0], [9, 3, 0], [12, 0, 0]]
    segments = [[0, 1], [1, 2], [2, 3], [2, 4]]
    ducts = DuctNetwork(places, [1, 0.5, 0.2, 0.05, 0.2], segments, [2, 3, 4, 3], [0, 1, 2, 1])
    path = tmp_path / "ducts.swc"
    path.write_bytes(swc_bytes(ducts))
    sections = quiet_morphio.Morphology(str(path)).sections
    lengths = {int(s.type): float(np.ptp(s.points, axis=0).sum()) for s in sections}
    assert lengths == pytest.approx({12: 9, 13: 3, 14: 3})
    assert lost_in_swc(ducts) == [
        "SWC types change at forks only: 4.0 mm have the type of the duct that they continue."
    ]


def test_neurom_measures_swc(network, files, quiet_morphio):
    """NeuroM finds two trees, the network's length, and its ends with the accessory duct's blind one."""
    import neurom

    morphology = neurom.load_morphology(str(files[".swc"]))
    assert len(morphology.neurites) == 2
    assert neurom.get("total_length", morphology) == pytest.approx(network.lengths_mm.sum(), rel=1e-6)
    ends = np.setdiff1d(network.segments[:, 1], network.segments[:, 0])
    assert neurom.get("number_of_leaves", morphology) == len(ends) + len(lost_in_swc(network))


def test_vtk_reads_vtp(network, files):
    """VTK finds the network's length over all and by kind, and the very radii of every tube at both its ends."""
    import pyvista

    ducts = pyvista.read(files[".vtp"])
    length = ducts.compute_cell_sizes(area=False, volume=False)["Length"]
    assert length.sum() == pytest.approx(network.lengths_mm.sum(), rel=1e-12)
    for kind in Kind:
        found = length[ducts.cell_data["kind"] == kind].sum()
        assert found == pytest.approx(network.lengths_mm[network.kind == kind].sum(), rel=1e-12)
    node, radius, found = ducts.point_data["node"], ducts.point_data["radius_mm"], {}
    for line in _lines(ducts):
        for a, b in itertools.pairwise(line):
            found[node[a], node[b]] = (radius[a], radius[b])
    wanted = dict(
        zip(map(tuple, network.segments.tolist()), map(tuple, network.capsule_radii_mm.tolist()), strict=True)
    )
    assert found == wanted


def _lines(ducts):
    offsets, points = ducts.GetLines().GetOffsetsArray(), ducts.GetLines().GetConnectivityArray()
    return np.split(np.asarray(points), np.asarray(offsets)[1:-1])


def test_the_accessory_ducts_loop_is_in_graphml_and_vtp(network, files):
    """Both hold one cycle; its ducts are the main and the accessory one, and both begin at a papilla."""
    graph = networkx.read_graphml(io.BytesIO(graphml_bytes(network)), node_type=int).to_undirected()
    import pyvista

    ducts = pyvista.read(files[".vtp"])
    node = ducts.point_data["node"]
    lines = networkx.Graph()
    for line in _lines(ducts):
        networkx.add_path(lines, node[line].tolist())
    assert set(map(frozenset, graph.edges)) == set(map(frozenset, lines.edges))
    roots = np.setdiff1d(network.segments[:, 0], network.segments[:, 1]).tolist()
    assert len(roots) == 2
    assert networkx.is_connected(lines)  # two trees that the joint makes one graph
    path = networkx.shortest_path(lines, *roots)
    assert {graph.edges[edge]["kind"] for edge in itertools.pairwise(path)} == {"main", "accessory"}


def test_graphml_says_what_networkx_would_write(network, organ):
    """Our own writer's file reads back as the graph that networkx writes from the same facts, to the last bit."""
    network = _part(network, 3000)
    again = networkx.read_graphml(io.BytesIO(graphml_bytes(network, organ)), node_type=int)
    twin = networkx.DiGraph(space="RAS+", unit="mm", source="pancreasgen (synthetic)")
    for number, (place, radius) in enumerate(zip(network.nodes_mm.tolist(), network.radius_mm.tolist(), strict=True)):
        region = again.nodes[number]["region"]
        twin.add_node(number, x_mm=place[0], y_mm=place[1], z_mm=place[2], radius_mm=radius, region=region)
    for row, (start, end) in enumerate(network.segments.tolist()):
        radii, kind = network.capsule_radii_mm[row].tolist(), Kind(int(network.kind[row])).name.lower()
        fields = {"length_mm": round(float(network.lengths_mm[row]), 6), "radius_start_mm": radii[0]}
        twin.add_edge(start, end, kind=kind, order=int(network.order[row]), radius_end_mm=radii[1], **fields)
    stream = io.BytesIO()
    networkx.write_graphml_xml(twin, stream)
    stream.seek(0)
    twin = networkx.read_graphml(stream, node_type=int)
    assert networkx.utils.graphs_equal(again, twin)
    assert {"head", "uncinate"} & {data["region"] for _, data in again.nodes(data=True)}


def _part(network: DuctNetwork, count: int) -> DuctNetwork:
    """The segments that lie closest to the papillae: those whose nodes are the first."""
    rows = (network.segments < count).all(axis=1)
    return DuctNetwork(
        network.nodes_mm[:count],
        network.radius_mm[:count],
        network.segments[rows],
        network.kind[rows],
        network.order[rows],
    )


def tube_volume_mm3(network: DuctNetwork, kinds=tuple(Kind)) -> float:
    """Σ π L (r₁² + r₁r₂ + r₂²) / 3 over segments, and half a ball at each end of each line."""
    radii, chosen, lines = network.capsule_radii_mm, np.isin(network.kind, kinds), cut_into_chains(network)
    ends = np.stack([lines.radius_mm[lines.offset[:-1]], lines.radius_mm[lines.offset[1:] - 1]])
    frusta = np.pi / 3 * network.lengths_mm * ((radii**2).sum(axis=1) + radii.prod(axis=1))
    return float(frusta[chosen].sum() + 2 / 3 * np.pi * (ends[:, np.isin(lines.kind, kinds)] ** 3).sum())


@pytest.mark.parametrize("process", [False, True])
def test_ply_is_watertight(network, files, process):
    """Every edge has two faces that run opposite ways, and the shells enclose what the round tubes do, within 0.1 %."""
    mesh = trimesh.load(files[".ply"], process=process)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(tube_volume_mm3(network), rel=1e-3)


def test_every_tube_is_a_closed_shell(network):
    """There are as many shells as lines, and each encloses a positive volume: none is inside out."""
    network = _part(network, 1500)
    mesh = trimesh.load(io.BytesIO(ply_bytes(network)), file_type="ply", process=False)
    shells = mesh.split(only_watertight=True)
    assert len(shells) == len(cut_into_chains(network).kind)
    assert min(shell.volume for shell in shells) > 0


def test_glb_is_watertight_by_kind_in_the_axes_of_gltf(network, files):
    """A mesh a kind, closed, in metres; x is the patient's left, y the head, z the front."""
    scene = trimesh.load(files[".glb"])
    assert set(scene.geometry) == {f"{kind.name.lower()}_ducts" for kind in Kind}
    for kind in Kind:
        mesh = scene.geometry[f"{kind.name.lower()}_ducts"]
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume * 1e9 == pytest.approx(tube_volume_mm3(network, (kind,)), rel=1e-3)
        assert np.median(np.einsum("fx,fx->f", mesh.face_normals, mesh.vertex_normals[mesh.faces[:, 0]])) > 0.8
    right, front, head = network.nodes_mm.mean(axis=0)
    low, high = scene.bounds * 1000
    assert (low < [-right, head, front]).all()
    assert (high > [-right, head, front]).all()
    widest = network.radius_mm.max() + 0.5
    assert np.allclose(low, [-network.nodes_mm[:, 0].max(), *network.nodes_mm.min(axis=0)[[2, 1]]], atol=widest)
    assert np.allclose(high, [-network.nodes_mm[:, 0].min(), *network.nodes_mm.max(axis=0)[[2, 1]]], atol=widest)


def test_glb_and_ply_are_the_same_shape(network):
    """Turned back to RAS+ mm, both enclose the same volume and span the same box."""
    network = _part(network, 2000)
    ply = trimesh.load(io.BytesIO(ply_bytes(network)), file_type="ply")
    glb = trimesh.load(io.BytesIO(glb_bytes(network)), file_type="glb", force="mesh")
    left, head, front = (glb.bounds * 1000).T
    assert np.allclose(np.sort(ply.bounds * [-1, -1, 1], axis=0).T, [np.sort(-left), front, head], atol=1e-4)
    assert glb.volume * 1e9 == pytest.approx(ply.volume, rel=1e-5)


def test_lengths_agree_between_formats(network, files, quiet_morphio):
    """GraphML, SWC and VTP hold the same length as the network; GraphML writes lengths to 1e-6 mm."""
    graph = networkx.read_graphml(io.BytesIO(graphml_bytes(network)), node_type=int)
    wanted = network.lengths_mm.sum()
    assert sum(length for *_, length in graph.edges(data="length_mm")) == pytest.approx(wanted, rel=1e-6)
    place = np.array([[data[f"{axis}_mm"] for axis in "xyz"] for _, data in sorted(graph.nodes(data=True))])
    ends = place[np.array(graph.edges)]
    assert np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum() == pytest.approx(wanted, rel=1e-12)
    rows = np.loadtxt(io.BytesIO(swc_bytes(network)))
    below = rows[rows[:, 6] > 0]
    swc = np.linalg.norm(below[:, 2:5] - rows[below[:, 6].astype(int) - 1, 2:5], axis=1).sum()
    assert swc == pytest.approx(wanted, rel=1e-6)
    assert b"# loop: " in swc_bytes(network)
    assert vtp_bytes(network).count(b"<DataArray") == 8
