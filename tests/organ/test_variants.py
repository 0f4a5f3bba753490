"""Variants of the gland: one that ends behind the neck, and one that rings the duodenum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.anatomy.phantom import compose
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import DUCTS, PARENCHYMA, VALUES
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.organ import Region

CHANCE = Chance(3, 0, "organ")
NO_DUCTS = DuctNetwork(
    np.zeros((1, 3)), [1.0], np.zeros((0, 2), np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int16)
)


@pytest.mark.parametrize("extent", [0.3, 0.36, 0.42])
def test_a_short_gland_is_the_beginning_of_the_whole_one(extent):
    """The axis is cut, not squeezed; nothing lies past its end; 12 mm before the end the gland is as it was."""
    whole, short = shape_organ(Gland(), CHANCE), shape_organ(Gland(extent=extent), CHANCE)
    assert short.length_mm == pytest.approx(extent * whole.length_mm, abs=0.6)
    assert np.array_equal(short.axis_mm, whole.axis_mm[: len(short.axis_mm)])
    end = short.axis_mm[-1]
    along = end - short.axis_mm[-3]
    x, y, z = short.distance.grid.mesh_mm()
    beyond = ((x - end[0]) * along[0] + (y - end[1]) * along[1] + (z - end[2]) * along[2]) / np.linalg.norm(along)
    assert beyond[short.distance.data > 0].max() < 2.0
    before = beyond < -12.0
    assert ((short.distance.data > 0) == (whole.distance.data > 0))[before].all()
    assert not (short.regions.data == Region.TAIL).any()
    assert np.linalg.norm(short.landmarks["tail_tip"][0] - end) < 3.0
    assert np.array_equal(short.landmarks["major_papilla"], whole.landmarks["major_papilla"])


@pytest.mark.parametrize("shape", ["oblique", "L", "inverted-V"])
def test_a_ring_closes_around_a_hole(shape):
    """At the ring's height the gland has a hole of 7 mm radius or more, and tissue along the whole course.

    A closed ring is told by filling: what a plane's filled holes add is an area, and the ring's centre lies in it.
    """
    organ = shape_organ(Gland(shape=shape, ring_mm=4.5), CHANCE)
    ring, grid = organ.landmarks["ring"], organ.distance.grid
    i, j, k = np.rint(grid.to_index(ring.mean(axis=0)[None])[0]).astype(int)
    inside = organ.distance.data[:, :, k] > 0
    hole = ndimage.binary_fill_holes(inside) & ~inside
    assert hole[i, j]
    assert hole.sum() > np.pi * 7.0**2
    rows = np.rint(grid.to_index(ring)).astype(int).T
    assert (organ.distance.data[tuple(rows)] > 2.0).all()
    assert (organ.regions.data[tuple(rows)] > 0).all()


def test_without_a_ring_there_is_none():
    """The default gland has no hole and names no course."""
    assert "ring" not in shape_organ(Gland(), CHANCE).landmarks


def test_the_duodenum_passes_through_the_ring():
    """In the phantom the hole at the ring's height holds duodenum, which is one piece from above the ring to below."""
    organ = shape_organ(Gland(ring_mm=4.5), CHANCE)
    centre = organ.landmarks["ring"].mean(axis=0)
    grid = Grid.centred((70, 70, 40), (1.5, 1.5, 1.5), tuple(centre))
    labels = compose(organ, NO_DUCTS, Physique(), grid, "portal-venous", Chance(3, 0, "tissue")).labels.data
    pieces, _ = ndimage.label(labels == VALUES["duodenum"])
    own = pieces[35, 35, 20]
    assert own > 0
    reached = np.flatnonzero((pieces == own).any(axis=(0, 1)))
    assert reached[0] <= 10
    assert reached[-1] >= 30
    gland = np.isin(labels[:, :, 20], [*PARENCHYMA, *DUCTS])
    assert (ndimage.binary_fill_holes(gland) & ~gland)[35, 35]
