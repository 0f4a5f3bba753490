"""The turtle: a word becomes line segments in space, one walk along the string."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.base.checks import frozen_array, lock
from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar import portable
from pancreasgen.grammar.check import checked_program
from pancreasgen.grammar.grammar import COMMANDS, QUERIES, TURNS, Grammar, Word
from pancreasgen.grammar.growth import LONGEST_MM
from pancreasgen.grammar.interpretation import expanded
from pancreasgen.grammar.program import CODE, Program

Floats = NDArray[np.float64]

_SKIP, _OPEN, _CLOSE, _UP, _LEFT, _AHEAD, _AROUND, _LEVEL, _RADIUS, _DRAW, _MOVE, _CUT, _QUERY, _THINNER = range(14)
_OPERATION = {
    "[": _OPEN, "]": _CLOSE, "+": _UP, "-": _UP, "&": _LEFT, "^": _LEFT, "/": _AHEAD, "\\": _AHEAD, "|": _AROUND,
    "$": _LEVEL, "!": _RADIUS, "F": _DRAW, "G": _DRAW, "f": _MOVE, "%": _CUT,
    **dict.fromkeys(QUERIES, _QUERY),
}  # fmt: skip
_STATE_OF = {"?P": 0, "?H": 3, "?L": 6, "?U": 9}
"""Where each query finds its answer in the turtle's state."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Lines that a turtle drew, in string order.

    Attributes:
        start_mm: Start (S, 3) [mm].
        end_mm: End (S, 3) [mm].
        radius_start_mm: Radius at the start (S,) [mm].
        radius_end_mm: Radius at the end (S,) [mm].
        parent: Index of the line that it continues (S,), −1 for none.
        order: Bracket depth (S,).
        lineage: Key of the module that drew it (S,).
    """

    start_mm: Floats
    end_mm: Floats
    radius_start_mm: Floats
    radius_end_mm: Floats
    parent: NDArray[np.int64]
    order: NDArray[np.int16]
    lineage: NDArray[np.uint64]

    def __post_init__(self) -> None:
        count = len(self.start_mm)
        for name, shape, dtype in (
            ("start_mm", (count, 3), "f8"), ("end_mm", (count, 3), "f8"), ("radius_start_mm", (count,), "f8"),
            ("radius_end_mm", (count,), "f8"), ("parent", (count,), "i8"), ("order", (count,), "i2"),
            ("lineage", (count,), "u8"),
        ):  # fmt: skip
            object.__setattr__(self, name, frozen_array(getattr(self, name), name, shape, dtype))

    def __len__(self) -> int:
        return len(self.start_mm)


def interpret(word: Word, grammar: Grammar, *, key: int = 0) -> Segments:
    r"""Draw a word: interpretation rules first, then the turtle.

    It starts at the origin with heading +z, left +x, up +y and a radius of 1 mm; ends are rounded to whole micrometres.

    Args:
        word: A word of this grammar.
        grammar: The grammar.
        key: Key of draws in interpretation rules.

    Raises:
        BadInputError: If the word holds ``@commands``, which need an organ, a radius below 0, a line above 10 m, or a
            number that is not finite.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> from pancreasgen.grammar.rewrite import derive
    >>> corner = parse_grammar("lsystem 1\naxiom: F(2)+(90)F(3)")
    >>> interpret(derive(corner, key=0).word, corner).end_mm
    array([[0., 0., 2.],
           [3., 0., 2.]])
    """
    drawn, arrays, count, depth = _readied(word, checked_program(grammar), key)
    ends, radius, links, source, _ = _walk(*arrays, count, depth, 0)
    columns: tuple[Any, ...] = (ends[:, :3], ends[:, 3:], radius, radius, links[:, 0], links[:, 1])
    starts, stops, thin, thick, parent, order = (lock(np.ascontiguousarray(column)) for column in columns)
    return Segments(starts, stops, thin, thick, parent, order.astype(np.int16), drawn.lineage[source])


def query_values(word: Word, program: Program, *, key: int) -> Floats:
    """Return what each query of a word is told (Q, 3), in string order: position [mm], heading, up or left.

    Raises:
        BadInputError: As :func:`interpret`.
    """
    drawn, arrays, count, depth = _readied(word, program, key)
    asked = np.isin(drawn.symbol, list(program.queries))
    states = _walk(*arrays, count, depth, int(asked.sum()))[4]
    first = np.array([_STATE_OF.get(name, 0) for name in program.grammar.symbols], np.int64)[drawn.symbol[asked]]
    return np.asarray(np.take_along_axis(states, first[:, None] + np.arange(3), axis=1))


def _readied(word: Word, program: Program, key: int) -> tuple[Word, tuple[Any, ...], int, int]:
    """Return the word to be drawn, what each of its modules does, the number of lines, and the depth of brackets."""
    drawn, symbols = expanded(word, program, key=key), program.grammar.symbols
    if np.isin(drawn.symbol, [CODE[name] for name in COMMANDS]).any():
        raise BadInputError("this word steers by an organ, and there is none", "grow the grammar inside an organ")
    operation = np.array([_OPERATION.get(name, _SKIP) for name in symbols], np.int64)[drawn.symbol]
    sign = np.array([-1.0 if name in TURNS and name in "-^\\" else 1.0 for name in symbols])[drawn.symbol]
    has = (np.diff(drawn.offset) > 0) & (operation != _SKIP) & (operation != _QUERY)
    value = np.zeros(len(drawn))
    value[has] = drawn.args[drawn.offset[:-1][has]] * sign[has]
    thinner = (operation == _RADIUS) & np.isnan(value)
    if not np.isfinite(value[~thinner]).all():
        raise BadInputError("the word holds a number that is not finite")
    if (np.abs(value[operation >= _RADIUS]) > LONGEST_MM).any():
        raise BadInputError("the word draws a line longer or wider than 10 m", "lengths are in mm")
    if (value[operation == _RADIUS] < 0).any():
        raise BadInputError("the word sets a radius below 0 mm", "guard the rule with a condition")
    operation[thinner], value[thinner] = _THINNER, program.taper
    sine, cosine = portable.sin_cos(np.where((operation >= _UP) & (operation <= _AHEAD), value, 0.0))
    depth = np.cumsum((operation == _OPEN).astype(np.int64) - (operation == _CLOSE))
    if len(depth) and depth.min() < 0:
        raise BadInputError("the word closes a bracket that it never opened")
    count = int((operation == _DRAW).sum())
    return drawn, (operation, value, sine, cosine), count, int(depth.max(initial=0)) + 1


@njit(cache=True)
def _walk(
    operation: NDArray[np.int64], value: Floats, sine: Floats, cosine: Floats, count: int, depth: int, queries: int
) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return start and end (S, 6), radius (S,), parent and order (S, 2), index of the drawing module (S,).

    The last array holds position, heading, left and up of the turtle at each of the first queries (Q, 12).
    """
    told, asked = np.zeros((queries, 12)), 0
    ends, radius = np.empty((count, 6)), np.empty(count)
    links, source = np.empty((count, 2), np.int64), np.empty(count, np.int64)
    state = np.zeros(13)  # position, heading, left, up, radius
    state[5], state[6], state[10], state[12] = 1.0, 1.0, 1.0, 1.0
    stack, stack_last = np.empty((depth, 13)), np.empty(depth, np.int64)
    level, last, drawn, cut = 0, -1, 0, -1
    for i in range(len(operation)):
        what = operation[i]
        if what == _OPEN:
            stack[level], stack_last[level] = state, last
            level += 1
        elif what == _CLOSE:
            level -= 1
            state[:], last = stack[level], stack_last[level]
            if level < cut:
                cut = -1
        elif what == _QUERY:
            if asked < queries:
                told[asked] = state[:12]
                asked += 1
        elif cut >= 0:
            continue
        elif what == _CUT:
            cut = level
        elif what == _UP:
            _turn(state, 3, 6, sine[i], cosine[i])
        elif what == _LEFT:
            _turn(state, 9, 3, sine[i], cosine[i])
        elif what == _AHEAD:
            _turn(state, 6, 9, sine[i], cosine[i])
        elif what == _AROUND:
            state[3:9] = -state[3:9]
        elif what == _LEVEL:
            _level(state)
        elif what == _RADIUS:
            state[12] = value[i]
        elif what == _THINNER:
            state[12] *= value[i]
        elif what in (_DRAW, _MOVE):
            if what == _DRAW:
                ends[drawn, :3] = state[:3]
            for k in range(3):
                state[k] = np.rint((state[k] + value[i] * state[3 + k]) * 1000.0) / 1000.0
            if what == _DRAW:
                ends[drawn, 3:] = state[:3]
                radius[drawn], source[drawn] = state[12], i
                links[drawn, 0], links[drawn, 1] = last, level
                last = drawn
                drawn += 1
            else:
                last = -1
    return ends[:drawn], radius[:drawn], links[:drawn], source[:drawn], told


@njit(cache=True)
def _turn(state: Floats, first: int, second: int, sine: float, cosine: float) -> None:
    """Turn two axes of the state in their plane: first to cos·first + sin·second."""
    for k in range(3):
        a, b = state[first + k], state[second + k]
        state[first + k] = cosine * a + sine * b
        state[second + k] = cosine * b - sine * a


@njit(cache=True)
def _level(state: Floats) -> None:
    """Roll until left is horizontal; a vertical heading stays as it is."""
    x, y, z = state[3], state[4], state[5]
    size = math.sqrt(x * x + y * y)
    if size < 1e-9:
        return
    a, b = -y / size, x / size
    state[6], state[7], state[8] = a, b, 0.0
    state[9], state[10], state[11] = -z * b, z * a, x * b - y * a
