"""The door: what the language means as a tree, and where faults are."""

from __future__ import annotations

import pickle
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pancreasgen.base.errors import DiagnosticError, PancreasgenError
from pancreasgen.grammar.build import MAX_SUCCESSOR
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.declare import MAX_FIELDS
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.syntax import parse_grammar
from tests.strategies import broken_texts, grammars

EXAMPLE = """lsystem 1                                      # format version
title "Ducts # not a comment"
organ requires surface, axis

param L_main = 165 mm  in [100, 220] mm   "length of the main duct"   source "Someone 2024"
param p_acc  = 0.41    in [0, 1]          "share"                     source "assumed"
param a_side = 70 deg  in [45, 90] deg    "side-branch angle"         source "assumed"
param gamma  = 3       in [2, 3.5]        "Murray exponent"           source "assumed"
let keep(r, f) = r * (1 - f)^(1/gamma)         # radius of the continuing duct
let half = 0.5

module Start
module Main(r: mm, s: mm)    "tip of the main duct"
module Side(r: mm, n)        "tip of a side branch"
module Seg(r: mm, l: mm)     "finished piece of duct"
limits: modules 20000, steps 400, depth 64
radii: bottom_up(gamma = gamma - 0.3, anchor = 2 mm)
fill: 2.6 mm, 0.2 cm as Side
territory: by Side
reserve: 1.4
axiom: Start

production:
begin:   Start
    --> [ @start("minor_papilla") Main(1 mm, 0 mm) ] @start("major_papilla") Main(2 mm, 0 mm) : p_acc
    --> @start("major_papilla") Main(2 mm, 0 mm)                                              : 1 - p_acc

# a comment between
wirsung: Main(r, s) : s < L_main and axis() < 0.98
    --> @toward("axis", 0.8) Seg(r, l) [ /(phi) &(a)
        Side(keep(r, f), 1) ] Main(keep(r, f), s + l)
    where l = lognormal(3 mm, 0.3), f = beta(2, 30),
          phi = uniform(0 deg, 360 deg), a = normal(a_side, 12 deg)
Side(r, n) : n < 3 --> Side(r * half, n + 1)

interpretation:
Seg(r, l) --> !(r) F(l)
"""


def test_example_parses_whole() -> None:
    """A file with every kind of statement becomes the grammar that it says, and has no faults."""
    grammar = parse_grammar(EXAMPLE, id="example")
    assert grammar.title == "Ducts # not a comment"
    assert grammar.requires == ("surface", "axis")
    assert (grammar.parameters["a_side"].value, grammar.parameters["a_side"].high) == (70, 90)
    assert [rule.label for rule in grammar.productions] == ["begin", "wirsung", "Side.1"]
    assert [len(rule.alternatives) for rule in grammar.productions] == [2, 1, 1]
    assert [binding.name for binding in grammar.productions[1].bindings] == ["l", "f", "phi", "a"]
    assert (grammar.limits.modules, grammar.limits.steps, grammar.limits.depth) == (20000, 400, 64)
    assert grammar.targets == ("minor_papilla", "major_papilla", "axis")
    assert grammar.statements["territory"].module == "Side"
    assert grammar.statements["fill"].module == "Side"
    assert check_grammar(grammar) == ()


def test_statements_give_numbers() -> None:
    """Engine statements evaluate over the parameters, in mm, and follow other values of them."""
    grammar = parse_grammar(EXAMPLE)
    assert grammar.statements["radii"].function == "bottom_up"
    assert grammar.statement_numbers("radii") == {"gamma": pytest.approx(2.7), "anchor": 2.0}
    assert grammar.statement_numbers("fill") == {"0": 2.6, "1": 2.0}
    assert grammar.with_values({"gamma": 2.5}).statement_numbers("radii")["gamma"] == pytest.approx(2.2)
    assert grammar.statement_numbers("nothing") == {}


