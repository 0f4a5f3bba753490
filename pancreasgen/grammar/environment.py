"""What a growing grammar may ask of the world, and what it hands over: frames, candidate segments, a protocol."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Turtle frames of N modules as columns.

    Attributes:
        position_mm: Where the turtle stands (N, 3) [mm, RAS+].
        heading: Unit vector ahead (N, 3).
        left: Unit vector to the left (N, 3).
        up: Unit vector up, heading × left (N, 3).
        radius_mm: Radius of what is drawn next (N,) [mm].
        segment: Number of the segment that the turtle stands on the end of (N,), −1 for none.
        order: Bracket depth (N,).
        origin: Symbol code of the module that is being rewritten or asks (N,), an index into ``Grammar.symbols``.
    """

    position_mm: Floats
    heading: Floats
    left: Floats
    up: Floats
    radius_mm: Floats
    segment: NDArray[np.int64]
    order: NDArray[np.int16]
    origin: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.radius_mm)

    def take(self, rows: NDArray[Any]) -> Frames:
        """Return the frames of a mask or of indices."""
        return Frames(*(getattr(self, item.name)[rows] for item in fields(self)))

    def put(self, rows: NDArray[Any], other: Frames) -> Frames:
        """Return the frames with those of a mask or of indices replaced."""
        columns = []
        for item in fields(self):
            column = getattr(self, item.name).copy()
            column[rows] = getattr(other, item.name)
            columns.append(column)
        return Frames(*columns)

    @classmethod
    def initial(cls, count: int) -> Frames:
        """Return frames at the origin: heading +z (headward), left +x (the patient's right), up +y (to the front).

        Seen from the front, as radiologists look, ``+`` then turns to the left of the picture.

        >>> Frames.initial(1).heading
        array([[0., 0., 1.]])
        """
        axes = np.eye(3)
        heading, left, up = (np.repeat(axes[None, k], count, axis=0) for k in (2, 0, 1))
        return cls(
            np.zeros((count, 3)), heading, left, up, np.ones(count),
            np.full(count, -1, np.int64), np.zeros(count, np.int16), np.zeros(count, np.int16),
        )  # fmt: skip


def join_frames(parts: list[Frames]) -> Frames:
    """Return the frames of all parts, one after the other."""
    return Frames(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Frames)))


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Segments that the rules of one step want to lay, in string order: a parent always stands before its children.

    Attributes:
        ids: Running number of each candidate (C,); refused ones keep theirs.
        start_mm: Start (C, 3) [mm], in whole micrometres.
        end_mm: End (C, 3) [mm], in whole micrometres.
        radius_start_mm: Radius at the start (C,) [mm].
        radius_end_mm: Radius at the end (C,) [mm].
        parent: Number of the segment it continues (C,), −1 for none.
        order: Bracket depth (C,).
        origin: Symbol code of the module that was rewritten (C,): tells what kind of duct it is.
        lineage: Key of the module that drew it (C,), for ties and jitter.
        joins: Whether it comes from ``@join`` and may touch what it joins (C,).
    """

    ids: NDArray[np.int64]
    start_mm: Floats
    end_mm: Floats
    radius_start_mm: Floats
    radius_end_mm: Floats
    parent: NDArray[np.int64]
    order: NDArray[np.int16]
    origin: NDArray[np.int16]
    lineage: NDArray[np.uint64]
    joins: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls) -> Candidates:
        """Return no candidates at all."""
        places, numbers, lengths = np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0)
        small = np.zeros(0, np.int16)
        return cls(
            numbers, places, places, lengths, lengths, numbers, small, small, np.zeros(0, np.uint64),
            np.zeros(0, np.bool_),
        )  # fmt: skip


class Environment(Protocol):
    """The world that a grammar grows in. It may remember what was committed; the engine never looks inside."""

    @property
    def functions(self) -> frozenset[str]:
        """Names that :meth:`query` answers."""
        ...

    @property
    def targets(self) -> frozenset[str]:
        """Names that :meth:`steer` knows."""
        ...

    def query(self, name: str, frames: Frames, argument: Floats | None) -> NDArray[Any]:
        """Return the value (N,) of an environment function for each frame, against the snapshot of the step's start."""
        ...

    def steer(self, command: str, target: str, frames: Frames, weight: Floats | None) -> Frames:
        """Return new frames (same N) after ``toward``, ``away``, ``start`` or ``join``.

        After ``join`` the position is that of the junction: the engine lays a candidate from the old one to it.
        """
        ...

    def commit(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Lay what can be laid; return which (C,) were accepted. A child of a refused candidate must be refused.

        Called once a step, also when nothing was drawn.
        """
        ...
