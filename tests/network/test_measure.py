"""Measures of networks whose truth is known: by formula, by construction, by a slow twin."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.measure import duct_measures, gland_measures, resolvable_on
from pancreasgen.network.branches import branch_measures
from pancreasgen.network.coverage import nearest_segment_mm
from pancreasgen.network.forks import fork_measures, murray_exponents
from pancreasgen.network.links import angles_deg, links
from pancreasgen.network.measure import measure
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.strahler import strahler_measures, strahler_orders
from pancreasgen.network.variant import variant_measures
from pancreasgen.organ.organ import Organ, Region

DOCUMENT = (Path(__file__).parents[2] / "docs" / "measures.md").read_text(encoding="utf-8")
RNG = np.random.default_rng(7)


def tree(parents: list[int], *, nodes: np.ndarray | None = None, radius: np.ndarray | None = None) -> DuctNetwork:
    """A network with one root node 0 and a segment from node parents[k] to node k + 1 each."""
    count = len(parents) + 1
    nodes = RNG.normal(0, 5, (count, 3)) if nodes is None else nodes
    segments = [[parent, number] for number, parent in enumerate(parents, start=1)]
    radius = np.ones(count) if radius is None else radius
    return DuctNetwork(nodes, radius, segments, [Kind.SIDE] * len(parents), [1] * len(parents))


def shuffled(network: DuctNetwork, seed: int) -> DuctNetwork:
    """The same network with its nodes and its segments in another order."""
    rng = np.random.default_rng(seed)
    nodes, rows = rng.permutation(len(network.nodes_mm)), rng.permutation(len(network.segments))
    number = np.argsort(nodes)
    return DuctNetwork(
        network.nodes_mm[nodes], network.radius_mm[nodes], number[network.segments[rows]], network.kind[rows],
        network.order[rows],
    )  # fmt: skip


def slow_orders(network: DuctNetwork) -> list[int]:
    """Strahler's rule in plain Python: sort what leaves, compare the two highest."""
    owner = {}
    for row, (_, node) in enumerate(network.segments.tolist()):
        owner.setdefault(node, row)
    leaving: dict[int, list[int]] = {}
    for row, (node, _) in enumerate(network.segments.tolist()):
        if node in owner:
            leaving.setdefault(owner[node], []).append(row)

    def order(row: int) -> int:
        above = sorted(map(order, leaving.get(row, [])), reverse=True)
        if not above:
            return 1
        return above[0] + (len(above) > 1 and above[0] == above[1])

    return [order(row) for row in range(len(network.segments))]


@st.composite
def random_parents(draw: st.DrawFn) -> list[int]:
    """For each node but the first, an earlier one that it hangs on."""
    count = draw(st.integers(1, 60))
    return [draw(st.integers(max(0, number - draw(st.integers(1, 9))), number)) for number in range(count)]


@settings(max_examples=60, deadline=None)
@given(random_parents(), st.integers(0, 10**6), st.booleans())
def test_strahler_orders_agree_with_the_slow_twin(parents: list[int], seed: int, join: bool) -> None:
    """On random trees, in any order of segments, also where a second tree's duct joins the first one's last node."""
    network = tree(parents)
    if join:
        far = len(network.nodes_mm)
        network = DuctNetwork(
            np.vstack([network.nodes_mm, [[9.0, 9, 9], [8.0, 9, 9]]]), np.ones(far + 2),
            [*network.segments.tolist(), [far, far + 1], [far + 1, far - 1]],
            [*network.kind, Kind.ACCESSORY, Kind.ACCESSORY], [*network.order, 0, 0],
        )  # fmt: skip
    assert strahler_orders(network).tolist() == slow_orders(network)
    mixed = shuffled(network, seed)
    assert strahler_orders(mixed).tolist() == slow_orders(mixed)


