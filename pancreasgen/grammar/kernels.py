"""Compiled loops of the engine: write successors, gather what is live, lay a string flat, look around, cut."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ids: TypeAlias = NDArray[np.int64]
Symbols: TypeAlias = NDArray[np.uint16]
Keys: TypeAlias = NDArray[np.uint64]
Masks: TypeAlias = NDArray[np.bool_]

OPEN, CLOSE = 0, 1
"""Symbol codes of ``[`` and ``]``."""
CHILD = 0xC0FFEE
"""Salt of a child's lineage: child = mix(parent, CHILD + ordinal in the successor)."""

_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_S30, _S27, _S31, _S11, _CHILD = (np.uint64(n) for n in (30, 27, 31, 11, CHILD))


@njit(cache=True, inline="always")
def _finalise(state: Any) -> Any:
    """The finaliser of splitmix64; must say what :func:`pancreasgen.grammar.chancekeys.mix_number` says."""
    state = state + _GOLDEN
    state = (state ^ (state >> _S30)) * _FIRST
    state = (state ^ (state >> _S27)) * _SECOND
    return state ^ (state >> _S31)


@njit(cache=True)
def mixed(keys: Keys, number: Any) -> Keys:
    """Return the keys (N,) mixed with one number (uint64)."""
    out = np.empty(len(keys), np.uint64)
    for i in range(len(keys)):
        out[i] = _finalise(_finalise(keys[i]) ^ number)
    return out


@njit(cache=True)
def unit_numbers(keys: Keys, number: Any) -> Floats:
    """Return (m + ½)·2⁻⁵³ for the upper 53 bits m of each mixed key."""
    out = np.empty(len(keys))
    for i in range(len(keys)):
        bits = _finalise(_finalise(keys[i]) ^ number)
        out[i] = (np.float64(np.int64(bits >> _S11)) + 0.5) * 2.0**-53
    return out


@njit(cache=True)
def write(
    at: Ids, arg_at: Ids, lineage: Keys, literals: tuple[Symbols, NDArray[np.int16], Ids], columns: Floats, which: Ids,
    constants: Floats, alive: Masks, out: tuple[Symbols, Floats, Keys, NDArray[np.int16]],
) -> None:  # fmt: skip
    """Write one alternative's successor for all modules that it replaces.

    Args:
        at: Place of each successor's first module (M,).
        arg_at: Place of its first argument (M,).
        lineage: Lineages of the replaced modules (M,).
        literals: Codes (P,), bracket levels (P,) and where each literal's arguments begin (P + 1,).
        columns: Arguments that differ between modules (C, M).
        which: Row of ``columns`` of each argument (A,), −1 for a constant.
        constants: Value of each constant argument (A,).
        alive: Which literals stay (M, P); (0, 0) for all.
        out: Symbols, arguments, lineages and levels to be written.
    """
    codes, levels, start = literals
    symbol, args, child, level = out
    some = alive.shape[0] > 0
    for r in range(len(at)):
        i, k = at[r], arg_at[r]
        state = _finalise(lineage[r])
        for p in range(len(codes)):
            if some and not alive[r, p]:
                continue
            symbol[i], level[i] = codes[p], levels[p]
            child[i] = _finalise(state ^ (_CHILD + np.uint64(p)))
            for a in range(start[p], start[p + 1]):
                args[k] = constants[a] if which[a] < 0 else columns[which[a], r]
                k += 1
            i += 1


@njit(cache=True)
def advance(
    live: tuple[Ids, Symbols, Floats, Keys, NDArray[np.int16]], count: Ids, matched: Masks, first_id: int,
    live_codes: Masks, arity: Ids, layer: tuple[Symbols, Floats, Keys, NDArray[np.int16]], total: int,
) -> tuple[Ids, Symbols, Floats, Keys, NDArray[np.int16], Ids]:  # fmt: skip
    """Return what is live after a step, in string order, and where each came from.

    The last array holds r for a module that stayed as row r, and N + k for the k-th fresh live one.
    """
    ids, symbol, args, lineage, order = live
    l_symbol, l_args, l_lineage, l_level = layer
    width = args.shape[1]
    o_ids, o_symbol, o_args = np.empty(total, np.int64), np.empty(total, np.uint16), np.zeros((total, width))
    o_lineage, o_order, source = np.empty(total, np.uint64), np.empty(total, np.int16), np.empty(total, np.int64)
    n = t = k = 0
    fresh = len(ids)
    for r in range(len(ids)):
        if not matched[r]:
            o_ids[n], o_symbol[n], o_lineage[n], o_order[n] = ids[r], symbol[r], lineage[r], order[r]
            o_args[n, :] = args[r, :]
            source[n] = r
            n += 1
            continue
        for _ in range(count[r]):
            s = l_symbol[t]
            if live_codes[s]:
                o_ids[n], o_symbol[n], o_lineage[n], o_order[n] = first_id + t, s, l_lineage[t], order[r] + l_level[t]
                for a in range(arity[s]):
                    o_args[n, a] = l_args[k + a]
                source[n] = fresh
                fresh += 1
                n += 1
            k += arity[s]
            t += 1
    return o_ids, o_symbol, o_args, o_lineage, o_order, source


