import dataclasses

import numba
import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.materials import from_hu
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.scan import measure, reconstruct_sinogram, scan
from tests.scan.bodies import ellipse, protocol, small

CHANCE = Chance(3, 1, "noise")
CENTRE = (0.0, 0.0, 0.0)


def radius_of(grid: Grid) -> np.ndarray:
    x, y, _ = grid.mesh_mm()
    return np.hypot(x, y)[:, :, 0]


@pytest.mark.parametrize("kvp", [80, 120])
def test_a_water_cylinder_is_flat(kvp: int) -> None:
    """320 mm of water, polychromatic, noise-free: every ring is 0 ± 1 HU, air is −1000 ± 2."""
    setting = protocol(kvp=kvp, matrix=256, num_views=360, row_mm=2.5)
    grid = setting.image_grid(CENTRE, 1)
    image, radius = scan(ellipse((160.0, 160.0), (1.0, 0.0, 0.0)), setting, grid, CHANCE).data[:, :, 0], radius_of(grid)
    for low in range(0, 150, 10):
        assert abs(image[(radius >= low) & (radius < low + 10)].mean()) < 1.0
    assert image[(radius > 168.0) & (radius < 195.0)].mean() == pytest.approx(-1000.0, abs=2.0)


def noise_hu(setting: Protocol) -> float:
    """SD in the middle of an adult abdomen, 330 × 220 mm of soft tissue."""
    grid = setting.image_grid(CENTRE, 2)
    body = ellipse((165.0, 110.0), (1.03, 0.0, 0.0), 16, slice_mm=1.25)
    image, radius = scan(body, setting, grid, CHANCE).data, radius_of(grid)
    return float(np.mean([image[radius < 40.0, k].std() for k in range(2)]))


def test_an_adult_abdomen_is_as_noisy_as_in_a_hospital() -> None:
    """From the fluence alone: 7–14 HU at 5 mm and 16–35 HU at 1.25 mm, soft kernel; ratio √4 within 10 %."""
    thick = noise_hu(protocol(noise=True, slice_thickness_mm=5.0, slice_increment_mm=5.0))
    thin = noise_hu(protocol(noise=True, slice_thickness_mm=1.25, slice_increment_mm=1.25))
    assert 7.0 < thick < 14.0
    assert 16.0 < thin < 35.0
    assert thin / thick == pytest.approx(2.0, rel=0.1)


def test_noise_falls_with_the_root_of_the_dose() -> None:
    """A quarter of the dose doubles the noise within 10 % (electronic noise is small at routine dose)."""
    full, quarter = (noise_hu(small(noise=True, mas=mas)) for mas in (200.0, 50.0))
    assert quarter / full == pytest.approx(2.0, rel=0.1)


def noisy_body(num_slices: int) -> Volume:
    body = ellipse((120.0, 90.0), (1.0, 0.02, 0.001), num_slices, size=128, spacing_mm=2.5)
    ripple = 1.0 + 0.01 * np.arange(num_slices, dtype=np.float32)
    return Volume(body.data * ripple, body.grid, Quantity.DENSITY)


def test_blocks_do_not_matter() -> None:
    """Slices of a scan of 40 are, to the bit, those reconstructed in another block position, noise included."""
    setting = small(noise=True, slice_thickness_mm=10.0)
    body = noisy_body(42)
    long = setting.image_grid(CENTRE, 40)
    image = scan(body, setting, long, CHANCE).data
    sinogram = measure(body, setting, long, CHANCE)
    for first in (0, 7, 30):
        origin = (*long.origin_mm[:2], long.origin_mm[2] + first * 5.0)
        part = Grid((*long.shape[:2], 5), long.spacing_mm, origin)
        assert np.array_equal(reconstruct_sinogram(sinogram, setting, part).data, image[:, :, first : first + 5])


def test_threads_do_not_matter() -> None:
    """One thread and all threads give the same image to the bit."""
    setting, body = small(noise=True), noisy_body(4)
    grid = setting.image_grid(CENTRE, 3)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        single = scan(body, setting, grid, CHANCE).data
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(single, scan(body, setting, grid, CHANCE).data)


def test_chance_alone_decides_the_noise() -> None:
    """The same chance gives the same bits, another case another noise."""
    setting, body = small(noise=True), noisy_body(2)
    grid = setting.image_grid(CENTRE, 2)
    first = scan(body, setting, grid, CHANCE).data
    assert np.array_equal(first, scan(body, setting, grid, CHANCE).data)
    assert not np.array_equal(first, scan(body, setting, grid, Chance(3, 2, "noise")).data)