@pytest.mark.parametrize("levels", [3, 4, 7])
def test_a_perfect_binary_tree_obeys_hortons_laws_exactly(levels: int) -> None:
    """N streams of order w are 2^(Ω−w), so R_B = 2; lengths that grow by 1.5 and radii by 1.3 an order are found."""
    parents, depth = [0], [1]
    for number in range(1, 2**levels - 1):
        parents.append((number + 1) // 2)
        depth.append(depth[parents[-1] - 1] + 1)
    order = levels + 1 - np.array(depth)
    nodes = np.zeros((len(parents) + 1, 3))
    for number, parent in enumerate(parents, start=1):
        nodes[number] = nodes[parent] + 1.5 ** order[number - 1] * Rotation.random(random_state=number).as_matrix()[0]
    radius = np.concatenate([[1.3**levels], 1.3**order])
    network = DuctNetwork(nodes, radius, [[p, k] for k, p in enumerate(parents, start=1)], [1] * len(parents), order)
    found = strahler_measures(network, links(network))
    assert strahler_orders(network).tolist() == order.tolist()
    streams = [found[f"strahler_{w}_streams"] for w in range(1, levels + 1)]
    assert streams == [2 ** (levels - w) for w in range(1, levels + 1)]
    assert found["strahler_bifurcation_ratio"] == pytest.approx(2.0, rel=1e-12)
    assert found["strahler_length_ratio"] == pytest.approx(1.5, rel=1e-12)
    assert found["strahler_diameter_ratio"] == pytest.approx(1.3, rel=1e-12)


def test_a_comb_has_two_orders_and_no_ratio() -> None:
    """A trunk of nine pieces with eight teeth: one stream of order 2, nine of order 1; two orders give no ratio."""
    comb = tree([*range(9), *range(1, 9)])
    found = strahler_measures(comb, links(comb))
    assert (found["strahler_max"], found["strahler_1_streams"], found["strahler_2_streams"]) == (2, 9, 1)
    assert found["strahler_bifurcation_ratio"] is None
    assert found["strahler_2_length_mm"] == pytest.approx(comb.lengths_mm[:8].sum())


def test_a_small_basin_is_ordered_by_hand() -> None:
    """Two sources make a 2; a source changes nothing; 2 and 2 make a 3; a 2 that meets the 3 changes nothing."""
    parents = [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 8, 8]
    network = tree(parents)
    assert strahler_orders(network).tolist() == [3, 3, 2, 2, 2, 1, 1, 2, 1, 1, 1, 1, 1]
    found = strahler_measures(network, links(network))
    streams = [found[f"strahler_{order}_streams"] for order in (1, 2, 3)]
    assert streams == [7, 3, 1]
    slope = np.polyfit([1, 2, 3], np.log(streams), 1)[0]
    assert found["strahler_bifurcation_ratio"] == pytest.approx(math.exp(-slope))
    total = sum(found[f"strahler_{order}_length_mm"] for order in (1, 2, 3))
    assert total == pytest.approx(network.lengths_mm.sum())


def test_a_ring_without_a_papilla_is_refused() -> None:
    """Three segments in a circle have no beginning: a letter, no endless loop."""
    ring = DuctNetwork(np.eye(3), np.ones(3), [[0, 1], [1, 2], [2, 0]], [1, 1, 1], [0, 0, 0])
    with pytest.raises(BadInputError, match="no papilla reaches"):
        links(ring)


def test_paths_are_summed_in_any_order() -> None:
    """Ways from the root are sums over ancestors, whatever the order of rows."""
    network = shuffled(tree([0, 1, 2, 2, 4, 0, 6, 7, 8, 9]), 3)
    found, lengths = links(network), network.lengths_mm
    for row in range(len(lengths)):
        way, here, steps = lengths[row], row, 0
        while found.parent[here] >= 0:
            here, steps = found.parent[here], steps + 1
            way += lengths[here]
        assert (found.path_mm[row], found.depth[row]) == (pytest.approx(way), steps)


@settings(max_examples=100, deadline=None)
@given(st.floats(1.2, 6.0), st.lists(st.lists(st.floats(0.02, 1.0), min_size=2, max_size=5), min_size=1, max_size=8))
def test_the_murray_exponent_of_a_made_fork_is_recovered(gamma: float, flows: list[list[float]]) -> None:
    """Shares (f/Σf)^(1/γ) obey Σ shareᵢ^γ = 1; γ comes back to 1e-9, whatever the number of ducts."""
    share = np.concatenate([(np.array(part) / sum(part)) ** (1 / gamma) for part in flows])
    first = np.cumsum([0, *map(len, flows[:-1])])
    assert murray_exponents(share, first) == pytest.approx(gamma, rel=1e-9)


def test_an_exponent_needs_narrower_ducts() -> None:
    """Where a duct that leaves is no narrower there is none; one that is hardly narrower still solves the equation."""
    share = np.array([1.0, 0.1, 1.2, 0.5, 1 - 1e-6, 0.3, 0.9, 0.9])
    found = murray_exponents(share, np.array([0, 2, 4, 6]))
    assert np.isnan(found[:2]).all()
    assert share[4] ** found[2] + share[5] ** found[2] == pytest.approx(1.0, abs=1e-12)
    assert found[3] == pytest.approx(math.log(2) / -math.log(0.9))


def test_forks_are_counted_and_joins_are_not() -> None:
    """A join is no fork; a fork with a duct that ends in another has no exponent and does not lack one."""
    nodes = [[0, 0, 0], [5, 0, 0], [9, 0, 0], [9, 5, 0], [0, 9, 0], [5, 9, 0], [9, 9, 0]]
    segments = [[0, 1], [1, 2], [1, 3], [4, 5], [5, 3], [5, 6]]
    network = DuctNetwork(nodes, [2, 2, 1.8, 1.2, 1, 1, 0.5], segments, [1, 1, 3, 2, 2, 3], [0, 0, 1, 0, 0, 1])
    found = fork_measures(network, links(network))
    assert found["num_forks"] == 2
    assert found["num_forks_without_exponent"] == 0
    g = found["murray_exponent_median"]
    assert 0.9**g + 0.6**g == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 89.0), st.floats(0.5, 89.0), st.integers(0, 1000))