def test_travels_between_processes() -> None:
    """A pickled grammar derives the same word."""
    grammar = parse_grammar(
        "lsystem 1\nparam a = 2\naxiom: F(a)\nproduction:\nF(x) --> F(x) F(u) where u = uniform(0, a)\n"
    )
    twin = pickle.loads(pickle.dumps(grammar))
    assert derive(twin, key=4, steps=4).word.args.tolist() == derive(grammar, key=4, steps=4).word.args.tolist()


@pytest.mark.parametrize(
    ("line", "symbols"),
    [
        ("F --> FF-[-F+F+F]+[+F-F-F]", "FF-[-F+F+F]+[+F-F-F]"),
        ("F-->F", "F"),
        ("F --> F--F", "F--F"),
        (r"F --> \F/F&F^F|F$F", r"\F/F&F^F|F$F"),
    ],
)
def test_plain_abop_lines(line: str, symbols: str) -> None:
    """Lines of the book parse as they stand: single letters without spaces, turtle symbols, no declarations."""
    grammar = parse_grammar(f"lsystem 1\naxiom: F\nproduction:\n{line}\n")
    assert "".join(item.symbol for item in grammar.productions[0].alternatives[0].successor) == symbols


def test_labels_and_conditions() -> None:
    """The word before the first colon is a label, unless it is a module and what follows is a condition."""
    head = "lsystem 1\nparam t = 1\nmodule Bud\nmodule Tip\naxiom: Bud Tip\nproduction:\n"
    rules = parse_grammar(head + "Bud : t > 0 --> Tip\nold : Tip --> Bud\nTip : * --> Bud\n").productions
    assert [(rule.label, rule.predecessor, rule.condition is None) for rule in rules] == [
        ("Bud.1", "Bud", False), ("old", "Tip", True), ("Tip.2", "Tip", True),
    ]  # fmt: skip


FAULTS = [
    ("param a = 3 km", 1, 13, "PG101", "a unit (mm, cm, um, deg, rad)"),
    ("param a = 3 mm in [4, 5] mm", 1, 11, "PG106", "change the value"),
    ("param min = 3", 1, 7, "PG107", "choose another name"),
    ("modul B", 1, 1, "PG101", "did you mean `module`?"),
    ('title "open', 1, 7, "PG101", "end it with"),
    ("limits: step 3", 1, 9, "PG103", "did you mean `steps`?"),
    ("production:\nA(x) --> A(x", 2, 13, "PG101", "wanted here: )"),
    ("production:\nA(x) --> [ A(x)", 2, 10, "PG104", "add ]"),
    ("production:\nA(x) --> A(x) ]", 2, 15, "PG104", "remove it"),
    ("production:\nA(x) --> Aa(x)", 2, 10, "PG103", "did you mean `A`?"),
    ('production:\nA(x) --> @towards("q", 1) A(x)', 2, 10, "PG103", "did you mean `@toward`?"),
    ('production:\nA(x) --> @start("") A(x)', 2, 10, "PG103", "write its name"),
    ("production:\nA(x) : x < --> A(x)", 2, 14, "PG101", "a number"),
    ("production:\nA(3) --> A(x)", 2, 3, "PG104", "write a name"),
    ("production:\np: A(x) --> F\np: A(x) --> F", 3, 1, "PG107", "rename"),
]


@pytest.mark.parametrize(("text", "line", "column", "code", "hint"), FAULTS)
def test_faults_have_a_place(text: str, line: int, column: int, code: str, hint: str) -> None:
    """A planted fault is reported at its line and column, with a code and a hint that helps."""
    with pytest.raises(DiagnosticError) as caught:
        parse_grammar(f"lsystem 1\nmodule A(x)\naxiom: A(1)\n{text}\n", file="a.lsys")
    first = caught.value.diagnostics[0]
    assert (first.line - 3, first.column, first.code) == (line, column, code)
    assert hint in first.hint
    assert f"a.lsys:{first.line}:{first.column}" in caught.value.letter()


