"""What one step writes: the successors of all matches, in string order, and what is live then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar import kernels
from pancreasgen.grammar.environment import Frames, join_frames
from pancreasgen.grammar.growth import Growth
from pancreasgen.grammar.kernels import Ids, Keys, Masks
from pancreasgen.grammar.match import Match, Moment
from pancreasgen.grammar.program import Program
from pancreasgen.grammar.strand import Layer, Replaced, Strand

_COLUMNS = ("ids", "symbol", "args", "lineage", "order")
_ALL = np.zeros((0, 0), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """The modules that rules may still match, in string order: ids in the strand, columns, bracket depth, frames."""

    ids: Ids
    symbol: NDArray[np.uint16]
    args: NDArray[np.float64]
    lineage: Keys
    order: NDArray[np.int16]
    frames: Frames | None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[Any]) -> Live:
        """Return the rows of a mask or of indices."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return replace(self, **columns, frames=None if self.frames is None else self.frames.take(rows))


def write_successors(
    program: Program, strand: Strand, live: Live, matches: list[Match], growth: Growth | None, now: Moment
) -> Live:
    """Write all successors of a step by prefix sum, hang them into the strand, and return what is live then.

    Args:
        program: The grammar made ready.
        strand: The string; the successors are added to it.
        live: What the matches were found in.
        matches: Every live module at most once.
        growth: Lays what is drawn in an organ; None without one.
        now: The moment.
    """
    values = [[[now.value(one, match.rows, match.rule) for one in literal.arguments] for literal in
               match.branch.literals] for match in matches]  # fmt: skip
    frames: list[list[Frames]] = []
    kept: list[Masks] = [_ALL] * len(matches)
    if growth is not None and live.frames is not None:
        frames, kept = growth.lay(matches, values, live.frames, now)
    count, num_args = np.zeros(len(live), np.int64), np.zeros(len(live), np.int64)
    matched = np.zeros(len(live), dtype=bool)
    for match, alive in zip(matches, kept, strict=True):
        rows, branch = match.rows.rows, match.branch
        matched[rows] = True
        count[rows] = alive.sum(axis=1) if len(alive) else len(branch.literals)
        num_args[rows] = alive @ np.diff(branch.written[2]) if len(alive) else branch.written[2][-1]
    first, first_argument = np.cumsum(count) - count, np.cumsum(num_args) - num_args
    layer = _layer(int(count.sum()), int(num_args.sum()))
    for number, match in enumerate(matches):
        rows = match.rows.rows
        _write_one(match, values[number], (first[rows], first_argument[rows]), kept[number], layer)
        values[number] = []  # written: let go of the columns before more memory is asked for
    fresh = int(np.count_nonzero(program.live[layer[0]]))
    ids, symbol, args, lineage, order, source = kernels.advance(
        (live.ids, live.symbol, live.args, live.lineage, live.order), count, matched, strand.next_id, program.live,
        program.arity, layer, int((~matched).sum()) + fresh,
    )  # fmt: skip
    strand.add(layer, Replaced(live.ids[matched], first[matched], count[matched], first_argument[matched]))
    if growth is None or live.frames is None:
        return Live(ids, symbol, args, lineage, order, None)
    laid = _frames(program, live.frames, matches, (frames, kept), first, source)
    return Live(ids, symbol, args, lineage, order, laid)


def _layer(num_modules: int, num_args: int) -> Layer:
    return (
        np.empty(num_modules, np.uint16), np.empty(num_args), np.empty(num_modules, np.uint64),
        np.empty(num_modules, np.int16),
    )  # fmt: skip


def _write_one(match: Match, values: list[list[Any]], at: tuple[Ids, Ids], alive: Masks, layer: Layer) -> None:
    columns, which, constants = _columns(values)
    kernels.write(*at, match.rows.lineage, match.branch.written, columns, which, constants, alive, layer)


def _columns(values: list[list[Any]]) -> tuple[NDArray[np.float64], Ids, NDArray[np.float64]]:
    """Return the columns among the arguments (C, M), the column of each argument or −1, and the constants."""
    flat = [value for literal in values for value in literal]
    which, constants = np.full(len(flat), -1, np.int64), np.zeros(len(flat))
    known: dict[int, int] = {}
    columns: list[NDArray[np.float64]] = []
    for place, value in enumerate(flat):
        if np.ndim(value) == 0:
            constants[place] = value
            continue
        if id(value) not in known:
            known[id(value)] = len(columns)
            columns.append(np.asarray(value, dtype=np.float64))
        which[place] = known[id(value)]
    return (np.stack(columns) if columns else np.zeros((0, 0))), which, constants


def _frames(
    program: Program, old: Frames, matches: list[Match], laid: tuple[list[list[Frames]], list[Masks]], first: Ids,
    source: Ids,
) -> Frames:  # fmt: skip
    """Return the frames of the live modules: those that stayed, and those of the fresh ones by their place."""
    places: list[Ids] = [np.zeros(0, np.int64)]
    parts: list[Frames] = [Frames.initial(0)]
    for number, match in enumerate(matches):
        alive = laid[1][number]
        inner: Ids = np.cumsum(alive, axis=1) - alive
        for place, literal in enumerate(match.branch.literals):
            if program.live[literal.code]:
                rows = np.flatnonzero(alive[:, place])
                places.append(first[match.rows.rows[rows]] + inner[rows, place])
                parts.append(laid[0][number][place].take(rows))
    fresh = join_frames(parts).take(np.argsort(np.concatenate(places), kind="stable"))
    return join_frames([old, fresh]).take(source)
