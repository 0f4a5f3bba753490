"""Which ducts a grid can show, against counts by hand and a slow twin."""

import numpy as np
import pytest

from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork
from pancreasgen.network.resolvable import drawn, resolvable, resolvable_measures, resolvable_width_mm

# a main duct of three pieces; two side branches, one of which narrows; a twig, and a cyst on a narrow neck
NODES = [[0, 0, 0], [4, 0, 0], [9, 0, 0], [12, 0, 0], [4, 3, 0], [4, 5, 0], [9, 2, 0], [4, 5, 1], [9, 2, 6]]
RADII = [1.2, 1.0, 0.8, 0.3, 0.6, 0.2, 0.1, 0.05, 2.0]
SEGMENTS = [[0, 1], [1, 2], [2, 3], [1, 4], [4, 5], [2, 6], [5, 7], [6, 8]]
DUCTS = DuctNetwork(NODES, RADII, SEGMENTS, [1, 1, 1, 3, 3, 3, 4, 3], [0, 0, 0, 1, 1, 1, 2, 1])


def cubes(width):
    """A grid whose least width along an axis is the given one."""
    return Grid((9, 9, 9), (width * np.sqrt(np.pi / 2),) * 3, (0, 0, 0))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (1.0, 2.0, 4.0)])
def test_least_width_fills_half_a_voxel(spacing):
    """A very long duct of the least width, cut by a voxel around its middle, fills half of it: a count of points.

    The duct is drawn as a line that carries its cross-section, so that none of it is lost beside the voxel.
    """
    grid, draw = Grid((9, 9, 9), spacing, (0, 0, 0)), np.random.default_rng(0)
    directions = np.vstack([np.eye(3), draw.normal(size=(20, 3))])
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    t = np.linspace(-10, 10, 200_001)
    for direction, width in zip(directions, resolvable_width_mm(grid, directions), strict=True):
        inside = (np.abs(t[:, None] * direction) <= np.array(spacing) / 2).all(axis=1)
        assert np.pi * width**2 / 4 * inside.mean() * 20 == pytest.approx(0.5 * np.prod(spacing), rel=0.01)


def test_measures_by_hand():
    """Lengths, shares and numbers by kind and order are those that one counts with a pencil."""
    told = resolvable_measures(DUCTS, cubes(0.999))
    # wide in the mean of their ends: all of the main duct, the first piece of the first branch, and the cyst
    assert resolvable(DUCTS, cubes(0.999)).tolist() == [True, True, True, True, False, False, False, True]
    assert told["resolvable_length_mm"] == 12 + 3 + 6
    assert told["resolvable_share"] == pytest.approx(21 / 26, abs=1e-4)
    assert told["resolvable_main_share"] == 1.0
    assert told["resolvable_accessory_share"] is None
    assert told["resolvable_side_length_mm"] == 9
    assert told["resolvable_lobular_share"] == 0.0
    assert (told["num_resolvable_order_0"], told["num_resolvable_order_1"]) == (1, 2)
    assert told["resolvable_order_1_length_mm"] == 9
    assert "num_resolvable_order_2" not in told


def test_drawn_leads_home():
    """The label's ducts are the wide ones, all main ducts, and whatever leads from them to the papilla; not more."""
    assert drawn(DUCTS, cubes(0.999)).tolist() == [True, True, True, True, False, True, False, True]
    assert drawn(DUCTS, cubes(9.0)).tolist() == [True, True, True, False, False, False, False, False]
    assert drawn(DUCTS, cubes(0.05)).all()


def test_nothing():
    """A network without segments has a length of 0 and no shares."""
    none = DuctNetwork(np.zeros((0, 3)), np.zeros(0), np.zeros((0, 2), "i4"), np.zeros(0, "u1"), np.zeros(0, "i2"))
    told = resolvable_measures(none, cubes(1.0))
    assert told["resolvable_length_mm"] == 0
    assert told["resolvable_share"] is None
    assert not len(drawn(none, cubes(1.0)))
