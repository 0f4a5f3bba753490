"""The door of the grammar room: a text becomes a :class:`Grammar`, or a letter that lists all its faults."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import DiagnosticError
from pancreasgen.grammar.check import meaning_faults
from pancreasgen.grammar.declare import Draft, declare
from pancreasgen.grammar.grammar import BUILT_IN, Grammar
from pancreasgen.grammar.rules import add_axiom, add_rule, add_skips, module_names
from pancreasgen.grammar.statements import COLON_KEYWORDS, ENGINE, HEADINGS, KEYWORDS, MAX_FAULTS, Source, logical_lines

MAX_BYTES = 256_000
MAX_LINE = 16_000
MAX_PRODUCTIONS = 1000

_FIRST = re.compile(r"\s*([A-Za-zω_]\w*)\s*(:?)")
_NO_CONTEXT = re.compile(r"^\s*\*\s*<|>\s*\*(?=\s*(?::|-->|→))")
_DECLARED = re.compile(r"\s*(?:param|let|module)\s+([A-Za-z_]\w*)")
_WORDS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "UNIT": "a unit (mm, cm, um, deg, rad)",
    "STRING": 'a text in "quotes"',
    "COMPARE": "a comparison such as <",
    "SAME": "=",
    "PLUS": "+",
    "MINUS": "-",
    "STAR": "*",
    "SLASH": "/",
    "CARET": "^",
    "LPAR": "(",
    "RPAR": ")",
    "OPEN": "[",
    "CLOSE": "]",
    "COMMA": ",",
    "COLON": ":",
    "EQUAL": "=",
    "LESSTHAN": "<",
    "MORETHAN": ">",
    "_ARROW": "-->",
    "COMMAND": "a command such as @toward",
    "DIGIT": "a digit as a module",
    "$END": "the end of the line",
}
_ORDER = list(_WORDS)


def _tables() -> Lark:
    text = (resources.files("pancreasgen.grammar") / "lsys.lark").read_text(encoding="utf-8")
    starts = re.findall(r"^(\w+_line):", text, re.MULTILINE)
    return Lark(text, parser="lalr", lexer="contextual", start=starts, maybe_placeholders=True)


_LARK = _tables()  # 50 ms, once in a process: lark's own cache would unpickle a file that others may have written


def parse_grammar(text: str, *, id: str = "grammar", file: str = "") -> Grammar:  # noqa: A002 - the word users know
    r"""Parse the text of an ``.lsys`` file.

    Args:
        text: The whole file, at most 256 kB.
        id: Name under which recipes know the grammar.
        file: Name of the text for messages; the id if empty.

    Raises:
        DiagnosticError: If the text has faults of syntax or declaration; those of meaning that can be told beside
            them are listed too. Of a text without such faults, what the rules mean (names, arity, units) is the matter
            of :func:`pancreasgen.grammar.check.check_grammar`.

    >>> plant = parse_grammar("lsystem 1\naxiom: F\nproduction:\nF --> F[+F]F", id="weed")
    >>> plant.productions[0].predecessor, len(plant.productions[0].alternatives[0].successor)
    ('F', 6)
    """
    source = Source(file or id, text)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1000} kB"
        raise DiagnosticError([source.diagnostic("PG108", message, (0, 1), "split it, or remove comments")])
    lines, faults = logical_lines(source)
    draft = Draft(source, faults)
    section, later = "", []
    for number, (offset, line) in enumerate(lines):
        if len(faults) >= MAX_FAULTS:
            break
        kind, section = _kind(line, section)
        if number == 0 and kind != "lsystem":
            span = (offset, offset + len(line.rstrip()))
            draft.fault("PG102", "the first line must be `lsystem 1`", span, "add the line `lsystem 1` at the top")
        if len(line) > MAX_LINE and len(" ".join(line.split())) > MAX_LINE:
            span = (offset + MAX_LINE, offset + MAX_LINE + 1)
            draft.fault("PG108", f"this statement is longer than {MAX_LINE:,} characters", span, "split it")
        elif kind in HEADINGS:
            rest = line.index(":") + 1
            if line[rest:].strip():
                later.append(("rule", kind, offset + rest, line[rest:]))
        elif kind in ("axiom", "rule", "ignore", "consider"):
            later.append((kind, section, offset, line))
        elif (tree := _parse(kind, offset, line, draft)) is not None:
            declare(kind, tree, offset, line, draft)
    names = module_names(draft, [line for _, _, _, line in later])
    rules = 0
    for kind, part, offset, line in sorted(later, key=lambda one: one[0] in ("ignore", "consider")):
        rules += kind == "rule"
        if len(faults) >= MAX_FAULTS or rules > MAX_PRODUCTIONS + 1:
            break
        label, start = _label(line, names) if kind == "rule" else ("", 0)
        tree = _parse(kind, offset + start, line[start:], draft)
        if tree is None:
            continue
        if kind == "axiom":
            add_axiom(tree, offset, draft, names)
        elif kind != "rule":
            add_skips(kind, tree, offset, draft, names)
        else:
            add_rule(part, label, tree, (offset, start), draft, names)
    if rules > MAX_PRODUCTIONS:
        span = draft.rules["production"][-1].span if draft.rules["production"] else (0, 1)
        draft.fault("PG108", f"more than {MAX_PRODUCTIONS} rules", span, "remove some, or split the file")
    if not draft.axiom_given and not any(fault.severity == "error" for fault in faults):
        draft.fault("PG102", "there is no axiom", (0, 1), "add a line such as `axiom: Start`")
    grammar = draft.finish(id)
    if faults:
        faults += meaning_faults(grammar, frozenset(draft.broken))
        raise DiagnosticError(sorted(faults, key=lambda fault: (fault.line, fault.column)))
    return grammar


def _kind(line: str, section: str) -> tuple[str, str]:
    """Return what a logical line is, and the section that holds from here on."""
    match = _FIRST.match(line)
    word, colon = match.groups() if match else ("", "")
    if colon and word in HEADINGS:
        return word, word
    if colon and word == "ω":
        return "axiom", section
    if colon and word in (*COLON_KEYWORDS, *ENGINE):
        return word, section
    if not colon and word in KEYWORDS:
        return word, section
    return ("rule" if section or re.search("-->|→", line) else "unknown"), section or "production"


def _label(line: str, names: frozenset[str]) -> tuple[str, int]:
    """Return the label of a rule and where the rest begins.

    ``A : t > 5 --> B`` has a condition and no label, ``p1 : A --> B`` has a label: the word before the first colon is
    a label unless it is a module and what follows is not one.
    """
    match = re.match(r"\s*([A-Za-z_]\w*)\s*:", line)
    if not match:
        return "", 0
    head = re.split("-->|→", line[match.end() :])[0]
    follow = re.match(r"\s*([A-Za-z_]\w*|\S)", head)
    word = follow.group(1) if follow else ""
    if match.group(1) in names and word not in names and word not in BUILT_IN:
        return "", 0
    return match.group(1), match.end()


def _parse(kind: str, offset: int, line: str, draft: Draft) -> Tree[Token] | None:
    start = {"ignore": "skip", "consider": "skip"}.get(kind, "statement" if kind in ENGINE else kind)
    if kind == "unknown":
        match = _FIRST.match(line)
        word = match.group(1) if match else line.strip()
        begin = offset + len(line) - len(line.lstrip())
        near = nearest_name(word, (*KEYWORDS, *COLON_KEYWORDS, *ENGINE))
        hint = f"did you mean `{near}`?" if near else "a line begins with a keyword, or is a rule with -->"
        draft.fault("PG101", f"`{word}` begins no statement", (begin, begin + max(len(word), 1)), hint)
        return None
    if start == "rule":  # an empty context is written * in ABOP
        line = _NO_CONTEXT.sub(lambda match: " " * len(match.group()), line)
    try:
        return _LARK.parse(line, start=f"{start}_line")
    except (UnexpectedInput, VisitError) as error:
        draft.fault("PG101", *_explain(error, offset, line))
        declared = _DECLARED.match(line)
        if declared:
            draft.broken.add(declared.group(1))
        return None


def _explain(error: Any, offset: int, line: str) -> tuple[str, tuple[int, int], str]:
    """Return message, span and hint of lark's complaint, in words."""
    place = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(line)
    hint = ""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        length, wanted = len(error.token), error.accepts
        got = f"`{error.token}`"
    elif isinstance(error, UnexpectedCharacters):
        match = re.match(r"\w+|.", line[place:])
        found = match.group() if match else ""
        length, wanted, got = len(found), error.allowed or set(), f"`{found}`"
    else:
        place = len(line.rstrip())
        length, wanted, got = 1, getattr(error, "accepts", None) or set(), "the end of the line"
    known = {name: _WORDS.get(name, name.lower()) for name in wanted or ()}
    shown = sorted(known, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    if shown:
        hint = "wanted here: " + ", ".join(known[name] for name in shown)
    return f"{got} does not fit here", (offset + place, offset + place + max(length, 1)), hint
