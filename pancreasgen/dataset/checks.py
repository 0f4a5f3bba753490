"""Checks of a finished case against what is anatomically and physically possible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


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


_ALWAYS: tuple[tuple[str, float, float, str], ...] = (
    ("gland.volume_ml", 20, 170, "mL"),  # 1,000 adults drawn as published (72 ± 26 mL) have 24 to 157 mL
    ("gland.length_mm", 105, 220, "mm"),
    ("ducts.num_side_branches", 20, 1000, ""),
    ("ducts.share_inside", 1, 1, ""),
    ("ducts.main_reaches", 0.85, 1.6, ""),
    ("hu.air", -1010, -990, "HU"),
)

_BY_PHASE: dict[str, tuple[tuple[str, float, float, str], ...]] = {
    "portal-venous": (
        ("hu.parenchyma", 75, 125, "HU"),
        ("hu.liver", 90, 140, "HU"),
        ("hu.spleen", 95, 150, "HU"),
        ("hu.fat", -120, -85, "HU"),
        ("hu.muscle", 45, 75, "HU"),
        ("hu.wide_lumen", 0, 25, "HU"),
    )
}
"""Ranges of medians by phase, in agreement with the reference figures."""


def check_case(
    measures: Mapping[str, float], phase: str, own: Mapping[str, tuple[float, float]] = MappingProxyType({})
) -> tuple[Check, ...]:  # fmt: skip
    """Return all checks that apply to a case; a measure that the case does not have is not checked.

    Args:
        measures: Dotted name → value, from :func:`pancreasgen.dataset.measure.measure_case`.
        phase: Contrast phase of the scan.
        own: Name → (least, greatest value) where the case's population differs from adults.

    >>> [check.passed for check in check_case({"gland.volume_ml": 72.0, "hu.liver": 20.0}, "portal-venous")]
    [True, False]
    """
    found = []
    for name, low, high, unit in _ALWAYS + _BY_PHASE.get(phase.replace("_", "-"), ()):
        if name in measures:
            found.append(Check(name, measures[name], *own.get(name, (low, high)), unit))
    return tuple(found)


CHECKED = frozenset(name for table in (_ALWAYS, *_BY_PHASE.values()) for name, *_ in table)
"""Names of all measures that are checked: those for which a population may give a range of its own."""
