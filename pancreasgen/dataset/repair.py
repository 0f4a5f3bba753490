"""Damage healed: what is broken is moved aside and made again from the dataset's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pancreasgen.base.errors import UsageError
from pancreasgen.dataset.batch import Outcome, Rules, generate
from pancreasgen.dataset.build import build_case
from pancreasgen.dataset.disk import explaining, write_by_rename
from pancreasgen.dataset.files import SINOGRAM_FILE, Painters, case_facts, case_files
from pancreasgen.dataset.grammars import GrammarText
from pancreasgen.dataset.keys import differences, from_file
from pancreasgen.dataset.layout import CASE_FILE, DATASET_FILE, Store
from pancreasgen.dataset.population import PopulationText
from pancreasgen.dataset.recipe import Recipe, canonical_json
from pancreasgen.dataset.scheme_files import schemes_in
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.store import case_json, describe, locked, parse_json, read_json, sealed_copy
from pancreasgen.dataset.verify import Problem
from pancreasgen.dataset.work import Maker, Watch, make
from pancreasgen.scan.protocol import Protocol


def settings_of(store: Store) -> Settings:
    """Return the settings of a dataset, from the sealed copy of ``dataset.json`` or, if that is lost, from itself.

    Raises:
        BadInputError: If neither can be read.
        UsageError: If another version of the program or of its catalogue made the dataset.
    """
    path = store.root / DATASET_FILE
    copy = sealed_copy(store)
    data = read_json(path) if copy is None else parse_json(copy, path)
    with from_file("settings"):
        told: Mapping[str, Any] = dict(data["settings"])
        settings = Settings(
            seed=int(told["seed"]),
            people=PopulationText(told["population"], told["population_text"], told["population"]),
            grammar=GrammarText(told["grammar"]["id"], told["grammar"]["text"], told["grammar"]["id"]),
            protocol=Protocol.from_dict(told["protocol"]),
            length_mm=float(told["length_mm"]),
            overrides=told["overrides"],
            as_published=bool(told["as_published"]),
            schemes=tuple(told["schemes"]),
            keep=tuple(told["keep"]),
        )
    lines = differences(told, parse_json(canonical_json(settings.to_dict()), path))
    if lines:
        hint = "\n".join([*lines[:20], "`now` is what this version of the program makes of it"])
        raise UsageError(f"{path} was made by another version of the program, or edited", hint)
    return settings


def repair(
    store: Store,
    problems: Iterable[Problem],
    *,
    workers: int,
    painters: Painters,
    watch: Watch,
    maker: Maker = make,
) -> Outcome:
    """Make damaged cases again, and what all cases share.

    What was there is moved to ``.pancreasgen/damaged/``; nothing is deleted.

    Args:
        store: The dataset.
        problems: What :func:`~pancreasgen.dataset.verify.verify_dataset` found.
        workers: Number of processes.
        painters: Further files of a case.
        watch: Told about progress.
        maker: Makes a case.

    Raises:
        BadInputError: If the settings of the dataset are lost.
        UsageError: If another version of the program made the dataset.
        LockedError: If another run works in the folder.
    """
    settings = settings_of(store)
    broken = [problem for problem in problems if problem.is_damage]
    cases = sorted({problem.index for problem in broken if problem.index >= 0})
    with explaining(store.root, "make"):
        store.scratch.mkdir(parents=True, exist_ok=True)
    with locked(store):
        for index in cases:
            _move_aside(store, store.case_folder(index))
        for problem in broken:
            if problem.is_stray:
                _move_aside(store, store.root / problem.place)
        write_by_rename(store.root / DATASET_FILE, canonical_json(describe(settings)), store.scratch)
    rules = Rules(try_again=True, maker=maker)
    return generate(store, settings, cases, workers=workers, painters=painters, watch=watch, rules=rules)


def _move_aside(store: Store, place: Path) -> None:
    """Move a file or folder out of the dataset, keeping it."""
    if not place.exists():
        return
    aside = store.private / "damaged"
    with explaining(place, "move"):
        aside.mkdir(exist_ok=True)
        place.rename(aside / f"{place.name}.{os.urandom(4).hex()}")


def made_again(store: Store, number: int, painters: Painters, watch: Watch) -> dict[int, list[str]]:
    """Build some cases again and compare; nothing is written.

    Args:
        store: The dataset.
        number: How many, spread evenly over those that are there.
        painters: Further files of a case.
        watch: Told about progress.

    Returns:
        For each case that was built: the names of the files that came out different, ``case.json`` among them.

    Raises:
        BadInputError: If a ``case.json`` is damaged.
    """
    folders = list(store.case_folders())
    step = max(1, len(folders) // max(1, number))
    return {int(folder.name): _changed(folder, painters, watch) for folder in folders[::step][:number]}


def _changed(folder: Path, painters: Painters, watch: Watch) -> list[str]:
    told = read_json(folder / CASE_FILE)
    index = int(folder.name)
    with from_file("case"):
        listed = dict(told["files"])
        recipe = Recipe.from_dict(told["recipe"])
    case = build_case(recipe, lambda stage, done: watch(index, stage, done), SINOGRAM_FILE in listed)
    files = case_files(case, painters, schemes_in(listed))
    again = parse_json(case_json(files, case_facts(case)), folder)
    changed = sorted(name for name in files.keys() | listed.keys() if again["files"].get(name) != listed.get(name))
    watch(index, "done", 1.0)
    return changed if changed or again == told else [CASE_FILE]