def test_angles_of_a_made_fork(wide_deg: float, thin_deg: float, seed: int) -> None:
    """Ducts turned by known angles to either side, anywhere in space: the angles and their sum come back."""
    a, b = np.radians([wide_deg, -thin_deg])
    nodes = np.array([[0, 0, 0], [5, 0, 0], [5 + math.cos(a), math.sin(a), 0], [5 + math.cos(b), math.sin(b), 0]])
    turned = Rotation.random(random_state=seed).apply(nodes) + [3.0, -8.0, 50.0]
    network = DuctNetwork(turned, [1, 1, 0.9, 0.4], [[0, 1], [1, 2], [1, 3]], [1, 1, 3], [0, 0, 1])
    found = fork_measures(network, links(network))
    assert found["fork_wide_angle_median_deg"] == pytest.approx(wide_deg, abs=1e-6)
    assert found["fork_thin_angle_median_deg"] == pytest.approx(thin_deg, abs=1e-6)
    assert found["fork_angle_median_deg"] == pytest.approx(wide_deg + thin_deg, abs=1e-6)


def test_small_angles_are_exact() -> None:
    """1e-8 rad, where the arc cosine would give 0."""
    a, b = np.array([[1.0, 0, 0]]), np.array([[math.cos(1e-8), math.sin(1e-8), 0]])
    assert angles_deg(a, b)[0] == pytest.approx(math.degrees(1e-8), rel=1e-6)


