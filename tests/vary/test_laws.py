"""What each invariance of place declares is a law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.organ.organ import Organ
from pancreasgen.vary.bodies import move_lines, move_network, move_organ
from pancreasgen.vary.motion import Motion, motion_of, rotation_matrix
from pancreasgen.vary.resample import pullback, resample
from pancreasgen.vary.table import INVARIANCES, ON_IMAGES
from pancreasgen.vary.variation import Pair, apply, draw_variation
from tests.vary.fork import FORK, GRID, IMAGE, LABELS, dice, labels_of, topology, vary


@pytest.mark.parametrize("border", ["air", "edge", "mirror"])
@pytest.mark.parametrize("order", ["linear", "cubic"])
def test_identity(border: str, order: str) -> None:
    """Neutral values change no bit, with any border and interpolation."""
    neutral = {
        "rotation.deg": "0", "rotation.axis": "0,0.6,0.8", "scaling.factor": "1", "deformation.amplitude_mm": "0",
        "blur.sigma_mm": "0", "contrast.factor": "1", "luminosity.shift_hu": "0", "gamma.exponent": "1",
        "noise.dose": "1", "salt_pepper.share": "0", "window.level_hu": "1000", "window.width_hu": "4000",
    }  # fmt: skip
    names = [name for name in ON_IMAGES if name != "reflection"]
    plan = draw_variation(Chance(1, 0, "vary"), names, neutral, border, order)
    varied, report = apply(plan, Pair(IMAGE, LABELS, LABELS, FORK))
    assert np.array_equal(varied.image.data, IMAGE.data)
    assert np.array_equal(varied.labels.data, LABELS.data)
    assert np.array_equal(varied.centerline.data, LABELS.data)
    assert np.allclose(varied.ducts.nodes_mm, FORK.nodes_mm, atol=1e-12)
    assert report == {"invented_share": 0.0, "lost_label_share": 0.0, "jacobian": [1.0, 1.0]}


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_reflection(axis: str) -> None:
    """Twice is none, bit for bit; once swaps sides, keeps topology and volume, and invents nothing."""
    once, report = vary("reflection", axis=axis)
    twice, _ = vary("reflection", once, axis=axis)
    where = "xyz".index(axis)
    assert np.array_equal(once.image.data, np.flip(IMAGE.data, where))
    assert np.array_equal(once.labels.data, np.flip(LABELS.data, where))
    assert np.array_equal(twice.image.data, IMAGE.data)
    assert np.array_equal(twice.labels.data, LABELS.data)
    assert topology(once.labels) == topology(LABELS)
    assert report["invented_share"] == 0.0
    assert report["jacobian"] == [1.0, 1.0]
    ducts = move_network(FORK, motion_of([{"name": "reflection", "axis": axis}], GRID))
    assert np.array_equal(ducts.radius_mm, FORK.radius_mm)
    assert np.allclose((ducts.nodes_mm + FORK.nodes_mm)[:, where], 2.0 * np.array([10.0, -5.0, 3.0])[where])


def test_rotation() -> None:
    """Rotate then label = label then rotate, but for the voxels of the surface; volume and topology stay."""
    record = {"name": "rotation", "deg": 25.0, "axis": [0.0, 0.6, 0.8]}
    motion = motion_of([record], GRID)
    before = labels_of(move_network(FORK, motion))
    after, _ = resample(LABELS, pullback(motion, GRID))
    assert dice(before, after) > 0.9
    assert abs(before.data.sum() / after.data.sum() - 1.0) < 0.03
    assert topology(before) == topology(after) == topology(LABELS)
    fine = Grid.centred((120, 100, 100), (0.6, 0.6, 0.6), (10.0, -5.0, 3.0))
    finer = dice(
        labels_of(move_network(FORK, motion), fine), resample(labels_of(FORK, fine), pullback(motion, fine))[0]
    )
    assert finer > dice(before, after)  # the rest is voxels, and goes away with them


def test_rotations_compose() -> None:
    """Turning by a and then by b is turning by a + b; four quarter turns are none, bit for bit."""
    axis, points = [0.36, 0.48, 0.8], FORK.nodes_mm
    first, second, both = (Motion(rotation_matrix(axis, deg), GRID.origin_mm) for deg in (20.0, 35.0, 55.0))
    assert np.allclose(second.forward(first.forward(points)), both.forward(points), atol=1e-10)
    assert np.allclose(first.backward(first.forward(points)), points, atol=1e-10)
    cube = Volume(IMAGE.data[:32, :32, :32], Grid.centred((32, 32, 32), (1, 1, 1), (0, 0, 0)), Quantity.HU)
    turned = cube
    for _ in range(4):
        motion = motion_of([{"name": "rotation", "deg": 90.0, "axis": [0, 0, 1]}], cube.grid)
        turned, share = resample(turned, pullback(motion, cube.grid))
        assert share == 0.0
    assert np.array_equal(turned.data, cube.data)


@pytest.mark.parametrize("factor", [0.7, 0.85, 1.2])
def test_scaling(factor: float) -> None:
    """Scaling by s scales volumes by s³ (3 %, of voxels) and calibres by s (exactly)."""
    varied, report = vary("scaling", Pair(IMAGE, LABELS, None, FORK), factor=str(factor))
    assert varied.labels.data.sum() / LABELS.data.sum() == pytest.approx(factor**3, rel=0.03)
    assert np.allclose(varied.ducts.radius_mm, factor * FORK.radius_mm, rtol=1e-12)
    assert np.allclose(varied.ducts.lengths_mm, factor * FORK.lengths_mm, rtol=1e-12)
    assert report["jacobian"] == pytest.approx([factor**3] * 2, rel=1e-6)
    assert dice(varied.labels, labels_of(varied.ducts)) > 0.9


def test_deformation() -> None:
    """The Jacobian is above 0 everywhere and its range told; topology stays; back again is where it was."""
    varied, report = vary("deformation", Pair(IMAGE, LABELS, None, FORK), amplitude_mm="12", spacing_mm="25")
    low, high = report["jacobian"]
    assert 0.0 < low < 0.95 < 1.05 < high
    assert topology(varied.labels) == topology(LABELS)
    assert np.abs(varied.ducts.nodes_mm - FORK.nodes_mm).max() > 1.0
    assert dice(varied.labels, labels_of(varied.ducts)) > 0.85
    record = INVARIANCES["deformation"].draw(
        Chance(5, 1, "vary/deformation"), {"amplitude_mm": "12", "spacing_mm": "25"}
    )
    motion = motion_of([record], GRID)
    assert np.allclose(motion.backward(motion.forward(FORK.nodes_mm)), FORK.nodes_mm, atol=0.01)
    where = np.array([[5, 7, 3], [24, 20, 16], [40, 33, 28]])
    places = pullback(motion, GRID).coordinates(0, GRID.shape[2])[(slice(None), *where.T)].T
    assert np.allclose(GRID.to_world(places), motion.backward(GRID.to_world(where)), atol=0.05)


def test_deformation_moves_volume_as_its_jacobian_says() -> None:
    """The integral over a deformed cloud is that of the cloud times the Jacobian (0.3 %)."""
    record = INVARIANCES["deformation"].draw(Chance(5, 1, "x"), {"amplitude_mm": "10", "spacing_mm": "30"})
    motion = motion_of([record], GRID)
    x, y, z = GRID.mesh_mm()
    cloud = np.exp(-((x - 12.0) ** 2 + (y + 8.0) ** 2 + z**2) / (2.0 * 4.0**2)).astype(np.float32)
    moved, _ = resample(Volume(cloud, GRID, Quantity.HU), pullback(motion, GRID), "edge")
    dense = cloud > 1e-5
    told = (motion.jacobian(GRID.to_world(np.argwhere(dense))) * cloud[dense]).sum()
    assert moved.data.sum() == pytest.approx(told, rel=0.003)
    assert abs(told / cloud.sum() - 1.0) > 0.01


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_labels_move_exactly_with_the_image(axis: int) -> None:
    """Where the image tells its own place and the label the nearest voxel of it, they differ by ½ voxel at most."""
    place = np.broadcast_to(np.indices(GRID.shape, np.float32)[axis], GRID.shape)
    pair = Pair(Volume(place.copy(), GRID, Quantity.HU), Volume(place.astype(np.uint8) + 1, GRID, Quantity.LABEL))
    given = {"rotation.deg": "17", "scaling.factor": "0.9", "deformation.amplitude_mm": "6"}
    plan = draw_variation(Chance(2, 0, "vary"), ["reflection", "rotation", "scaling", "deformation"], given)
    varied, report = apply(plan, pair)
    seen = varied.labels.data > 0
    assert np.abs(varied.image.data + 1.0 - varied.labels.data)[seen].max() <= 0.5 + 1e-4
    assert 1.0 - seen.mean() == pytest.approx(report["invented_share"], abs=1e-9)
    assert (varied.image.data[~seen] == -1000.0).all()


def test_borders() -> None:
    """Scaling by ½ leaves 7/8 unseen: labels there are 0, HU as the border's rule says; scaling by 2 loses labels."""
    full = Volume(np.ones(GRID.shape, np.uint8), GRID, Quantity.LABEL)
    plan = draw_variation(Chance(1, 0, "vary"), ["scaling"], {"scaling.factor": "0.5"})
    air, report = apply(plan, Pair(IMAGE, full))
    assert report["invented_share"] == pytest.approx(7 / 8, abs=1e-9)
    assert np.array_equal(air.labels.data == 0, air.image.data == -1000.0)
    edge, _ = apply(replace(plan, border="edge"), Pair(IMAGE, LABELS))
    assert edge.image.data.min() > -500.0
    mirror, _ = apply(replace(plan, border="mirror"), Pair(IMAGE, LABELS))
    assert np.allclose(mirror.image.data[17], mirror.image.data[18], atol=1e-3)  # voxel 0 again, as its mirror image
    _, report = apply(draw_variation(Chance(1, 0, "vary"), ["scaling"], {"scaling.factor": "2"}), Pair(IMAGE, full))
    assert report["invented_share"] == 0.0
    assert report["lost_label_share"] > 0.0


