"""Left and right context: what stands around a module, with side branches and turtle commands skipped.

The string is a tree written down. The left context walks back towards its root: over whole side branches, and out of
the module's own branch through ``[``. The right context walks ahead on the same axis; a side branch in the context,
``[…]``, wants a side branch that begins so, the first such one. (Prusinkiewicz & Lindenmayer 1990, section 1.8.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.grammar.grammar import COMMANDS, QUERIES, TURTLE, Grammar
from pancreasgen.grammar.kernels import CLOSE, OPEN, Floats, Ids, Masks, Symbols, argument_places
from pancreasgen.grammar.tree import Item, Name


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """One side of a rule's context.

    Attributes:
        codes: Symbol codes (P,), brackets among them on the right.
        names: (place in the context, argument's number, name) of each argument.
        ahead: Whether it is the right side.
    """

    codes: NDArray[np.int64]
    names: tuple[tuple[int, int, str], ...]
    ahead: bool


def make_context(items: Sequence[Item], codes: dict[str, int], *, ahead: bool) -> Context | None:
    """Return a rule's context ready to match; None for an empty one."""
    if not items:
        return None
    names = tuple(
        (place, slot, argument.name)
        for place, item in enumerate(items)
        for slot, argument in enumerate(item.arguments)
        if isinstance(argument, Name)
    )
    return Context(np.array([codes[item.symbol] for item in items], np.int64), names, ahead)


def skipped_codes(grammar: Grammar) -> Masks:
    """Return which symbol codes contexts look through.

    ``ignore:`` names them, ``consider:`` names the others; without either they are all turtle commands, ``@commands``
    and queries that no context of the grammar names. Brackets are never among them.
    """
    symbols = grammar.symbols
    if grammar.consider:
        skip = [name not in grammar.consider for name in symbols]
    elif grammar.ignore:
        skip = [name in grammar.ignore for name in symbols]
    else:
        named = {item.symbol for rule in grammar.productions for item in (*rule.left, *rule.right)}
        skip = [name in (*TURTLE, *COMMANDS, *QUERIES) and name not in named for name in symbols]
    mask = np.array(skip, dtype=np.bool_)
    mask[[OPEN, CLOSE]] = False
    return mask


class Surroundings:
    """A string laid flat, in which contexts are looked up.

    Args:
        symbol: Symbol codes (N,).
        args: Arguments of all modules one after the other (K,).
        arity: Number of arguments of each code.
        skip: Which codes contexts look through.
    """

    def __init__(self, symbol: Symbols, args: Floats, arity: Ids, skip: Masks) -> None:
        """Find the partner of every bracket."""
        self._symbol, self._args, self._skip = symbol, args, skip
        self._partner = _partners(symbol)
        self._places = argument_places(symbol, arity)

    def match(self, context: Context, at: Ids) -> tuple[Masks, dict[str, Floats]]:
        """Return at which modules the context is there (n,), and the arguments in it for these.

        Args:
            context: What is wanted.
            at: Places of the modules in the string (n,).
        """
        find = _ahead if context.ahead else _behind
        places = find(self._symbol, self._partner, self._skip, at, context.codes)
        hit = places[:, 0] >= 0
        found = places[hit]
        return hit, {name: self._args[self._places[found[:, place]] + slot] for place, slot, name in context.names}


@njit(cache=True)
def _partners(symbol: Symbols) -> Ids:
    """Return the place of each bracket's partner (N,), −1 for other symbols and brackets without one."""
    partner = np.full(len(symbol), -1, np.int64)
    stack = np.empty(len(symbol), np.int64)
    depth = 0
    for i in range(len(symbol)):
        if symbol[i] == OPEN:
            stack[depth] = i
            depth += 1
        elif symbol[i] == CLOSE and depth > 0:
            depth -= 1
            partner[i], partner[stack[depth]] = stack[depth], i
    return partner


@njit(cache=True)
def _behind(symbol: Symbols, partner: Ids, skip: Masks, at: Ids, codes: Ids) -> Ids:
    """Return where each part of a left context stands (n, P); −1 in the first column where it is not there."""
    last = len(codes) - 1
    places = np.empty((len(at), len(codes)), np.int64)
    for row in range(len(at)):
        i = at[row] - 1
        for p in range(last, -1, -1):
            while i >= 0:
                s = symbol[i]
                if s == CLOSE:
                    i = partner[i] - 1
                elif s == OPEN or skip[s]:
                    i -= 1
                else:
                    break
            if i < 0 or symbol[i] != codes[p]:
                places[row, 0] = -1
                break
            places[row, p] = i
            i -= 1
    return places


@njit(cache=True)
def _ahead(symbol: Symbols, partner: Ids, skip: Masks, at: Ids, codes: Ids) -> Ids:
    """Return where each part of a right context stands (n, P); −1 in the first column where it is not there."""
    places = np.full((len(at), len(codes)), -1, np.int64)
    opened = np.empty((len(codes), 2), np.int64)  # place in the context and in the string of each branch entered
    for row in range(len(at)):
        i, p, depth = at[row] + 1, 0, 0
        while p < len(codes):
            want = codes[p]
            if want == CLOSE:
                depth -= 1
                i = partner[opened[depth, 1]] + 1
                p += 1
                continue
            while i < len(symbol) and (skip[symbol[i]] or (symbol[i] == OPEN and want != OPEN)):
                i = partner[i] + 1 if symbol[i] == OPEN else i + 1
            if i < len(symbol) and symbol[i] == want:
                places[row, p] = i
                if want == OPEN:
                    opened[depth, 0], opened[depth, 1] = p, i
                    depth += 1
                i += 1
                p += 1
            elif depth > 0:  # this branch does not begin so: try the next one
                depth -= 1
                p, i = opened[depth, 0], partner[opened[depth, 1]] + 1
            else:
                places[row, 0] = -1
                break
    return places