@njit(cache=True)
def flatten(
    base: tuple[Symbols, Floats, Keys, NDArray[np.int32]], tail: tuple[Symbols, Floats, Keys, NDArray[np.int32]],
    nodes: tuple[Ids, Ids, Ids], arity: Ids, live_codes: Masks, size: tuple[int, int, int], layers: int,
) -> tuple[Symbols, Floats, Keys, Ids]:  # fmt: skip
    """Return the string in order, with the places of its live modules.

    Args:
        base: Symbols, arguments, lineages and jumps (a node, or −1) of the string as it was last flat.
        tail: The same of everything written since.
        nodes: First module, number of modules and first argument in the tail of each replaced module's successor.
        arity: Number of arguments of each code.
        live_codes: Whether a code is live.
        size: Number of modules, arguments and live modules of the result.
        layers: Number of steps since the string was flat.

    The lines that copy a module stand twice: handed to a function, these arrays made the whole three times slower.
    """
    symbol, args, lineage, ids = (
        np.empty(size[0], np.uint16), np.empty(size[1]), np.empty(size[0], np.uint64), np.empty(size[2], np.int64),
    )  # fmt: skip
    stack = np.empty((layers + 1, 3), np.int64)
    n = k = found = 0
    place_k = 0
    for i in range(len(base[0])):
        s = base[0][i]
        jump = base[3][i]
        if jump < 0:
            symbol[n], lineage[n] = s, base[2][i]
            for a in range(arity[s]):
                args[k + a] = base[1][place_k + a]
            k += arity[s]
            if live_codes[s]:
                ids[found] = n
                found += 1
            n += 1
            place_k += arity[s]
            continue
        place_k += arity[s]
        j, stop, jk = nodes[0][jump], nodes[0][jump] + nodes[1][jump], nodes[2][jump]
        depth = 0
        while True:
            if j == stop:
                if depth == 0:
                    break
                depth -= 1
                j, stop, jk = stack[depth, 0], stack[depth, 1], stack[depth, 2]
                continue
            s = tail[0][j]
            jump = tail[3][j]
            if jump < 0:
                symbol[n], lineage[n] = s, tail[2][j]
                for a in range(arity[s]):
                    args[k + a] = tail[1][jk + a]
                k += arity[s]
                if live_codes[s]:
                    ids[found] = n
                    found += 1
                n += 1
                j, jk = j + 1, jk + arity[s]
            else:
                stack[depth, 0], stack[depth, 1], stack[depth, 2] = j + 1, stop, jk + arity[s]
                depth += 1
                j, stop, jk = nodes[0][jump], nodes[0][jump] + nodes[1][jump], nodes[2][jump]
    return symbol, args, lineage, ids


@njit(cache=True)
def argument_places(symbol: Symbols, arity: Ids) -> Ids:
    """Return where the arguments of each module begin (N + 1,)."""
    places = np.empty(len(symbol) + 1, np.int64)
    places[0] = 0
    for i in range(len(symbol)):
        places[i + 1] = places[i] + arity[symbol[i]]
    return places


@njit(cache=True)
def cut_string(symbol: Symbols, cut: int) -> Masks:
    """Return which modules stay (N,): those behind a ``%`` up to the end of its branch do not."""
    stay = np.ones(len(symbol), np.bool_)
    depth, cutting = 0, -1
    for i in range(len(symbol)):
        s = symbol[i]
        if s == OPEN:
            depth += 1
        elif s == CLOSE:
            depth -= 1
            if depth < cutting:
                cutting = -1
        if cutting >= 0:
            stay[i] = False
        elif s == cut:
            cutting = depth
    return stay
