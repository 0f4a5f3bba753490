"""Expressions as closures over columns: no eval, no exec; each works on all matches of a rule at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar import portable
from pancreasgen.grammar.chancekeys import Keys, text_number, uniforms
from pancreasgen.grammar.functions import DRAWS, FUNCTIONS, SPREADS
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.tree import Call, Expression, Name, Number, Operation

Column: TypeAlias = Any
"""A float, or an array (n,) of float64 or bool."""
Query: TypeAlias = Callable[[str, NDArray[np.int64], Any], Column]
"""Takes the name of an environment function, row numbers and its argument."""


def strict_flags() -> np.errstate:
    """Return the context in which closures run: overflow, division by zero and invalid operations raise."""
    return np.errstate(over="raise", divide="raise", invalid="raise", under="ignore")


class ExpressionError(Exception):
    """An expression has no finite value; the engine adds rule, module and step."""

    def __init__(self, what: str, node: Expression) -> None:
        """Keep what is wrong and where."""
        super().__init__(what)
        self.what, self.node = what, node


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What an expression sees: the columns of all matches of one rule.

    Attributes:
        columns: Name → value, a float or an array (n,).
        lineage: Lineage of each match (n,).
        rows: Row number of each match (n,), for environment queries.
        key: Key of the derivation's chance.
        step: Number of the step.
        query: Asks the environment; None without one.
    """

    columns: Mapping[str, Column]
    lineage: Keys
    rows: NDArray[np.int64]
    key: int = 0
    step: int = 0
    query: Query | None = None

    def __len__(self) -> int:
        return len(self.lineage)

    def take(self, chosen: NDArray[Any]) -> Rows:
        """Return the rows of a mask or of indices."""
        columns = {name: value[chosen] if np.ndim(value) else value for name, value in self.columns.items()}
        return Rows(columns, self.lineage[chosen], self.rows[chosen], self.key, self.step, self.query)

    def bound(self, more: Mapping[str, Column]) -> Rows:
        """Return the rows with more names."""
        return Rows({**self.columns, **more}, self.lineage, self.rows, self.key, self.step, self.query)


Evaluator: TypeAlias = Callable[[Rows], Column]
_COMPARE = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


def compile_expression(node: Expression, grammar: Grammar, site: str) -> Evaluator:
    """Return a closure that evaluates the expression for all rows.

    Args:
        node: The expression; names in it are looked up in the rows' columns.
        grammar: Gives the ``let`` functions.
        site: Text that keys its draws; the second and later draws of one expression get a number added.
    """
    return _Compiler(grammar, site).compile(node)


def constant(grammar: Grammar, node: Expression) -> float:
    """Return the value of an expression over parameters alone.

    Raises:
        BadInputError: If it is not a finite number.
    """
    try:
        with strict_flags():
            value = float(np.ravel(compile_expression(node, grammar, "")(parameter_rows(grammar, 0)))[0])
    except (ExpressionError, KeyError) as fault:
        raise BadInputError(f"`{grammar.excerpt(node.span)}` is not a number: {fault}") from None
    if not np.isfinite(value):
        raise BadInputError(f"`{grammar.excerpt(node.span)}` is not a finite number")
    return value


def parameter_rows(grammar: Grammar, key: int) -> Rows:
    """Return a single row that knows the parameters."""
    columns = {name: parameter.inner for name, parameter in grammar.parameters.items()}
    return Rows(columns, np.zeros(1, np.uint64), np.zeros(1, np.int64), key)


