"""Is a dataset what its hashes say?"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pancreasgen.anatomy.structures import STRUCTURES
from pancreasgen.base.errors import MissingInputError, PancreasgenError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.disk import explaining, sha256_of_file
from pancreasgen.dataset.files import VOLUMES, array_sha256
from pancreasgen.dataset.layout import CASE_FILE, DATASET_FILE, PRIVATE, SEALED_FILE, Store, case_place, strays
from pancreasgen.dataset.manifest import MANIFEST_FILE, listed_cases, manifest_agrees
from pancreasgen.dataset.nifti import read_nifti
from pancreasgen.dataset.recheck import recheck
from pancreasgen.dataset.recipe import Recipe
from pancreasgen.dataset.store import read_json, sealed_copy
from pancreasgen.dataset.tables import label_tables

_QUANTITY = {"ct": Quantity.HU} | dict.fromkeys(VOLUMES[1:], Quantity.LABEL)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be.

    Attributes:
        place: File or folder, relative to the dataset.
        text: What is wrong.
        index: Number of the case; −1 for what all cases share.
        is_damage: Whether files are not what was written; else the case itself is unusual.
        is_stray: Whether the place does not belong there at all.
    """

    place: str
    text: str
    index: int = -1
    is_damage: bool = True
    is_stray: bool = False


def opened_dataset(root: Path) -> Store:
    """Return the folder of a dataset.

    Raises:
        MissingInputError: If there is no dataset.
    """
    with explaining(root, "read"):
        found = (root / DATASET_FILE).is_file() or (root / PRIVATE / SEALED_FILE).is_file()
        parents = (*root.parents[:5], *root.resolve().parents[:5])
        above = [parent for parent in parents if (parent / DATASET_FILE).is_file()]
    if not found:
        hint = f"it lies in one: give {above[0]}" if above else "give the folder that `generate -o` made"
        raise MissingInputError(f"{root} holds no pancreasgen dataset", hint)
    return Store(root)


def verify_dataset(root: Path, limit_s: float = math.inf) -> tuple[int, list[Problem]]:
    """Check every file of a dataset: hashes, geometry, labels, anatomical checks, manifest.

    Args:
        root: Folder of the dataset.
        limit_s: Time after which no further case is looked at [s]; what all cases share is always checked.

    Returns:
        How many cases were looked at, and all problems.

    Raises:
        MissingInputError: If there is no dataset.
    """
    store = opened_dataset(root)
    end = time.monotonic() + limit_s
    problems, number = shared_problems(store), 0
    for folder in store.case_folders():
        if time.monotonic() > end:
            break
        if folder == store.case_folder(int(folder.name)):
            problems += case_problems(store, folder)
            number += 1
    return number, problems


def case_problems(store: Store, folder: Path) -> list[Problem]:
    """Return what is wrong with one case."""
    place, index = folder.relative_to(store.root).as_posix(), int(folder.name)
    return [replace(problem, index=index) for problem in _case_problems(folder, place)]


def shared_problems(store: Store) -> list[Problem]:
    """Return what is wrong with what all cases share, and which cases are missing."""
    problems = []
    try:
        read_json(store.root / DATASET_FILE)
        copy = sealed_copy(store)
        if copy is not None and copy != (store.root / DATASET_FILE).read_bytes():
            problems.append(Problem(DATASET_FILE, f"differs from its sealed copy in {PRIVATE}"))
    except PancreasgenError as error:
        problems.append(Problem(DATASET_FILE, error.message))
    for name, content in label_tables().items():
        path = store.root / "labels" / name
        if not path.is_file() or path.read_bytes() != content:
            problems.append(Problem(f"labels/{name}", "is missing or changed"))
    for index, seal in listed_cases(store):
        place, file = f"cases/{case_place(index)}", store.case_folder(index) / CASE_FILE
        if not file.is_file():
            problems.append(Problem(place, f"is in {MANIFEST_FILE}, but not there", index))
        elif sha256_of_file(file) != seal:
            problems.append(Problem(f"{place}/{CASE_FILE}", f"differs from what {MANIFEST_FILE} says of it", index))
    problems += [
        Problem(path.relative_to(store.root).as_posix(), "does not belong there", is_stray=True)
        for path in strays(store)
    ]
    if any(problem.index >= 0 for problem in problems):
        return problems
    try:
        if not manifest_agrees(store):
            problems.append(Problem(MANIFEST_FILE, "does not agree with the cases"))
    except (PancreasgenError, KeyError, TypeError, AttributeError) as error:
        text = f"cannot be compared, because a {CASE_FILE} is damaged: {error}"
        problems.append(Problem(MANIFEST_FILE, text))
    return problems


def _case_problems(folder: Path, place: str) -> list[Problem]:
    try:
        case = read_json(folder / CASE_FILE)
        recipe, listed, arrays = Recipe.from_dict(case["recipe"]), dict(case["files"]), dict(case["arrays"])
        failed = [check["name"] for check in case["checks"] if not check["passed"]]
        dict(case["measured"])
    except PancreasgenError as error:
        return [Problem(f"{place}/{CASE_FILE}", error.message)]
    except (KeyError, TypeError, ValueError) as error:
        return [Problem(f"{place}/{CASE_FILE}", f"is incomplete: {error}")]
    problems = [Problem(place, f"the check {name} did not pass", is_damage=False) for name in failed]
    if recipe.index != int(folder.name):
        problems.append(Problem(f"{place}/{CASE_FILE}", f"is that of case {recipe.index}"))
    broken = [Problem(f"{place}/{name}", text) for name, text in _file_problems(folder, listed)]
    problems += broken
    for name in VOLUMES:
        file = f"{name}.nii.gz"
        if file not in listed:
            problems.append(Problem(f"{place}/{file}", f"is not listed in {CASE_FILE}"))
        elif (folder / file).is_file():
            text = _volume_problem(folder / file, name, arrays.get(name, ""), recipe.image_grid)
            problems += [Problem(f"{place}/{file}", text)] if text else []
    if not broken:  # what is no longer what was written need not be measured
        found = recheck(folder, recipe, case["measured"])
        problems += [Problem(f"{place}/{name}" if name else place, text, -1, harm) for name, text, harm in found]
    return problems


def _file_problems(folder: Path, listed: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    problems = [(name, f"is not listed in {CASE_FILE}") for name in sorted(found - set(listed) - {CASE_FILE})]
    for name, facts in sorted(listed.items()):
        if name not in found:
            problems.append((name, "is missing"))
        elif (folder / name).stat().st_size != facts["bytes"]:
            problems.append((name, f"has {(folder / name).stat().st_size:,} bytes instead of {facts['bytes']:,}"))
        elif sha256_of_file(folder / name) != facts["sha256"]:
            problems.append((name, "was changed: its SHA-256 differs"))
    return problems


def _volume_problem(path: Path, name: str, told: str, grid: Grid) -> str:
    """Return what is wrong with a volume, or an empty text."""
    try:
        volume, _ = read_nifti(path, _QUANTITY[name])
    except PancreasgenError as error:
        return error.message
    if volume.grid.shape != grid.shape or not np.array_equal(volume.grid.affine, grid.affine.astype(np.float32)):
        return "does not lie where the recipe says"
    if name == "labels" and volume.data.max() >= len(STRUCTURES):
        return f"holds label {volume.data.max()}, which is not in the table"
    quantity = Quantity.FRACTION if name == "ducts_fraction" else volume.quantity
    if array_sha256(Volume(volume.data, volume.grid, quantity)) != told:
        return "holds other voxels than those that were written"
    return ""
