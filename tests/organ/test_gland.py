"""The procedural gland: what is drawn is what one measures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import UsageError
from pancreasgen.organ.axis import SHAPES, course
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.organ import Region

CHANCE = Chance(3, 0, "organ")


@pytest.fixture(scope="module")
def organ():
    return shape_organ(Gland(), CHANCE)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_one_piece_with_all_regions(shape):
    """Every shape type gives one connected gland with head, uncinate, neck, body and tail, of plausible volume."""
    organ = shape_organ(Gland(shape=shape), CHANCE)
    inside = organ.distance.data > 0
    assert ndimage.label(inside)[1] == 1
    assert set(np.unique(organ.regions.data)) == set(map(int, Region))
    assert ((organ.regions.data > 0) == inside).all()
    assert 40 < organ.volume_ml < 140


@pytest.mark.parametrize("length", [110.0, 162.0, 210.0])
def test_the_axis_has_the_drawn_length(length):
    """The axis from the papilla to the tip of the tail is as long as drawn, within 3 mm."""
    organ = shape_organ(Gland(length_mm=length), CHANCE)
    assert organ.length_mm == pytest.approx(length, abs=3.0)


def test_the_body_is_as_thick_as_drawn(organ):
    """Half the drawn thickness is the depth of the body's and the tail's middle, within 2.5 mm (relief, grooves)."""
    axis = course("oblique", 162.0, np.zeros((8, 3)))
    middle = 0.5 * (axis.neck_mm[1] + axis.body_end_mm)
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(organ.axis_mm, axis=0), axis=1))])
    near = organ.axis_mm[np.abs(arc - middle) < 15.0]
    depth, _ = sample_with_gradient(organ.distance, near)
    assert np.median(depth) == pytest.approx(0.5 * 22.0, abs=2.5)


def test_landmarks_lie_just_inside(organ):
    """The papillae lie within 4 mm of the capsule, inside, 14–30 mm apart, on the right border of the head."""
    major, minor = organ.landmarks["major_papilla"], organ.landmarks["minor_papilla"]
    for point in (major, minor):
        depth, _ = sample_with_gradient(organ.distance, point)
        assert 0.5 < depth[0] < 4.0
    assert 14.0 < np.linalg.norm(major - minor) < 30.0
    assert major[0, 0] > organ.landmarks["smv"][:, 0].max() + 10.0


@pytest.mark.parametrize("name", ["smv", "sma", "splenic_vein"])
def test_the_grooves_keep_the_vessels_free(organ, name):
    """No tissue lies within 3 mm of the centre of a neighbouring vessel, but the splenic vein touches the gland."""
    points = organ.landmarks[name]
    dense = np.vstack([np.linspace(a, b, 20) for a, b in itertools.pairwise(points)])
    grid = organ.distance.grid
    index = grid.to_index(dense)
    known = np.all((index >= 0) & (index <= np.array(grid.shape) - 1), axis=1)
    depth, _ = sample_with_gradient(organ.distance, dense[known])
    assert depth.max() < -3.0


def test_veins_keep_their_sides(organ):
    """The superior mesenteric vein lies to the right of the artery (94 % of people)."""
    assert organ.landmarks["smv"][:3, 0].min() > organ.landmarks["sma"][2:, 0].max()


def test_the_distance_is_a_distance(organ):
    """Inside, the slope of the distance is 1 but on the medial axis: median within 2 % of 1, 99th centile below 1.2."""
    gradient = np.gradient(organ.distance.data.astype(np.float64))
    slope = np.sqrt(sum(part**2 for part in gradient))
    inside = organ.distance.data > 1.5
    assert np.median(slope[inside]) == pytest.approx(1.0, abs=0.02)
    assert np.quantile(slope[inside], 0.99) < 1.2


def test_same_chance_same_gland():
    """The same scalars and stream give the same gland to the bit; another stream another one."""
    first = shape_organ(Gland(), CHANCE)
    shape_organ.cache_clear()
    again = shape_organ(Gland(), CHANCE)
    assert again is not first
    other = shape_organ(Gland(), Chance(4, 0, "organ"))
    assert first.distance.data.tobytes() == again.distance.data.tobytes()
    assert first.distance.data.shape != other.distance.data.shape or (first.distance.data != other.distance.data).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length_mm": 70.0}, "from 80 to 220 mm"),
        ({"length_mm": float("nan")}, "not nan"),
        ({"shape": "sigmoidal"}, "there is no gland shape `sigmoidal`"),
        ({"uncinate": "big"}, "not 'big'"),
    ],
)
def test_bad_scalars_get_a_letter(change, words):
    """A value out of range is refused with the range; an unknown shape with the names that exist."""
    with pytest.raises(UsageError, match=words):
        Gland(**change)


def test_a_missing_uncinate_makes_a_smaller_head():
    """Aplasia of the uncinate process takes tissue away, and only in head and uncinate."""
    with_it, without = shape_organ(Gland(uncinate=1.0), CHANCE), shape_organ(Gland(uncinate=0.0), CHANCE)
    assert without.volume_ml < with_it.volume_ml - 1.0
    tail = [(item.regions.data == Region.TAIL).sum() for item in (with_it, without)]
    assert tail[0] == pytest.approx(tail[1], rel=0.02)


def test_clefts_cut_into_body_and_tail_alone():
    """Clefts of 6 mm take tissue from body and tail, up to 6 mm deep, and nothing from head, neck or the axis."""
    without, cut = shape_organ(Gland(), CHANCE), shape_organ(Gland(cleft_mm=6.0), CHANCE)
    lost = (without.distance.data > 0) & ~(cut.distance.data > 0)
    assert lost.sum() > 150
    assert np.isin(without.regions.data[lost], [Region.BODY, Region.TAIL]).all()
    assert 4.0 < without.distance.data[lost].max() < 6.5
    assert not ((cut.distance.data > 0) & ~(without.distance.data > 0)).any()
    assert ndimage.label(cut.distance.data > 0)[1] == 1
    assert sample_with_gradient(cut.distance, cut.axis_mm[12:-12])[0].min() > 3.0


def test_a_smaller_uncinate_is_a_smaller_region():
    """Normal, hypoplastic, absent: the uncinate process shrinks and at last is not there."""
    sizes = [(shape_organ(Gland(uncinate=size), CHANCE).regions.data == Region.UNCINATE).sum() for size in (1, 0.4, 0)]
    assert sizes[0] > 2 * sizes[1] > 0
    assert sizes[2] == 0
