"""Helical scans come back as they were, at every z alike: no stairs, and slices as thin as stated."""

import math

import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.helical import FLAT, Helix, helical, helical_geometry, kernel_window, row_weights
from pancreasgen.scan.protocol import Protocol, load_protocol
from tests.scan.cones import circle, fill, helix, paths

PITCHES = (0.5, 1.0, 1.5)


def half_width(z: np.ndarray, profile: np.ndarray) -> float:
    """Return the full width at half maximum."""
    part = profile / profile.max()
    high = np.flatnonzero(part >= 0.5)
    a, b = high[0], high[-1]
    low = np.interp(0.5, [part[a - 1], part[a]], [z[a - 1], z[a]])
    return float(np.interp(0.5, [part[b + 1], part[b]], [z[b + 1], z[b]]) - low)


@pytest.mark.parametrize("pitch", PITCHES)
def test_a_body_keeps_its_value(pitch: float) -> None:
    """Inside a long body every slice's mean is within 0.15 % of the truth, at any pitch, and the slices are alike."""
    beam, grid = helix(pitch, 10.0), Grid.centred((40, 40, 20), (4.0, 4.0, 1.0), (0.0, 0.0, 0.0))
    image = helical(paths([((5.0, -3.0, 0.0), (70.0, 60.0, 900.0), 0.0, 0.02)], beam), beam, grid, "hann")
    x, y, _ = grid.mesh_mm()
    inside = (((x - 5.0) / 60.0) ** 2 + ((y + 3.0) / 50.0) ** 2 < 1.0)[..., 0]
    means = image[inside].mean(axis=0) / 0.02
    assert np.abs(means - 1.0).max() < 0.0015
    assert np.ptp(means) < 0.001


