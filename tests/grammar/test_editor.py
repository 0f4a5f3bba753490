"""The editor's files: colours mean what the parser means, and the problem matcher reads what the checker prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pancreasgen.base.errors import DiagnosticError
from pancreasgen.cli.grammar_check import gcc_lines
from pancreasgen.dataset.grammars import find_grammar, grammar_names
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.functions import DRAWS, ENVIRONMENT, FUNCTIONS
from pancreasgen.grammar.grammar import COMMANDS, QUERIES, TURTLE
from pancreasgen.grammar.statements import COLON_KEYWORDS, ENGINE, HEADINGS, KEYWORDS
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.tree import UNITS
from pancreasgen.network.environment import GrowthEnvironment
from pancreasgen.network.rules import STATEMENTS

FOLDER = Path(__file__).parents[2] / "docs" / "editor" / "vscode"
GRAMMAR: dict[str, Any] = json.loads((FOLDER / "syntaxes" / "lsys.tmLanguage.json").read_text(encoding="utf-8"))
PACKAGE: dict[str, Any] = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))


def rules(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every rule of the grammar."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from rules(value)
    elif isinstance(node, list):
        for value in node:
            yield from rules(value)


def scopes(text: str) -> list[list[str]]:
    """Return the innermost scope of each character of each line: a small TextMate tokenizer."""
    stack: list[dict[str, Any]] = [GRAMMAR]
    return [_line(line + "\n", stack)[:-1] for line in text.split("\n")]


def _line(line: str, stack: list[dict[str, Any]]) -> list[str]:
    found, place, turns = [stack[-1].get("name", "") if len(stack) > 1 else ""] * len(line), 0, 0
    while place <= len(line):
        turns += 1
        assert turns < 10 * len(line) + 10, f"no end: {line}"
        ending = re.compile(stack[-1]["end"]).search(line, place) if len(stack) > 1 else None
        best, chosen = ending, stack[-1]
        for rule in _flat(stack[-1]["patterns"]):
            match = re.compile(rule.get("match") or rule["begin"]).search(line, place)
            if match and (best is None or match.start() < best.start()):
                best, chosen = match, rule
        if best is None:
            break
        closes, kind = best is ending, "begin" if "begin" in chosen else ""
        captures = chosen.get("captures") or chosen.get("endCaptures" if closes else "beginCaptures") or {}
        for number, scope in [("0", chosen), *captures.items()]:
            start, stop = best.span(int(number))
            name = scope.get("name", "") if not (number == "0" and (closes or kind)) or scope is not chosen else ""
            found[start:stop] = [name or old for old in found[start:stop]]
        if closes:
            stack.pop()
        elif kind:
            stack.append(chosen)
        elif best.end() == best.start():
            place += 1
        place = max(place, best.end())
        if closes and place >= len(line) - 1 and best.start() == best.end():
            break
    return found


def _flat(patterns: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for rule in patterns:
        if "include" in rule:
            yield from _flat([GRAMMAR["repository"][rule["include"].removeprefix("#")]])
        elif "match" in rule or "begin" in rule:
            yield rule
        else:
            yield from _flat(rule["patterns"])


def scope_of(line: str, piece: str, before: str = "lsystem 1\n") -> set[str]:
    """Return the scopes of the characters of a piece, which is set between ‹ and › in the line."""
    start = line.index("‹")
    plain = line.replace("‹", "").replace("›", "")
    assert plain[start:].startswith(piece)
    row = scopes(before + plain)[before.count("\n") :]
    flat = [scope for part in row for scope in [*part, ""]]
    return set(flat[start : start + len(piece)])


# ---- the grammar


def test_every_pattern_compiles() -> None:
    """All regular expressions compile, all includes meet a rule, and every scope belongs to this language."""
    count = 0
    for rule in rules(GRAMMAR):
        for key in ("match", "begin", "end"):
            if isinstance(rule.get(key), str):
                re.compile(rule[key])
                count += 1
        if "include" in rule:
            assert rule["include"].removeprefix("#") in GRAMMAR["repository"]
        if isinstance(rule.get("name"), str) and rule is not GRAMMAR:
            assert rule["name"].endswith(".lsys")
        assert ("begin" in rule) == ("end" in rule)
    assert count > 40


@pytest.mark.parametrize(
    ("line", "scope"),
    [
        ("‹lsystem› 1", "keyword.declaration"), ("lsystem ‹1›", "constant.numeric"), ("‹# a note›", "comment"),
        ('title ‹"a text"›', "string"), ("‹production›:", "entity.name.section"),
        ("‹limits›: steps 3", "keyword.other"), ("limits: ‹steps› 3", "variable.parameter"),
        ("‹param› p = 3 mm", "keyword.declaration"), ("param ‹p› = 3 mm", "variable.parameter"),
        ("param p = ‹3› mm", "constant.numeric"), ("param p = 3 ‹mm›", "keyword.other.unit"),
        ("param p = 3 ‹in› [0, 9] mm", "keyword.declaration"), ("param p = 3 mm in [0, 9] ‹mm›", "keyword.other.unit"),
        ('param p = 3 "in source" ‹source› "x"', "keyword.declaration"), ("let ‹keep›(r) = r", "entity.name.function"),
        ("module ‹Tip›(l: mm)", "entity.name.type"), ("module Tip(l: ‹mm›)", "keyword.other.unit"),
        ("module Tip(‹l›: mm)", "variable.parameter"), ("organ ‹requires› surface", "keyword.declaration"),
        ("‹radii›: bottom_up(gamma = 2)", "keyword.other.growth"), ("‹axiom›: A", "keyword.other"),
        ("radii: ‹bottom_up›(gamma = 2)", "support.function.growth"), ("axiom: ‹A›", "entity.name.type"),
        ("‹forks›: A --> B", "entity.name.label"), ("forks: ‹A› --> B", "entity.name.type"),
        ("A ‹-->› B", "keyword.operator.arrow"), ("A --> ‹F›(2)", "support.function.turtle"),
        ("A --> F ‹+›(3)", "keyword.operator.turtle"), ("A --> F(a ‹+› 3)", "keyword.operator"),
        ("A --> F‹-›F", "keyword.operator.turtle"), ("A(x) : x ‹-› 1 > 0 --> B", "keyword.operator"),
        ("A(x) : x > 0 ‹and› x < 3 --> B", "keyword.operator.logical"),
        ("B ‹<› A > C --> D", "keyword.operator.context"),
        ("A --> B : 1 ‹-› p", "keyword.operator"), ("A --> ‹[›B]", "punctuation.section.branch"),
        ('A --> ‹@toward›("axis", 1)', "support.function.steering"), ("A --> ‹@tow›(3)", "invalid"),
        ("A > ‹?P›(x, y, z) --> B", "support.variable.query"), ("A --> ‹?E›", "invalid"),
        ("A --> ‹*›", "constant.language.empty"), ("A --> B ‹where› l = 3", "keyword.control.where"),
        ("A --> F(l) where l = ‹lognormal›(3 mm, 1)", "support.function.random"),
        ("A --> F(l) where l = lognormal(3 ‹mm›, 1)", "keyword.other.unit"), ("0 < ‹1› > 0 --> 1", "entity.name.type"),
        ("A : ‹surface›(1 mm) > 0 --> B", "support.function.organ"), ("A --> F(‹max›(1, 2))", "support.function.math"),
        ("A --> F(‹keep›(1, 2))", "entity.name.function"), ("A --> F(1)\n    where a = 1,\n    ‹b› = 2", "variable"),
        ("A --> B # ‹where›", "comment"), ("A(x) : x > 0 and\n x ‹-› 3 < 1\n --> +B", "keyword.operator"),
        ("A(x) : x > 0 and\n x - 3 < 1\n --> ‹+›B", "keyword.operator.turtle"),
        ("‹A› : t > 5 --> B", "entity.name.type"), ("‹p1›: 0 < 0 > 1 --> 1", "entity.name.label"),
        ("A --> F(l) where l = 1, # so,\n  m = l ‹-› 1", "keyword.operator"),
        ("A --> F(l) where l = 1 # so,\nB --> F ‹-› F", "keyword.operator.turtle"),
        ("A --> F(\n‹b›: B --> A", "entity.name.label"), ("module Tip(a: mm,\n    ‹b›: deg)", "variable.parameter"),
        ("let f(x) = x # and\nA --> F ‹-› F", "keyword.operator.turtle"),
    ],
)  # fmt: skip
def test_scopes(line: str, scope: str) -> None:
    """A handful of places have the scope that their meaning asks for."""
    piece = line[line.index("‹") + 1 : line.index("›")]
    found = scope_of(line, piece)
    assert len(found) == 1
    name = found.pop().removesuffix(".lsys")
    exact = scope in ("keyword.operator", "keyword.other", "keyword.declaration")
    assert name == scope if exact else name.startswith(scope)


def test_a_turtle_sign_is_no_operator_and_back() -> None:
    """After a rule with condition, weight and draws, the next line begins afresh."""
    before = "lsystem 1\nproduction:\np: A(x) : x - 1 > 0 --> B : 1 - x\n    where a = 1,\n          b = a - 1\n"
    assert scope_of("A --> F‹-›F", "-", before) == {"keyword.operator.turtle.lsys"}


@pytest.mark.parametrize("name", grammar_names())
def test_grammars_are_coloured_as_they_are_parsed(name: str) -> None:
    """In every grammar each label, module, parameter, number of a parameter and rule's module gets its own scope."""
    text = find_grammar(name).text
    parsed, found = parse_grammar(text), [scope for row in scopes(text) for scope in [*row, "\n"]]

    def of(span: tuple[int, int]) -> set[str]:
        return {scope.removesuffix(".lsys") for scope in found[span[0] : span[1]]}

    for parameter in parsed.parameters.values():
        assert of(parameter.span) == {"variable.parameter"}
    for function in parsed.functions.values():
        assert of(function.span) == {"entity.name.function"}
    for module in parsed.modules.values():
        if module.declared:
            assert of(module.span) == {"entity.name.type"}
    for rule in (*parsed.productions, *parsed.decomposition, *parsed.interpretation):
        if text[rule.span[0] : rule.span[1]] == rule.label:
            assert of(rule.span) == {"entity.name.label"}
        for one in rule.alternatives:
            for item in one.successor:
                head = (item.span[0], item.span[0] + len(item.symbol))
                assert of(head) == {_wanted(item.symbol, text, head)}, f"{rule.label}: {item.symbol}"
    assert not any("invalid" in scope for scope in found)


