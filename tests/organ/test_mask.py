"""Organs from masks: distances, axes and landmarks against formulas; bad masks get letters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.organ import mask as room
from pancreasgen.organ.centreline import opened, resample
from pancreasgen.organ.exact import exact_distance
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.mask import MaskOptions, organ_from_mask
from pancreasgen.organ.organ import Organ, Region
from pancreasgen.organ.parts import find_neck
from pancreasgen.organ.voxels import face_distance
from tests.organ.solids import banana, bitten, inside, sphere, torus, voxels

OBLIQUE = (20.0, -30.0, 40.0)


def _values(organ: Organ, points: np.ndarray) -> np.ndarray:
    return sample_with_gradient(organ.distance, points)[0]


# ---- the surface


def test_faces_are_measured_exactly() -> None:
    """The distance to voxels' faces equals that of a slow twin that asks every box, on a turned lattice."""
    rng = np.random.default_rng(5)
    mask = ndimage.binary_dilation(rng.random((6, 5, 4)) < 0.15)
    size = np.array([1.0, 0.7, 2.0])
    matrix = np.array([[0.5, 0.1, 0.0], [-0.1, 0.6, 0.1], [0.0, 0.05, 0.4]])
    shift = np.array([-1.0, -0.6, -1.2])
    found = face_distance(mask, size, matrix, shift, (9, 8, 9), 3.0)
    padded = np.pad(mask, 6)
    for at in np.ndindex(9, 8, 9):
        place = matrix @ at + shift
        own = padded[tuple(np.floor(place + 0.5).astype(int) + 6)]
        gaps = np.maximum(np.abs(np.argwhere(padded != own) - 6 - place) - 0.5, 0.0) * size
        truth = min(float(np.sqrt((gaps**2).sum(axis=1)).min()), 3.0)
        assert found[at] == pytest.approx(truth if own else -truth, abs=1e-5)


def test_distance_is_exact_for_planes_and_rounds_corners() -> None:
    """From a badly scaled field of a cube, distances to faces are exact, and off by half a voxel behind its corners."""
    grid = Grid.centred((31, 31, 31), (1.0, 1.0, 1.0), (0.27, -0.1, 0.2))
    x, y, z = grid.mesh_mm()
    box = np.stack(np.broadcast_arrays(np.abs(x), np.abs(y), np.abs(z))) - 8.3
    truth = -np.where(box.max(axis=0) < 0, box.max(axis=0), np.linalg.norm(np.maximum(box, 0.0), axis=0))
    found = exact_distance((3.0 * -box.max(axis=0)).astype(np.float32), 1.0)
    assert np.abs(found - truth).max() < 0.6
    face = (box < -3.0).sum(axis=0) == 2
    assert np.abs(found - truth)[face].max() < 1e-3


