"""Growth: what the engine guarantees for any grammar, and what the human pancreas shows."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, PancreasgenError
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.network.geometry import segment_distance
from pancreasgen.network.grow import grow
from pancreasgen.network.ledger import Clearances, Ledger
from pancreasgen.network.measure import measure, region_of
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.tissue import Sowing, sow
from pancreasgen.organ.axis import SHAPES
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.landmarks import sample_with_gradient

GRAMMAR = parse_grammar(find_grammar("human_pancreas").text, id="human_pancreas", file="")


@pytest.fixture(scope="module")
def organ():
    return shape_organ(Gland(), Chance(1, 0, "organ"))


@pytest.fixture(scope="module")
def network(organ):
    return grow(GRAMMAR, organ, {}, Chance(1, 0, "growth"))


def skin_depth(network: DuctNetwork, organ) -> float:
    """Least depth of the tubes' skins below the capsule, over five points of each segment [mm]."""
    ends, radii = network.nodes_mm[network.segments], network.capsule_radii_mm
    share = np.linspace(0, 1, 5)[:, None]
    points = (1 - share[..., None]) * ends[None, :, 0] + share[..., None] * ends[None, :, 1]
    depth, _ = sample_with_gradient(organ.distance, points.reshape(-1, 3))
    return float((depth.reshape(5, -1) - ((1 - share) * radii[:, 0] + share * radii[:, 1])).min())


@pytest.mark.parametrize("shape", SHAPES)
def test_no_tube_leaves_the_gland(shape):
    """In every shape of gland all tubes, radius included, lie inside; the main duct spans it; ≥ 20 side branches."""
    organ = shape_organ(Gland(shape=shape), Chance(5, 0, "organ"))
    network = grow(GRAMMAR, organ, {}, Chance(5, 0, "growth"))
    found = measure(network, organ)
    assert skin_depth(network, organ) > -0.01
    assert found["num_side_branches"] >= 20
    assert found["main_duct_length_mm"] > 0.85 * organ.length_mm
    main = network.nodes_mm[network.segments[network.kind == Kind.MAIN]].reshape(-1, 3)
    for name, near in (("major_papilla", 0.01), ("tail_tip", 12.0)):
        assert np.linalg.norm(main - organ.landmarks[name], axis=1).min() < near


def test_small_and_thin_glands_grow_too():
    """A gland at the lower end of its ranges still gets a whole tree inside."""
    small = Gland(length_mm=110, ap_head_mm=18, ap_neck_mm=7.5, ap_body_mm=12, ap_tail_mm=10, height_ratio=0.75)
    organ = shape_organ(small, Chance(2, 0, "organ"))
    network = grow(GRAMMAR, organ, {"r_head": 1.2}, Chance(2, 0, "growth"))
    assert skin_depth(network, organ) > -0.01
    assert measure(network, organ)["main_duct_length_mm"] > 0.85 * organ.length_mm


def test_the_tree_is_connected_from_the_papilla(network):
    """Every node is reached from the papilla, every node but the root has one duct arriving, and no piece is empty."""
    arriving = np.bincount(network.segments[:, 1], minlength=len(network.nodes_mm))
    assert (arriving == 0).sum() == 1
    assert arriving.max() == 1
    assert network.lengths_mm.min() > 0.01
    reached = np.zeros(len(network.nodes_mm), bool)
    reached[int(np.flatnonzero(arriving == 0)[0])] = True
    for proximal, distal in network.segments:  # parents come before their children
        reached[distal] = reached[proximal]
    assert reached.all()


def test_murray_at_every_fork(network):
    """r₀^γ = Σ rᵢ^γ to 1e-9 at every fork, with the grammar's γ."""
    gamma = GRAMMAR.statement_numbers("radii")["gamma"]
    sums = np.zeros(len(network.nodes_mm))
    np.add.at(sums, network.segments[:, 0], network.radius_mm[network.segments[:, 1]] ** gamma)
    inner = (sums > 0) & np.isin(np.arange(len(sums)), network.segments[:, 1])
    assert np.abs(sums[inner] / network.radius_mm[inner] ** gamma - 1).max() < 1e-9


def test_calibres_taper_as_published(network, organ):
    """The main duct is widest in the head and thinnest in the tail, near 3.3, 2.4 and 1.5 mm (KJIM 1989), ± 0.5."""
    found = measure(network, organ)
    calibres = [found[f"main_duct_{part}_diameter_mm"] for part in ("head", "body", "tail")]
    assert calibres == pytest.approx([3.3, 2.4, 1.5], abs=0.5)
    assert calibres[0] > calibres[1] > calibres[2]


def test_far_ducts_keep_their_distance(network):
    """No two ducts of different side branches touch, by brute force over pairs that are near each other."""
    rng = np.random.default_rng(0)
    middle = network.nodes_mm[network.segments].mean(axis=1)
    radii = network.capsule_radii_mm.max(axis=1)
    branch = side_branch_of(network)
    ends = network.nodes_mm[network.segments]
    checked = 0
    for row in rng.permutation(len(network.segments))[:60]:
        near = np.flatnonzero(
            (np.linalg.norm(middle - middle[row], axis=1) < 3.0)
            & (branch >= 0)
            & (branch[row] >= 0)
            & (branch != branch[row])
        )
        for other in near[:5]:
            distance = segment_distance(ends[row, 0], ends[row, 1], ends[other, 0], ends[other, 1])[0]
            assert distance > radii[row] + radii[other]
            checked += 1
    assert checked > 30


