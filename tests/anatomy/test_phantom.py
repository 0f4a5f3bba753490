"""The composed body: every structure in its place, with its size and its HU."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.anatomy.phantom import compose
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.slices import fraction_on, labels_on
from pancreasgen.anatomy.structures import DUCTS, PARENCHYMA, STRUCTURES, VALUES
from pancreasgen.anatomy.tissues import palette, tissue_index
from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid
from pancreasgen.dataset.grammars import vessel_grammars
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.scan.materials import basis_attenuation

CHANCE = Chance(11, 0, "tissue")
GRID = Grid.centred((252, 188, 68), (1.4, 1.4, 2.4), (0.0, 5.0, 0.0))
LATER = {  # room for what is not painted yet
    *("pdac", "ipmn", "calcification", "neuroendocrine_tumour", "serous_cyst", "mucinous_cyst", "stent"),
    *("peripancreatic_oedema", "arms"),
}

VOLUMES_ML = {  # what lies between z −80 and +80 of an average adult
    "liver": (800, 1500),
    "spleen": (80, 290),
    "kidney_right": (100, 200),
    "kidney_left": (100, 200),
    "stomach": (120, 700),
    "duodenum": (40, 130),
    "aorta": (30, 70),
    "inferior_vena_cava": (35, 80),
    "gallbladder": (8, 60),
    "spine": (200, 420),
    "portal_vein": (5, 30),
    "superior_mesenteric_vein": (4, 14),
    "superior_mesenteric_artery": (2, 8),
    "splenic_vein": (2, 10),
    "adrenal_right": (0.3, 8),
    "adrenal_left": (0.3, 8),
}


@pytest.fixture(scope="module")
def organ():
    return shape_organ(Gland(), Chance(11, 0, "organ"))


@pytest.fixture(scope="module")
def network(organ):
    axis = organ.axis_mm
    n = len(axis)
    minor = organ.landmarks["minor_papilla"][0]
    nodes = np.vstack([axis, minor, axis[n // 2] + [0, 0, 7.0]])
    # a side branch of 1.2 mm fills half of some voxel of GRID wherever it lies, even along the corner of four
    radii = np.concatenate([np.linspace(1.6, 0.6, n), [0.6, 1.2]])
    segments = [[k, k + 1] for k in range(n - 1)] + [[n // 5, n], [n // 2, n + 1]]
    kinds = [Kind.MAIN] * (n - 1) + [Kind.ACCESSORY, Kind.SIDE]
    orders = np.array([0] * n + [1], np.int16)
    return DuctNetwork(nodes, radii, np.array(segments, np.int32), np.array(kinds, np.uint8), orders)


@pytest.fixture(scope="module")
def phantom(organ, network):
    grammars = {name: parse_grammar(text, id=name, file=name) for name, text in vessel_grammars().items()}
    return compose(organ, network, Physique(), GRID, "portal-venous", CHANCE, grammars)


@pytest.fixture(scope="module")
def hu(phantom):
    mu = basis_attenuation()[:, 60]
    return 1000 * (np.tensordot(mu, phantom.materials.data, 1) / mu[0] - 1)


def centre(phantom, name):
    return phantom.grid.to_world(np.argwhere(phantom.labels.data == VALUES[name])).mean(axis=0)


def test_every_structure_is_present(phantom):
    """A standard field of view holds every structure of the table but the lesions, and no other value."""
    found = {STRUCTURES[value].name for value in np.unique(phantom.labels.data)}
    missing = {item.name for item in STRUCTURES} - found
    assert missing == LATER


@pytest.mark.parametrize("name", sorted(VOLUMES_ML))
def test_plausible_volume(phantom, name):
    """Organs have the volume of an adult's, as far as they lie in the scan range."""
    low, high = VOLUMES_ML[name]
    volume = np.count_nonzero(phantom.labels.data == VALUES[name]) * phantom.grid.voxel_ml
    assert low <= volume <= high


