"""What matter is to X-rays: elements, tissues, and the three basis materials that the scanner works with.

Between 40 and 140 keV the attenuation of every body tissue is, within 0.5 HU, a mix of water and bone mineral
(Alvarez and Macovski, Phys Med Biol 21:733, 1976: a photoelectric and a Compton part); iodine, whose K edge at 33 keV
breaks that rule, is the third basis material. A phantom is therefore three densities [g/cm³] on a grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import checked_number, lock, unknown_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.catalogue import table_text

BASIS = ("water", "bone_mineral", "iodine")
WATER: Mapping[str, float] = {"H": 0.111894, "O": 0.888106}
BONE_MINERAL: Mapping[str, float] = {"H": 0.002007, "O": 0.414069, "P": 0.184985, "Ca": 0.398939}  # Ca₁₀(PO₄)₆(OH)₂
IODINE: Mapping[str, float] = {"I": 1.0}
FIT_RANGE_KEV = (40, 140)
# Above the first HU a foreign volume is read as partly mineral, above the second as mineral only; between lie
# contrast-filled vessels (150–300 HU), which stay mostly water-like so that they keep their HU at any spectrum.
MINERAL_HU = (100.0, 600.0)
AIR_HU, HIGHEST_HU = -1000.0, 4000.0


@cache
def _attenuation() -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    head, *rows = table_text("physics/attenuation.csv").splitlines()
    table = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    columns = {name: lock(table[:, i].copy()) for i, name in enumerate(head.split(",")) if i}
    return lock(table[:, 0].copy()), columns


def energies_kev() -> NDArray[np.float64]:
    """Return the energies of all attenuation tables: 10, 11, … 150 keV (shape (141,))."""
    return _attenuation()[0]


def mass_attenuation(composition: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the mass attenuation coefficient of a mixture, μ/ρ = Σ wᵢ (μ/ρ)ᵢ.

    Args:
        composition: Mass fraction of each element by its symbol; the fractions sum to 1.

    Returns:
        Shape (141,) at :func:`energies_kev` [cm²/g], coherent scatter included. Source of the elements: Elam, Ravel and
        Sieber, Radiat Phys Chem 63:121 (2002).

    Raises:
        UsageError: If an element is not in the table.
        BadInputError: If a fraction is negative or the sum is further than 0.005 from 1.

    >>> water = mass_attenuation({"H": 0.111894, "O": 0.888106})
    >>> round(float(water[60]), 3)  # 70 keV
    0.193
    """
    columns = _attenuation()[1]
    for element, fraction in composition.items():
        if element not in columns:
            raise unknown_name("element", element, list(columns))
        if not 0.0 <= fraction <= 1.0:
            raise BadInputError(f"the mass fraction of {element} must be 0 to 1, not {fraction}")
    total = sum(composition.values())
    if abs(total - 1.0) > 0.005:
        raise BadInputError(
            f"the mass fractions must sum to 1, not {total:g}", "complete the composition, for example with oxygen"
        )
    result = np.zeros_like(energies_kev())
    for element, fraction in composition.items():
        result += fraction * columns[element]
    return result


@cache
def basis_attenuation() -> NDArray[np.float64]:
    """Return μ/ρ of the basis materials (shape (3, 141), in the order of BASIS) [cm²/g]."""
    return lock(np.stack([mass_attenuation(material) for material in (WATER, BONE_MINERAL, IODINE)]))


def basis_densities(
    composition: Mapping[str, float], density_g_cm3: float, iodine_mg_ml: float = 0.0
) -> NDArray[np.float64]:
    """Return the densities of the basis materials that attenuate like a tissue.

    Water and bone mineral are fitted by least squares of the error in HU, 40–140 keV; the error stays below 0.5 HU for
    the soft tissues and bones of ICRU 46 and ICRP 110 (pure calcium carbonate: 5 of 3,130 HU). Iodine is
    taken as it is, because a fitted trace of it would bring a K edge into tissues that have none. A density may come
    out slightly negative (fat has less photoelectric effect than water); line integrals do not mind.

    Args:
        composition: Mass fractions of the elements of the tissue.
        density_g_cm3: Density of the tissue without contrast medium [g/cm³].
        iodine_mg_ml: Iodine of the contrast medium per mL of tissue [mg/mL].

    Returns:
        Shape (3,), float64, in the order of BASIS [g/cm³].

    Raises:
        UsageError: If density or iodine are out of range, or an element is unknown.
        BadInputError: If the mass fractions are wrong.

    >>> basis_densities({"H": 0.111894, "O": 0.888106}, 1.0, iodine_mg_ml=5.0).round(6).tolist()
    [1.0, 0.0, 0.005]
    """
    density = checked_number("density", density_g_cm3, 0.0, 25.0, "g/cm³")
    iodine = checked_number("iodine", iodine_mg_ml, 0.0, 400.0, "mg/mL") / 1000.0
    own_iodine = float(composition.get("I", 0.0))
    rest = mass_attenuation(composition) - own_iodine * basis_attenuation()[2]
    low, high = FIT_RANGE_KEV
    chosen = (energies_kev() >= low) & (energies_kev() <= high)
    water, mineral, _ = basis_attenuation()[:, chosen]
    matrix = np.stack([np.ones_like(water), mineral / water], axis=1)
    fit, *_ = np.linalg.lstsq(matrix, rest[chosen] / water, rcond=None)
    return np.array([density * fit[0], density * fit[1], density * own_iodine + iodine])


