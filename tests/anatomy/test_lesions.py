"""Lesions in the phantom: contrast as drawn, ducts dammed up, vessels left alone, stones and stents in place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.anatomy.aftermath import contact_deg, main_course, stones
from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.lesions import WALL_SHARE, gland_hu, soft_tissue
from pancreasgen.anatomy.phantom import Phantom, compose
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import PARENCHYMA, VALUES
from pancreasgen.anatomy.tissues import palette
from pancreasgen.anatomy.vessels import Tube
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.network.dilate import SHUT_MM
from pancreasgen.network.illness import on_duct
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.lesion import Lesion
from pancreasgen.organ.seat import Seat, seat, seat_of
from pancreasgen.scan.materials import basis_attenuation

CHANCE = Chance(11, 0, "tissue")
GRID = Grid.centred((236, 130, 76), (1.1, 1.1, 2.0), (-10.0, 35.0, 6.0))
VESSELS = [VALUES[name] for name in ("superior_mesenteric_vein", "superior_mesenteric_artery", "portal_vein", "aorta")]


@pytest.fixture(scope="module")
def organ():
    return shape_organ(Gland(), Chance(11, 0, "organ"))


def ducts(organ) -> DuctNetwork:
    """Return a main duct alone, along the gland's axis."""
    n = len(organ.axis_mm)
    segments = np.column_stack([np.arange(n - 1), np.arange(1, n)]).astype(np.int32)
    kinds, orders = np.full(n - 1, Kind.MAIN, np.uint8), np.zeros(n - 1, np.int16)
    return DuctNetwork(organ.axis_mm, np.linspace(1.6, 0.6, n), segments, kinds, orders)


def body(organ, lesion: Lesion | None, phase: str = "portal-venous") -> tuple[Phantom, tuple[Seat, ...]]:
    """Return the body with a lesion and the lesion's place."""
    network = ducts(organ)
    places = (on_duct(seat(lesion, organ, CHANCE), network, organ),) if lesion else ()
    return compose(organ, network, Physique(texture_hu=0), GRID, phase, CHANCE, seats=places), places


def hu_of(phantom: Phantom) -> np.ndarray:
    mu = basis_attenuation()[:, 60]
    return 1000 * (np.tensordot(mu, phantom.materials.data, 1) / mu[0] - 1)


def volume_ml(phantom: Phantom, name: str) -> float:
    return float(np.count_nonzero(phantom.labels.data == VALUES[name])) * phantom.grid.voxel_ml


def bile_width_mm(phantom: Phantom) -> float:
    """Width of the bile duct above the head: that of a disc of its mean area in the slices between z 25 and 40 mm."""
    z = phantom.grid.axis_mm(2)
    rows = (phantom.labels.data == VALUES["common_bile_duct"])[:, :, (z > 25) & (z < 40)]
    return float(2 * np.sqrt(rows.sum(axis=(0, 1)).mean() * 1.1 * 1.1 / np.pi))


@pytest.fixture(scope="module")
def healthy(organ):
    return body(organ, None)[0]


@pytest.fixture(scope="module")
def head_tumour(organ):
    lesion = Lesion(kind="pdac", at=0.15, diameter_mm=32, bile_mm=13, contrast_portal_hu=45, stent="bile_duct")
    return body(organ, lesion)


def test_soft_tissue_has_the_wanted_hu():
    """Over 15 to 250 HU the mixture has the HU at 70 keV within 0.1."""
    mu, wanted = basis_attenuation()[:, 60], np.linspace(15, 250, 9)
    assert 1000 * (mu @ soft_tissue(wanted) / mu[0] - 1) == pytest.approx(wanted, abs=0.1)


def test_a_canvas_without_gland_has_no_reference():
    """Where no gland is painted there is nothing to compare with."""
    assert gland_hu(Canvas.blank(Grid((4, 4, 4), (1, 1, 1), (0, 0, 0)), palette(Physique(), "delayed"))) is None


@pytest.mark.parametrize(("phase", "contrast"), [("pancreatic", 60.0), ("portal-venous", 41.0), ("delayed", 18.0)])
def test_contrast_is_as_drawn(organ, phase, contrast):
    """Parenchyma minus carcinoma, medians at 70 keV: the drawn contrast of the phase within 4 HU."""
    lesion = Lesion(
        kind="pdac", at=0.55, diameter_mm=26, contrast_pancreatic_hu=60, contrast_portal_hu=41, contrast_delayed_hu=18
    )
    phantom, _ = body(organ, lesion, phase)
    hu, labels = hu_of(phantom), phantom.labels.data
    tumour = ndimage.binary_erosion(labels == VALUES["pdac"], iterations=2)
    assert np.median(hu[np.isin(labels, PARENCHYMA)]) - np.median(hu[tumour]) == pytest.approx(contrast, abs=4)


