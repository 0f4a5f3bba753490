"""Which rule rewrites which module: conditions, draws and choices, for all modules of a kind at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.around import Context, Surroundings
from pancreasgen.grammar.chancekeys import uniforms
from pancreasgen.grammar.evaluate import Evaluator, ExpressionError, Query, Rows, strict_flags
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.kernels import Masks
from pancreasgen.grammar.program import Branch, Rule


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """All modules that one alternative of one rule rewrites in this step.

    ``rows.rows`` holds the index of each in the list it was found in, ascending; ``rows.columns`` all names.
    """

    rule: Rule
    branch: Branch
    rows: Rows


@dataclass(frozen=True, slots=True)
class Moment:
    """What the rules of one step share: parameters, key, step, the environment, the string around each module.

    ``around`` is None where no rule has a context; ``places`` are the places of the live modules in it.
    """

    grammar: Grammar
    parameters: Mapping[str, float]
    key: int
    step: int
    query: Query | None = None
    around: Surroundings | None = None
    places: NDArray[np.int64] | None = None

    def rows(self, formals: Sequence[str], args: NDArray[np.float64], lineage: Any, index: Any) -> Rows:
        """Return the rows of modules with these arguments (n, width)."""
        named = {name: args[:, place] for place, name in enumerate(formals)}
        return Rows({**self.parameters, **named}, lineage, index, self.key, self.step, self.query)

    def value(self, evaluator: Evaluator, rows: Rows, rule: Rule) -> Any:
        """Return an expression's value, or the letter that names rule, module and step."""
        try:
            with strict_flags():
                return evaluator(rows)
        except ExpressionError as fault:
            message = (
                f"rule `{rule.label}`, module `{rule.predecessor}`, step {self.step}: {fault.what} "
                f"in `{self.grammar.excerpt(fault.node.span)}`"
            )
            raise BadInputError(message, "guard the rule with a condition, or change the numbers") from None


def find_matches(
    rules: Sequence[Rule], args: NDArray[np.float64], lineage: NDArray[np.uint64], index: NDArray[np.int64], now: Moment
) -> Iterator[Match]:
    """Yield the matches of one symbol's rules; the first rule that matches, in file order, wins.

    Args:
        rules: Rules of this symbol.
        args: Arguments (n, width) of the modules.
        lineage: Lineages (n,).
        index: Numbers (n,) by which the caller knows the modules; ascending.
        now: The moment.
    """
    for place, rule in enumerate(rules):
        if not len(index):
            return
        rows = now.rows(rule.formals, args, lineage, index)
        left = np.ones(len(index), dtype=bool)
        for context in rule.contexts:
            rows, left = _surrounded(context, rows, left, now)
        if rule.condition is not None and len(rows):
            value = now.value(rule.condition, rows, rule)
            hit = np.broadcast_to(np.asarray(value, dtype=bool), (len(rows),))
            if not hit.all():
                rows = rows.take(hit)
                left[left] = hit
        if len(rows):
            yield from _chosen(rule, rows, now)
        if place + 1 < len(rules):
            args, lineage, index = args[~left], lineage[~left], index[~left]


def _surrounded(context: Context, rows: Rows, left: Masks, now: Moment) -> tuple[Rows, Masks]:
    """Return the rows whose context is there, with its arguments as names, and which of all modules these are."""
    assert now.around is not None
    assert now.places is not None
    hit, columns = now.around.match(context, now.places[rows.rows])
    left = left.copy()
    left[left] = hit
    return rows.take(hit).bound(columns), left


def _chosen(rule: Rule, rows: Rows, now: Moment) -> Iterator[Match]:
    for name, evaluator in rule.bindings:
        rows = rows.bound({name: now.value(evaluator, rows, rule)})
    if len(rule.branches) == 1:
        yield Match(rule, rule.branches[0], rows)
        return
    reach: list[Any] = []
    total: Any = 0.0
    for branch in rule.branches:
        weight = 1.0 if branch.weight is None else now.value(branch.weight, rows, rule)
        with np.errstate(over="ignore"):
            total = total + weight
        if np.any(np.less(weight, 0)):
            break
        reach.append(total)
    if len(reach) < len(rule.branches) or np.any(np.less_equal(total, 0)) or not np.all(np.isfinite(total)):
        what = "the weights are not above 0" if np.all(np.isfinite(total)) else "the weights sum to infinity"
        message = f"rule `{rule.label}`, module `{rule.predecessor}`, step {now.step}: {what}"
        raise BadInputError(message, "weights are shares: at least 0, and not all 0")
    drawn = uniforms(rows.lineage, now.key, rule.site, now.step) * total
    place = np.zeros(len(rows), np.int8)
    for sum_so_far in reach[:-1]:
        place += drawn >= sum_so_far
    for number, branch in enumerate(rule.branches):
        hit = place == number
        if hit.any():
            yield Match(rule, branch, rows.take(hit))
