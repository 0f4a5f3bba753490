"""Radii from the ends up, and what is cut when a tube does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.prune import settle
from pancreasgen.network.radii import Calibre, bottom_up, count_ends
from pancreasgen.network.rules import GrowthRules
from pancreasgen.network.tree import Tree
from pancreasgen.organ.organ import Organ


def random_tree(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.array([-1] + [int(rng.integers(0, n)) for n in range(1, size)])


@pytest.mark.parametrize("gamma", [2.0, 2.7, 3.0])
def test_murray_holds_at_every_fork(gamma):
    """r₀^γ = Σ rᵢ^γ to 1e-12 at every fork of a random tree, and the root has the anchor's radius."""
    parent = random_tree(np.random.default_rng(1), 400)
    radius = bottom_up(parent, np.zeros(400, np.int16), Calibre(gamma, {0: 1.65}))
    sums = np.zeros(400)
    np.add.at(sums, parent[1:], radius[1:] ** gamma)
    inner = np.unique(parent[1:])
    assert radius[0] == pytest.approx(1.65)
    assert np.abs(sums[inner] / radius[inner] ** gamma - 1).max() < 1e-12


def test_ends_add_up():
    """Every fork has as many ends as its children together; the root has all of them."""
    parent = random_tree(np.random.default_rng(2), 300)
    ends = count_ends(parent)
    leaves = np.setdiff1d(np.arange(300), parent)
    assert ends[0] == len(leaves)
    assert (ends[leaves] == 1).all()


def ball(radius_mm: float) -> Organ:
    grid = Grid.centred((41, 41, 41), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    x, y, z = grid.mesh_mm()
    distance = (radius_mm - np.sqrt(x * x + y * y + z * z)).astype(np.float32)
    regions = Volume((distance > 0).astype(np.uint8), grid, Quantity.LABEL)
    return Organ(Volume(distance, grid, Quantity.DISTANCE), np.array([[-9.0, 0, 0], [9.0, 0, 0]]), {}, regions)


def star(lengths: list[float]) -> Tree:
    """A trunk of 1 mm at the centre with one branch of each length along +y."""
    count = len(lengths)
    start = np.vstack([np.zeros((1, 3)), np.tile([1.0, 0, 0], (count, 1))])
    end = np.vstack([[1.0, 0, 0], *[[1.0 + 0.1 * n, length, 0] for n, length in enumerate(lengths)]])
    parent = np.array([-1] + [0] * count)
    order = np.array([0] + [1] * count, np.int16)
    return Tree(start, end, parent, order, np.zeros(count + 1, np.int16), np.ones(count + 1), np.full(count + 1, -1))


def test_what_leaves_the_organ_is_cut():
    """Of three branches in a ball of 10 mm the one that reaches 12 mm is cut; the radii are those of the rest."""
    tree, stayed = settle(star([4.0, 5.0, 12.0]), ball(10.0), Calibre(3.0, {0: 1.0}), GrowthRules(margin_mm=0.1))
    assert stayed.tolist() == [True, True, True, False]
    assert len(tree.parent) == 3
    assert tree.radius_mm == pytest.approx([1.0, 0.5 ** (1 / 3), 0.5 ** (1 / 3)])


def test_a_trunk_that_does_not_fit_is_an_error():
    """If the main duct itself is wider than the organ, the letter says what to lower."""
    with pytest.raises(BadInputError, match="no duct tree fits"):
        settle(star([0.5]), ball(3.0), Calibre(3.0, {0: 5.0}), GrowthRules(margin_mm=0.1))


def test_a_branch_starts_with_its_own_radius():
    """Where a branch leaves a thick duct its capsule has the branch's radius; the duct that goes on tapers."""
    tree = Tree(*[getattr(star([4.0, 5.0]), name) for name in ("start_mm", "end_mm", "parent")],
                np.array([0, 0, 1], np.int16), np.zeros(3, np.int16), np.array([1.0, 0.8, 0.3]),
                np.full(3, -1))  # fmt: skip
    assert tree.proximal_radius_mm().tolist() == [1.0, 1.0, 0.3]
