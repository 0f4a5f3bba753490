"""The engine: freeze the string, match, write all successors at once, until nothing matches or a limit is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import lock
from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar import kernels
from pancreasgen.grammar.around import Surroundings
from pancreasgen.grammar.check import checked_program
from pancreasgen.grammar.environment import Environment, Frames
from pancreasgen.grammar.evaluate import Query
from pancreasgen.grammar.grammar import Grammar, Word
from pancreasgen.grammar.growth import Growth
from pancreasgen.grammar.interpretation import expanded
from pancreasgen.grammar.match import Match, Moment, find_matches
from pancreasgen.grammar.program import CODE, Program, Rules
from pancreasgen.grammar.strand import Strand
from pancreasgen.grammar.successors import Live, write_successors
from pancreasgen.grammar.turtle import query_values

MAX_DECOMPOSITION_DEPTH = 64
Watch: TypeAlias = Callable[[int, Mapping[str, int]], object]
"""Takes the number of a step and how often each rule matched in it; an answer of False ends the derivation."""


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """A derived word and how it came to its end.

    Attributes:
        word: The string.
        steps: Number of steps taken.
        reason: ``fixpoint`` (no rule matches), ``steps`` (as many as wanted or allowed), ``modules`` or ``depth`` (the
            next step would pass that limit), ``watch`` (the watcher wanted no more).
    """

    word: Word
    steps: int
    reason: str


def derive(
    grammar: Grammar,
    *,
    key: int,
    values: Mapping[str, float] | None = None,
    steps: int | None = None,
    environment: Environment | None = None,
    watch: Watch | None = None,
) -> Derivation:
    r"""Derive the word of a grammar; a pure function of its arguments (and of what the environment answers).

    A step matches every module against the string as it was, writes all successors, lets decomposition rules split
    them until none matches, cuts what stands behind a ``%``, and fills queries such as ``?P(x, y, z)``.

    Args:
        grammar: The grammar.
        key: Key of all draws, 0 to 2⁶⁴ − 1, such as :attr:`pancreasgen.base.chance.Chance.key`.
        values: Values of parameters, each in its own unit; the file's defaults hold for the others.
        steps: Number of steps; the file's limit if None.
        environment: Where to grow. With it, every segment is laid as soon as it is written and a refused one is cut.
        watch: Told after every step, the axiom being step 0; it may end the derivation.

    Raises:
        DiagnosticError: If the grammar has faults.
        UsageError: If a value is out of range.
        BadInputError: If the axiom passes a limit, an expression has no finite value, a rule asks the organ and there
            is none, or decomposition does not come to an end.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> koch = parse_grammar("lsystem 1\naxiom: F\nproduction:\nF --> F+F--F+F")
    >>> len(derive(koch, key=0, steps=2).word)
    36
    """
    program = checked_program(grammar.with_values(values) if values else grammar)
    run = _Run(program, key, None if environment is None else Growth(program, environment))
    limits, taken, reason = grammar.limits, 0, "steps"
    wanted = limits.steps if steps is None else min(steps, limits.steps)
    for step in range(wanted + 1):
        now = run.moment(step)
        matches = run.axiom(now) if step == 0 else run.matches(program.rules, now)
        if not matches:
            reason = "fixpoint"
            break
        refusal = run.refusal(matches)
        if refusal and step == 0:
            most = getattr(limits, refusal)
            text = f"the axiom of `{grammar.id}` passes the limit of {most:,} {refusal}"
            raise BadInputError(text, "raise the limit, or shorten the axiom")
        if refusal:
            reason = refusal
            break
        counts = _counts(matches)
        run.rewrite(matches, now)
        run.finish_step(step)
        taken = step
        if watch is not None and watch(step, counts) is False:
            reason = "watch"
            break
    return Derivation(run.word(), taken, reason)


class _Run:
    """One derivation under way: the string, what is live in it, and the growth in an organ if there is one."""

    def __init__(self, program: Program, key: int, growth: Growth | None) -> None:
        self.program, self.key, self.growth = program, key, growth
        one = np.zeros(1, np.int64)
        self.strand = Strand(one.astype(np.uint16), np.zeros(0), one.astype(np.uint64), program.arity)
        frames = None if growth is None else Frames.initial(1)
        args = np.zeros((1, program.width))
        self.live = Live(one, one.astype(np.uint16), args, one.astype(np.uint64), one.astype(np.int16), frames)

    def moment(self, step: int) -> Moment:
        """Return what the expressions of this step share."""
        return Moment(self.program.grammar, self.program.parameters, self.key, step, self._query())

    def _query(self) -> Query | None:
        growth, live = self.growth, self.live
        if growth is None or live.frames is None:
            return None
        frames, environment = replace(live.frames, origin=live.symbol.astype(np.int16)), growth.environment

        def ask(name: str, rows: NDArray[np.int64], argument: object) -> NDArray[np.float64]:
            column = None if argument is None else np.broadcast_to(np.asarray(argument, dtype=np.float64), (len(rows),))
            return np.asarray(environment.query(name, frames.take(rows), column))

        return ask

    def axiom(self, now: Moment) -> list[Match]:
        """Return the axiom as what rewrites the root."""
        rule = self.program.axiom
        rows = now.rows((), self.live.args, self.live.lineage, np.zeros(1, np.int64))
        return [Match(rule, rule.branches[0], rows)]

    def matches(self, rules: Rules, now: Moment) -> list[Match]:
        """Return which alternative of which rule rewrites which live modules."""
        if self.program.contextual and rules is self.program.rules:  # decomposition has no contexts
            now = self._looking_around(now)
        live = self.live
        found: list[Match] = []
        for code, some in rules.items():
            index = np.flatnonzero(live.symbol == code)
            if len(index):
                found += find_matches(some, live.args[index], live.lineage[index], index, now)
        return found

    def _looking_around(self, now: Moment) -> Moment:
        self.lay_flat()
        strand = self.strand
        around = Surroundings(strand.symbol, strand.args, strand.arity, self.program.skip)
        return replace(now, around=around, places=self.live.ids)

    def refusal(self, matches: list[Match]) -> str:
        """Return the limit that rewriting would pass, or nothing; told before anything is allocated."""
        limits = self.program.grammar.limits
        grown = sum(len(match.rows) * (len(match.branch.literals) - 1) for match in matches)
        if self.strand.leaves + grown > limits.modules:
            return "modules"
        deepest = max(match.branch.depth + int(self.live.order[match.rows.rows].max()) for match in matches)
        return "depth" if deepest > limits.depth else ""

    def rewrite(self, matches: list[Match], now: Moment) -> None:
        """Write all successors, and empty the list of matches: it is large, and the string is about to be laid flat."""
        self.live = write_successors(self.program, self.strand, self.live, matches, self.growth, now)
        matches.clear()
        if self.strand.crowded:
            self.lay_flat()

    def lay_flat(self) -> None:
        """Lay the string flat."""
        self.live = replace(self.live, ids=self.strand.lay_flat(self.program.live, len(self.live)))

    def finish_step(self, step: int) -> None:
        """Decompose, cut, fill queries."""
        if self.program.decomposition:
            self._decompose(step)
        if self.program.cuts:
            self._cut()
        if self.program.queries and self.growth is None:
            self._fill_queries()

    def _decompose(self, step: int) -> None:
        for depth in range(MAX_DECOMPOSITION_DEPTH + 1):
            now = self.moment(step)
            matches = self.matches(self.program.decomposition, now)
            if not matches:
                return
            label, limit = matches[0].rule.label, self.refusal(matches)
            if limit:
                most = getattr(self.program.grammar.limits, limit)
                text = f"`{label}`, step {step}: decomposition would pass the limit of {most:,} {limit}"
                raise BadInputError(text, "guard the rule with a condition, or derive fewer steps")
            if depth == MAX_DECOMPOSITION_DEPTH:
                text = f"`{label}`, step {step}: decomposition goes deeper than {depth} levels"
                raise BadInputError(text, "a decomposition rule must come to an end: guard it with a condition")
            self.rewrite(matches, now)

    def _cut(self) -> None:
        self.lay_flat()
        stay = kernels.cut_string(self.strand.symbol, CODE["%"])
        if stay.all():
            return
        live = self.live.take(stay[self.live.ids])
        self.strand.keep(stay)
        self.live = replace(live, ids=np.flatnonzero(self.program.live[self.strand.symbol]))

    def _fill_queries(self) -> None:
        self.lay_flat()
        strand, live, width = self.strand, self.live, self.program.arity
        places = kernels.argument_places(strand.symbol, width)
        asked = np.flatnonzero(np.isin(strand.symbol, list(self.program.queries)))
        word = Word(strand.symbol, strand.args, places, strand.lineage)
        values = query_values(word, self.program, key=self.key)
        strand.args[places[asked][:, None] + np.arange(3)] = values
        mine = np.isin(live.ids, asked)
        if mine.any():
            live.args[mine, :3] = values[np.searchsorted(asked, live.ids[mine])]

    def word(self) -> Word:
        """Return the string as a word."""
        self.lay_flat()
        strand = self.strand
        offset = lock(kernels.argument_places(strand.symbol, strand.arity))
        columns: list[Any] = [lock(array) for array in (strand.symbol, strand.args)]
        return Word(columns[0], columns[1], offset, lock(strand.lineage))


def _counts(matches: list[Match]) -> dict[str, int]:
    """Return how often each rule matched, in the order of the symbols' rules."""
    counts: dict[str, int] = {}
    for match in matches:
        counts[match.rule.label] = counts.get(match.rule.label, 0) + len(match.rows)
    return counts


def expand(word: Word, grammar: Grammar, *, key: int = 0) -> Word:
    """Return the word with interpretation rules applied until none matches: what the turtle draws.

    Raises:
        BadInputError: If rules lead back to themselves (more than 16 levels), or the word gets too long.
    """
    return expanded(word, checked_program(grammar), key=key)