def test_gland_keeps_its_volume(phantom, organ):
    """Parenchyma, ducts and the bile duct within it fill the organ's capsule within a tenth."""
    inside = np.isin(phantom.labels.data, PARENCHYMA + DUCTS)
    assert np.count_nonzero(inside) * phantom.grid.voxel_ml == pytest.approx(organ.volume_ml, rel=0.1)


def test_places(phantom):
    """Liver, gallbladder, cava right; spleen, stomach, aorta left; vein right of artery; spine behind; tail left."""
    right = ("liver", "gallbladder", "inferior_vena_cava", "kidney_right", "duodenum", "adrenal_right")
    left = ("spleen", "stomach", "aorta", "kidney_left", "adrenal_left", "pancreas_tail")
    assert all(centre(phantom, name)[0] > 0 for name in right)
    assert all(centre(phantom, name)[0] < 0 for name in left)
    assert centre(phantom, "superior_mesenteric_vein")[0] > centre(phantom, "superior_mesenteric_artery")[0] + 5
    assert centre(phantom, "spine")[1] < centre(phantom, "aorta")[1] < centre(phantom, "pancreas_body")[1]
    assert centre(phantom, "stomach")[1] > centre(phantom, "kidney_left")[1]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("liver", 102, 132),
        ("spleen", 105, 135),
        ("visceral_fat", -120, -85),
        ("subcutaneous_fat", -120, -85),
        ("muscle", 45, 75),
        ("aorta", 120, 190),
        ("portal_vein", 157, 195),
        ("inferior_vena_cava", 120, 160),
        ("common_bile_duct", 0, 40),
        ("background", -1000, -990),
    ],
)
def test_median_hu(phantom, hu, name, low, high):
    """The median of each structure at 70 keV lies in its published range."""
    assert low <= np.median(hu[phantom.labels.data == VALUES[name]]) <= high


def test_parenchyma_hu(phantom, hu):
    """The parenchyma's median is 85–105 HU, fat septa included."""
    assert 85 <= np.median(hu[np.isin(phantom.labels.data, PARENCHYMA)]) <= 105


def test_lumen_mixes_by_its_share(organ, network):
    """A voxel's densities are share × juice + (1 − share) × what was there before the ducts came."""
    part = Grid.centred((95, 70, 40), (1.4, 1.4, 2.4), (-52.0, 35.0, 0.0))  # the bile duct keeps off wide ducts
    wide = replace(network, radius_mm=3 * network.radius_mm)
    none = replace(network, radius_mm=1e-4 * network.radius_mm)  # lobules are those of the ducts, so they must be there
    body, plain = (compose(organ, ducts, Physique(), part, "portal-venous", CHANCE) for ducts in (wide, none))
    share = body.duct_fraction.data / 255
    assert (share == 1).sum() > 20
    juice = palette(Physique(), "portal-venous")[tissue_index()["pancreatic_juice"]]
    for channel, value in enumerate(juice):
        wanted = share * value + (1 - share) * plain.materials.data[channel]
        assert np.abs(body.materials.data[channel] - wanted).max() < 0.003  # a share is rounded to 1/255
    assert np.isin(body.labels.data[share > 0.505], DUCTS).all()


def test_main_duct_lies_in_the_gland(phantom, organ):
    """Main-duct voxels lie within the capsule, and their neighbours are gland."""
    duct = phantom.labels.data == VALUES["main_duct"]
    points = phantom.grid.to_world(np.argwhere(duct))
    index = organ.distance.grid.to_index(points).T
    depth = ndimage.map_coordinates(organ.distance.data, index, order=1, mode="constant", cval=-9)
    assert np.mean(depth > 0) > 0.97


