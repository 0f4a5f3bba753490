"""The language document says what the program does: its examples, its tables, its EBNF."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from lark import Lark
from lark.exceptions import UnexpectedInput

from pancreasgen.base.errors import DiagnosticError
from pancreasgen.dataset.grammars import find_grammar, grammar_names
from pancreasgen.grammar import build, check, declare, growth, rewrite, syntax
from pancreasgen.grammar import grammar as values
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.functions import DRAWS, ENVIRONMENT, FUNCTIONS, Builtin
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.statements import COLON_KEYWORDS, ENGINE, HEADINGS, KEYWORDS, Source, logical_lines
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.turtle import interpret
from pancreasgen.grammar.uses import needs_organ
from pancreasgen.look.words import word_text
from pancreasgen.network.dilate import HEALTHY
from pancreasgen.network.environment import GrowthEnvironment
from pancreasgen.network.rules import STATEMENTS, GrowthRules, growth_rules

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "grammar.md").read_text(encoding="utf-8")
LARK = (ROOT / "pancreasgen" / "grammar" / "lsys.lark").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```lsys\n(.*?)```(?:\n\n```text\n(.*?)```)?", TEXT, re.DOTALL)
NUMBERED = [pytest.param(text, shown, id=str(place)) for place, (text, shown) in enumerate(EXAMPLES, 1)]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_grammar_ebnf", ROOT / "scripts" / "make_grammar_ebnf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def part(heading: str) -> str:
    """Return what stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found.group(1)


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of a text's table rows, without head and ruler."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        for line in table.splitlines()[2:]:
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            yield [cell.strip().replace("\\|", "|") for cell in cells]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def names(text: str) -> list[str]:
    """Return the words that open the code pieces of a table's first column, without their arguments."""
    return [re.split(r"[(: …]", code)[0] for cells in rows(text) for code in codes(cells[0])]


# ---- examples


@pytest.mark.parametrize(("text", "shown"), NUMBERED)
def test_examples_are_right(text: str, shown: str) -> None:
    """Each example has neither fault nor warning, derives to the strings printed beneath it, and can be drawn."""
    rules = parse_grammar(text)
    assert [fault.render() for fault in check_grammar(rules)] == []
    if needs_organ(rules):
        assert not shown
        assert growth_rules(rules).by_branch == ("territory" in text)
        return
    for steps, line in enumerate(shown.splitlines()):
        assert word_text(derive(rules, key=0, steps=steps).word, rules, 999) == line
    interpret(derive(rules, key=0, steps=4).word, rules)


def test_the_first_grammar_is_short() -> None:
    """At most five lines."""
    assert len(EXAMPLES[0][0].splitlines()) <= 5


def test_contents_lead_somewhere() -> None:
    """Every link inside the document meets a heading."""
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall("^#+ (.*)", TEXT, re.M)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors


# ---- tables


def _arity(builtin: Builtin) -> str:
    return str(builtin.least) if builtin.least == builtin.most else f"{builtin.least} to {builtin.most}"


_HOW = {
    "same": "same", "pick": "same", "sign": "any → number", "root": "half the powers", "plain": "number → number",
    "trig": "angle → number", "arc": "number → angle", "first": "as the median", "length": "length → length",
    "number": "number",
}  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "builtins"), [("Functions", FUNCTIONS), ("Draws", DRAWS), ("What the organ answers", ENVIRONMENT)]
)
def test_functions_are_complete(heading: str, builtins: dict[str, Builtin]) -> None:
    """The tables have every function, in order, with its number of arguments and its units, and no other."""
    found = {codes(cells[0])[0].split("(")[0]: cells[1:3] for cells in rows(part(heading))}
    wanted = {name: [_arity(builtin), _HOW[builtin.how]] for name, builtin in builtins.items()}
    assert [name for name in found if name in wanted] == list(wanted)
    assert {name: found[name] for name in wanted} == wanted
    more = GrowthEnvironment.functions if builtins is ENVIRONMENT else frozenset(wanted)
    assert set(found) == {*wanted, *more}


