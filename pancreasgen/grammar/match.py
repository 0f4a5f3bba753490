"""Which rule rewrites which module: conditions, draws and choices, for all modules of a kind at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.chancekeys import uniforms
from pancreasgen.grammar.evaluate import Evaluator, ExpressionError, Query, Rows
from pancreasgen.grammar.grammar import Grammar
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
    """What expressions of one step share: parameters, key, step, the environment."""

    grammar: Grammar
    parameters: Mapping[str, float]
    key: int
    step: int
    query: Query | None = None

    def rows(self, formals: Sequence[str], args: NDArray[np.float64], lineage: Any, index: Any) -> Rows:
        """Return the rows of modules with these arguments (n, width)."""
        named = {name: args[:, place] for place, name in enumerate(formals)}
        return Rows({**self.parameters, **named}, lineage, index, self.key, self.step, self.query)

    def value(self, evaluator: Evaluator, rows: Rows, rule: Rule) -> Any:
        """Return an expression's value, or the letter that names rule, module and step."""
        try:
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
    for rule in rules:
        if not len(index):
            return
        rows = now.rows(rule.formals, args, lineage, index)
        if rule.condition is None:
            hit = np.ones(len(index), dtype=bool)
        else:
            hit = np.broadcast_to(np.asarray(now.value(rule.condition, rows, rule), dtype=bool), (len(index),))
        if hit.any():
            yield from _chosen(rule, rows if hit.all() else rows.take(hit), now)
        args, lineage, index = args[~hit], lineage[~hit], index[~hit]


def _chosen(rule: Rule, rows: Rows, now: Moment) -> Iterator[Match]:
    for name, evaluator in rule.bindings:
        rows = rows.bound({name: now.value(evaluator, rows, rule)})
    if len(rule.branches) == 1:
        yield Match(rule, rule.branches[0], rows)
        return
    weights = np.ones((len(rule.branches), len(rows)))
    for place, branch in enumerate(rule.branches):
        if branch.weight is not None:
            weights[place] = now.value(branch.weight, rows, rule)
    reach = np.cumsum(weights, axis=0)
    if (weights < 0).any() or (reach[-1] <= 0).any():
        message = f"rule `{rule.label}`, module `{rule.predecessor}`, step {now.step}: the weights are not above 0"
        raise BadInputError(message, "weights are shares: at least 0, and not all 0")
    drawn = uniforms(rows.lineage, now.key, rule.site, now.step) * reach[-1]
    place = np.minimum((drawn[None, :] >= reach).sum(axis=0), len(rule.branches) - 1)
    for number, branch in enumerate(rule.branches):
        hit = place == number
        if hit.any():
            yield Match(rule, branch, rows.take(hit))
