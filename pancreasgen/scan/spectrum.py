"""The X-ray beam: tungsten tube, flat filter, bowtie filter, and how the detector answers.

All spectra are tables over :func:`pancreasgen.scan.materials.energies_kev`. The tube's are absolute (photons per mm²
per mAs at 1 m), made offline with SpekPy 2.5 (Poludniowski et al., Med Phys 48:3630, 2021; anode angle 12°), so that
noise follows from the mAs and is not a knob.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.base.errors import UsageError
from pancreasgen.catalogue import table_text
from pancreasgen.scan.materials import energies_kev, mass_attenuation

TUBE_VOLTAGES_KV = (70, 80, 90, 100, 110, 120, 130, 140)
ALUMINIUM_G_CM3 = 2.699
TIN_G_CM3 = 7.31
CDTE_G_CM3 = 5.85  # cadmium telluride, of photon-counting detectors
CDTE = {"Cd": 0.46837, "Te": 0.53163}
GOS_G_CM3 = 7.34  # Gd₂O₂S, the scintillator of most CT detectors
GOS = {"Gd": 0.83078, "O": 0.08453, "S": 0.08469}
KEV_PER_G_IN_MGY = 1.602176634e-10  # 1 keV absorbed per gram, in mGy


@cache
def _table() -> dict[str, NDArray[np.float64]]:
    head, *rows = table_text("physics/spectra.csv").splitlines()
    values = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    return {name: lock(values[:, i].copy()) for i, name in enumerate(head.split(","))}


def aluminium_per_mm() -> NDArray[np.float64]:
    """Return the linear attenuation of aluminium (shape (141,)) [1/mm]."""
    return mass_attenuation({"Al": 1.0}) * ALUMINIUM_G_CM3 / 10.0


def tube_spectrum(kvp: float, filtration_mm_al: float = 0.0, filtration_mm_sn: float = 0.0) -> NDArray[np.float64]:
    """Return the fluence of the tube behind its flat filter.

    Args:
        kvp: Tube voltage, one of TUBE_VOLTAGES_KV [kV].
        filtration_mm_al: Thickness of the filter, inherent filtration included [mm Al].
        filtration_mm_sn: Thickness of a further filter of tin [mm Sn].

    Returns:
        Shape (141,): photons per mm² per mAs in each bin of 1 keV, 1 m from the focus.

    Raises:
        UsageError: If there is no table for the voltage.

    >>> spectrum = tube_spectrum(120, 6.0)
    >>> round(mean_energy_kev(spectrum), 1), round(half_value_layer_mm(spectrum), 2)
    (59.7, 6.39)
    """
    if kvp not in TUBE_VOLTAGES_KV:
        raise UsageError(f"the tube voltage must be one of {', '.join(map(str, TUBE_VOLTAGES_KV))} kV, not {kvp}")
    stopped = aluminium_per_mm() * filtration_mm_al
    stopped = stopped + mass_attenuation({"Sn": 1.0}) * TIN_G_CM3 / 10.0 * filtration_mm_sn
    return _table()[f"kv{int(kvp)}"] * np.exp(-stopped)


def mean_energy_kev(spectrum: NDArray[np.float64]) -> float:
    """Return the mean photon energy of a spectrum [keV]."""
    return float((spectrum * energies_kev()).sum() / spectrum.sum())


def air_kerma_mgy(spectrum: NDArray[np.float64]) -> float:
    """Return the air kerma of a fluence [mGy per mAs at 1 m], Σ N(E) E (μ_en/ρ)_air.

    >>> round(air_kerma_mgy(tube_spectrum(120, 6.0)), 3)
    0.087
    """
    absorbed = (spectrum * energies_kev() * _table()["air_absorption_cm2_g"]).sum()
    return float(absorbed) * 100.0 * KEV_PER_G_IN_MGY  # photons per mm² → per cm²


def half_value_layer_mm(spectrum: NDArray[np.float64]) -> float:
    """Return the thickness of aluminium that halves the air kerma [mm Al]."""
    whole, low, high = air_kerma_mgy(spectrum), 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if air_kerma_mgy(spectrum * np.exp(-aluminium_per_mm() * middle)) > whole / 2.0:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def bowtie_mm_al(
    angle_rad: NDArray[np.float64], source_to_isocentre_mm: float, diameter_mm: float, strength: float
) -> NDArray[np.float64]:
    """Return the thickness of the bowtie filter along rays of given fan angles.

    The filter makes up, at 70 keV, for a share of the water path that a centred water cylinder lacks beside its middle:
    t(γ) = strength · (L(0) − L(γ)) · μ_water/μ_Al with L(γ) = 2 √(R² − D² sin² γ), 0 outside. A body outgrows the
    cylinder, so a full compensation (strength 1) would starve its flanks; see the protocols for the share.

    Args:
        angle_rad: Fan angles γ, 0 at the central ray [rad].
        source_to_isocentre_mm: D [mm].
        diameter_mm: 2R, diameter of the water cylinder; 0 for no bowtie [mm].
        strength: Share of the path that is made up for, 0 to 1.

    Returns:
        Thickness, shape of angle_rad [mm Al].

    >>> edge = np.arcsin(150 / 570)
    >>> bowtie_mm_al(np.array([0.0, edge]), 570.0, 300.0, 1.0).round(1).tolist()
    [0.0, 93.2]
    """
    radius = diameter_mm / 2.0
    offset = source_to_isocentre_mm * np.sin(angle_rad)
    path = 2.0 * np.sqrt(np.clip(radius**2 - offset**2, 0.0, None))
    at_70 = int(np.searchsorted(energies_kev(), 70.0))
    water_per_mm = mass_attenuation({"H": 0.111894, "O": 0.888106})[at_70] / 10.0
    return strength * (2.0 * radius - path) * (water_per_mm / aluminium_per_mm()[at_70])


def detector_efficiency(scintillator_mm: float, efficiency: float, counting: bool = False) -> NDArray[np.float64]:
    """Return the probability η(E) that a photon which meets the detector is counted; its signal is then its energy E.

    Args:
        scintillator_mm: Thickness of the gadolinium oxysulphide, or of the cadmium telluride [mm].
        efficiency: Share of the detector's face that is sensitive, 0 to 1.
        counting: Whether the detector is cadmium telluride.

    Returns:
        η(E) = efficiency · (1 − exp(−μ t)), shape (141,).

    >>> bool(detector_efficiency(1.4, 0.8)[60] > 0.78)
    True
    """
    matter, density = (CDTE, CDTE_G_CM3) if counting else (GOS, GOS_G_CM3)
    stopped = -np.expm1(-mass_attenuation(matter) * density / 10.0 * scintillator_mm)
    return efficiency * stopped
