"""The native label scheme `full`: what each number in a phantom's label volume means.

Values are consecutive and stable: a structure keeps its number for ever, new ones are added at the end. Labels are
exclusive. Where shapes meet, the one with the higher precedence has the voxel; ducts stand above the gland, and the
gland above everything around it.

Ducts are thinner than voxels, so their hard labels follow a rule of two halves: a voxel is duct if at least half of
it is lumen, or if the centreline of a *resolvable* duct crosses it, one wide enough to fill half of a voxel if it runs
straight through it (:mod:`~pancreasgen.network.resolvable`). What leads from such a duct to the papilla counts as one,
and so do the main and accessory ducts however thin they are; all of these stay face-connected. Half-full voxels that
hang together with none of them are no duct. The soft truth is the duct fraction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pancreasgen.base.checks import unknown_name


@dataclass(frozen=True, slots=True)
class Structure:
    """One label.

    Attributes:
        value: Number in the label volume.
        name: Stable name, lower case with underscores.
        tissue: Name of the main tissue in ``tissues.toml``. Hollow organs hold further tissues inside.
        rgb: Display colour, 0–255.
        precedence: Who wins a shared voxel; higher wins.
        snomed: SNOMED CT code of the body structure, or empty where none was checked.
    """

    value: int
    name: str
    tissue: str
    rgb: tuple[int, int, int]
    precedence: int
    snomed: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        return {
            "value": self.value,
            "name": self.name,
            "tissue": self.tissue,
            "rgb": list(self.rgb),
            "precedence": self.precedence,
            "snomed": self.snomed,
        }


STRUCTURES: tuple[Structure, ...] = (
    Structure(0, "background", "air", (0, 0, 0), 0),
    Structure(1, "pancreas_head", "pancreas", (240, 190, 90), 90, "64163001"),
    Structure(2, "pancreas_uncinate", "pancreas", (214, 150, 60), 90),
    Structure(3, "pancreas_neck", "pancreas", (250, 215, 130), 90),
    Structure(4, "pancreas_body", "pancreas", (235, 170, 100), 90, "40133006"),
    Structure(5, "pancreas_tail", "pancreas", (245, 205, 110), 90, "73239005"),
    Structure(6, "main_duct", "pancreatic_juice", (40, 120, 220), 99, "69930009"),
    Structure(7, "accessory_duct", "pancreatic_juice", (70, 170, 230), 98),
    Structure(8, "side_branches", "pancreatic_juice", (120, 200, 240), 97),
    Structure(9, "common_bile_duct", "bile", (60, 170, 70), 96, "79741001"),
    Structure(10, "pdac", "solid_lesion", (180, 60, 160), 92, "108369006"),
    Structure(11, "ipmn", "cyst_fluid", (130, 90, 200), 93, "367643001"),
    Structure(12, "calcification", "calcification", (255, 255, 255), 100),
    Structure(13, "superior_mesenteric_vein", "portal_blood", (30, 60, 170), 80),
    Structure(14, "superior_mesenteric_artery", "arterial_blood", (210, 40, 40), 81),
    Structure(15, "portal_vein", "portal_blood", (50, 80, 190), 79, "32764006"),
    Structure(16, "splenic_vein", "portal_blood", (70, 100, 210), 78, "35819009"),
    Structure(17, "splenic_artery", "arterial_blood", (230, 80, 70), 77, "22083002"),
    Structure(18, "coeliac_trunk", "arterial_blood", (220, 60, 60), 76, "57850000"),
    Structure(19, "gastroduodenal_artery", "arterial_blood", (235, 100, 90), 75),
    Structure(20, "aorta", "arterial_blood", (200, 20, 30), 74, "15825003"),
    Structure(21, "inferior_vena_cava", "systemic_venous_blood", (40, 50, 140), 73, "64131007"),
    Structure(22, "duodenum", "bowel_wall", (240, 160, 150), 60, "38848004"),
    Structure(23, "stomach", "bowel_wall", (225, 140, 130), 55, "69695003"),
    Structure(24, "liver", "liver", (160, 80, 60), 50, "10200004"),
    Structure(25, "spleen", "spleen", (150, 50, 90), 52, "78961009"),
    Structure(26, "kidney_right", "kidney", (170, 90, 70), 54, "9846003"),
    Structure(27, "kidney_left", "kidney", (185, 100, 80), 54, "18639004"),
    Structure(28, "gallbladder", "bile", (110, 190, 90), 58, "28231008"),
    Structure(29, "adrenal_right", "adrenal", (240, 220, 100), 57, "29392005"),
    Structure(30, "adrenal_left", "adrenal", (230, 210, 90), 57, "38360003"),
    Structure(31, "small_bowel", "bowel_wall", (210, 150, 140), 45, "30315005"),
    Structure(32, "spine", "trabecular_bone", (230, 225, 200), 42),
    Structure(33, "ribs", "cortical_bone", (240, 235, 215), 41),
    Structure(34, "muscle", "muscle", (150, 60, 50), 30),
    Structure(35, "subcutaneous_fat", "fat", (250, 240, 170), 10),
    Structure(36, "visceral_fat", "fat", (240, 225, 140), 20),
    Structure(37, "skin", "skin", (230, 190, 160), 5),
    Structure(38, "spinal_canal", "cerebrospinal_fluid", (190, 210, 230), 43),
    Structure(39, "lung", "lung", (90, 110, 140), 40),
    Structure(40, "common_hepatic_artery", "arterial_blood", (240, 110, 100), 72),
    Structure(41, "renal_vein_left", "renal_venous_blood", (60, 70, 160), 71),
    Structure(42, "mesenteric_vessels", "portal_blood", (90, 110, 200), 25),
    Structure(43, "neuroendocrine_tumour", "neuroendocrine_tumour", (220, 60, 120), 92),
    Structure(44, "serous_cyst", "cyst_fluid", (150, 120, 220), 93),
    Structure(45, "mucinous_cyst", "cyst_fluid", (110, 70, 180), 93),
    Structure(46, "peripancreatic_oedema", "oedema", (250, 250, 120), 22),
    Structure(47, "stent", "stent", (200, 200, 200), 101),
    Structure(48, "peripancreatic_fat", "fat", (235, 215, 110), 21),
    Structure(49, "hepatic_vessels", "portal_blood", (80, 100, 170), 51),
    Structure(50, "renal_vessels", "renal_venous_blood", (120, 60, 150), 71),
    Structure(51, "colon", "bowel_wall", (190, 130, 110), 46, "71854001"),
    Structure(52, "arms", "muscle", (190, 140, 120), 3),
    Structure(53, "table", "table", (120, 120, 120), 1),
)

VALUES: dict[str, int] = {structure.name: structure.value for structure in STRUCTURES}
PARENCHYMA: tuple[int, ...] = (1, 2, 3, 4, 5)
DUCTS: tuple[int, ...] = (6, 7, 8)


def structure(name: str) -> Structure:
    """Return the structure of a name.

    Raises:
        UsageError: If there is none; the message lists those that exist.

    >>> structure("main_duct").value
    6
    """
    if name not in VALUES:
        raise unknown_name("structure", name, list(VALUES))
    return STRUCTURES[VALUES[name]]