def test_turtle_commands_are_complete() -> None:
    """The table has every command of the turtle and no other."""
    assert sorted(names(part("The turtle"))) == sorted(values.TURTLE)


def test_turns_go_where_the_table_says() -> None:
    """After a right angle from the start, heading or left points along the axis that the table names."""
    axes = {f"{sign}{name}": (1.0 if sign == "+" else -1.0) * np.eye(3)[k] for k, name in enumerate("xyz")
            for sign in "+-"}  # fmt: skip
    told = [(codes(cells[0])[0][0], *cells[2].split()) for cells in rows(part("The turtle")) if cells[2]]
    assert len(told) == 7
    for symbol, vector, axis in told:
        aside = "+(90)" if vector == "left" else ""  # left becomes the heading
        turn = symbol if symbol == "|" else f"{symbol}(90)"
        rules = parse_grammar(f"lsystem 1\naxiom: {turn}{aside}F(1)")
        line = interpret(derive(rules, key=0).word, rules)
        assert line.end_mm[0] == pytest.approx(axes[axis], abs=1e-6), symbol


def _default(field: str) -> str:
    if field == "to_mm":
        return "must be given"
    rules = GrowthRules()
    return f"{next(getattr(value, field) for value in (rules, rules.filling, HEALTHY) if hasattr(value, field)):g}"


def test_statements_are_complete() -> None:
    """The table of lines has every keyword; that of growth has every statement, argument, range and default."""
    told = set(names(part("The file")))
    assert told - {"ω"} == {*KEYWORDS, *COLON_KEYWORDS, *STATEMENTS}
    found, name = dict[str, list[str]](), ""
    for cells in rows(part("Growing in an organ")):
        if len(cells) == 5:
            name = codes(cells[0])[0] if cells[0] else name
            found[f"{name} {codes(cells[1])[0]}"] = [cell.removesuffix(" mm") for cell in cells[2:4]]
    wanted = {
        f"{statement}: {function}(…) {key}": [f"{low:g} to {high:g}", _default(field)]
        for statement, functions in STATEMENTS.items()
        for function, known in functions.items()
        for key, (field, low, high) in known.items()
    }
    assert found == wanted
    assert set(ENGINE) == set(STATEMENTS)


def test_commands_and_queries_are_complete() -> None:
    """Every @command stands in the table, every query in the text."""
    assert {name for name in names(part("Growing in an organ")) if name.startswith("@")} == set(values.COMMANDS)
    assert {code[:2] for code in codes(part("Queries")) if code.startswith("?")} == set(values.QUERIES)


def test_limits_are_those_of_the_program() -> None:
    """Each limit is the program's own number."""
    wanted = [
        syntax.MAX_BYTES // 1000, syntax.MAX_PRODUCTIONS, build.MAX_SUCCESSOR, declare.MAX_FIELDS,
        build.MAX_EXPRESSION_DEPTH, check.MAX_EXPANDED, values.MAX_MODULES, values.MAX_STEPS, values.MAX_DEPTH,
        rewrite.MAX_DECOMPOSITION_DEPTH, growth.MAX_INTERPRETATION_DEPTH,
    ]  # fmt: skip
    told = [re.match(r"[\d,]+", cells[1]) for cells in rows(part("Limits"))]
    assert [int(number.group().replace(",", "")) if number else 0 for number in told] == wanted


