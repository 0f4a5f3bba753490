"""A cone beam's projector is a linear map with a true transpose, and knows what geometry demands."""

import math

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.cone import Beams
from pancreasgen.scan.geometry import ArcCone, ArcFan
from pancreasgen.scan.operator import operator
from tests.scan.cones import circle, fill, helix, paths

GRID = Grid((41, 37, 23), (3.0, 2.5, 2.0), (-50.0, -60.0, 4.0))


def spiral(num_views: int = 13) -> ArcCone:
    z = np.linspace(10.0, 45.0, num_views)
    return circle(num_views, num_bins=61, bin_angle_rad=0.006, num_rows=37, isocentre_mm=(11.0, -14.0), source_z_mm=z)


def by_hand(x: np.ndarray, grid: Grid, beam: ArcCone) -> np.ndarray:
    """Joseph's method, one ray after another, with each sample read at its own z."""
    out, distance, rise = np.zeros(beam.shape), beam.source_to_isocentre_mm, beam.row_offsets_mm()[:, None]
    for v, k in np.ndindex(*beam.shape[:2]):
        beta = beam.angles_rad[v]
        angle = beta + beam.rays().bin_rad[k]
        focus = np.array(beam.isocentre_mm) + distance * np.array([-math.sin(beta), math.cos(beta)])
        run = np.array([math.sin(angle), -math.cos(angle)])
        axis = int(abs(run[1]) >= abs(run[0]))
        t = (grid.axis_mm(axis) - focus[axis]) / run[axis]
        place = (focus[:, None] + run[:, None] * t - np.array(grid.origin_mm[:2])[:, None]) / np.array(
            grid.spacing_mm[:2]
        )[:, None]
        z = (beam.source_z_mm[v] + rise * t / distance - grid.origin_mm[2]) / grid.spacing_mm[2]
        points = [np.broadcast_to(place[0], z.shape), np.broadcast_to(place[1], z.shape), z]
        sums = map_coordinates(x.astype(float), points, order=1, mode="grid-constant").sum(axis=1)
        out[v, k] = sums * grid.spacing_mm[axis] / abs(run[axis]) * np.sqrt(1.0 + (rise[:, 0] / distance) ** 2)
    return out


def test_the_transpose_is_the_transpose() -> None:
    """⟨Ax, y⟩ = ⟨x, Aᵀy⟩ to 1e-5 of |Ax||y|, on a helix that runs out of the volume."""
    rng, a = np.random.default_rng(1), operator(GRID, spiral())
    x = rng.standard_normal((2, *a.domain_shape)).astype(np.float32)
    y = rng.standard_normal((2, *a.range_shape)).astype(np.float32)
    forward, back = a(x).astype(np.float64), a.T(y).astype(np.float64)
    assert abs((forward * y).sum() - (x * back).sum()) < 1e-5 * np.linalg.norm(forward) * np.linalg.norm(y)
    assert (a(np.abs(x)).astype(float) * np.abs(y)).sum() == pytest.approx(
        (np.abs(x) * a.T(np.abs(y)).astype(float)).sum(), rel=1e-5
    )


def test_threads_do_not_matter() -> None:
    """One thread gives the bits of all threads, forward and back; and a channel alone those of two."""
    x = np.random.default_rng(2).random((2, *GRID.shape)).astype(np.float32)
    whole, single = operator(GRID, spiral()), operator(GRID, spiral(), threads=1)
    y = whole(x)
    assert np.array_equal(single(x), y)
    assert np.array_equal(whole(x[1]), y[1])
    assert np.array_equal(single.T(y), whole.T(y))


def test_it_is_joseph_ray_by_ray() -> None:
    """Each ray is within 1 % of the largest of one that reads every step at its own z; root mean square 0.05 %."""
    grid, beam = Grid.centred((48, 48, 40), (3.0, 3.0, 2.0), (11.0, -14.0, 30.0)), spiral(5)
    body = fill([((15.0, -10.0, 28.0), (45.0, 35.0, 30.0), 0.4, 1.0)], grid, 2)
    slow = by_hand(body, grid, beam)
    error = operator(grid, beam)(body) - slow
    assert np.abs(error).max() < 0.01 * slow.max()
    assert np.sqrt(np.mean(error**2)) < 0.0005 * slow.max()


def test_an_ellipsoid_casts_its_chords() -> None:
    """Through a tilted ellipsoid off the axis rays are its chords: root mean square within 0.9 % of the longest."""
    grid, bodies = (
        Grid.centred((96, 96, 64), (1.5, 1.5, 1.5), (0.0, 0.0, 0.0)),
        [((9.0, -6.0, 4.0), (40.0, 30.0, 25.0), 0.5, 0.02)],
    )
    beam = circle(16, num_bins=130, bin_angle_rad=0.003)
    truth = paths(bodies, beam)
    error = operator(grid, beam)(fill(bodies, grid)) - truth
    assert np.sqrt(np.mean(error[truth > 0.0] ** 2)) < 0.009 * truth.max()


def test_moving_the_body_is_unmoving_the_scanner() -> None:
    """Body, axis and focus moved together leave the measurements; so does a quarter turn of both."""
    x = np.random.default_rng(3).random((32, 32, 20)).astype(np.float32)
    grid, beam = Grid.centred(x.shape, (3.0, 3.0, 2.0), (0.0, 0.0, 0.0)), circle(8)
    y = operator(grid, beam)(x)
    away = Grid.centred(x.shape, (3.0, 3.0, 2.0), (8.0, -16.0, 32.0))
    moved = circle(8, isocentre_mm=(8.0, -16.0), source_z_mm=np.full(8, 32.0))
    assert np.allclose(operator(away, moved)(x), y, atol=2e-3)
    turned = np.ascontiguousarray(np.rot90(x, 1, axes=(0, 1)))  # +x to +y, as the view angle grows
    assert np.allclose(operator(grid, beam)(turned), np.roll(y, 2, axis=0), atol=2e-3)


def test_the_middle_row_is_a_fan() -> None:
    """The middle row of a cone is the fan beam's row at the focus' z, to rounding."""
    x = np.random.default_rng(4).random((30, 28, 9)).astype(np.float32)
    grid = Grid.centred(x.shape, (3.0, 3.0, 2.0), (0.0, 0.0, 0.0))
    cone = circle(12, num_rows=1)
    fan = ArcFan(cone.angles_rad, cone.num_bins, 0.004, 0.25, 500.0, (0.0, 0.0), 0.0, 2.0, 1)
    assert np.allclose(operator(grid, cone)(x), operator(grid, fan, "direct")(x), atol=1e-3)


def test_fewer_steps_are_summed_where_the_cone_is_steep() -> None:
    """Coarse voxels near the focus are read one by one, fine ones eight at a time."""
    fine, coarse = (
        Grid.centred((8, 8, 8), (0.5, 0.5, 2.0), (0, 0, 0)),
        Grid.centred((8, 8, 8), (9.0, 9.0, 0.5), (0, 0, 0)),
    )
    assert Beams.of(fine, circle(4)).scan[2] == 8
    assert Beams.of(coarse, circle(4)).scan[2] == 1


def test_what_does_not_fit_is_refused() -> None:
    """NaN and other shapes are told in one line."""
    a = operator(GRID, helix(1.0, 5.0, 8))
    with pytest.raises(BadInputError, match="NaN"):
        a(np.full(a.domain_shape, np.nan))
    with pytest.raises(BadInputError, match="must have shape"):
        a.T(np.zeros((3, 3, 3)))
