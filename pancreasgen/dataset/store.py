"""The dataset's folder. A visible case is complete: drafts live in ``.pancreasgen/`` and are renamed into place.

    OUT/dataset.json · manifest.csv · labels/ · cases/000000/…     and, for the program alone, OUT/.pancreasgen/

Nothing outside ``.pancreasgen/`` knows a clock, a host, a process or a duration: the same settings give the same tree.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pancreasgen.base.errors import BadInputError, CannotCreateError, LockedError, UsageError
from pancreasgen.dataset.disk import (
    explaining,
    input_size,
    sha256,
    sha256_of_file,
    sync_folder,
    write_by_rename,
    write_new,
)
from pancreasgen.dataset.keys import differences
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.tables import case_row, csv_bytes, label_tables

CASE_FILE, DATASET_FILE, MANIFEST_FILE = "case.json", "dataset.json", "manifest.csv"
_PRIVATE = ".pancreasgen"


@dataclass(frozen=True, slots=True)
class Store:
    """A dataset's folder.

    Attributes:
        root: The folder that the user named.
    """

    root: Path

    @property
    def cases(self) -> Path:
        """Folder of the complete cases."""
        return self.root / "cases"

    @property
    def scratch(self) -> Path:
        """Folder of drafts."""
        return self.root / _PRIVATE / "tmp"

    def case_folder(self, index: int) -> Path:
        """Return the folder of a case, whether it exists or not."""
        return self.cases / f"{index:06d}"

    def has_case(self, index: int) -> bool:
        """Whether the case is complete."""
        return (self.case_folder(index) / CASE_FILE).is_file()

    def case_folders(self) -> list[Path]:
        """Return the folders of all complete cases, sorted."""
        if not self.cases.is_dir():
            return []
        return sorted(path for path in self.cases.iterdir() if path.is_dir() and path.name.isdigit())


def open_store(root: Path, settings: Settings) -> Store:
    """Make the folder, or open it again for the same settings.

    Raises:
        CannotCreateError: If a file or another folder's content stands there; nothing is touched.
        NoPermissionError: If the system refuses.
        UsageError: If the dataset there was made with other settings; the message lists the differences.
    """
    store = Store(root)
    described = describe(settings)
    with explaining(root, "open"):
        exists, folder = root.exists(), root.is_dir()
    if exists and not folder:
        raise CannotCreateError(f"{root} is a file; a folder is wanted", "choose another place with -o")
    if (root / DATASET_FILE).is_file():
        _refuse_other(read_json(root / DATASET_FILE), described, root)
    elif folder and any(path.name != _PRIVATE for path in _listing(root)):
        raise CannotCreateError(f"{root} is not empty and holds no pancreasgen dataset", "choose a new folder with -o")
    with explaining(root, "make"):
        for place in (store.scratch, store.cases, root / "labels"):
            place.mkdir(parents=True, exist_ok=True)
    return store


def prepare(store: Store, settings: Settings) -> None:
    """Write what is the same for all cases, and clear drafts of runs that died. The lock must be held."""
    with explaining(store.scratch, "clear"):
        for draft in store.scratch.iterdir():
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
    for name, content in label_tables().items():
        _write_once(store.root / "labels" / name, content, store.scratch)
    _write_once(store.root / DATASET_FILE, canonical_json(describe(settings)), store.scratch)


def _write_once(path: Path, content: bytes, scratch: Path) -> None:
    if not path.is_file() or path.read_bytes() != content:
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
        text = path.read_bytes()
    try:
        data = json.loads(text, parse_constant=_no_constant)
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
    path = store.root / _PRIVATE / "lock"
    with explaining(path, "lock"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "an unknown process"
            raise LockedError(f"another run works in {store.root}: {holder}", "wait for it, or stop it") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{socket.gethostname()}, process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(handle)


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
    started = time.time()
    content = case_json(files, facts)
    final = store.case_folder(index)
    draft = store.scratch / f"{final.name}.{socket.gethostname()}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        write_folder(draft, {**files, CASE_FILE: content}, final)
        with explaining(final, "make"):
            if final.exists():
                _compare(final, content)
                return
            draft.rename(final)
            sync_folder(store.cases)
    finally:
        if draft.exists():
            shutil.rmtree(draft)
    _journal(store, {"case": final.name, "written": started, "host": socket.gethostname(), "pid": os.getpid()})


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


def _journal(store: Store, entry: Mapping[str, Any]) -> None:
    path = store.root / _PRIVATE / "journal.jsonl"
    line = (json.dumps(entry, sort_keys=True) + "\n").encode()
    with explaining(path, "write"):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)


def write_manifest(store: Store) -> int:
    """Write ``manifest.csv`` anew from the cases that are there; return how many there are."""
    folders = store.case_folders()
    write_by_rename(store.root / MANIFEST_FILE, manifest_bytes(store), store.scratch)
    return len(folders)


def manifest_bytes(store: Store) -> bytes:
    """Return what ``manifest.csv`` must hold for the cases that are there."""
    return csv_bytes(_row(folder) for folder in store.case_folders())


def _row(folder: Path) -> dict[str, Any]:
    path = folder / CASE_FILE
    return case_row(read_json(path), folder.name) | {"sha256.case_json": sha256_of_file(path)}
