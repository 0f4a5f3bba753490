"""Circular cone-beam scans come back as they were, exactly in the plane of the focus."""

import math

import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.fdk import fdk
from pancreasgen.scan.project import Plane
from pancreasgen.scan.protocol import load_protocol
from pancreasgen.scan.reconstruct import _reconstruct_directly, kernel_mtf, pass_band, system_mtf
from tests.scan.cones import circle, paths

BALL = [((6.0, -4.0, 0.0), (70.0, 60.0, 35.0), 0.0, 0.02)]
GRID = Grid.centred((64, 64, 9), (2.5, 2.5, 4.0), (0.0, 0.0, 0.0))


def middle_error(num_views: int, turns: float = 1.0, window: str = "hann") -> tuple[float, float]:
    """Return mean and root mean square of the middle slice's error inside the body, of its value [1/1000]."""
    beam = circle(num_views, turns)
    image = fdk(paths(BALL, beam), beam, GRID, window)[:, :, 4]
    x, y, _ = GRID.mesh_mm()
    inside = (((x - 6.0) / 62.0) ** 2 + ((y + 4.0) / 52.0) ** 2 < 1.0)[..., 0]
    error = (image[inside] / 0.02 - 1.0) * 1000.0
    return float(error.mean()), float(np.sqrt(np.mean(error**2)))


def test_a_body_keeps_its_value() -> None:
    """In the plane of the focus the mean is within 0.2 %, from a full circle and from a short scan."""
    assert abs(middle_error(240)[0]) < 2.0
    assert abs(middle_error(240, 0.62)[0]) < 2.0


def test_the_error_falls_with_the_views() -> None:
    """More views, less error: a quarter less from 30 to 60, 0.4 less to 240, where the coarse bins' ringing is left."""
    few, more, many = (middle_error(n, window="ram-lak")[1] for n in (30, 60, 240))
    assert more < 0.75 * few
    assert many < 0.6 * few


def test_off_the_plane_the_density_falls_little() -> None:
    """The cone's missing data cost under 2 % of the value at a tilt of 1.4°, and nothing is added."""
    beam = circle(160)
    image = fdk(paths(BALL, beam), beam, GRID, "hann")
    high = image[27:37, 27:37, 7].mean() / 0.02
    assert 0.98 < high < 1.003


def test_the_middle_plane_is_the_fan() -> None:
    """The middle slice is the fan beam's filtered backprojection with the same kernel, within 1 HU."""
    protocol = load_protocol("portal-venous").quick()
    distance, bin_mm = protocol.source_to_isocentre_mm, protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    beam = circle(
        protocol.num_views, num_bins=protocol.num_bins, bin_angle_rad=protocol.bin_angle_rad, num_rows=5,
        source_to_isocentre_mm=distance,
    )  # fmt: skip
    grid = Grid.centred((48, 48, 1), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))
    sinogram = paths([((6.0, -4.0, 0.0), (70.0, 60.0, 400.0), 0.0, 1.0)], beam)
    sinogram = np.repeat(sinogram[..., 2:3], 5, axis=2) / np.sqrt(1.0 + 0.0 * beam.row_offsets_mm())
    limit = min(1.0 / bin_mm, 0.8 / 4.0)

    def window(frequency: np.ndarray) -> np.ndarray:
        per_mm = frequency / bin_mm
        return kernel_mtf(protocol.kernel, per_mm, limit) / system_mtf(protocol, per_mm) * pass_band(frequency)

    image = fdk(sinogram.astype(np.float32), beam, grid, window, 0.5)[..., 0]
    block = np.repeat(sinogram[..., 2:3], 32, axis=2).astype(np.float32)
    fan = _reconstruct_directly(block, Plane.of(grid, (0.0, 0.0)), protocol)[..., 0].T
    assert np.abs(1000.0 * image - fan).max() < 1.0


def test_threads_do_not_matter() -> None:
    """One thread gives the bits of all threads."""
    beam = circle(40)
    sinogram = paths(BALL, beam)
    assert np.array_equal(fdk(sinogram, beam, GRID, threads=1), fdk(sinogram, beam, GRID))


def test_what_is_not_seen_is_nothing() -> None:
    """Voxels above the cone, and beside the fan, are 0."""
    beam, grid = circle(24), Grid.centred((33, 33, 3), (15.0, 15.0, 19.0), (0.0, 0.0, 38.0))
    image = fdk(np.ones(beam.shape, dtype=np.float32), beam, grid)
    assert not image[:, :, 2].any()
    assert not image[0].any()
    assert image[16, 16, 0] != 0.0


def test_what_is_no_circle_is_refused() -> None:
    """Too few degrees, a moving focus, uneven views and an unknown window are told in one line each."""
    arc, moving = circle(120, 0.5), circle(20, source_z_mm=np.arange(20.0))
    with pytest.raises(BadInputError, match="short scan"):
        fdk(np.zeros(arc.shape), arc, GRID)
    with pytest.raises(BadInputError, match="one plane"):
        fdk(np.zeros(moving.shape), moving, GRID)
    uneven = circle(20, angles_rad=np.sort(np.random.default_rng(1).random(20)) * 2.0 * math.pi)
    with pytest.raises(BadInputError, match="evenly"):
        fdk(np.zeros(uneven.shape), uneven, GRID)
    with pytest.raises(UsageError, match="window"):
        fdk(np.zeros(circle(20).shape), circle(20), GRID, "none")