@pytest.mark.parametrize(
    ("size", "turn", "bias", "spread"),
    [((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 0.32, 0.24), ((1.0, 1.0, 1.0), OBLIQUE, 0.3, 0.2),
     ((0.7, 0.7, 1.0), OBLIQUE, 0.2, 0.15), ((0.7, 0.7, 5.0), OBLIQUE, 0.55, 0.6),
     ((0.4, 0.4, 0.4), OBLIQUE, 0.1, 0.08)],
)  # fmt: skip
def test_distance_of_a_sphere(size: tuple, turn: tuple, bias: float, spread: float) -> None:
    """In any voxels, turned or not, the distance is that of the ball but for a share of a voxel, and inwards."""
    mask, affine = voxels(sphere(15.0, (5.0, -3.0, 7.0)), 19.0, size, turn, (5.1, -3.2, 7.3))
    organ, _ = organ_from_mask(mask, affine)
    x, y, z = organ.distance.grid.mesh_mm()
    truth = 15.0 - np.sqrt((x - 5.0) ** 2 + (y + 3.0) ** 2 + (z - 7.0) ** 2)
    error = (organ.distance.data - truth)[np.abs(truth) < 4.0]
    assert -bias < error.mean() < 0.02
    assert error.std() < spread


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0)])
def test_distance_is_true_to_the_organs_own_surface(size: tuple) -> None:
    """Within 4 mm of the surface the numbers are distances to where they are zero: within 0.2 mm in 99 % of voxels."""
    organ, _ = organ_from_mask(*voxels(sphere(15.0), 19.0, size, OBLIQUE))
    data, step = organ.distance.data, organ.distance.grid.spacing_mm[0]
    fine = ndimage.zoom(data, 4, order=1, grid_mode=False, mode="nearest")
    scale = (np.array(data.shape) - 1) / (np.array(fine.shape) - 1)
    crossings = []
    for axis in range(3):
        a, b = (np.moveaxis(fine, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        where = np.argwhere((a > 0) != (b > 0)).astype(float)
        share = a[(a > 0) != (b > 0)] / (a - b)[(a > 0) != (b > 0)]
        where[:, 0] += share
        crossings.append(np.insert(where[:, 1:], axis, where[:, 0], axis=1) * scale)
    index = np.argwhere(np.abs(data) < 4.0)
    truth = cKDTree(np.vstack(crossings)).query(index)[0] * step
    error = np.abs(np.abs(data[tuple(index.T)]) - truth)
    assert np.percentile(error, 99) < 0.2
    assert error.mean() < 0.05


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (3.0, 3.0, 3.0)])
def test_the_organ_lies_in_the_voxels_of_the_mask(size: tuple) -> None:
    """Of the space inside the organ 99 % lies in the mask's own voxels, and what does not lies under its skin."""
    mask, affine = voxels(banana(), 62.0, size, OBLIQUE)
    organ, _ = organ_from_mask(mask, affine)
    rng = np.random.default_rng(0)
    points = organ.distance.grid.to_world(rng.random((300_000, 3)) * (np.array(organ.distance.grid.shape) - 1))
    depth = _values(organ, points)
    within = inside(mask, affine, points)
    assert ((depth > 0) & ~within).sum() < 0.01 * (depth > 0).sum()
    assert ((depth > 0.15) & ~within).sum() < 0.003 * (depth > 0).sum()
    assert depth[~within].max() < 0.7
    assert (depth > 0).sum() > 0.8 * within.sum()


# ---- the axis


@pytest.mark.parametrize(("size", "turn"), [((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), ((0.7, 0.7, 5.0), OBLIQUE)])
def test_axis_of_a_banana_is_its_arc(size: tuple, turn: tuple) -> None:
    """The axis follows the arc within 1.5 mm but for the caps, is as long as arc and caps, and begins on the right."""
    organ, notes = organ_from_mask(*voxels(banana(), 62.0, size, turn))
    axis = organ.axis_mm
    angle = np.degrees(np.arctan2(axis[:, 1], axis[:, 0]))
    middle = (angle > 35.0) & (angle < 145.0)
    off = np.hypot(np.hypot(axis[:, 0], axis[:, 1]) - 45.0, axis[:, 2])
    assert off[middle].max() < 1.5
    assert off.max() < 7.0
    truth = 45.0 * np.radians(150.0) + 10.0 + 6.0
    assert organ.length_mm == pytest.approx(truth, rel=0.06)
    assert axis[0, 0] > 30.0 > -30.0 > axis[-1, 0]
    assert "the head is the end on the patient's right" in notes
    assert _values(organ, axis[3:-3]).min() > 0.0


def test_axis_of_a_sphere_is_a_diameter() -> None:
    """A ball's axis runs through its middle from skin to skin."""
    organ, _ = organ_from_mask(*voxels(sphere(20.0), 24.0))
    assert organ.length_mm == pytest.approx(40.0, abs=2.5)
    assert np.linalg.norm(organ.axis_mm, axis=1).min() < 1.0


@pytest.mark.parametrize("size", [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0)])
def test_axis_of_a_ring_goes_around_it(size: tuple) -> None:
    """A torus is cut once: the axis is at least 90 % of the way around, in the middle of the tube."""
    organ, notes = organ_from_mask(*voxels(torus(), 40.0, size))
    assert "the organ is a ring: the axis goes around it" in notes
    assert organ.length_mm > 0.9 * 2.0 * np.pi * 28.0
    off = np.hypot(np.hypot(organ.axis_mm[:, 0], organ.axis_mm[:, 1]) - 28.0, organ.axis_mm[:, 2])
    rows = len(off) // 8
    assert off[rows:-rows].max() < 1.5


