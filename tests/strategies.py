"""Hypothesis strategies: random grammars that are right, and texts that are nearly so."""

from __future__ import annotations

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
    branch = st.lists(module, max_size=2).map(lambda parts: "[" + " ".join(parts) + "]")
    return st.lists(module | branch, max_size=3).map(" ".join)


@st.composite
def grammars(draw: st.DrawFn) -> str:
    """The text of a grammar: three modules of two arguments, up to five rules with conditions, weights and draws."""
    rules = []
    for number in range(draw(st.integers(1, 5))):
        names = ("x", "n")
        text = f"rule{number}: {draw(st.sampled_from(MODULES))}(x, n)"
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
    declared = "\n".join(f"module {name}(x, n)" for name in MODULES)
    head = f"lsystem 1\nparam p = 2\nparam q = 0.75\n{declared}\nlimits: modules 2000\n"
    return head + "axiom: A(1, 2) [B(0.5, 3) C(2, 1)]\nproduction:\n" + "\n".join(rules) + "\n"


WORDS = st.sampled_from(
    ["lsystem", "1", "param", "x", "=", "3", "mm", "deg", "in", "[", "]", "(", ")", ",", "module", "A", "F", "axiom",
     ":", "production", "-->", "where", "+", "-", "*", "/", "^", "<", ">", '"', "#", "\n", "@toward", "uniform", "let",
     "limits", "steps", "\\", "1e999", "\x00", "é", "?P", "radii", "fill", "by", "as", "decomposition", "ignore"]
)  # fmt: skip


def broken_texts() -> st.SearchStrategy[str]:
    """Texts made of the language's own words in any order, and any text at all."""
    return st.lists(WORDS, max_size=60).map(" ".join).map(lambda text: "lsystem 1\n" + text) | st.text(max_size=80)
