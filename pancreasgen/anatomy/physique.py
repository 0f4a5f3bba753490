"""The drawn scalars of one body: how large, how fat, how wide its vessels, how well it takes up contrast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from pancreasgen.base.checks import checked_number, unknown_name

ARMS_DOWN_ABOVE = 0.95  # one patient in twenty; assumed
ARM_WIDTH_MM = 80.0  # an arm with its flesh, assumed
POSITIVE_ABOVE = 0.8  # one patient in five; assumed, water is usual where the pancreas is the question


def _scalar(default: float, low: float, high: float, unit: str, text: str, source: str = "assumed") -> Any:
    """Return a dataclass field that knows its range, unit and source."""
    return field(default=default, metadata={"low": low, "high": high, "unit": unit, "text": text, "source": source})


@dataclass(frozen=True, slots=True)
class Physique:
    """The body around a pancreas; the defaults are an average adult.

    Each field carries its range, unit, meaning and source as dataclass metadata (``low``, ``high``, ``unit``,
    ``text``, ``source``); see :meth:`describe`.

    Raises:
        UsageError: If a value is not a number within its range; the message names the range.

    >>> Physique(half_width_mm=180).half_width_mm
    180.0
    >>> Physique.from_dict(Physique().to_dict()) == Physique()
    True
    """

    half_width_mm: float = _scalar(165, 100, 240, "mm", "midline to the skin at the side")
    front_depth_mm: float = _scalar(115, 75, 220, "mm", "front of the vertebral body to the front skin")
    back_depth_mm: float = _scalar(105, 70, 160, "mm", "front of the vertebral body to the back skin")
    skin_mm: float = _scalar(2, 1, 4, "mm", "thickness of the skin")
    subcutaneous_fat_mm: float = _scalar(16, 2, 80, "mm", "fat between skin and muscle at the side")
    muscle_wall_mm: float = _scalar(13, 4, 30, "mm", "thickness of the abdominal wall's muscles")
    visceral_fat_mm: float = _scalar(5, 0.5, 25, "mm", "fat between neighbouring organs and around the kidneys")
    vertebra_scale: float = _scalar(1, 0.8, 1.2, "", "size of the vertebrae, as a factor on lengths")
    liver_scale: float = _scalar(1, 0.75, 1.3, "", "size of the liver, as a factor on lengths")
    spleen_scale: float = _scalar(1, 0.65, 1.5, "", "size of the spleen, as a factor on lengths")
    kidney_scale: float = _scalar(1, 0.75, 1.25, "", "size of both kidneys, as a factor on lengths")
    stomach_filling: float = _scalar(0.5, 0, 1, "", "how full the stomach is: 0 collapsed, 1 distended")
    bowel_gas_fraction: float = _scalar(0.35, 0, 0.9, "", "share of stomach and colon content that is gas")
    gallbladder_filling: float = _scalar(0.6, 0, 1, "", "how full the gallbladder is")
    duodenum_diameter_mm: float = _scalar(25, 16, 40, "mm", "outer diameter of the duodenum")
    aorta_diameter_mm: float = _scalar(19, 13, 35, "mm", "diameter of the abdominal aorta")
    ivc_diameter_mm: float = _scalar(21, 10, 32, "mm", "mean diameter of the inferior vena cava")
    smv_diameter_mm: float = _scalar(11, 6, 18, "mm", "superior mesenteric vein", "recalled: 11 ± 1.5, no citation")
    sma_diameter_mm: float = _scalar(7, 4, 11, "mm", "superior mesenteric artery", "recalled: 7 ± 1, no citation")
    portal_vein_diameter_mm: float = _scalar(
        13, 7, 20, "mm", "main portal vein", "between 15.5 ± 1.9 (CT, Stamm 2016) and 10.3 ± 1.8 (ultrasound)"
    )
    splenic_vein_diameter_mm: float = _scalar(8, 4, 14, "mm", "splenic vein", "recalled: 8 ± 1.5, no citation")
    splenic_artery_diameter_mm: float = _scalar(5.5, 3, 10, "mm", "splenic artery", "found: 5.9 ± 1.0")
    coeliac_diameter_mm: float = _scalar(6.5, 4, 11, "mm", "coeliac trunk", "found: 6.57 ± 1.35 (150 CT)")
    hepatic_artery_diameter_mm: float = _scalar(5.2, 2.5, 9, "mm", "common hepatic artery", "found: 5.2 ± 1.2")
    gda_diameter_mm: float = _scalar(4.1, 2, 7, "mm", "gastroduodenal artery", "found: 4.1 ± 0.8 (26 cadavers)")
    bile_duct_diameter_mm: float = _scalar(5, 2.5, 14, "mm", "common bile duct", "found: 4.65 ± 1.39 (277 CT)")
    pancreatic_fat_fraction: float = _scalar(
        0.06, 0, 0.6, "", "share of the gland's volume that is fat", "found: 2.8 % (20-50 y) to 6.3 % (50-70 y) by MRI"
    )
    lobule_size_mm: float = _scalar(3, 1, 10, "mm", "distance of neighbouring lobule centres", "recalled: 3 (1-10)")
    lobulation_mm: float = _scalar(0.6, 0, 4, "mm", "depth of the clefts between lobules at the gland's surface")
    texture_hu: float = _scalar(4, 0, 15, "HU", "standard deviation of the slow HU variation inside organs")
    pancreas_enhancement: float = _scalar(1, 0, 2, "", "iodine in the pancreas, as a factor on the catalogue's")
    artery_enhancement: float = _scalar(1, 0, 2, "", "iodine in the arteries, as a factor")
    vein_enhancement: float = _scalar(1, 0, 2, "", "iodine in the veins, as a factor")
    organ_enhancement: float = _scalar(1, 0, 2, "", "iodine in all other organs, as a factor")
    # ---- vessels
    splenic_tortuosity: float = _scalar(
        1.25, 1, 2.2, "", "splenic artery: length to the distance of its ends", "found: 1.25 ± 0.18 (26 cadavers)"
    )
    renal_artery_diameter_mm: float = _scalar(5.5, 3, 9, "mm", "renal arteries", "recalled: 5-6, no citation")
    renal_vein_diameter_mm: float = _scalar(8.5, 4, 14, "mm", "renal veins", "recalled: 7-10, no citation")
    common_channel_mm: float = _scalar(
        4, -12, 15, "mm", "length that bile and pancreatic duct share before the papilla; 0 or less: two openings",
        "found: a common channel in 75.6 % of 160 autopsies, up to 15 mm",
    )  # fmt: skip
    # ---- abdomen
    arm_stiffness: float = _scalar(0.5, 0, 1, "", "above 0.95 the arms cannot be raised and lie beside the body")
    oral_contrast: float = _scalar(0.3, 0, 1, "", "above 0.8 stomach and bowel hold positive contrast medium")
    # ---- parenchyma
    fat_sparing: float = _scalar(
        0.6, 0, 0.95, "", "how much less fat the posterior head and the bile duct's surroundings have", "assumed"
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            limits = item.metadata
            value = checked_number(item.name, getattr(self, item.name), limits["low"], limits["high"], limits["unit"])
            object.__setattr__(self, item.name, value)

    @property
    def arms_down(self) -> bool:
        """Whether the arms lie beside the body."""
        return self.arm_stiffness > ARMS_DOWN_ABOVE

    @property
    def arms_width_mm(self) -> float:
        """How much wider the arms make the body [mm]; 0 where they are raised."""
        return 2.0 * ARM_WIDTH_MM if self.arms_down else 0.0

    @property
    def positive_contrast(self) -> bool:
        """Whether stomach and small bowel hold positive contrast medium."""
        return self.oral_contrast > POSITIVE_ABOVE

    @classmethod
    def describe(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return name → {default, low, high, unit, text, source} of all fields.

        >>> Physique.describe()["skin_mm"]["unit"]
        'mm'
        """
        return MappingProxyType(
            {item.name: MappingProxyType({"default": item.default, **item.metadata}) for item in fields(cls)}
        )

    def to_dict(self) -> dict[str, float]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Physique:
        """Return the physique of a dictionary; fields that are missing take their defaults.

        Raises:
            UsageError: If a name is unknown or a value outside its range.
        """
        names = [item.name for item in fields(cls)]
        for name in data:
            if name not in names:
                raise unknown_name("physique field", name, names)
        return cls(**data)
