"""Hypothesis strategies: random grammars that are right, and texts that are nearly so."""

from __future__ import annotations

import re

from hypothesis import strategies as st

MODULES = ("A", "B", "C")
NUMBERS = st.integers(-3, 9).map(str) | st.sampled_from(("0.5", "1.25", "p", "q"))


def expressions(names: tuple[str, ...], *, depth: int = 2) -> st.SearchStrategy[str]:
    """Texts of expressions without division, so that they always have a finite value."""
    leaves = NUMBERS | st.sampled_from(names) if names else NUMBERS
    if depth == 0:
        return leaves
    inner = expressions(names, depth=depth - 1)
    return st.one_of(
        leaves,
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(st.sampled_from(("min", "max")), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
    )


def _successor(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    module = st.tuples(st.sampled_from(MODULES), expressions(names), expressions(names)).map(
        lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"
    )
    splitting = st.tuples(expressions(names), st.integers(0, 3)).map(lambda parts: f"D({parts[0]}, {parts[1]})")
    turn = st.sampled_from(("+(0.5 rad)", "-(0.25 rad)"))
    branch = st.lists(module | turn | st.just("%"), max_size=2).map(lambda parts: "[" + " ".join(parts) + "]")
    return st.lists(module | module | branch | turn | splitting | st.just("%"), max_size=3).map(" ".join)


RIGHT = ("", "", "", "", "{0}(c, d)", "{0}(c, d) {1}(e, f)", "[{0}(c, d)]", "[{0}(c, d)] {1}(e, f)",
         "[{0}(c, d)] [{1}(e, f)]", "[{0}(c, d) [{1}(e, f)]]", "+")  # fmt: skip
AXIOMS = (
    "A(1, 2) [B(0.5, 3) C(2, 1)]",
    "B(1, 1) [+(1 rad) A(2, 1) [C(0, 2)] B(1, 2)] C(1, 3) A(0, 1)",
    "C(3, 1) A(1, 1) -(3 rad) B(1, 0) [A(2, 2)] [B(1, 1) C(1, 1)] D(2, 3)",
)


@st.composite
def _contexts(draw: st.DrawFn) -> tuple[str, str, tuple[str, ...]]:
    """A left and a right context, often empty, and the names that they give."""
    count = draw(st.sampled_from((0, 0, 0, 0, 1, 2)))
    left = [f"{draw(st.sampled_from(MODULES))}(a{k}, b{k})" for k in range(count)]
    right = draw(st.sampled_from(RIGHT))
    right = right.format(draw(st.sampled_from(MODULES)), draw(st.sampled_from(MODULES)))
    names = tuple(name for name in ("a0", "b0", "a1", "b1", "c", "d", "e", "f") if re.search(rf"\b{name}\b", right)
                  or name in " ".join(left))  # fmt: skip
    return (" ".join(left) + " < " if left else ""), (f" > {right}" if right else ""), names


@st.composite
def grammars(draw: st.DrawFn) -> str:
    """The text of a grammar: modules of two arguments; rules with contexts, conditions, weights and draws.

    D is a module that decomposition splits; ``%`` stands in branches; contexts look through what a line says.
    """
    rules = []
    for number in range(draw(st.integers(1, 5))):
        left, right, around = draw(_contexts())
        names = ("x", "n", *(name for name in around if draw(st.booleans())))
        text = f"rule{number}: {left}{draw(st.sampled_from(MODULES))}(x, n){right}"
        if draw(st.booleans()):
            compare = draw(st.sampled_from(("<", "<=", ">", ">=", "==", "!=")))
            text += f" : x {compare} {draw(expressions(names))}"
            text += draw(st.sampled_from(("", " and n < 4", " or not n > 1")))
        where = draw(st.booleans())
        inside = (*names, "u") if where else names
        for _ in range(draw(st.integers(1, 3))):
            weight = draw(st.sampled_from(("", " : 0.25", " : 3", " : max(n, 1)")))
            text += f"\n  --> {draw(_successor(inside))}{weight}"
        if where:
            text += f"\n  where u = uniform({draw(expressions(names, depth=1))}, {draw(expressions(names, depth=1))})"
        rules.append(text)
    declared = "\n".join(f"module {name}(x, n)" for name in (*MODULES, "D"))
    seen = draw(st.sampled_from(("", "ignore: + -\n", "ignore: B +\n", "consider: A B\n", "consider: A C +\n")))
    head = f"lsystem 1\nparam p = 2\nparam q = 0.75\n{declared}\n{seen}limits: modules 2000\n"
    split = "\ndecomposition:\nsplit: D(x, n) : n > 0 --> D(x + n, n - 1) A(x, n) : 2 --> B(n, x) D(u, n - 1) : 1"
    split += "\n  where u = uniform(x, 9)\nlast: D(x, n) : n == 0 --> C(x, n) [-(2 rad) B(x, 1)]\n"
    axiom = draw(st.sampled_from(AXIOMS))
    return head + f"axiom: {axiom}\nproduction:\n" + "\n".join(rules) + "\n" + split


WORDS = st.sampled_from(
    ["lsystem", "1", "param", "x", "=", "3", "mm", "deg", "in", "[", "]", "(", ")", ",", "module", "A", "F", "axiom",
     ":", "production", "-->", "where", "+", "-", "*", "/", "^", "<", ">", '"', "#", "\n", "@toward", "uniform", "let",
     "limits", "steps", "\\", "1e999", "\x00", "é", "?P", "radii", "fill", "by", "as", "decomposition", "ignore"]
)  # fmt: skip


def broken_texts() -> st.SearchStrategy[str]:
    """Texts made of the language's own words in any order, and any text at all."""
    return st.lists(WORDS, max_size=60).map(" ".join).map(lambda text: "lsystem 1\n" + text) | st.text(max_size=80)
