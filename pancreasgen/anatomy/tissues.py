"""Tissues as the scanner sees them: basis densities by tissue and phase, from the catalogue's table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.checks import lock, unknown_name
from pancreasgen.catalogue import table_text
from pancreasgen.scan.materials import basis_densities, density_for_hu

PHASES = ("unenhanced", "pancreatic", "portal-venous", "delayed")


@dataclass(frozen=True, slots=True)
class Tissue:
    """One tissue of the catalogue.

    Attributes:
        name: Name in ``tissues.toml``.
        composition: Mass fraction of each element.
        unenhanced_hu: CT number at 70 keV without contrast medium [HU].
        iodine_mg_ml: Phase → iodine [mg/mL]; phases that are not listed hold none.
        group: Which of the physique's enhancement factors applies: pancreas, artery, vein, organ or none.
        sources: Where composition, HU and iodine come from.
    """

    name: str
    composition: Mapping[str, float]
    unenhanced_hu: float
    iodine_mg_ml: Mapping[str, float]
    group: str
    sources: tuple[str, str, str]

    def densities(self, phase: str, factor: float = 1.0) -> NDArray[np.float64]:
        """Return the basis densities (3,) in a phase, its iodine multiplied by a factor [g/cm³]."""
        iodine = self.iodine_mg_ml.get(phase, 0.0) * factor
        return basis_densities(self.composition, density_for_hu(self.composition, self.unenhanced_hu), iodine)


@cache
def tissues() -> Mapping[str, Tissue]:
    """Return all tissues of the catalogue by name.

    >>> tissues()["fat"].unenhanced_hu
    -105.0
    """
    table = tomllib.loads(table_text("tissues.toml"))
    return MappingProxyType({name: _tissue(name, row, table["composition"]) for name, row in table["tissue"].items()})


def _tissue(name: str, row: dict[str, Any], compositions: dict[str, Any]) -> Tissue:
    made_of = compositions[row["composition"]]
    return Tissue(
        name=name,
        composition=MappingProxyType(made_of["elements"]),
        unenhanced_hu=float(row["unenhanced_hu"]),
        iodine_mg_ml=MappingProxyType(row["iodine_mg_ml"]),
        group=row["group"],
        sources=(made_of["source"], row["hu_source"], row["iodine_source"]),
    )


@cache
def tissue_index() -> Mapping[str, int]:
    """Return name → row of :func:`palette`, in the order of the catalogue."""
    return MappingProxyType({name: row for row, name in enumerate(tissues())})


def palette(physique: Physique, phase: str) -> NDArray[np.float32]:
    """Return the basis densities of every tissue in one body and phase.

    Args:
        physique: Its enhancement factors multiply the iodine of their group.
        phase: One of PHASES.

    Returns:
        Shape (T, 3), float32, locked; row :func:`tissue_index` of a name [g/cm³].

    Raises:
        UsageError: If there is no such phase.

    >>> palette(Physique(), "portal-venous").shape == (len(tissues()), 3)
    True
    """
    if phase not in PHASES:
        raise unknown_name("phase", phase, PHASES)
    factors = {
        "pancreas": physique.pancreas_enhancement,
        "artery": physique.artery_enhancement,
        "vein": physique.vein_enhancement,
        "organ": physique.organ_enhancement,
        "none": 1.0,
    }
    rows = [tissue.densities(phase, factors[tissue.group]) for tissue in tissues().values()]
    return lock(np.array(rows, dtype=np.float32))
