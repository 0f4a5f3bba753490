import numpy as np
import pytest

from pancreasgen.base.errors import UsageError
from pancreasgen.scan.spectrum import (
    TUBE_VOLTAGES_KV,
    aluminium_per_mm,
    bowtie_mm_al,
    detector_efficiency,
    half_value_layer_mm,
    mean_energy_kev,
    tube_spectrum,
)


def test_120_kv_has_the_published_mean_energy_and_half_value_layer() -> None:
    """120 kVp, 12°, 6 mm Al: mean 59.7 keV and 6.36 mm Al (SpekPy), within 0.1 keV and 1 %."""
    spectrum = tube_spectrum(120, 6.0)
    assert mean_energy_kev(spectrum) == pytest.approx(59.7, abs=0.1)
    assert half_value_layer_mm(spectrum) == pytest.approx(6.36, rel=0.01)


def test_half_value_layer_is_ln2_over_mu_for_one_energy() -> None:
    """For photons of one energy the half-value layer is ln 2 / μ."""
    spectrum = np.zeros_like(tube_spectrum(120))
    spectrum[50] = 1.0
    assert half_value_layer_mm(spectrum) == pytest.approx(np.log(2.0) / aluminium_per_mm()[50], rel=1e-9)


@pytest.mark.parametrize("kvp", TUBE_VOLTAGES_KV)
def test_no_photon_exceeds_the_tube_voltage(kvp: int) -> None:
    """The spectrum ends at the tube voltage, and filtering hardens it."""
    spectrum = tube_spectrum(kvp)
    assert spectrum[kvp + 1 - 10 :].sum() == 0.0
    assert mean_energy_kev(tube_spectrum(kvp, 6.0)) > mean_energy_kev(tube_spectrum(kvp, 3.0))


def test_output_rises_with_voltage() -> None:
    """Each step of voltage gives more photons per mAs."""
    output = [tube_spectrum(kvp, 6.0).sum() for kvp in TUBE_VOLTAGES_KV]
    assert (np.diff(output) > 0.0).all()


def test_a_voltage_without_table_is_refused() -> None:
    """There is no spectrum of 125 kV, and the letter says which there are."""
    with pytest.raises(UsageError, match="120"):
        tube_spectrum(125)


def test_full_bowtie_makes_the_water_path_equal_at_70_kev() -> None:
    """Bowtie plus cylinder attenuate all rays through the cylinder alike at 70 keV; strength scales it."""
    angle = np.linspace(-0.25, 0.25, 11)
    filter_mm = bowtie_mm_al(angle, 570.0, 300.0, 1.0)
    path = 2.0 * np.sqrt(150.0**2 - (570.0 * np.sin(angle)) ** 2)
    total = filter_mm * aluminium_per_mm()[60] + path * 0.019285
    assert total == pytest.approx(np.full(11, total[5]), rel=1e-3)
    assert bowtie_mm_al(angle, 570.0, 300.0, 0.5) == pytest.approx(filter_mm / 2.0)


def test_a_thick_scintillator_stops_everything() -> None:
    """The efficiency tends to the sensitive share of the face, and falls with energy above the K edge of Gd."""
    assert detector_efficiency(1000.0, 0.8) == pytest.approx(np.full(141, 0.8))
    assert (np.diff(detector_efficiency(1.4, 1.0)[45:]) < 0.0).all()