def comb_network() -> DuctNetwork:
    """A main duct along x with teeth at 3, 5, 5 and 9 mm, leaning 60°, 90°, 90° and 70°, and two tributaries at 12."""
    nodes = [[0, 0, 0], [3, 0, 0], [5, 0, 0], [9, 0, 0], [12, 0, 0]]
    segments, kind = [[0, 1], [1, 2], [2, 3], [3, 4]], [Kind.MAIN] * 4
    for mouth, lean, side in ((1, 60, 1), (2, 90, 1), (2, 90, -1), (3, 70, -1), (4, 35, 1), (4, 35, -1)):
        angle = math.radians(lean) * side
        nodes.append([nodes[mouth][0] + 2 * math.cos(angle), 2 * math.sin(angle), 0])
        segments.append([mouth, len(nodes) - 1])
        kind.append(Kind.SIDE)
    return DuctNetwork(nodes, [2] * 5 + [0.5, 0.4, 0.3, 0.2, 0.5, 0.5], segments, kind, [0] * 4 + [1] * 6)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_spacing_and_angles_of_a_comb(seed: int | None) -> None:
    """Mouths at 3, 5 and 9 mm are 2 and 4 mm apart; the tributaries at the end count among all, not among these."""
    network = comb_network() if seed is None else shuffled(comb_network(), seed)
    found = branch_measures(network, links(network))
    assert (found["num_side_branches"], found["num_main_side_branches"]) == (6, 4)
    spacing = [found[f"side_branch_spacing_{name}mm"] for name in ("", "sd_", "min_", "max_")]
    assert spacing == pytest.approx([3.0, math.sqrt(2.0), 2.0, 4.0])
    assert found["side_branch_angle_median_deg"] == pytest.approx(80.0)
    assert found["side_branch_angle_mean_deg"] == pytest.approx(77.5)
    assert found["side_branch_angle_sd_deg"] == pytest.approx(np.std([60, 90, 90, 70], ddof=1))
    assert found["side_branch_diameter_mm"] == pytest.approx(2 * np.mean([0.5, 0.4, 0.3, 0.2, 0.5, 0.5]))
    assert found["main_duct_tortuosity"] == pytest.approx(1.0)


def half_circle(steps: int) -> np.ndarray:
    turn = np.linspace(0.0, math.pi, steps + 1)
    return np.column_stack([10 - 10 * np.cos(turn), 10 * np.sin(turn), np.zeros(steps + 1)])


@pytest.mark.parametrize("seed", [None, 4])
def test_the_tortuosity_of_a_half_circle_is_half_pi(seed: int | None) -> None:
    """As main duct and, thrice as small with a thinner twig of its own order, as side branch."""
    steps = 400
    main, stem = half_circle(steps), half_circle(steps) / 3 + half_circle(steps)[100]
    nodes = np.vstack([main, stem[1:], stem[50] + [0, 0, 3.0]])
    chain = np.column_stack([np.arange(steps), np.arange(1, steps + 1)])
    side = np.vstack([[100, steps + 1], chain[1:] + steps])
    twig = [[steps + 50, len(nodes) - 1]]
    count = 2 * steps + 1
    network = DuctNetwork(
        nodes, np.where(np.arange(len(nodes)) == len(nodes) - 1, 0.1, 1.0), np.vstack([chain, side, twig]),
        [1] * steps + [3] * (steps + 1), [0] * steps + [1] * (count - steps),
    )  # fmt: skip
    network = network if seed is None else shuffled(network, seed)
    found = branch_measures(network, links(network))
    assert found["main_duct_tortuosity"] == pytest.approx(math.pi / 2, rel=1e-5)
    assert found["side_branch_tortuosity"] == pytest.approx(math.pi / 2, rel=1e-5)


def rod_organ(**landmarks: list[float]) -> Organ:
    """A rod of radius 8 along x, from −30 to 30 mm, all body."""
    grid = Grid((71, 25, 25), (1.0, 1.0, 1.0), (-35.0, -12.0, -12.0))
    x, y, z = grid.mesh_mm()
    depth = np.minimum(8.0 - np.hypot(y, z), 30.0 - abs(x)).astype("f4")
    body = np.where(depth > 0, Region.BODY, 0).astype("u1")
    return Organ(
        Volume(depth, grid, Quantity.DISTANCE), [[-30, 0, 0], [30, 0, 0]],
        {name: [point] for name, point in landmarks.items()}, Volume(body, grid, Quantity.LABEL),
    )  # fmt: skip


