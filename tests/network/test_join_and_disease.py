"""The accessory duct that joins, and disease on the graph: loops, containment, how wide, and what stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import PancreasgenError
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.network.dilate import Disease
from pancreasgen.network.grow import grow
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.tree import Tree, trunk_rows
from pancreasgen.network.trunk import Axis
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.landmarks import sample_with_gradient

TEXT = find_grammar("human_pancreas").text


def grown(organ, seed: int, statement: str = "", **values: float) -> DuctNetwork:
    text = TEXT.replace("axiom: Start", f"{statement}\naxiom: Start")
    return grow(parse_grammar(text, id="test", file=""), organ, values, Chance(seed, 0, "growth"))


@pytest.fixture(scope="module", params=[1, 2])
def case(request):
    """A gland and its healthy ducts, without an accessory duct."""
    organ = shape_organ(Gland(), Chance(request.param, 0, "organ"))
    return request.param, organ, grown(organ, request.param, p_acc=0.0, p_div=0.0)


def least_depth_mm(network: DuctNetwork, organ) -> float:
    """Least depth of the skins below the capsule, over nine points of each tube."""
    ends, radii = network.nodes_mm[network.segments], network.capsule_radii_mm
    share = np.linspace(0, 1, 9)[:, None]
    points = (1 - share[..., None]) * ends[None, :, 0] + share[..., None] * ends[None, :, 1]
    depth, _ = sample_with_gradient(organ.distance, points.reshape(-1, 3))
    return float((depth.reshape(9, -1) - ((1 - share) * radii[:, 0] + share * radii[:, 1])).min())


def main_nodes(network: DuctNetwork) -> np.ndarray:
    return network.segments[network.kind == Kind.MAIN, 1]


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_the_accessory_duct_closes_a_loop(seed):
    """One duct from the minor papilla ends in a node of the main duct 20–46 mm from the major one; all lies inside.

    Published: the junction lies 32.7 ± 12.5 mm from the papilla (reference).
    """
    organ = shape_organ(Gland(), Chance(seed, 0, "organ"))
    network = grown(organ, seed, p_acc=1.0, p_div=0.0, p_open=1.0)
    arriving = np.bincount(network.segments[:, 1], minlength=len(network.nodes_mm))
    (junction,) = np.flatnonzero(arriving > 1)
    assert sorted(network.kind[network.segments[:, 1] == junction]) == [Kind.MAIN, Kind.ACCESSORY]
    from_papilla = np.linalg.norm(network.nodes_mm[junction] - organ.landmarks["major_papilla"][0])
    assert 20 < from_papilla < 46
    roots = network.nodes_mm[arriving == 0]
    wanted = np.vstack([organ.landmarks["major_papilla"], organ.landmarks["minor_papilla"]])
    assert np.linalg.norm(roots[:, None] - wanted[None], axis=2).min(axis=0).max() < 0.01
    assert least_depth_mm(network, organ) > -0.01


def test_the_joining_tube_keeps_its_own_radius():
    """Where a thin duct joins a thick one, its last tube has the thin radius, the thick duct's tubes the thick one."""
    network = DuctNetwork([[0, 0, 0], [9, 0, 0], [0, 4, 0]], [2, 1.5, 0.5], [[0, 1], [2, 1]], [1, 2], [0, 0])
    assert network.capsule_radii_mm.tolist() == [[2.0, 1.5], [0.5, 0.5]]


def test_no_disease_is_no_change(case):
    """The statements with nothing to do leave the network as it is to the bit."""
    seed, organ, healthy = case
    same = grown(organ, seed, "beads: main(depth = 0, every = 8 mm)", p_acc=0.0, p_div=0.0)
    for name in ("nodes_mm", "radius_mm", "segments", "kind", "order"):
        assert getattr(same, name).tobytes() == getattr(healthy, name).tobytes()


@pytest.mark.parametrize(
    "statement",
    [
        "dilate: upstream(at = 0.5, to = 3.5 mm)",
        "dilate: segment(start = 0.3, end = 0.6, to = 4 mm)",
        "dilate: segment(start = 0, end = 1, to = 9 mm)",
        "dilate: branch(at = 0.3, to = 4 mm)",
        "beads: main(depth = 0.4, every = 8 mm)",
    ],
)
def test_wide_ducts_stay_inside(case, statement):
    """However wide a duct is asked to be, its tube stays inside the gland."""
    seed, organ, _ = case
    assert least_depth_mm(grown(organ, seed, statement, p_acc=0.0, p_div=0.0), organ) > -0.01


