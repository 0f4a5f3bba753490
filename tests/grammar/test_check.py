"""What a grammar means before it runs: names, arity, units, weights, growth."""

from __future__ import annotations

import pytest

from pancreasgen.base.errors import DiagnosticError
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.predict import explosion, mean_matrix
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.syntax import parse_grammar

HEAD = """lsystem 1
param len = 2 mm source "assumed"
param ang = 30 deg source "assumed"
module A(x: mm, n) "tip"
module T(a: deg) "turn"
axiom: A(len, 0) T(ang)
production:
"""


def faults(rule: str, severity: str = "error") -> list[tuple[str, int, str]]:
    found = check_grammar(parse_grammar(HEAD + rule + "\n"))
    return [(fault.code, fault.column, fault.message) for fault in found if fault.severity == severity]


@pytest.mark.parametrize(
    ("rule", "code", "column", "words"),
    [
        ("A(x, n) --> F(y)", "PG103", 15, "no parameter or name `y`"),
        ("A(x, n) --> F(sqr(x))", "PG103", 15, "no function `sqr`"),
        ("A(x, n) --> A(x)", "PG104", 13, "takes 2 arguments, not 1"),
        ("A(x) --> F(x)", "PG104", 1, "has 2 arguments"),
        ("A(x, n) --> F(min())", "PG104", 15, "takes 1 to 8"),
        ("A(x, n) --> F(x + ang)", "PG105", 15, "joins a length and an angle"),
        ("A(x, n) : x < 10 deg --> F(x)", "PG105", 11, "joins a length and an angle"),
        ("T(a) : a < 30 --> +(a)", "PG105", 8, "joins an angle and a number"),
        ("A(x, n) --> +(x)", "PG105", 15, "wants an angle"),
        ("A(x, n) --> F(x * x)", "PG105", 15, "wants a length here, not mm^2"),
        ("A(x, n) --> A(x, ang)", "PG105", 18, "wants a number without unit"),
        ("A(x, n) --> F(sin(n) * x)", "PG105", 19, "wants an angle"),
        ("A(x, n) --> F(x^n)", "", 0, ""),
        ("A(x, n) < A(y, m) --> F", "", 0, ""),
        ("A(x, n) < A(x, m) --> F", "PG104", 3, "`x` stands twice"),
        ("A(x) < A(y, m) --> F", "PG104", 1, "has 2 arguments, the context names 1"),
        ("A(x, n) > [A(y, m)] --> F", "", 0, ""),
        ("A(p, q) [A(x, n)] < A(y, m) --> F", "PG104", 9, "cannot stand in this context"),
        ("A(x, n) > A(y, 3) --> F", "PG104", 16, "has names, not expressions"),
        ("A(x, n) --> ?P(x, x, x)", "", 0, ""),
        ("A(x, n) --> ?R(x, x, x)", "PG103", 13, "there is no query `?R`"),
        ("A(x, n) --> ?P(10 deg, 0, 0)", "PG105", 16, "wants a length"),
        ("A(x, n) --> F(exp(x))", "PG105", 19, "number without unit"),
    ],
)
def test_faults(rule: str, code: str, column: int, words: str) -> None:
    """Each planted fault of meaning is found at its column; a rule without a fault gives none."""
    found = faults(rule)
    if not code:
        assert found == []
        return
    assert (found[0][0], found[0][1]) == (code, column)
    assert words in found[0][2]


@pytest.mark.parametrize(
    "rule",
    [
        "A(x, n) --> F(x + 1) +(30) T(45) A(2 * x, n + 1)",
        "T(a) : a > 0 --> +(a / 2) F(len * sin(a))",
        "A(x, n) --> F(sqrt(x * x + len^2)) /(atan(x / len))",
        "A(x, n) --> F((x^3 + len^3)^(1/3)) +(murray_angle(0.3))",
        "A(x, n) --> F(l) where l = lognormal(8 * x, 0.2)",
        "A(x, n) : surface(1 mm) < 0.5 mm or duct(x) > len or axis() > 0.9 --> F(x)",
    ],
)
def test_right_units_pass(rule: str) -> None:
    """Bare numbers stand for mm, or for degrees where an angle is wanted; powers, roots and angles fit."""
    assert faults(rule) == []


