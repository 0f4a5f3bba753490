import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.motion import slab_shifts_mm
from pancreasgen.scan.scan import scan
from tests.scan.bodies import small

CHANCE = Chance(8, 0, "noise")


def test_a_held_breath_moves_nothing() -> None:
    """Without breathing no row is shifted."""
    assert (slab_shifts_mm(small(), 20, CHANCE) == 0.0).all()


def test_a_slab_stands_still_and_slabs_differ() -> None:
    """Eight rows of 5 mm make a slab of 40 mm; shifts have the stated spread, within 10 %, and mean 0."""
    setting = small(breathing_mm=4.0)
    shifts = slab_shifts_mm(setting, 8 * 1000, CHANCE).reshape(1000, 8)
    assert (shifts == shifts[:, :1]).all()
    assert shifts[:, 0].std() == pytest.approx(4.0, rel=0.1)
    assert abs(shifts.mean()) < 0.4
    assert np.array_equal(slab_shifts_mm(setting, 16, CHANCE), shifts[:2].ravel())


def test_each_slab_sees_the_body_where_it_is() -> None:
    """A level of water that rises with z is read lower by slope × shift in every slab, within 1 HU."""
    grid = Grid.centred((96, 96, 50), (2.5, 2.5, 4.0), (0.0, 0.0, 0.0))
    x, y, z = grid.mesh_mm()
    water = np.where(np.hypot(x, y) < 90.0, 1.0 + 0.005 * z, 0.0).astype(np.float32)
    body = Volume(np.stack([water, 0 * water, 0 * water]), grid, Quantity.DENSITY)
    setting = small(breathing_mm=5.0)
    image_grid = setting.image_grid((0.0, 0.0, 0.0), 24)
    image = scan(body, setting, image_grid, CHANCE).data
    ix, iy, _ = image_grid.mesh_mm()
    disc = (np.hypot(ix, iy) < 60.0)[:, :, 0]
    wanted = 5.0 * (image_grid.axis_mm(2) - slab_shifts_mm(setting, 24, CHANCE))
    assert image[disc].mean(axis=0) == pytest.approx(wanted, abs=1.0)
