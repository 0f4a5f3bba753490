"""The systems of *The Algorithmic Beauty of Plants* derive to what the book and theory say."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from pancreasgen.dataset.grammars import find_grammar, grammar_names
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.grammar import Grammar, Word
from pancreasgen.grammar.predict import mean_matrix
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.turtle import Segments, interpret

ABOP = [name for name in grammar_names() if name.startswith("abop/")]


def grammar(name: str) -> Grammar:
    found = find_grammar(f"abop/{name}")
    return parse_grammar(found.text, id=found.id, file=found.file)


def symbols(word: Word, rules: Grammar) -> list[str]:
    return [rules.symbols[code] for code in word.symbol]


def text(word: Word, rules: Grammar) -> str:
    return "".join(symbols(word, rules))


def lines(rules: Grammar, steps: int, key: int = 0) -> Segments:
    return interpret(derive(rules, key=key, steps=steps).word, rules, key=key)


@pytest.mark.parametrize("name", ABOP)
def test_each_passes_the_check_and_draws(name: str) -> None:
    """No fault, no warning, and something is drawn."""
    found = find_grammar(name)
    rules = parse_grammar(found.text, id=name, file=found.file)
    assert check_grammar(rules) == ()
    assert len(lines(rules, min(rules.limits.steps, 8))) > 1


@pytest.mark.parametrize("name", ["anabaena", "koch", "dragon", "hilbert", "bush", "plant", "tree"])
def test_lengths_are_matrix_powers(name: str) -> None:
    """The counts of symbols after n steps are those of the axiom times the n-th power of the growth matrix."""
    rules = grammar(name)
    number = len(rules.symbols)
    start = np.bincount(derive(rules, key=0, steps=0).word.symbol, minlength=number)
    for steps in range(min(5, rules.limits.steps + 1)):
        wanted = start @ np.linalg.matrix_power(mean_matrix(rules), steps)
        found = np.bincount(derive(rules, key=0, steps=steps).word.symbol, minlength=number)
        assert found.tolist() == wanted.tolist()


def test_anabaena() -> None:
    """D0L: the filaments that section 1.2 prints, and Fibonacci lengths after them."""
    rules = grammar("anabaena")
    printed = [
        "a_r", "a_l b_r", "b_l a_r a_r", "a_l a_l b_r a_l b_r", "b_l a_r b_l a_r a_r b_l a_r a_r",
    ]  # fmt: skip
    for steps, wanted in enumerate(printed):
        assert symbols(derive(rules, key=0, steps=steps).word, rules) == wanted.split()
    lengths = [len(derive(rules, key=0, steps=steps).word) for steps in range(9)]
    assert all(lengths[n] == lengths[n - 1] + lengths[n - 2] for n in range(2, 9))


def test_koch_island() -> None:
    """Edge rewriting: 4 · 8ⁿ edges, and the island is closed."""
    rules = grammar("koch")
    for steps in range(4):
        curve = lines(rules, steps)
        assert len(curve) == 4 * 8**steps
        assert curve.end_mm[-1] == pytest.approx([0, 0, 0], abs=1e-6)


def test_dragon_is_the_paper_folding_sequence() -> None:
    """Fold k turns by the odd part of k modulo 4: left for 1, right for 3."""
    curve = lines(grammar("dragon"), 10)
    heading = curve.end_mm - curve.start_mm
    assert len(heading) == 2**10
    turns = np.cross(heading[:-1], heading[1:])[:, 1]  # left is +x of heading +z: a turn about +y
    odd = [k // (k & -k) % 4 for k in range(1, 2**10)]
    assert {(turn > 0, fold) for turn, fold in zip(turns, odd, strict=True)} == {(True, 1), (False, 3)}


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_hilbert_curve_fills_the_cube(steps: int) -> None:
    """It visits each of the 8ⁿ points of a cubic lattice once, by unit steps."""
    curve = lines(grammar("hilbert"), steps)
    points = np.vstack([curve.start_mm[:1], curve.end_mm])
    assert np.allclose(np.linalg.norm(curve.end_mm - curve.start_mm, axis=1), 1, atol=1e-3)
    lattice = np.unique(np.rint(points).astype(int), axis=0)
    assert len(points) == len(lattice) == 8**steps
    assert (np.ptp(lattice, axis=0) == 2**steps - 1).all()


def test_bush_stems_get_thinner() -> None:
    """Each order of branching is drawn 0.7 times as thick as the one before."""
    curve = lines(grammar("bush"), 4)
    wanted = 0.5 * 0.7 ** np.arange(4)
    assert sorted(set(curve.radius_end_mm.round(12))) == sorted(wanted.round(12))


def test_tree_lengths_and_widths() -> None:
    """2ⁿ − 1 pieces; the widths are powers of wr, the trunk's lengths powers of r1."""
    curve = lines(grammar("tree"), 8)
    assert len(curve) == 2**8 - 1
    assert np.unique(curve.radius_end_mm.round(9)).tolist() == sorted(np.round(0.707 ** np.arange(8), 9).tolist())
    trunk = curve.order == 0
    lengths = np.linalg.norm(curve.end_mm - curve.start_mm, axis=1)[trunk]
    assert lengths == pytest.approx(10 * 0.9 ** np.arange(8), abs=2e-3)


def test_numbers() -> None:
    """Parametric with conditions: the words that section 1.10.1 prints."""
    rules = grammar("numbers")
    printed = [
        "B(2) A(4,4)", "B(1) B(4) A(1,0)", "B(0) B(3) A(2,1)", "C B(2) A(4,3)", "C B(1) A(8,7)",
        "C B(0) B(8) A(1.142,0)",
    ]  # fmt: skip
    for steps, wanted in enumerate(printed):
        word = derive(rules, key=0, steps=steps).word
        shown = []
        for place, symbol in enumerate(symbols(word, rules)):
            values = word.args[word.offset[place] : word.offset[place + 1]]
            shown.append((symbol, np.floor(values * 1000).tolist()))
        modules = [re.fullmatch(r"(\w)(?:\((.*)\))?", one) for one in wanted.split()]
        expected = [(one[1], [float(n) * 1000 for n in (one[2] or "").split(",") if n]) for one in modules if one]
        assert shown == expected