def drained(start: list[float], *, joins: bool, swap: bool = False) -> DuctNetwork:
    """A main duct from −30 to 30 with a node at −10, and an accessory duct from start that ends there or before it."""
    nodes = [[-30.0, 0, 0], [-10.0, 0, 0], [30.0, 0, 0], start, [-12.0, 3, 0]]
    accessory = [[3, 4], [4, 1]] if joins else [[3, 4]]
    kinds = [Kind.ACCESSORY, Kind.MAIN] if swap else [Kind.MAIN, Kind.ACCESSORY]
    kind = [kinds[0]] * 2 + [kinds[1]] * len(accessory)
    return DuctNetwork(nodes, [2, 1.5, 1, 0.8, 0.6], [[0, 1], [1, 2], *accessory], kind, [0] * len(kind))


def test_an_accessory_duct_that_joins() -> None:
    """It meets the main duct 20 mm from the papilla; patent at the minor papilla, not 0.6 mm short of it."""
    organ = rod_organ(major_papilla=[-30, 0, 0], minor_papilla=[-25, 5, 0])
    for start, patent in (([-25.0, 5, 0], 1), ([-25.0, 4.6, 0], 1), ([-24.4, 5, 0], 0)):
        network = drained(start, joins=True)
        found = variant_measures(network, organ, links(network))
        length = np.linalg.norm(np.subtract(start, [-12, 3, 0])) + math.sqrt(13.0)
        assert found["accessory_duct_length_mm"] == pytest.approx(length)
        assert found["accessory_junction_mm"] == pytest.approx(20.0)
        assert (found["accessory_patent"], found["divisum"]) == (patent, 0)
        assert 1.2 < found["accessory_duct_diameter_mm"] < 1.6


def test_pancreas_divisum_is_a_main_duct_alone_at_the_minor_papilla() -> None:
    """Main duct at the minor papilla: divided without a junction, not with one; nor if it starts at the major one."""
    organ = rod_organ(major_papilla=[-25, 5, 0], minor_papilla=[-30, 0, 0])
    apart, joined = drained([-25.0, 5, 0], joins=False), drained([-25.0, 5, 0], joins=True)
    assert variant_measures(apart, organ, links(apart))["divisum"] == 1
    assert variant_measures(apart, organ, links(apart))["accessory_junction_mm"] is None
    assert variant_measures(joined, organ, links(joined))["divisum"] == 0
    usual = rod_organ(major_papilla=[-30, 0, 0], minor_papilla=[-25, 5, 0])
    assert variant_measures(apart, usual, links(apart))["divisum"] == 0
    unknown = variant_measures(apart, rod_organ(), links(apart))
    assert (unknown["divisum"], unknown["accessory_patent"]) == (None, None)


def test_no_accessory_duct_has_no_measures() -> None:
    """Length 0, no diameter, no junction, no patency."""
    network = comb_network()
    found = variant_measures(network, rod_organ(minor_papilla=[0, 99, 0]), links(network))
    assert found == {
        "accessory_duct_length_mm": 0.0, "accessory_duct_diameter_mm": None, "accessory_junction_mm": None,
        "accessory_patent": None, "divisum": 0,
    }  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(1, 60), st.floats(0.0, 60.0), st.integers(0, 10**6))
def test_distances_to_segments_agree_with_brute_force(segments: int, points: int, length: float, seed: int) -> None:
    """Segments of any length, points among them and far from them: every distance to every segment, the least."""
    rng = np.random.default_rng(seed)
    starts = rng.normal(0, 15, (segments, 3))
    ends = starts + length * rng.normal(0, 1, (segments, 3))
    where = rng.normal(0, rng.choice([5.0, 80.0]), (points, 3))
    along = ends - starts
    square = np.maximum((along**2).sum(axis=1), 1e-30)
    t = np.clip(((where[:, None] - starts) * along).sum(axis=2) / square, 0, 1)
    brute = np.linalg.norm(starts + t[..., None] * along - where[:, None], axis=2).min(axis=1)
    assert nearest_segment_mm(where, starts, ends) == pytest.approx(brute, abs=1e-9)


