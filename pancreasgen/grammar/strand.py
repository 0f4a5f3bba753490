"""A growing string that is seldom copied as a whole: what was written lately hangs on the flat part, and is laid in.

Rewriting touches only the modules that rules match. While these are few, the dead majority stays where it was written;
once what was written since makes up half the string, or somebody must see it in order, everything is laid flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar import kernels
from pancreasgen.grammar.kernels import Floats, Ids, Keys, Masks, Symbols

_SMALL = 4096
Layer: TypeAlias = tuple[Symbols, Floats, Keys, NDArray[np.int16]]
"""What one step wrote: symbols, arguments one after the other, lineages, bracket levels in the successor."""


@dataclass(frozen=True, slots=True, eq=False)
class Replaced:
    """The modules that a layer replaces: ids (R,); of each, the successor's first module, length, first argument."""

    ids: Ids
    first: Ids
    count: Ids
    first_argument: Ids


class _Pool:
    """Arrays that grow together; the first piece is taken as it is."""

    def __init__(self, *dtypes: str) -> None:
        self.columns: list[NDArray[Any]] = [np.empty(0, dtype) for dtype in dtypes]
        self.size = 0

    def add(self, *pieces: NDArray[Any]) -> None:
        size = self.size + len(pieces[0])
        for place, piece in enumerate(pieces):
            if self.size == 0:
                self.columns[place] = piece
                continue
            column = self.columns[place]
            if size > len(column):
                column = np.empty(max(size, 2 * len(column)), column.dtype)
                column[: self.size] = self.columns[place][: self.size]
                self.columns[place] = column
            column[self.size : size] = piece
        self.size = size


class Strand:
    """A string of modules. An id below ``len(symbol)`` counts through the flat part, one above it through the tail.

    Args:
        symbol: Symbol codes (N,).
        args: Arguments of all modules, one after the other (K,).
        lineage: Lineages (N,).
        arity: Number of arguments of each code.
    """

    def __init__(self, symbol: Symbols, args: Floats, lineage: Keys, arity: Ids) -> None:
        """Begin with a flat string."""
        self.arity = arity
        self._begin(symbol, args, lineage)

    def _begin(self, symbol: Symbols, args: Floats, lineage: Keys) -> None:
        self.symbol, self.args, self.lineage = symbol, args, lineage
        self.leaves, self.num_args, self._layers = len(symbol), len(args), 0
        self._jump = np.full(len(symbol), -1, np.int32)
        self._tail, self._tail_args = _Pool("u2", "u8", "i4"), _Pool("f8")
        self._nodes = _Pool("i8", "i8", "i8")

    @property
    def next_id(self) -> int:
        """The id that the next module written will get."""
        return len(self.symbol) + self._tail.size

    @property
    def crowded(self) -> bool:
        """Whether it is time to lay the string flat."""
        return self._tail.size > _SMALL + len(self.symbol) // 2

    def add(self, layer: Layer, replaced: Replaced) -> None:
        """Hang the successors of replaced modules where these stood."""
        base = len(self.symbol)
        node = np.arange(self._nodes.size, self._nodes.size + len(replaced.ids), dtype=np.int32)
        old = replaced.ids < base
        gone = 0
        for rows, shift, symbols, jumps in (
            (old, 0, self.symbol, self._jump), (~old, base, self._tail.columns[0], self._tail.columns[2]),
        ):  # fmt: skip
            places = replaced.ids[rows] - shift
            jumps[places] = node[rows]
            gone += int(self.arity[symbols[places]].sum())
        self.leaves += len(layer[0]) - len(replaced.ids)
        self.num_args += len(layer[1]) - gone
        first, first_argument = replaced.first + self._tail.size, replaced.first_argument + self._tail_args.size
        self._nodes.add(first, replaced.count, first_argument)
        self._tail.add(layer[0], layer[2], np.full(len(layer[0]), -1, np.int32))
        self._tail_args.add(layer[1])
        self._layers += 1

    def lay_flat(self, live_codes: Masks, num_live: int) -> Ids:
        """Lay everything in order; return the new ids of the live modules, in string order.

        Args:
            live_codes: Whether each code is live.
            num_live: Number of modules of such codes.
        """
        if not self._layers:
            return np.flatnonzero(live_codes[self.symbol])
        symbols, lineages, jumps = self._tail.columns
        nodes = (self._nodes.columns[0], self._nodes.columns[1], self._nodes.columns[2])
        symbol, args, lineage, ids = kernels.flatten(
            (self.symbol, self.args, self.lineage, self._jump), (symbols, self._tail_args.columns[0], lineages, jumps),
            nodes, self.arity, live_codes, (self.leaves, self.num_args, num_live), self._layers,
        )  # fmt: skip
        self._begin(symbol, args, lineage)
        return ids

    def keep(self, stay: Masks) -> None:
        """Drop modules of a flat string."""
        self._begin(self.symbol[stay], self.args[np.repeat(stay, self.arity[self.symbol])], self.lineage[stay])
