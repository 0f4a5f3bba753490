"""What each invariance declares is a law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.anatomy.voxelize import duct_fraction
from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ
from pancreasgen.scan.protocol import load_protocol
from pancreasgen.vary.bodies import change_protocol, move_lines, move_network, move_organ
from pancreasgen.vary.intensity import noise_hu
from pancreasgen.vary.motion import Motion, motion_of, rotation_matrix
from pancreasgen.vary.resample import pullback, resample
from pancreasgen.vary.table import INVARIANCES, ON_IMAGES, table_lines
from pancreasgen.vary.variation import Pair, Variation, apply, draw_variation

GRID = Grid.centred((72, 60, 48), (1.0, 1.0, 1.2), (10.0, -5.0, 3.0))
FORK = DuctNetwork(
    np.array([[-14.0, -8, -4], [0, 0, 0], [14, 5, 6], [6, -10, 8]]) + [10.0, -5.0, 3.0],
    [6.5, 6.5, 5.5, 5.5], [[0, 1], [1, 2], [1, 3]], np.uint8([1, 1, 3]), np.int16([0, 0, 1]),
)  # fmt: skip


def _labels(network: DuctNetwork, grid: Grid = GRID) -> Volume:
    return Volume((duct_fraction(network, grid).data > 127).astype(np.uint8), grid, Quantity.LABEL)


def _image() -> Volume:
    noise = Chance(3, 0, "test").generator().normal(0.0, 8.0, GRID.shape)
    smooth = ndimage.gaussian_filter(Chance(4, 0, "test").generator().normal(0.0, 600.0, GRID.shape), 3.0)
    return Volume((40.0 + noise + smooth).round().astype(np.float32), GRID, Quantity.HU)


IMAGE, LABELS = _image(), _labels(FORK)


def _vary(name: str, pair: Pair | None = None, **given: str) -> tuple[Pair, dict[str, object]]:
    settings = {f"{name}.{key}": text for key, text in given.items()}
    return apply(draw_variation(Chance(5, 1, "vary"), [name], settings), pair or Pair(IMAGE, LABELS))


def _dice(first: Volume, second: Volume) -> float:
    a, b = first.data > 0, second.data > 0
    return float(2.0 * (a & b).sum() / (a.sum() + b.sum()))


def _euler(volume: Volume) -> int:
    """Euler number of the union of closed voxels: corners − edges + faces − voxels, counted."""
    mask = np.pad(volume.data > 0, 1)
    total = 0
    for axes in ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        cells = mask
        for axis in axes:
            cells = cells[tuple(slice(1, None) if a == axis else slice(None) for a in range(3))] | np.take(
                cells, range(cells.shape[axis] - 1), axis
            )
        total += (-1) ** (3 - len(axes)) * int(cells.sum())
    return total


def _topology(volume: Volume) -> tuple[int, int]:
    return _euler(volume), int(ndimage.label(volume.data > 0, np.ones((3, 3, 3)))[1])


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
    once, report = _vary("reflection", axis=axis)
    twice, _ = _vary("reflection", once, axis=axis)
    where = "xyz".index(axis)
    assert np.array_equal(once.image.data, np.flip(IMAGE.data, where))
    assert np.array_equal(once.labels.data, np.flip(LABELS.data, where))
    assert np.array_equal(twice.image.data, IMAGE.data)
    assert np.array_equal(twice.labels.data, LABELS.data)
    assert _topology(once.labels) == _topology(LABELS)
    assert report["invented_share"] == 0.0
    assert report["jacobian"] == [1.0, 1.0]
    ducts = move_network(FORK, motion_of([{"name": "reflection", "axis": axis}], GRID))
    assert np.array_equal(ducts.radius_mm, FORK.radius_mm)
    assert np.allclose((ducts.nodes_mm + FORK.nodes_mm)[:, where], 2.0 * np.array([10.0, -5.0, 3.0])[where])


def test_rotation() -> None:
    """Rotate then label = label then rotate, but for the voxels of the surface; volume and topology stay."""
    record = {"name": "rotation", "deg": 25.0, "axis": [0.0, 0.6, 0.8]}
    motion = motion_of([record], GRID)
    before = _labels(move_network(FORK, motion))
    after, _ = resample(LABELS, pullback(motion, GRID))
    assert _dice(before, after) > 0.9
    assert abs(before.data.sum() / after.data.sum() - 1.0) < 0.03
    assert _topology(before) == _topology(after) == _topology(LABELS)
    fine = Grid.centred((120, 100, 100), (0.6, 0.6, 0.6), (10.0, -5.0, 3.0))
    finer = _dice(_labels(move_network(FORK, motion), fine), resample(_labels(FORK, fine), pullback(motion, fine))[0])
    assert finer > _dice(before, after)  # the rest is voxels, and goes away with them


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
    varied, report = _vary("scaling", Pair(IMAGE, LABELS, None, FORK), factor=str(factor))
    assert varied.labels.data.sum() / LABELS.data.sum() == pytest.approx(factor**3, rel=0.03)
    assert np.allclose(varied.ducts.radius_mm, factor * FORK.radius_mm, rtol=1e-12)
    assert np.allclose(varied.ducts.lengths_mm, factor * FORK.lengths_mm, rtol=1e-12)
    assert report["jacobian"] == pytest.approx([factor**3] * 2, rel=1e-6)
    assert _dice(varied.labels, _labels(varied.ducts)) > 0.9


def test_deformation() -> None:
    """The Jacobian is above 0 everywhere and its range told; topology stays; back again is where it was."""
    varied, report = _vary("deformation", Pair(IMAGE, LABELS, None, FORK), amplitude_mm="12", spacing_mm="25")
    low, high = report["jacobian"]
    assert 0.0 < low < 0.95 < 1.05 < high
    assert _topology(varied.labels) == _topology(LABELS)
    assert np.abs(varied.ducts.nodes_mm - FORK.nodes_mm).max() > 1.0
    assert _dice(varied.labels, _labels(varied.ducts)) > 0.85
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
    assert _topology(move_lines(volume, motion))[1] == 1


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


def test_blur() -> None:
    """The mean stays, and what is blurred by a and then b is blurred by √(a² + b²)."""
    inner = (slice(10, -10), slice(10, -10))
    once, _ = _vary("blur", sigma_mm="1.5")
    assert abs(once.image.data.mean(dtype=np.float64) - IMAGE.data.mean(dtype=np.float64)) < 0.3
    twice, _ = _vary("blur", once, sigma_mm="2")
    both, _ = _vary("blur", sigma_mm="2.5")
    assert np.abs(twice.image.data - both.image.data)[inner].max() < 0.5
    assert once.image.data.std() < IMAGE.data.std()


@pytest.mark.parametrize(("name", "key", "value"), [("contrast", "factor", "0.75"), ("gamma", "exponent", "1.5")])
def test_contrast_and_gamma(name: str, key: str, value: str) -> None:
    """The order of HU stays: whoever was brighter still is, or, within float32, is the same."""
    varied, _ = _vary(name, **{key: value})
    order = np.argsort(IMAGE.data, axis=None, kind="stable")
    assert (np.diff(varied.image.data.ravel()[order]) >= 0).all()
    assert not np.array_equal(varied.image.data, IMAGE.data)
    assert varied.labels is LABELS


def test_luminosity() -> None:
    """Differences stay, exactly."""
    varied, _ = _vary("luminosity", shift_hu="5")
    assert np.array_equal(varied.image.data - 5.0, IMAGE.data)


def test_noise() -> None:
    """Shot noise keeps each slice's mean; its variance is σ²(1/dose − 1); another stream is another noise."""
    varied, _ = _vary("noise", dose="0.25", sigma_hu="10")
    added = varied.image.data.astype(np.float64) - IMAGE.data
    assert np.abs(added.mean(axis=(0, 1))).max() < 1e-3
    assert added.std() == pytest.approx(10.0 * np.sqrt(3.0), rel=0.03)
    other, _ = apply(draw_variation(Chance(5, 2, "vary"), ["noise"]), Pair(IMAGE))
    assert not np.array_equal(other.image.data, varied.image.data)
    white = 40.0 + Chance(1, 0, "white").generator().normal(0.0, 8.0, GRID.shape)
    assert noise_hu(Volume(white.astype(np.float32), GRID, Quantity.HU)) == pytest.approx(8.0, rel=0.15)


