"""The graph of ducts against a skeleton of their voxels, made by scikit-image and measured by skan."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.anatomy.voxelize import duct_fraction
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.network.grow import grow
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.gland import Gland, shape_organ

SPACING_MM = 0.2
RESOLVABLE_MM = 2 * SPACING_MM
"""Radius from which on a tube is wide enough for a skeleton to be trusted: four voxels across."""


def resolvable(network: DuctNetwork) -> DuctNetwork:
    """Return the main, accessory and side ducts (order ≤ 1) that are wide enough, and nothing beyond them."""
    rows = np.flatnonzero((network.order <= 1) & (network.capsule_radii_mm.min(axis=1) >= RESOLVABLE_MM))
    nodes, ends = np.unique(network.segments[rows], return_inverse=True)
    return DuctNetwork(
        network.nodes_mm[nodes], network.radius_mm[nodes], ends.reshape(-1, 2), network.kind[rows], network.order[rows]
    )


def staircase_factor() -> float:
    """Return how much longer than a line its steps through voxels are, in the mean over all directions.

    A line along (a ≥ b ≥ c) takes a − b steps of 1, b − c steps of √2 and c steps of √3, at any fineness.
    """
    turn = np.pi * (1 + np.sqrt(5)) * np.arange(20_000)
    height = (np.arange(20_000) + 0.5) / 20_000  # evenly over half a sphere
    flat = np.sqrt(1 - height**2)
    direction = np.sort(np.abs([flat * np.cos(turn), flat * np.sin(turn), height]), axis=0)
    return float((np.array([np.sqrt(3) - np.sqrt(2), np.sqrt(2) - 1, 1]) @ direction).mean())


def skeleton_length_mm(network: DuctNetwork) -> float:
    """Return skan's length of the skeleton of a network's voxels."""
    import skan
    from skimage.morphology import skeletonize

    reach = network.radius_mm.max() + 3 * SPACING_MM
    low, high = network.nodes_mm.min(axis=0) - reach, network.nodes_mm.max(axis=0) + reach
    shape = np.ceil((high - low) / SPACING_MM).astype(int).tolist()
    grid = Grid(tuple(shape), (SPACING_MM,) * 3, tuple(low.tolist()))
    skeleton = skeletonize(duct_fraction(network, grid).data >= 128)
    return float(skan.Skeleton(skeleton, spacing=SPACING_MM).path_lengths().sum())


def test_a_skeleton_of_voxels_is_as_long_as_the_graph():
    """Skan's length, less the 8.8 % that steps add to lines, agrees with the ducts' within 3 %.

    The ends of a skeleton lie up to a radius from those of the graph, on either side: not corrected.
    """
    organ = shape_organ(Gland(length_mm=120, ap_head_mm=18, ap_body_mm=13, ap_tail_mm=11), Chance(1, 0, "organ"))
    grammar = parse_grammar(find_grammar("human_pancreas").text, id="human_pancreas", file="")
    ducts = resolvable(grow(grammar, organ, {"p_acc": 1.0}, Chance(1, 0, "growth")))
    assert len(ducts.segments) > 50
    assert (ducts.order == 1).sum() > 10
    assert skeleton_length_mm(ducts) / staircase_factor() == pytest.approx(ducts.lengths_mm.sum(), rel=0.03)


def test_a_skeleton_of_straight_tubes_is_longer_by_the_staircase():
    """Alone and straight, in many directions, tubes show the factor that their steps have: no other bias is hidden."""
    height = np.linspace(-0.9, 0.9, 9)
    turn = np.arange(9) * np.pi * (3 - np.sqrt(5))
    direction = np.column_stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height])
    total = sum(
        skeleton_length_mm(DuctNetwork(np.array([[0.0, 0, 0], 30 * line]), [0.5, 0.5], [[0, 1]], [1], [0]))
        for line in direction
    )
    assert total / (9 * 30) == pytest.approx(staircase_factor(), rel=0.03)
