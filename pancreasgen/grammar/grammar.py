"""The values of this room: a grammar as its file says it, and a word as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import checked_number, frozen_array, unknown_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.tree import UNITS, Alternative, Binding, Expression, Item, Number, Span

MAX_MODULES, MAX_STEPS, MAX_DEPTH = 2_000_000, 10_000, 256
TURTLE = ("[", "]", "+", "-", "&", "^", "\\", "/", "|", "$", "!", "F", "f", "G", "%", "{", "}", ";", "'", ".", "~")
COMMANDS = ("@toward", "@away", "@start", "@join")
TURNS = ("+", "-", "&", "^", "\\", "/")
QUERIES = ("?P", "?H", "?U", "?L")
BUILT_IN = TURTLE + COMMANDS + QUERIES
"""The symbols every grammar has; a module's symbol code is its place after these."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number somebody can defend.

    Attributes:
        name: Name in the grammar.
        value: Value in the parameter's own unit.
        low: Least value allowed, same unit; −inf where the file gives no range.
        high: Greatest value allowed, same unit; +inf where the file gives no range.
        unit: ``mm cm um deg rad`` or empty.
        description: What it means.
        source: Publication, or ``assumed``; empty if the file does not say.
        span: Place in the text.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    description: str
    source: str
    span: Span = (0, 0)

    @property
    def inner(self) -> float:
        """The value in mm, rad or as it is.

        >>> Parameter("a", 180.0, 0.0, 180.0, "deg", "", "assumed").inner
        3.141592653589793
        """
        return self.value * UNITS[self.unit][0] if self.unit else self.value


@dataclass(frozen=True, slots=True)
class ModuleType:
    """A declared module: its name, the names and units of its arguments, and its meaning.

    ``declared`` is False for the one-letter modules of plain ABOP files, which need no declaration.
    """

    name: str
    fields: tuple[str, ...]
    units: tuple[str, ...]
    meaning: str
    span: Span
    declared: bool = True