def test_salt_pepper() -> None:
    """The said share of voxels is salt or pepper, half each; no other bit changes."""
    varied, _ = _vary("salt_pepper", share="0.02")
    hit = varied.image.data != IMAGE.data
    assert hit.mean() == pytest.approx(0.02, rel=0.1)
    assert set(np.unique(varied.image.data[hit])) == {-1024.0, 3071.0}


def test_window() -> None:
    """Within the window no bit changes; twice is once."""
    varied, _ = _vary("window", level_hu="40", width_hu="60")
    within = np.abs(IMAGE.data - 40.0) <= 30.0
    assert np.array_equal(varied.image.data[within], IMAGE.data[within])
    assert np.abs(varied.image.data - 40.0).max() == 30.0
    again, _ = _vary("window", varied, level_hu="40", width_hu="60")
    assert np.array_equal(again.image.data, varied.image.data)


def test_scanner_side() -> None:
    """Dose, kernel, thickness and phase change their own number of a protocol and nothing else."""
    protocol = load_protocol("portal-venous")
    for name, text, field in (("dose", "0.5", "mas"), ("kernel", "sharp", "kernel"), ("phase", "delayed", "phase")):
        row = INVARIANCES[name]
        changed = change_protocol(protocol, row.draw(Chance(1, 0, name), {row.keys[0]: text}))
        assert replace(changed, **{field: getattr(protocol, field)}) == protocol
        assert changed != protocol
    thick = change_protocol(protocol, {"name": "thickness", "rows": 2.0})
    assert thick.slice_thickness_mm == pytest.approx(2.0 * protocol.row_mm)


