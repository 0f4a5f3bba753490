"""The checks of a case repeated from its files alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pancreasgen.base.errors import PancreasgenError
from pancreasgen.base.grid import Quantity
from pancreasgen.dataset.checks import check_case, failures
from pancreasgen.dataset.ducts_read import read_graphml
from pancreasgen.dataset.measure import voxel_measures
from pancreasgen.dataset.nifti import read_nifti
from pancreasgen.dataset.recipe import Recipe
from pancreasgen.dataset.scheme_files import scheme_files, schemes_in

_FILES = {"labels": Quantity.LABEL, "ct": Quantity.HU, "ducts_fraction": Quantity.LABEL, "centerline": Quantity.LABEL}
_TOLERANCE = 1e-6


def recheck(folder: Path, recipe: Recipe, measured: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return name of file, what is wrong, and whether files differ from what was written; each file must be there.

    Args:
        folder: The case.
        recipe: Its recipe, for phase and population.
        measured: The measures that ``case.json`` tells; the files must give the same ones.

    What only the organ's exact shape tells (its volume, ducts inside it) cannot be repeated from the files; the label
    volume tells the same to the voxel.
    """
    try:
        volumes = {name: read_nifti(folder / f"{name}.nii.gz", kind)[0] for name, kind in _FILES.items()}
        network = read_graphml(folder / "ducts.graphml")
    except PancreasgenError as error:
        return [("", error.message, True)]
    labels = volumes["labels"]
    found = voxel_measures(network, labels, volumes["ct"], volumes["ducts_fraction"], volumes["centerline"])
    checks = check_case(found, recipe.protocol.phase, recipe.ranges, recipe.protocol.kvp)
    problems = [("", f"measured again, {reason}", False) for reason in failures(checks)]
    for name, value in found.items():
        told = measured.get(name)
        if not isinstance(told, int | float) or abs(told - value) > _TOLERANCE * max(1.0, abs(value)):
            problems.append(("", f"{name} is {value:.6g} in the files, and case.json tells {told}", True))
    return problems + [(name, text, True) for name, text in _schemes(folder, labels)]


def _schemes(folder: Path, labels: Any) -> list[tuple[str, str]]:
    """Return the files of schemes that do not follow from the native labels."""
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("labels_*/*.nii.gz")}
    present |= {path.name for path in folder.glob("labels_*.nii.gz")}
    wanted = scheme_files(labels, schemes_in(present))
    problems = [(name, "belongs to no scheme, or to none whole") for name in sorted(present ^ wanted.keys())]
    changed = [name for name in sorted(present & wanted.keys()) if (folder / name).read_bytes() != wanted[name]]
    return problems + [(name, "does not follow from labels.nii.gz") for name in changed]
