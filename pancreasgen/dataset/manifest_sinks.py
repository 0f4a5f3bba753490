"""What takes the rows of a manifest: a CSV file, a comparison with one, a Parquet file. None holds more than a few."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

_FIRST = ("index", "case", "seed", "checks_passed")
_ROWS_PER_GROUP = 5_000


class Sink(Protocol):
    """What takes rows of cells."""

    def write(self, cells: list[str]) -> None:
        """Take one row; the columns are known from the start."""


@dataclass(slots=True)
class Columns:
    """Columns of all rows so far, and the kinds of values in them.

    Attributes:
        kinds: Name → kinds of its values: ``b``, ``i``, ``f``, ``n`` for none, or ``s`` for text.
    """

    kinds: dict[str, set[str]] = field(default_factory=dict)

    def add(self, signature: list[str]) -> None:
        """Take the columns of a row, each as ``kind:name``."""
        for word in signature:
            kind, _, name = word.partition(":")
            self.kinds.setdefault(name, set()).add(kind)

    def names(self) -> list[str]:
        """Return the names: the first ones fixed, the others sorted."""
        return [name for name in _FIRST if name in self.kinds] + sorted(self.kinds.keys() - set(_FIRST))


class Csv:
    """Rows as CSV."""

    def __init__(self, stream: Any, columns: Columns) -> None:
        self._writer = csv.writer(stream)
        self._writer.writerow(columns.names())

    def write(self, cells: list[str]) -> None:
        """Write one row."""
        self._writer.writerow(cells)


class Compared:
    """Rows held against a file of them."""

    def __init__(self, stream: IO[bytes], columns: Columns) -> None:
        self._line, self._file, self.agrees = io.StringIO(newline=""), stream, True
        self._csv = Csv(self._line, columns)
        self._compare()

    def write(self, cells: list[str]) -> None:
        """Compare one row."""
        self._csv.write(cells)
        self._compare()

    def _compare(self) -> None:
        wanted = self._line.getvalue().encode()
        self.agrees = self.agrees and self._file.read(len(wanted)) == wanted
        self._line.seek(0)
        self._line.truncate()


class Parquet:
    """Rows as Parquet, a few thousand at a time."""

    def __init__(self, path: Path, columns: Columns) -> None:
        import pyarrow
        from pyarrow import parquet

        self._names, self._rows = columns.names(), list[list[str]]()
        kinds = [_type(columns.kinds[name]) for name in self._names]
        self._makers: list[Callable[[str], Any]] = [_truth if kind is bool else kind for kind in kinds]
        types = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
        self._schema = pyarrow.schema([(name, types[kind]) for name, kind in zip(self._names, kinds, strict=True)])
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, cells: list[str]) -> None:
        """Keep a row until there are enough for a group."""
        self._rows.append(cells)
        if len(self._rows) == _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        turned = zip(*self._rows, strict=True) if self._rows else [()] * len(self._names)
        arrays = [
            pyarrow.array([make(cell) if cell else None for cell in column], kind)
            for column, make, kind in zip(turned, self._makers, self._schema.types, strict=True)
        ]
        self._writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()


def _type(kinds: set[str]) -> type:
    """Return the one type that holds all values of a column; empty cells fit into any.

    >>> _type({"i", "f"}), _type({"i", "s"}), _type({"n"})
    (<class 'float'>, <class 'str'>, <class 'str'>)
    """
    some = kinds - {"n"}
    if some and some <= {"i", "f"}:
        return float if "f" in some else int
    return bool if some == {"b"} else str


def _truth(text: str) -> bool:
    return text == "True"
