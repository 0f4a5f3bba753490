"""The dataset's folder. A visible case is complete: drafts live in ``.pancreasgen/`` and are renamed into place.

    OUT/dataset.json · manifest.csv · labels/ · cases/000000/…     and, for the program alone, OUT/.pancreasgen/

Nothing outside ``.pancreasgen/`` knows a clock, a host, a process or a duration: the same settings give the same tree.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pancreasgen.base.errors import BadInputError, CannotCreateError, UsageError
from pancreasgen.dataset.disk import (
    explaining,
    input_size,
    sha256,
    sync_folder,
    write_by_rename,
    write_new,
)
from pancreasgen.dataset.keys import differences
from pancreasgen.dataset.layout import CASE_FILE, DATASET_FILE, PRIVATE, SEALED_FILE, Store
from pancreasgen.dataset.lock import briefly, held
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.tables import label_tables


def open_store(root: Path, settings: Settings, shard: str = "") -> Store:
    """Make the folder, or open it again for the same settings.

    Args:
        root: The folder.
        settings: What all cases share.
        shard: Name of the shard that wants to work here; empty for the whole.

    Raises:
        CannotCreateError: If a file or another folder's content stands there; nothing is touched.
        NoPermissionError: If the system refuses.
        UsageError: If the dataset there was made with other settings; the message lists the differences.
    """
    store = Store(root, shard)
    described = describe(settings)
    with explaining(root, "open"):
        exists, folder = root.exists(), root.is_dir()
    if exists and not folder:
        raise CannotCreateError(f"{root} is a file; a folder is wanted", "choose another place with -o")
    if (root / DATASET_FILE).is_file():
        _refuse_other(read_json(root / DATASET_FILE), described, root)
    elif folder and any(path.name != PRIVATE for path in _listing(root)):
        raise CannotCreateError(f"{root} is not empty and holds no pancreasgen dataset", "choose a new folder with -o")
    with explaining(root, "make"):
        # what others can see comes after dataset.json: a run that dies before has left an empty folder, not a riddle
        for place in (store.scratch, *((store.cases, root / "labels") if (root / DATASET_FILE).is_file() else ())):
            place.mkdir(parents=True, exist_ok=True)
    return store


def prepare(store: Store, settings: Settings) -> None:
    """Write what is the same for all cases, and clear drafts of runs that died. The lock must be held.

    Raises:
        UsageError: If meanwhile another run began a dataset with other settings here.
    """
    with explaining(store.scratch, "clear"):
        store.scratch.mkdir(parents=True, exist_ok=True)  # a whole run may have cleared that of a shard
    clear_drafts(store)
    described = describe(settings)
    content = canonical_json(described)
    with briefly(store.private):
        if (store.root / DATASET_FILE).is_file():
            _refuse_other(read_json(store.root / DATASET_FILE), described, store.root)
        _write_once(store.private / SEALED_FILE, f"{sha256(content)}\n".encode() + content, store.scratch)
        _write_once(store.root / DATASET_FILE, content, store.scratch)
        with explaining(store.root, "make"):
            for place in (store.cases, store.root / "labels"):
                place.mkdir(exist_ok=True)
        for name, table in label_tables().items():
            _write_once(store.root / "labels" / name, table, store.scratch)


def sealed_copy(store: Store) -> bytes | None:
    """Return the copy of ``dataset.json`` that lies hidden with its SHA-256; None if it is lost or damaged."""
    path = store.private / SEALED_FILE
    if not path.is_file():
        return None
    with explaining(path, "read"):
        told, _, content = path.read_bytes().partition(b"\n")
    return content if told.decode(errors="replace") == sha256(content) else None


def clear_drafts(store: Store) -> None:
    """Remove all drafts: nobody else writes here while the lock is held."""
    with explaining(store.scratch, "clear"):
        for draft in list(store.scratch.iterdir()):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink(missing_ok=True)


def _write_once(path: Path, content: bytes, scratch: Path) -> None:
    with explaining(path, "read"):
        is_right = path.is_file() and path.read_bytes() == content
    if not is_right:
        write_by_rename(path, content, scratch)


def _listing(root: Path) -> Iterator[Path]:
    with explaining(root, "read"):
        yield from root.iterdir()


def describe(settings: Settings) -> dict[str, Any]:
    """Return the content of ``dataset.json``."""
    parameters = {f"ducts.{item.name}": item.source or "not stated" for item in settings.rules.parameters.values()}
    return {
        "format": "pancreasgen dataset",
        "synthetic": True,
        "note": "Computer-made images. No patient was scanned.",
        "licence": "CC0-1.0 for the data; Apache-2.0 for the program",
        "space": "RAS+ mm",
        "settings": settings.to_dict(),
        "sources": settings.laws.sources() | parameters,
        "laws_by_source": settings.laws.worth(),
        "labels": "labels/labels.json",
    }


def _refuse_other(found: Mapping[str, Any], wanted: Mapping[str, Any], root: Path) -> None:
    old = found.get("settings")
    if not isinstance(old, Mapping):
        raise BadInputError(f"{root / DATASET_FILE} is not a description of a pancreasgen dataset")
    lines = differences(old, json.loads(canonical_json(wanted["settings"])))
    if lines:
        hint = "\n".join([*lines[:20], "choose another folder with -o, or give the settings of that dataset again"])
        raise UsageError(f"{root} holds a dataset that was made with other settings", hint)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object that this program wrote.

    Raises:
        MissingInputError: If there is no such file.
        BadInputError: If it is not a JSON object.
    """
    input_size(path, "file")
    with explaining(path, "read"):
        return parse_json(path.read_bytes(), path)