def test_neuroendocrine_tumours_are_brighter_by_the_ratio(organ):
    """In the pancreatic phase the tumour has 1.53 times the HU of the gland, within 0.06."""
    phantom, _ = body(organ, Lesion(kind="pnet", at=0.6, diameter_mm=18), "pancreatic")
    hu, labels = hu_of(phantom), phantom.labels.data
    tumour = ndimage.binary_erosion(labels == VALUES["neuroendocrine_tumour"])
    gland = np.median(hu[np.isin(labels, PARENCHYMA)])
    assert np.median(hu[tumour]) / gland == pytest.approx(1.53, abs=0.06)


def test_double_duct_in_the_head_alone(organ, healthy, head_tumour):
    """The bile duct above a tumour of the head is twice as wide or more, above one of the tail as it was."""
    usual = bile_width_mm(healthy)
    free = Lesion(kind="pdac", at=0.15, diameter_mm=32, bile_mm=13)
    assert bile_width_mm(body(organ, free)[0]) > 2.0 * usual
    tail, _ = body(organ, Lesion(kind="pdac", at=0.85, diameter_mm=32, bile_mm=13))
    assert bile_width_mm(tail) == pytest.approx(usual, abs=0.05)
    assert usual < bile_width_mm(head_tumour[0]) < 13.0  # drained by the stent


def test_the_duct_is_cut_off_in_the_tumour(organ):
    """Where a shut main duct runs through a tumour no voxel is duct, whatever its centreline; outside they are."""
    network, lesion = ducts(organ), Lesion(kind="pdac", at=0.4, diameter_mm=26)
    place = on_duct(seat(lesion, organ, CHANCE), network, organ)
    depth = place.field(tuple(network.nodes_mm.T))
    radius = np.where(depth > 0, SHUT_MM, network.radius_mm)
    shut = DuctNetwork(network.nodes_mm, radius, network.segments, network.kind, network.order)
    phantom = compose(organ, shut, Physique(texture_hu=0), GRID, "portal-venous", CHANCE, seats=(place,))
    deep, line = place.field(GRID.mesh_mm()) > 3.0, phantom.centerline.data > 0
    duct = phantom.labels.data == VALUES["main_duct"]
    assert (line & deep).sum() > 5
    assert not (duct & deep).any()
    assert duct[line & (place.field(GRID.mesh_mm()) < -2.0)].all()


def test_vessels_run_through_a_tumour_unharmed(organ, healthy):
    """Every voxel of the great vessels is theirs with and without a carcinoma at the neck."""
    phantom, _ = body(organ, Lesion(kind="pdac", at=0.35, diameter_mm=40))
    ill, well = phantom.labels.data, healthy.labels.data
    mine = np.isin(well, VESSELS)
    assert (ill[mine] == well[mine]).mean() > 0.999
    assert volume_ml(phantom, "pdac") == pytest.approx(np.pi / 6 * 4.0**3, rel=0.35)


def test_a_stent_is_one_piece_through_the_tumour(head_tumour):
    """Its label is one piece, passes the tumour and is longer than 40 mm; above all other structures."""
    phantom, (place,) = head_tumour
    mine = phantom.labels.data == VALUES["stent"]
    assert ndimage.label(mine, np.ones((3, 3, 3)))[1] == 1
    points = phantom.grid.to_world(np.argwhere(mine))
    assert np.linalg.norm(np.ptp(points, axis=0)) > 40
    assert place.field(tuple(points.T)).max() > 0


@pytest.mark.parametrize(
    ("kind", "cell", "walls"), [("serous_cyst", 5.0, (0.2, 0.5)), ("mucinous_cyst", 40.0, (0.05, 0.3))]
)
def test_cysts_hold_fluid_between_walls(organ, kind, cell, walls):
    """The middle of compartments is fluid (8 HU within 6); the share of walls is a honeycomb's or a bag's."""
    phantom, _ = body(organ, Lesion(kind=kind, at=0.6, diameter_mm=40, cell_mm=cell))
    hu = hu_of(phantom)[ndimage.binary_erosion(phantom.labels.data == VALUES[kind])]
    assert np.percentile(hu, 3) == pytest.approx(8, abs=6)
    wall = WALL_SHARE * np.median(hu_of(phantom)[np.isin(phantom.labels.data, PARENCHYMA)])
    assert walls[0] < (hu.mean() - 8) / (wall - 8) < walls[1]
    assert volume_ml(phantom, kind) == pytest.approx(np.pi / 6 * 4.0**3, rel=0.3)


