import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.materials import (
    WATER,
    basis_attenuation,
    basis_densities,
    density_for_hu,
    energies_kev,
    from_hu,
    hu_at,
    mass_attenuation,
)


def composition_of(text: str) -> dict[str, float]:
    words = text.split()
    return dict(zip(words[::2], map(float, words[1::2]), strict=True))


# ICRP 110 and ICRU 44/46 compositions and densities, with the CT number at 70 keV that was computed apart from us.
_TABLE = {
    "pancreas": ("H 0.105 C 0.155 N 0.025 O 0.706 Na 0.002 P 0.002 S 0.001 Cl 0.002 K 0.002", 1.05, 41.9),
    "adipose": ("H 0.114 C 0.598 N 0.007 O 0.278 Na 0.001 S 0.001 Cl 0.001", 0.95, -76.5),
    "muscle": (
        "H 0.102 C 0.142 N 0.034 O 0.711 Na 0.001 P 0.002 S 0.003 Cl 0.001 K 0.004",
        1.05,
        43.1,
    ),
    "liver": ("H 0.102 C 0.13 N 0.031 O 0.725 Na 0.002 P 0.002 S 0.003 Cl 0.002 K 0.003", 1.05, 43.5),
    "blood": (
        "H 0.102 C 0.11 N 0.033 O 0.745 Na 0.001 P 0.001 S 0.002 Cl 0.003 K 0.002 Fe 0.001",
        1.06,
        56.1,
    ),
    "lymph": ("H 0.108 C 0.042 N 0.011 O 0.831 Na 0.003 S 0.001 Cl 0.004", 1.03, 28.9),
    "spongiosa": (
        "H 0.095 C 0.34 N 0.028 O 0.48 Na 0.001 P 0.018 S 0.003 Cl 0.002 K 0.001 Ca 0.032",
        1.112,
        148.1,
    ),
    "cortical bone": (
        "H 0.034 C 0.155 N 0.042 O 0.435 Na 0.001 Mg 0.002 P 0.103 S 0.003 Ca 0.225",
        1.92,
        1559.1,
    ),
}
TISSUES = {name: (composition_of(text), density, hu) for name, (text, density, hu) in _TABLE.items()}
CALCIUM_CARBONATE = {"Ca": 0.400432, "C": 0.120003, "O": 0.479565}


def fit_error_hu(composition: dict[str, float], density: float) -> np.ndarray:
    chosen = (energies_kev() >= 40) & (energies_kev() <= 140)
    truth = mass_attenuation(composition) * density
    error = 1000.0 * (basis_densities(composition, density) @ basis_attenuation() - truth) / basis_attenuation()[0]
    return np.abs(error[chosen])


@pytest.mark.parametrize("name", TISSUES)
def test_three_materials_stand_for_every_tissue(name: str) -> None:
    """From 40 to 140 keV the basis materials err by less than 0.5 HU."""
    composition, density, _ = TISSUES[name]
    assert fit_error_hu(composition, density).max() < 0.5


def test_calcium_carbonate_is_within_5_hu_of_3130() -> None:
    """A stone of pure calcium carbonate is fitted within 5 HU."""
    assert fit_error_hu(CALCIUM_CARBONATE, 2.71).max() < 5.0


@pytest.mark.parametrize("name", TISSUES)
def test_hu_at_70_kev_agrees_with_published_compositions(name: str) -> None:
    """CT numbers at 70 keV agree within 0.2 HU with those computed apart from us."""
    composition, density, hu = TISSUES[name]
    assert hu_at(composition, density) == pytest.approx(hu, abs=0.2)


def test_water_attenuation_is_that_of_nist() -> None:
    """The μ/ρ of water is NIST's (XCOM: 0.2059, 0.1707, 0.1505 cm²/g at 60, 100, 150 keV) within 1 %."""
    for energy, value in ((60, 0.2059), (100, 0.1707), (150, 0.1505)):
        assert mass_attenuation(WATER)[energy - 10] == pytest.approx(value, rel=0.01)


def test_iodine_adds_about_26_hu_per_mg() -> None:
    """1 mg/mL of iodine adds 22 to 31 HU at 65–75 keV, and is carried as iodine exactly."""
    composition, density, _ = TISSUES["blood"]
    for kev in (65.0, 70.0, 75.0):
        gain = hu_at(composition, density, kev, iodine_mg_ml=1.0) - hu_at(composition, density, kev)
        assert 22.0 < gain < 31.0
    assert basis_densities(composition, density, 7.0)[2] == pytest.approx(0.007)


def test_density_for_hu_is_the_inverse_of_hu_at() -> None:
    """density_for_hu and hu_at undo each other."""
    composition = TISSUES["pancreas"][0]
    for hu in (-100.0, 0.0, 45.0, 300.0):
        assert hu_at(composition, density_for_hu(composition, hu)) == pytest.approx(hu, abs=1e-9)


def test_wrong_compositions_get_a_letter() -> None:
    """Unknown elements, negative fractions and wrong sums are refused with the name in the message."""
    with pytest.raises(UsageError, match="Xx"):
        mass_attenuation({"Xx": 1.0})
    with pytest.raises(BadInputError, match="fraction of H"):
        mass_attenuation({"H": -0.1, "O": 1.1})
    with pytest.raises(BadInputError, match="sum to 1"):
        mass_attenuation({"H": 0.1, "O": 0.8})


def hu_volume(values: list[float]) -> Volume:
    grid = Grid((len(values), 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    return Volume(np.array(values, dtype=np.float32).reshape(grid.shape), grid, Quantity.HU)


def test_from_hu_keeps_attenuation_at_70_kev() -> None:
    """Whatever the mix, attenuation at 70 keV is that of the CT number; air is nothing; soft tissue is water."""
    values = [-1024.0, -1000.0, -100.0, 0.0, 60.0, 100.0, 150.0, 300.0, 700.0, 2000.0]
    densities = from_hu(hu_volume(values)).data[:, :, 0, 0]
    mu = basis_attenuation()[:, 60]
    got = 1000.0 * (mu @ densities / mu[0] - 1.0)
    assert got == pytest.approx(np.maximum(values, -1000.0), abs=0.01)
    assert (densities[:, :2] == 0.0).all()
    assert (densities[1, :6] == 0.0).all()
    assert (np.diff(densities[1]) >= 0.0).all()


def test_from_hu_refuses_labels_and_nan() -> None:
    """Labels are not CT numbers, and NaN has no density."""
    labels = Volume(np.zeros((1, 1, 1), dtype=np.uint8), hu_volume([0.0]).grid, Quantity.LABEL)
    with pytest.raises(BadInputError, match="label"):
        from_hu(labels)
    with pytest.raises(BadInputError, match="NaN"):
        from_hu(hu_volume([float("nan")]))