@pytest.mark.parametrize("pitch", PITCHES)
def test_an_oblique_rod_has_no_stairs(pitch: float) -> None:
    """A rod of 10 mm at 45° stays straight: centre within 0.15 mm of a line, edge within 0.25 mm, of rows of 1 mm."""
    beam, grid = helix(pitch, 18.0), Grid.centred((72, 4, 36), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    image = helical(paths([((0.0, 0.0, 0.0), (5.0, 5.0, 150.0), math.pi / 4, 1.0)], beam), beam, grid)
    cut, x, z = image[:, 1:3].mean(axis=1), grid.axis_mm(0), grid.axis_mm(2)
    body = np.where(cut > 0.2, cut, 0.0)
    centre = (body * x[:, None]).sum(axis=0) / body.sum(axis=0)
    last = [int(np.flatnonzero(column >= 0.5)[-1]) for column in cut.T]
    edge = np.array([x[i] + (c[i] - 0.5) / (c[i] - c[i + 1]) for i, c in zip(last, cut.T, strict=True)])
    for line, allowed in ((centre, 0.15), (edge, 0.25)):
        slope, offset = np.polyfit(z, line, 1)
        assert slope == pytest.approx(1.0, abs=0.01)
        assert np.abs(line - slope * z - offset).max() < allowed


@pytest.mark.parametrize("pitch", PITCHES)
def test_slices_are_as_thin_as_stated(pitch: float) -> None:
    """A disc of 0.4 mm shows, on the axis, 1.25 to 1.65 rows of 1 mm wide."""
    beam, grid = helix(pitch, 6.0), Grid.centred((3, 3, 96), (2.0, 2.0, 0.125), (0.0, 0.0, 0.0))
    image = helical(paths([((0.0, 0.0, 0.1), (60.0, 60.0, 0.2), 0.0, 1.0)], beam), beam, grid)
    assert 1.25 < half_width(grid.axis_mm(2), image[1, 1]) < 1.65


def test_a_ball_lies_where_it_is() -> None:
    """A ball off the axis is found within 0.1 mm in x, y and z, its mass within 1 %."""
    beam, grid = helix(1.0, 20.0), Grid.centred((40, 40, 40), (1.0, 1.0, 1.0), (40.0, -20.0, 0.0))
    ball = [((43.0, -17.0, 2.0), (8.0, 8.0, 8.0), 0.0, 1.0)]
    image, truth = helical(paths(ball, beam), beam, grid, "hann"), fill(ball, grid)
    near = sum((m - c) ** 2 for m, c in zip(grid.mesh_mm(), ball[0][0], strict=True)) < 12.0**2
    mass = image * near
    assert mass.sum() == pytest.approx(truth.sum(), rel=0.01)
    for axis, c in zip(grid.mesh_mm(), ball[0][0], strict=True):
        assert float((mass * axis).sum() / mass.sum()) == pytest.approx(c, abs=0.1)


def test_a_table_that_moves_the_other_way_is_a_mirror() -> None:
    """A body and a helix mirrored in z give the mirrored image, within 1 % of the body."""
    beam, grid = helix(1.0, 6.0), Grid.centred((24, 24, 12), (4.0, 4.0, 1.0), (0.0, 0.0, 0.0))
    mirror = helix(1.0, 6.0, source_z_mm=-beam.source_z_mm)
    up = helical(paths([((5.0, 0.0, 2.0), (30.0, 20.0, 6.0), 0.3, 1.0)], beam), beam, grid)
    down = helical(paths([((5.0, 0.0, -2.0), (30.0, 20.0, 6.0), -0.3, 1.0)], mirror), mirror, grid)
    assert np.allclose(up, down[..., ::-1], rtol=0.0, atol=0.01)


def test_slabs_and_threads_do_not_matter() -> None:
    """One thread gives the bits of all threads; a slice alone is that of the stack, within 1 % of the body."""
    beam, grid = helix(1.0, 35.0), Grid.centred((12, 12, 140), (8.0, 8.0, 0.5), (0.0, 0.0, 0.0))
    sinogram = paths([((0.0, 0.0, 0.0), (40.0, 40.0, 60.0), 0.3, 1.0)], beam)
    whole = helical(sinogram, beam, grid)
    assert np.array_equal(helical(sinogram, beam, grid, threads=1), whole)
    alone = Grid(grid.shape[:2] + (3,), grid.spacing_mm, (*grid.origin_mm[:2], float(grid.axis_mm(2)[126])))
    assert np.abs(helical(sinogram, beam, alone) - whole[..., 126:129]).max() < 0.01


def test_beyond_the_scan_is_nothing() -> None:
    """Slices that the helix did not pass are 0."""
    beam, grid = helix(1.0, 5.0, 60), Grid.centred((5, 5, 2), (8.0, 8.0, 1.0), (0.0, 0.0, 60.0))
    assert not helical(np.ones(beam.shape, dtype=np.float32), beam, grid).any()


def test_the_middle_rows_count_fully() -> None:
    """The weight of a row is 1 up to half the detector's height and falls evenly to both sides."""
    weight = row_weights(40)
    assert np.array_equal(weight, weight[::-1])
    assert (weight[round(20 - 20 * FLAT) : 20] == 1.0).all()
    assert 0.0 < weight[0] < 0.02


def test_what_is_no_helix_is_refused() -> None:
    """A table that stands, runs too fast or by jerks, and an unknown window are told in one line each."""
    grid = Grid.centred((3, 3, 3), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    still, fast, jerk = circle(20), helix(1.6, 5.0, 20), helix(1.0, 5.0, 20)
    with pytest.raises(BadInputError, match="pitch"):
        helical(np.zeros(still.shape), still, grid)
    with pytest.raises(BadInputError, match=r"not 1\.6"):
        Helix.of(fast)
    z = jerk.source_z_mm.copy()
    z[7] += 1.0
    with pytest.raises(BadInputError, match="evenly"):
        Helix.of(helix(1.0, 5.0, 20, source_z_mm=z))
    with pytest.raises(UsageError, match="window"):
        helical(np.zeros(jerk.shape), jerk, grid, "none")
    with pytest.raises(BadInputError, match="NaN"):
        helical(np.full(jerk.shape, np.nan), jerk, grid)


def test_a_protocol_has_a_helix_that_covers_the_grid() -> None:
    """With a pitch, a protocol's helix sees its grid from all sides: a long body comes back everywhere, within 1 %."""
    setting = load_protocol("portal-venous").quick().to_dict()
    protocol = Protocol.from_dict(setting | {"pitch": 1.2, "detector_rows": 8})
    grid = Grid.centred((24, 24, 12), (12.0, 12.0, 5.0), (4.0, -6.0, 30.0))
    beam = helical_geometry(protocol, grid, (4.0, -6.0))
    sinogram = paths([((4.0, -6.0, 30.0), (120.0, 100.0, 2000.0), 0.0, 1.0)], beam)
    image = helical(sinogram, beam, grid, kernel_window(protocol, 12.0))
    x, y, _ = grid.mesh_mm()
    inside = ((((x - 4.0) / 90.0) ** 2 + ((y + 6.0) / 70.0) ** 2) < 1.0)[..., 0]
    assert np.abs(image[inside] - 1.0).max() < 0.01
    assert protocol.ctdi_vol_mgy() == pytest.approx(load_protocol("portal-venous").ctdi_vol_mgy() / 1.2)
    with pytest.raises(UsageError, match="pitch above 0"):
        helical_geometry(load_protocol("thin"), grid, (0.0, 0.0))
