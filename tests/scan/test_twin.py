"""The fast twin: like the full scan in mean, noise and noise power; keyed by place; quick."""

from __future__ import annotations

import dataclasses
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.materials import from_hu
from pancreasgen.scan.operator import num_threads
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.scan import scan
from pancreasgen.scan.twin import Twin, twin_scan
from pancreasgen.scan.twin_kernels import add_white
from pancreasgen.scan.twin_noise import make_filters, spectra
from tests.scan.bodies import ellipse, protocol, small

CHANCE = Chance(3, 0, "noise")
SLICES = 32


def abdomen(setting: Protocol, slices: int = SLICES) -> Volume:
    """Return an ellipse of 330 × 230 mm with spine, vessel and gas, on the image's pixels and the scanner's rows."""
    grid = setting.image_grid((0.0, 0.0, 0.0), slices)
    rows = setting.rows_per_increment
    fine = Grid.centred((*grid.shape[:2], slices * rows), (*grid.spacing_mm[:2], setting.row_mm), (0.0, 0.0, 0.0))
    x, y = (axis[:, :, 0] for axis in fine.mesh_mm()[:2])

    def soft(place: tuple[float, float], half: tuple[float, float]) -> NDArray[Any]:
        level = np.hypot((x - place[0]) / half[0], (y - place[1]) / half[1])
        return np.clip((1.0 - level) * min(half) / grid.spacing_mm[0] + 0.5, 0.0, 1.0)

    data = np.zeros((3, *fine.shape), dtype=np.float32)
    data[0] = (soft((0.0, 0.0), (165.0, 115.0)) * (1.0 - soft((-60.0, 50.0), (25.0, 25.0))))[:, :, None]
    data[1] = (0.35 * soft((0.0, -65.0), (22.0, 22.0)))[:, :, None]
    data[2] = (0.006 * soft((50.0, 0.0), (25.0, 25.0)))[:, :, None]
    return Volume(data, fine, Quantity.DENSITY)


PLACES = {
    "middle": (0.0, 0.0), "iodine": (50.0, 0.0), "bone": (0.0, -65.0), "gas": (-60.0, 50.0),
    "front": (0.0, 80.0), "right": (130.0, 0.0), "left": (-130.0, 0.0),
}  # fmt: skip


def near(grid: Grid, place: tuple[float, float], radius_mm: float) -> NDArray[np.bool_]:
    """Return the pixels (x, y) about a place."""
    x, y, _ = grid.mesh_mm()
    return np.asarray(np.hypot(x - place[0], y - place[1])[:, :, 0] < radius_mm)