@pytest.mark.parametrize("factor", [1, 2])
def test_main_duct_is_face_connected(phantom, network, factor):
    """The main duct is one piece under face neighbours, on the fine grid and on a CT grid of thicker slices.

    So are all ducts together: the side branch is resolvable on both.
    """
    fine = phantom.grid
    z = fine.origin_mm[2] + 0.5 * (factor - 1) * fine.spacing_mm[2]
    spacing = (*fine.spacing_mm[:2], factor * fine.spacing_mm[2])
    image = Grid((*fine.shape[:2], fine.shape[2] // factor), spacing, (*fine.origin_mm[:2], z))
    labels = labels_on(phantom, network, image)
    assert ndimage.label(labels.data == VALUES["main_duct"])[1] == 1
    ducts = np.isin(labels.data, DUCTS)
    assert VALUES["side_branches"] in labels.data
    assert ndimage.label(ducts)[1] == 1
    if factor == 1:
        assert np.array_equal(labels.data, phantom.labels.data)
        assert np.array_equal(fraction_on(phantom, image).data, phantom.duct_fraction.data)
    else:
        coarse = fraction_on(phantom, image).data.sum(dtype=float) * factor
        assert coarse == pytest.approx(phantom.duct_fraction.data.sum(dtype=float), rel=0.01)


def test_labels_are_a_majority(phantom, network):
    """Three slices that agree keep their label; two of three win."""
    fine = phantom.grid
    z = fine.origin_mm[2] + fine.spacing_mm[2]
    image = Grid((*fine.shape[:2], fine.shape[2] // 3), (1.4, 1.4, 7.2), (*fine.origin_mm[:2], z))
    labels = labels_on(phantom, network, image).data
    rows = phantom.labels.data[:, :, : 3 * image.shape[2]].reshape(*image.shape, 3)
    duct = np.isin(rows, DUCTS).any(axis=3)
    a, b, c = (rows[..., n] for n in range(3))
    winner = np.where((a == b) | (a == c), a, b)
    clear = ~duct & ((a == b) | (a == c) | (b == c))
    assert np.array_equal(labels[clear], winner[clear])


def test_grids_that_do_not_fit_are_refused(phantom, network):
    """A CT grid that is no integer number of fine slices, or shifted in plane, is refused."""
    fine = phantom.grid
    for image in (replace(fine, spacing_mm=(1.4, 1.4, 3.1)), replace(fine, origin_mm=(0.0, 0.0, 0.0))):
        with pytest.raises(BadInputError, match="finer slices"):
            labels_on(phantom, network, image)


def test_same_chance_same_arrays(organ, network):
    """The same chance gives the same bytes, another chance another body."""
    small = Grid.centred((90, 70, 12), (3.5, 3.5, 6.0), (0.0, 5.0, 0.0))
    one, again, other = (
        compose(organ, network, Physique(), small, "pancreatic", chance)
        for chance in (CHANCE, CHANCE, Chance(12, 0, "tissue"))
    )
    assert np.array_equal(one.materials.data, again.materials.data)
    assert np.array_equal(one.labels.data, again.labels.data)
    assert not np.array_equal(one.labels.data, other.labels.data)


@pytest.mark.parametrize("shape", ["horseshoe", "L"])
def test_extreme_bodies_hold_the_gland(shape):
    """In the thinnest and the fattest body the gland stays inside the wall and no structure is lost to it."""
    small = Grid.centred((150, 130, 20), (3.5, 3.5, 8.0), (0.0, 15.0, 0.0))
    organ = shape_organ(Gland(shape=shape), Chance(3, 0, "organ"))
    empty = DuctNetwork(
        np.zeros((1, 3)), [1.0], np.zeros((0, 2), np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int16)
    )
    thin = Physique(half_width_mm=120, front_depth_mm=75, back_depth_mm=80, subcutaneous_fat_mm=2, visceral_fat_mm=0.5)
    fat = Physique(half_width_mm=240, front_depth_mm=220, subcutaneous_fat_mm=60, visceral_fat_mm=20)
    for physique in (thin, fat):
        labels = compose(organ, empty, physique, small, "unenhanced", CHANCE).labels.data
        gland = np.isin(labels, PARENCHYMA)
        around = ndimage.binary_dilation(gland) & ~gland
        assert not np.isin(labels[around], [VALUES["background"], VALUES["skin"]]).any()
        assert {VALUES[n] for n in ("liver", "spleen", "kidney_left", "stomach", "aorta")} <= set(np.unique(labels))
        volume = np.count_nonzero(gland) * small.voxel_ml
        assert volume == pytest.approx(organ.volume_ml, rel=0.15)
