"""The rewriting engine against formulas, laws of chance and its slow twin."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pancreasgen.base.errors import BadInputError, DiagnosticError, PancreasgenError, UsageError
from pancreasgen.grammar.check import checked_program
from pancreasgen.grammar.grammar import Grammar, Word
from pancreasgen.grammar.predict import mean_matrix
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.syntax import parse_grammar
from tests.strategies import grammars
from tests.twins import PlainEngine


def lines(*rows: str) -> str:
    return "\n".join(("lsystem 1", *rows)) + "\n"


def counts(word: Word, symbols: tuple[str, ...]) -> dict[str, int]:
    return {
        symbols[code]: int(number) for code, number in zip(*np.unique(word.symbol, return_counts=True), strict=True)
    }


def test_length_is_matrix_power() -> None:
    """The length of a D0L word after n steps is the axiom's counts times the n-th power of the growth matrix."""
    grammar = parse_grammar(lines("axiom: B", "production:", "A --> AB[A]", "B --> A-C", "C --> B"))
    symbols = grammar.symbols
    start = np.array([name == "B" for name in symbols], dtype=float)
    for steps in range(9):
        wanted = start @ np.linalg.matrix_power(mean_matrix(grammar), steps)
        assert len(derive(grammar, key=1, steps=steps).word) == wanted.sum()


def test_fibonacci() -> None:
    """A → AB, B → A has Fibonacci lengths, and the word is the Fibonacci word."""
    grammar = parse_grammar(lines("axiom: A", "production:", "A --> AB", "B --> A"))
    text, before = "A", "A"
    for steps in range(1, 15):
        text, before = (text + "B", "A") if steps == 1 else (text + before, text)
        word = derive(grammar, key=0, steps=steps).word
        assert "".join(grammar.symbols[code] for code in word.symbol) == text


def test_order_of_brackets_and_modules() -> None:
    """Children stand where their parent stood, however deep the derivation."""
    grammar = parse_grammar(lines("axiom: X", "production:", "X --> F[+X]F[-X]X", "F --> FF"))

    def plain(text: str, steps: int) -> str:
        for _ in range(steps):
            text = "".join({"X": "F[+X]F[-X]X", "F": "FF"}.get(letter, letter) for letter in text)
        return text

    word = derive(grammar, key=0, steps=5).word
    assert "".join(grammar.symbols[code] for code in word.symbol) == plain("X", 5)


def bounded(grammar: Grammar) -> Grammar:
    """The grammar, which decomposition may grow past its limit by a little before a step ends."""
    return replace(grammar, limits=replace(grammar.limits, modules=20_000))


@settings(max_examples=2000, deadline=None)
@given(text=grammars(), order=st.integers(0, 99))
def test_agrees_with_twin(text: str, order: int) -> None:
    """On random grammars the engine writes what the plain twin writes, in whatever order the twin visits the modules.

    Symbols, arguments and lineages agree bit for bit: contexts, weights, draws, decomposition and cuts included.
    """
    grammar = bounded(parse_grammar(text))
    derivation = derive(grammar, key=77, steps=4)
    twin = PlainEngine(grammar, 77, order=order).derive(derivation.steps)
    word = derivation.word
    assert [grammar.symbols[code] for code in word.symbol] == [module.symbol for module in twin]
    assert word.lineage.tolist() == [module.lineage for module in twin]
    assert word.args.tolist() == [value for module in twin for value in module.arguments]


@settings(max_examples=100, deadline=None)
@given(text=grammars())
def test_the_order_of_evaluation_does_not_matter(text: str) -> None:
    """With the rules of the symbols evaluated in the opposite order the word has the same hash."""
    grammar = bounded(parse_grammar(text))
    program = checked_program(grammar)
    turned = replace(program, rules=dict(reversed(program.rules.items())),
                     decomposition=dict(reversed(program.decomposition.items())))  # fmt: skip
    hashes = []
    for one in (program, turned):
        with mock.patch("pancreasgen.grammar.rewrite.checked_program", return_value=one):
            word = derive(grammar, key=3, steps=4).word
        hashes.append(hashlib.sha256(word.symbol.tobytes() + word.args.tobytes() + word.lineage.tobytes()).hexdigest())
    assert hashes[0] == hashes[1]


