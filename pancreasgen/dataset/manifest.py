"""The manifest: a row a case, derived from the cases, in memory that does not grow with their number.

A first pass makes the cells of each case and writes them to a spool, with the columns they belong to; a second pass
lays the spool out under the union of all columns. The spool of the last time is kept: what it tells of a ``case.json``
whose size and time have not changed need not be read again.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pancreasgen.base.errors import UsageError
from pancreasgen.dataset.disk import explaining, input_size, sha256, sync_folder
from pancreasgen.dataset.layout import CASE_FILE, Store
from pancreasgen.dataset.manifest_sinks import Columns, Compared, Csv, Parquet, Sink
from pancreasgen.dataset.store import parse_json
from pancreasgen.dataset.tables import case_row

MANIFEST_FILE, PARQUET_FILE = "manifest.csv", "manifest.parquet"
_SPOOL, _SEAL = "rows.jsonl", "sha256.case_json"
_KINDS: dict[type, str] = {bool: "b", int: "i", float: "f", type(None): "n"}


def write_manifest(store: Store, parquet: bool = False) -> int:
    """Write ``manifest.csv`` anew from the cases that are there; return how many there are.

    A Parquet file that is there is written anew as well, or removed where pyarrow is missing: it would be out of date.

    Args:
        store: The dataset.
        parquet: Whether to write ``manifest.parquet`` too.

    Raises:
        UsageError: If Parquet is asked for and pyarrow is not installed.
        BadInputError: If a ``case.json`` is damaged.
    """
    parquet_file = store.root / PARQUET_FILE
    columns, number = _spool(store)
    path = store.root / MANIFEST_FILE
    with _drafted(store, path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        _lay_out(store, columns, Csv(stream, columns))
    if not parquet and not parquet_file.exists():
        return number
    try:
        import pyarrow  # noqa: F401  (is it there?)
    except ImportError:
        parquet_file.unlink(missing_ok=True)
        if parquet:
            raise UsageError("a Parquet manifest needs pyarrow", "pip install 'pancreasgen[parquet]'") from None
        return number
    with _drafted(store, parquet_file) as draft:
        sink = Parquet(draft, columns)
        _lay_out(store, columns, sink)
        sink.close()
    return number


def manifest_bytes(store: Store) -> bytes:
    """Return what ``manifest.csv`` must hold for the cases that are there, without believing an older spool.

    For tests and small datasets: all of it is held in memory.
    """
    columns, rows = Columns(), []
    for folder in store.case_folders():
        signature, cells = _cells(store, folder)
        columns.add(signature)
        rows.append((signature, cells))
    stream = io.StringIO(newline="")
    sink = Csv(stream, columns)
    for signature, cells in rows:
        sink.write(_placed(columns.names(), signature)(cells))
    return stream.getvalue().encode()


def manifest_agrees(store: Store) -> bool:
    """Whether ``manifest.csv`` is what the cases say; they are read anew, whatever an older spool tells.

    Raises:
        BadInputError: If a ``case.json`` is damaged.
    """
    columns, _ = _spool(store, believe=False)
    path = store.root / MANIFEST_FILE
    if not path.is_file():
        return False
    with explaining(path, "read"), path.open("rb") as stream:
        sink = Compared(stream, columns)
        _lay_out(store, columns, sink)
        return sink.agrees and not stream.read(1)


@contextmanager
def _drafted(store: Store, path: Path) -> Iterator[Path]:
    """Give the name of a draft to write; afterwards the disk holds it and it takes the path's place in one step."""
    draft = store.scratch / f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    with explaining(path, "write", inner=False):
        try:
            yield draft
            with draft.open("rb") as stream:
                os.fsync(stream.fileno())
            draft.replace(path)
            sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)