def _wanted(symbol: str, text: str, place: tuple[int, int]) -> str:
    if symbol in COMMANDS:
        return "support.function.steering"
    if symbol in QUERIES:
        return "support.variable.query"
    if symbol in ("[", "]"):
        return "punctuation.section.branch"
    word = re.search(r"\w*$", text[: place[0]] + symbol)
    assert word
    whole = text[word.start() :]
    if symbol in TURTLE and symbol not in ("F", "f", "G"):
        return "keyword.operator.turtle"
    return "support.function.turtle" if re.match(r"[FfG]+(?!\w)", whole) else "entity.name.type"


def _listed(scope: str, where: str = "match") -> set[str]:
    """Return the words of the alternation in the rules that give a scope."""
    words: set[str] = set()
    for rule in rules(GRAMMAR):
        text = rule.get(where)
        captured = (rule.get("captures") or rule.get("beginCaptures") or {}).get("1", {})
        if isinstance(text, str) and scope in (rule.get("name"), captured.get("name")):
            for inside in re.findall(r"\((?:\?:)?([\w|ω@#]+)\)", text):
                words |= set(inside.split("|"))
    return words


def test_lists_are_those_of_the_program() -> None:
    """Keywords, headings, statements, functions, commands and units are the program's own, none missing, none more."""
    declared = _listed("keyword.declaration.lsys") | _listed("keyword.declaration.lsys", "begin")
    assert declared - {"requires"} == set(KEYWORDS)
    colon = _listed("keyword.other.lsys") | _listed("keyword.other.lsys", "begin")
    assert colon - {"ω"} == set(COLON_KEYWORDS) - set(HEADINGS)
    assert _listed("entity.name.section.lsys") == set(HEADINGS)
    assert _listed("keyword.other.growth.lsys", "begin") == set(ENGINE)
    assert _listed("support.function.growth.lsys") == {one for functions in STATEMENTS.values() for one in functions}
    assert _listed("support.function.math.lsys") == set(FUNCTIONS)
    assert _listed("support.function.random.lsys") == set(DRAWS)
    assert _listed("support.function.organ.lsys") == {*ENVIRONMENT, *GrowthEnvironment.functions}
    assert {f"@{name}" for name in _listed("support.function.steering.lsys")} == set(COMMANDS)
    assert set(GRAMMAR["repository"]["number"]["match"].rsplit("(", 1)[1].split(")")[0].split("|")) == set(UNITS)
    assert set(GRAMMAR["repository"]["unit"]["match"].rsplit("(", 1)[1].split(")")[0].split("|")) == set(UNITS)