def test_stochastic_weed() -> None:
    """Stochastic: over many words the three productions are chosen 33 : 33 : 34."""
    rules = grammar("weed")
    chosen = [len(derive(rules, key=key, steps=1).word) + 100 * ("-" in text(
        derive(rules, key=key, steps=1).word, rules)) for key in range(3000)]  # fmt: skip
    _, counts = np.unique(chosen, return_counts=True)
    assert len(counts) == 3
    assert stats.chisquare(counts, np.array([0.33, 0.34, 0.33]) * 3000).pvalue > 1e-3


def test_signal_in_a_filament() -> None:
    """1L: in baaaaaaaa with b < a → b, b → a the signal moves one cell a step (section 1.8)."""
    rules = parse_grammar("lsystem 1\naxiom: baaaaaaaa\nproduction:\nb < a --> b\nb --> a\n")
    for steps in range(9):
        assert text(derive(rules, key=0, steps=steps).word, rules) == "a" * steps + "b" + "a" * (8 - steps)


def test_signals_on_a_branching_structure() -> None:
    """1L with brackets: upwards it reaches an axis and its branches together, downwards it leaves branches out."""
    rules = grammar("signal")
    states = [text(derive(rules, key=0, steps=steps).word, rules).replace("F_", "") for steps in range(5)]
    assert states == [
        "b[+a]a[-a]a[+a]a", "b[+b]b[-a]a[+a]a", "b[+b]b[-b]b[+a]a", "b[+b]b[-b]b[+b]b", "b[+b]b[-b]b[+b]b",
    ]  # fmt: skip
    down = parse_grammar(
        "lsystem 1\n#ignore: +-\naxiom: F_a[+F_a]F_a[-F_a]F_a[+F_a]F_b\nproduction:\nF_a > F_b → F_b\n"
    )
    states = [text(derive(down, key=0, steps=steps).word, down).replace("F_", "") for steps in range(4)]
    assert states == ["a[+a]a[-a]a[+a]b", "a[+a]a[-a]b[+a]b", "a[+a]b[-a]b[+a]b", "b[+a]b[-a]b[+a]b"]


def test_context_of_the_book() -> None:
    """2L: BC < S > G[H]M matches S in ABC[DE][SG[HI[JK]L]MNO], and not without the branch's H or the axis's M."""
    head = "lsystem 1\naxiom: {0}\nproduction:\nBC < S > G[H]M --> X\n"
    for string, hit in (
        ("ABC[DE][SG[HI[JK]L]MNO]", True),
        ("ABC[DE][SG[I[H]L]MNO]", False),
        ("ABC[DE][SG[I][HI]MNO]", True),
        ("ABC[DE][SG[HI[JK]L]NMO]", False),
        ("ABC[DE]D[SG[H]M]", False),
        ("ABC[DE][SG[H]][M]", False),
    ):
        rules = parse_grammar(head.format(string))
        assert ("X" in text(derive(rules, key=0, steps=1).word, rules)) == hit, string


def test_hogeweg_and_hesper() -> None:
    """2L: the words equal those of a plain rewriting of 0 and 1 along each axis."""
    rules = grammar("hogeweg")
    table = {"000": "0", "001": "1[+F1F1]", "010": "1", "011": "1", "100": "0", "101": "1F1", "110": "0", "111": "0"}
    word = "F1F1F1"
    for steps in range(1, 25):
        word = "".join(_next(word, place, table) for place in range(len(word)))
        assert text(derive(rules, key=0, steps=steps).word, rules) == "!" + word
    assert word.count("[") > 20


def _next(word: str, place: int, table: dict[str, str]) -> str:
    letter = word[place]
    if letter in "+-":
        return "-+"["+-".index(letter)]
    if letter not in "01":
        return letter
    depth, left, k = 0, "", place - 1
    while k >= 0 and not left:  # back along the path: branches that are closed here do not count
        depth += {"]": 1, "[": -1 if depth else 0}.get(word[k], 0)
        left = word[k] if depth == 0 and word[k] in "01" else ""
        k -= 1
    depth, right, k = 0, "", place + 1
    while k < len(word) and not right and depth >= 0:
        depth += {"[": 1, "]": -1}.get(word[k], 0)
        right = word[k] if depth == 0 and word[k] in "01" else ""
        k += 1
    return table[left + letter + right] if left and right else letter


def test_ruler_by_decomposition() -> None:
    """Decomposition: within one step a unit becomes 2ⁿ ticks, and tick k is as high as k is divisible by 2."""
    rules = grammar("ruler")
    assert len(derive(rules, key=0, steps=0).word) == 2
    word = derive(rules, key=0, steps=1).word
    assert len(word) == 2 * 2**4
    for first in (0, 16):
        heights = word.args[first : first + 15]
        assert heights.tolist() == [1 + (k & -k).bit_length() - 1 for k in range(1, 16)]
    assert word.args[[15, 31]].tolist() == [5, 5]


def test_topiary_keeps_its_box() -> None:
    """Queries: no shoot goes on from outside the box, so nothing is further out than one piece."""
    for key in range(5):
        curve = lines(grammar("topiary"), 18, key)
        assert np.abs(curve.start_mm[:, :2]).max() < 6
        assert curve.start_mm[:, 2].max() < 14
        assert len(curve) > 30
