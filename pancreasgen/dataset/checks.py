"""Checks of a finished case against what is anatomically and physically possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Row = tuple[str, float, float, str]


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison.

    Attributes:
        name: Dotted name of the measure.
        value: What was measured.
        low: Smallest possible value.
        high: Largest possible value.
        unit: Unit of all three.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether the value lies in the range (NaN does not)."""
        return self.low <= self.value <= self.high

    @property
    def is_monster(self) -> bool:
        """Whether to fail it is impossible in any body, and not only unusual."""
        return self.name.startswith(("truth.", "connected.", "upstream.")) or self.name == "ducts.share_inside"

    def reason(self) -> str:
        """Return what is wrong, for a check that failed.

        >>> Check("gland.volume_ml", 190.0, 20, 170, "mL").reason()
        'gland.volume_ml is 190 mL, not 20 to 170 mL'
        """
        unit = f" {self.unit}" if self.unit else ""
        wanted = f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"
        return f"{self.name} is {self.value:.6g}{unit}, not {wanted}{unit}"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "name": self.name,
            "value": self.value if math.isfinite(self.value) else None,
            "low": self.low,
            "high": self.high,
            "unit": self.unit,
            "passed": self.passed,
        }


_NEVER = (
    "unknown_labels", "line_not_duct", "lumen_not_duct", "duct_without_lumen", "ducts_off_gland", "graph_not_duct",
    "vessel_through_duct", "organs_in_air",
)  # fmt: skip
_ONE_PIECE = (
    "pancreas", "liver", "spleen", "kidney_right", "kidney_left", "gallbladder", "stomach", "duodenum", "aorta",
    "inferior_vena_cava",
)  # fmt: skip
_LARGEST_PIECE = 0.95
"""Least share of an organ's voxels in its largest piece: where two shapes meet, a few voxels may be cut off."""

_MONSTERS: tuple[Row, ...] = (
    ("ducts.share_inside", 1, 1, ""),
    ("truth.main_duct_pieces", 1, 1, ""),
    *((f"truth.{name}", 0, 0, "voxels") for name in _NEVER),
    *((f"connected.{name}", _LARGEST_PIECE, 1, "") for name in _ONE_PIECE),
    ("upstream.narrower_mm", 0, 0, "mm"),  # than downstream, where a tumour stops the duct
)
"""What no body can have; see :mod:`pancreasgen.dataset.integrity`."""

_ALWAYS: tuple[Row, ...] = (
    *_MONSTERS,
    ("gland.volume_ml", 20, 170, "mL"),  # 1,000 adults drawn as published (72 ± 26 mL) have 24 to 157 mL
    ("gland.length_mm", 105, 220, "mm"),
    ("ducts.num_side_branches", 20, 1000, ""),
    ("ducts.main_reaches", 0.85, 1.6, ""),
    ("hu.air", -1010, -990, "HU"),
    ("whole_ml.liver", 620, 2400, "mL"),  # 1281 ± 219 (100 adults) and larger people; three standard deviations
    ("whole_ml.spleen", 40, 500, "mL"),  # 198 ± 88 (212 adults)
    ("whole_ml.kidney_right", 70, 330, "mL"),  # recalled: 100 to 250
    ("whole_ml.kidney_left", 70, 330, "mL"),
)

_ANY_PHASE: tuple[Row, ...] = (("hu.fat", -120, -80, "HU"), ("hu.wide_lumen", 0, 25, "HU"))
_BY_PHASE: Mapping[str, tuple[Row, ...]] = {
    "unenhanced": (
        ("hu.parenchyma", -20, 60, "HU"),  # 46.9 in controls, 40-50 in words; fat infiltration lowers it, to −40
        ("hu.liver", 40, 70, "HU"),
        ("hu.spleen", 35, 60, "HU"),
        ("hu.kidney", 20, 50, "HU"),
        ("hu.muscle", 40, 70, "HU"),
        ("hu.aorta", 30, 65, "HU"),
    ),
    "pancreatic": (
        ("hu.parenchyma", 40, 165, "HU"),  # 98 ± 15 to 128 ± 17, less with fat
        ("hu.liver", 50, 115, "HU"),  # 78 ± 15
        ("hu.aorta", 200, 420, "HU"),  # 314 ± 30, 282 ± 101
        ("hu.muscle", 40, 80, "HU"),
    ),
    "portal-venous": (
        ("hu.parenchyma", 35, 130, "HU"),  # 95, 75 to 115 without fat; 40 % of fat takes 50 HU away
        ("hu.liver", 85, 145, "HU"),  # 117 ± 15
        ("hu.spleen", 95, 150, "HU"),
        ("hu.kidney", 90, 230, "HU"),
        ("hu.muscle", 45, 75, "HU"),
        ("hu.aorta", 105, 195, "HU"),
    ),
    "delayed": (("hu.muscle", 45, 80, "HU"),),
}
"""Ranges of medians by phase at about 120 kV, in agreement with the reference figures."""
_KVP = (110, 130)


def check_case(
    measures: Mapping[str, float],
    phase: str,
    own: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    kvp: float = 120,
) -> tuple[Check, ...]:
    """Return all checks that apply to a case; a measure that the case does not have is not checked.

    Args:
        measures: Dotted name → value, from :func:`pancreasgen.dataset.measure.measure_case`.
        phase: Contrast phase of the scan.
        own: Name → (least, greatest value) where the case's population differs from adults.
        kvp: Tube voltage [kV]; CT numbers of tissues were published for about 120.

    >>> [check.passed for check in check_case({"gland.volume_ml": 72.0, "hu.liver": 20.0}, "portal-venous")]
    [True, False]
    """
    rows: tuple[Row, ...] = _ALWAYS
    if _KVP[0] <= kvp <= _KVP[1]:
        rows += _ANY_PHASE + _BY_PHASE.get(phase.replace("_", "-"), ())
    found = []
    for name, low, high, unit in rows:
        if name in measures:
            found.append(Check(name, measures[name], *own.get(name, (low, high)), unit))
    return tuple(found)


def failures(checks: Iterable[Check], *, monsters_only: bool = False) -> tuple[str, ...]:
    """Return the reasons of all checks that failed.

    Args:
        checks: The checks of a case.
        monsters_only: Whether to leave out what is only unusual.

    >>> failures(check_case({"gland.volume_ml": 190.0}, "delayed"), monsters_only=True)
    ()
    """
    return tuple(check.reason() for check in checks if not check.passed and (check.is_monster or not monsters_only))


CHECKED = frozenset(row[0] for table in (_ALWAYS, _ANY_PHASE, *_BY_PHASE.values()) for row in table) - frozenset(
    row[0] for row in _MONSTERS
)
"""Names of all measures for which a population may give a range of its own."""