@pytest.mark.parametrize("symbol", sorted(set(TURTLE) - {"[", "]", "F", "f", "G"}))
def test_every_turtle_sign_has_its_scope(symbol: str) -> None:
    """Every sign of the turtle is coloured as one in a string."""
    assert scope_of(f"A --> B ‹{symbol}› C", symbol) == {"keyword.operator.turtle.lsys"}


# ---- the package


def test_package_names_files_that_exist() -> None:
    """The package's files are there, its licence is the project's, its scope is the grammar's."""
    given = PACKAGE["contributes"]
    assert (FOLDER / given["languages"][0]["configuration"]).is_file()
    assert (FOLDER / given["grammars"][0]["path"]).is_file()
    assert given["grammars"][0]["scopeName"] == GRAMMAR["scopeName"]
    assert given["languages"][0]["extensions"] == [".lsys"]
    assert PACKAGE["license"] == "Apache-2.0"
    configuration = json.loads((FOLDER / "language-configuration.json").read_text(encoding="utf-8"))
    assert configuration["comments"] == {"lineComment": "#"}
    re.compile(configuration["wordPattern"])


def test_problem_matcher_reads_the_checker() -> None:
    """The matcher finds file, place, severity, message and code in the checker's lines, and leaves notes out."""
    pattern = PACKAGE["contributes"]["problemMatchers"][0]["pattern"]
    faults = check_grammar(parse_grammar("lsystem 1\nparam p = 3 mm\naxiom: A\nA --> F(q)", file="a b.lsys"))
    assert {fault.severity for fault in faults} == {"error", "warning"}
    for fault in faults:
        first, *notes = gcc_lines(fault)
        match = re.match(pattern["regexp"], first)
        assert match
        told = {key: match.group(pattern[key]) for key in ("file", "line", "column", "severity", "message", "code")}
        wanted = {key: str(getattr(fault, key)) for key in told}
        assert told == wanted
        assert not any(re.match(pattern["regexp"], note) for note in notes)
    with pytest.raises(DiagnosticError) as caught:
        parse_grammar("lsystem 1\naxiom: A(", file="C:\\mine\\a.lsys")
    match = re.match(pattern["regexp"], gcc_lines(caught.value.diagnostics[0])[0])
    assert match
    assert (match.group(1), match.group(2)) == ("C:\\mine\\a.lsys", "2")


def test_readme_installs_in_five_lines() -> None:
    """The way to install is five numbered lines, and the task's matcher is the package's."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\d\. ", readme, re.MULTILINE)) == 5
    task = json.loads(readme.split("```json")[1].split("```")[0])["tasks"][0]
    assert task["problemMatcher"] == "$" + PACKAGE["contributes"]["problemMatchers"][0]["name"]
