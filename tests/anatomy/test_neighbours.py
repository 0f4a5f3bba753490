"""Who may touch whom: hollow organs keep off gland and vessels, the liver off the spine; gas lies on level content."""

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.anatomy import phantom as room
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.stomach import behind, gas_level_mm
from pancreasgen.anatomy.structures import DUCTS, PARENCHYMA, VALUES
from pancreasgen.anatomy.tissues import tissue_index
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.gland import Gland, shape_organ

GRID = Grid.centred((110, 90, 62), (2.0, 2.0, 2.5), (-25.0, 25.0, 2.0))
CONTENTS = ("gi_fluid", "gi_content", "stool", "air")
HOLLOW = [VALUES[name] for name in ("stomach", "duodenum", "small_bowel", "colon")]
VESSELS = ("splenic_artery", "splenic_vein", "superior_mesenteric_artery", "superior_mesenteric_vein", "portal_vein")
VESSELS += ("coeliac_trunk", "common_hepatic_artery", "gastroduodenal_artery", "aorta", "inferior_vena_cava")
BODIES = [(shape, seed) for shape in ("oblique", "horseshoe", "inverted-V") for seed in (1, 2)]
NO_DUCTS = DuctNetwork(
    np.zeros((1, 3)), [1.0], np.zeros((0, 2), np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int16)
)


def dyed(first, second):
    """Return a palette of three dyes: first tissues, second tissues, all others; densities become volume shares."""
    dyes = np.zeros((len(tissue_index()), 3), np.float32)
    for name, index in tissue_index().items():
        dyes[index, 0 if name in first else 1 if name in second else 2] = 1.0
    return lambda *_: dyes


def dyed_body(gland, seed, first, second, grid=GRID):
    """Return labels and the shares of the two groups of tissues in each voxel of a body."""
    organ = shape_organ(gland, Chance(seed, 0, "organ"))
    physique = Physique(texture_hu=0, stomach_filling=(0.3, 0.9)[seed % 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "palette", dyed(first, second))
        body = room.compose(organ, NO_DUCTS, physique, grid, "portal-venous", Chance(seed, 0, "tissue"))
    return body.labels.data, body.materials.data[0], body.materials.data[1]


@pytest.fixture(scope="module", params=BODIES, ids=lambda body: f"{body[0]}-{body[1]}")
def body(request):
    shape, seed = request.param
    return dyed_body(Gland(shape=shape), seed, CONTENTS, ("bowel_wall",))


def test_contents_never_touch_gland_or_vessels(body):
    """No face neighbour of gland or named vessel is content of stomach, duodenum or bowel; none is stomach at all."""
    labels, content, wall = body
    lumen = np.isin(labels, HOLLOW) & (content > wall)
    assert np.count_nonzero(lumen) > 5000
    for values in (PARENCHYMA + DUCTS, *[(VALUES[name],) for name in VESSELS]):
        own = np.isin(labels, values)
        assert own.any()
        around = ndimage.binary_dilation(own) & ~own
        assert not (around & lumen).any()
        assert not (around & (labels == VALUES["stomach"])).any()


def test_content_has_a_wall(body):
    """Content of the stomach never touches anything but the stomach, so carving moves wall and lumen together."""
    labels, content, wall = body
    stomach = labels == VALUES["stomach"]
    lumen = stomach & (content > wall)
    lumen[[0, -1]] = lumen[:, [0, -1]] = lumen[:, :, [0, -1]] = False
    assert not (ndimage.binary_dilation(lumen) & ~stomach).any()


@pytest.mark.parametrize(("shape", "length_mm"), [("oblique", 201.0), ("L", 154.0)])
def test_duodenum_lies_in_front_of_its_artery(shape, length_mm):
    """At no height does the duodenum lie straight behind the gastroduodenal artery, so that none runs through it."""
    labels, _, _ = dyed_body(Gland(shape=shape, length_mm=length_mm), 1, CONTENTS, ("bowel_wall",))
    artery = labels == VALUES["gastroduodenal_artery"]
    shadow = np.maximum.accumulate(artery[:, ::-1], axis=1)[:, ::-1]
    assert artery.any()
    assert not (shadow & (labels == VALUES["duodenum"])).any()


def test_stomach_lies_in_front(body):
    """At no height does a stomach voxel lie straight behind the gland's tail, the splenic artery or the vein."""
    labels, _, _ = body
    bed = np.isin(labels, [VALUES[name] for name in ("pancreas_tail", "splenic_artery", "splenic_vein")])
    shadow = np.maximum.accumulate(bed[:, ::-1], axis=1)[:, ::-1]
    assert not (shadow & (labels == VALUES["stomach"])).any()


def test_liver_keeps_off_the_spine(body):
    """No liver voxel lies within 3 mm of vertebrae or discs, and none behind the aorta or the cava."""
    labels, _, _ = body
    liver = labels == VALUES["liver"]
    away = ndimage.distance_transform_edt(labels != VALUES["spine"], sampling=GRID.spacing_mm)
    assert away[liver].min() > 3.0
    great = np.isin(labels, [VALUES["aorta"], VALUES["inferior_vena_cava"]])
    assert not (np.maximum.accumulate(great[:, ::-1], axis=1)[:, ::-1] & liver).any()


@pytest.mark.parametrize("name", ["stomach", "colon"])
def test_gas_lies_on_a_level(name):
    """All gas of stomach and colon lies in front of all that is not gas; the level is one plane of constant y."""
    grid = Grid.centred((170, 70, 30), (2.0, 2.0, 5.0), (0.0, 40.0, 0.0))
    labels, gas, fluid = dyed_body(Gland(shape="oblique"), 1, ("air",), ("gi_fluid", "stool"), grid)
    own = labels == VALUES[name]
    y = np.broadcast_to(grid.axis_mm(1)[None, :, None], grid.shape)
    assert np.count_nonzero(own & (gas > 0.5)) > 50
    assert y[own & (gas > 0.5)].min() >= y[own & (fluid > 0.5)].max()


@pytest.mark.parametrize("share", [0.05, 0.35, 0.8])
def test_gas_level_parts_the_volume(share):
    """The level cuts the wanted share off a lying cylinder (area of a circle's segment) and a standing one (linear)."""
    lying = np.array([[-40.0, 7.0, 0.0], [0.0, 7.0, 0.0], [40.0, 7.0, 0.0]])
    cosine = (gas_level_mm((lying, np.full(3, 10.0)), share) - 7.0) / 10.0
    assert (np.arccos(cosine) - cosine * np.sqrt(1 - cosine**2)) / np.pi == pytest.approx(share, abs=0.005)
    standing = lying[:, [1, 0, 2]]
    assert gas_level_mm((standing, np.full(3, 10.0)), share) == pytest.approx(40 - 80 * share, abs=1.0)


def test_shadow_is_a_cylinder_open_to_the_back():
    """The shadow of a ball is the ball in front of its centre and a cylinder behind; distances stay exact outside."""
    x, y, z = np.meshgrid(*[np.arange(-20.0, 21.0)] * 3, indexing="ij", sparse=True)
    shadow = behind((8.0 - np.sqrt(x**2 + y**2 + z**2)).astype(np.float32))
    front = np.broadcast_to(y >= 0, shadow.shape)
    wanted = np.where(front, 8.0 - np.sqrt(x**2 + y**2 + z**2), 8.0 - np.sqrt(x**2 + z**2) + 0 * y)
    assert np.allclose(shadow, wanted, atol=1e-5)