def _spool(store: Store, believe: bool = True) -> tuple[Columns, int]:
    """Write the spool anew; return the columns of all rows and the number of rows."""
    path = store.private / _SPOOL
    columns, number, known = Columns(), 0, dict[str, int]()
    old = _old_rows(path) if believe else iter(())
    ahead = next(old, None)
    with _drafted(store, path) as draft, draft.open("w", encoding="utf-8") as stream:
        for folder in store.case_folders():
            index = int(folder.name)
            while ahead is not None and ahead.index < index:
                ahead = next(old, None)
            stamp = _stamp(folder / CASE_FILE)
            if ahead is not None and ahead.index == index and ahead.stamp == stamp:
                signature, cells = ahead.signature, ahead.cells
            else:
                names, values = _cells(store, folder)
                signature, cells = json.dumps(names), json.dumps(values)
            if signature not in known:
                known[signature] = len(known)
                columns.add(json.loads(signature))
                stream.write(f"columns\t{signature}\n")
            stream.write(f"{index}\t{stamp}\t{known[signature]}\t{_seal(index, stamp, signature, cells)}\t{cells}\n")
            number += 1
    return columns, number


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the spool; its parts stay text, because most are only copied.

    Attributes:
        index: Number of the case.
        stamp: Size and time of its ``case.json``.
        signature: Its columns, a list of ``kind:name`` in JSON.
        cells: Their values, a list of texts in JSON.
    """

    index: int
    stamp: str
    signature: str
    cells: str


def _old_rows(path: Path) -> Iterator[_Row]:
    """Yield the rows of a spool as far as it is whole."""
    if not path.is_file():
        return
    signatures: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as stream, suppress(ValueError, IndexError):
        for line in stream:
            words = line.rstrip("\n").split("\t", 4)
            if words[0] == "columns":
                signatures.append(words[1])
                continue
            row = _Row(int(words[0]), words[1], signatures[int(words[2])], words[4])
            if words[3] != _seal(row.index, row.stamp, row.signature, row.cells):
                return
            yield row


def _seal(index: int, stamp: str, signature: str, cells: str) -> str:
    return sha256(f"{index} {stamp} {signature} {cells}".encode())[:8]


def _stamp(path: Path) -> str:
    with explaining(path, "read"):
        facts = path.stat()
    return f"{facts.st_size} {facts.st_mtime_ns}"


def _cells(store: Store, folder: Path) -> tuple[list[str], list[str]]:
    """Return the columns of a case's row, each as ``kind:name``, and its cells."""
    path = folder / CASE_FILE
    input_size(path, "file")
    with explaining(path, "read"):
        content = path.read_bytes()
    row = case_row(parse_json(content, path), folder.relative_to(store.cases).as_posix())
    row[_SEAL] = sha256(content)
    signature = [f"{_KINDS.get(type(value), 's')}:{name}" for name, value in row.items()]
    return signature, [_text(value) for value in row.values()]


def _text(value: Any) -> str:
    """Return a value as text; what a spreadsheet would take for a formula gets an apostrophe in front.

    >>> _text("=1+1"), _text(-0.5), _text(None)
    ("'=1+1", '-0.5', '')
    """
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _lay_out(store: Store, columns: Columns, sink: Sink) -> None:
    """Hand the rows of the spool to a sink, each cell in its column."""
    names, placed = columns.names(), dict[str, Callable[[list[str]], list[str]]]()
    for row in _old_rows(store.private / _SPOOL):
        if row.signature not in placed:
            placed[row.signature] = _placed(names, json.loads(row.signature))
        sink.write(placed[row.signature](json.loads(row.cells)))


def _placed(names: list[str], signature: list[str]) -> Callable[[list[str]], list[str]]:
    """Return the function that puts the cells of a signature into the order of the names, with blanks between."""
    place = {word.partition(":")[2]: number for number, word in enumerate(signature)}
    order = [place.get(name, len(signature)) for name in names]
    return lambda cells: [*map([*cells, ""].__getitem__, order)]


def listed_cases(store: Store) -> Iterator[tuple[int, str]]:
    """Yield number and SHA-256 of ``case.json`` of the cases that ``manifest.csv`` lists, as far as it can be read."""
    path = store.root / MANIFEST_FILE
    if not path.is_file():
        return
    with explaining(path, "read"), path.open(encoding="utf-8", errors="replace", newline="") as stream:
        rows = csv.reader(stream)
        with suppress(StopIteration, csv.Error, ValueError, IndexError):
            names = next(rows)
            number, seal = names.index("index"), names.index(_SEAL)
            while True:
                row = next(rows)
                if row[number].isdecimal() and len(row[number]) < 12:
                    yield int(row[number]), row[seal]