def test_weights_by_chi_square() -> None:
    """Alternatives are chosen in proportion to their weights, which need not sum to 1."""
    grammar = parse_grammar(
        lines("module S(n)", "module A", "module B", "module C", "axiom: S(14)", "production:",
              "split: S(n) : n > 0 --> S(n - 1) S(n - 1)", "pick: S(n) --> A : 2 --> B : 5 --> C : 3")
    )  # fmt: skip
    word = derive(grammar, key=5).word
    found = counts(word, grammar.symbols)
    total = 2**14
    assert len(word) == total
    observed = [found[name] for name in "ABC"]
    assert stats.chisquare(observed, np.array([0.2, 0.5, 0.3]) * total).pvalue > 1e-3


def test_lineage_is_blind_to_other_branches() -> None:
    """A branch draws the same numbers whether or not an unrelated branch grows after it or another rule is added."""
    head = ("module A(x)", "module Z(x)", "axiom: [A(0)]{}", "production:")
    rule = "grow: A(x) --> A(x + u) A(u) where u = uniform(0, 1)"
    alone = derive(parse_grammar(lines(*head, rule).format("")), key=9, steps=6).word
    beside = parse_grammar(lines(*head, "other: Z(x) --> Z(u) Z(v) where u = uniform(0, 1), v = normal(0, 1)", rule)
                           .format("[Z(3) Z(4)]"))  # fmt: skip
    together = derive(beside, key=9, steps=6).word
    assert together.args[: len(alone.args)].tolist() == alone.args.tolist()
    assert together.lineage[: len(alone)].tolist() == alone.lineage.tolist()


def test_lineages_are_unique() -> None:
    """No two modules of a word share a lineage, so no two share their draws."""
    grammar = parse_grammar(lines("axiom: F", "production:", "F --> F[+F]F[-F]F"))
    word = derive(grammar, key=3, steps=6).word
    assert len(np.unique(word.lineage)) == len(word)


def test_keys_give_other_words() -> None:
    """Another key gives other draws; the same key the same."""
    grammar = parse_grammar(
        lines("module A(x)", "axiom: A(0)", "production:", "A(x) --> A(u) A(x) where u = uniform(0, 1)")
    )
    words = [derive(grammar, key=key, steps=5).word.args.tolist() for key in (1, 1, 2)]
    assert words[0] == words[1]
    assert words[0] != words[2]


def test_first_matching_rule_wins() -> None:
    """Rules are tried in file order; a later rule sees only what the earlier ones left."""
    grammar = parse_grammar(
        lines("module A(x)", "module P", "module Q", "module R", "axiom: A(1) A(2) A(3) A(4)", "production:",
              "A(x) : x > 2 and x < 4 --> P", "A(x) : x > 1 --> Q", "A(x) --> R")
    )  # fmt: skip
    word = derive(grammar, key=0).word
    assert [grammar.symbols[code] for code in word.symbol] == ["R", "Q", "P", "Q"]


def test_reasons() -> None:
    """A derivation says why it ended: fixpoint, steps, modules or depth, and never passes a limit."""
    doubling = lines("limits: modules 1000, steps 50, depth 3", "axiom: A", "production:", "A --> A A")
    derivation = derive(parse_grammar(doubling), key=0)
    assert (derivation.reason, len(derivation.word), derivation.steps) == ("modules", 512, 9)
    nested = lines("limits: modules 1000, steps 50, depth 3", "axiom: A", "production:", "A --> [A]")
    derivation = derive(parse_grammar(nested), key=0)
    assert (derivation.reason, len(derivation.word)) == ("depth", 7)
    assert derive(parse_grammar(nested), key=0, steps=2).reason == "steps"
    still = lines("axiom: A B", "production:", "A --> B")
    derivation = derive(parse_grammar(still), key=0)
    assert (derivation.reason, derivation.steps) == ("fixpoint", 1)


