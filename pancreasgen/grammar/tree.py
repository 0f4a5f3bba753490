"""The syntax tree: what a grammar says, as plain frozen data that can be compared, pickled and walked.

Every node carries its span, the offsets (start, end) of its characters in the grammar's text, so that an error found
much later can still point at the right column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]

UNITS: dict[str, tuple[float, str]] = {
    "mm": (1.0, "length"),
    "cm": (10.0, "length"),
    "um": (0.001, "length"),
    "deg": (0.017453292519943295, "angle"),
    "rad": (1.0, "angle"),
}
"""Unit → (factor to mm or rad, what it measures)."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit; ``value`` is as written, ``inner`` in mm or rad."""

    value: float
    unit: str
    span: Span

    @property
    def inner(self) -> float:
        """The value in mm, rad or as it is.

        >>> Number(2.0, "cm", (0, 4)).inner
        20.0
        """
        return self.value * UNITS[self.unit][0] if self.unit else self.value


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter, an argument of the module, or a name from ``where``."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; ``keys`` holds the name before ``=`` or an empty text for each argument."""

    name: str
    arguments: tuple[Expression, ...]
    keys: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator with one or two operands: ``+ - * / ^ and or not < <= > >= == !=``."""

    operator: str
    operands: tuple[Expression, ...]
    span: Span


Expression: TypeAlias = Number | Name | Call | Operation


@dataclass(frozen=True, slots=True)
class Item:
    """One module, turtle command, bracket or ``@command`` of a string. ``target`` is the text of an ``@command``."""

    symbol: str
    arguments: tuple[Expression, ...]
    target: str
    span: Span


@dataclass(frozen=True, slots=True)
class Alternative:
    """A successor with its weight; None stands for 1."""

    successor: tuple[Item, ...]
    weight: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Binding:
    """``name = expression`` of a ``where``."""

    name: str
    expression: Expression
    span: Span


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield the expression and everything inside it, outermost first.

    >>> [type(node).__name__ for node in walk(Operation("+", (Number(1, "", (0, 1)), Name("a", (4, 5))), (0, 5)))]
    ['Operation', 'Number', 'Name']
    """
    waiting: list[Expression] = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Call):
            waiting.extend(reversed(node.arguments))
        elif isinstance(node, Operation):
            waiting.extend(reversed(node.operands))