def test_a_foreign_hu_volume_comes_back() -> None:
    """from_hu then scan: liver 60, spleen 110, fat −100, a vessel of 200 and bone: means within 5 HU (bone 4 %)."""
    grid = Grid.centred((400, 400, 2), (0.9, 0.9, 5.0), CENTRE)
    x, y, z = grid.mesh_mm()
    hu = np.where(np.hypot(x / 165, y / 110) < 1.0, -100.0, -1000.0) + 0.0 * z
    hu[np.broadcast_to(np.hypot(x / 145, y / 92) < 1.0, hu.shape)] = 40.0
    inserts = {(80, 20): (60.0, 40.0), (-90, 10): (110.0, 25.0), (0, 30): (200.0, 15.0), (0, -55): (500.0, 18.0)}
    for (cx, cy), (value, size) in inserts.items():
        hu[np.broadcast_to(np.hypot(x - cx, y - cy) < size, hu.shape)] = value
    setting = protocol(matrix=256, num_views=360, row_mm=2.5)
    image_grid = setting.image_grid(CENTRE, 1)
    image = scan(from_hu(Volume(hu, grid, Quantity.HU)), setting, image_grid, CHANCE).data[:, :, 0]
    ix, iy, _ = image_grid.mesh_mm()
    for (cx, cy), (value, size) in inserts.items():
        found = image[(np.hypot(ix - cx, iy - cy) < size - 5.0)[:, :, 0]].mean()
        assert found == pytest.approx(value, abs=5.0 if value < 300.0 else 0.04 * value)
    level = np.hypot(ix / 165, iy / 110)[:, :, 0]
    fat = (level < 0.97) & (np.hypot(ix / 145, iy / 92)[:, :, 0] > 1.05)
    assert image[fat].mean() == pytest.approx(-100.0, abs=5.0)


def test_iodine_gains_at_low_voltage() -> None:
    """5 mg/mL in a 200 mm cylinder add 110–160 HU at 120 kVp, and 1.4 to 1.9 times that at 80 kVp."""
    gain = []
    for kvp in (120, 80):
        setting = small(kvp=kvp)
        grid = setting.image_grid(CENTRE, 1)
        body = ellipse((100.0, 100.0), (1.0, 0.0, 0.0))
        vessel = ellipse((20.0, 20.0), (0.0, 0.0, 0.005))
        both = Volume(body.data + vessel.data, body.grid, Quantity.DENSITY)
        gain.append(scan(both, setting, grid, CHANCE).data[:, :, 0][radius_of(grid) < 12.0].mean())
    assert 110.0 < gain[0] < 160.0
    assert 1.4 < gain[1] / gain[0] < 1.9


def test_rows_read_the_phantom_where_they_are() -> None:
    """A water level that rises with z is returned at each slice's height, between the phantom's slices too."""
    grid = Grid.centred((96, 96, 10), (2.5, 2.5, 4.0), CENTRE)
    x, y, z = grid.mesh_mm()
    water = np.where(np.hypot(x, y) < 90.0, 1.0 + 0.005 * z, 0.0).astype(np.float32)
    body = Volume(np.stack([water, 0 * water, 0 * water]), grid, Quantity.DENSITY)
    setting = small()
    image_grid = setting.image_grid((0.0, 0.0, 1.0), 5)
    image, radius = scan(body, setting, image_grid, CHANCE).data, radius_of(image_grid)
    for k, height in enumerate(image_grid.axis_mm(2)):
        assert image[radius < 60.0, k].mean() == pytest.approx(5.0 * height, abs=1.0)


def test_a_sinogram_can_be_reconstructed_again() -> None:
    """The kept sinogram gives the scan's image to the bit, and other slices or kernels without another scan."""
    setting, body = small(noise=True, slice_thickness_mm=10.0), noisy_body(6)
    grid = setting.image_grid(CENTRE, 4)
    sinogram = measure(body, setting, grid, CHANCE)
    assert np.array_equal(reconstruct_sinogram(sinogram, setting, grid).data, scan(body, setting, grid, CHANCE).data)
    middle = Grid((*grid.shape[:2], 2), grid.spacing_mm, (*grid.origin_mm[:2], grid.origin_mm[2] + 2.5))
    thin = reconstruct_sinogram(sinogram, dataclasses.replace(setting, slice_thickness_mm=5.0), middle)
    thick = reconstruct_sinogram(sinogram, setting, Grid((*grid.shape[:2], 1), grid.spacing_mm, grid.origin_mm))
    assert thin.data[64, 64, 0] != thick.data[64, 64, 0]
    with pytest.raises(UsageError, match="the sinogram has 0 to 4"):
        reconstruct_sinogram(sinogram, setting, setting.image_grid(CENTRE, 6))
    with pytest.raises(BadInputError, match="num_views"):
        reconstruct_sinogram(sinogram, dataclasses.replace(setting, num_views=360), grid)


def test_wrong_input_gets_a_letter() -> None:
    """CT numbers instead of densities, and slices that are no whole number of rows, are refused with what to do."""
    setting = small()
    hu = Volume(np.zeros((8, 8, 1), dtype=np.float32), Grid.centred((8, 8, 1), (1, 1, 5), CENTRE), Quantity.HU)
    with pytest.raises(BadInputError, match="densities of water") as refused:
        scan(hu, setting, setting.image_grid(CENTRE, 1), CHANCE)
    assert "from_hu" in refused.value.hint
    with pytest.raises(UsageError, match="whole number of rows"):
        scan(noisy_body(1), setting, Grid.centred((32, 32, 2), (5, 5, 3.0), CENTRE), CHANCE)


def test_progress_rises_to_one() -> None:
    """Progress never falls and ends at 1; an empty table is scanned as air."""
    seen: list[float] = []
    setting = small()
    empty = Volume(np.zeros((3, 8, 8, 40), np.float32), Grid.centred((8, 8, 40), (5, 5, 5), CENTRE), Quantity.DENSITY)
    image = scan(empty, setting, setting.image_grid(CENTRE, 40), CHANCE, seen.append).data
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert np.abs(image + 1000.0).max() < 0.01
