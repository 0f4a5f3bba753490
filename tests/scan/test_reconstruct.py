import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.scan.project import BLOCK, Plane
from pancreasgen.scan.protocol import KERNELS
from pancreasgen.scan.reconstruct import fan_filter, pass_band, reconstruct
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, protocol, small

CHANCE = Chance(1, 0, "noise")


def test_a_disc_made_of_chords_returns_its_hu() -> None:
    """The FBP of the exact chords of a disc of 1.05 (+50 HU) is 50 ± 0.5 inside and −1000 ± 0.5 outside, on average."""
    setting = protocol(num_views=360, matrix=128)
    beta, gamma = setting.view_angles_rad()[:, None], setting.bin_angles_rad()[None]
    run_x, run_y = np.sin(beta + gamma), -np.cos(beta + gamma)
    distance = (40.0 + 570.0 * np.sin(beta)) * run_y - (10.0 - 570.0 * np.cos(beta)) * run_x
    chord = 2.1 * np.sqrt(np.clip(90.0**2 - distance**2, 0.0, None))
    sinogram = np.zeros((*chord.shape, BLOCK), dtype=np.float32)
    sinogram[..., 0] = chord
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    image = reconstruct(sinogram, Plane.of(grid, (0.0, 0.0)), setting)[:, :, 0].T
    x, y, _ = grid.mesh_mm()
    radius = np.hypot(x - 40.0, y - 10.0)[:, :, 0]
    assert image[radius < 80.0].mean() == pytest.approx(50.0, abs=0.5)
    assert image[radius < 80.0].std() < 1.5
    assert image[(radius > 100.0) & (radius < 150.0)].mean() == pytest.approx(-1000.0, abs=0.5)


def test_the_filter_takes_away_the_mean() -> None:
    """A ramp passes nothing at frequency 0: the filter's sum over its finite reach is under 1 % of its middle."""
    taps = fan_filter(protocol(), 0.78)
    assert abs(taps.sum()) < 0.01 * taps.max()


def test_nothing_passes_where_the_bins_repeat_the_mean() -> None:
    """Within 2 % of 1/bin the sharp kernel's filter is under 1e-4 of its peak: the mean's replica is lost."""
    setting = protocol(kernel="sharp")
    taps = fan_filter(setting, 0.1)
    index = np.arange(taps.size) - taps.size // 2
    # The reach cuts the filter off, so a Hann window keeps that cut from ringing into the stop band.
    frequency = np.linspace(0.0, 1.0, 401)  # of 1/bin
    wave = np.cos(np.pi * frequency[:, None] * index) * (0.5 + 0.5 * np.cos(np.pi * index / index.max()))
    spectrum = np.abs(wave @ (taps * np.sinc(index * setting.bin_angle_rad / 2.0 / np.pi) ** 2))
    assert spectrum[frequency > 0.982].max() < 1e-4 * spectrum.max()
    assert (pass_band(frequency[frequency < 0.85]) == 1.0).all()


@pytest.mark.parametrize("pixel_mm", [2.0, 1.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_coarse_scanner_makes_no_rings_on_a_fine_image(kernel: str, pixel_mm: float) -> None:
    """Quick protocol, water cylinder of 160 mm made of voxels of 2 and 1 mm: inside 70 mm SD < 10 HU, all within 60."""
    size = round(256 / pixel_mm)
    body = ellipse((80.0, 80.0), (1.0, 0.0, 0.0), spacing_mm=pixel_mm, size=size)
    image = scan(body, small(kernel=kernel), body.grid, CHANCE).data[:, :, 0]
    x, y, _ = body.grid.mesh_mm()
    inside = image[np.hypot(x, y)[:, :, 0] < 70.0]
    assert inside.std() < 10.0
    assert np.abs(inside).max() < 60.0


def test_outside_the_circle_is_air() -> None:
    """Pixels outside the circle that every view sees are −1000 HU to the bit."""
    setting = small(fov_mm=500.0, fan_fov_mm=300.0)
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    image = scan(ellipse((100.0, 80.0), (1.0, 0.0, 0.0)), setting, grid, CHANCE).data[:, :, 0]
    x, y, _ = grid.mesh_mm()
    assert (image[np.hypot(x, y)[:, :, 0] > 150.5] == -1000.0).all()
    assert abs(image[64, 64]) < 5.0
