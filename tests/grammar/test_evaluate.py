"""Expressions as closures: arithmetic, precedence, units, and which rule takes which row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.evaluate import constant
from pancreasgen.grammar.match import Moment, find_matches
from pancreasgen.grammar.program import make_program
from pancreasgen.grammar.syntax import parse_grammar

HEAD = "lsystem 1\nparam p = 3\nparam w = 2 cm\nlet twice(a) = 2 * a\nlet both = twice(p) + 1\naxiom: F\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-2^2", -4),
        ("2^3^2", 512),
        ("2^-1", 0.5),
        ("10 - 4 - 3", 3),
        ("24 / 4 / 2", 3),
        ("(1 + 2) * 3", 9),
        ("w + 1 mm", 21),
        ("90 deg", math.pi / 2),
        ("500 um + 0.1 cm", 1.5),
        ("both * twice(p)", 42),
        ("min(4, 2, 3) + max(1, 5) + clamp(9, 0, 4)", 11),
        ("mod(-1, 3) + abs(-2) + sign(-3)", 3),
        ("floor(2.7) + ceil(2.1) + round(2.6)", 8),
        ("if(p > 2 and not p > 5, 10, 20)", 10),
        ("if(1 < p < 3 or p == 9, 10, 20)", 20),
        ("sqrt(16) + exp(0) + log(1)", 5),
        ("sin(90 deg) + cos(0 deg) + tan(45 deg)", 3),
        ("(asin(1) + acos(0)) / atan(1)", 4),
        ("1e3 + .5 + 2.", 1002.5),
    ],
)
def test_values(text: str, value: float) -> None:
    """An expression has the value that mathematics gives it, lengths in mm and angles in rad."""
    grammar = parse_grammar(HEAD + f"reserve: {text}\n")
    assert constant(grammar, grammar.statements["reserve"].arguments[0]) == pytest.approx(value, rel=1e-14)


def test_constants_must_be_finite() -> None:
    """An engine statement that divides by zero, or uses an unknown name, is refused by its text."""
    for text in ("1 / (p - 3", "q + 1"):
        grammar = parse_grammar(HEAD + f"reserve: {text}{')' * text.count('(')}\n")
        with pytest.raises(BadInputError) as caught:
            grammar.statement_numbers("reserve")
        assert text in caught.value.message


def test_every_row_is_matched_once_and_by_the_first_rule() -> None:
    """The matches of a symbol's rules are a partition of the rows that satisfy any of them."""
    text = (
        "lsystem 1\nmodule A(x)\naxiom: A(1)\nproduction:\na: A(x) : x < 3 --> F : 0.5 --> f : 0.5\n"
        "b: A(x) : x < 6 or x > 18 --> G\n"
    )
    program = make_program(parse_grammar(text))
    code = program.grammar.symbols.index("A")
    index, lineage = np.arange(100, 120), np.arange(20, dtype=np.uint64)
    args = np.arange(20.0)[:, None] * np.ones((1, program.width))
    now = Moment(program.grammar, program.parameters, 1, 1)
    rows: dict[str, list[int]] = {"a": [], "b": []}
    for match in find_matches(program.rules[code], args, lineage, index, now):
        rows[match.rule.label] += match.rows.rows.tolist()
    assert sorted(rows["a"]) == [100, 101, 102]
    assert rows["b"] == [103, 104, 105, 119]
