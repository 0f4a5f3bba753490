"""Rules and the axiom: labels, predecessors, and words such as ``FF`` that stand for several modules."""

from __future__ import annotations

import re

from lark import Token, Tree

from pancreasgen.base.checks import nearest_name
from pancreasgen.grammar.build import MAX_SUCCESSOR, Build, RuleParts
from pancreasgen.grammar.declare import MAX_DECLARED, Draft
from pancreasgen.grammar.grammar import BUILT_IN, COMMANDS, ModuleType, Production
from pancreasgen.grammar.tree import Alternative, Item, Name

_LETTERS = re.compile(r"[A-Za-z](?:_[A-Za-z0-9]|[0-9]+)?|[0-9]")
_CONDITION = re.compile(r"[<>=!]=|=|&|\b(?:and|or|not)\b|[0-9]")
_DIGITS = re.compile(r"[\s<>\[\]]*[0-9][0-9\s<>\[\]]*")
"""A predecessor with its contexts that is made of digits: then every digit and every letter is a module."""
_DRAWING = ("F", "f", "G")


def module_names(draft: Draft, lines: list[str]) -> frozenset[str]:
    """Return the names that are modules: the declared ones, or in a file that declares none, all single letters.

    A letter may carry an index (``F_l``, ``a2``), unless a rule rewrites a digit: then letters and digits stand alone.
    """
    if draft.modules:
        return frozenset(draft.modules) | frozenset(_DRAWING)
    heads, words = _heads_and_strings(lines)
    if any(_DIGITS.fullmatch(head) for head in heads):
        return frozenset(letter for text in words for letter in re.findall("[A-Za-z0-9]", text)) | frozenset(_DRAWING)
    names = (word for text in words for word in re.findall(r"[A-Za-z]\w*", text))
    return frozenset(piece for name in names for piece in _LETTERS.findall(name)) | frozenset(_DRAWING)


