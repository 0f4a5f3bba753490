"""Files of a hostile and of a clumsy user: each gets a letter with a place, soon, and within bounds of memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError, Diagnostic, DiagnosticError, PancreasgenError
from pancreasgen.cli.main import main
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.rewrite import derive, expand
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.look.words import word_text

HEAD = "lsystem 1\n"
GOOD = HEAD + "axiom: A\nproduction:\nA --> F[+A]A\n"


def faults(text: str) -> list[Diagnostic]:
    """Return the errors of a text, from the door or from the checker."""
    try:
        found = check_grammar(parse_grammar(text))
    except DiagnosticError as error:
        found = tuple(error.diagnostics)
    return [fault for fault in found if fault.severity == "error"]


def places(text: str) -> list[tuple[str, int, int]]:
    return [(fault.code, fault.line, fault.column) for fault in faults(text)]


def lengths(text: str, steps: int) -> list[int]:
    rules = parse_grammar(HEAD + text)
    return [len(derive(rules, key=0, steps=step).word) for step in range(steps + 1)]


def shown(text: str, steps: int) -> str:
    rules = parse_grammar(HEAD + text)
    return word_text(derive(rules, key=0, steps=steps).word, rules, 10_000).replace(" ", "")


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("", "PG102", 1, 1),
        (" \n\n\t\n", "PG102", 1, 1),
        ("axiom: F\n", "PG102", 1, 1),
        ("lsystem 2\naxiom: F\n", "PG102", 1, 9),
        ("lsystem 1e999\naxiom: F\n", "PG102", 1, 9),
        (HEAD + "production:\nA --> B\n", "PG102", 1, 1),
        (HEAD + "axiom: A\naxiom: B\n", "PG107", 3, 1),
        (HEAD + "axiom: A\0B\n", "PG101", 2, 9),
        (HEAD + "axiom: A\u200bB\n", "PG101", 2, 9),
        (HEAD + "axiom: \u0410\n", "PG101", 2, 8),
        (HEAD + "axiom: F(1 \u2212 2)\n", "PG101", 2, 12),
        (HEAD + "axiom: A\x1b[31m\n", "PG101", 2, 9),
        (HEAD + "axiom: F(__import__('os'))\n", "PG101", 2, 21),
        (HEAD + "axiom: F(__import__(1))\n", "PG103", 2, 10),
        (HEAD + "axiom: F(__class__)\n", "PG103", 2, 10),
        (HEAD + "axiom: F(a.b.c)\n", "PG101", 2, 11),
        (HEAD + "axiom: F(a[0])\n", "PG101", 2, 11),
        (HEAD + "axiom: F(exec(1))\n", "PG103", 2, 10),
        (HEAD + "axiom: F((lambda: 1)())\n", "PG101", 2, 17),
        (HEAD + "axiom: F(nan)\n", "PG103", 2, 10),
        (HEAD + "axiom: F(1e999)\n", "PG106", 2, 10),
        (HEAD + "param a = 1e999\naxiom: F(a)\n", "PG106", 2, 11),
        (HEAD + "limits: modules 0\naxiom: F\n", "PG106", 2, 17),
        (HEAD + "let a = b\nlet b = a\naxiom: F(a)\n", "PG103", 2, 9),
        (HEAD + "let a(x) = a(x)\naxiom: F(a(1))\n", "PG103", 2, 12),
        (HEAD + "let a(x) = b(x)\nlet b(x) = a(x)\naxiom: F(a(1))\n", "PG103", 2, 12),
        (HEAD + "axiom: AB\ndecomposition:\nA > B --> C\n", "PG104", 4, 5),
        (HEAD + "axiom: AB\ninterpretation:\nA < B --> F\n", "PG104", 4, 1),
        (HEAD + "axiom: A\nproduction:\nA > [B --> C\n", "PG104", 4, 5),
        (HEAD + "axiom: A\nproduction:\nA > B] --> C\n", "PG104", 4, 6),
        (HEAD + "axiom: A\nproduction:\nA < A < A --> C\n", "PG101", 4, 7),
        (HEAD + "axiom: A\nproduction:\nA > @start(\"x\") --> D\n", "PG104", 4, 5),
        (HEAD + "axiom: F%(3)B\n", "PG104", 2, 9),
        (HEAD + "axiom: F(?P(0,0,0))\n", "PG101", 2, 10),
        (HEAD + "axiom: A\ninterpretation:\nA --> ?P(0,0,0)F\n", "PG104", 4, 7),
        (HEAD + "ignore: +\nconsider: A\naxiom: A\n", "PG107", 3, 1),
        (HEAD + "axiom: A\nproduction:\nA B --> C\n", "PG104", 4, 1),
        (HEAD + "axiom: A\nproductions:\nA --> B\n", "PG101", 3, 1),
        (HEAD + "module F(x)\naxiom: F(1)\n", "PG107", 2, 8),
        ("\ufeff" + HEAD + "# \u00e9\r\n\taxiom:\tF(y)\r\n", "PG103", 3, 11),
    ],
)  # fmt: skip
def test_letters_have_the_right_place(text: str, code: str, line: int, column: int) -> None:
    """The first letter of a wrong file has the right code, line and column (characters, from 1)."""
    assert places(text)[0] == (code, line, column)


@pytest.mark.parametrize(
    "inside",
    ["-" * 5000 + "1", "1^" * 5000 + "1", "1+" * 5000 + "1", "not " * 5000 + "1", "1<" * 5000 + "1",
     "abs(" * 5000 + "1" + ")" * 5000],
    ids=["minus", "power", "sum", "not", "chain", "calls"],
)  # fmt: skip
def test_deep_expressions_are_refused(inside: str) -> None:
    """5,000 levels of any kind are too deep, and no recursion breaks over them."""
    assert [code for code, _, _ in places(f"{HEAD}axiom: F({inside})\n")] == ["PG108"]


def test_parentheses_alone_are_no_depth() -> None:
    """5,000 redundant parentheses mean nothing; one too few is a fault of syntax at the end of the line."""
    assert shown(f"axiom: F({'(' * 5000}2{')' * 5000})\n", 0) == "F(2)"
    assert places(f"{HEAD}axiom: F({'(' * 5000}") == [("PG101", 2, 5010)]


def test_lets_cannot_unfold_without_bound() -> None:
    """60 doublings, as constants or as functions of doubled arguments, are refused before any is written out."""
    chain = "let p0 = 1\n" + "".join(f"let p{k} = p{k - 1} + p{k - 1}\n" for k in range(1, 60))
    assert "PG108" in {code for code, _, _ in places(f"{HEAD}{chain}axiom: F(p59)\n")}


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("axiom: F(1/0)", "division by zero"),
        ("axiom: A(1)\nproduction:\nA(n) --> F(1/(n-n))", "rule `A.1`, module `A`, step 1"),
        ("axiom: A(2)\nproduction:\nA(n) --> F(1/n) A(n-1)", "step 3"),
        ("axiom: A(0)\nproduction:\nA(n) : 1/n > 0 --> F", "division by zero"),
        ("axiom: A(0)\nproduction:\nA(n) --> F(q) where q = 1/n", "division by zero"),
        ("axiom: A(0)\nproduction:\nA(n) --> F : 1/n\n --> A(n) : 1", "division by zero"),
        ("axiom: F(log(0))", "finite number"),
        ("axiom: F(sqrt(-1))", "finite number"),
        ("axiom: F((-2)^0.5)", "finite number"),
        ("axiom: F(10^10^10)", "finite number"),
        ("axiom: A\nproduction:\nA --> F : 0\n --> G : 0", "weights are not above 0"),
        ("axiom: A(1)\nproduction:\nA(n) --> F : 0-n\n --> G : n", "weights are not above 0"),
        ("axiom: A\ndecomposition:\nA --> A", "deeper than 64 levels"),
        ("axiom: A\ndecomposition:\nA --> B\nB --> A", "deeper than 64 levels"),
        ("limits: modules 5000\naxiom: A\ndecomposition:\nA --> AA", "would pass the limit of 5,000 modules"),
    ],
)  # fmt: skip
def test_numbers_and_loops_of_a_derivation(rules: str, words: str) -> None:
    """What has no finite value and what never ends is told with its rule and step."""
    with pytest.raises(BadInputError, match=words.replace("(", r"\(")):
        derive(parse_grammar(HEAD + rules + "\n"), key=0, steps=6)


@pytest.mark.parametrize("rules", ["A --> A", "A --> FAA", "A --> B\nB --> A", "A --> B B B\nB --> A A A"])
def test_interpretation_that_leads_back_is_refused(rules: str) -> None:
    """Interpretation rules in a circle end after 16 levels, however much they write at each."""
    grammar = parse_grammar(f"{HEAD}axiom: A\ninterpretation:\n{rules}\n")
    with pytest.raises(BadInputError):
        expand(derive(grammar, key=0).word, grammar)


def test_interpretation_that_explodes_is_refused() -> None:
    """200⁴ modules from a circle-free interpretation are refused before they are made."""
    rules = "".join(f"{a} --> {b * 200}\n" for a, b in ("AB", "BC", "CD", "DE"))
    grammar = parse_grammar(f"{HEAD}axiom: A\ninterpretation:\n{rules}")
    with pytest.raises(BadInputError, match="2,000,000"):
        expand(derive(grammar, key=0).word, grammar)


@pytest.mark.parametrize(
    "content",
    [GOOD.encode("utf-16"), (GOOD + "# \u00e9").encode("utf-16-le"), (GOOD + "# \u00e9").encode("utf-16-be"),
     GOOD.encode("utf-32"), (GOOD + "# \u00e9").encode("latin-1"), b"\xff" * 100, b"A" * 10_000_000,
     b"[" * 1_000_000],
    ids=["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "bytes", "10MB", "brackets"],
)  # fmt: skip
def test_bytes_that_are_no_grammar(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` ends with 1, others with 65, and both name the file."""
    file = tmp_path / "x.lsys"
    file.write_bytes(content)
    assert main(["grammar", "check", str(file)]) == 1
    assert main(["grammar", "derive", str(file)]) == 65
    assert capsys.readouterr().err.count(str(file)) >= 2


