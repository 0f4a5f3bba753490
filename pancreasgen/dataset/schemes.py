"""Label schemes of other datasets and programs, as tables from the native structures.

Native labels are exclusive, and their precedence (ducts above lesions above the gland above all around it) has decided
each voxel; a scheme only renames. So a duct that runs through a lesion stays a duct where a scheme knows ducts, and is
pancreas where it does not. What has no name in a scheme is background. Two structures lie inside others and take the
class of the nearest voxel that is neither: calcifications and stents.

Where values come from: `panorama`, `msd`, `nih` and `pants` are the published lists. Of `totalseg` (version 2, task
`total`) and `maisi` those classes are listed that a structure here fills whole; single vertebrae, ribs and lobes of the
lung are not told apart here, so they are background there. Two choices are ours: in `panorama` all arteries and veins
that are drawn count, with aorta and vena cava; in `pants` the neck counts as body and the uncinate process as head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.anatomy.structures import STRUCTURES, VALUES
from pancreasgen.base.checks import unknown_name
from pancreasgen.base.grid import Quantity, Volume

PARENCHYMA = ("pancreas_head", "pancreas_uncinate", "pancreas_neck", "pancreas_body", "pancreas_tail")
DUCTS = ("main_duct", "accessory_duct", "side_branches")
LESIONS = ("pdac", "ipmn", "neuroendocrine_tumour", "serous_cyst", "mucinous_cyst")
VEINS = ("superior_mesenteric_vein", "portal_vein", "splenic_vein")
ARTERIES = (
    "superior_mesenteric_artery", "splenic_artery", "coeliac_trunk", "gastroduodenal_artery", "aorta",
    "common_hepatic_artery",
)  # fmt: skip
INSIDE_OTHERS = ("calcification", "stent")
_PANCREAS = (*PARENCHYMA, *DUCTS)
_REACH = 12  # voxels around calcifications and stents in which their surroundings are looked for


@dataclass(frozen=True, slots=True)
class Class:
    """One class of a scheme.

    Attributes:
        value: Its number.
        name: Its name in that scheme.
        structures: The native structures that it is made of.
    """

    value: int
    name: str
    structures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to label.

    Attributes:
        name: Its name here.
        title: Whose it is.
        classes: Its classes, background left out.
        exclusive: Whether a voxel has one class at most. If not, each class is a mask of its own, and masks overlap.
    """

    name: str
    title: str
    classes: tuple[Class, ...]
    exclusive: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        rows = [{"value": c.value, "name": c.name, "structures": list(c.structures)} for c in self.classes]
        return {"name": self.name, "title": self.title, "exclusive": self.exclusive, "classes": rows}


_BODY = ("muscle", "subcutaneous_fat", "visceral_fat", "skin", "spine", "ribs", "spinal_canal", "lung",
         "common_bile_duct", "superior_mesenteric_vein", "superior_mesenteric_artery", "splenic_artery",
         "coeliac_trunk", "gastroduodenal_artery", "common_hepatic_artery", "renal_vein_left", "mesenteric_vessels",
         "peripancreatic_oedema", "peripancreatic_fat", "renal_vessels", "arms")  # fmt: skip

SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            "full",
            "every structure of this program",
            tuple(Class(item.value, item.name, (item.name,)) for item in STRUCTURES if item.value),
        ),
        Scheme(
            "panorama",
            "PANORAMA challenge",
            (
                Class(1, "lesion", LESIONS),
                Class(2, "veins", (*VEINS, "inferior_vena_cava", "renal_vein_left")),
                Class(3, "arteries", ARTERIES),
                Class(4, "parenchyma", PARENCHYMA),
                Class(5, "pancreatic_duct", DUCTS),
                Class(6, "common_bile_duct", ("common_bile_duct",)),
            ),
        ),
        Scheme(
            "msd",
            "Medical Segmentation Decathlon, task 07",
            (Class(1, "pancreas", _PANCREAS), Class(2, "tumour", LESIONS)),
        ),
        Scheme("nih", "NIH Pancreas-CT", (Class(1, "pancreas", (*_PANCREAS, *LESIONS)),)),
        Scheme(
            "totalseg",
            "TotalSegmentator 2, task total",
            (
                Class(1, "spleen", ("spleen",)),
                Class(2, "kidney_right", ("kidney_right",)),
                Class(3, "kidney_left", ("kidney_left",)),
                Class(4, "gallbladder", ("gallbladder",)),
                Class(5, "liver", ("liver", "hepatic_vessels")),
                Class(6, "stomach", ("stomach",)),
                Class(7, "pancreas", (*_PANCREAS, *LESIONS)),
                Class(8, "adrenal_gland_right", ("adrenal_right",)),
                Class(9, "adrenal_gland_left", ("adrenal_left",)),
                Class(18, "small_bowel", ("small_bowel",)),
                Class(19, "duodenum", ("duodenum",)),
                Class(20, "colon", ("colon",)),
                Class(52, "aorta", ("aorta",)),
                Class(63, "inferior_vena_cava", ("inferior_vena_cava",)),
                Class(64, "portal_vein_and_splenic_vein", ("portal_vein", "splenic_vein")),
            ),
        ),
        Scheme(
            "maisi",
            "MONAI MAISI",
            (
                Class(1, "liver", ("liver",)),
                Class(3, "spleen", ("spleen",)),
                Class(4, "pancreas", _PANCREAS),
                Class(5, "right kidney", ("kidney_right",)),
                Class(6, "aorta", ("aorta",)),
                Class(7, "inferior vena cava", ("inferior_vena_cava",)),
                Class(8, "right adrenal gland", ("adrenal_right",)),
                Class(9, "left adrenal gland", ("adrenal_left",)),
                Class(10, "gallbladder", ("gallbladder",)),
                Class(12, "stomach", ("stomach",)),
                Class(13, "duodenum", ("duodenum",)),
                Class(14, "left kidney", ("kidney_left",)),
                Class(17, "portal vein and splenic vein", ("portal_vein", "splenic_vein")),
                Class(19, "small bowel", ("small_bowel",)),
                Class(24, "pancreatic tumor", LESIONS),
                Class(25, "hepatic vessel", ("hepatic_vessels",)),
                Class(62, "colon", ("colon",)),
                Class(200, "body", _BODY),
            ),
        ),
        Scheme(
            "pants",
            "PanTS: a file for each structure",
            (
                Class(1, "adrenal_gland_left", ("adrenal_left",)),
                Class(2, "adrenal_gland_right", ("adrenal_right",)),
                Class(3, "aorta", ("aorta",)),
                Class(5, "celiac_artery", ("coeliac_trunk",)),
                Class(6, "colon", ("colon",)),
                Class(7, "common_bile_duct", ("common_bile_duct",)),
                Class(8, "duodenum", ("duodenum",)),
                Class(11, "gall_bladder", ("gallbladder",)),
                Class(12, "kidney_left", ("kidney_left",)),
                Class(13, "kidney_right", ("kidney_right",)),
                Class(14, "liver", ("liver", "hepatic_vessels")),
                Class(17, "pancreas", (*_PANCREAS, *LESIONS)),
                Class(18, "pancreas_body", ("pancreas_body", "pancreas_neck")),
                Class(19, "pancreas_head", ("pancreas_head", "pancreas_uncinate")),
                Class(20, "pancreas_tail", ("pancreas_tail",)),
                Class(21, "pancreatic_duct", DUCTS),
                Class(22, "postcava", ("inferior_vena_cava",)),
                Class(24, "spleen", ("spleen",)),
                Class(25, "stomach", ("stomach",)),
                Class(26, "superior_mesenteric_artery", ("superior_mesenteric_artery",)),
                Class(27, "veins", VEINS),
                Class(28, "pancreatic_lesion", LESIONS),
            ),
            exclusive=False,
        ),
    )
}


