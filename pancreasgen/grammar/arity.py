"""How many arguments each symbol has in a grammar, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pancreasgen.grammar.grammar import BUILT_IN, COMMANDS, QUERIES, TURNS, Grammar, Production
from pancreasgen.grammar.tree import Name
from pancreasgen.grammar.units import ANGLE, PLAIN, Dim, unit_dim


def built_in_arity(symbol: str) -> int:
    """Return how many arguments a built-in symbol keeps in a word; a ``!`` without a radius keeps NaN.

    >>> [built_in_arity(symbol) for symbol in ("F", "|", "@toward")]
    [1, 0, 2]
    """
    if symbol in COMMANDS:
        return 2
    if symbol in QUERIES:
        return 3
    return int(symbol in (*TURNS, "!", "F", "f", "G", ";"))


def num_arguments(grammar: Grammar, symbol: str) -> int:
    """Return how many arguments a symbol keeps in a word of this grammar; F, f and G may carry more than a length."""
    if symbol in BUILT_IN:
        return max(built_in_arity(symbol), _wide(grammar).get(symbol, 0))
    return len(grammar.modules[symbol].fields)


@lru_cache(maxsize=16)
def _wide(grammar: Grammar) -> Mapping[str, int]:
    """Return the most arguments that F, f and G are written with: all but the first are states, as in cpfg."""
    rules = (*grammar.productions, *grammar.decomposition, *grammar.interpretation)
    items = [*grammar.axiom]
    for rule in rules:
        items += [*rule.left, *rule.right, *(item for one in rule.alternatives for item in one.successor)]
    seen = [(item.symbol, len(item.arguments)) for item in items]
    seen += [(rule.predecessor, len(rule.formals)) for rule in rules]
    return {name: max((count for symbol, count in seen if symbol == name), default=0) for name in ("F", "f", "G")}


def formal_dims(grammar: Grammar, production: Production) -> dict[str, Dim]:
    """Return the units of the names in a rule's predecessor and contexts."""
    found: dict[str, Dim] = {}
    for item in (*production.left, *production.right):
        names = [argument.name if isinstance(argument, Name) else "" for argument in item.arguments]
        found.update(zip(names, argument_dims(grammar, item.symbol), strict=False))
    return {**found, **dict(zip(production.formals, argument_dims(grammar, production.predecessor), strict=False))}


def argument_dims(grammar: Grammar, symbol: str) -> tuple[Dim, ...]:
    """Return the unit that each argument of a symbol has."""
    if symbol in grammar.modules:
        return tuple(unit_dim(unit) for unit in grammar.modules[symbol].units)
    if symbol in TURNS:
        return (ANGLE,)
    if symbol in ("!", "F", "f", "G"):
        return (unit_dim("mm"), *((PLAIN,) * (num_arguments(grammar, symbol) - 1)))
    if symbol in QUERIES:
        return (unit_dim("mm" if symbol == "?P" else ""),) * 3
    return (PLAIN,) if symbol == ";" or symbol in COMMANDS else ()
