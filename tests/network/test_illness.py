"""What lesions do to ducts: a carcinoma shuts and dams up, an IPMN widens, cysts push aside; all else is as it was."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.base.chance import Chance
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.network.dilate import SHUT_MM
from pancreasgen.network.grow import grow
from pancreasgen.network.illness import CYST_DUCT_MM, disease_of, grow_in
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.trunk import Axis
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.lesion import Lesion
from pancreasgen.organ.seat import Seat, seat

GRAMMAR = parse_grammar(find_grammar("human_pancreas").text, id="human_pancreas", file="")
PLAIN = {"p_acc": 0.0, "p_div": 0.0}
SEED = 2


def grown(lesion: Lesion, grammar=GRAMMAR) -> tuple[DuctNetwork, Seat, object]:
    """Return the ducts, the lesion in its place and the gland."""
    organ = shape_organ(Gland(), Chance(SEED, 0, "organ"), (lesion,))
    values = PLAIN if "p_div" in grammar.parameters else {"p_acc": 0.0}
    network, (place,) = grow_in(grammar, organ, values, (lesion,), Chance(SEED, 0, "growth"))
    return network, place, organ


def along(network: DuctNetwork, organ) -> tuple[np.ndarray, np.ndarray]:
    """Return place along the axis and radius of the main duct's nodes."""
    nodes = network.segments[network.kind == Kind.MAIN, 1]
    return np.asarray(Axis(organ.axis_mm).fraction(network.nodes_mm[nodes])), network.radius_mm[nodes]


@pytest.fixture(scope="module")
def healthy():
    organ = shape_organ(Gland(), Chance(SEED, 0, "organ"))
    return grow(GRAMMAR, organ, PLAIN, Chance(SEED, 0, "growth")), organ


@pytest.fixture(scope="module")
def carcinoma():
    return grown(Lesion(kind="pdac", at=0.3, diameter_mm=26, duct_mm=6.0, thickness=0.85))


def test_nothing_wrong_is_no_change(healthy):
    """Without a lesion the ducts are those of plain growth, to the bit."""
    network, organ = healthy
    same, places = grow_in(GRAMMAR, organ, PLAIN, (), Chance(SEED, 0, "growth"))
    assert places == ()
    assert same.nodes_mm.tobytes() == network.nodes_mm.tobytes()
    assert same.radius_mm.tobytes() == network.radius_mm.tobytes()


def test_a_carcinoma_dams_up_what_lies_upstream(carcinoma, healthy):
    """Just upstream the duct is as wide as drawn, in the tumour it is shut, downstream no wider than a healthy one."""
    network, place, organ = carcinoma
    at, radius = along(network, organ)
    disease = disease_of(place, organ)
    low, high = disease.at - disease.shut, disease.at
    assert radius[at >= high][0] == pytest.approx(3.0)
    assert radius[(at >= low) & (at < high)] == pytest.approx(SHUT_MM)
    assert ((at >= low) & (at < high)).sum() >= 3
    assert radius[at < low].max() <= along(*healthy)[1].max() + 1e-9
    assert radius[at < low].min() > 0.8


def test_the_shut_stretch_lies_in_the_tumour(carcinoma):
    """Every shut node is inside the tumour, so that the duct ends there and not before."""
    network, place, _ = carcinoma
    rows = network.segments[network.kind == Kind.MAIN, 1]
    shut = rows[network.radius_mm[rows] <= SHUT_MM]
    assert place.field(tuple(network.nodes_mm[shut].T)).min() > 0.0


def test_a_carcinoma_takes_the_place_of_side_branches(carcinoma):
    """No side branch ends deeper than the surface's unevenness in the tumour; elsewhere there are thousands."""
    network, place, _ = carcinoma
    sides = network.segments[network.kind >= Kind.SIDE, 1]
    away = np.linalg.norm(network.nodes_mm[sides] - place.centre_mm, axis=1)
    assert away.min() >= 13.0 - 1e-9
    assert len(sides) > 1000


def test_a_tumour_of_the_tail_leaves_the_head_alone(healthy):
    """Downstream of a tumour of the tail no duct is wider than a healthy one."""
    network, place, organ = grown(Lesion(kind="pdac", at=0.85, diameter_mm=24, duct_mm=7.0, thickness=0.9))
    at, radius = along(network, organ)
    assert radius[at < 0.7].max() <= along(*healthy)[1].max() + 1e-9
    assert place.lesion.at == 0.85


def test_one_duct_leads_into_a_branch_duct_cyst():
    """Inside the cyst lies the end of one side branch at most, widened to 0.9 mm where the gland has room."""
    network, place, _ = grown(Lesion(kind="ipmn_branch", at=0.25, diameter_mm=16, turn_deg=0))
    ends = network.segments[:, 1]
    deep = np.linalg.norm(network.nodes_mm[ends] - place.centre_mm, axis=1) < 8.0 - 1e-9
    inside = np.flatnonzero(deep & (network.kind >= Kind.SIDE))
    assert len(inside) == 1
    assert 0.3 < network.radius_mm[ends[inside[0]]] <= CYST_DUCT_MM + 1e-9


@pytest.mark.parametrize("kind", ["pnet", "serous_cyst", "mucinous_cyst"])
def test_ducts_pass_beside_a_mass(kind):
    """No node lies in it, and the main duct still reaches the tail."""
    network, place, organ = grown(Lesion(kind=kind, at=0.55, diameter_mm=30))
    assert place.field(tuple(network.nodes_mm.T)).max() < 0.0
    assert along(network, organ)[0].max() > 0.85


def test_a_main_duct_ipmn_widens_a_stretch():
    """In the middle of the stretch the duct is as wide as drawn or as the gland lets it be; far from it, as ever."""
    network, _, organ = grown(Lesion(kind="ipmn_main", at=0.5, span=0.3, duct_mm=8.0))
    at, radius = along(network, organ)
    assert radius[(at > 0.42) & (at < 0.58)].max() > 3.5
    assert radius[(at < 0.3) | (at > 0.7)].max() < 2.3


def test_chronic_disease_beads_the_main_duct():
    """The radius rises and falls five times or more, and its widest bead exceeds the drawn calibre."""
    network, _, organ = grown(Lesion(kind="chronic_pancreatitis", beads=0.4, duct_mm=5.0, thickness=0.95))
    radius = along(network, organ)[1]
    signs = np.sign(np.diff(radius))
    assert ndimage.label(signs > 0)[1] >= 5
    assert radius.max() > 2.5


def test_a_grammar_that_is_ill_itself_is_believed():
    """With the grammar `obstruction` its own stop stays where it is, whatever the lesion says."""
    grammar = parse_grammar(find_grammar("obstruction").text, id="obstruction", file="")
    organ = shape_organ(Gland(), Chance(SEED, 0, "organ"))
    plain = grow(grammar, organ, {"p_acc": 0.0}, Chance(SEED, 0, "growth"))
    lesion = Lesion(kind="chronic_pancreatitis", beads=0.5)
    place = seat(lesion, organ, Chance(SEED, 0, "x"))
    both = grow(grammar, organ, {"p_acc": 0.0}, Chance(SEED, 0, "growth"), None, disease_of(place, organ))
    assert both.radius_mm.tobytes() == plain.radius_mm.tobytes()
