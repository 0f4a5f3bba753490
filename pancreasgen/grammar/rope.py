"""A growing string that is never copied as a whole: each step adds a chunk of children, the end sorts them out.

Rewriting touches only the modules that rules match. The dead majority stays where it was written; the order of the
string follows from the tree of derivation by two passes over the chunks, bottom-up for sizes and top-down for places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Modules written in one step, in string order; ``parent`` (M,) is the id of the module each replaced."""

    parent: Ids
    symbol: NDArray[np.uint16]
    args: NDArray[np.float64]
    lineage: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.symbol)


class Rope:
    """A list of chunks. Module ids count through the chunks; id 0 is a root that the axiom replaces."""

    def __init__(self, width: int) -> None:
        """Begin with the root alone."""
        one = np.zeros(1, np.int64)
        root = Chunk(one - 1, one.astype(np.uint16), np.zeros((1, width)), one.astype(np.uint64))
        self.chunks, self.starts, self.total, self.leaves = [root], [0], 1, 1
        self.replaced: list[Ids] = []

    @classmethod
    def of(cls, chunk: Chunk) -> Rope:
        """Begin with the modules of a chunk, whose parents do not matter."""
        rope = cls(chunk.args.shape[1])
        rope.chunks, rope.total, rope.leaves = [chunk], len(chunk), len(chunk)
        return rope

    def add(self, chunk: Chunk, replaced: Ids) -> Ids:
        """Append the children of the replaced modules; return their ids."""
        self.chunks.append(chunk)
        self.starts.append(self.total)
        ids = np.arange(self.total, self.total + len(chunk), dtype=np.int64)
        self.replaced.append(replaced)
        self.total += len(chunk)
        self.leaves += len(chunk) - len(replaced)
        return ids

    def order(self) -> Ids:
        """Return the ids of the string's modules, first to last."""
        gone = np.zeros(self.total, dtype=bool)
        for replaced in self.replaced:
            gone[replaced] = True
        size = (~gone).astype(np.int64)
        spans = [(start, start + len(chunk)) for start, chunk in zip(self.starts, self.chunks, strict=True)]
        for chunk, (start, stop) in zip(self.chunks[:0:-1], spans[:0:-1], strict=True):
            np.add.at(size, chunk.parent, size[start:stop])
        place = np.zeros(self.total, dtype=np.int64)
        roots = size[: len(self.chunks[0])]
        place[: len(roots)] = np.cumsum(roots) - roots
        for chunk, (start, stop) in zip(self.chunks[1:], spans[1:], strict=True):
            if stop == start:
                continue
            before = np.cumsum(size[start:stop]) - size[start:stop]
            first = np.flatnonzero(np.r_[True, chunk.parent[1:] != chunk.parent[:-1]])
            base = np.repeat(before[first], np.diff(np.r_[first, len(chunk)]))
            place[start:stop] = place[chunk.parent] + before - base
        kept = np.flatnonzero(~gone)
        result = np.empty(len(kept), dtype=np.int64)
        result[place[kept]] = kept
        return result

    def column(self, name: str, ids: Ids) -> NDArray[np.generic]:
        """Return one column of the modules with these ids."""
        whole: NDArray[np.generic] = np.concatenate([getattr(chunk, name) for chunk in self.chunks])[ids]
        return whole

    def compact(self, live: Ids) -> Ids:
        """Forget replaced modules once they are the majority; return the live modules' new ids."""
        if self.total < 2 * self.leaves + 65_536:
            return live
        ids = self.order()
        columns = {name: self.column(name, ids) for name in ("symbol", "args", "lineage")}
        new = np.full(self.total, -1, dtype=np.int64)
        new[ids] = np.arange(len(ids))
        root = Chunk(np.full(len(ids), -1, np.int64), **columns)  # type: ignore[arg-type]  # columns by name
        self.chunks, self.starts, self.total, self.leaves, self.replaced = [root], [0], len(ids), len(ids), []
        return new[live]
