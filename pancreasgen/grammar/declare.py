"""Declarations: what the lines before the rules say, gathered in a draft of the grammar."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from lark import Token, Tree

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import Diagnostic
from pancreasgen.grammar.build import Build, tokens
from pancreasgen.grammar.functions import FUNCTION_NAMES
from pancreasgen.grammar.grammar import (
    BUILT_IN,
    MAX_DEPTH,
    MAX_MODULES,
    MAX_STEPS,
    Function,
    Grammar,
    Limits,
    ModuleType,
    Parameter,
    Production,
    Statement,
    inner_number,
)
from pancreasgen.grammar.statements import HEADINGS, Source
from pancreasgen.grammar.tree import UNITS, Call, Item, Number, Span

MAX_FIELDS = 12
MAX_DECLARED = 1000
_CAPS = {"modules": MAX_MODULES, "steps": MAX_STEPS, "depth": MAX_DEPTH}


@dataclass(slots=True)
class Draft:
    """A grammar in the making: the one place that changes while a text is read."""

    source: Source
    faults: list[Diagnostic]
    title: str = ""
    seen_version: bool = False
    population: str = ""
    requires: list[str] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    modules: dict[str, ModuleType] = field(default_factory=dict)
    axiom: tuple[Item, ...] = ()
    axiom_given: bool = False
    rules: dict[str, list[Production]] = field(default_factory=lambda: {name: [] for name in HEADINGS})
    skips: dict[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    statements: dict[str, Statement] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)  # whose declaration has a fault: use is no other one

    def fault(self, code: str, message: str, span: Span, hint: str = "") -> None:
        """Note a fault."""
        self.faults.append(self.source.diagnostic(code, message, span, hint))

    def finish(self, id: str) -> Grammar:  # noqa: A002 - the word users know
        """Return the grammar."""
        rules = {name: tuple(found) for name, found in self.rules.items()}
        return Grammar(
            id, self.source.file, self.title, self.population, tuple(self.requires), self.parameters,
            self.functions, self.modules, self.axiom, rules["production"], rules["interpretation"],
            rules["decomposition"], self.skips.get("ignore", ()), self.skips.get("consider", ()), self.limits,
            self.statements, tuple(self.targets), self.source.text,
        )  # fmt: skip


def declare(kind: str, tree: Tree[Token], offset: int, line: str, draft: Draft) -> None:
    """Add one declaration to the draft, or its faults."""
    build = Build(draft.source, offset, draft.faults)
    parts: Any = build.transform(tree)
    if kind == "lsystem":
        if draft.seen_version:
            draft.fault("PG107", "`lsystem` is given twice", _span(parts, offset), "keep the first line alone")
        draft.seen_version = True
        if parts.children[0] != "1":
            draft.fault("PG102", f"this is format {parts.children[0]}; format 1 is known", _span(parts, offset))
    elif kind == "title":
        draft.title = str(parts.children[0])[1:-1]
    elif kind == "population":
        if draft.population:
            draft.fault("PG107", "the population is named twice", _span(parts, offset), "keep one of them")
        draft.population = str(parts.children[0])
    elif kind == "organ":
        draft.requires += [str(name) for name in parts.children if name not in draft.requires]
    elif kind == "limits":
        draft.limits = _limits(parts, offset, draft)
    else:
        {"param": _param, "let": _let, "module": _module}.get(kind, _statement)(parts, offset, line, draft)


def _span(parts: Any, offset: int, place: int = 0) -> Span:
    token = parts.children[place]
    start = offset + (token.start_pos or 0)
    return (start, start + len(token))


def _fresh(name: str, span: Span, draft: Draft) -> bool:
    """Return whether the name is still free among parameters and functions."""
    if name in draft.parameters or name in draft.functions:
        draft.fault("PG107", f"`{name}` is declared twice", span, "rename one of the two")
        return False
    if name.startswith("__"):
        draft.fault("PG107", f"`{name}`: names do not begin with two underscores", span, "choose another name")
        return False
    if len(draft.parameters) + len(draft.functions) >= MAX_DECLARED:
        draft.fault("PG108", f"more than {MAX_DECLARED} parameters and functions", span, "remove some")
        return False
    if name in FUNCTION_NAMES:
        draft.fault("PG107", f"`{name}` is a built-in function", span, "choose another name")
        return False
    return True


def _param(parts: Any, offset: int, _: str, draft: Draft) -> None:
    name_token, quantity, bounds, description, source = parts.children
    span, number = _span(parts, offset), quantity.number
    low, high = -math.inf, math.inf
    if bounds is not None:
        ends = [item.number for item in bounds.children[:2]]
        shared = str(bounds.children[2] or "")
        ends = [Number(end.value, end.unit or shared or number.unit, end.span) for end in ends]
        for end in ends:
            if UNITS.get(end.unit, (1.0, ""))[1] != UNITS.get(number.unit, (1.0, ""))[1]:
                message = f"the range of `{name_token}` is in {end.unit or 'plain numbers'}, its value in "
                draft.fault("PG105", message + (number.unit or "plain numbers"), end.span, "use one unit for both")
                draft.broken.add(str(name_token))
                return
        low, high = (inner_number(end, number.unit) for end in ends)
    if not math.isfinite(number.value):
        draft.fault("PG106", f"the value of `{name_token}` is too large", number.span, "write a number below 1e308")
        draft.broken.add(str(name_token))
        return
    if not (low <= number.value <= high):
        text = f"the value {number.value:g} of `{name_token}` lies outside its range {low:g} to {high:g}"
        draft.fault("PG106", text, number.span, "change the value or the range")
        draft.broken.add(str(name_token))
        return
    if _fresh(str(name_token), span, draft):
        draft.parameters[str(name_token)] = Parameter(
            str(name_token), number.value, low, high, number.unit,
            str(description or "")[1:-1], str(source or "")[1:-1], span,
        )  # fmt: skip


def _let(parts: Any, offset: int, _: str, draft: Draft) -> None:
    name_token, formals, body = parts.children
    names = tuple(str(name) for name in tokens(formals)) if formals is not None else ()
    span = _span(parts, offset)
    if _fresh(str(name_token), span, draft):
        draft.functions[str(name_token)] = Function(str(name_token), names, body, span)


def _module(parts: Any, offset: int, _: str, draft: Draft) -> None:
    name_token, *rest = parts.children
    fields = [child for child in rest if isinstance(child, Tree)]
    meaning = next((str(child)[1:-1] for child in rest if isinstance(child, Token)), "")
    name, span = str(name_token), _span(parts, offset)
    if name in draft.modules or name in BUILT_IN:
        kind = "is a turtle command and needs no declaration" if name in BUILT_IN else "is declared twice"
        draft.fault("PG107", f"module `{name}` {kind}", span, "remove this line")
        return
    if name.startswith("__"):
        draft.fault("PG107", f"`{name}`: names do not begin with two underscores", span, "choose another name")
        return
    if len(draft.modules) >= MAX_DECLARED:
        draft.fault("PG108", f"more than {MAX_DECLARED} modules", span, "remove some")
        return
    if len(fields) > MAX_FIELDS:
        draft.fault("PG108", f"module `{name}` has {len(fields)} arguments; at most {MAX_FIELDS} are allowed", span)
        return
    names = tuple(str(child.children[0]) for child in fields)
    if len(set(names)) < len(names):
        draft.fault("PG107", f"module `{name}` has two arguments of the same name", span, "rename one of the two")
    units = tuple(str(child.children[1] or "") for child in fields)
    draft.modules[name] = ModuleType(name, names, units, meaning, span)


def _limits(parts: Any, offset: int, draft: Draft) -> Limits:
    caps = {"modules": draft.limits.modules, "steps": draft.limits.steps, "depth": draft.limits.depth}
    given: set[str] = set()
    for part in parts.children:
        name, number = str(part.children[0]), float(part.children[1])
        span = _span(part, offset, 0)
        if name not in caps:
            near = nearest_name(name, caps)
            hint = f"did you mean `{near}`?" if near else "limits are: modules, steps, depth"
            draft.fault("PG103", f"there is no limit `{name}`", span, hint)
        elif name in given:
            draft.fault("PG107", f"limit `{name}` is given twice", span, "keep one of the two")
        elif not 1 <= number <= _CAPS[name] or number != int(number):
            text = f"limit `{name}` must be a whole number from 1 to {_CAPS[name]:,}, not {number:g}"
            draft.fault("PG106", text, _span(part, offset, 1), "a file can only lower the caps")
        else:
            caps[name] = int(number)
        given.add(name)
    return Limits(**caps)


def _statement(parts: Any, offset: int, line: str, draft: Draft) -> None:
    name_token, value = parts.children
    name, span = str(name_token), _span(parts, offset)
    if name in draft.statements:
        draft.fault("PG107", f"`{name}:` is given twice", span, "remove one of the two")
        return
    text = " ".join(line.split(":", 1)[1].split())
    *values, module = value.children if value.data == "values" else [*value.children]
    if len(values) == 1 and isinstance(values[0], Call) and values[0].name not in FUNCTION_NAMES:
        call = values[0]
        found = (name, call.name, call.arguments, call.keys, str(module or ""), text, span)
    else:
        found = (name, "", tuple(values), ("",) * len(values), str(module or ""), text, span)
    draft.statements[name] = Statement(*found)