def test_things_that_are_no_files(tmp_path: Path) -> None:
    """A folder, a pipe and a broken or circular link get letters at once; nothing is waited for."""
    (tmp_path / "dir.lsys").mkdir()
    os.mkfifo(tmp_path / "pipe.lsys")
    (tmp_path / "loop.lsys").symlink_to(tmp_path / "loop.lsys")
    (tmp_path / "lost.lsys").symlink_to(tmp_path / "nowhere")
    start = time.monotonic()
    for name in ("dir", "pipe", "loop", "lost", "absent"):
        with pytest.raises(PancreasgenError, match=name):
            find_grammar(str(tmp_path / f"{name}.lsys"))
    assert time.monotonic() - start < 0.4


@pytest.mark.parametrize("change", [("\n", "\r\n"), (" ", "\t"), ("]A\n", "]A"), ("\nA", "\n \n# x\n\ufeffA")])
def test_line_ends_and_blanks_do_not_matter(change: tuple[str, str]) -> None:
    """Windows line ends, tabs, a missing last line end, comments: the same string."""
    words = [derive(parse_grammar(text), key=0, steps=4).word for text in (GOOD, GOOD.replace(*change))]
    assert np.array_equal(words[0].symbol, words[1].symbol)


@pytest.mark.parametrize(
    ("book", "steps", "wanted"),
    [
        ("ω: F-F-F-F\np: F → F-F+F+FF-F-F+F", 2, [7, 59, 475]),
        ("ω : b\np1 : a → ab\np2 : b → a", 6, [1, 1, 2, 3, 5, 8, 13]),
        ("ω: F_l\np1: F_l → F_l+F_r+\np2: F_r → -F_l-F_r", 3, [1, 4, 10, 22]),
        ("ω: a_r\np1: a_r → a_l b_r\np2: a_l → b_l a_r\np3: b_r → a_r\np4: b_l → a_l", 4, [1, 2, 3, 5, 8]),
        ("ω: F+F+F+F\np1: F → F+f-FF+F+FF+Ff+FF-f+FF-F-FF-Ff-FFF\np2: f → ffffff", 1, [7, 4 * 34 + 3]),
        ("ω: X\np1: X → F[+X]F[-X]+X\np2: F → FF", 2, [1, 12, 47]),
        ("ω: X\np1: X → F-[[X]+X]+F[+FX]-X\np2: F → FF", 1, [1, 18]),
        ("ω: A\np1: A → [&FL!A]/////'[&FL!A]///////'[&FL!A]\np2: F → S ///// F\np3: S → F L\n"
         "p4: L → [''' ^^ {-f+f+f-|-f+f+f}]", 1, [1, 35]),
        ("ω: [A][B]\np1: A → [+A{.].C.}\np2: B → [-B{.].C.}\np3: C → GC", 3, [6, 24, 44, 66]),
        ("param c = 1\nω: F(1)\np1: F(x) : * → F(x*c)+F(x*c)--F(x*c)+F(x*c)", 2, [1, 8, 36]),
    ],
    ids=["koch", "fibonacci", "dragon", "anabaena", "lakes", "plant-d", "plant-f", "bush", "leaf", "trees"],
)  # fmt: skip
def test_lines_of_the_book(book: str, steps: int, wanted: list[int]) -> None:
    """ABOP's lines, with ω and → and without sections, derive to words as long as counting says."""
    assert lengths(book + "\n", steps) == wanted


