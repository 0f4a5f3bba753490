"""Implicit surfaces: distances against formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.organ import surface

GRID = Grid.centred((41, 41, 41), (1.0, 1.0, 1.0), (0.3, -0.2, 0.1))


def test_redistance_of_a_sphere():
    """From a badly scaled field of a sphere of 12 mm, redistance is right within 0.3 mm, 0.05 on average."""
    x, y, z = GRID.mesh_mm()
    r = np.sqrt(x * x + y * y + z * z)
    field = (0.02 * (12.0**2 - r**2)).astype(np.float32)
    error = surface.redistance(field, GRID) - (12.0 - r)
    assert np.abs(error[(r > 2.0) & (r < 18.0)]).max() < 0.3
    assert np.abs(error[(r > 2.0) & (r < 18.0)]).mean() < 0.05


def test_a_jump_deep_inside_is_no_surface():
    """Where a sphere's field jumps from 3 to 7 mm inside, the distance is still that to the sphere, within 0.3 mm."""
    x, y, z = GRID.mesh_mm()
    r = np.sqrt(x * x + y * y + z * z)
    field = np.where(r < 9.0, 16.0 - r, 12.0 - r).astype(np.float32)
    error = surface.redistance(field, GRID) - (12.0 - r)
    assert np.abs(error[(r > 2.0) & (r < 18.0)]).max() < 0.3


def test_ellipsoid_is_zero_on_its_surface():
    """On its surface the field is 0, at its centre it is the smallest half axis."""
    one = Grid((1, 1, 1), (1.0, 1.0, 1.0), (9.0, 0.0, 0.0))
    centre = Grid((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    half = np.array([9.0, 5.0, 4.0])
    assert surface.ellipsoid(one, np.zeros(3), half)[0, 0, 0] == pytest.approx(0.0, abs=1e-6)
    assert surface.ellipsoid(centre, np.zeros(3), half)[0, 0, 0] == pytest.approx(4.0)


def test_tube_is_a_distance_to_its_course():
    """Around a straight course the field is radius − distance: within half a step, and 2 mm away within 0.011 mm."""
    course = np.array([[-15.0, 0.0, 0.0], [15.0, 0.0, 0.0]])
    field = surface.tube(GRID, course, 3.0)
    x, y, z = GRID.mesh_mm()
    truth = 3.0 - np.sqrt(np.clip(np.abs(x) - 15.0, 0.0, None) ** 2 + y**2 + z**2)
    assert np.abs(field - truth).max() < 0.2
    assert np.abs(field - truth)[truth < 1.0].max() < 0.011


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.3, 2.1)])
def test_the_nearest_sample_is_that_of_a_full_search(spacing):
    """Each voxel's sample is as near as the nearest of all (slow twin), also far away and on uneven voxels."""
    grid = Grid((29, 23, 17), spacing, (-9.0, -8.0, -7.0))
    turn = np.linspace(0.0, 7.0, 300)
    curve = np.column_stack([9.0 * np.cos(turn), 6.0 * np.sin(turn), 2.0 * turn - 7.0])
    nearest = surface.nearest_sample(grid, curve)
    voxels = grid.to_world(np.argwhere(np.ones(grid.shape, bool)))
    truth, _ = cKDTree(curve).query(voxels)
    assert np.allclose(np.linalg.norm(voxels - curve[nearest.ravel()], axis=1), truth, atol=1e-9)


def test_a_tube_with_a_reach_is_the_whole_one_cut_off():
    """Within its reach the field is that of the whole grid to the bit; beyond, it is minus the reach."""
    course = np.array([[-15.0, 3.0, 0.0], [0.0, 0.0, 6.0], [15.0, 0.0, 0.0]])
    whole, cut = surface.tube(GRID, course, 3.0), surface.tube(GRID, course, 3.0, 5.0)
    assert (cut == np.maximum(whole, np.float32(-5.0))).all()


def test_the_field_of_a_section_is_a_distance_at_its_surface():
    """Next to a flat ellipsoid (half axes 14, 7, 5 mm) the field says how far the surface is, within 0.25 mm.

    Truth is a dense sampling of the surface; next to it means at most 1.5 mm away.
    """
    half = np.array([14.0, 7.0, 5.0])
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(400_000, 3))
    skin = half * ball / np.linalg.norm(ball, axis=1, keepdims=True)
    voxels = GRID.to_world(np.argwhere(np.ones(GRID.shape, bool)))
    field = surface.ellipsoid(GRID, np.zeros(3), half).ravel()
    truth, _ = cKDTree(skin).query(voxels)
    near = truth < 1.5
    assert np.abs(np.abs(field[near]) - truth[near]).max() < 0.25


def test_smooth_union_contains_both_and_blends():
    """The union is nowhere below the larger field and at most a quarter of the blend above it."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 4, (2, 1000)).astype(np.float32)
    joined = surface.smooth_union(a, b, 5.0)
    assert (joined >= np.maximum(a, b) - 1e-5).all()
    assert (joined <= np.maximum(a, b) + 1.25 + 1e-5).all()


def test_noise_has_unit_spread_and_its_length():
    """Noise has mean near 0, SD 1, and correlates over half its length but not over three lengths."""
    grid = Grid((64, 64, 64), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    noise = surface.smooth_noise(grid, 8.0, Chance(0, 0, "noise"))
    assert noise.std() == pytest.approx(1.0, abs=1e-3)
    near = np.corrcoef(noise[:-3].ravel(), noise[3:].ravel())[0, 1]
    far = np.corrcoef(noise[:-24].ravel(), noise[24:].ravel())[0, 1]
    assert near > 0.6
    assert abs(far) < 0.2


def test_lobules_have_unit_spread_and_sharp_notches():
    """The relief has mean 0 and SD 1, lies between −1.91 and 2.09, and is sharper at the notches than at the tops."""
    grid = Grid((80, 80, 80), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    relief = surface.lobules(grid, 4.5, Chance(0, 0, "lobules"))
    assert relief.mean() == pytest.approx(0.0, abs=0.03)
    assert relief.std() == pytest.approx(1.0, abs=0.03)
    assert -1.91 < relief.min() < -1.8
    assert 1.9 < relief.max() < 2.09
    bend = relief[2:] - 2 * relief[1:-1] + relief[:-2]
    assert bend.max() > 2 * -bend.min()


def test_densify_keeps_length_and_ends():
    """A resampled polyline has the same length and ends, and no step longer than wanted."""
    line = np.array([[0.0, 0, 0], [3.0, 4, 0], [3.0, 4, 10]])
    dense = surface.densify(line, 0.7)
    steps = np.linalg.norm(np.diff(dense, axis=0), axis=1)
    assert steps.max() <= 0.7
    assert steps.sum() == pytest.approx(15.0)
    assert (dense[[0, -1]] == line[[0, -1]]).all()