def test_all_faults_at_once() -> None:
    """One fault hides no other: each of five faulty lines is reported."""
    rows = ["param a = 3 km", "module A(x: kg)", "axiom: A(1", "production:", "A(x) -> F", "A(x) --> ]", "A(x) --> F"]
    with pytest.raises(DiagnosticError) as caught:
        parse_grammar("lsystem 1\n" + "\n".join(rows))
    assert {fault.line for fault in caught.value.diagnostics} == {2, 3, 4, 6, 7}


def test_first_line_and_axiom_are_wanted() -> None:
    """A file without `lsystem 1` or without an axiom is refused."""
    for text, what in (
        ("axiom: F", "first line"),
        ("lsystem 2\naxiom: F", "format 2"),
        ("lsystem 1", "no axiom"),
        ("", ""),
    ):
        with pytest.raises(DiagnosticError) as caught:
            parse_grammar(text)
        assert what in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    "body",
    [
        "axiom: F\n" + "# " + "x" * 256_000,
        "axiom: " + "F" * (MAX_SUCCESSOR + 1),
        "axiom: F(" + "+".join(["1"] * 66) + ")",
        "axiom: F(" + "sqrt(" * 70 + "1" + ")" * 70 + ")",
        "axiom: F\nproduction:\n" + "F --> F\n" * 1001,
        "module A(" + ",".join(f"x{k}" for k in range(MAX_FIELDS + 1)) + ")\naxiom: F",
    ],
)
def test_sizes_are_bounded(body: str) -> None:
    """A file, a string, a nested expression, a rule book or a module that is too large is refused with PG108."""
    with pytest.raises(DiagnosticError) as caught:
        parse_grammar("lsystem 1\n" + body)
    assert "PG108" in {fault.code for fault in caught.value.diagnostics}


def test_deep_parentheses_do_not_overflow() -> None:
    """Two hundred thousand parentheses end in a grammar or a letter, never in a RecursionError, and quickly."""
    begin = time.perf_counter()
    with pytest.raises(DiagnosticError):
        parse_grammar("lsystem 1\naxiom: F(" + "(" * 100_000 + "1" + ")" * 100_000)
    assert time.perf_counter() - begin < 5


@settings(max_examples=7000, deadline=None)
@given(text=broken_texts())
def test_any_text_is_a_grammar_or_a_letter(text: str) -> None:
    """Whatever the text, the answer is a grammar or a letter, never a traceback."""
    letter = ""
    try:
        grammar = parse_grammar(text)
        letter = "".join(fault.render() for fault in check_grammar(grammar) if fault.severity == "error")
        derive(grammar, key=1, steps=3)
    except PancreasgenError as error:
        letter = error.letter()
    assert letter == "" or letter.startswith("error")


TOKENS = re.findall(r"\s+|\w+|.", EXAMPLE)


@settings(max_examples=3000, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(TOKENS) - 1), st.sampled_from(("drop", "put", "swap")), st.sampled_from(TOKENS)),
        min_size=1,
        max_size=4,
    )
)
def test_nearly_right_texts(edits: list[tuple[int, str, str]]) -> None:
    """The example with words dropped, added or exchanged is a grammar or a letter, and may be derived."""
    words = list(TOKENS)
    for place, kind, word in edits:
        words[place] = {"drop": "", "put": words[place] + word, "swap": word}[kind]
    letter = ""
    try:
        derive(parse_grammar("".join(words)), key=1, steps=2)
    except PancreasgenError as error:
        letter = error.letter()
    assert letter == "" or letter.startswith("error")


@settings(max_examples=30, deadline=None)
@given(text=grammars())
def test_right_grammars_have_no_errors(text: str) -> None:
    """Random grammars made by the rules of the language pass the door and the check."""
    found = check_grammar(parse_grammar(text))
    assert not [fault for fault in found if fault.severity == "error" and fault.code != "PG126"]
