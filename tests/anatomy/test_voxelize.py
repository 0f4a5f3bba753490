"""Ducts on voxels against formulas: capsule volumes, unions, bounds, connected centrelines."""

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.anatomy.voxelize import draw_centerline, duct_cover, duct_fraction
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.resolvable import drawn, resolvable

GRID = Grid.centred((60, 60, 40), (0.75, 0.75, 1.25), (0.0, 0.0, 0.0))


def ducts(nodes, radii, segments, kinds=None):
    count = len(segments)
    kind = np.array(kinds or [1] * count, np.uint8)
    return DuctNetwork(nodes, radii, np.array(segments, np.int32), kind, np.zeros(count, np.int16))


def cover_mm3(network, grid=GRID):
    return duct_cover(network, grid)[1].sum() * grid.voxel_ml * 1000


FINE = Grid.centred((44, 44, 44), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
THICK = Grid.centred((64, 64, 9), (0.7, 0.7, 5.0), (0.0, 0.0, 0.0))
RADII_VOXELS = (0.2, 0.35, 0.5, 1.0, 2.0, 5.0)


def hull_mm3(a, b, length):
    """Volume of the hull of two balls: two caps, and the frustum between the circles where it touches them."""
    sine = (a - b) / length
    cosine2 = 1 - sine**2
    ra, rb = a * np.sqrt(cosine2), b * np.sqrt(cosine2)
    frustum = np.pi * (length + (b - a) * sine) / 3 * (ra**2 + ra * rb + rb**2)
    cap_a = 4 / 3 * np.pi * a**3 - np.pi * a**3 * (1 - sine) ** 2 * (2 + sine) / 3
    return frustum + cap_a + np.pi * b**3 * (1 - sine) ** 2 * (2 + sine) / 3


@pytest.mark.parametrize("grid", [FINE, THICK], ids=["isotropic", "thick slices"])
@pytest.mark.parametrize("radius_voxels", RADII_VOXELS)
@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (1, 0.3, 0.7)])
@pytest.mark.parametrize("taper", [1.0, 0.5, 0.0625])
def test_capsule_and_cone_volume(grid, radius_voxels, direction, taper):
    """A capsule or a cone covers what its formula says within 1 %, below half a voxel within 1 in a million."""
    edge = min(grid.spacing_mm)
    along, radius = np.array(direction) / np.linalg.norm(direction), radius_voxels * edge
    middle, length = np.array([0.11, 0.03, 0.2]) * edge, 20 * edge
    line = ducts([middle - length / 2 * along, middle + length / 2 * along], [radius, taper * radius], [[0, 1]])
    error = cover_mm3(line, grid) / hull_mm3(radius, taper * radius, length) - 1
    assert abs(error) < (0.01 if radius_voxels >= 0.5 else 1e-6)


@pytest.mark.parametrize("grid", [FINE, THICK], ids=["isotropic", "thick slices"])
@pytest.mark.parametrize("radius_voxels", RADII_VOXELS)
def test_ball_volume(grid, radius_voxels):
    """Balls at random places cover 4/3 πr³ each, within 1 %."""
    draw, edge = np.random.default_rng(7), min(grid.spacing_mm)
    radius = radius_voxels * edge
    for centre in draw.uniform(-2, 2, (10, 3)):
        ball = ducts([centre, centre + [0, 0, 1e-6]], [radius, radius], [[0, 1]])
        assert cover_mm3(ball, grid) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)


def union_mm3(network, points=2_000_000):
    """Volume of a union of cones, by a slow twin: random points in a box, and balls 400 to a segment."""
    draw = np.random.default_rng(5)
    radii, ends = network.capsule_radii_mm, network.nodes_mm[network.segments]
    low, high = (ends - radii[..., None]).min(axis=(0, 1)), (ends + radii[..., None]).max(axis=(0, 1))
    places = draw.uniform(low, high, (points, 3))
    inside = np.zeros(points, bool)
    for (a, b), (ra, rb) in zip(ends, radii, strict=True):
        length = np.linalg.norm(b - a)
        axis, q = (b - a) / length, places - a
        along = q @ axis
        off = np.sqrt(np.maximum((q**2).sum(axis=1) - along**2, 0))
        for t in np.linspace(0, 1, 400):
            inside |= (along - t * length) ** 2 + off**2 < (ra + t * (rb - ra)) ** 2
    return inside.mean() * np.prod(high - low)


