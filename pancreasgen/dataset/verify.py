"""Is a dataset what its hashes say? And does a recipe make the same case again?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pancreasgen.anatomy.structures import STRUCTURES
from pancreasgen.base.errors import BadInputError, CannotCreateError, MissingInputError, PancreasgenError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.build import Report, build_case, silent
from pancreasgen.dataset.disk import check_folder, explaining, refuse_same, sha256_of_file
from pancreasgen.dataset.files import SINOGRAM_FILE, VOLUMES, Painters, array_sha256, case_facts, case_files
from pancreasgen.dataset.keys import from_file
from pancreasgen.dataset.nifti import read_nifti
from pancreasgen.dataset.recheck import recheck
from pancreasgen.dataset.recipe import Recipe
from pancreasgen.dataset.scheme_files import schemes_in
from pancreasgen.dataset.store import (
    CASE_FILE,
    DATASET_FILE,
    MANIFEST_FILE,
    Store,
    case_json,
    manifest_bytes,
    read_json,
    write_folder,
)
from pancreasgen.dataset.tables import label_tables

_QUANTITY = {"ct": Quantity.HU} | dict.fromkeys(VOLUMES[1:], Quantity.LABEL)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be.

    Attributes:
        place: File or folder, relative to the dataset.
        text: What is wrong.
    """

    place: str
    text: str


def verify_dataset(root: Path) -> tuple[int, list[Problem]]:
    """Check every file of a dataset: hashes, geometry, labels, anatomical checks, manifest.

    Returns:
        How many cases there are, and all problems.

    Raises:
        MissingInputError: If there is no dataset.
    """
    with explaining(root, "read"):
        found = (root / DATASET_FILE).is_file()
        parents = (*root.parents[:2], *root.resolve().parents[:2])
        above = [parent for parent in parents if (parent / DATASET_FILE).is_file()]
    if not found:
        hint = f"it lies in one: give {above[0]}" if above else "give the folder that `generate -o` made"
        raise MissingInputError(f"{root} holds no pancreasgen dataset", hint)
    store = Store(root)
    problems = _shared_files(store)
    folders = store.case_folders()
    for folder in folders:
        problems += _case_problems(folder, f"cases/{folder.name}")
    return len(folders), problems


def _shared_files(store: Store) -> list[Problem]:
    problems = []
    try:
        read_json(store.root / DATASET_FILE)
    except PancreasgenError as error:
        problems.append(Problem(DATASET_FILE, error.message))
    for name, content in label_tables().items():
        path = store.root / "labels" / name
        if not path.is_file() or path.read_bytes() != content:
            problems.append(Problem(f"labels/{name}", "is missing or changed"))
    for folder in store.case_folders():
        if not (folder / CASE_FILE).is_file():
            problems.append(Problem(f"cases/{folder.name}", f"has no {CASE_FILE}"))
            return problems
    manifest = store.root / MANIFEST_FILE
    try:
        wanted = manifest_bytes(store)
    except (PancreasgenError, KeyError, TypeError, AttributeError) as error:
        return [*problems, Problem(MANIFEST_FILE, f"cannot be compared, because a {CASE_FILE} is damaged: {error}")]
    if not manifest.is_file() or manifest.read_bytes() != wanted:
        problems.append(Problem(MANIFEST_FILE, "does not agree with the cases"))
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
    problems = [Problem(place, f"the check {name} did not pass") for name in failed]
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
        problems += [Problem(f"{place}/{name}" if name else place, text) for name, text in found]
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


def rebuild_case(case_file: Path, out: Path, painters: Painters, report: Report = silent) -> list[str]:
    """Build a case again from its ``case.json`` alone and write it into a new folder.

    Args:
        case_file: A ``case.json``.
        out: Folder to make; it must not exist, or be empty.
        painters: Further files of a case.
        report: Told about progress.

    Returns:
        The names of arrays and files that came out different.

    Raises:
        BadInputError: If the file is not a case, or a value in it is missing, of the wrong kind or out of range.
        UsageError: If the folder is the file.
        CannotCreateError: If the folder holds something.
        NoPermissionError: If a file may not be read or made.
    """
    refuse_same(out, case_file)
    told = read_json(case_file)
    if not isinstance(told.get("recipe"), Mapping) or not isinstance(told.get("arrays"), Mapping):
        raise BadInputError(f"{case_file} is not a pancreasgen case", "give the case.json of a case")
    recipe = _recipe(told["recipe"], case_file)
    _check_new_folder(out)
    listed = told.get("files") or ()
    case = build_case(recipe, report, keep_sinogram=SINOGRAM_FILE in listed)
    files, facts = case_files(case, painters, schemes_in(listed)), case_facts(case)
    content = case_json(files, facts)
    place = out.resolve()  # `.` and `..` get a name
    draft = place.with_name(f".{place.name}.{recipe.index}.draft")
    try:
        write_folder(draft, {**files, CASE_FILE: content}, out)
        with explaining(out, "make"):
            draft.rename(place)
    finally:
        if draft.exists():
            shutil.rmtree(draft)
    made = read_json(out / CASE_FILE)
    return _changed(told, made)


def _recipe(data: Mapping[str, Any], file: Path) -> Recipe:
    """Return the recipe of a file, its grammar and the grammar's values checked; all errors name the file."""
    try:
        recipe = Recipe.from_dict(data)
        with from_file("subject.ducts"):
            recipe.grammar.with_values(dict(recipe.subject.ducts))
    except PancreasgenError as error:
        raise BadInputError(f"{file}, recipe: {error.message}", error.hint) from error
    return recipe


def _check_new_folder(out: Path) -> None:
    """Find out before the work whether a folder can be made."""
    with explaining(out, "open"):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise CannotCreateError(f"{out} exists and is not an empty folder", "choose another folder with -o")
        place = out.resolve().parent
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise CannotCreateError(f"{place} is not a folder", "choose another place with -o")
    check_folder(place, out)


def _changed(told: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    arrays = [f"array {name}" for name in sorted(made["arrays"]) if told["arrays"].get(name) != made["arrays"][name]]
    files = told.get("files")
    if not isinstance(files, Mapping):
        return [*arrays, "the list of files"]
    return arrays + [name for name in sorted(made["files"]) if files.get(name) != made["files"][name]]
