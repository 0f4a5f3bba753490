"""Units through expressions: millimetres and degrees never add up, and every angle is one by its unit.

A :class:`Dim` is the power of length and the power of angle. A bare number may stand for a length in mm (or, alone, for
an angle in degrees as in ABOP); an angle with a unit never meets a bare number other than 0 in a sum or comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pancreasgen.grammar.functions import DRAWS, ENVIRONMENT, FUNCTIONS
from pancreasgen.grammar.grammar import Function, Grammar
from pancreasgen.grammar.tree import UNITS, Call, Expression, Name, Number, Operation, Span


class Dim(NamedTuple):
    """Powers of length and angle; ``known`` is False where the unit cannot be told, ``zero`` for a literal 0."""

    length: float = 0.0
    angle: float = 0.0
    known: bool = True
    zero: bool = False

    @property
    def text(self) -> str:
        """The unit in words."""
        if self.angle:
            return "an angle" if (self.length, self.angle) == (0.0, 1.0) else "a power of an angle"
        return {0.0: "a number without unit", 1.0: "a length"}.get(self.length, f"mm^{self.length:g}")


PLAIN, LENGTH, ANGLE, UNKNOWN = Dim(), Dim(1.0), Dim(0.0, 1.0), Dim(known=False)
Report = Callable[[str, Span, str], None]
"""Takes a message, a span and a hint."""


def unit_dim(unit: str) -> Dim:
    """Return the dimension of a unit.

    >>> unit_dim("cm") == LENGTH, unit_dim("") == PLAIN
    (True, True)
    """
    return {"": PLAIN, "length": LENGTH, "angle": ANGLE}[UNITS[unit][1] if unit else ""]


@dataclass(frozen=True, slots=True)
class Units:
    """Infers units of expressions of one grammar; faults go to ``report``."""

    functions: Mapping[str, Function]
    report: Report

    def infer(self, node: Expression, names: Mapping[str, Dim]) -> Dim:
        """Return the unit of an expression, given the units of the names it uses."""
        if isinstance(node, Number):
            return unit_dim(node.unit)._replace(zero=node.value == 0)
        if isinstance(node, Name):
            if node.name in names:
                return names[node.name]
            function = self.functions.get(node.name)
            return self.infer(function.body, names) if function and not function.formals else UNKNOWN
        dims = [self.infer(child, names) for child in (node.arguments if isinstance(node, Call) else node.operands)]
        return self._call(node, dims, names) if isinstance(node, Call) else self._operation(node, dims)

    def _operation(self, node: Operation, dims: list[Dim]) -> Dim:
        operator = node.operator
        if operator in ("and", "or", "not"):
            return PLAIN
        if len(dims) == 1:
            return dims[0]
        left, right = dims
        if operator in ("*", "/"):
            sign = 1.0 if operator == "*" else -1.0
            known = left.known and right.known
            length, angle = left.length + sign * right.length, left.angle + sign * right.angle
            return Dim(length, angle, known, left.zero and operator == "*") if known else UNKNOWN
        if operator == "^":
            if not left.known or (left.length, left.angle) == (0.0, 0.0):
                return left._replace(zero=False)
            exponent = node.operands[1]
            return (
                Dim(left.length * exponent.value, left.angle * exponent.value)
                if isinstance(exponent, Number)
                else UNKNOWN
            )
        shared = self.shared(dims, node.span, f"`{operator}`")
        return shared if operator in ("+", "-") else PLAIN

    def shared(self, dims: list[Dim], span: Span, what: str) -> Dim:
        """Return the one unit of several values, or report that they do not go together."""
        result = dims[0]
        for dim in dims[1:]:
            if not (result.known and dim.known):
                result = UNKNOWN
            elif (result.length, result.angle) == (dim.length, dim.angle):
                result = dim if result.zero else result
            elif dim.zero or (dim[:2] == (0.0, 0.0) and not result.angle and not result.zero):
                continue
            elif result.zero or (result[:2] == (0.0, 0.0) and not dim.angle):
                result = dim
            else:
                hint = "write the unit, such as 30 deg" if (result.angle or dim.angle) else "make the units agree"
                self.report(f"{what} joins {result.text} and {dim.text}", span, hint)
                return UNKNOWN
        return result

    def _plain(self, dims: list[Dim], node: Call) -> None:
        for dim, argument in zip(dims, node.arguments, strict=True):
            if dim.known and (dim.length or dim.angle):
                self.report(f"`{node.name}` wants a number without unit, not {dim.text}", argument.span, "")

    def _call(self, node: Call, dims: list[Dim], names: Mapping[str, Dim]) -> Dim:
        function = self.functions.get(node.name)
        if function is not None:
            if len(function.formals) != len(dims):
                return UNKNOWN
            return self.infer(function.body, {**names, **dict(zip(function.formals, dims, strict=True))})
        builtin = FUNCTIONS.get(node.name) or DRAWS.get(node.name) or ENVIRONMENT.get(node.name)
        if builtin is None or (not dims and builtin.least > 0):
            return UNKNOWN
        match builtin.how:
            case "same":
                return self.shared(dims, node.span, f"`{node.name}`")
            case "pick":
                return self.shared(dims[1:], node.span, "`if`") if len(dims) == 3 else UNKNOWN
            case "root":
                return dims[0]._replace(length=dims[0].length / 2, angle=dims[0].angle / 2)
            case "first":
                self._plain([PLAIN, *dims[1:]], node)
                return dims[0]
            case "trig":
                if dims[0].known and not dims[0].angle and not dims[0].zero:
                    message = f"`{node.name}` wants an angle, not {dims[0].text}"
                    self.report(message, node.arguments[0].span, "write the unit, such as 30 deg")
                return PLAIN
            case "sign" | "number":
                return PLAIN
            case "length":
                if dims and dims[0].known and dims[0].angle:
                    self.report(f"`{node.name}` wants a length, not {dims[0].text}", node.arguments[0].span, "")
                return LENGTH
            case _:
                self._plain(dims, node)
                return ANGLE if builtin.how == "arc" else PLAIN


def silent(message: str, span: Span, hint: str) -> None:
    """Report nothing: for grammars that were checked already."""


def parameter_dims(grammar: Grammar) -> dict[str, Dim]:
    """Return the unit of every parameter."""
    return {name: unit_dim(parameter.unit) for name, parameter in grammar.parameters.items()}
