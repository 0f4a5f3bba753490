"""Warnings about a grammar that is right but may not say what is meant, and the refusal of one that explodes."""

from __future__ import annotations

from collections.abc import Callable

from pancreasgen.grammar.grammar import Grammar, Production
from pancreasgen.grammar.predict import explosion
from pancreasgen.grammar.tree import Number, Span

Fault = Callable[[str, str, Span, str, str], None]
"""Takes a code, a message, a span, a hint and a severity."""
_BY_CONVENTION = ("angle", "delta", "step", "length", "taper")


def advise(grammar: Grammar, used: set[str], fault: Fault) -> None:
    """Report what may be a mistake: weights, what nothing reaches, what nothing uses, what names no source.

    Args:
        grammar: A parsed grammar.
        used: The names that its expressions use.
        fault: Takes what is found.
    """
    for production in (*grammar.productions, *grammar.decomposition, *grammar.interpretation):
        _weights(production, fault)
    reached = _reached(grammar)
    _modules(grammar, reached, fault)
    _rules(grammar, reached, fault)
    for name, parameter in grammar.parameters.items():
        if name not in used and name not in _BY_CONVENTION:
            fault("PG124", f"parameter `{name}` is never used", parameter.span, "remove it", "warning")
        if not parameter.source:
            hint = 'add: source "Author Year, DOI", or source "assumed"'
            fault("PG125", f"parameter `{name}` names no source", parameter.span, hint, "warning")
    found = explosion(grammar)
    if found is not None:
        step, length, rule = found
        text = f"rule `{rule.label}` grows without bound: {length:,.0f} modules at step {step} "
        text += f"(limit {grammar.limits.modules:,})"
        fault("PG126", text, rule.span, "add a condition, or a line such as `limits: steps 6`", "error")


def _weights(production: Production, fault: Fault) -> None:
    given = [alternative.weight for alternative in production.alternatives]
    if not any(given) or not all(isinstance(weight, Number) for weight in given):
        return
    total = sum(weight.value for weight in given if isinstance(weight, Number))
    if abs(total - 1.0) > 1e-6 and given[0] is not None:
        text = f"the weights of `{production.label}` sum to {total:g}, not 1"
        fault("PG120", text, given[0].span, "they are used as shares of their sum", "warning")


def _reached(grammar: Grammar) -> set[str]:
    """Return the symbols that the axiom leads to by productions and decomposition, and what draws them."""
    successors: dict[str, set[str]] = {}
    for production in (*grammar.productions, *grammar.decomposition, *grammar.interpretation):
        inside = {item.symbol for one in production.alternatives for item in one.successor}
        successors.setdefault(production.predecessor, set()).update(inside)
    reached, waiting = set[str](), [item.symbol for item in grammar.axiom]
    while waiting:
        symbol = waiting.pop()
        if symbol not in reached:
            reached.add(symbol)
            waiting += successors.get(symbol, ())
    return reached


def _modules(grammar: Grammar, reached: set[str], fault: Fault) -> None:
    rules = (*grammar.productions, *grammar.decomposition, *grammar.interpretation)
    heads = {production.predecessor for production in rules}
    for name, module in grammar.modules.items():
        if not module.declared:
            continue
        if name not in reached:
            fault("PG121", f"module `{name}` is never written", module.span, "remove it", "warning")
        elif name not in heads and not module.meaning:
            text = f"module `{name}` is never rewritten and has no meaning"
            fault("PG122", text, module.span, 'add a rule, or say what it stands for: "…"', "warning")


def _rules(grammar: Grammar, reached: set[str], fault: Fault) -> None:
    for rules in (grammar.productions, grammar.decomposition, grammar.interpretation):
        always: dict[str, Production] = {}
        for production in rules:
            name = production.predecessor
            missing = next(
                (one.symbol for one in (*production.left, *production.right)
                 if one.symbol not in (*reached, "[", "]")), "",
            )  # fmt: skip
            if name not in reached or missing:
                text = f"rule `{production.label}` can never match: nothing writes `{missing or name}`"
                fault("PG123", text, production.span, "", "warning")
            elif name in always:
                text = f"rule `{production.label}` can never match: `{always[name].label}` above it always does"
                fault("PG127", text, production.span, "put the rule with a condition or context first", "warning")
            elif production.condition is None and not production.left and not production.right:
                always[name] = production
