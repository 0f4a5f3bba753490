"""A body wider than the fan: the guess beyond the detector keeps the inside."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.scan.project import BLOCK, Plane
from pancreasgen.scan.reconstruct import reconstruct
from pancreasgen.scan.scan import measure, reconstruct_sinogram
from pancreasgen.scan.truncation import cut_share, reconstruct_whole, widened
from tests.scan.bodies import ellipse, small

CHANCE = Chance(0, 0, "noise")
GRID = Grid.centred((96, 96, 1), (2.6, 2.6, 5.0), (0.0, 0.0, 0.0))


def test_a_body_that_fits_is_left_alone() -> None:
    """No view is cut, and sinogram and protocol come back as the same objects."""
    protocol = small()
    data = measure(ellipse((150, 110), (1.0, 0.0, 0.0), spacing_mm=1.6, size=224), protocol, GRID, CHANCE).data
    assert cut_share(data) == 0.0
    same, unchanged = widened(data, protocol)
    assert same is data
    assert unchanged is protocol


def test_the_guess_beyond_a_cylinder_is_the_cylinder() -> None:
    """A water cylinder that is cut goes on with its own chords, within 6 % of the diameter up to 15 mm further out."""
    wide, radius = small(), 150.0
    bin_mm = wide.bin_angle_rad * wide.source_to_isocentre_mm
    place = (np.arange(wide.num_bins) - (wide.num_bins - 1) / 2.0) * bin_mm
    chords = 2.0 * np.sqrt(np.maximum(radius**2 - place**2, 0.0))
    kept = np.abs(place) < 120.0
    num = int(kept.sum())
    fov = 2.0 * wide.source_to_isocentre_mm * np.sin(wide.bin_angle_rad * num / 2.0)
    cut = small(num_bins=num, fan_fov_mm=float(fov))
    data = np.broadcast_to(chords[kept][None, :, None], (cut.num_views, num, 2)).astype(np.float32)
    assert cut_share(data) == 1.0
    more, wider = widened(data, cut)
    assert wider.bin_angle_rad == pytest.approx(cut.bin_angle_rad)
    side = (more.shape[1] - num) // 2
    first = int(np.flatnonzero(kept)[-1]) + 1
    near = int(15.0 / bin_mm)
    guessed, true = more[0, side + num : side + num + near, 0], chords[first : first + near]
    assert np.abs(guessed - true).max() < 0.06 * 2.0 * radius
    assert np.array_equal(more[:, side : side + num], data)


def test_a_cut_body_keeps_its_hu_inside() -> None:
    """A 300 × 220 mm water ellipse in a fan of 260 mm: mean within 15 HU of water, and half the error of no guess."""
    protocol = small(fan_fov_mm=260, num_bins=133)
    sinogram = measure(ellipse((150, 110), (1.0, 0.0, 0.0), spacing_mm=1.6, size=224), protocol, GRID, CHANCE)
    assert 0.5 < cut_share(sinogram.data) < 1.0
    image = reconstruct_sinogram(sinogram, protocol, GRID).data[:, :, 0]
    x, y, _ = GRID.mesh_mm()
    far = np.hypot(x, y)[:, :, 0]
    inside = (far < 120) & (np.hypot(x / 150, y / 110)[:, :, 0] < 0.92)
    block = np.zeros((*sinogram.data.shape[:2], BLOCK), dtype=np.float32)
    block[:, :, :1] = sinogram.data
    plain = reconstruct(block, Plane.of(GRID, (0.0, 0.0)), protocol)[:, :, 0].T
    assert abs(image[inside].mean()) < 15
    assert np.sqrt(np.mean(image[inside] ** 2)) < 0.5 * np.sqrt(np.mean(plain[inside] ** 2))
    assert np.all(image[far > 131] == -1000.0)


def test_the_wider_detector_stays_within_what_a_protocol_may_be() -> None:
    """A fan that is as wide as it may be gets no more bins, and nothing fails."""
    protocol = small(fan_fov_mm=600)
    data = np.full((protocol.num_views, protocol.num_bins, 1), 300.0, dtype=np.float32)
    assert widened(data, protocol)[1].num_bins == protocol.num_bins
    whole = reconstruct_whole(
        np.repeat(data, BLOCK, axis=2), Plane((8, 8), (20.0, 20.0), (-70.0, -70.0)), protocol, reconstruct
    )
    assert np.isfinite(whole).all()