@pytest.mark.parametrize("radius_voxels", [0.2, 0.45, 0.6, 2.0])
def test_junction_volume(radius_voxels):
    """A fork, a bend and a branch out of a wider duct cover their union within 1 % on both grids.

    The radii lie below half a voxel, on both sides of it, and above.
    """
    r = radius_voxels * 0.7
    nodes = np.array([[-9, -0.2, 0.3], [0.1, 0, 0], [6, 4, 1], [5, -5, -2], [9, 9, 2]]) * r
    radii = [1.25 * r, r, 0.8 * r, 0.55 * r, 0.4 * r]
    fork = DuctNetwork(nodes, radii, [[0, 1], [1, 2], [1, 3], [2, 4]], [1, 1, 3, 1], [0, 0, 1, 0])
    wanted = union_mm3(fork)
    for grid in (Grid.centred((60, 60, 40), (0.7,) * 3, (0.0, 0.0, 0.0)), THICK):
        assert cover_mm3(fork, grid) == pytest.approx(wanted, rel=0.01)


def test_error_falls_with_cells():
    """The error of wide cones falls with the second power of the cells at least: 9 times where 3 cells become 9."""
    draw = np.random.default_rng(2)
    lines = [draw.uniform(-8, 8, (2, 3)) for _ in range(40)]
    errors = []
    for cells in (1.5, 6.0):
        shares = [duct_cover(ducts(line, [0.7, 0.55], [[0, 1]]), FINE, cells_per_radius=cells)[1] for line in lines]
        wanted = [hull_mm3(0.7, 0.55, np.linalg.norm(b - a)) for a, b in lines]
        errors.append(np.sqrt(np.mean([(s.sum() / w - 1) ** 2 for s, w in zip(shares, wanted, strict=True)])))
    assert errors[0] > 9 * errors[1]


@pytest.mark.parametrize("radius", [0.3, 0.9])
def test_slabs_do_not_show(radius):
    """Thin and wide ducts alike have the same shares to the bit, whether in one slab or plane by plane."""
    draw = np.random.default_rng(4)
    nodes = np.cumsum(draw.normal(0, 2.5, (30, 3)), axis=0)
    chain = ducts(nodes - nodes.mean(axis=0), [radius] * 30, [[n, n + 1] for n in range(29)])
    whole, planes = duct_cover(chain, GRID), duct_cover(chain, GRID, slab_voxels=1)
    assert all(np.array_equal(one, other) for one, other in zip(whole, planes, strict=True))


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
    """Each voxel's share agrees with 12³ regular samples of a plain-Python twin within the samples' error."""
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
        assert data[index] == pytest.approx(inside.mean(), abs=0.02)


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


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 0.7), (0.7, 0.7, 2.5), (0.7, 0.7, 5.0)])
@pytest.mark.parametrize("seed", range(3))
def test_resolvable_ducts_stay_in_one_piece(seed, spacing):
    """In a random tree the centrelines that are drawn are one piece, and every resolvable segment lies on it."""
    draw, grid = np.random.default_rng(seed), Grid.centred((100, 100, 24), spacing, (0.0, 0.0, 0.0))
    nodes, radii, segments, orders = [np.zeros(3)], [1.5], [], []
    while len(nodes) < 200:
        parent = int(draw.integers(len(nodes)))
        nodes.append(nodes[parent] + draw.normal(0, 2.5, 3) * [1, 1, 0.5])
        radii.append(radii[parent] * draw.uniform(0.55, 1.0))
        orders.append(int(draw.integers(3)))
        segments.append([parent, len(nodes) - 1])
    tree = DuctNetwork(np.array(nodes), radii, segments, np.full(199, Kind.SIDE), orders)
    assert 5 < resolvable(tree, grid).sum() < 190
    line = draw_centerline(tree, grid, Kind, drawn(tree, grid)).data
    assert ndimage.label(line)[1] == 1
    middles = tree.nodes_mm[tree.segments[resolvable(tree, grid)]].mean(axis=1)
    at = np.floor(grid.to_index(middles) + 0.5).astype(int)
    inside = ((at >= 0) & (at < grid.shape)).all(axis=1)
    assert line[tuple(at[inside].T)].all()