def test_the_main_duct_widens_upstream_only(case):
    """Just upstream of the obstruction the radius is the one asked for, and it tapers from there to the tail."""
    seed, organ, healthy = case
    ill = grown(organ, seed, "dilate: upstream(at = 0.5, to = 3.5 mm)", p_acc=0.0, p_div=0.0)
    place = Axis(organ.axis_mm).fraction(ill.nodes_mm[main_nodes(ill)])
    radius = ill.radius_mm[main_nodes(ill)]
    beyond = place >= 0.5
    assert radius[beyond][0] == pytest.approx(3.5)
    assert (np.diff(radius[beyond]) <= 1e-9).all()
    assert radius[~beyond].max() <= healthy.radius_mm.max() + 1e-9


def test_downstream_every_radius_stays_to_the_bit(case, monkeypatch):
    """Disease is applied once, to the settled healthy tree; what hangs on the main duct below the stop is untouched."""
    seed, organ, _ = case
    seen: list[tuple[Tree, Tree]] = []
    real = Disease.apply

    def watched(self, tree, *rest):
        after, swallowed = real(self, tree, *rest)
        seen.append((tree, after))
        return after, swallowed

    monkeypatch.setattr(Disease, "apply", watched)
    ill = grown(organ, seed, "dilate: upstream(at = 0.5, to = 3.5 mm)", p_acc=0.0, p_div=0.0)
    ((before, after),) = seen
    trunk = trunk_rows(before)
    place = np.where(trunk, Axis(organ.axis_mm).fraction(before.end_mm), np.nan)
    for row in np.flatnonzero(~trunk):
        place[row] = place[before.parent[row]]
    below = place < 0.5
    assert below.sum() > 1000
    assert after.radius_mm[below].tobytes() == before.radius_mm[below].tobytes()
    wider = after.radius_mm[~below & trunk] / before.radius_mm[~below & trunk]
    assert wider.min() >= 1.0  # 1 where the gland leaves no room
    assert (wider > 1.0).mean() > 0.9
    assert np.isin(ill.radius_mm, np.append(after.radius_mm, before.radius_mm)).all()


def test_a_segment_widens_between_its_ends(case):
    """The widened radius is reached in the middle of the segment and nowhere outside it."""
    seed, organ, healthy = case
    ill = grown(organ, seed, "dilate: segment(start = 0.3, end = 0.6, to = 4 mm)", p_acc=0.0, p_div=0.0)
    place = Axis(organ.axis_mm).fraction(ill.nodes_mm[main_nodes(ill)])
    radius = ill.radius_mm[main_nodes(ill)]
    assert radius[(place > 0.36) & (place < 0.54)].max() == pytest.approx(4.0)
    assert radius[(place < 0.3) | (place > 0.6)].max() <= healthy.radius_mm.max() + 1e-9


def test_beads_alternate(case):
    """A healthy main duct never widens towards the tail; a beaded one widens and narrows again, five times at least."""
    seed, organ, healthy = case
    ill = grown(organ, seed, "beads: main(depth = 0.4, every = 8 mm)", p_acc=0.0, p_div=0.0)
    assert rises(healthy) == 0
    assert rises(ill) >= 5
    assert (ill.radius_mm > 0).all()


def rises(network: DuctNetwork) -> int:
    """Number of separate stretches over which the main duct's radius grows, from the papilla on."""
    step = np.diff(network.radius_mm[main_nodes(network)])
    signs = np.sign(step[np.abs(step) > 1e-9])
    return int(((signs > 0) & (np.append(-1.0, signs[:-1]) < 0)).sum())


def test_reserved_radius_is_the_disease_s_where_it_fits():
    """While growing the wide radius is kept free, capped by the room, never below what the rules draw."""
    disease = Disease(kind="segment", to_mm=4.0, start=0.2, end=0.6)
    place, room = np.array([0.1, 0.4, 0.4, 0.4]), np.array([9.0, 9.0, 2.5, 0.5])
    assert disease.reserved_mm(place, np.full(4, 1.0), room).tolist() == [1.0, 4.0, 2.5, 1.0]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("dilate: sideways(at = 0.5)", "upstream"),
        ("dilate: upstream(at = 0.5)", "how wide"),
        ("dilate: upstream(ad = 0.5, to = 3 mm)", "no argument `ad`"),
        ("beads: main(depth = 2, every = 8 mm)", "from 0 to 0.9"),
    ],
)
def test_faults_of_disease_get_a_letter(case, statement, words):
    """A wrong function, argument or number is refused with what is known."""
    with pytest.raises(PancreasgenError, match=words):
        grown(case[1], 1, statement)
