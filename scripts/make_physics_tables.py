"""Write the physics tables of the catalogue. Run offline, by hand; nothing imports it.

    python scripts/make_physics_tables.py attenuation    (needs xraydb, MIT; data of Elam et al. 2002, public domain)
    python scripts/make_physics_tables.py spectra        (needs spekpy 2.5, MIT)

The tables are small and are shipped, so that a user needs neither package.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent.parent / "pancreasgen" / "catalogue" / "physics"
ELEMENTS = (
    "H",
    "C",
    "N",
    "O",
    "F",
    "Na",
    "Mg",
    "Al",
    "P",
    "S",
    "Cl",
    "K",
    "Ca",
    "Fe",
    "I",
    "Gd",
    "Cu",
    "Sn",
    "Cd",
    "Te",
)
ENERGY_KEV = np.arange(10, 151)
TUBE_KV = (70, 80, 90, 100, 110, 120, 130, 140)


def write_attenuation() -> None:
    """Total mass attenuation of the elements, coherent scatter included, 10 to 150 keV."""
    import xraydb

    columns = [xraydb.mu_elam(element, ENERGY_KEV * 1000.0, kind="total") for element in ELEMENTS]
    rows = ["energy_kev," + ",".join(ELEMENTS)]
    rows += [f"{energy}," + ",".join(f"{column[i]:.6g}" for column in columns) for i, energy in enumerate(ENERGY_KEV)]
    (FOLDER / "attenuation.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_spectra() -> None:
    """Fluence of tungsten tubes: photons per mm² per mAs per keV, 1 m from the focus, without any filter."""
    import spekpy

    columns = []
    for kv in TUBE_KV:
        tube = spekpy.Spek(kvp=kv, th=12.0, dk=1.0, shift=0.5, z=100.0)
        energy, fluence = tube.get_spectrum(edges=False, flu=True, diff=True)
        on_grid = dict(zip(np.round(energy, 6), fluence / 100.0, strict=True))  # per cm² → per mm²
        columns.append([on_grid.get(float(e), 0.0) for e in ENERGY_KEV])
    absorption = tube.muen_air_data.get_muen_over_rho_air(ENERGY_KEV.astype(float))
    names = [f"kv{kv}" for kv in TUBE_KV]
    rows = ["energy_kev," + ",".join(names) + ",air_absorption_cm2_g"]
    for i, e in enumerate(ENERGY_KEV):
        cells = [f"{column[i]:.6g}" for column in columns] + [f"{absorption[i]:.6g}"]
        rows.append(f"{e}," + ",".join(cells))
    (FOLDER / "spectra.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    {"attenuation": write_attenuation, "spectra": write_spectra}[sys.argv[1]]()