def test_bare_angles_are_degrees() -> None:
    """+(30) turns by 30 degrees, as in the book, and T(45) hands 45 degrees to an argument in deg."""
    grammar = parse_grammar(HEAD + "A(x, n) --> +(30) T(45) &(ang)\n")
    args = derive(grammar, key=0, steps=1).word.args
    assert args[:3].tolist() == pytest.approx([0.5235987755982988, 0.7853981633974483, 0.5235987755982988])


def test_lets() -> None:
    """A `let` uses only what stands above it and cannot draw; unfolding is bounded."""
    head = "lsystem 1\naxiom: F(g(1))\n"
    late = check_grammar(parse_grammar(head + "let g(a) = h(a)\nlet h(a) = a\n"))
    assert [(fault.code, fault.line) for fault in late if fault.severity == "error"] == [("PG103", 3)]
    itself = check_grammar(parse_grammar(head + "let g(a) = g(a)\n"))
    assert "PG103" in {fault.code for fault in itself}
    draws = check_grammar(parse_grammar(head + "let g(a) = uniform(0, a)\n"))
    assert [fault.code for fault in draws] == ["PG104"]
    bomb = "let f0(a) = a + a\n" + "".join(f"let f{k}(a) = f{k - 1}(a) + f{k - 1}(a)\n" for k in range(1, 40))
    huge = check_grammar(parse_grammar("lsystem 1\naxiom: F(f39(1))\n" + bomb))
    assert "PG108" in {fault.code for fault in huge}


def test_warnings() -> None:
    """Weights off 1, modules never written, rules that never match, parameters unused or without a source."""
    text = (
        "lsystem 1\nparam p = 1\nmodule A\nmodule B\nmodule C\naxiom: A\nproduction:\n"
        "A --> F : 0.5 --> f : 0.3\nB --> F\n"
    )
    found = {(fault.code, fault.line) for fault in check_grammar(parse_grammar(text)) if fault.severity == "warning"}
    assert found == {("PG120", 8), ("PG121", 4), ("PG121", 5), ("PG123", 9), ("PG124", 2), ("PG125", 2)}


def test_explosion_is_foretold() -> None:
    """The step at which the word passes the limit is the one at which the engine stops."""
    grammar = parse_grammar("lsystem 1\nlimits: modules 5000\naxiom: F\nproduction:\nF --> F[+F]F[-F]F\n")
    found = explosion(grammar)
    assert found is not None
    derivation = derive(grammar, key=0)
    assert (derivation.reason, derivation.steps) == ("modules", found[0] - 1)
    assert "PG126" in {fault.code for fault in check_grammar(grammar)}
    assert (
        explosion(parse_grammar("lsystem 1\naxiom: F\nproduction:\nF --> F F(2)[]\n".replace("F F(2)[]", "A F")))
        is None
    )


def test_mean_matrix_weighs_alternatives() -> None:
    """The mean number of children is the weighted mean over alternatives."""
    grammar = parse_grammar("lsystem 1\naxiom: A\nproduction:\nA --> A A A : 1 --> A : 3\n")
    code = grammar.symbols.index("A")
    assert mean_matrix(grammar)[code, code] == 0.25 * 3 + 0.75 * 1


EIGHT = """lsystem 1
param a = 3 km
param r = 5 mm in [1, 4] mm
module A(x: mm)
module B
axiom: A(1 mm) C
production:
grow: A(x) : x > 10 deg --> F(y) [ B
B --> @towrd("axis", 1) A(1, 2)
A(x) --> F(lenght(x) + r + a)
"""


def test_eight_faults_of_all_kinds_at_once() -> None:
    """Faults of syntax hide none of meaning, and the use of a name whose declaration is broken is no other fault."""
    with pytest.raises(DiagnosticError) as caught:
        parse_grammar(EIGHT, file="eight.lsys")
    found = [(fault.line, fault.column, fault.code) for fault in caught.value.diagnostics]
    assert found == [
        (2, 13, "PG101"), (3, 11, "PG106"), (6, 16, "PG103"), (8, 14, "PG105"), (8, 31, "PG103"), (8, 34, "PG104"),
        (9, 7, "PG103"), (9, 25, "PG104"), (10, 12, "PG103"),
    ]  # fmt: skip