def test_erasing() -> None:
    """An empty successor erases, and an erased word is a fixpoint."""
    derivation = derive(parse_grammar(lines("axiom: A A", "production:", "A --> *")), key=0)
    assert (len(derivation.word), derivation.reason) == (0, "fixpoint")


def test_idle_rewriting_keeps_the_word() -> None:
    """Rewriting every one of 16,384 modules again and again (the rope forgets what was replaced) loses none of them."""
    split = "S(n, k) : n > 0 --> S(n - 1, 2 * k) S(n - 1, 2 * k + 1)"
    grammar = parse_grammar(
        lines("module S(n, k)", "module A(k, x)", "axiom: S(14, 0)", "production:", split, "S(n, k) --> A(k, 0)",
              "A(k, x) : x < 20 --> A(k, x + 1)")
    )  # fmt: skip
    derivation = derive(grammar, key=0)
    args = derivation.word.args.reshape(-1, 2)
    assert derivation.reason == "fixpoint"
    assert args[:, 0].tolist() == list(range(2**14))
    assert (args[:, 1] == 20).all()


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("A(x) --> A(1 / (x - 2))", "division by zero in `1 / (x - 2"),
        ("A(x) --> A(sqrt(x - 5))", "not a finite number in `sqrt(x - 5)`"),
        ("A(x) --> A(exp(x * 1000))", "not a finite number in `exp(x * 1000)`"),
        ("A(x) --> A(x) : x - 5 --> A(x)", "weights are not above 0"),
        ("A(x) --> A(normal(0, x - 4))", "the spread is negative"),
    ],
)  # fmt: skip
def test_faults_name_rule_module_and_step(rule: str, what: str) -> None:
    """A value that is not finite is an error that names rule, module and step."""
    grammar = parse_grammar(lines("module A(x)", "axiom: A(2)", "production:", "bad: " + rule))
    with pytest.raises(BadInputError) as caught:
        derive(grammar, key=0, steps=3)
    assert what in caught.value.message
    assert "`bad`" in caught.value.message
    assert "`A`" in caught.value.message
    assert "step 1" in caught.value.message


def test_guarded_division_is_fine() -> None:
    """`and`, `or` and `if` evaluate only what they need, so a guard protects."""
    grammar = parse_grammar(
        lines("module A(x)", "module B(x)", "axiom: A(0) A(2)", "production:",
              "A(x) : x > 0 and 1 / x > 0.1 --> B(if(x > 0, 1 / x, 0))",
              "A(x) : x == 0 or 1 / x > 9 --> B(if(x > 0, 1 / x, 7))")
    )  # fmt: skip
    assert derive(grammar, key=0, steps=1).word.args.tolist() == [7.0, 0.5]


def test_values_replace_defaults_in_their_own_unit() -> None:
    """A value is in the parameter's unit; out of range it is refused with the range, unknown with a suggestion."""
    grammar = parse_grammar(lines("param size = 1 cm in [1, 5] cm", "axiom: F(size)"))
    assert derive(grammar, key=0, values={"size": 2.0}).word.args.tolist() == [20.0]
    with pytest.raises(UsageError, match="1 to 5 cm"):
        derive(grammar, key=0, values={"size": 6.0})
    with pytest.raises(UsageError) as caught:
        derive(grammar, key=0, values={"sise": 2.0})
    assert "did you mean `size`?" in caught.value.hint


def test_organ_functions_need_an_organ() -> None:
    """A rule that asks the organ cannot run without one, and says so."""
    grammar = parse_grammar(lines("axiom: A", "production:", "A : surface(1 mm) > 0 --> F"))
    with pytest.raises(BadInputError, match="asks the organ"):
        derive(grammar, key=0)


def test_faulty_grammar_does_not_run() -> None:
    """Deriving a grammar with faults lists them instead."""
    with pytest.raises(DiagnosticError):
        derive(parse_grammar(lines("module A(x)", "axiom: A(1)", "production:", "A(x) --> A(y)")), key=0)


def test_limits_cannot_be_raised() -> None:
    """A file can only lower the caps."""
    with pytest.raises(PancreasgenError, match="2,000,000"):
        parse_grammar(lines("limits: modules 3000000", "axiom: F"))
