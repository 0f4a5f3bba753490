"""CT numbers of iodine, against published and computed slopes."""

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, small

DOSES_MG_ML = (0.0, 2.0, 5.0, 10.0)
SPOTS = ((0.0, 50.0), (50.0, 0.0), (0.0, -50.0), (-50.0, 0.0))


def slope(kvp: int, radius_mm: float) -> tuple[float, float]:
    """Return HU per mg/mL in a water cylinder, and the largest deviation from the straight line [HU]."""
    body = ellipse((radius_mm, radius_mm), (1.0, 0.0, 0.0))
    data = body.data.copy()
    for place, dose in zip(SPOTS, DOSES_MG_ML, strict=True):
        data += ellipse((14.0, 14.0), (0.0, 0.0, dose / 1000.0), centre_mm=place).data
    setting = small(kvp=kvp)
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    image = scan(Volume(data, body.grid, Quantity.DENSITY), setting, grid, Chance(1, 0, "noise")).data[:, :, 0]
    x, y, _ = grid.mesh_mm()
    hu = [image[(np.hypot(x - a, y - b) < 8.0)[:, :, 0]].mean() for a, b in SPOTS]
    line = np.polyfit(DOSES_MG_ML, hu, 1)
    return float(line[0]), float(np.abs(np.polyval(line, DOSES_MG_ML) - hu).max())


@pytest.mark.parametrize("radius_mm", [100.0, 160.0])
def test_iodine_at_120_kv_is_as_published(radius_mm: float) -> None:
    """22.0 to 30.6 HU per mg/mL (reference.csv hu_iodine), on a straight line within 3 HU up to 10 mg/mL."""
    found, away = slope(120, radius_mm)
    assert 22.0 < found < 30.6
    assert away < 3.0


def test_iodine_falls_with_the_voltage_and_with_the_body() -> None:
    """Each step from 80 to 140 kV lowers the slope; so does a body of 320 mm against one of 200, at every voltage."""
    thin, thick = ([slope(kvp, radius)[0] for kvp in (80, 100, 120, 140)] for radius in (100.0, 160.0))
    assert (np.diff(thin) < -2.0).all()
    assert (np.diff(thick) < -2.0).all()
    assert (np.array(thick) < np.array(thin)).all()