@dataclass(frozen=True, slots=True)
class Function:
    """``let name(formals) = body``."""

    name: str
    formals: tuple[str, ...]
    body: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Production:
    """A rule: ``label: left < predecessor(formals) > right : condition --> alternatives where bindings``."""

    label: str
    left: tuple[Item, ...]
    predecessor: str
    formals: tuple[str, ...]
    right: tuple[Item, ...]
    condition: Expression | None
    alternatives: tuple[Alternative, ...]
    bindings: tuple[Binding, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of one derivation; a file can only lower them."""

    modules: int = MAX_MODULES
    steps: int = MAX_STEPS
    depth: int = MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement for the growth engine, such as ``radii: bottom_up(gamma = 2.7, anchor = r_head)``.

    Attributes:
        name: ``radii``, ``reserve``, ``fill`` or ``territory``.
        function: Name before the parenthesis, or empty.
        arguments: Expressions over parameters, in the order of the text.
        keys: The name before ``=`` of each argument, or empty.
        module: The module after ``as`` or ``by``, or empty.
        text: The statement as written, without its name.
        span: Place in the text.
    """

    name: str
    function: str
    arguments: tuple[Expression, ...]
    keys: tuple[str, ...]
    module: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """A growth law. Made by :func:`pancreasgen.grammar.syntax.parse_grammar`; pure data, safe to pickle.

    Attributes:
        id: Name under which recipes know it.
        file: Name of the text as the user knows it, for messages.
        title: One line.
        population: Name of the population of the catalogue that it was written for; empty for any.
        requires: Fields and functions that the organ must provide.
        parameters: Name → :class:`Parameter`.
        functions: Name → :class:`Function` of a ``let``.
        modules: Name → :class:`ModuleType`, in the order of the text.
        axiom: The string at step 0.
        productions: Rules in file order; the first that matches wins.
        interpretation: Rules that tell the turtle what a module looks like.
        decomposition: Rules that split a module at once.
        ignore: Symbols that contexts look through.
        consider: Symbols that contexts alone see.
        limits: Caps.
        statements: Name → :class:`Statement`.
        targets: Texts of all ``@commands``, in the order of the text.
        text: The whole file.
    """

    id: str
    file: str
    title: str
    population: str
    requires: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    functions: Mapping[str, Function]
    modules: Mapping[str, ModuleType]
    axiom: tuple[Item, ...]
    productions: tuple[Production, ...]
    interpretation: tuple[Production, ...]
    decomposition: tuple[Production, ...]
    ignore: tuple[str, ...]
    consider: tuple[str, ...]
    limits: Limits
    statements: Mapping[str, Statement]
    targets: tuple[str, ...]
    text: str

    def __post_init__(self) -> None:
        for name in ("parameters", "functions", "modules", "statements"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the grammar travel between processes (a mapping proxy cannot)."""
        values = [getattr(self, name) for name in self.__slots__]
        return (type(self), tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Name of every symbol code: turtle commands and ``@commands`` first, then the modules."""
        return BUILT_IN + tuple(name for name in self.modules if name not in BUILT_IN)

    def with_values(self, values: Mapping[str, float]) -> Grammar:
        """Return the grammar with other values of parameters.

        Args:
            values: Name → value, in the parameter's own unit (``deg`` for a parameter declared in deg).

        Raises:
            UsageError: If a name is unknown or a value outside the range that the file gives; the message names both.
        """
        parameters = dict(self.parameters)
        for name, value in values.items():
            if name not in parameters:
                raise unknown_name("parameter", name, list(parameters))
            known = parameters[name]
            number = checked_number(f"parameter `{name}`", value, known.low, known.high, known.unit)
            parameters[name] = replace(known, value=number)
        return replace(self, parameters=parameters)

    def statement_numbers(self, name: str) -> dict[str, float]:
        """Return the numbers of an engine statement in mm, rad or as they are.

        Keys are the names before ``=``; an argument without a name gets its place, ``"0"``, ``"1"``, …. A statement
        that the file does not have gives an empty dictionary.

        Raises:
            BadInputError: If an argument is not a finite number.
        """
        from pancreasgen.grammar.evaluate import constant

        statement = self.statements.get(name)
        if statement is None:
            return {}
        pairs = enumerate(zip(statement.keys, statement.arguments, strict=True))
        return {key or str(place): constant(self, argument) for place, (key, argument) in pairs}

    def excerpt(self, span: Span) -> str:
        """Return the characters of a span, on one line."""
        return " ".join(self.text[span[0] : span[1]].split())


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A derived string as columns, not objects.

    Attributes:
        symbol: Symbol code of each module (N,), an index into :attr:`Grammar.symbols`.
        args: Arguments of all modules one after the other (K,), lengths in mm, angles in rad. An ``@command`` has
            the index of its target in :attr:`Grammar.targets` and its weight (NaN if none).
        offset: Module i has ``args[offset[i]:offset[i + 1]]`` (N + 1,).
        lineage: Key of each module's chance (N,).

    Raises:
        BadInputError: If the columns do not fit together.
    """

    symbol: NDArray[np.uint16]
    args: NDArray[np.float64]
    offset: NDArray[np.int64]
    lineage: NDArray[np.uint64]

    def __post_init__(self) -> None:
        symbol = frozen_array(self.symbol, "symbol", (None,), "u2")
        args = frozen_array(self.args, "args", (None,), "f8", finite=False)
        offset = frozen_array(self.offset, "offset", (len(symbol) + 1,), "i8")
        if offset[0] != 0 or offset[-1] != len(args) or (np.diff(offset) < 0).any():
            raise BadInputError("the offsets of a word must rise from 0 to the number of arguments")
        object.__setattr__(self, "symbol", symbol)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "offset", offset)
        object.__setattr__(self, "lineage", frozen_array(self.lineage, "lineage", (len(symbol),), "u8"))

    def __len__(self) -> int:
        return len(self.symbol)


def inner_number(number: Number, unit: str) -> float:
    """Return a written number in another unit of the same kind.

    >>> inner_number(Number(2.0, "cm", (0, 4)), "mm")
    20.0
    """
    if not number.unit or not unit:
        return number.value
    return number.value if number.unit == unit else number.inner / UNITS[unit][0]
