"""Errors as letters to a tired user: where, what was wanted, what was got, what to do.

Every error that a user can cause is a :class:`PancreasgenError`. The command line prints its letter and ends with
its exit code; a traceback therefore always means a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class PancreasgenError(Exception):
    """Base of all errors that a user can mend.

    Args:
        message: One sentence: what was wanted and what was got.
        hint: What to do about it; empty where there is nothing to add.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the message and the hint apart, so that each edge can lay them out."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def letter(self) -> str:
        """Return the text that the command line prints.

        >>> print(BadInputError("spacing is −1 mm", "use a spacing above 0").letter())
        error: spacing is −1 mm
          = help: use a spacing above 0
        """
        lines = [f"error: {printable(self.message)}"]
        lines += [f"  = help: {printable(line)}" for line in self.hint.splitlines()]
        return "\n".join(lines)


class UsageError(PancreasgenError):
    """An option or argument is outside its range, or unknown."""

    exit_code = 2


class BadInputError(PancreasgenError):
    """A file or value that was given is not what it should be."""

    exit_code = 65


class NoRoomError(BadInputError):
    """What was drawn has no room where it should lie; another draw may have."""


class MissingInputError(PancreasgenError):
    """A file that was named does not exist."""

    exit_code = 66


class ClusterError(PancreasgenError):
    """The cluster's scheduler cannot be reached, or has no workers."""

    exit_code = 69


class CannotCreateError(PancreasgenError):
    """The output cannot be made where it was wanted."""

    exit_code = 73


class DiskError(PancreasgenError):
    """Reading or writing failed halfway: the disk is full or broken."""

    exit_code = 74


class LockedError(PancreasgenError):
    """Another run works in the same folder."""

    exit_code = 75


class NoPermissionError(PancreasgenError):
    """The system refuses access to a file or folder."""

    exit_code = 77


class PlanError(PancreasgenError):
    """What was asked for does not fit into memory or onto the disk."""

    exit_code = 78


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault in a text, with its place.

    Attributes:
        code: Stable name such as ``PG103``.
        message: What is wrong, one sentence.
        file: Name of the text as the user knows it.
        line: Line, from 1; 0 if the fault has no place.
        column: Column, from 1.
        length: Number of characters to underline, at least 1.
        source: The line of text itself.
        hint: What to do.
        severity: ``error`` or ``warning``.
        clipped: Characters of the line that are left out before ``source``.
    """

    code: str
    message: str
    file: str
    line: int = 0
    column: int = 0
    length: int = 1
    source: str = ""
    hint: str = ""
    severity: str = "error"
    clipped: int = 0

    def render(self) -> str:
        """Return the diagnostic with its line, a caret and a hint.

        >>> print(Diagnostic("PG101", "unknown module `Q`", "a.lsys", 3, 8, 1, "axiom: Q", "declare it").render())
        error[PG101]: unknown module `Q`
          --> a.lsys:3:8
           |
         3 | axiom: Q
           |        ^
           = help: declare it
        """
        rows = [f"{self.severity}[{self.code}]: {printable(self.message)}"]
        if self.line:
            number = str(self.line)
            pad = " " * max(len(number) + 1, 2)
            caret = " " * (self.column - 1 - self.clipped) + "^" * max(self.length, 1)
            source = printable(self.source.expandtabs(1))
            rows += [
                f"  --> {printable(self.file)}:{self.line}:{self.column}",
                f"{pad} |",
                f"{number.rjust(len(pad))} | {source}".rstrip(),
                f"{pad} | {caret}",
            ]
            rows += [f"{pad} = help: {printable(line)}" for line in self.hint.splitlines()]
        else:
            rows.append(f"  --> {printable(self.file)}")
            rows += [f"   = help: {printable(line)}" for line in self.hint.splitlines()]
        return "\n".join(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        return {name: getattr(self, name) for name in self.__slots__}


class DiagnosticError(BadInputError):
    """A text has faults; all of them are listed.

    Args:
        diagnostics: The faults, in the order of the text. At most 20 are shown.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Keep the list; the message is the first fault's."""
        first = diagnostics[0]
        super().__init__(first.message, first.hint)
        self.diagnostics = tuple(diagnostics)

    def __reduce__(self) -> tuple[type[DiagnosticError], tuple[tuple[Diagnostic, ...]]]:
        """Let the error travel between processes."""
        return (type(self), (self.diagnostics,))

    def letter(self) -> str:
        """Return up to 20 diagnostics, then how many more there are."""
        shown = [item.render() for item in self.diagnostics[:20]]
        more = len(self.diagnostics) - len(shown)
        return "\n\n".join(shown) + (f"\n\nand {more} more" if more else "")


def printable(text: str) -> str:
    r"""Return the text with control and direction-changing characters escaped, so that it cannot fool a terminal.

    >>> printable("a\x1b[31mb\u202e")
    'a\\x1b[31mb\\u202e'
    """
    return "".join(
        character if character.isprintable() or character == " " else character.encode("unicode_escape").decode()
        for character in text
    )
