"""Write the EBNF of the grammar language into docs/grammar.md, from the parser's own lark file.

Without an option it writes; with ``--check`` it compares, and ends with 1 if they differ.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARK = ROOT / "pancreasgen" / "grammar" / "lsys.lark"
DOCUMENT = ROOT / "docs" / "grammar.md"
BEGIN, END = "<!-- ebnf:begin -->", "<!-- ebnf:end -->"

_DEFINITION = re.compile(r"^[?!]?(_?\w+)(?:\.-?\d+)?\s*:(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_PIECE = re.compile(r'\s+|"(?:\\.|[^"\\])*"|/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\])+/|->\s*\w+|\w+|[()\[\]|*+?]|.')
_REGEX = re.compile(r"\[(?:\\.|[^\]\\])*\]|\(\?:|\\.|[()|*+?]|[^\\\[\]()|*+?]+")


def ebnf(lark: str) -> str:
    r"""Return the rules of a lark grammar in the notation of the W3C, one a line, a rule for a whole line first.

    Raises:
        ValueError: If the grammar uses a notation that has no translation here.

    >>> print(ebnf('a_line: "a" [B] (C | "," C)*\nB: /x[a-z]?/\nC.-1: "\\""'))
    line   ::= a_line
    a_line ::= "a" B? ( C | "," C )*
    B      ::= "x" [a-z]?
    C      ::= '"'
    """
    plain = "\n".join(row for row in lark.splitlines() if not row.startswith(("//", "%")))
    found = {match.group(1).lstrip("_"): _body(match.group(2)) for match in _DEFINITION.finditer(plain)}
    starts = ['( NAME ":" )? rule_line' if name == "rule_line" else name for name in found if name.endswith("_line")]
    if not starts:
        raise ValueError("the lark file has no rule that is named `…_line`")
    rules = {"line": " | ".join(starts), **found}
    width = max(map(len, rules))
    rows = []
    for name, body in rules.items():
        parts = _alternatives(body) if len(body) > 100 else [body]
        rows.append(f"{name:{width}} ::= " + f"\n{' ' * width}   | ".join(parts))
    return "\n".join(rows)


def _alternatives(body: str) -> list[str]:
    """Return the alternatives of the outermost level."""
    parts, depth = [""], 0
    for word in body.split(" "):
        depth += {"(": 1}.get(word, -1 if re.fullmatch(r"\)[*+?]?", word) else 0)
        if word == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += f" {word}" if parts[-1] else word
    return parts


def _body(text: str) -> str:
    """Translate what stands behind the colon of a lark rule."""
    words: list[str] = []
    for match in _PIECE.finditer(text):
        piece = match.group()
        if piece.isspace() or piece.startswith("->"):
            continue
        if piece in ("*", "+", "?"):
            words[-1] += piece
        elif piece in ("[", "("):
            words.append("(")
        elif piece in ("]", ")"):
            words.append(")?" if piece == "]" else ")")
        elif piece == "|" or re.fullmatch(r"\w+", piece):
            words.append(piece.lstrip("_"))
        elif piece.startswith('"'):
            words.append(_literal(re.sub(r"\\(.)", r"\1", piece[1:-1])))
        elif piece.startswith("/") and len(piece) > 1:
            words += _pattern(piece[1:-1])
        else:
            raise ValueError(f"`{piece}` in `{text.strip()}` has no translation")
    return re.sub(r"(?<![^ ])\( (\w+|\"[^\"]*\") \)\?", r"\1?", " ".join(words))


def _literal(text: str) -> str:
    if '"' in text and "'" in text:
        raise ValueError(f"`{text}` has both quotes")
    return f"'{text}'" if '"' in text else f'"{text}"'


def _pattern(regex: str) -> list[str]:
    r"""Translate a regular expression: classes stay, letters become texts, ``\b`` is said in words elsewhere.

    >>> _pattern(r"(?:mm|cm)\b")
    ['(', '"mm"', '|', '"cm"', ')']
    """
    words: list[str] = []
    for match in _REGEX.finditer(regex):
        piece = match.group()
        if piece in ("*", "+", "?"):
            words[-1] += piece
        elif piece == "(?:":
            words.append("(")
        elif piece in (")", "|"):
            words.append(piece)
        elif piece.startswith("["):
            words.append(piece.replace("\\\\", "\\").replace("\\n", "#xA"))
        elif piece == r"\d":
            words.append("[0-9]")
        elif re.fullmatch(r"\\\W", piece):
            words.append(_literal(piece[1:]))
        elif piece.startswith(("\\", "(")) and piece != r"\b":
            raise ValueError(f"`{piece}` in /{regex}/ has no translation")
        elif piece != r"\b":
            words.append(_literal(piece))
    return words


def section(lark: str) -> str:
    """Return the text between the markers."""
    return f"\n```ebnf\n{ebnf(lark)}\n```\n"


def replaced(document: str, lark: str) -> str:
    """Return the document with the EBNF of a lark grammar between its markers.

    Raises:
        ValueError: If the markers are not there once each, in order.
    """
    if document.count(BEGIN) != 1 or document.count(END) != 1 or document.index(BEGIN) > document.index(END):
        raise ValueError(f"the document must have {BEGIN} and then {END}, once each")
    before, rest = document.split(BEGIN)
    return before + BEGIN + section(lark) + END + rest.split(END)[1]


def main() -> int:
    """Write the section, or compare it."""
    document = DOCUMENT.read_text(encoding="utf-8")
    fresh = replaced(document, LARK.read_text(encoding="utf-8"))
    if "--check" in sys.argv[1:]:
        print("the same" if fresh == document else f"{DOCUMENT} differs from {LARK}; run this script without --check")
        return int(fresh != document)
    DOCUMENT.write_text(fresh, encoding="utf-8")
    print(f"wrote {DOCUMENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
