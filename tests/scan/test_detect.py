import numpy as np
import pytest
from scipy import stats

from pancreasgen.base.chance import Chance
from pancreasgen.scan.detect import air_quanta, detect, prepare_detector
from pancreasgen.scan.materials import basis_attenuation, energies_kev
from pancreasgen.scan.project import BLOCK
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.quanta import poisson_of_normal
from tests.scan.bodies import small

CHANCE = Chance(5, 0, "noise")
MIDDLE = 128


def lines_of(protocol: Protocol, water_mm: float, iodine: float = 0.0, mineral: float = 0.0) -> np.ndarray:
    lines = np.zeros((3, protocol.num_views, protocol.num_bins, BLOCK), dtype=np.float32)
    lines[:] = np.array([water_mm, mineral, iodine], dtype=np.float32)[:, None, None, None]
    return lines


def plain(**changes: float) -> Protocol:
    """A detector without blur and electronics, whose noise is quanta alone."""
    return small(noise=True, aperture=0.0, crosstalk=0.0, electronic_noise_kev=0.0, **changes)


def predicted_variance(protocol: Protocol, water_mm: float) -> float:
    """Variance of −log of the middle bin: Σ E² N / (Σ E N)², from 1 keV bins."""
    quanta = air_quanta(protocol)[MIDDLE] * np.exp(-basis_attenuation()[0] * water_mm / 10.0)
    energy = energies_kev()
    return float((quanta * energy**2).sum() / (quanta * energy).sum() ** 2)


@pytest.mark.parametrize("water_mm", [0.0, 50.0, 300.0, 500.0])
def test_water_is_measured_exactly(water_mm: float) -> None:
    """Without noise the correction returns any path of water, in every bin within 0.3 mm, in the middle within 0.02."""
    protocol = small()
    got = detect(lines_of(protocol, water_mm), protocol, prepare_detector(protocol), CHANCE, range(BLOCK))
    assert np.abs(got - water_mm).max() < 0.3
    assert np.abs(got[:, MIDDLE] - water_mm).max() < 0.02


@pytest.mark.parametrize("kvp", [70, 80, 120, 140])
def test_energy_groups_stand_for_the_whole_spectrum(kvp: int) -> None:
    """Bone and iodine behind 250 mm of water are measured as with 1 keV bins, within 0.5 % of what they add."""
    protocol = small(kvp=kvp)
    quanta, energy = air_quanta(protocol)[MIDDLE] * energies_kev(), np.arange(0.0, 1500.0, 0.5)
    curve = np.log(quanta.sum() / (quanta @ np.exp(-basis_attenuation()[0][:, None] * energy / 10.0)))
    for mineral, iodine in ((20.0, 0.0), (0.0, 0.5), (-5.0, 0.0)):
        through = np.exp(-np.array([25.0, mineral / 10.0, iodine / 10.0]) @ basis_attenuation())
        truth = np.interp(np.log(quanta.sum() / (quanta @ through)), curve, energy)
        lines = lines_of(protocol, 250.0, iodine, mineral)
        got = detect(lines, protocol, prepare_detector(protocol), CHANCE, range(BLOCK))[0, MIDDLE, 0]
        assert got == pytest.approx(truth, abs=0.005 * abs(truth - 250.0) + 0.02)


def minus_log_of(path_mm: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Undo the water correction with the detector's own table."""
    detector = prepare_detector(protocol)
    table = detector.water_mm[MIDDLE].astype(np.float64)
    return np.interp(path_mm, table, detector.step * np.arange(table.size))


@pytest.mark.parametrize("water_mm", [100.0, 300.0])
def test_variance_of_log_counts_is_that_of_compound_poisson(water_mm: float) -> None:
    """Var(−log) = Σ E² N / (Σ E N)² within 10 %, and the normalised readings pass a KS test against the normal law."""
    protocol = plain()
    got = detect(lines_of(protocol, water_mm), protocol, prepare_detector(protocol), CHANCE, range(8))
    readings = minus_log_of(got[:, MIDDLE, :8].astype(np.float64).ravel(), protocol)
    variance = predicted_variance(protocol, water_mm)
    assert readings.var() == pytest.approx(variance, rel=0.1)
    normalised = (readings - readings.mean()) / np.sqrt(variance)
    assert stats.kstest(normalised, "norm").pvalue > 0.001


def test_quantum_noise_falls_with_the_root_of_the_dose() -> None:
    """Four times the mAs halves the standard deviation, within 5 %."""
    spread = []
    for mas in (50.0, 200.0):
        protocol = plain(mas=mas)
        got = detect(lines_of(protocol, 200.0), protocol, prepare_detector(protocol), CHANCE, range(8))
        spread.append(got[:, MIDDLE - 8 : MIDDLE + 8, :8].std())
    assert spread[0] / spread[1] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("mean", [0.3, 4.0, 35.0])
def test_poisson_by_quantile_has_poissons_law(mean: float) -> None:
    """Numbers drawn through the normal quantile have the probabilities of Poisson (χ², p > 0.001)."""
    normals = np.random.default_rng(7).standard_normal(20_000)
    counts = np.array([poisson_of_normal(mean, n) for n in normals]).astype(int)
    edges = np.unique(stats.poisson.ppf(np.linspace(0.02, 0.98, 12), mean)).astype(int)
    observed = np.histogram(counts, [-1, *(edges + 0.5), 10_000])[0]
    wanted = np.diff(np.concatenate([[0.0], stats.poisson.cdf(edges, mean), [1.0]])) * counts.size
    assert stats.chisquare(observed, wanted).pvalue > 0.001


def test_the_focal_spot_blurs_by_the_geometry() -> None:
    """A sliver of water spreads with variance (aperture² + focus²)/12 in bins, focus = f (1 − SID/SDD)."""
    protocol = small(crosstalk=0.0, focal_spot_mm=1.2, num_bins=736)
    lines = lines_of(protocol, 0.0)
    lines[0, :, 368] = 1.0
    got = detect(lines, protocol, prepare_detector(protocol), CHANCE, range(BLOCK))[0, 360:377, 0].astype(np.float64)
    place = np.arange(-8, 9)
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    focus = 1.2 * (1.0 - protocol.source_to_isocentre_mm / protocol.source_to_detector_mm) / bin_mm
    wanted = (protocol.aperture**2 + focus**2) / 12.0
    assert (got * place**2).sum() / got.sum() == pytest.approx(wanted, rel=0.05)


def test_starved_readings_are_finite() -> None:
    """Behind 900 mm of water hardly a quantum arrives: readings stay finite and below the table's end."""
    protocol = small(noise=True, mas=10.0)
    detector = prepare_detector(protocol)
    got = detect(lines_of(protocol, 900.0), protocol, detector, CHANCE, range(4))
    assert np.isfinite(got).all()
    assert got.max() <= detector.water_mm.max()
    assert got[..., :4].std() > 0.0


def test_noise_belongs_to_the_row_and_not_to_its_block() -> None:
    """Row 7 has the same noise as the eighth of its block and as the first of another; other rows differ."""
    protocol = small(noise=True)
    lines, detector = lines_of(protocol, 200.0), prepare_detector(protocol)
    first = detect(lines, protocol, detector, CHANCE, range(8))
    second = detect(lines, protocol, detector, CHANCE, range(7, 9))
    assert np.array_equal(first[:, :, 7], second[:, :, 0])
    assert not np.array_equal(first[:, :, 6], second[:, :, 0])
