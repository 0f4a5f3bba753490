"""What of an organ a grammar asks and needs."""

from __future__ import annotations

from collections.abc import Iterator

from pancreasgen.grammar.functions import ENVIRONMENT
from pancreasgen.grammar.grammar import Grammar, Production
from pancreasgen.grammar.tree import Call, Expression, Item, walk


def organ_functions(grammar: Grammar) -> tuple[str, ...]:
    r"""Return the names of the organ functions that rules (and the `let` functions) ask, sorted.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> organ_functions(parse_grammar("lsystem 1\naxiom: A\nproduction:\nA : surface(1 mm) > 0 --> F A"))
    ('surface',)
    """
    known = {*ENVIRONMENT, *grammar.requires}
    nodes = [function.body for function in grammar.functions.values()]
    nodes += list(_arguments(grammar.axiom))
    for production in (*grammar.productions, *grammar.decomposition, *grammar.interpretation):
        nodes += list(_expressions(production))
    names = {part.name for node in nodes for part in walk(node) if isinstance(part, Call)}
    return tuple(sorted(names & known - set(grammar.functions)))


def needs_organ(grammar: Grammar) -> bool:
    r"""Whether a grammar asks or steers by an organ anywhere.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> needs_organ(parse_grammar("lsystem 1\naxiom: F(2)+(90)F(3)"))
    False
    """
    return bool(grammar.requires or grammar.targets or organ_functions(grammar))


def _expressions(production: Production) -> Iterator[Expression]:
    if production.condition is not None:
        yield production.condition
    yield from (binding.expression for binding in production.bindings)
    for alternative in production.alternatives:
        yield from _arguments(alternative.successor)
        if alternative.weight is not None:
            yield alternative.weight


def _arguments(items: tuple[Item, ...]) -> Iterator[Expression]:
    return (argument for item in items for argument in item.arguments)
