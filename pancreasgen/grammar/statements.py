"""From a text to logical lines: comments gone, continued lines joined, every character still at its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pancreasgen.base.errors import Diagnostic
from pancreasgen.grammar.tree import Span

HEADINGS = ("production", "interpretation", "decomposition")
KEYWORDS = ("lsystem", "title", "population", "organ", "param", "let", "module")
COLON_KEYWORDS = ("limits", "ignore", "consider", "axiom", *HEADINGS)
ENGINE = ("radii", "reserve", "territory", "lobules", "fill", "dilate", "beads")

_CONTINUES = re.compile(r"\s*(?:-->|→|where\b|[,:\[\])])")
_ENDS_OPEN = re.compile(r"(?:,|-->|→|=|\b(?:where|and|or|not))\s*$")
_STARTS = re.compile(rf"\s*(?:(?:{'|'.join(KEYWORDS)})\b|[A-Za-z_]\w*\s*:|[^\s\[\]-][^\[\]]*(?:-->|→))")
MAX_FAULTS = 200
"""Reading ends after so many faults."""
_CLIP = 160
"""Most characters of a line that a diagnostic shows."""
_CPFG = re.compile(r"\s*#(?:(ignore|consider)\s*:|(define)\s+\w+\s+\S|(include)\s*[<\"])")
"""Lines of cpfg that would pass as comments here: skips, which hold as in the book, and the preprocessor's."""
_STRING_OR_COMMENT = re.compile(r'"[^"]*"?|#.*')


@dataclass(frozen=True, slots=True)
class Source:
    r"""A text with its name; makes diagnostics from spans.

    >>> Source("a.lsys", "axiom: A\naxiom: B").diagnostic("PG100", "the axiom is given twice", (9, 14)).line
    2
    """

    file: str
    text: str

    def diagnostic(self, code: str, message: str, span: Span, hint: str = "", *, severity: str = "error") -> Diagnostic:
        """Return a diagnostic that underlines the span (its part on the first line)."""
        start, end = min(span[0], len(self.text)), min(span[1], len(self.text))
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", start)
        last = len(self.text) if last < 0 else last
        line, column = self.text.count("\n", 0, start) + 1, start - first + 1
        row = self.text[first:last].rstrip("\r")
        length = max(1, min(end, last) - start)
        clipped = max(0, column - 1 - _CLIP // 2) if len(row) > _CLIP else 0
        row = row[clipped : clipped + _CLIP]
        length = min(length, max(1, len(row) - (column - 1 - clipped)))
        short = [text if len(text) <= 4 * _CLIP else text[: 4 * _CLIP] + " …" for text in (message, hint)]
        return Diagnostic(code, short[0], self.file, line, column, length, row, short[1], severity, clipped)


def logical_lines(source: Source) -> tuple[list[tuple[int, str]], list[Diagnostic]]:
    r"""Return (offset, text) of each logical line, and the faults met.

    A line goes on in the next one if a bracket is open, if it ends with a comma, ``-->``, ``=``, ``where``, ``and``,
    ``or``, ``not``, or if the next one begins with ``-->``, ``where``, ``:``, a comma or a bracket. Comments and
    line ends become spaces, so an offset in a logical line plus its own offset is an offset in the text.

    >>> lines, _ = logical_lines(Source("a", "A # tip\n  --> B\nB --> A\n"))
    >>> [(offset, " ".join(line.split())) for offset, line in lines]
    [(0, 'A --> B'), (16, 'B --> A')]
    """
    faults: list[Diagnostic] = []
    lines: list[tuple[int, list[str]]] = []
    offset = depth = reach = 0
    for raw in source.text.split("\n"):
        clean = _without_comments(raw, offset, source, faults)
        if clean.strip():
            opened = bool(lines) and (depth > 0 or bool(_ENDS_OPEN.search(lines[-1][1][-1])))
            if lines and (_CONTINUES.match(clean) or (opened and not _STARTS.match(clean))):
                lines[-1][1].extend((" " * (offset - reach), clean))
            else:
                depth = 0
                lines.append((offset, [clean]))
            reach = offset + len(clean)
            plain = _STRING_OR_COMMENT.sub("", clean)
            depth += sum(plain.count(mark) for mark in "([") - sum(plain.count(mark) for mark in ")]")
        offset += len(raw) + 1
    return [(start, "".join(pieces)) for start, pieces in lines], faults


def _without_comments(raw: str, offset: int, source: Source, faults: list[Diagnostic]) -> str:
    def blank(match: re.Match[str]) -> str:
        text = match.group()
        if text.startswith("#"):
            return " " * len(text)
        if len(text) < 2 or not text.endswith('"'):
            span = (offset + match.start(), offset + match.end())
            if len(faults) < MAX_FAULTS:
                faults.append(source.diagnostic("PG101", "this text has no closing quote", span, 'end it with "'))
            return text + '"' if len(text) < 2 else text[:-1] + '"'
        return text

    written = _CPFG.match(raw)
    if written:  # a line of cpfg that would otherwise pass as a comment
        word = written.group(2) or written.group(3)
        if not word:
            raw = raw.replace("#", " ", 1)
        elif len(faults) < MAX_FAULTS:
            place = offset + raw.index("#")
            hint = "write `param NAME = VALUE`" if word == "define" else "a grammar is one file"
            span = (place, place + 1 + len(word))
            faults.append(source.diagnostic("PG101", f"there is no preprocessor for `#{word}`", span, hint))
    clean = _STRING_OR_COMMENT.sub(blank, raw)
    return clean.replace("\ufeff", " ").replace("\t", " ").replace("\r", " ")
