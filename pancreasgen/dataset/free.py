"""Grammars that need no organ: derived on their own, drawn by the turtle, and kept as a network to be looked at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pancreasgen.base.errors import BadInputError, DiagnosticError
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.predict import expected_steps
from pancreasgen.grammar.rewrite import Derivation, Watch, derive
from pancreasgen.grammar.turtle import Segments, interpret
from pancreasgen.network.network import MAX_NODES, DuctNetwork, Kind


def refuse_explosion(grammar: Grammar) -> None:
    """Refuse a grammar whose rules are foretold to pass the limits.

    Raises:
        DiagnosticError: If so; it names the rule and the step.
    """
    faults = [fault for fault in check_grammar(grammar) if fault.code == "PG126"]
    if faults:
        raise DiagnosticError(faults)


def grow_free(
    grammar: Grammar, values: Mapping[str, float], key: int, steps: int | None = None, watch: Watch | None = None
) -> tuple[DuctNetwork, Derivation]:
    r"""Derive a grammar without an organ and return what the turtle draws as a network.

    Args:
        grammar: A grammar that needs no organ.
        values: Values of parameters, each in its own unit.
        key: Key of all draws.
        steps: Number of steps; as many as :func:`pancreasgen.grammar.predict.expected_steps` says if None.
        watch: Told after every step; see :func:`pancreasgen.grammar.rewrite.derive`.

    Returns:
        The lines as segments of kind SIDE whose order is their bracket depth, and the derivation behind them.

    Raises:
        BadInputError: If nothing is drawn, too much, or a tube without a radius, or if the steps that were asked for
            pass a limit of the grammar.
        DiagnosticError: If no number of steps is asked for and the grammar explodes.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> fork = parse_grammar("lsystem 1\naxiom: F(2)[+(90)F(3)]F(1)")
    >>> grow_free(fork, {}, 0)[0].segments.tolist()
    [[0, 1], [1, 2], [1, 3]]
    """
    grammar = grammar.with_values(values)
    if steps is None:
        refuse_explosion(grammar)
    derivation = derive(grammar, key=key, steps=expected_steps(grammar) if steps is None else steps, watch=watch)
    if steps is not None and derivation.reason in ("modules", "depth"):
        most, taken = getattr(grammar.limits, derivation.reason), derivation.steps
        message = f"step {taken + 1} of `{grammar.id}` would pass its limit of {most:,} {derivation.reason}"
        raise BadInputError(message, f"--steps {taken} works")
    lines = interpret(derivation.word, grammar, key=key)
    if not len(lines):
        raise BadInputError(f"the grammar `{grammar.id}` draws nothing", "F and G draw; does the word hold one?")
    if 2 * len(lines) > MAX_NODES:
        raise BadInputError(f"the grammar `{grammar.id}` draws {len(lines):,} lines", "take fewer with --steps")
    return _network(lines), derivation


def _network(lines: Segments) -> DuctNetwork:
    """Number the nodes: the starts of lines that continue none first, then the end of each line."""
    first = lines.parent < 0
    roots, number = np.unique(lines.start_mm[first], axis=0, return_inverse=True)
    proximal = len(roots) + lines.parent
    proximal[first] = number.reshape(-1)
    radius = np.zeros(len(roots))
    np.maximum.at(radius, proximal[first], lines.radius_start_mm[first])
    return DuctNetwork(
        nodes_mm=np.vstack([roots, lines.end_mm]),
        radius_mm=np.concatenate([radius, lines.radius_end_mm]),
        segments=np.column_stack([proximal, len(roots) + np.arange(len(lines))]).astype(np.int32),
        kind=np.full(len(lines), int(Kind.SIDE), np.uint8),
        order=lines.order,
    )
