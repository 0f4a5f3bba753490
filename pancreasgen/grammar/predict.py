"""How fast a grammar grows, before it runs: the mean matrix of its rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar.grammar import MAX_STEPS, Grammar, Production
from pancreasgen.grammar.tree import Number
from pancreasgen.grammar.uses import needs_organ

FEW_STEPS = 6
MAX_SYMBOLS = 400
"""Grammars of more symbols are not foretold: their matrix would take too long."""

Floats = NDArray[np.float64]


def mean_matrix(grammar: Grammar) -> Floats:
    r"""Return M (S, S): M[a, b] is the mean number of symbols b that one step makes of a symbol a.

    A symbol is counted as rewritten if its first rule has no condition and constant weights; a rule that may or may
    not match cannot be foretold, and its symbol counts as unchanged. So the length foretold is that of the string if
    no conditional rule matches.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> koch = parse_grammar("lsystem 1\naxiom: F\nproduction:\nF --> F+F--F+F")
    >>> float(mean_matrix(koch)[11, 11])
    4.0
    """
    symbols = {name: code for code, name in enumerate(grammar.symbols)}
    matrix = np.eye(len(symbols))
    seen: set[str] = set()
    for production in grammar.productions:
        if production.predecessor in seen:
            continue
        seen.add(production.predecessor)
        weights = _weights(production)
        if production.condition is not None or production.left or production.right or not sum(weights) > 0:
            continue
        row = np.zeros(len(symbols))
        for weight, alternative in zip(weights, production.alternatives, strict=True):
            for item in alternative.successor:
                if item.symbol in symbols:
                    row[symbols[item.symbol]] += weight / sum(weights)
        matrix[symbols[production.predecessor]] = row
    return matrix


def _weights(production: Production) -> list[float]:
    given = [alternative.weight for alternative in production.alternatives]
    if not all(weight is None or isinstance(weight, Number) for weight in given):
        return [0.0]
    return [weight.value if isinstance(weight, Number) else 1.0 for weight in given]


def expected_steps(grammar: Grammar) -> int:
    r"""Return the steps that a derivation takes if nobody says how many: the file's limit if it gives one, else 6.

    A grammar that grows in an organ goes on until its organ is full.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> expected_steps(parse_grammar("lsystem 1\naxiom: F"))
    6
    """
    return grammar.limits.steps if needs_organ(grammar) or grammar.limits.steps < MAX_STEPS else FEW_STEPS


def foretold_modules(grammar: Grammar, steps: int) -> float | None:
    r"""Return the mean length of a grammar's word after some steps, from powers of the mean matrix.

    None where the mean does not follow from the matrix: a rule has a condition, a context or a computed weight, cuts
    with ``%``, or decomposition rules split modules.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> foretold_modules(parse_grammar("lsystem 1\naxiom: A\nproduction:\nA --> AB\nB --> A"), 6)
    21.0
    """
    words = [grammar.axiom, *(one.successor for rule in grammar.productions for one in rule.alternatives)]
    if grammar.decomposition or any(item.symbol == "%" for word in words for item in word):
        return None
    for rule in grammar.productions:
        weights = [one.weight for one in rule.alternatives]
        if rule.condition is not None or rule.left or rule.right:
            return None
        if not all(weight is None or isinstance(weight, Number) for weight in weights):
            return None
    return float((_axiom_counts(grammar) @ np.linalg.matrix_power(mean_matrix(grammar), steps)).sum())


def _axiom_counts(grammar: Grammar) -> Floats:
    """Return how often each symbol stands in the axiom (S,)."""
    code = {name: place for place, name in enumerate(grammar.symbols)}
    known = [code[item.symbol] for item in grammar.axiom if item.symbol in code]
    return np.bincount(np.array(known, np.int64), minlength=len(code)).astype(np.float64)


def explosion(grammar: Grammar) -> tuple[int, float, Production] | None:
    """Return the step at which the limit of modules is passed, the length foretold for it, and the rule to blame.

    None if :func:`expected_steps` come first, or the grammar has more than 400 symbols. The rule to blame is that of
    the symbol that makes most modules then. Steps are tried only where the mean matrix's spectral radius is above 1.
    """
    if len(grammar.symbols) > MAX_SYMBOLS:
        return None
    matrix = mean_matrix(grammar)
    symbols = {name: code for code, name in enumerate(grammar.symbols)}
    if not np.isfinite(matrix).all() or not float(np.abs(np.linalg.eigvals(matrix)).max()) > 1.0 + 1e-9:
        return None
    count = _axiom_counts(grammar)
    for step in range(1, expected_steps(grammar) + 1):
        made = count * matrix.sum(axis=1)
        count = count @ matrix
        if count.sum() > grammar.limits.modules:
            heads = {symbols[one.predecessor]: one for one in reversed(grammar.productions)}
            worst = max(heads, key=lambda code: float(made[code]))
            return step, float(count.sum()), heads[worst]
    return None
