import dataclasses

import numpy as np
import pytest
from scipy import stats

from pancreasgen.base.chance import Chance
from pancreasgen.scan.detect import air_quanta, detect, prepare_detector
from pancreasgen.scan.materials import basis_attenuation, energies_kev
from pancreasgen.scan.project import BLOCK
from pancreasgen.scan.protocol import Protocol
from tests.scan.bodies import small

CHANCE = Chance(5, 0, "noise")
MIDDLE = 128


def counting(**changes: object) -> Protocol:
    plain = {"detector": "photon-counting", "threshold_kev": 25.0, "noise": True, "aperture": 0.0, "crosstalk": 0.0}
    return small(**(plain | changes))


def readings(protocol: Protocol, water_mm: float) -> np.ndarray:
    lines = np.zeros((3, protocol.num_views, protocol.num_bins, BLOCK), dtype=np.float32)
    lines[0] = water_mm
    detector = prepare_detector(protocol)
    got = detect(lines, protocol, detector, CHANCE, range(8))[:, MIDDLE - 1 : MIDDLE + 2, :8].astype(np.float64)
    table = detector.water_mm[MIDDLE].astype(np.float64)
    return np.interp(got.ravel(), table, detector.step * np.arange(table.size))


def test_counts_have_poissons_law() -> None:
    """Var(−log) = 1/N of the quanta above the threshold, within 10 %, and a KS test against the normal law passes."""
    protocol = counting()
    got = readings(protocol, 250.0)
    quanta = float((air_quanta(protocol)[MIDDLE] * np.exp(-basis_attenuation()[0] * 25.0)).sum())
    assert got.var() == pytest.approx(1.0 / quanta, rel=0.1)
    assert stats.kstest((got - got.mean()) * np.sqrt(quanta), "norm").pvalue > 0.001


def test_counting_pays_where_few_quanta_arrive() -> None:
    """Behind 400 mm of water the electronic floor makes a scintillator 1.4 times as noisy at 20 mAs, not at 120."""
    ratio = []
    for mas in (20.0, 120.0):
        fine = counting(mas=mas, row_mm=1.25, num_bins=736)
        summed = dataclasses.replace(fine, detector="scintillator", threshold_kev=0.0)
        ratio.append(readings(summed, 400.0).std() / readings(fine, 400.0).std())
    assert ratio[0] > 1.4
    assert ratio[1] == pytest.approx(1.0, abs=0.1)


def test_quanta_below_the_threshold_do_not_count() -> None:
    """No quantum below the threshold is in the air signal, all above are, and no electronic noise is added."""
    protocol = counting(threshold_kev=40.0)
    quanta = air_quanta(protocol)
    assert (quanta[:, energies_kev() < 40.0] == 0.0).all()
    assert quanta[:, energies_kev() >= 40.0] == pytest.approx(
        air_quanta(dataclasses.replace(protocol, threshold_kev=0.0))[:, energies_kev() >= 40.0]
    )
    loud = dataclasses.replace(protocol, electronic_noise_kev=10_000.0)
    assert np.array_equal(readings(loud, 100.0), readings(protocol, 100.0))