class _Compiler:
    """Walks an expression once; nesting is bounded by the parser (64) and by `let` (no recursion)."""

    def __init__(self, grammar: Grammar, site: str) -> None:
        self.grammar, self.site, self.draws = grammar, site, 0

    def compile(self, node: Expression) -> Evaluator:
        if isinstance(node, Number):
            value = node.inner
            return lambda _: value
        if isinstance(node, Name):
            return self._name(node)
        if isinstance(node, Call):
            return self._call(node)
        parts = [self.compile(operand) for operand in node.operands]
        if node.operator in ("and", "or"):
            return _lazy(parts[0], parts[1], node.operator == "and")
        if node.operator == "not":
            return lambda rows: np.logical_not(parts[0](rows))
        return _arithmetic(node, parts)

    def _name(self, node: Name) -> Evaluator:
        name = node.name
        function = self.grammar.functions.get(name)
        if function is not None and not function.formals:
            return self.compile(function.body)
        return lambda rows: rows.columns[name]

    def _call(self, node: Call) -> Evaluator:
        parts = [self.compile(argument) for argument in node.arguments]
        function = self.grammar.functions.get(node.name)
        if function is not None:
            body, formals = self.compile(function.body), function.formals
            return lambda rows: body(rows.bound(dict(zip(formals, [part(rows) for part in parts], strict=True))))
        if node.name == "if":
            return _pick(*parts)
        if node.name in DRAWS:
            return self._draw(node, parts)
        if node.name in FUNCTIONS:
            compute = FUNCTIONS[node.name].compute
            return _finite(node, parts, lambda _, *values: compute(*values))
        return _question(node, parts)

    def _draw(self, node: Call, parts: list[Evaluator]) -> Evaluator:
        site = text_number(self.site if not self.draws else f"{self.site}#{self.draws}")
        self.draws += 1
        compute, spread = DRAWS[node.name].compute, SPREADS.get(node.name)

        def draw(rows: Rows, *values: Column) -> Column:
            if spread is not None and np.any(np.asarray(values[spread]) < 0):
                raise ExpressionError("the spread is negative", node)
            return compute(uniforms(rows.lineage, rows.key, site, rows.step), *values)

        return _finite(node, parts, draw)


def _finite(node: Expression, parts: list[Evaluator], compute: Callable[..., Any]) -> Evaluator:
    """Return a closure whose result is checked: for functions whose floating-point flags tell nothing."""

    def checked(rows: Rows) -> Column:
        values = [part(rows) for part in parts]
        with np.errstate(all="ignore"):
            value = compute(rows, *values)
        if not np.all(np.isfinite(value)):
            raise ExpressionError("not a finite number", node)
        return value

    return checked


def _arithmetic(node: Operation, parts: list[Evaluator]) -> Evaluator:
    operator = node.operator
    if len(parts) == 1:
        only = parts[0]
        return (lambda rows: np.negative(only(rows))) if operator == "-" else only
    left, right = parts
    if operator in _COMPARE:
        compare = _COMPARE[operator]
        return lambda rows: compare(left(rows), right(rows))
    if operator == "^":
        return _finite(node, parts, lambda _, base, exponent: portable.power(base, exponent))
    ufunc = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[operator]

    def flagged(rows: Rows) -> Column:
        """All operands are finite, so the flags tell whether the result is: no pass over it is needed."""
        first, second = left(rows), right(rows)
        try:
            return ufunc(first, second)
        except FloatingPointError:
            by_zero = operator == "/" and np.any(np.equal(second, 0))
            raise ExpressionError("division by zero" if by_zero else "not a finite number", node) from None

    return flagged


def _lazy(left: Evaluator, right: Evaluator, both: bool) -> Evaluator:
    """Return `and` (both) or `or`; the right side is evaluated only where it decides."""

    def evaluate(rows: Rows) -> Column:
        first = np.broadcast_to(np.asarray(left(rows), dtype=bool), (len(rows),))
        asked = first if both else ~first
        if not asked.any():
            return first
        if asked.all():
            return np.broadcast_to(np.asarray(right(rows), dtype=bool), (len(rows),))
        result = np.array(first)
        result[asked] = np.asarray(right(rows.take(asked)), dtype=bool)
        return result

    return evaluate


def _pick(test: Evaluator, yes: Evaluator, no: Evaluator) -> Evaluator:
    """Return `if(test, yes, no)`; each side is evaluated only where it is wanted."""

    def evaluate(rows: Rows) -> Column:
        chosen = np.broadcast_to(np.asarray(test(rows), dtype=bool), (len(rows),))
        result = np.empty(len(rows))
        for mask, side in ((chosen, yes), (~chosen, no)):
            if mask.any():
                result[mask] = side(rows.take(mask))
        return result

    return evaluate


def _question(node: Call, parts: list[Evaluator]) -> Evaluator:
    """Return an environment query."""

    def ask(rows: Rows, argument: Column = None) -> Column:
        if rows.query is None:
            raise BadInputError(
                f"`{node.name}` asks the organ, and this derivation has none",
                "grow the grammar inside an organ, or take the function out of the rule",
            )
        return rows.query(node.name, rows.rows, argument)

    return _finite(node, parts, ask)
