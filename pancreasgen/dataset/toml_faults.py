"""Faults in a TOML text, each with the line that it stands on: all are found, then told in one letter."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import Diagnostic, DiagnosticError, PancreasgenError

CODE = "TF301"
_HEADER = re.compile(r"^\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?P<name>\"[^\"]*\"|'[^']*'|[A-Za-z0-9_.-]+)\s*=")


class TomlFaults:
    r"""A text with the faults found in it so far.

    Args:
        text: The whole file.
        file: Name of the file as the user knows it.

    >>> faults = TomlFaults("[g.a]\nmaen = 3\n", "p.toml")
    >>> faults.add(("g", "a", "maen"), "g.a has an unknown field `maen`", "did you mean `mean`?")
    >>> faults.found[0].line, faults.found[0].column
    (2, 1)
    """

    def __init__(self, text: str, file: str) -> None:
        """Keep the text; no fault is known yet."""
        self._lines = text.splitlines()
        self._file = file
        self.found: list[Diagnostic] = []

    def parsed(self) -> dict[str, Any]:
        """Return the parsed text.

        Raises:
            DiagnosticError: If it is not TOML.
        """
        text = "\n".join(self._lines) + "\n"
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
            line, column = (int(place[1]), int(place[2])) if place else (len(self._lines), 1)
            words = str(error).partition(" (at ")[0]
            self._append(f"this is not TOML: {words}", "", min(line, max(len(self._lines), 1)), column)
        raise DiagnosticError(self.found)

    def add(self, path: tuple[str, ...], message: str, hint: str = "") -> None:
        """Note a fault.

        Args:
            path: Keys that lead to it, outermost first; it is shown at the deepest of them that the text names.
            message: What is wrong, one sentence.
            hint: What to do.
        """
        self._append(message, hint, *self._place(path))

    def unknown(self, path: tuple[str, ...], message: str, name: str, names: Any) -> None:
        """Note a name that does not exist; the hint names the nearest, or all."""
        near = nearest_name(name, names)
        self.add(path, message, f"did you mean `{near}`?" if near else f"there are: {', '.join(sorted(names))}")

    @contextmanager
    def noting(self, path: tuple[str, ...]) -> Iterator[None]:
        """Turn the letter of a failed check inside the block into a fault; the block ends there."""
        try:
            yield
        except PancreasgenError as error:
            self.add(path, error.message, error.hint)

    def settle(self) -> None:
        """Raise what was found, in the order of the text.

        Raises:
            DiagnosticError: If there is a fault.
        """
        if self.found:
            raise DiagnosticError(sorted(self.found, key=lambda item: item.line))

    def _append(self, message: str, hint: str, line: int, column: int) -> None:
        source = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        length = max(len(source.split("#")[0].rstrip()) - column + 1, 1)
        self.found.append(Diagnostic(CODE, message, self._file, line, column, length, source, hint))

    def _place(self, path: tuple[str, ...]) -> tuple[int, int]:
        """Return line and column of the deepest key of a path that the text names; (0, 1) if it names none."""
        best, depth = (0, 1), 0
        table: tuple[str, ...] = ()
        for number, line in enumerate(self._lines, 1):
            if header := _HEADER.match(line):
                table = _parts(header["name"])
            elif key := _KEY.match(line):
                self_path = (*table, *_parts(key["name"]))
                shared = _shared(self_path, path)
                if shared > depth:
                    best, depth = (number, line.index(key["name"]) + 1), shared
                continue
            else:
                continue
            if (shared := _shared(table, path)) > depth:
                best, depth = (number, line.index("[") + 1), shared
        return best


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a dotted TOML key.

    >>> _parts('checks."gland.volume_ml"')
    ('checks', 'gland.volume_ml')
    """
    return tuple(part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+", name))


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Return how many parts two paths share, if one of them begins the other; else 0."""
    both = min(len(one), len(other))
    return both if one[:both] == other[:both] else 0