def test_conditions_of_the_book() -> None:
    """`=`, `&` and `|` in conditions, `#ignore:`, and states in F read as printed: t = 1 and s ≥ 6 splits a cell."""
    book = (
        "#ignore: f ~ H\nω: F(6,1,900)\np1: F(s,t,c) : t=1 & s>=6 → F(s/3*2,2,c)f(1)F(s/3,1,c)\n"
        "p2: F(s,t,c) : t=2 & s>=6 | c<0 → F(s/3,2,c)f(1)F(s/3*2,1,c)\n"
    )
    assert shown(book, 1) == "F(4,2,900)f(1)F(2,1,900)"


def test_signals_through_digits() -> None:
    """Hogeweg and Hesper's 0/1 modules with contexts set tight, and their turns that swap."""
    rules = "#ignore: +-F\nω: F1F1F1\np2: 0<0>1 → 1[-F1F1]\np4: 0<1>1 → 1\np6: 1<0>1 → 1F1\np8: 1<1>1 → 0\np9: + → -\n"
    assert [shown(rules, steps).replace("(1)", "") for steps in range(3)] == ["F1F1F1", "F1F0F1", "F1F1F1F1"]


def test_faults_hide_no_others() -> None:
    """Eight planted faults of eight kinds are reported, each at its line and column."""
    text = (
        HEAD + 'param r = 3 mm in [0, 2] mm "radius" source "assumed"\nmodule A(x: mm, n) "tip"\nlimits: steps 400000\n'
        "axiom: A(1 mm, 0)\nproduction:\n"
        "a: A(x, n) : n > 5 --> B(x)\na: A(x, n) --> F(x)\nb: A(x, n) --> [F(x)\nc: A(x, n) --> F(x\n"
        'd: A --> C[+A(x\ne: @start("q") --> F\nf: A(x, n --> F\n'
    )
    found = places(text)
    assert found[:3] == [("PG106", 2, 11), ("PG106", 4, 15), ("PG103", 7, 24)]
    assert {(code, line) for code, line, _ in found[3:]} >= {
        ("PG107", 8), ("PG104", 9), ("PG101", 10), ("PG101", 11), ("PG104", 12), ("PG101", 13),
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [HEAD + "#" + "a" * 255_900 + "\naxiom: F\n", HEAD + "\n" * 250_000 + "axiom: F\n",
     HEAD + "axiom: F" + " " * 250_000 + "F\n"],
    ids=["comment", "lines", "blanks"],
)  # fmt: skip
def test_large_but_good(text: str) -> None:
    """A file near 256 kB that is right is read in a fraction of a second."""
    start = time.monotonic()
    assert faults(text) == []
    assert time.monotonic() - start < 0.5


def test_decomposition_is_bounded_in_memory() -> None:
    """A decomposition that doubles is refused within 256 MB more than an idle process has."""
    code = (
        "import resource\nfrom pancreasgen.grammar.syntax import parse_grammar\n"
        "from pancreasgen.grammar.rewrite import derive\n"
        "from pancreasgen.base.errors import BadInputError\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "rules = parse_grammar('lsystem 1\\naxiom: A\\ndecomposition:\\nA --> AA\\n')\n"
        "before = peak()\n"
        "try:\n    derive(rules, key=0)\nexcept BadInputError:\n    print(peak() - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(told.stdout) < 256
