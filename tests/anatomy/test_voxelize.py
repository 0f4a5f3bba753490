"""Ducts on voxels against formulas: capsule volumes, unions, bounds, connected centrelines."""

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.anatomy.voxelize import draw_centerline, duct_cover, duct_fraction
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork

GRID = Grid.centred((60, 60, 40), (0.75, 0.75, 1.25), (0.0, 0.0, 0.0))


def ducts(nodes, radii, segments, kinds=None):
    count = len(segments)
    kind = np.array(kinds or [1] * count, np.uint8)
    return DuctNetwork(nodes, radii, np.array(segments, np.int32), kind, np.zeros(count, np.int16))


def cover_mm3(network, grid=GRID):
    return duct_cover(network, grid)[1].sum() * grid.voxel_ml * 1000


@pytest.mark.parametrize("radius_voxels", [0.2, 0.35, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (1, 0.3, 0.7)])
def test_capsule_volume(radius_voxels, direction):
    """A capsule covers πr²L + 4/3 πr³ within 2 %, at any position and direction, below one voxel as well."""
    along = np.array(direction) / np.linalg.norm(direction)
    radius, middle = radius_voxels * 0.75, np.array([0.11, 0.03, 0.2])
    line = ducts([middle - 15 * along, middle + 15 * along], [radius] * 2, [[0, 1]])
    caps = 4 / 3 * np.pi * radius**3 if radius_voxels >= 0.25 else 0.0
    assert cover_mm3(line) == pytest.approx(np.pi * radius**2 * 30 + caps, rel=0.02)


def test_error_falls_with_voxel_size():
    """The mean error of single balls falls when voxels shrink."""
    errors = []
    for spacing in (1.5, 0.5):
        grid = Grid.centred((round(24 / spacing),) * 3, (spacing,) * 3, (0.0, 0.0, 0.0))
        draw = np.random.default_rng(1)
        found = []
        for _ in range(20):
            centre = draw.uniform(-2, 2, 3)
            ball = ducts([centre, centre + [0, 0, 1e-6]], [1.2, 1.2], [[0, 1]])
            found.append(abs(cover_mm3(ball, grid) / (4 / 3 * np.pi * 1.2**3) - 1))
        errors.append(np.mean(found))
    assert errors[1] < 0.6 * errors[0]


def test_tapered_cone_volume():
    """A round cone has the volume of the hull of its two balls (two caps and a frustum between tangent circles)."""
    a, b, length = 3.0, 1.2, 10.0
    sine = (a - b) / length
    cosine2 = 1 - sine**2
    h = length + (b - a) * sine  # distance of the tangent circles' planes
    ra, rb = a * np.sqrt(cosine2), b * np.sqrt(cosine2)
    frustum = np.pi * h / 3 * (ra**2 + ra * rb + rb**2)
    cap_a = 4 / 3 * np.pi * a**3 - np.pi * a**3 * (1 - sine) ** 2 * (2 + sine) / 3
    cap_b = np.pi * b**3 * (1 - sine) ** 2 * (2 + sine) / 3
    cone = ducts([[-5.0, 0.2, 0.1], [5.0, 0.2, 0.1]], [a, b], [[0, 1]])
    assert cover_mm3(cone) == pytest.approx(frustum + cap_a + cap_b, rel=0.005)


def test_union_counts_once():
    """The same duct drawn twice, or cut into many overlapping pieces, covers what it covers once."""
    ends = np.array([[-9.0, -4, -6], [8.0, 5, 7]])
    once = ducts(ends, [0.9, 0.9], [[0, 1]])
    twice = ducts(ends, [0.9, 0.9], [[0, 1], [0, 1]])
    pieces = np.linspace(*ends, 21)
    many = ducts(pieces, [0.9] * 21, [[n, n + 1] for n in range(20)])
    whole = duct_fraction(once, GRID).data
    assert np.array_equal(whole, duct_fraction(twice, GRID).data)
    assert np.abs(whole.astype(int) - duct_fraction(many, GRID).data).max() <= 1


def test_slow_twin():
    """Each voxel's share agrees with 12³ regular samples of a plain-Python twin within the error of 256 probes."""
    grid = Grid.centred((7, 7, 5), (0.75, 0.75, 1.25), (0.0, 0.0, 0.0))
    a, b, ra, rb = np.array([-1.2, -0.8, -1.0]), np.array([1.1, 0.9, 1.4]), 0.9, 0.5
    data = duct_fraction(ducts([a, b], [ra, rb], [[0, 1]]), grid).data / 255
    steps = (np.arange(12) + 0.5) / 12 - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3) * grid.spacing_mm
    balls = np.linspace(0, 1, 60)[:, None]
    for index in np.ndindex(grid.shape):
        points = grid.to_world(np.array(index)) + offsets
        inside = np.zeros(len(points), bool)
        for centre, radius in zip(a + balls * (b - a), (ra + balls * (rb - ra))[:, 0], strict=True):
            inside |= ((points - centre) ** 2).sum(axis=1) < radius**2
        assert data[index] == pytest.approx(inside.mean(), abs=0.05)


def test_shares_are_shares():
    """However many ducts cross, a share stays within (0, 1] and each voxel is listed once, in order."""
    draw = np.random.default_rng(3)
    start = draw.uniform(-12, 12, (400, 3))
    nodes = np.vstack([start, start + draw.normal(0, 3, (400, 3))])
    radii = np.tile(draw.uniform(0.02, 1.5, 400), 2)
    flat, share, kind = duct_cover(ducts(nodes, radii, [[n, n + 400] for n in range(400)], [3] * 400), GRID)
    assert (np.diff(flat) > 0).all()
    assert share.min() > 0
    assert share.max() <= 1
    assert set(kind) == {3}


def test_outside_is_left_out():
    """Ducts that leave the grid are cut, and an empty network covers nothing."""
    far = ducts([[500.0, 0, 0], [510.0, 0, 0]], [1.0, 1.0], [[0, 1]])
    empty = ducts(np.zeros((1, 3)), [1.0], np.zeros((0, 2), np.int32), [])
    assert duct_fraction(far, GRID).data.max() == 0
    assert duct_fraction(empty, GRID).data.max() == 0
    assert draw_centerline(far, GRID, [1]).data.max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_centerline_is_face_connected(seed):
    """A drawn polyline is one piece under face neighbours and passes the voxel of every node."""
    draw = np.random.default_rng(seed)
    nodes = np.cumsum(draw.normal(0, 1.3, (40, 3)), axis=0)
    nodes -= nodes.mean(axis=0)
    line = draw_centerline(ducts(nodes, [0.1] * 40, [[n, n + 1] for n in range(39)]), GRID, [1]).data
    assert ndimage.label(line)[1] == 1
    at = np.floor(GRID.to_index(nodes) + 0.5).astype(int)
    assert line[tuple(at.T)].all()


def test_centerline_walks_one_step_at_a_time():
    """A straight line from voxel to voxel marks |Δi| + |Δj| + |Δk| + 1 voxels, and only the wanted kinds."""
    nodes = GRID.to_world(np.array([[10, 12, 5], [27, 20, 30], [3, 3, 3]]))
    network = ducts(nodes, [1.0] * 3, [[0, 1], [0, 2]], [1, 3])
    assert np.count_nonzero(draw_centerline(network, GRID, [1]).data) == 17 + 8 + 25 + 1
    assert set(np.unique(draw_centerline(network, GRID, [1, 3]).data)) == {0, 1, 3}