def side_branch_of(network: DuctNetwork) -> np.ndarray:
    """The number of the side branch that each segment hangs on, −1 on the main duct and near it."""
    arriving = np.full(len(network.nodes_mm), -1)
    arriving[network.segments[:, 1]] = np.arange(len(network.segments))
    branch = np.full(len(network.segments), -1)
    depth, lengths = np.zeros(len(network.segments)), network.lengths_mm
    for row in range(len(branch)):
        parent = arriving[network.segments[row, 0]]
        if network.kind[row] == Kind.MAIN:
            continue
        branch[row] = branch[parent] if parent >= 0 and network.kind[parent] != Kind.MAIN else row
        depth[row] = (depth[parent] if branch[row] != row else 0.0) + lengths[row]
    branch[depth < 8.0] = -1
    return branch


def test_same_chance_same_tree(network, organ):
    """The same stream gives the same tree to the bit; another stream another tree."""
    again = grow(GRAMMAR, organ, {}, Chance(1, 0, "growth"))
    other = grow(GRAMMAR, organ, {}, Chance(2, 0, "growth"))
    for name in ("nodes_mm", "radius_mm", "segments", "kind", "order"):
        assert getattr(network, name).tobytes() == getattr(again, name).tobytes()
    assert network.nodes_mm.tobytes() != other.nodes_mm.tobytes()


def test_parameters_reach_the_tree(organ):
    """The radius at the papilla is the parameter's; skipping most buds leaves fewer side branches."""
    wide = grow(GRAMMAR, organ, {"r_head": 2.2}, Chance(1, 0, "growth"))
    assert wide.radius_mm.max() == pytest.approx(2.2)
    text = re.sub(r"fill: .*", "", GRAMMAR.text)  # which would bud from the main duct itself where branches are missing
    rules = parse_grammar(text, id="unfilled", file="")
    bare, usual = (grow(rules, organ, {"skip": skip}, Chance(1, 0, "growth")) for skip in (0.8, 0.15))
    assert measure(bare, organ)["num_side_branches"] < 0.6 * measure(usual, organ)["num_side_branches"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('@start("major_papilla")', '@start("major_papila")', "no (landmark|target) `major_papila`"),
        ('@toward("axis", 0.6)', '@toward("axle", 0.6)', "axle"),
        ("radii: bottom_up(gamma", "radii: bottom_up(gama", "no argument `gama`"),
        ("radii: bottom_up", "radii: top_down", r"wants `bottom_up"),
        ("clearance = clear", "clearance = 9", "from 0 to 3"),
    ],
)
def test_faults_of_a_growing_grammar_get_a_letter(organ, old, new, words):
    """Names that the organ or the engine does not have are refused with what exists."""
    text = GRAMMAR.text.replace(old, new)
    assert text != GRAMMAR.text
    with pytest.raises(PancreasgenError, match=words):
        grow(parse_grammar(text, id="broken", file="broken.lsys"), organ, {}, Chance(1, 0, "growth"))


def test_a_grammar_without_a_start_grows_nothing_and_says_so(organ):
    """A plain ABOP system draws at the world's origin, outside the gland: the letter says that nothing grew."""
    text = "lsystem 1\nmodule A\naxiom: A\nproduction:\nA --> F(1 mm) A\n"
    with pytest.raises(BadInputError, match="grew no duct"):
        grow(parse_grammar(text, id="abop", file=""), organ, {}, Chance(1, 0, "growth"))


def test_regions_of_the_main_duct_follow_each_other(network, organ):
    """Along the main duct the regions come in order: head (or uncinate), neck, body, tail."""
    rows = np.flatnonzero(network.kind == Kind.MAIN)
    region = region_of(network.nodes_mm[network.segments[rows, 1]], organ).astype(int)
    rank = np.array([0, 0, 0, 1, 2, 3])[region]
    assert (np.diff(rank) >= 0).mean() > 0.97
    assert set(rank) == {0, 1, 2, 3}


def test_each_tip_looks_as_far_as_it_says(organ):
    """`unserved(d)` counts tissue within each tip's own d, as brute force over the points does."""
    tissue = sow(organ, Sowing(1.7, 0.15), Chance(1, 0, "tissue"))
    ledger = Ledger(organ, tissue, Clearances())
    tips = np.repeat(organ.axis_mm[200][None], 3, axis=0)
    ahead = np.tile([1.0, 0.0, 0.0], (3, 1))
    reach = np.array([2.0, 5.0, 9.0])
    _, count = ledger.pull(tips, ahead, np.full((3, 2), -1), (reach, 1.5), 0.2)
    offset = tissue.points_mm - tips[0]
    far = np.linalg.norm(offset, axis=1)
    inside = offset[:, 0] >= 0.2 * far
    assert count.tolist() == [int((inside & (far <= limit)).sum()) for limit in reach]
    assert count[0] < count[1] < count[2]