def test_coverage_of_a_rod_by_its_axis() -> None:
    """All voxel centres more than 1 mm deep, at the distance √(y² + z²) from a duct along the whole axis."""
    organ = rod_organ()
    duct = DuctNetwork([[-30, 0, 0], [30, 0, 0]], [1, 1], [[0, 1]], [1], [0])
    found = measure(duct, organ)
    deep = np.argwhere(organ.distance.data > 1.0) + organ.distance.grid.origin_mm
    far = np.hypot(deep[:, 1], deep[:, 2])
    assert found["num_tissue_points"] == len(deep)
    wanted = [np.median(far), np.quantile(far, 0.95), far.max()]
    told = [found[f"tissue_to_duct_{name}_mm"] for name in ("median", "p95", "max")]
    assert told == pytest.approx(wanted, abs=1e-4)


def test_the_widest_lumen_is_found_with_its_place() -> None:
    """A bead at a quarter of the main duct, a wider cyst of a side branch at three quarters of the axis."""
    nodes = [[-30, 0, 0], [-15, 0, 0], [15, 0, 0], [30, 0, 0], [15, 4, 0]]
    segments, kind = [[0, 1], [1, 2], [2, 3], [2, 4]], [1, 1, 1, 3]
    network = DuctNetwork(nodes, [1, 2.5, 1, 1, 3], segments, kind, [0, 0, 0, 1])
    found = measure(network, rod_organ())
    assert (found["main_duct_widest_diameter_mm"], found["main_duct_widest_axis_fraction"]) == (5.0, 0.25)
    assert (found["widest_lumen_diameter_mm"], found["widest_lumen_axis_fraction"]) == (6.0, 0.75)


@pytest.mark.parametrize("network", [
    comb_network(),
    drained([-25.0, 5, 0], joins=True),
    DuctNetwork([[0, 0, 0], [1, 0, 0]], [1, 1], [[0, 1]], [Kind.SIDE], [1]),
    DuctNetwork(np.zeros((0, 3)), np.zeros(0), np.zeros((0, 2), "i4"), np.zeros(0, "u1"), np.zeros(0, "i2")),
])  # fmt: skip
def test_every_measure_is_a_number_with_a_line_in_the_document(network: DuctNetwork) -> None:
    """Also of a network of one twig and of none at all: JSON without NaN; the files hold numbers alone."""
    organ = rod_organ(major_papilla=[-30, 0, 0], minor_papilla=[-25, 5, 0])
    found = measure(network, organ)
    json.dumps(found, allow_nan=False)
    for name, value in found.items():
        assert value is None or type(value) in (int, float), name
    for name in (*found, *(key.removeprefix("gland.") for key in gland_measures(organ))):
        shown = name.removeprefix("gland_")
        parts = shown.split("_")
        if shown.startswith("strahler_") and parts[1].isdigit():
            shown = "_".join(["strahler", "N", *parts[2:]])
        assert f"`{shown}`" in DOCUMENT, name
    kept = duct_measures(organ, network)
    assert all(type(value) is float and math.isfinite(value) for value in kept.values())


def test_the_document_promises_nothing_else() -> None:
    """Every name in the first column of its tables is measured somewhere."""
    organ = rod_organ(major_papilla=[-30, 0, 0], minor_papilla=[-25, 5, 0])
    known = {*measure(comb_network(), organ), *gland_measures(organ), *duct_measures(organ, comb_network())}
    four = DuctNetwork(np.eye(5, 3) * 9, np.ones(5), [[0, n] for n in (1, 2, 3, 4)], [1, 2, 3, 4], [0, 0, 1, 2])
    known |= set(resolvable_on(four, Grid((9, 9, 9), (0.7, 0.7, 2.5), (0, 0, 0))))
    known |= {name.split(".")[-1] for name in known} | {"ap_head_mm", "ap_neck_mm", "ap_tail_mm"}
    known |= {name.replace("_1_", "_N_") for name in known}
    known |= {name.replace("order_1", "order_N") for name in known}
    rows = [line.split("|")[1] for line in DOCUMENT.splitlines() if line.startswith("| `")]
    told = {name.strip(" `") for row in rows for name in row.split(",")}
    assert told <= known
    assert len(told) > 50