def test_a_ring_with_a_papilla_is_cut_behind_it() -> None:
    """The axis of a torus begins where the papilla is given, and still goes around."""
    organ, notes = organ_from_mask(*voxels(torus(), 40.0), MaskOptions(papilla_mm=(0.0, -36.0, 0.0)))
    assert "the organ is a ring: the axis goes around it" in notes
    assert np.linalg.norm(organ.axis_mm[0] - [0.0, -36.0, 0.0]) < 3.0
    assert organ.length_mm > 0.75 * 2.0 * np.pi * 28.0


def test_a_hole_in_a_plate_makes_no_ring() -> None:
    """A plate with a hole near its middle is no ring."""
    x, y, z = np.ogrid[-45:46, -35:36, -5:6]
    mask = (np.abs(z) < 6) & ((x - 3) ** 2 + y**2 > 36)
    grid = Grid.centred(mask.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    data = ndimage.distance_transform_edt(np.pad(mask, 2)).astype(np.float32) - 0.5
    wide = Grid.centred(data.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert grid.shape == (91, 71, 11)
    assert opened(Volume(data, wide, Quantity.DISTANCE), None, None) is None


def test_orientation_of_the_array_does_not_matter() -> None:
    """Stored in any of 48 orders and flips, the same tissue gives the same organ."""
    mask, affine = voxels(banana(), 62.0, (1.5, 1.25, 2.0))
    first, _ = organ_from_mask(mask, affine)
    for order in ((0, 1, 2), (2, 0, 1), (1, 0, 2)):
        for flips in itertools.islice(itertools.product((1, -1), repeat=3), 0, 8, 3):
            turned = np.transpose(mask, order)[tuple(slice(None, None, flip) for flip in flips)]
            to_old = np.zeros((4, 4))
            to_old[3, 3] = 1.0
            for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
                to_old[old, new] = flip
                to_old[old, 3] = mask.shape[old] - 1 if flip < 0 else 0
            organ, _ = organ_from_mask(np.ascontiguousarray(turned), affine @ to_old)
            assert organ.distance.grid == first.distance.grid
            assert np.abs(organ.distance.data - first.distance.data).max() < 0.3
            assert np.abs(organ.distance.data - first.distance.data).mean() < 1e-3
            assert np.linalg.norm(organ.axis_mm[0] - first.axis_mm[0]) < 2.0
            assert organ.length_mm == pytest.approx(first.length_mm, rel=0.02)


def test_ends_can_be_given() -> None:
    """A papilla at the thin end turns the axis; one 50 mm off is refused, with the nearest place."""
    mask, affine = voxels(banana(), 62.0)
    organ, _ = organ_from_mask(mask, affine, MaskOptions(papilla_mm=(-44.0, 9.0, 0.0)))
    assert organ.axis_mm[0, 0] < -30.0
    assert organ.axis_mm[-1, 0] > 30.0
    both, _ = organ_from_mask(mask, affine, MaskOptions(papilla_mm=(-44.0, 9.0, 0.0), tail_mm=(0.0, 45.0, 0.0)))
    assert np.linalg.norm(both.axis_mm[-1] - [0.0, 45.0, 0.0]) < 2.0
    tail, _ = organ_from_mask(mask, affine, MaskOptions(tail_mm=(44.0, 9.0, 0.0)))
    assert tail.axis_mm[0, 0] < -30.0
    with pytest.raises(UsageError, match=r"the papilla lies .* from the organ"):
        organ_from_mask(mask, affine, MaskOptions(papilla_mm=(0.0, -60.0, 0.0)))
    with pytest.raises(UsageError, match="lie in one place"):
        organ_from_mask(mask, affine, MaskOptions(papilla_mm=(0.0, 45.0, 0.0), tail_mm=(0.0, 45.0, 0.0)))


def test_resample_keeps_ends_and_length() -> None:
    """A resampled line ends where it did; a straight one keeps its length."""
    line = resample(np.array([[0.0, 0, 0], [6.0, 8, 0]]), 0.7)
    assert np.allclose(line[[0, -1]], [[0, 0, 0], [6, 8, 0]])
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).max() < 0.8


# ---- parts and landmarks


@pytest.mark.parametrize(("shape", "size"), [("oblique", (1.2, 1.2, 1.2)), ("transverse", (0.8, 0.8, 5.0))])
def test_a_procedural_gland_is_found_again(shape: str, size: tuple) -> None:
    """Cut into oblique voxels, our gland gives back its volume, axis, papillae and tip."""
    gland = shape_organ(Gland(shape=shape), Chance(0, 0, "organ"))
    mask, affine = voxels(
        lambda x, y, z: _values(gland, np.stack([x, y, z], axis=-1).reshape(-1, 3)).reshape(x.shape), 92.0, size,
        (8.0, -5.0, 10.0), tuple(gland.distance.grid.to_world((np.array(gland.distance.grid.shape) - 1) / 2)),
    )  # fmt: skip
    organ, _ = organ_from_mask(mask, affine)
    assert organ.volume_ml == pytest.approx(gland.volume_ml, rel=0.12)
    assert organ.length_mm == pytest.approx(gland.length_mm, rel=0.06)
    assert np.median(cKDTree(gland.axis_mm).query(organ.axis_mm)[0]) < 2.5
    for name, off in (("major_papilla", 8.0), ("minor_papilla", 10.0), ("tail_tip", 5.0)):
        assert np.linalg.norm(organ.landmarks[name] - gland.landmarks[name]) < off, name
    same = organ.regions.data[organ.regions.data > 0], gland.regions.data
    shares = [
        np.bincount(np.where(part == Region.UNCINATE, Region.HEAD, part).ravel(), minlength=6)[1:] for part in same
    ]
    head, _, _, body, tail = (shares[0] / shares[0].sum() - shares[1] / shares[1].sum()).tolist()
    assert max(abs(head), abs(body), abs(tail)) < 0.12


@pytest.mark.parametrize("solid", [banana(), sphere(20.0), torus(), bitten(), banana(30.0, 4.0, 2.5)])
def test_landmarks_lie_inside(solid: object) -> None:
    """In every shape the papillae and the tip lie inside, apart, and all regions follow one another."""
    organ, _ = organ_from_mask(*voxels(solid, 62.0))
    for name in ("major_papilla", "minor_papilla", "tail_tip"):
        assert _values(organ, organ.landmarks[name])[0] > 0.5, name
    away = np.linalg.norm(organ.landmarks["major_papilla"] - organ.landmarks["minor_papilla"])
    assert 0.5 < away / (20.0 * min(1.0, organ.length_mm / 162.0)) < 1.5
    assert np.array_equal(organ.regions.data > 0, organ.distance.data > 0)
    assert {Region.HEAD, Region.NECK, Region.BODY, Region.TAIL} <= set(np.unique(organ.regions.data).tolist())


def test_neck_without_a_narrow_place() -> None:
    """A tube of one thickness has its neck where an average gland has it."""
    arc = np.linspace(0.0, 162.0, 200)
    neck, clear = find_neck(arc, np.full(200, 8.0))
    assert not clear
    assert 0.5 * sum(neck) == pytest.approx(0.325 * 162.0)
    assert neck[1] - neck[0] == pytest.approx(20.0)


def test_the_thicker_end_is_the_head_where_no_side_tells() -> None:
    """An upright club has its head at its thick end, and a note says why."""
    mask, affine = voxels(
        lambda x, y, z: 8.0 + 0.06 * z - np.sqrt(x * x + y * y + np.maximum(np.abs(z) - 40, 0) ** 2), 54.0
    )
    organ, notes = organ_from_mask(mask, affine)
    assert organ.axis_mm[0, 2] > 30.0 > -30.0 > organ.axis_mm[-1, 2]
    assert any(note.startswith("the head is the thicker end") for note in notes)


# ---- bad masks


def _ball() -> np.ndarray:
    return voxels(sphere(12.0), 16.0)[0]


def test_islands_are_dropped_and_told() -> None:
    """Islands vanish with one sentence; a large one is named apart, and a bridge joins it."""
    mask = np.zeros((40, 40, 100), bool)
    mask[4:37, 4:37, 4:37] = _ball()
    mask[5, 35, 90] = mask[5, 5, 60] = True
    organ, notes = organ_from_mask(mask, np.eye(4))
    assert "2 islands (0.002 mL of 7.1 mL) dropped" in notes
    assert organ.distance.grid.shape[2] < 45
    mask[4:37, 4:37, 50:83] = _ball()
    organ, notes = organ_from_mask(mask, np.eye(4))
    assert any("a large part of the mask lies apart, 24 mm away" in note for note in notes)
    joined, notes = organ_from_mask(mask, np.eye(4), MaskOptions(bridge_mm=25.0))
    assert any(note.startswith("a piece 24 mm away was joined by a bridge") for note in notes)
    assert joined.length_mm > 60.0 > organ.length_mm
    assert 2.0 < _values(joined, np.array([[20.0, 20.0, 43.0]]))[0] < 4.5


def test_holes_are_filled_and_cysts_stay() -> None:
    """A hole of some voxels is tissue afterwards; a cavity of 2 mL is none."""
    mask = voxels(sphere(18.0), 20.0)[0]
    mask[20, 20, 20:23] = False
    organ, notes = organ_from_mask(mask, np.eye(4))
    assert "holes filled: 3 voxels" in notes
    assert _values(organ, np.array([[20.0, 20.0, 21.0]]))[0] > 15.0
    hollow = mask & ~voxels(sphere(8.0), 20.0)[0]
    organ, notes = organ_from_mask(hollow, np.eye(4))
    assert any(note.startswith("1 cavity (2.1 mL) left free of ducts") for note in notes)
    assert _values(organ, np.array([[20.0, 20.0, 20.0]]))[0] < -6.0


def test_the_border_of_the_volume_is_told_in_words() -> None:
    """A mask that is cut off says on which sides of the body, whatever the array's order."""
    mask = _ball()[8:, :, :-9]
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    assert "touches the border of the volume (left, head)" in " ".join(organ_from_mask(mask, np.eye(4))[1])
    assert "touches the border of the volume (right, head)" in " ".join(organ_from_mask(mask, flipped)[1])


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [(np.zeros((4, 4, 4), bool), "empty"), (np.ones((4, 4), bool), "three-dimensional"),
     (np.ones((4, 4, 4)), "float64"), (np.ones((1, 1, 1), bool), "1.0 mm thick at most"),
     (np.ones((50, 50, 1), bool), "1.0 mm thick at most")],
)  # fmt: skip
def test_impossible_masks_get_a_letter(mask: np.ndarray, wanted: str) -> None:
    """Empty, flat, of numbers, of one voxel, or thinner than a duct: one clear line each."""
    with pytest.raises(BadInputError, match=wanted) as caught:
        organ_from_mask(mask, np.eye(4))
    assert "\n" not in caught.value.message


