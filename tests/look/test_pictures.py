"""Pictures show what they should, the right way round."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pancreasgen.anatomy.structures import VALUES
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.look.ducts import draw_lines, ducts_picture, free_picture
from pancreasgen.look.paint import extent_mm, grey, new_figure, overlay, png_bytes, radiological
from pancreasgen.look.preview import best_slice, body_limits_mm, gland_through, structure_colours
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ

GRID = Grid((30, 20, 10), (2.0, 2.0, 3.0), (-29.0, -10.0, -15.0))


def _labels() -> Volume:
    data = np.zeros(GRID.shape, "u1")
    data[2:28, 2:18] = VALUES["visceral_fat"]
    data[20:26, 8:12, 3:8] = VALUES["pancreas_head"]
    data[22, 10, 6] = VALUES["main_duct"]
    return Volume(data, GRID, Quantity.LABEL)


def test_the_patients_right_is_on_the_left_and_the_front_above() -> None:
    """The voxel furthest right and in front lands in the upper left corner."""
    plane = np.zeros((4, 3))
    plane[3, 2] = 1
    assert radiological(plane)[0, 0] == 1
    left, right, bottom, top = extent_mm(GRID, 1)
    assert left < right
    assert (left, top) == (-30.0, 29.0)
    assert (right, bottom) == (30.0, -11.0)


def test_the_best_slice_shows_the_duct() -> None:
    """The axial slice with the duct is chosen, and the coronal one as well."""
    assert (best_slice(_labels(), 2), best_slice(_labels(), 1)) == (6, 10)


def test_the_body_is_framed() -> None:
    """Limits are the body's ends and a margin."""
    assert body_limits_mm(_labels())[0] == (-29 + 4 - 11, -29 + 54 + 11)


def test_labels_paint_organs_but_not_fat() -> None:
    """Background and fat stay as they are; the gland takes on its colour."""
    labels = _labels().data[:, :, 6]
    base = grey(np.full(labels.shape, 40.0))
    painted = overlay(base, labels, structure_colours(), 0.5)
    changed = (painted != base).any(axis=-1)
    assert not changed[labels == 0].any()
    assert not changed[labels == VALUES["visceral_fat"]].any()
    assert changed[labels == VALUES["pancreas_head"]].all()


def test_the_gland_shows_through_the_body() -> None:
    """A column that holds gland is brighter and browner than one that does not."""
    hu = Volume(np.full(GRID.shape, 40.0, "f4"), GRID, Quantity.HU)
    picture = gland_through(hu, _labels())
    assert picture[24, 6].sum() > picture[10, 6].sum() > 0
    assert picture[24, 6, 0] > picture[24, 6, 2]
    assert picture.shape == (30, 10, 3)


def test_lines_of_ducts_are_seen_from_the_front_at_their_width() -> None:
    """A duct from x = −20 to 20 runs from right to left at its height; 2 mm at 0.1 inch per mm are 14.4 points."""
    axes = new_figure(1, 1).add_axes((0, 0, 1, 1))
    network = DuctNetwork(
        [[-20, 5, 3], [20, 7, 4]], [1, 1], np.array([[0, 1]]), np.array([1], "u1"), np.array([0], "i2")
    )
    draw_lines(axes, network, (0, 2), 0.1)
    (lines,) = axes.collections
    assert np.array_equal(lines.get_segments()[0], [[20, 3], [-20, 4]])
    assert lines.get_linewidths()[0] == 2 * 0.1 * 72


def test_a_flat_word_has_one_view_and_a_solid_one_two() -> None:
    """A stick of 30 mm stands upright; with a branch to the front there is a second view beside the first."""
    nodes = np.array([[0, 0, 0], [0, 0, 30], [10, 0, 40], [0, 20, 40]], float)
    kind, order = np.full(3, 3, "u1"), np.array([0, 1, 1], "i2")
    solid = DuctNetwork(nodes, np.ones(4), np.array([[0, 1], [1, 2], [1, 3]]), kind, order)
    flat = DuctNetwork(nodes[:3], np.ones(3), np.array([[0, 1], [1, 2]]), kind[:2], order[:2])
    sizes = [Image.open(io.BytesIO(free_picture(network))).size for network in (flat, solid)]
    assert sizes[1][0] > 1.5 * sizes[0][0]
    picture = np.asarray(Image.open(io.BytesIO(free_picture(flat))).convert("RGB")).astype(int)
    rows = np.flatnonzero((np.abs(picture - [0xFF, 0xD1, 0x66]).sum(axis=-1) < 40).any(axis=1))
    assert rows.max() - rows.min() > 0.6 * picture.shape[0]


def test_pictures_are_the_same_for_the_same_numbers() -> None:
    """PNG bytes hold no clock and no version."""
    first, second = (png_bytes(new_figure(1, 1)) for _ in range(2))
    assert first == second
    assert b"Software" not in first


def test_the_picture_of_ducts_shows_wide_ducts_in_their_colour() -> None:
    """A duct of 4 mm covers about the pixels that its width and length promise; its colour is that of order 0."""
    x, y, z = GRID.mesh_mm()
    depth = (25.0 - np.sqrt((x / 1.2) ** 2 + y * y * 4 + z * z * 4)).astype("f4")
    organ = Organ(
        Volume(depth, GRID, Quantity.DISTANCE),
        np.array([[-25.0, 0, 0], [25.0, 0, 0]]),
        {},
        Volume((depth > 0).astype("u1"), GRID, Quantity.LABEL),
    )
    network = DuctNetwork(
        [[-20, 0, 0], [20, 0, 0]], [2, 2], np.array([[0, 1]]), np.array([1], "u1"), np.array([0], "i2")
    )
    picture = np.asarray(Image.open(io.BytesIO(ducts_picture(network, organ))).convert("RGB")).astype(int)
    yellow = (np.abs(picture - [0xFF, 0xD1, 0x66]).sum(axis=-1) < 40).sum()
    per_mm = 970 / (58.0 + 6.0)  # between the picture's edges; the gland fills the grid, and the margin is 3 mm
    assert 0.75 < yellow / (2 * 40 * 4 * per_mm**2) < 1.35