def test_a_scar_may_be_calcified(organ):
    """A calcified scar lies in the inner half of a serous cyst."""
    phantom, (place,) = body(organ, Lesion(kind="serous_cyst", at=0.6, diameter_mm=44, scar="calcified"))
    points = phantom.grid.to_world(np.argwhere(phantom.labels.data == VALUES["calcification"]))
    assert len(points) > 0
    assert np.linalg.norm(points - place.centre_mm, axis=1).max() < 14


def test_oedema_soaks_fat_and_nothing_else(organ):
    """What became oedema was fat, none of it lies further than 1.6 reaches from the gland, and the gland is darker."""
    lesion = Lesion(kind="acute_pancreatitis", oedema_mm=12, contrast_portal_hu=12)
    network, places = ducts(organ), (seat_of(lesion, organ.axis_mm[50], CHANCE),)
    physique = Physique(texture_hu=0, lobulation_mm=0, pancreatic_fat_fraction=0)
    ill = compose(organ, network, physique, GRID, "portal-venous", CHANCE, seats=places)
    well = compose(organ, network, physique, GRID, "portal-venous", CHANCE)
    wet = ill.labels.data == VALUES["peripancreatic_oedema"]
    assert wet.sum() * GRID.voxel_ml > 20
    assert set(np.unique(well.labels.data[wet])) <= {VALUES["visceral_fat"], VALUES["peripancreatic_fat"]}
    points = GRID.to_world(np.argwhere(wet))
    inside = organ.distance.grid.to_index(points)
    depth = ndimage.map_coordinates(organ.distance.data, inside.T, order=1, mode="nearest")
    assert depth.min() > -1.6 * 12 - 3
    gland = np.isin(well.labels.data, PARENCHYMA) & np.isin(ill.labels.data, PARENCHYMA)
    assert np.median(hu_of(well)[gland]) - np.median(hu_of(ill)[gland]) == pytest.approx(12, abs=1)
    assert np.median(hu_of(ill)[wet]) > np.median(hu_of(well)[wet]) + 40


def test_stones_lie_in_the_ducts(organ):
    """As many stones as drawn, the largest of the drawn length, all within the ducts' reach and calcified."""
    lesion = Lesion(kind="chronic_pancreatitis", num_stones=12, stone_mm=14)
    network = ducts(organ)
    place = seat(lesion, organ, CHANCE)
    found = stones(place, network)
    assert len(found) == 12
    lengths = [np.linalg.norm(np.diff(points, axis=0), axis=1).sum() for points, _ in found]
    assert max(lengths) == lengths[0] == pytest.approx(14, abs=0.5)
    main = main_course(network)[0]
    for points, radii in found:
        assert np.linalg.norm(points[:, None] - main[None], axis=2).min(axis=1).max() < 0.5
        assert radii.min() >= 0.3
    phantom, _ = body(organ, lesion)
    hard = phantom.labels.data == VALUES["calcification"]
    assert hard.any()
    assert np.percentile(hu_of(phantom)[hard], 90) > 400


def test_contact_is_the_angle_of_the_circumference():
    """A far vessel has none, an enclosed one 360°, one whose wall a large ball crosses in the middle about half."""
    ball = seat_of(Lesion(kind="ipmn_branch", diameter_mm=100), np.zeros(3), CHANCE)
    ball = Seat(ball.lesion, np.zeros(3), np.array([[0.0, 0.0, 0.0, 50.0]]), np.zeros((0, 5)), CHANCE)
    line = np.column_stack([np.zeros(41), np.zeros(41), np.linspace(-20, 20, 41)])
    for away, wanted, slack in ((0.0, 360.0, 0.0), (50.0, 180.0, 12.0), (90.0, 0.0, 0.0)):
        tube = Tube("portal_vein", line + [away, 0.0, 0.0], np.full(41, 4.0))
        assert contact_deg(ball, tube) == pytest.approx(wanted, abs=slack)


def test_a_body_without_lesions_is_the_same(organ, healthy):
    """No lesion, no change: the labels are those of a call that knows of none."""
    again = compose(organ, ducts(organ), Physique(texture_hu=0), GRID, "portal-venous", CHANCE)
    assert np.array_equal(again.labels.data, healthy.labels.data)
    assert np.array_equal(again.materials.data, healthy.materials.data)