def _heads_and_strings(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the predecessors with their contexts, and all strings of modules; labels and conditions left out."""
    heads: list[str] = []
    words: list[str] = []
    for line in lines:
        for _ in range(8):
            line, count = re.subn(r"\([^()]*\)", " ", line)
            if not count:
                break
        first, *successors = re.split("-->|→", line)
        labelled = re.match(r"\s*(\w+)\s*:(.*)", first)
        if labelled and successors:
            rest = labelled.group(2)
            condition = _CONDITION.search(rest) and not _DIGITS.fullmatch(rest)
            first = labelled.group(1) if condition and ":" not in rest else rest
        head = first.split(":", 1)[0] if successors else first.split(":", 1)[-1]
        heads.append(head if successors else "")
        words += [head, *(re.split(r":|\bwhere\b", one)[0] for one in successors)]
    return heads, words


def add_axiom(tree: Tree[Token], offset: int, draft: Draft, names: frozenset[str]) -> None:
    """Add the axiom to the draft."""
    parts = Build(draft.source, offset, draft.faults).transform(tree)
    if draft.axiom_given:
        draft.fault("PG107", "the axiom is given twice", (offset, offset + 5), "keep one of them")
    draft.axiom_given = True
    draft.axiom = _string(parts.children[0], draft, names)
    if not draft.axiom:
        draft.fault("PG102", "the axiom is empty", (offset, offset + 5), "write at least one module")


def add_skips(kind: str, tree: Tree[Token], offset: int, draft: Draft, names: frozenset[str]) -> None:
    """Add an ``ignore:`` or ``consider:`` line to the draft."""
    parts = Build(draft.source, offset, draft.faults).transform(tree)
    span = (offset, offset + len(kind))
    if draft.skips:
        draft.fault("PG107", f"`{kind}:` comes after `{next(iter(draft.skips))}:`", span, "keep one line of the two")
    items = [piece for item in parts.children[0] for piece in _split(item, draft, names)]
    for item in items:
        if item.symbol in ("[", "]") or item.arguments or item.target:
            draft.fault("PG104", f"`{kind}:` takes names of modules and commands alone", item.span, "such as + - F")
    draft.skips[kind] = tuple(item.symbol for item in items)


def add_rule(
    section: str, label: str, tree: Tree[Token], place: tuple[int, int], draft: Draft, names: frozenset[str]
) -> None:
    """Add a rule to the draft. ``place`` is the line's offset and the length of its label."""
    offset, start = place
    parts = Build(draft.source, offset + start, draft.faults).transform(tree)
    assert isinstance(parts, RuleParts)
    span = (offset, offset + len(label)) if label else (offset, offset + 1)
    middle = _string(parts.middle, draft, names)
    if any(item.symbol in draft.broken for item in parts.middle):
        for one in parts.alternatives:
            _string(one.successor, draft, names)
        return
    if len(middle) != 1:
        whole = (middle[0].span[0], middle[-1].span[1]) if middle else span
        draft.fault("PG104", "a rule rewrites exactly one module", whole, "write one module before -->")
        return
    item = middle[0]
    if item.symbol in ("[", "]", *COMMANDS):
        draft.fault("PG104", f"`{item.symbol}` cannot be rewritten", item.span)
        return
    formals = _formals(item, draft)
    alternatives = tuple(
        Alternative(_string(one.successor, draft, names), one.weight, one.span) for one in parts.alternatives
    )
    rules = draft.rules[section]
    if label and any(rule.label == label for rule in rules):
        draft.fault("PG107", f"two rules are labelled `{label}`", span, "labels key the draws: rename one of the two")
    twins = sum(rule.predecessor == item.symbol for rule in rules)
    left, right = _string(parts.left, draft, names), _string(parts.right, draft, names)
    name = label or f"{item.symbol}.{twins + 1}"
    condition, place = parts.condition, span if label else item.span
    rules.append(Production(name, left, item.symbol, formals, right, condition, alternatives, parts.bindings, place))


def _formals(item: Item, draft: Draft) -> tuple[str, ...]:
    found = []
    for argument in item.arguments:
        if isinstance(argument, Name):
            if argument.name in found:
                draft.fault("PG104", f"the name `{argument.name}` stands twice", argument.span, "rename one of the two")
            found.append(argument.name)
        else:
            draft.fault("PG104", "before --> a module has names, not expressions", argument.span, "write a name")
            found.append(f"argument {len(found) + 1}")
    return tuple(found)


def _string(items: tuple[Item, ...], draft: Draft, names: frozenset[str]) -> tuple[Item, ...]:
    """Return the items with words split into modules, brackets checked, targets and implicit modules noted."""
    result: list[Item] = []
    opened: list[Item] = []
    for item in items:
        if item.symbol == "[":
            opened.append(item)
        elif item.symbol == "]":
            if not opened:
                draft.fault("PG104", "this ] closes nothing", item.span, "remove it, or add [ before it")
            else:
                opened.pop()
        result += _split(item, draft, names)
        if len(result) > MAX_SUCCESSOR:
            message = f"this string has more than {MAX_SUCCESSOR} modules"
            draft.fault("PG108", message, item.span, "split it over several rules")
            return ()
    for item in opened if len(items) < MAX_SUCCESSOR else ():
        draft.fault("PG104", "this [ is never closed", item.span, "add ]")
    for item in result:
        if item.target and item.target not in draft.targets:
            draft.targets.append(item.target)
    return tuple(result)


def _split(item: Item, draft: Draft, names: frozenset[str]) -> list[Item]:
    name = item.symbol
    if not re.match(r"[A-Za-z_0-9]", name):
        if name.startswith("@") and name not in COMMANDS:
            near = nearest_name(name, COMMANDS)
            hint = f"did you mean `{near}`?" if near else "commands are: " + ", ".join(COMMANDS)
            draft.fault("PG103", f"there is no command `{name}`", item.span, hint)
            return []
        if name in COMMANDS and not item.target:
            draft.fault("PG103", f"`{name}` names no target", item.span, 'write its name, such as "axis"')
        return [item]
    if name in draft.broken:
        return []
    pieces = [name] if name in names else _pieces(name, names)
    if not pieces:
        near = nearest_name(name, names)
        hint = f"did you mean `{near}`?" if near else f"declare it: module {name}"
        draft.fault("PG103", f"there is no module `{name}`", (item.span[0], item.span[0] + len(name)), hint)
        return []
    found, start = [], item.span[0]
    for piece in pieces:
        last = start + len(piece) == item.span[0] + len(name)
        end = item.span[1] if last else start + len(piece)
        found.append(Item(piece, item.arguments if last else (), "", (start, end)))
        start += len(piece)
    for one in found:
        if one.symbol not in draft.modules and one.symbol not in BUILT_IN:
            if len(draft.modules) >= MAX_DECLARED:
                draft.fault("PG108", f"more than {MAX_DECLARED} modules", one.span, "remove some")
                return []
            count = len(one.arguments)
            fields = tuple(argument.name if isinstance(argument, Name) else "" for argument in one.arguments)
            draft.modules[one.symbol] = ModuleType(one.symbol, fields, ("",) * count, "", one.span, declared=False)
    return found


def _pieces(name: str, names: frozenset[str]) -> list[str]:
    """Return the modules that a word such as ``FFA`` stands for, the longest first; empty if it is no such word."""
    pieces: list[str] = []
    short = sorted((known for known in names if _LETTERS.fullmatch(known)), key=len, reverse=True)
    place = 0
    while place < len(name):
        piece = next((known for known in short if name.startswith(known, place)), None)
        if piece is None:
            return []
        pieces.append(piece)
        place += len(piece)
    return pieces
