"""Distances and noise against geometry."""

import numpy as np
import pytest

from pancreasgen.anatomy.canvas import Canvas, sub_grid
from pancreasgen.anatomy.fields import Space, carve, ellipsoid, smooth_course, tilt, tube, union
from pancreasgen.anatomy.parenchyma import fat_factor
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.tissues import palette
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid

GRID = Grid.centred((41, 41, 41), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def test_sphere_distance():
    """An ellipsoid with equal half-axes has the distance of a sphere."""
    x, y, z = GRID.mesh_mm()
    wanted = 9.0 - np.sqrt((x - 1) ** 2 + (y + 2) ** 2 + z**2)
    found = ellipsoid((x, y, z), (1, -2, 0), (9, 9, 9))
    off_centre = np.abs(wanted - 9) > 0.5
    assert np.abs(found - wanted)[off_centre].max() < 1e-3


def test_ellipsoid_volume_survives_tilting():
    """A tilted ellipsoid keeps the volume 4/3 π abc."""
    field = ellipsoid(GRID.mesh_mm(), (0, 0, 0), (15, 8, 6), tilt(20, -35, 50))
    assert np.count_nonzero(field > 0) == pytest.approx(4 / 3 * np.pi * 15 * 8 * 6, rel=0.02)


def test_tube_distance_matches_brute_force():
    """The tube's distance is r − the distance to the polyline, wherever it is within reach."""
    points, radii = smooth_course([[-12, -9, -5], [0, 3, 1], [10, 4, 12]], [3.0, 2.0, 4.0])
    found = tube(GRID, points, radii, 6.0)
    dense = np.linspace(0, len(points) - 1, 4000)
    line = np.stack([np.interp(dense, range(len(points)), points[:, a]) for a in range(3)], axis=1)
    wide = np.interp(dense, range(len(points)), radii)
    probe = np.random.default_rng(0).integers(0, 41, (300, 3))
    for index in probe:
        best = (wide - np.linalg.norm(GRID.to_world(index) - line, axis=1)).max()
        assert found[tuple(index)] == pytest.approx(max(best, -6.0), abs=0.15)


def test_course_passes_through_its_points():
    """A smooth course begins and ends where it should and has no step above the wanted length by much."""
    ends = np.array([[0.0, 0, 0], [10, 5, 0], [20, 0, 8]])
    course, radii = smooth_course(ends, [1, 2, 3])
    assert np.allclose(course[[0, -1]], ends[[0, -1]])
    assert np.allclose(radii[[0, -1]], [1, 3])
    assert np.linalg.norm(np.diff(course, axis=0), axis=1).max() < 3.0


def test_carve_leaves_the_gap():
    """After carving, nothing lies within the gap of the other shape, and unions are maxima."""
    a = ellipsoid(GRID.mesh_mm(), (0, 0, 0), (15, 15, 15))
    b = ellipsoid(GRID.mesh_mm(), (12, 0, 0), (6, 6, 6))
    cut = carve(a, b, gap_mm=2.0)
    assert b[cut > 0].max() <= -2.0 + 1e-4
    assert np.array_equal(union(a, b), np.maximum(a, b))


def test_noise_belongs_to_the_world():
    """Noise has mean 0 and SD 1, and is the same at the same place whatever grid asks."""
    chance = Chance(5, 0, "noise")
    large = Space.over(Grid.centred((100, 100, 100), (3.0, 3.0, 3.0), (0, 0, 0)), chance)
    small = Space.over(Grid.centred((20, 30, 10), (1.0, 2.0, 4.0), (10, -5, 20)), chance)
    wide, part = large.noise("a", 12.0), small.noise("a", 12.0)
    assert abs(wide.mean()) < 0.1
    assert wide.std() == pytest.approx(1, abs=0.15)
    begin = np.rint(large.grid.to_index(np.array(small.grid.origin_mm))).astype(int)
    same = wide[tuple(slice(b, b + n) for b, n in zip(begin, part.shape, strict=True))]
    assert np.allclose(same, part, atol=1e-5)


def test_painted_sphere_keeps_its_volume():
    """Soft edges keep the mass of a ball: the iodine painted is that of its volume, at any voxel shape."""
    colours = palette(Physique(), "pancreatic")
    for spacing in ((1.0, 1.0, 1.0), (0.7, 0.7, 2.0)):
        grid = Grid.centred(tuple(round(44 / s) for s in spacing), spacing, (0, 0, 0))
        canvas = Canvas.blank(grid, colours)
        canvas.paint_tube([[0, 0, 0], [0, 0, 1e-3]], [9.0, 9.0], 20, "arterial_blood")
        mass = canvas.materials[2].sum(dtype=float) * grid.voxel_ml
        assert mass == pytest.approx(0.0104 * 4 / 3 * np.pi * 0.9**3, rel=0.02)
        counted = np.count_nonzero(canvas.labels == 20) * grid.voxel_ml
        assert counted == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.03)


def test_sub_grid_is_on_the_same_voxels():
    """A part of a grid holds the same voxel centres; far points have no part."""
    part = sub_grid(GRID, np.array([[3.2, -4.1, 0.0]]), 2.0)
    assert np.allclose(GRID.to_index(np.array(part.origin_mm)) % 1, 0)
    assert sub_grid(GRID, np.array([[300.0, 0, 0]]), 2.0) is None


@pytest.mark.parametrize("wanted", [0.0, 0.06, 0.5])
def test_fat_factor_solves_for_the_mean(wanted):
    """The factor makes the mean fat fraction what was wanted, saturation included."""
    pattern = np.random.default_rng(0).gamma(0.5, 1.0, 5000).astype(np.float32)
    assert np.minimum(pattern * fat_factor(pattern, wanted), 1).mean() == pytest.approx(wanted, abs=1e-3)
