"""Detours: where else a piece of a trunk may end if it cannot end where the rules want it.

The grammar goes on from where it believes a tip to be. So a segment that ends elsewhere remembers by how much, and so
does everything that springs from it: the environment moves their tips before it looks, and their lines before it lays.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar.environment import Candidates, Frames
from pancreasgen.network.index import LANDMARK, ORDER
from pancreasgen.network.ledger import Ledger
from pancreasgen.network.steering import unit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TURNS_DEG, _SIDES = (15.0, 30.0, 45.0, 60.0, 75.0), 8
_SHARES = (1.0, 0.6)


class Shifts:
    """By how much each candidate's end lies beside the place that the rules believe (ids, 3) [mm]."""

    def __init__(self) -> None:
        """Begin without any."""
        self._mm = np.zeros((0, 3))
        self._moved = False

    def of(self, segment: Ints) -> Floats:
        """Return the shift of tips that stand on the ends of segments (N, 3); none where the segment is −1."""
        if not self._moved:
            return np.zeros((len(segment), 3))
        known = (segment >= 0) & (segment < len(self._mm))
        return np.where(known[:, None], self._mm[np.where(known, segment, 0)], 0.0)

    def frames(self, frames: Frames) -> Frames:
        """Return the frames where they really are."""
        return replace(frames, position_mm=frames.position_mm + self.of(frames.segment)) if self._moved else frames

    def inherit(self, candidates: Candidates) -> Candidates:
        """Return the candidates (C,) as they spring from their moved parents, which are laid."""
        if not self._moved:
            return candidates
        shift = self.of(candidates.parent)
        ends = np.round(candidates.end_mm + shift, 3)
        self._note(candidates.ids, shift)
        return replace(candidates, start_mm=np.round(candidates.start_mm + shift, 3), end_mm=ends)

    def move(self, candidate: int, by_mm: Floats) -> None:
        """Move the end of one candidate further."""
        here = np.array([candidate])
        self._note(here, self.of(here) + by_mm)
        self._moved = True

    def _note(self, ids: Ints, shift: Floats) -> None:
        short = int(ids.max(initial=-1)) + 1 - len(self._mm)
        if short > 0:
            self._mm = np.concatenate([self._mm, np.zeros((max(short, len(self._mm)), 3))])
        self._mm[ids] = shift


def detours(start_mm: Floats, end_mm: Floats, home: Floats) -> Floats:
    """Return where else a piece may end (D, 3) [mm], in whole micrometres: the least turned first.

    First comes the wanted direction, shorter; then rings of directions 15° to 75° off, at whole and at 0.6 of the
    length, on each ring those first that turn towards home.

    Args:
        start_mm: Start of the piece (3,) [mm].
        end_mm: Where it cannot end (3,) [mm].
        home: Vector (3,) to where the gland is wide.

    >>> ends = detours(np.zeros(3), np.array([2.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    >>> len(ends), ends[0].tolist(), ends[1].tolist()
    (81, [1.2, 0.0, 0.0], [1.932, 0.518, 0.0])
    """
    line = end_mm - start_mm
    length = float(np.linalg.norm(line))
    ahead = line / max(length, 1e-9)
    side = home - ahead * (home @ ahead)
    if np.linalg.norm(side) < 1e-9:
        side = np.cross(ahead, np.eye(3)[np.abs(ahead).argmin()])
    side = unit(side[None])[0]
    across = np.cross(ahead, side)
    around = sorted(2.0 * np.pi / _SIDES * np.arange(1 - _SIDES // 2, _SIDES // 2 + 1), key=abs)  # home first
    ways = [(0.0, 0.0, 0.6)] + [
        (np.radians(turn), float(angle), share) for turn in _TURNS_DEG for share in _SHARES for angle in around
    ]
    lean = np.array([np.sin(turn) * (np.cos(angle) * side + np.sin(angle) * across) for turn, angle, _ in ways])
    whole = np.array([np.cos(turn) * ahead for turn, _, _ in ways]) + lean
    shares = np.array([share for _, _, share in ways])
    return np.asarray(np.round(start_mm + length * shares[:, None] * whole, 3))


def leads(ledger: Ledger, landmark: int) -> bool:
    """Return whether the trunk from a landmark may still become the main duct: no other is twice as long by now.

    An accessory duct that is refused ends there, as the rules expect. It starts late and turns back to the main duct;
    led around whatever stops it, it would wind into a knot.
    """
    trunk = ledger.marks(ORDER) == 0
    length = np.linalg.norm(ledger.end_mm[trunk] - ledger.start_mm[trunk], axis=1)
    of = ledger.marks(LANDMARK)[trunk]
    longest = max((float(length[of == one].sum()) for one in np.unique(of)), default=0.0)
    return float(length[of == landmark].sum()) >= 0.5 * longest


def candidates_at(candidates: Candidates, rows: Ints) -> Candidates:
    """Return the candidates of some rows, in that order."""
    return Candidates(**{item.name: getattr(candidates, item.name)[rows] for item in fields(Candidates)})
