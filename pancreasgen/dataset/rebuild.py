"""Does a recipe make the same case again?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pancreasgen.base.errors import BadInputError, CannotCreateError, PancreasgenError
from pancreasgen.dataset.build import Report, build_case, silent
from pancreasgen.dataset.disk import check_folder, explaining, refuse_same
from pancreasgen.dataset.files import SINOGRAM_FILE, Painters, case_facts, case_files
from pancreasgen.dataset.keys import from_file
from pancreasgen.dataset.layout import CASE_FILE
from pancreasgen.dataset.recipe import Recipe
from pancreasgen.dataset.scheme_files import schemes_in
from pancreasgen.dataset.store import case_json, read_json, write_folder


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
