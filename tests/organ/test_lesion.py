"""Lesions as values and in their places: ranges, size, room for ducts and vessels, what they do to the gland."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.lesion import BESIDE, MASSES, Lesion, check_fits
from pancreasgen.organ.seat import DUCT_ROOM_MM, seat, seat_of, swollen, without

CHANCE = Chance(7, 0, "lesion")


@pytest.fixture(scope="module")
def organ():
    return shape_organ(Gland(), Chance(7, 0, "organ"))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("at", 1.5, "at must be a number from 0.02 to 0.98"),
        ("diameter_mm", 0, "diameter_mm must be a number from 2 to 150 mm, not 0"),
        ("diameter_mm", "nan", "from 2 to 150 mm"),
        ("kind", "pdca", "did you mean `pdac`"),
        ("stent", "gold", "none, bile_duct, main_duct"),
    ],
)
def test_bad_values_are_refused(field, value, words):
    """The letter names the range or the words that exist."""
    with pytest.raises(UsageError) as caught:
        Lesion(**{field: value})
    assert words in caught.value.letter() or set(words.split(", ")) <= set(
        caught.value.letter().replace(",", "").split()
    )


def test_a_lesion_survives_a_dictionary():
    """from_dict undoes to_dict, and refuses a name that it does not know."""
    lesion = Lesion(kind="serous_cyst", diameter_mm=44.5, scar="calcified")
    assert Lesion.from_dict(lesion.to_dict()) == lesion
    with pytest.raises(UsageError, match="no lesion field `size`"):
        Lesion.from_dict({"size": 3})


def test_larger_than_the_gland_is_refused():
    """A mass wider than the gland is long is refused with both numbers; a disease without a mass never is."""
    with pytest.raises(UsageError, match=r"a pdac of 130 mm is larger than the gland, which is 120 mm long"):
        check_fits(Lesion(kind="pdac", diameter_mm=130), 120.0)
    check_fits(Lesion(kind="acute_pancreatitis", diameter_mm=130), 120.0)


@pytest.mark.parametrize("kind", MASSES)
def test_a_mass_has_its_diameter(kind):
    """Its volume is that of a ball of the drawn diameter or up to a third less (a bunch of grapes: two thirds).

    No part of it lies beyond its reach.
    """
    grid = Grid.centred((90, 90, 90), (0.6, 0.6, 0.6), (0.0, 0.0, 0.0))
    for case in range(4):
        mass = seat_of(Lesion(kind=kind, diameter_mm=36), np.zeros(3), Chance(case, 0, "x"))
        inside = mass.field(grid.mesh_mm()) > 0
        ball = np.pi / 6 * 36.0**3 / 1000
        low, high = (0.33, 1.0) if kind == "ipmn_branch" else (0.7, 1.15)
        assert low * ball < inside.sum() * grid.voxel_ml < high * ball
        assert np.linalg.norm(grid.to_world(np.argwhere(inside)), axis=1).max() <= mass.reach_mm


@pytest.mark.parametrize("kind", [*BESIDE, "ipmn_branch"])
@pytest.mark.parametrize("at", [0.15, 0.5, 0.85])
def test_masses_leave_room_for_the_main_duct(organ, kind, at):
    """The whole axis, a tube of 2 mm around it and the bile duct's course lie outside a mass; it touches the gland."""
    mass = seat(Lesion(kind=kind, at=at, diameter_mm=28, turn_deg=20), organ, CHANCE)
    away = np.linalg.norm(organ.axis_mm - mass.centre_mm, axis=1)
    assert away.min() >= 14 + DUCT_ROOM_MM - 1e-6
    assert mass.field(tuple(organ.axis_mm.T)).max() < -2.0
    assert mass.field(tuple(organ.landmarks["bile_duct"].T)).max() < 0.0
    inside = organ.distance.grid.to_world(np.argwhere(organ.distance.data > 0))
    assert mass.field(tuple(inside.T)).max() > 0.0


def test_ducts_may_not_grow_in_a_mass(organ):
    """Where ducts may grow is the gland less the mass, with tissue between; the gland with its mass holds both."""
    mass = seat(Lesion(kind="pnet", at=0.6, diameter_mm=20), organ, CHANCE)
    free, both = without(organ, [mass]), swollen(organ, [mass])
    grid = organ.distance.grid
    inside = mass.field(grid.mesh_mm()) > 0
    assert (free.distance.data[inside] < 0).all()
    assert (free.regions.data[inside] == 0).all()
    far = mass.field(grid.mesh_mm()) < -organ.distance.data.max() - 1
    assert np.array_equal(free.distance.data[far], organ.distance.data[far])
    points = mass.centre_mm + np.random.default_rng(0).uniform(-8, 8, (200, 3))
    assert sample_with_gradient(both.distance, points)[0][mass.field(tuple(points.T)) > 0.5].min() > 0.0
    assert both.volume_ml > organ.volume_ml
    assert swollen(organ, []) is organ is without(organ, [seat(Lesion(kind="pdac"), organ, CHANCE)])


def test_the_gland_wastes_away_upstream_of_a_carcinoma():
    """Thickness falls upstream alone: the head keeps its volume within 3 %, body and tail lose one to two thirds."""
    chance = Chance(7, 0, "organ")
    well = shape_organ(Gland(), chance)
    ill = shape_organ(Gland(), chance, (Lesion(kind="pdac", at=0.35, diameter_mm=20, thickness=0.7),))
    head, tail = (
        ((item.regions.data < 3) & (item.regions.data > 0) for item in (well, ill)),
        (item.regions.data > 3 for item in (well, ill)),
    )
    before, after = (mask.sum() for mask in head)
    assert after == pytest.approx(before, rel=0.03)
    before, after = (mask.sum() for mask in tail)
    assert 0.33 < 1 - after / before < 0.67


def test_oedema_swells_and_chronic_disease_thins():
    """Volume goes with the square of the section's factor, within a tenth of the gland."""
    chance = Chance(7, 0, "organ")
    well = shape_organ(Gland(), chance).volume_ml
    for kind, factor in (("acute_pancreatitis", 1.25), ("chronic_pancreatitis", 0.85)):
        ill = shape_organ(Gland(), chance, (Lesion(kind=kind, thickness=factor),)).volume_ml
        assert ill == pytest.approx(factor**2 * well, rel=0.1)
