import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.scan.detect import detect, prepare_detector
from pancreasgen.scan.project import BLOCK
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, small

CHANCE = Chance(4, 0, "noise")
MIDDLE = 128


def cylinder_lines(protocol: Protocol, diameter_mm: float) -> np.ndarray:
    """Line integrals of a centred water cylinder, every view and row the same."""
    offset = protocol.source_to_isocentre_mm * np.sin(protocol.bin_angles_rad())
    path = 2.0 * np.sqrt(np.clip((diameter_mm / 2.0) ** 2 - offset**2, 0.0, None))
    lines = np.zeros((3, protocol.num_views, protocol.num_bins, BLOCK), dtype=np.float32)
    lines[0] = path[None, :, None]
    return lines


def paths(protocol: Protocol, lines: np.ndarray, rows: int = BLOCK) -> np.ndarray:
    return detect(lines, protocol, prepare_detector(protocol), CHANCE, range(rows))[:, :, :rows].astype(np.float64)


def minus_log_of(path_mm: np.ndarray, protocol: Protocol, k: int) -> np.ndarray:
    detector = prepare_detector(protocol)
    table = detector.water_mm[k].astype(np.float64)
    return np.interp(path_mm, table, detector.step * np.arange(table.size))


@pytest.mark.parametrize("ratio", [0.02, 0.1])
def test_scatter_is_what_the_protocol_states(ratio: float) -> None:
    """Behind 300 mm of water the middle sees (1 + scatter) times the primary, within 1 % of the scatter."""
    plain, scattering = small(), small(scatter=ratio, scatter_correction=False)
    lines = cylinder_lines(plain, 300.0)
    logs = [minus_log_of(paths(p, lines)[0, MIDDLE, 0], p, MIDDLE) for p in (plain, scattering)]
    assert np.exp(logs[0] - logs[1]) - 1.0 == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize("diameter_mm", [150.0, 300.0, 400.0])
def test_the_correction_takes_scatter_away(diameter_mm: float) -> None:
    """With the correction every reading is that of a scan without scatter, within 0.2 mm of water."""
    plain, corrected = small(), small(scatter=0.08)
    lines = cylinder_lines(plain, diameter_mm)
    assert np.abs(paths(corrected, lines) - paths(plain, lines)).max() < 0.2


def test_air_scatters_nothing() -> None:
    """Without a body the air calibration holds, scatter or not, to a hundredth of a millimetre."""
    setting = small(scatter=0.1, scatter_correction=False)
    assert np.abs(paths(setting, cylinder_lines(setting, 0.0))).max() < 0.01


def test_scatter_makes_noise_that_no_correction_removes() -> None:
    """After the correction the variance of −log is (1 + s) times that of the primary alone, within 4 %."""
    ratio, spread = 0.3, []
    for scatter in (0.0, ratio):
        setting = small(noise=True, aperture=0.0, crosstalk=0.0, electronic_noise_kev=0.0, scatter=scatter)
        got = paths(setting, cylinder_lines(setting, 300.0), 16)[:, MIDDLE - 4 : MIDDLE + 5]
        spread.append(float(np.mean(got.var(axis=(0, 2)))))
    assert spread[1] / spread[0] == pytest.approx(1.0 + ratio, rel=0.04)


def test_scatter_cups_a_water_cylinder_until_it_is_corrected() -> None:
    """320 mm of water, 5 % scatter: the middle falls by 5 to 20 HU and more than the rim; corrected, both are 0 ± 1."""
    middle, rim = {}, {}
    for corrected in (False, True):
        setting = small(scatter=0.05, scatter_correction=corrected)
        grid = setting.image_grid((0.0, 0.0, 0.0), 1)
        image = scan(ellipse((160.0, 160.0), (1.0, 0.0, 0.0)), setting, grid, CHANCE).data[:, :, 0]
        x, y, _ = grid.mesh_mm()
        radius = np.hypot(x, y)[:, :, 0]
        middle[corrected] = image[radius < 30.0].mean()
        rim[corrected] = image[(radius > 120.0) & (radius < 145.0)].mean()
    assert -20.0 < middle[False] < -5.0
    assert rim[False] > middle[False] + 3.0
    assert abs(middle[True]) < 1.0
    assert abs(rim[True]) < 1.0