def _at(table: NDArray[np.float64], kev: float) -> float:
    return float(np.interp(checked_number("energy", kev, 10.0, 150.0, "keV"), energies_kev(), table))


def hu_at(
    composition: Mapping[str, float], density_g_cm3: float, kev: float = 70.0, iodine_mg_ml: float = 0.0
) -> float:
    """Return the CT number of a tissue for photons of one energy, 1000 (μ/μ_water − 1) [HU].

    The reference is water of 1.000 g/cm³. Arguments and errors are those of :func:`basis_densities`.

    >>> hu_at({"H": 0.111894, "O": 0.888106}, 1.0)
    0.0
    """
    mu = density_g_cm3 * _at(mass_attenuation(composition), kev)
    mu += iodine_mg_ml / 1000.0 * _at(basis_attenuation()[2], kev)
    return 1000.0 * (mu / _at(basis_attenuation()[0], kev) - 1.0)


def density_for_hu(composition: Mapping[str, float], hu: float, kev: float = 70.0) -> float:
    """Return the density [g/cm³] at which a composition has a CT number; the inverse of :func:`hu_at`.

    Args:
        composition: Mass fractions of the elements.
        hu: Wanted CT number, −1000 to 10,000 [HU].
        kev: Photon energy [keV]; 70 keV is near the effective energy of 120 kVp behind an adult abdomen.

    >>> round(density_for_hu({"H": 0.111894, "O": 0.888106}, 20.0), 6)
    1.02
    """
    wanted = checked_number("CT number", hu, -1000.0, 10_000.0, "HU")
    return (1.0 + wanted / 1000.0) * _at(basis_attenuation()[0], kev) / _at(mass_attenuation(composition), kev)


def _mineral_hu(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what of CT numbers is bone mineral's [HU]."""
    low, high = MINERAL_HU
    share = np.clip((hu - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share) * (hu - low)


def mineral_g_cm3(hu: NDArray[np.float32], kev: float = 70.0) -> NDArray[np.float32]:
    """Return the bone mineral that :func:`from_hu` reads from CT numbers, shape of hu [g/cm³].

    >>> round(float(mineral_g_cm3(np.array([1000.0], dtype=np.float32))[0]), 2)
    0.55
    """
    mineral_hu_per_g_cm3 = 1000.0 * _at(basis_attenuation()[1], kev) / _at(basis_attenuation()[0], kev)
    return np.asarray(_mineral_hu(np.minimum(hu, HIGHEST_HU)) / mineral_hu_per_g_cm3, dtype=np.float32)


def from_hu(volume: Volume, kev: float = 70.0) -> Volume:
    """Return the basis densities of a foreign CT volume, so that the scanner can scan it again.

    A CT number cannot say what matter it is, so: up to 100 HU everything is water of that attenuation; of what exceeds
    100 HU a share s is bone mineral, with s rising smoothly from 0 at 100 HU to 1 at 600 HU. Whatever the share, the
    attenuation at ``kev`` is that of the given CT number; a vessel of 200 HU, where s is 0.1, keeps its HU within
    a few at every tube voltage, and bone hardens the beam as bone does. −1000 HU and below is vacuum.

    Args:
        volume: CT numbers [HU], quantity HU; values above 4,000 are read as 4,000.
        kev: Energy at which the CT numbers are taken to hold [keV].

    Returns:
        Volume of quantity DENSITY, float32, shape (3, x, y, z) [g/cm³].

    Raises:
        BadInputError: If the volume does not hold CT numbers, or holds NaN or infinity.
    """
    if volume.quantity is not Quantity.HU:
        raise BadInputError(f"a volume of CT numbers (hu) is wanted, not of {volume.quantity.value}")
    if not np.isfinite(volume.data).all():
        raise BadInputError("the CT volume holds NaN or infinity", "fill empty voxels with −1000 HU")
    hu = np.clip(volume.data, AIR_HU, HIGHEST_HU).astype(np.float32)
    mineral_hu = _mineral_hu(hu)
    mineral_hu_per_g_cm3 = 1000.0 * _at(basis_attenuation()[1], kev) / _at(basis_attenuation()[0], kev)
    densities = np.zeros((3, *hu.shape), dtype=np.float32)
    densities[0] = (hu - mineral_hu) / 1000.0 + 1.0
    densities[1] = mineral_hu / mineral_hu_per_g_cm3
    return Volume(densities, volume.grid, Quantity.DENSITY)
