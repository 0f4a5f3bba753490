"""Kernels are what they state, measured through the whole chain."""

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.scan.kernels import KERNEL_SOURCES, KERNELS, carried_mtf, finest_mtf10, kernel_mtf
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, protocol

STEP_MM = 0.05


def measured_mtf(setting: Protocol) -> tuple[float, float]:
    """Return MTF50 and MTF10 from the edge of a scanned disc of 50 mm near the isocentre [1/mm]."""
    body = ellipse((25.0, 25.0), (1.0, 0.0, 0.0), spacing_mm=0.1, size=580, centre_mm=(3.0, 2.0))
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    image = scan(body, setting, grid, Chance(1, 0, "noise")).data[:, :, 0]
    x, y, _ = grid.mesh_mm()
    edges = np.arange(17.0, 33.0, STEP_MM)
    radius = np.hypot(x - 3.0, y - 2.0)[:, :, 0]
    edge = np.histogram(radius, edges, weights=image)[0] / np.histogram(radius, edges)[0]
    spread = -np.diff(edge) / -np.diff(edge).sum()
    frequency = np.arange(0.0, 2.0, 0.005)
    wave = np.exp(-2j * np.pi * frequency[:, None] * np.arange(spread.size) * STEP_MM)
    mtf = np.abs(wave @ spread) / np.sinc(frequency * STEP_MM) ** 2  # rings average the edge, differences the slope
    return float(frequency[np.argmax(mtf < 0.5)]), float(frequency[np.argmax(mtf < 0.1)])


def narrow(**changes: object) -> Protocol:
    """Return a setting whose pixels, 0.2 mm, limit no kernel."""
    return protocol(fov_mm=100.0, matrix=512, row_mm=2.5, **changes)


@pytest.mark.parametrize(("kernel", "bins"), [("soft", 736), ("standard", 736), ("sharp", 888)])
def test_a_kernel_has_the_mtf_that_it_states(kernel: str, bins: int) -> None:
    """MTF50 and MTF10 of the whole chain are those of the kernel within 5 %, `sharp` with 888 bins of 0.58 mm."""
    assert measured_mtf(narrow(kernel=kernel, num_bins=bins)) == pytest.approx(KERNELS[kernel], rel=0.05)


@pytest.mark.parametrize("bins", [736, 512])
def test_coarse_bins_take_from_a_kernel_what_is_stated(bins: int) -> None:
    """With 736 and 512 bins `sharp` measures within 5 % of what `carried_mtf` says that they carry."""
    setting = narrow(kernel="sharp", num_bins=bins)
    stated = carried_mtf("sharp", finest_mtf10(setting.bin_angle_rad * setting.source_to_isocentre_mm, 100.0 / 512.0))
    assert stated[1] < 1.3
    assert measured_mtf(setting) == pytest.approx(stated, rel=0.05)


def test_kernels_pass_through_their_two_points() -> None:
    """A kernel's MTF is 1 at 0, one half at MTF50, a tenth at MTF10; under a limit through those that it carries."""
    for name, (half, tenth) in KERNELS.items():
        assert kernel_mtf(name, np.array([0.0, half, tenth])) == pytest.approx([1.0, 0.5, 0.1])
        low_half, low_tenth = carried_mtf(name, tenth / 2.0)
        assert low_tenth == tenth / 2.0
        assert low_half <= 0.65 * low_tenth
        assert kernel_mtf(name, np.array([low_half, low_tenth]), tenth / 2.0) == pytest.approx([0.5, 0.1])


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_edge_leaves_no_halo(kernel: str) -> None:
    """An air hole of 16 mm in water is −1000 ± 1.5 HU up to 4 mm from its edge: no kernel has a cusp at frequency 0."""
    solid = ellipse((60.0, 60.0), (1.0, 0.0, 0.0), spacing_mm=0.2, size=640)
    hole = ellipse((8.0, 8.0), (1.0, 0.0, 0.0), spacing_mm=0.2, size=640)
    setting = protocol(kernel=kernel, num_bins=888, fov_mm=100.0, matrix=256, row_mm=2.5)
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    body = Volume(solid.data - hole.data, solid.grid, Quantity.DENSITY)
    image = scan(body, setting, grid, Chance(1, 0, "noise")).data[:, :, 0]
    x, y, _ = grid.mesh_mm()
    assert image[np.hypot(x, y)[:, :, 0] < 4.0].mean() == pytest.approx(-1000.0, abs=1.5)


def test_every_kernel_has_a_source() -> None:
    """Each kernel says where its figures come from."""
    assert set(KERNEL_SOURCES) == set(KERNELS)
