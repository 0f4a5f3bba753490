"""A grammar made ready to run: symbols as codes, expressions as closures, defaults filled in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar.arity import argument_dims, formal_dims, num_arguments
from pancreasgen.grammar.around import Context, make_context, skipped_codes
from pancreasgen.grammar.chancekeys import text_number
from pancreasgen.grammar.evaluate import Evaluator, compile_expression
from pancreasgen.grammar.grammar import BUILT_IN, COMMANDS, QUERIES, TURNS, Grammar, Production
from pancreasgen.grammar.tree import Expression, Item
from pancreasgen.grammar.units import ANGLE, Dim, Units, parameter_dims, silent

DEGREE = math.pi / 180.0
CODE = {symbol: code for code, symbol in enumerate(BUILT_IN)}
DRAWS_LINE = ("F", "G")
DEFAULT_ANGLE_RAD, DEFAULT_STEP_MM, DEFAULT_TAPER = math.pi / 2.0, 1.0, 0.5**0.5
"""What ``+``, ``F`` and ``!`` mean without an argument, if no parameter ``angle``, ``delta``, ``step``, ``length`` or
``taper`` says: a right angle, 1 mm, and a radius that keeps the sum of areas at a fork in two (Leonardo's rule)."""


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """One item of a successor: its symbol code, its arguments, its target and its bracket depth in the successor."""

    code: int
    arguments: tuple[Evaluator, ...]
    target: int
    level: int


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """An alternative.

    Attributes:
        literals: The successor's items (P,).
        weight: Its share; None for 1.
        reach: Where the bracket around each item ends (P,): what dies with item p stands before ``reach[p]``.
        written: Codes (P,), bracket levels (P,) and where each item's arguments begin (P + 1,), for the kernels.
        depth: Bracket depth of the deepest item.
    """

    literals: tuple[Literal, ...]
    weight: Evaluator | None
    reach: NDArray[np.int64]
    written: tuple[NDArray[np.uint16], NDArray[np.int16], NDArray[np.int64]]
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A production ready to run. ``site`` keys the choice of the alternative; ``contexts`` must stand around it."""

    label: str
    predecessor: str
    code: int
    formals: tuple[str, ...]
    condition: Evaluator | None
    bindings: tuple[tuple[str, Evaluator], ...]
    branches: tuple[Branch, ...]
    site: int
    contexts: tuple[Context, ...] = ()


Rules: TypeAlias = Mapping[int, tuple[Rule, ...]]
"""Symbol code → rules in file order."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """All rules of a grammar by symbol code.

    Attributes:
        grammar: Where it comes from.
        rules: The productions.
        decomposition: The decomposition rules.
        interpretation: The interpretation rules.
        axiom: The axiom as a rule with one alternative.
        arity: Number of arguments of each code (S,).
        width: The largest arity of a code that has rules, at least 1.
        live: Whether a code has productions or decomposition rules (S,).
        draws: Codes whose interpretation draws a line: once laid, they are not laid again.
        parameters: Name → value in mm, rad or as it is.
        taper: Factor on the radius of a ``!`` without an argument.
        contextual: Whether a production has a context.
        skip: Which codes contexts look through (S,).
        cuts: Whether ``%`` is ever written.
        queries: Codes of the queries that are ever written.
    """

    grammar: Grammar
    rules: Rules
    decomposition: Rules
    interpretation: Rules
    axiom: Rule
    arity: NDArray[np.int64]
    width: int
    live: NDArray[np.bool_]
    draws: frozenset[int]
    parameters: Mapping[str, float]
    taper: float
    contextual: bool
    skip: NDArray[np.bool_]
    cuts: bool
    queries: frozenset[int]


def make_program(grammar: Grammar) -> Program:
    """Return the program of a checked grammar."""
    maker = _Maker(grammar)
    symbols = grammar.symbols
    arity = np.array([num_arguments(grammar, name) for name in symbols], np.int64)
    rules, decomposition, interpretation = (
        maker.table(productions, prefix)
        for productions, prefix in (
            (grammar.productions, ""),
            (grammar.decomposition, "decomposition/"),
            (grammar.interpretation, "interpretation/"),
        )
    )
    live = np.zeros(len(symbols), dtype=bool)
    live[[*rules, *decomposition]] = True
    width = max((int(arity[code]) for code in (*rules, *decomposition, *interpretation)), default=1)
    axiom = Rule(
        "axiom", "the start", -1, (), None, (), (maker.branch(grammar.axiom, None, dict(maker.dims), "axiom"),), 0
    )
    parameters = {name: parameter.inner for name, parameter in grammar.parameters.items()}
    written = set(_written(grammar))
    contextual = any(rule.left or rule.right for rule in grammar.productions)
    return Program(
        grammar, rules, decomposition, interpretation, axiom, arity, max(width, 1), live, _drawing(interpretation),
        parameters, parameters.get("taper", DEFAULT_TAPER), contextual, skipped_codes(grammar),
        "%" in written, frozenset(CODE[name] for name in QUERIES if name in written),
    )  # fmt: skip


def _written(grammar: Grammar) -> Iterator[str]:
    """Yield the symbols that the axiom, productions and decomposition rules write."""
    yield from (item.symbol for item in grammar.axiom)
    for production in (*grammar.productions, *grammar.decomposition):
        yield from (item.symbol for alternative in production.alternatives for item in alternative.successor)


def _drawing(interpretation: Rules) -> frozenset[int]:
    found = {CODE[symbol] for symbol in DRAWS_LINE}
    while True:
        more = {
            code
            for code, rules in interpretation.items()
            if any(literal.code in found for rule in rules for branch in rule.branches for literal in branch.literals)
        }
        if more <= found:
            return frozenset(found)
        found |= more


class _Maker:
    """Holds what compiling needs: codes, units, default arguments."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.codes = {name: code for code, name in enumerate(grammar.symbols)}
        self.targets = {name: place for place, name in enumerate(grammar.targets)}
        self.dims = parameter_dims(grammar)
        self.units = Units(grammar.functions, silent)

    def table(self, productions: Sequence[Production], prefix: str) -> dict[int, tuple[Rule, ...]]:
        found: dict[int, list[Rule]] = {}
        for production in productions:
            rule = self.rule(production, prefix)
            found.setdefault(rule.code, []).append(rule)
        return {code: tuple(rules) for code, rules in found.items()}

    def rule(self, production: Production, prefix: str) -> Rule:
        label = prefix + production.label
        names = {**self.dims, **formal_dims(self.grammar, production)}
        condition = production.condition
        test = None if condition is None else compile_expression(condition, self.grammar, f"{label}:")
        bindings = []
        for binding in production.bindings:
            site = f"{label}.{binding.name}"
            bindings.append((binding.name, compile_expression(binding.expression, self.grammar, site)))
            names[binding.name] = self.units.infer(binding.expression, names)
        branches = []
        for place, one in enumerate(production.alternatives):
            site = f"{label}/{place}"
            weight = None if one.weight is None else compile_expression(one.weight, self.grammar, f"{site}?")
            branches.append(self.branch(one.successor, weight, names, site))
        sides = ((production.left, False), (production.right, True))
        both = [found for side, ahead in sides if (found := make_context(side, self.codes, ahead=ahead))]
        return Rule(
            label, production.predecessor, self.codes[production.predecessor], production.formals,
            test, tuple(bindings), tuple(branches), text_number(f"{label}?"), tuple(both),
        )  # fmt: skip

    def branch(self, items: Sequence[Item], weight: Evaluator | None, names: Mapping[str, Dim], site: str) -> Branch:
        literals: list[Literal] = []
        reach = np.full(len(items), len(items), dtype=np.int64)
        opened: list[int] = []
        for place, item in enumerate(items):
            if item.symbol == "]":
                inside = opened.pop() + 1
                reach[inside:place] = np.minimum(reach[inside:place], place)
            code, level = self.codes[item.symbol], len(opened)
            target = self.targets[item.target] if item.target else -1
            literals.append(Literal(code, self.arguments(item, names, f"{site}/{place}"), target, level))
            if item.symbol == "[":
                opened.append(place)
        codes = np.array([literal.code for literal in literals], np.uint16)
        levels = np.array([literal.level for literal in literals], np.int16)
        start = np.cumsum([0, *(len(literal.arguments) for literal in literals)])
        depth = max((literal.level + 1 for literal in literals if literal.code == CODE["["]), default=0)
        return Branch(tuple(literals), weight, reach, (codes, levels, start.astype(np.int64)), depth)

    def arguments(self, item: Item, names: Mapping[str, Dim], site: str) -> tuple[Evaluator, ...]:
        wanted = argument_dims(self.grammar, item.symbol)
        given = [
            self.argument(node, dim, names, f"{site}.{place}")
            for place, (node, dim) in enumerate(zip(item.arguments, wanted, strict=False))
        ]
        if item.symbol in COMMANDS:
            target = float(self.targets[item.target])
            return (lambda _: target, given[0] if given else (lambda _: math.nan))
        if item.symbol not in BUILT_IN:
            return tuple(given)
        count = num_arguments(self.grammar, item.symbol)
        if count and not given:
            value = self.default(item.symbol)
            given = [lambda _: value]
        return (*given, *((lambda _: 0.0,) * (count - len(given))))

    def argument(self, node: Expression, wanted: Dim, names: Mapping[str, Dim], site: str) -> Evaluator:
        inner = compile_expression(node, self.grammar, site)
        if wanted == ANGLE and not self.units.infer(node, names).angle:
            return lambda rows: inner(rows) * DEGREE  # a bare number that is an angle is in degrees, as in ABOP
        return inner

    def default(self, symbol: str) -> float:
        if symbol == "!":
            return math.nan
        names = ("angle", "delta") if symbol in TURNS else ("step", "length")
        for name in names if symbol not in (";", *QUERIES) else ():
            known = self.grammar.parameters.get(name)
            if known is not None:
                return known.inner * (DEGREE if symbol in TURNS and not known.unit else 1.0)
        if symbol in TURNS:
            return DEFAULT_ANGLE_RAD
        return DEFAULT_STEP_MM if symbol in ("F", "f", "G") else 0.0