def power(noise: NDArray[Any], width: int) -> NDArray[Any]:
    """Return the noise power of the middle square, mean over slices."""
    middle = noise.shape[0] // 2
    square = noise[middle - width // 2 : middle + width // 2, middle - width // 2 : middle + width // 2]
    window = np.hanning(width)[:, None, None] * np.hanning(width)[:, None]
    return np.asarray((np.abs(np.fft.fft2(square * window, axes=(0, 1))) ** 2).mean(axis=2))


def test_means_and_noise_are_those_of_the_full_scan() -> None:
    """Water, iodine, bone and gas within 2 HU; SD within 5 % (and chance) in the middle and at every edge."""
    setting = small(noise=True, mas=40.0)
    body, grid = abdomen(setting), setting.image_grid((0.0, 0.0, 0.0), SLICES)
    quiet = dataclasses.replace(setting, noise=False)
    still = [make(body, quiet, grid, CHANCE).data for make in (scan, twin_scan)]
    loud = [make(body, setting, grid, CHANCE).data for make in (scan, twin_scan)]
    spread = []
    for name, place in PLACES.items():
        inside = near(grid, place, 13.0)
        full, fast = (float(image[inside].mean()) for image in still)
        assert abs(full - fast) < 2.0, name
        full, fast = (float((a - b)[near(grid, place, 20.0)].std()) for a, b in zip(loud, still, strict=True))
        assert abs(fast / full - 1.0) < 0.05 + 0.03, name
        spread.append(full)
    assert max(spread) > 1.3 * min(spread)  # the noise that is matched is not the same everywhere


def test_noise_power_is_that_of_the_full_scan() -> None:
    """In the middle of an ellipse each quarter of the band, and each of four directions, has the full scan's power."""
    setting = small(noise=True, mas=40.0)
    slices, ratio = 64, np.zeros(0)
    body, grid = ellipse((165.0, 115.0), (1.0, 0.0, 0.0), slices, spacing_mm=3.125, size=128), None
    grid = setting.image_grid((0.0, 0.0, 0.0), slices)
    quiet = dataclasses.replace(setting, noise=False)
    bands = [
        power(make(body, setting, grid, CHANCE).data - make(body, quiet, grid, CHANCE).data, 32)
        for make in (scan, twin_scan)
    ]
    frequency = np.fft.fftfreq(32)
    radius, turn = np.hypot(frequency[:, None], frequency), np.arctan2(frequency, frequency[:, None])
    rings = [(radius >= a) & (radius < a + 0.125) & (radius > 0.04) for a in (0.0, 0.125, 0.25, 0.375)]
    ratio = np.array([bands[1][ring].sum() / bands[0][ring].sum() for ring in rings])
    assert np.abs(ratio - 1.0).max() < 0.10 + 0.06, ratio
    sides = [(radius < 0.45) & (np.abs((turn - a + np.pi / 2) % np.pi - np.pi / 2) < 0.3) for a in np.arange(4) * 0.785]
    full, fast = ([float(side[part].sum()) for part in sides] for side in bands)
    assert full[2] > 2.0 * full[0]  # rays along the long axis are the noisy ones
    assert np.abs(np.array(fast) / full - 1.0).max() < 0.2


def test_a_part_is_what_the_whole_is_there() -> None:
    """A box has the whole image's numbers but for float32 rounding, also at its edges; and at the image's corner."""
    setting = small(noise=True)
    twin = Twin.of(abdomen(setting, 20), setting, setting.image_grid((0.0, 0.0, 0.0), 20))
    whole = twin.image(CHANCE)
    for box in ((slice(50, 81), slice(40, 90), slice(3, 19)), (slice(0, 20), slice(100, 128), slice(0, 5))):
        part = twin.image(CHANCE, box)
        assert np.abs(part.data - whole.data[box]).max() < 0.02
        assert part.grid.axis_mm(0)[0] == pytest.approx(whole.grid.axis_mm(0)[box[0].start])
        assert part.grid.axis_mm(2)[0] == pytest.approx(whole.grid.axis_mm(2)[box[2].start])
    with pytest.raises(UsageError, match="at least one voxel"):
        twin.image(CHANCE, (slice(5, 5), slice(0, 9), slice(0, 2)))


def test_chance_and_nothing_else_decides_the_noise() -> None:
    """The same chance gives the same bytes with 1 and all threads; another case gives other noise, without tie."""
    setting = small(noise=True)
    body, grid = abdomen(setting, 20), setting.image_grid((0.0, 0.0, 0.0), 20)
    with num_threads(1):
        one = twin_scan(body, setting, grid, CHANCE).data
    with num_threads(numba.config.NUMBA_NUM_THREADS):
        assert twin_scan(body, setting, grid, CHANCE).data.tobytes() == one.tobytes()
    other = twin_scan(body, setting, grid, Chance(3, 1, "noise")).data
    still = twin_scan(body, dataclasses.replace(setting, noise=False), grid, CHANCE).data
    inside = near(grid, (0.0, 0.0), 80.0)
    assert abs(np.corrcoef((one - still)[inside].ravel(), (other - still)[inside].ravel())[0, 1]) < 0.02


def test_white_noise_is_white() -> None:
    """Mean, variance and fourth moment are normal, before and after a filter; no tie between pixels, rows and keys."""
    planes = np.zeros((4, 256, 256), dtype=np.float32)
    for k, (key, row) in enumerate(((1, 0), (1, 1), (2, 0), (2**64 - 1, 0))):
        add_white(planes[k], np.uint64(key), row, (-7, 5), 1.0)
    assert np.abs(planes.mean(axis=(1, 2))).max() < 0.016
    assert np.abs(planes.var(axis=(1, 2)) - 1.0).max() < 0.02
    moments = [float((planes.astype(float) ** n).mean()) for n in (4, 6)]
    assert moments == pytest.approx([3.0, 14.46], rel=0.03)
    spectrum = np.abs(np.fft.fft2(planes[0])) ** 2 / planes[0].size
    parts = spectrum.reshape(8, 32, 8, 32).mean(axis=(1, 3))
    assert np.abs(parts - 1.0).max() < 5.0 / 32.0
    flat = planes.reshape(4, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(4)).max() < 0.016
    setting = protocol()
    filters = make_filters(spectra(setting, 0.78), (0.78, 0.78), (224, 224))
    noise = np.fft.irfft2(np.fft.rfft2(planes[0]) * filters.noise[0])
    assert filters.blur[0, 0] == pytest.approx(1.0, abs=1e-3)
    assert abs((noise**4).mean() / (noise**2).mean() ** 2 - 3.0) < 0.12


def test_the_protocol_alone_makes_the_noise() -> None:
    """Noise goes with dose and thickness to the power of −1/2, and a sharp kernel has more: no number is fitted."""
    base = protocol(noise=True, electronic_noise_kev=0.0)
    thick = dataclasses.replace(base, slice_thickness_mm=5.0)
    sharp = dataclasses.replace(base, kernel="sharp")
    spread = {}
    for name, setting in (("base", base), ("dose", dataclasses.replace(base, mas=480.0)), ("thick", thick),
                          ("sharp", sharp)):  # fmt: skip
        grid = setting.image_grid((0.0, 0.0, 0.0), 4)
        twin = Twin.of(abdomen(setting, 4), setting, grid)
        box = (slice(192, 320), slice(192, 320), slice(0, 4))
        still = Twin.of(abdomen(setting, 4), dataclasses.replace(setting, noise=False), grid).image(CHANCE, box).data
        spread[name] = float((twin.image(CHANCE, box).data - still).std())
    assert spread["dose"] == pytest.approx(0.5 * spread["base"], rel=0.01)
    assert spread["thick"] == pytest.approx(np.sqrt(0.5) * spread["base"], rel=0.06)
    assert spread["sharp"] > 2.0 * spread["base"]


def test_outside_of_the_fan_is_air() -> None:
    """What no view sees whole is −1000 HU, and an empty table has no noise worth the name."""
    setting = small(noise=True, fan_fov_mm=250.0)
    image = twin_scan(abdomen(setting, 2), setting, setting.image_grid((0.0, 0.0, 0.0), 2), CHANCE).data
    assert np.all(image[0] == -1000.0)
    assert abs(float(image[64, 64].mean())) < 20.0


def test_wrong_input_gets_a_letter() -> None:
    """CT numbers instead of densities, pixels beside pixels and slices between rows are refused with what to do."""
    setting = small()
    body = abdomen(setting, 2)
    hu = Volume(np.zeros((8, 8, 1), dtype=np.float32), Grid.centred((8, 8, 1), (1, 1, 5), (0, 0, 0)), Quantity.HU)
    with pytest.raises(BadInputError, match="densities of water"):
        twin_scan(hu, setting, setting.image_grid((0.0, 0.0, 0.0), 1), CHANCE)
    with pytest.raises(UsageError, match="pixels lie on those") as refused:
        twin_scan(body, setting, setting.image_grid((1.0, 0.0, 0.0), 2), CHANCE)
    assert "fidelity full" in refused.value.hint
    with pytest.raises(UsageError, match="whole number of rows"):
        twin_scan(body, setting, Grid((128, 128, 2), (3.125, 3.125, 3.0), body.grid.origin_mm), CHANCE)


def test_a_crop_of_hu_can_be_all_there_is() -> None:
    """A block of 32³ voxels of HU is scanned by itself, in its own air."""
    hu = np.full((32, 32, 32), 40.0, dtype=np.float32)
    block = Volume(hu, Grid.centred((32, 32, 32), (1.0, 1.0, 1.25), (5.0, 6.0, 7.0)), Quantity.HU)
    setting = protocol(slice_thickness_mm=1.25, slice_increment_mm=1.25)
    image = twin_scan(from_hu(block), setting, block.grid, CHANCE).data
    assert abs(float(image[8:24, 8:24].mean()) - 40.0) < 3.0
