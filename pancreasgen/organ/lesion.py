"""The drawn scalars of a disease: what it is, where along the gland it sits, how large and how bright it is.

A lesion says what is wrong; what follows from it (a duct that stops, one that widens, tissue that wastes away) is
worked out by the rooms that own duct, gland and body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import checked_number, unknown_name
from pancreasgen.base.errors import UsageError

KINDS = (
    "none",
    "pdac",
    "ipmn_main",
    "ipmn_branch",
    "serous_cyst",
    "mucinous_cyst",
    "pnet",
    "chronic_pancreatitis",
    "acute_pancreatitis",
)
MASSES = ("pdac", "ipmn_branch", "serous_cyst", "mucinous_cyst", "pnet")
"""Kinds that take up room of their own; the others change what is there."""
BESIDE = ("serous_cyst", "mucinous_cyst", "pnet")
"""Masses that push ducts aside, so that none runs through them."""
SOLID = ("pdac", "pnet")
WASTED_OVER_MM = 12.0  # length over which the gland thins upstream of a tumour, assumed
UNENHANCED_CONTRAST_HU = 6.9  # 46.9 HU of healthy tissue − 40 HU of a tumour, both without contrast medium; assumed


def _number(default: float, low: float, high: float, unit: str, text: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "unit": unit, "text": text})


def _word(default: str, choices: tuple[str, ...], text: str) -> Any:
    return field(default=default, metadata={"choices": choices, "text": text})


@dataclass(frozen=True, slots=True)
class Lesion:
    """The drawn scalars of one lesion; a kind has no use for what does not concern it.

    Each field carries its range, unit and meaning as dataclass metadata. Contrasts are parenchyma minus lesion, so that
    they are positive where the lesion is the darker one.

    Raises:
        UsageError: If a value is outside its range or a word is not among the choices; the message names both.

    >>> Lesion(kind="pdac", diameter_mm="30").diameter_mm
    30.0
    >>> Lesion.from_dict(Lesion(kind="pnet").to_dict()) == Lesion(kind="pnet")
    True
    """

    kind: str = _word("none", KINDS, "what it is")
    at: float = _number(0.25, 0.02, 0.98, "", "place along the gland: 0 papilla, 1 tip of the tail")
    diameter_mm: float = _number(30, 2, 150, "mm", "largest diameter of a mass")
    turn_deg: float = _number(0, -180, 180, "deg", "side of the gland's axis on which it lies: 0 front, 90 above")
    attenuation: str = _word("hypo", ("hypo", "iso"), "whether a tumour is darker than the gland or as bright")
    contrast_pancreatic_hu: float = _number(60.2, -150, 160, "HU", "parenchyma minus lesion, pancreatic phase")
    contrast_portal_hu: float = _number(40.5, -150, 130, "HU", "the same in the portal-venous phase")
    contrast_delayed_hu: float = _number(18.3, -100, 90, "HU", "the same in the delayed phase")
    arterial_ratio: float = _number(1.53, 0.5, 3, "", "HU over that of the pancreas, pancreatic phase; pnet alone")
    rim_mm: float = _number(3, 0.5, 8, "mm", "width over which a tumour fades into the gland")
    duct_mm: float = _number(0, 0, 24, "mm", "diameter that the main duct is widened to; 0 for not at all")
    bile_mm: float = _number(0, 0, 30, "mm", "diameter of the bile duct above a tumour that reaches it; 0 as it was")
    span: float = _number(0.3, 0.05, 1, "", "share of the main duct that a main-duct IPMN takes")
    thickness: float = _number(1, 0.4, 2, "", "factor on the gland's section: upstream of a tumour, or of all of it")
    beads: float = _number(0, 0, 0.8, "", "how far strictures and beads change the main duct, as a share of its radius")
    cell_mm: float = _number(6, 1.5, 80, "mm", "size of the compartments of a cyst")
    scar: str = _word("none", ("none", "fibrous", "calcified"), "middle of a serous cyst")
    num_stones: float = _number(0, 0, 80, "", "how many stones lie in the ducts")
    stone_mm: float = _number(6, 1, 36, "mm", "length of the largest of them")
    oedema_mm: float = _number(0, 0, 40, "mm", "how far fluid reaches into the fat around the gland")
    stent: str = _word("none", ("none", "bile_duct", "main_duct"), "duct that a plastic stent keeps open")

    def __post_init__(self) -> None:
        for item in fields(self):
            value, limits = getattr(self, item.name), item.metadata
            if "choices" in limits:
                if value not in limits["choices"]:
                    raise unknown_name(f"lesion {item.name}", str(value), limits["choices"])
                continue
            number = checked_number(item.name, value, limits["low"], limits["high"], limits["unit"])
            object.__setattr__(self, item.name, number)

    @property
    def radius_mm(self) -> float:
        """Half the diameter [mm]."""
        return 0.5 * self.diameter_mm

    @property
    def is_mass(self) -> bool:
        """Whether it takes up room of its own."""
        return self.kind in MASSES

    def contrast_hu(self, phase: str, parenchyma_hu: float) -> float:
        """Return parenchyma minus lesion in a phase [HU], for a solid lesion.

        A neuroendocrine tumour is ``arterial_ratio`` times as bright as the pancreas in the pancreatic phase; 0.55 and
        0.25 of what it has more are left in the portal-venous and delayed phase (assumed).

        Args:
            phase: A phase of the contrast medium.
            parenchyma_hu: The pancreas in that phase [HU].

        >>> Lesion(kind="pdac").contrast_hu("portal-venous", 95.0)
        40.5
        >>> round(Lesion(kind="pnet").contrast_hu("pancreatic", 100.0), 6)
        -53.0
        """
        if phase == "unenhanced":
            return UNENHANCED_CONTRAST_HU if self.kind == "pdac" else 0.0
        if self.kind == "pnet":
            left = {"pancreatic": 1.0, "portal-venous": 0.55, "delayed": 0.25}[phase]
            return -left * (self.arterial_ratio - 1.0) * parenchyma_hu
        contrasts = {
            "pancreatic": self.contrast_pancreatic_hu,
            "portal-venous": self.contrast_portal_hu,
            "delayed": self.contrast_delayed_hu,
        }
        return contrasts[phase]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lesion:
        """Return the lesion of a dictionary; fields that are missing take their defaults.

        Raises:
            UsageError: If a name is unknown or a value outside its range.
        """
        names = [item.name for item in fields(cls)]
        for name in data:
            if name not in names:
                raise unknown_name("lesion field", name, names)
        return cls(**data)


def check_fits(lesion: Lesion, length_mm: float) -> None:
    """Refuse a mass that is larger than its gland.

    Args:
        lesion: The lesion.
        length_mm: Length of the gland along its axis [mm].

    Raises:
        UsageError: If its diameter exceeds the gland's length.

    >>> check_fits(Lesion(kind="pdac", diameter_mm=40), 160.0)
    """
    if lesion.is_mass and lesion.diameter_mm > length_mm:
        raise UsageError(
            f"lesion.diameter_mm: a {lesion.kind} of {lesion.diameter_mm:g} mm is larger than the gland, "
            f"which is {length_mm:g} mm long",
            f"a diameter of up to {length_mm:g} mm fits; or give a longer gland with --set gland.length_mm=…",
        )


def section_factor(lesions: Sequence[Lesion], arc_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor on the gland's thickness and height at arc lengths (A,).

    Upstream of a carcinoma the gland is wasted; chronic disease thins all of it and oedema swells all of it.

    >>> section_factor([Lesion(kind="pdac", at=0.5, thickness=0.6)], np.array([0.0, 50.0, 100.0])).tolist()
    [1.0, 1.0, 0.6]
    """
    factor = np.ones(len(arc_mm))
    for lesion in lesions:
        share = np.ones(len(arc_mm))
        if lesion.kind == "pdac":
            share = np.clip((arc_mm - lesion.at * arc_mm[-1] - 0.5 * lesion.radius_mm) / WASTED_OVER_MM, 0.0, 1.0)
        factor *= 1.0 + (lesion.thickness - 1.0) * share
    return factor
