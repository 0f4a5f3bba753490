"""The engine: freeze the string, match, write all successors at once, until nothing matches or a limit is met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.chancekeys import Keys, mix_keys
from pancreasgen.grammar.check import checked_program
from pancreasgen.grammar.environment import Environment, Frames, join_frames
from pancreasgen.grammar.evaluate import Query
from pancreasgen.grammar.grammar import MAX_MODULES, Grammar, Word
from pancreasgen.grammar.growth import CHILD, MAX_INTERPRETATION_DEPTH, Growth
from pancreasgen.grammar.match import Match, Moment, find_matches
from pancreasgen.grammar.program import Program
from pancreasgen.grammar.rope import Chunk, Rope


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """A derived word and how it came to its end.

    Attributes:
        word: The string.
        steps: Number of steps taken.
        reason: ``fixpoint`` (no rule matches), ``steps`` (as many as wanted or allowed), ``modules`` or ``depth`` (the
            next step would pass that limit).
    """

    word: Word
    steps: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """The modules that rules may still match, in string order: ids in the rope, columns, bracket depth, frames."""

    ids: NDArray[np.int64]
    symbol: NDArray[np.uint16]
    args: NDArray[np.float64]
    lineage: Keys
    order: NDArray[np.int16]
    frames: Frames | None

    def __len__(self) -> int:
        return len(self.ids)


def derive(
    grammar: Grammar,
    *,
    key: int,
    values: Mapping[str, float] | None = None,
    steps: int | None = None,
    environment: Environment | None = None,
) -> Derivation:
    r"""Derive the word of a grammar; a pure function of its arguments (and of what the environment answers).

    Args:
        grammar: The grammar.
        key: Key of all draws, 0 to 2⁶⁴ − 1, such as :attr:`pancreasgen.base.chance.Chance.key`.
        values: Values of parameters, each in its own unit; the file's defaults hold for the others.
        steps: Number of steps; the file's limit if None.
        environment: Where to grow. With it, every segment is laid as soon as it is written and a refused one is cut.

    Raises:
        DiagnosticError: If the grammar has faults.
        UsageError: If a value is out of range.
        BadInputError: If an expression has no finite value, or a rule asks the organ and there is none.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> koch = parse_grammar("lsystem 1\naxiom: F\nproduction:\nF --> F+F--F+F")
    >>> len(derive(koch, key=0, steps=2).word)
    36
    """
    program = checked_program(grammar.with_values(values) if values else grammar)
    growth = None if environment is None else Growth(program, environment)
    rope, live = Rope(program.width), _root(program, growth)
    limits, taken, reason = grammar.limits, 0, "steps"
    wanted = limits.steps if steps is None else min(steps, limits.steps)
    for step in range(wanted + 1):
        now = Moment(grammar, program.parameters, key, step, _query(growth, live))
        matches = _matches(program, live, now)
        if not matches:
            reason = "fixpoint"
            break
        grown = sum(len(match.rows) * (len(match.branch.literals) - 1) for match in matches)
        if rope.leaves + grown > limits.modules:
            reason = "modules"
            break
        if _depth(matches, live) > limits.depth:
            reason = "depth"
            break
        live = _rewrite(program, rope, live, matches, growth, now)
        live = replace(live, ids=rope.compact(live.ids))
        taken = step
    return Derivation(_word(program, rope), taken, reason)


def expand(word: Word, grammar: Grammar, *, key: int = 0) -> Word:
    """Return the word with interpretation rules applied until none matches: what the turtle draws.

    Raises:
        BadInputError: If rules lead back to themselves (more than 16 levels), or the word gets too long.
    """
    program = checked_program(grammar)
    if not program.interpretation:
        return word
    live_codes = np.zeros_like(program.live)
    live_codes[list(program.interpretation)] = True
    program = replace(program, rules=program.interpretation, live=live_codes)
    args = np.zeros((len(word), program.width))
    used = np.arange(program.width)[None, :] < np.diff(word.offset)[:, None]
    args[used] = word.args
    ids = np.arange(len(word), dtype=np.int64)
    rope = Rope.of(Chunk(ids, word.symbol, args, word.lineage))
    first = np.flatnonzero(live_codes[word.symbol])
    order = np.zeros(len(first), np.int16)
    live = Live(first, word.symbol[first], args[first], word.lineage[first], order, None)
    for depth in range(1, MAX_INTERPRETATION_DEPTH + 2):
        now = Moment(grammar, program.parameters, key, depth)
        matches = _matches(program, live, now)
        if not matches:
            return _word(program, rope)
        grown = sum(len(match.rows) * (len(match.branch.literals) - 1) for match in matches)
        if rope.leaves + grown > MAX_MODULES:
            raise BadInputError(
                f"the interpretation rules make more than {MAX_MODULES:,} modules", "derive fewer steps"
            )
        live = _rewrite(program, rope, live, matches, None, now)
    message = f"the interpretation rules go deeper than {MAX_INTERPRETATION_DEPTH} levels"
    raise BadInputError(message, "an interpretation rule must not lead back to its own module")


def _root(program: Program, growth: Growth | None) -> Live:
    none = np.zeros(1, np.int64)
    frames = None if growth is None else Frames.initial(1)
    args = np.zeros((1, program.width))
    return Live(none, none.astype(np.uint16), args, none.astype(np.uint64), none.astype(np.int16), frames)


def _query(growth: Growth | None, live: Live) -> Query | None:
    if growth is None or live.frames is None:
        return None
    frames, environment = replace(live.frames, origin=live.symbol.astype(np.int16)), growth.environment

    def ask(name: str, rows: NDArray[np.int64], argument: object) -> NDArray[np.float64]:
        column = None if argument is None else np.broadcast_to(np.asarray(argument, dtype=np.float64), (len(rows),))
        return np.asarray(environment.query(name, frames.take(rows), column))

    return ask


def _matches(program: Program, live: Live, now: Moment) -> list[Match]:
    if now.step == 0:
        index = np.zeros(1, np.int64)
        return [Match(program.axiom, program.axiom.branches[0], now.rows((), live.args, live.lineage, index))]
    found: list[Match] = []
    for code, rules in program.rules.items():
        index = np.flatnonzero(live.symbol == code)
        if len(index):
            found += find_matches(rules, live.args[index], live.lineage[index], index, now)
    return found


def _depth(matches: list[Match], live: Live) -> int:
    deepest = 0
    for match in matches:
        levels = max((literal.level + 1 for literal in match.branch.literals if literal.code == 0), default=0)
        deepest = max(deepest, levels + int(live.order[match.rows.rows].max()))
    return deepest


def _rewrite(
    program: Program, rope: Rope, live: Live, matches: list[Match], growth: Growth | None, now: Moment
) -> Live:
    """Write all successors into a new chunk by prefix sum, and return what is live then."""
    values = [_arguments(match, now) for match in matches]
    frames: list[list[Frames]] = []
    kept: list[NDArray[np.bool_]] = [np.ones((len(m.rows), len(m.branch.literals)), dtype=bool) for m in matches]
    if growth is not None and live.frames is not None:
        frames, kept = growth.lay(matches, values, live.frames, now)
    count = np.zeros(len(live), dtype=np.int64)
    matched = np.zeros(len(live), dtype=bool)
    for match, alive in zip(matches, kept, strict=True):
        count[match.rows.rows], matched[match.rows.rows] = alive.sum(axis=1), True
    first, total = np.cumsum(count) - count, int(count.sum())
    owner = np.repeat(np.arange(len(live)), count)
    symbol, args = np.zeros(total, np.uint16), np.zeros((total, program.width))
    lineage, order = np.zeros(total, np.uint64), np.zeros(total, np.int16)
    pieces: list[tuple[NDArray[np.int64], Frames]] = []
    for number, (match, alive) in enumerate(zip(matches, kept, strict=True)):
        inner: NDArray[np.int64] = np.cumsum(alive, axis=1) - alive
        for place, literal in enumerate(match.branch.literals):
            rows = np.flatnonzero(alive[:, place])
            at = first[match.rows.rows[rows]] + inner[rows, place]
            symbol[at] = literal.code
            for slot, column in enumerate(values[number][place]):
                args[at, slot] = column[rows] if np.ndim(column) else column
            lineage[at] = mix_keys(match.rows.lineage[rows], CHILD + place)
            order[at] = live.order[match.rows.rows[rows]] + literal.level
            if frames and program.live[literal.code]:
                pieces.append((at, frames[number][place].take(rows)))
    ids = rope.add(Chunk(live.ids[owner], symbol, args, lineage), live.ids[matched])
    fresh = np.flatnonzero(program.live[symbol])
    fresh_frames = None
    if growth is not None:
        places = [at for at, _ in pieces] or [np.zeros(0, np.int64)]
        parts = [part for _, part in pieces] or [Frames.initial(0)]
        fresh_frames = join_frames(parts).take(np.argsort(np.concatenate(places), kind="stable"))
    old = np.flatnonzero(~matched) if now.step else np.zeros(0, np.int64)
    new = Live(ids[fresh], symbol[fresh], args[fresh], lineage[fresh], order[fresh], fresh_frames)
    return _merge(live, old, new, owner[fresh])


def _merge(live: Live, old: NDArray[np.int64], new: Live, owner: NDArray[np.int64]) -> Live:
    """Return old live modules and fresh ones in string order."""
    sort = np.argsort(np.concatenate([old, owner]), kind="stable")
    columns: list[Any] = [
        np.concatenate([getattr(live, name)[old], getattr(new, name)])[sort]
        for name in ("ids", "symbol", "args", "lineage", "order")
    ]
    frames = None
    if live.frames is not None and new.frames is not None:
        frames = join_frames([live.frames.take(old), new.frames]).take(sort)
    return Live(columns[0], columns[1], columns[2], columns[3], columns[4], frames)


def _arguments(match: Match, now: Moment) -> list[list[Any]]:
    return [[now.value(one, match.rows, match.rule) for one in literal.arguments] for literal in match.branch.literals]


def _word(program: Program, rope: Rope) -> Word:
    ids = rope.order()
    symbol = rope.column("symbol", ids).astype(np.uint16)
    arity = program.arity[symbol]
    used = np.arange(program.width)[None, :] < arity[:, None]
    args = rope.column("args", ids).astype(np.float64)[used]
    offset = np.concatenate([[0], np.cumsum(arity)]).astype(np.int64)
    return Word(symbol, args, offset, rope.column("lineage", ids).astype(np.uint64))