def test_records() -> None:
    """A record does the same again after JSON; a new invariance in the draw moves no other one's values."""
    import json

    every = draw_variation(Chance(9, 3, "vary"), ON_IMAGES)
    again = Variation.from_dict(json.loads(json.dumps(every.to_dict())))
    assert again == every
    assert np.array_equal(
        apply(every, Pair(IMAGE, LABELS))[0].image.data, apply(again, Pair(IMAGE, LABELS))[0].image.data
    )
    assert draw_variation(Chance(9, 3, "vary"), ["noise"]).records[0] == every.records[ON_IMAGES.index("noise")]


def test_every_row_of_the_table_has_a_range_with_a_source() -> None:
    """Every number says where its range comes from, and what is drawn may also be given."""
    assert all("[" in line for line in table_lines()[1:] if line.startswith("    "))
    for row in INVARIANCES.values():
        assert row.preserves
        for case in range(5):
            record = row.draw(Chance(1, case, row.name))
            assert row.checked(record) == record


def test_letters() -> None:
    """Faults are told: unknown names, foreign grids, numbers that are no HU, broken records."""
    with pytest.raises(UsageError, match="no invariance"):
        draw_variation(Chance(1, 0, "vary"), ["rotate"])
    with pytest.raises(UsageError, match="scanner"):
        draw_variation(Chance(1, 0, "vary"), ["kernel"])
    with pytest.raises(UsageError, match="-180 to 180"):
        draw_variation(Chance(1, 0, "vary"), [], {"rotation.deg": "500"})
    with pytest.raises(BadInputError, match="do not share a grid"):
        Pair(IMAGE, Volume(np.zeros((2, 2, 2), np.uint8), Grid((2, 2, 2), (1, 1, 1), (0, 0, 0)), Quantity.LABEL))
    with pytest.raises(BadInputError, match="no HU"):
        _vary("noise", Pair(Volume(np.zeros(GRID.shape, np.float32), GRID, Quantity.HU)))
    for broken in (
        [],
        {"schema": 1},
        {"schema": 1, "records": [{"name": "rotation"}], "border": "air", "interpolation": "linear"},
    ):
        with pytest.raises(BadInputError, match="record"):
            Variation.from_dict(broken)