def _constants(path: Path) -> set[str]:
    """Return the fault codes that a file uses: texts that are a code and nothing else."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if re.fullmatch(r"PG\d+", text)}


def test_fault_codes_are_complete() -> None:
    """The table has every code that the package uses and no other."""
    used = set[str]().union(*(_constants(path) for path in (ROOT / "pancreasgen").rglob("*.py")))
    assert [cells[0] for cells in rows(part("Faults"))] == sorted(used)


@pytest.mark.parametrize("cells", list(rows(part("Faults"))), ids=lambda cells: cells[0])
def test_each_fault_comes_about(cells: list[str]) -> None:
    """The example brings about the fault, and with the severity that the table says, and no other error."""
    text = "\n".join(line.strip() for line in codes(cells[3])[0].split("⏎"))
    text = text if text.startswith("lsystem") else f"lsystem 1\n{text}"
    if "axiom:" not in text:
        head, rest = text.split("\n", 1) if "\n" in text else (text, "")
        text = f"{head}\naxiom: A\n{rest}"
    try:
        found = check_grammar(parse_grammar(text))
    except DiagnosticError as error:
        found = tuple(error.diagnostics)
    assert (cells[0], cells[1]) in {(fault.code, fault.severity) for fault in found}
    assert {fault.code for fault in found if fault.severity == "error"} <= {cells[0]}


# ---- EBNF


def test_ebnf_is_that_of_the_parser() -> None:
    """The section is what the lark file gives; `scripts/make_grammar_ebnf.py` writes it."""
    assert script().replaced(TEXT, LARK) == TEXT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"lsystem" NUMBER', '"lsystem" NUMBER [STRING]'), ("rad)\\b/", "rad|grad)\\b/"), ('OR: "or"', 'OR: "xor"'),
        ("alternative+ [where]", "alternative+"), ("TURTLE: /[&", "TURTLE: /[§&"),
        ("range: ", 'seed_line: "seed" NUMBER\nrange: '),
    ],
)  # fmt: skip
def test_ebnf_notices_a_change(old: str, new: str) -> None:
    """Any change of the lark file's language changes the section: the comparison can fail."""
    assert LARK.count(old) == 1
    assert script().replaced(TEXT, LARK.replace(old, new)) != TEXT


def test_ebnf_refuses_what_it_cannot_say() -> None:
    """A notation without translation is an error, not a wrong line."""
    for lark in ("a_line: B~2..3\nB: /x/", "a_line: B\nB: /x(?=y)/", "a_line: B\nB: /\\w/"):
        with pytest.raises(ValueError, match="has no translation"):
            script().ebnf(lark)


def _reader() -> Lark:
    """Return a parser made from the printed EBNF alone."""
    printed = re.search(r"```ebnf\n(.*?)```", TEXT, re.DOTALL)
    assert printed
    out, terminal = [], False
    for line in printed.group(1).splitlines():
        head, mark, body = line.partition(" ::= ")
        body = body if mark else line
        terminal = head.strip().isupper() if mark else terminal
        body = re.sub(r"""(?<!\w)(\[(?:\^"#xA|[^\]])+\])""", _as_regex, body) if terminal else body
        body = body.replace("'\"'", r'"\""')
        out.append(f"{head.strip()}: {body}" if mark else f"    {body}")
    return Lark("\n".join([*out, r"%ignore /\s+/"]), parser="earley", start="line", ambiguity="resolve")


def _as_regex(match: re.Match[str]) -> str:
    inside = match.group()[1:-1].replace("\\", "\\\\").replace("#xA", "\\n").replace("/", "\\/")
    return f"/[{inside}]/"


def test_ebnf_reads_what_the_parser_reads() -> None:
    """A parser made from the printed EBNF reads every line of the grammars and examples, and refuses wrong ones."""
    reader = _reader()
    texts = [find_grammar(name).text for name in grammar_names()] + [text for text, _ in EXAMPLES]
    lines = {line.strip() for text in texts for _, line in logical_lines(Source("", text))[0]}
    short = sorted(line for line in lines if len(line) < 90)
    assert len(short) > 100
    for line in short:
        reader.parse(line)
    for wrong in ("lsystem", "param = 3", "A -->> B", "A --> B(", "let f(x) x", "organ surface", "title none", "A B"):
        with pytest.raises(UnexpectedInput):
            reader.parse(wrong)


def test_headings_are_sections() -> None:
    """Each heading of rules has a section of the document."""
    for heading in HEADINGS:
        assert heading in TEXT.lower()
        assert f"`{heading}:`" in part("The file")
