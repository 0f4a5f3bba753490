"""Do the written label schemes hold what is published for them? Part of `verify_cases.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from verify_cases_lists import DUCTS, FILLING, ORGAN_MASKS, SAME, SCHEMES

if TYPE_CHECKING:
    from verify_cases import Case


def check_schemes(case: Case) -> None:
    for name, table in SCHEMES.items():
        path = case.folder / f"labels_{name}.nii.gz"
        if path.is_file():
            image = nib.load(path)
            data = np.asarray(image.dataobj)
            if data.shape != case.labels.shape or not np.array_equal(image.affine, case.affine):
                case.wrong("a scheme on another grid", name)
            strangers = np.setdiff1d(np.unique(data), [0, *table.values()])
            if len(strangers):
                case.wrong("a value that the scheme does not have", f"{name} {strangers.tolist()}")
            for value, natives in SAME.get(name, {}).items():
                inside = np.isin(case.labels, FILLING)
                if ((data == value) != case.mask(*natives))[~inside].any():
                    case.wrong("a scheme that disagrees with the native labels", f"{name} {value}")
        masks = {p.name.removesuffix(".nii.gz"): p for p in (case.folder / f"labels_{name}").glob("*.nii.gz")}
        if masks:
            check_masks(case, name, table, masks)


def check_masks(case: Case, scheme: str, table: dict[str, int], masks: dict[str, Path]) -> None:
    if set(masks) != set(table):
        case.wrong("masks that the scheme does not have", f"{scheme} {sorted(set(masks) ^ set(table))}")
    total = np.zeros(case.labels.shape, np.uint8)
    data = {name: np.asarray(nib.load(path).dataobj) for name, path in masks.items()}
    for name, mask in data.items():
        if mask.max() > 1:
            case.wrong("a mask that is not 0 and 1", name)
        total += mask if name in ORGAN_MASKS else 0
    if (total > 1).any():
        case.wrong("a pixel of two organs", int((total > 1).sum()))
    for part in ("pancreas_head", "pancreas_body", "pancreas_tail", "pancreatic_duct", "pancreatic_lesion"):
        if (data[part] > data["pancreas"]).any():
            case.wrong("a part of the pancreas outside the pancreas", part)
    same = np.array_equal(data["pancreatic_duct"] > 0, np.isin(case.labels, DUCTS))
    if not same and not np.isin(case.labels, FILLING).any():
        case.wrong("a duct mask that disagrees with the native labels")
