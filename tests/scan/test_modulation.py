import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.materials import basis_attenuation
from pancreasgen.scan.modulation import LIMITS, body_paths_mm, tube_current
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, small

CHANCE = Chance(6, 0, "noise")
Z_MM = np.zeros(1)
PER_MM = basis_attenuation()[0, 60] / 10.0  # water at 70 keV


def test_a_body_is_as_thick_as_it_is() -> None:
    """An ellipse of 300 × 200 mm has paths of 300 and 200 mm, within two pixels."""
    assert body_paths_mm(ellipse((150.0, 100.0), (1.0, 0.0, 0.0))) == pytest.approx(np.array([[300.0, 200.0]]), abs=1.6)


def test_a_round_body_and_no_strength_leave_the_current_alone() -> None:
    """A cylinder, whatever the strength, and any body without modulation get a current of 1, within 1 %."""
    cylinder, flat = ellipse((120.0, 120.0), (1.0, 0.0, 0.0)), ellipse((150.0, 90.0), (1.0, 0.0, 0.0))
    assert tube_current(cylinder, small(modulation=1.0), Z_MM) == pytest.approx(1.0, abs=0.01)
    assert (tube_current(flat, small(), Z_MM) == 1.0).all()


def test_current_follows_the_attenuation() -> None:
    """From the side over from the front the current is exp(strength · μ · (width − depth)); its mean is 1."""
    setting = small(modulation=0.5)
    current = tube_current(ellipse((140.0, 100.0), (1.0, 0.0, 0.0)), setting, Z_MM)[:, 0]
    quarter = setting.num_views // 4
    assert current[quarter] / current[0] == pytest.approx(np.exp(0.5 * PER_MM * 80.0), rel=0.03)
    assert current[0] == pytest.approx(current[2 * quarter])
    assert current.mean() == pytest.approx(1.0, abs=1e-5)


def test_current_follows_the_body_along_z() -> None:
    """Thin slices of a cone of water get less than thick ones, within the tube's limits; the mean stays 1."""
    grid = Grid.centred((100, 100, 5), (4.0, 4.0, 10.0), (0.0, 0.0, 0.0))
    x, y, z = grid.mesh_mm()
    water = (np.hypot(x, y) < 80.0 + 1.5 * z).astype(np.float32)
    body = Volume(np.stack([water, 0 * water, 0 * water]), grid, Quantity.DENSITY)
    current = tube_current(body, small(modulation=0.5), grid.axis_mm(2)).mean(axis=0)
    assert (np.diff(current) > 0.0).all()
    assert current.mean() == pytest.approx(1.0, abs=1e-5)
    assert LIMITS[0] * 0.95 < current.min() < current.max() < LIMITS[1] * 1.05


def test_modulation_does_not_move_the_image() -> None:
    """Without noise the image is that of a constant current, within 0.05 HU."""
    body = ellipse((165.0, 110.0), (1.03, 0.0, 0.0))
    images = []
    for strength in (0.0, 0.7):
        setting = small(modulation=strength)
        images.append(scan(body, setting, setting.image_grid((0.0, 0.0, 0.0), 1), CHANCE).data)
    assert np.abs(images[0] - images[1]).max() < 0.05


def test_half_strength_makes_the_least_noise_for_the_dose() -> None:
    """In an ellipse of 350 × 230 mm strength ½ is quieter than 0 and 1 by at least 4 % (Gies et al. 1999)."""
    body = ellipse((175.0, 115.0), (1.04, 0.0, 0.0), 4, slice_mm=20.0)
    spread = {}
    for strength in (0.0, 0.5, 1.0):
        setting = small(noise=True, modulation=strength)
        grid = setting.image_grid((0.0, 0.0, 0.0), 16)
        image = scan(body, setting, grid, CHANCE).data
        x, y, _ = grid.mesh_mm()
        spread[strength] = float(image[(np.hypot(x, y) < 40.0)[:, :, 0]].std())
    assert spread[0.5] < 0.96 * min(spread[0.0], spread[1.0])