def parse_json(content: bytes, path: Path) -> dict[str, Any]:
    """Return the JSON object in a file's content.

    Raises:
        BadInputError: If it is not a JSON object; the message names the path.
    """
    try:
        data = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadInputError(f"{path} must hold a JSON object")
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


@contextlib.contextmanager
def locked(store: Store) -> Iterator[None]:
    """Hold the folder's lock; it falls with the process, however that ends.

    Raises:
        LockedError: If another run holds it; the message names its host and process.
    """
    with held(store.private, store.shard, store.root):
        yield


def write_case(store: Store, index: int, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
    """Write a case so that it is complete or absent.

    Draft folder → each file new and synced → ``case.json`` last → folder synced → renamed into place → parent synced →
    one line in the journal. A case that is there already is compared, never replaced.

    Args:
        store: The dataset.
        index: Number of the case.
        files: Name → content of all files but ``case.json``; names may hold one folder.
        facts: Content of ``case.json`` but for the files' hashes.

    Raises:
        BadInputError: If the case is there already with other content.
        DiskError: If the disk is full or fails; no half case is left visible.
    """
    content = case_json(files, facts)
    final = store.case_folder(index)
    draft = store.scratch / f"{final.name}.{socket.gethostname()}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        write_folder(draft, {**files, CASE_FILE: content}, final)
        with explaining(final, "make"):
            if final.exists():
                _compare(final, content)
                return
            parents = _new_parents(final)
            draft.rename(final)
            for place in (final.parent, *parents):
                sync_folder(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # what is left of it, the next run clears
    journal(store, {"case": index, "event": "written"})


def _new_parents(final: Path) -> list[Path]:
    """Make the folders above a case; return those in which a name is new, the nearest first."""
    missing = [place for place in final.parents[:3] if not place.exists()]
    final.parent.mkdir(parents=True, exist_ok=True)
    return [place.parent for place in missing]


def write_folder(folder: Path, files: Mapping[str, bytes], shown: Path) -> None:
    """Write files into a new folder, in their order, and wait until the disk holds them.

    Args:
        folder: The folder, often a draft's.
        files: Name → content; names may hold one folder.
        shown: What the user calls the folder.
    """
    with explaining(shown, "make", inner=False):
        folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        with explaining(shown, "make", inner=False):
            path.parent.mkdir(exist_ok=True)
        write_new(path, content, shown / name)
    with explaining(shown, "write", inner=False):
        sync_folder(folder)


def case_json(files: Mapping[str, bytes], facts: Mapping[str, Any]) -> bytes:
    """Return the content of ``case.json``: the facts, and size and SHA-256 of every other file."""
    listed = {name: {"bytes": len(content), "sha256": sha256(content)} for name, content in files.items()}
    return canonical_json({"format": "pancreasgen case", "synthetic": True, **facts, "files": listed})


def _compare(final: Path, content: bytes) -> None:
    there = read_json(final / CASE_FILE)
    if canonical_json(there) != content:
        raise BadInputError(
            f"{final} is there already and differs from what was just made",
            "`pancreasgen verify` tells whether it is damaged; move it away to have it made again",
        )


def journal(store: Store, entry: Mapping[str, Any]) -> None:
    """Add a line to the journal: what happened, when, and who did it."""
    path = store.private / "journal.jsonl"
    who = {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
    line = (json.dumps({**who, **entry}, sort_keys=True) + "\n").encode()
    with explaining(path, "write"):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)


def journalled_seconds(store: Store) -> list[float]:
    """Return how long the last 1,000 cases took [s], as the journal tells; what it does not tell well is left out."""
    path = store.private / "journal.jsonl"
    if not path.is_file():
        return []
    found: deque[float] = deque(maxlen=1000)
    with explaining(path, "read"), path.open("rb") as stream:
        for line in stream:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # a line torn by a power cut
                found.append(float(json.loads(line)["seconds"]))
    return list(found)
