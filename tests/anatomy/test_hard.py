"""Hard labels of ducts on fine and thick slices: no islands, nothing that the grid cannot show."""

import numpy as np
from scipy import ndimage

from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.hard import hard_ducts
from pancreasgen.anatomy.phantom import Phantom, _paint_ducts
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.slices import labels_on
from pancreasgen.anatomy.structures import DUCTS, VALUES
from pancreasgen.anatomy.tissues import palette
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.network import DuctNetwork, Kind

FINE = Grid((20, 20, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
THICK = Grid((20, 20, 4), (1.0, 1.0, 2.0), (0.0, 0.0, 0.5))


def in_parenchyma(network):
    """A phantom that is all body of the pancreas, with ducts."""
    canvas = Canvas.blank(FINE, palette(Physique(), "unenhanced"))
    canvas.labels[:] = VALUES["pancreas_body"]
    fraction, line = _paint_ducts(canvas, network)
    return Phantom(
        Volume(canvas.labels, FINE, Quantity.LABEL), Volume(canvas.materials, FINE, Quantity.DENSITY), fraction, line
    )


def duct(width, kind=Kind.SIDE, axis=2):
    """A straight duct through the middle, along an axis."""
    low, high = np.full(3, 10.0), np.full(3, 10.0)
    low[2] = high[2] = 3.2
    low[axis], high[axis] = (0.4, 6.6) if axis == 2 else (3.0, 15.0)
    return DuctNetwork([low, high], [width / 2] * 2, [[0, 1]], [kind], [1])


def test_each_grid_has_its_own_ducts():
    """A side branch of 0.9 mm has a label in voxels of 1 mm; in slices of 2 mm only if it runs through them.

    Where it has none its surroundings fill the gap.
    """
    for axis, seen in ((2, True), (0, False)):
        phantom = in_parenchyma(duct(0.9, axis=axis))
        assert np.count_nonzero(phantom.labels.data == VALUES["side_branches"]) in (8, 13)
        thick = labels_on(phantom, duct(0.9, axis=axis), THICK).data
        assert (VALUES["side_branches"] in thick) == seen
        assert set(np.unique(thick)) <= {VALUES["side_branches"], VALUES["pancreas_body"]}


def test_main_duct_always_has_a_label():
    """A main duct of a tenth of a voxel is labelled in every slice that it runs through, on both grids."""
    thin = duct(0.1, Kind.MAIN)
    phantom = in_parenchyma(thin)
    assert np.count_nonzero(phantom.labels.data == VALUES["main_duct"]) == 8
    assert np.count_nonzero(labels_on(phantom, thin, THICK).data == VALUES["main_duct"]) == 4


def test_islands_are_left_out():
    """A crowd of ducts that are not resolvable fills voxels to more than half, but is no labelled duct."""
    draw = np.random.default_rng(0)
    start = np.array([4.0, 4, 4]) + draw.uniform(-0.4, 0.4, (60, 3))
    nodes = np.vstack([start, start + draw.normal(0, 0.4, (60, 3)), [[2, 15, 4], [17, 15, 4]]])
    radii = np.array([0.2] * 120 + [1.0] * 2)
    segments = [[n, n + 60] for n in range(60)] + [[120, 121]]
    crowd = DuctNetwork(nodes, radii, segments, [Kind.LOBULAR] * 60 + [Kind.MAIN], [3] * 60 + [0])
    phantom = in_parenchyma(crowd)
    assert (phantom.duct_fraction.data[2:7, 2:7, 2:7] > 128).any()
    labelled = np.isin(phantom.labels.data, DUCTS)
    assert not labelled[:8, :8].any()
    assert ndimage.label(labelled)[1] == 1


def test_nothing_to_label():
    """Without a centreline no voxel is duct, however full."""
    assert not hard_ducts(np.full((3, 3, 3), 255, np.uint8), np.zeros((3, 3, 3), np.uint8)).any()