def test_impossible_affines_get_a_letter() -> None:
    """Sheared, singular, huge and NaN affines are refused; 0.05 % of shear is passed."""
    sheared = np.eye(4)
    sheared[0, 1] = 0.1
    with pytest.raises(BadInputError, match="not at right angles"):
        organ_from_mask(_ball(), sheared)
    sheared[0, 1] = 0.0005
    organ_from_mask(_ball(), sheared)
    for broken in (np.diag([0.0, 1.0, 1.0, 1.0]), np.diag([30.0, 1.0, 1.0, 1.0])):
        with pytest.raises(BadInputError, match="is possible"):
            organ_from_mask(_ball(), broken)
    with pytest.raises(BadInputError, match="NaN"):
        organ_from_mask(_ball(), np.full((4, 4), np.nan))


def test_huge_organs_are_kept_coarser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the grid would have too many voxels, they grow, and a note says so."""
    monkeypatch.setattr(room, "MOST_VOXELS", 20_000)
    organ, notes = organ_from_mask(*voxels(sphere(20.0), 22.0))
    assert organ.distance.data.size <= 20_000
    assert any("kept on a grid of" in note for note in notes)


@pytest.mark.parametrize("size", [(0.4, 0.4, 0.4), (0.3, 0.3, 2.0)])
def test_small_organs_get_a_finer_grid(size: tuple) -> None:
    """A mouse's pancreas, 5 mm thick, is kept on voxels well below a millimetre."""
    organ, _ = organ_from_mask(*voxels(banana(12.0, 2.5, 2.0), 18.0, size))
    assert organ.distance.grid.spacing_mm[0] < 0.5
    assert organ.length_mm == pytest.approx(12.0 * np.radians(150.0) + 4.5, rel=0.12)


@pytest.mark.parametrize("options", [{"papilla_mm": (np.nan, 0, 0)}, {"spacing_mm": 0.0}, {"bridge_mm": 1e6}])
def test_impossible_options_get_a_letter(options: dict) -> None:
    """Options outside their range are refused at once."""
    with pytest.raises(UsageError):
        MaskOptions(**options)