def scheme(name: str) -> Scheme:
    """Return the scheme of a name.

    Raises:
        UsageError: If there is none; the message lists those that exist.

    >>> [item.value for item in scheme("panorama").classes]
    [1, 2, 3, 4, 5, 6]
    """
    if name not in SCHEMES:
        raise unknown_name("scheme", name, list(SCHEMES))
    return SCHEMES[name]


def relabelled(labels: Volume, wanted: Scheme) -> Volume:
    """Return native labels in an exclusive scheme.

    Args:
        labels: Native labels.
        wanted: A scheme in which a voxel has one class at most.

    >>> from pancreasgen.base.grid import Grid
    >>> grid = Grid((1, 1, 4), (1, 1, 1), (0, 0, 0))
    >>> native = np.array([0, VALUES["pdac"], VALUES["main_duct"], VALUES["liver"]], "u1").reshape(1, 1, 4)
    >>> relabelled(Volume(native, grid, Quantity.LABEL), scheme("panorama")).data.ravel().tolist()
    [0, 1, 5, 0]
    """
    table = np.zeros(256, np.uint8)
    for item in wanted.classes:
        table[[VALUES[name] for name in item.structures]] = item.value
    native = labels.data if wanted.name == "full" else without_insides(labels, INSIDE_OTHERS)
    return Volume(table[native], labels.grid, Quantity.LABEL)


def masks(labels: Volume, wanted: Scheme) -> dict[str, Volume]:
    """Return a mask for each class of a scheme, 0 or 1; ducts and lesions also belong to the part that they lie in.

    Args:
        labels: Native labels.
        wanted: Any scheme.
    """
    native = labels.data if wanted.name == "full" else without_insides(labels, INSIDE_OTHERS)
    parts = native
    if not wanted.exclusive:
        parts = without_insides(Volume(native, labels.grid, Quantity.LABEL), (*DUCTS, *LESIONS), PARENCHYMA)
    found = {}
    for item in wanted.classes:
        table = np.zeros(256, np.uint8)
        table[[VALUES[name] for name in item.structures]] = 1
        source = parts if not wanted.exclusive and set(item.structures) <= set(PARENCHYMA) else native
        found[item.name] = Volume(table[source], labels.grid, Quantity.LABEL)
    return found


def without_insides(labels: Volume, names: tuple[str, ...], among: tuple[str, ...] | None = None) -> NDArray[np.uint8]:
    """Return labels in which some structures are replaced by the nearest other one.

    Args:
        labels: Native labels.
        names: The structures to replace.
        among: The structures that may take their place; None for all others.
    """
    data = labels.data
    inside = np.isin(data, [VALUES[name] for name in names])
    others = ~inside if among is None else np.isin(data, [VALUES[name] for name in among])
    box = ndimage.find_objects(inside.astype(np.uint8))
    if not box or not others.any():
        return data
    around = tuple(slice(max(side.start - _REACH, 0), side.stop + _REACH) for side in box[0])
    if among is not None and not others[around].any():
        return data
    nearest = ndimage.distance_transform_edt(
        ~others[around], sampling=labels.grid.spacing_mm, return_distances=False, return_indices=True
    )
    changed = data.copy()
    changed[around] = np.where(inside[around], data[around][tuple(nearest)], data[around])
    return np.asarray(changed, dtype=np.uint8)


def checked_scheme(name: str) -> str:
    """Return the name of a scheme that can be written beside the native one.

    Raises:
        UsageError: If it does not exist, or is the native one, which every case has.

    >>> checked_scheme("msd")
    'msd'
    """
    if scheme(name).name == "full":
        raise unknown_name("further scheme", name, [other for other in SCHEMES if other != "full"])
    return name