def test_lines_stay_whole() -> None:
    """A thin line moves without a gap where nearest voxels would break it."""
    line = np.zeros(GRID.shape, np.uint8)
    line[8:40, 20, 16] = 1
    volume = Volume(line, GRID, Quantity.LABEL)
    motion = motion_of(
        [{"name": "rotation", "deg": 33.0, "axis": [0, 0.6, 0.8]}, {"name": "scaling", "factor": 1.3}], GRID
    )
    assert topology(move_lines(volume, motion))[1] == 1


def test_organ() -> None:
    """A ball of radius 8 scaled by 1.25 and turned is a ball of radius 10 (2 %), with its marks where they belong."""
    grid = Grid.centred((25, 25, 25), (1.0, 1.0, 1.0), (10.0, -5.0, 3.0))
    x, y, z = grid.mesh_mm()
    distance = (8.0 - np.sqrt((x - 10) ** 2 + (y + 5) ** 2 + (z - 3) ** 2)).astype(np.float32)
    ball = Organ(
        Volume(distance, grid, Quantity.DISTANCE), [[2.0, -5, 3], [18, -5, 3]], {"tail_tip": np.array([[18.0, -5, 3]])},
        Volume((distance > 0).astype(np.uint8), grid, Quantity.LABEL),
    )  # fmt: skip
    similar = motion_of(
        [{"name": "rotation", "deg": 90.0, "axis": [0, 0, 1]}, {"name": "scaling", "factor": 1.25}], grid
    )
    moved = move_organ(ball, similar)
    assert moved.volume_ml == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert moved.length_mm == pytest.approx(20.0)
    assert np.allclose(moved.landmarks["tail_tip"], [[10.0, 5.0, 3.0]])
    record = INVARIANCES["deformation"].draw(Chance(5, 1, "x"), {"amplitude_mm": "5", "spacing_mm": "30"})
    motion = motion_of([record], grid)
    bent = move_organ(ball, motion)
    inside = distance > 0
    told = motion.jacobian(grid.to_world(np.argwhere(inside))).sum() / inside.sum() * ball.volume_ml
    assert bent.volume_ml == pytest.approx(told, rel=0.02)
