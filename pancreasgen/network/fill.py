"""The fill pass: buds from the nearest duct into tissue that the rules left too far from any.

The farthest tissue comes first. A bud leaves the end of a duct that has room for one more, at a natural angle, and runs
in short, slightly curved pieces until the tissue is served; every piece is tried like any other (contained, clear of
other ducts), and if it does not fit, shorter and to the sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pancreasgen.network.capacity import add_end, capacity, deeper, spare, thinnest_mm
from pancreasgen.network.feeders import feeders
from pancreasgen.network.index import ACCEPTED, JOINT, LABEL, LOBULE, ORDER, lay
from pancreasgen.network.ledger import Ledger
from pancreasgen.network.radii import Calibre

Floats = NDArray[np.float64]

_ROUNDS, _TRIES, _SEARCHES, _MANY_SEARCHES = 6, 3, 2, 12
_ANYWHERE_MM, _STRAIGHT_MM = 25.0, 4.0
_CHOICES, _PIECES = 16, 60
_NEAR, _WIDE = 2.5, 6.0  # bounds within which a feeding duct is looked for at first, and in the end
_FAR, _THIN = 1.3, 1.2
_LEAVING, _LONGEST = 1.4, 1.75  # a first piece, in radii of its parent; any other at most, in mean lengths


def _fan(*rings: tuple[float, float, int]) -> Floats:
    """Return where a piece may end (W, 3), in lengths ahead and sideways; rings are (angle [deg], length, number)."""
    ways = [
        (share * math.cos(math.radians(angle)), *(share * math.sin(math.radians(angle)) * side for side in
         (math.cos(2.0 * math.pi * n / number), math.sin(2.0 * math.pi * n / number))))
        for angle, share, number in rings for n in range(number)
    ]  # fmt: skip
    return np.array(ways)


_FEW_WAYS = _fan((0.0, 1.0, 1), (0.0, 0.6, 1), (37.0, 0.8, 4))
_WAYS = _fan((0.0, 1.0, 1), (0.0, 0.6, 1), (37.0, 0.8, 8), (37.0, 0.5, 8), (65.0, 0.8, 8), (65.0, 0.5, 8))


@dataclass(frozen=True, slots=True)
class Filling:
    """What ``fill: buds(…)`` asks for.

    Attributes:
        within_mm: No tissue may be further from a duct's middle line [mm]; 0 for no fill pass.
        piece_mm: Mean length of one piece [mm].
        radius_mm: Radius that the narrowest ducts are expected to have in the end [mm].
        room: A bud reserves room · radius, so that it may carry buds of its own.
    """

    within_mm: float = 0.0
    piece_mm: float = 0.9
    radius_mm: float = 0.08
    room: float = 1.5

    def bounds_mm(self) -> tuple[float, ...]:
        """Return the bounds of the passes, the last one the wanted."""
        return tuple(self.within_mm * factor for factor in (2.0, 1.6, 1.25, 1.0))


NO_FILLING = Filling()


def fill_gaps(ledger: Ledger, filling: Filling, calibre: Calibre, noise: Floats) -> None:
    """Bud until no tissue is further than asked from a duct, or nothing more fits.

    A duct that carries one more end gets wider, and so does every duct below it. So a bud is laid only where each of
    them has room to spare: between the capsule and its neighbours, as they reserved it.

    Args:
        ledger: The committed ducts; new ones are committed to it.
        filling: What is asked for.
        calibre: How radii follow from the ends.
        noise: Numbers of mean 0 and SD 1 for each tissue point (P, 4): three of a bend, one of a length.
    """
    if filling.within_mm <= 0.0 or not ledger.count:
        return
    far, passes = ledger.tissue.far_mm, _Passes(ledger, filling, calibre, noise)
    for bound in filling.bounds_mm():
        for _ in range(_ROUNDS):
            before = ledger.count
            gaps = passes.run(bound, far > bound)
            if ledger.count == before and not (passes.tries[gaps] < _TRIES).any():
                break


def close_gaps(ledger: Ledger, filling: Filling, calibre: Calibre, noise: Floats) -> None:
    """Give tissue that still is far (1.3 times the bound) a bud as narrow as can be.

    It may leave a duct that has more room than it reserved, and wind its way. The arguments are those of
    :func:`fill_gaps`.
    """
    if filling.within_mm <= 0.0 or not ledger.count:
        return
    passes = _Passes(ledger, filling, calibre, noise)
    passes.tries[:] = _TRIES - 1
    passes.run(filling.within_mm, ledger.tissue.far_mm > _FAR * filling.within_mm, beyond=True)


class _Passes:
    """What passes share: how often each gap was tried in vain, and how deep each duct lies."""

    def __init__(self, ledger: Ledger, filling: Filling, calibre: Calibre, noise: Floats) -> None:
        self.ledger, self.filling, self.calibre, self.noise = ledger, filling, calibre, noise
        self.tries, self._depth_mm = np.zeros(len(noise), np.int64), np.empty(0)

    def run(self, bound_mm: float, wanted: NDArray[np.bool_], *, beyond: bool = False) -> NDArray[np.int64]:
        """Bud towards the wanted points (P,) that were not tried too often, the farthest first; return them."""
        ledger, filling, done = self.ledger, self.filling, 0
        gaps = np.flatnonzero(wanted & (self.tries < _TRIES))
        gaps = gaps[np.argsort(-ledger.tissue.far_mm[gaps], kind="stable")]
        bud: Any = (bound_mm, filling.piece_mm, filling.room * filling.radius_mm)
        widest = float(ledger.reserved_mm.max())
        while done < len(gaps):
            entries = _PIECES * ledger.entries_of(max(_LONGEST * filling.piece_mm, _LEAVING * widest), bud[2])
            ledger.make_room(4 * _PIECES, 4 * entries)
            self._depth_mm = deeper(ledger, self._depth_mm)
            load = capacity(ledger, self.calibre, self._depth_mm, beyond=beyond)
            narrow = min(bud[2], _THIN * thinnest_mm(load)) if beyond else bud[2]
            bud = (*bud[:2], narrow, _WAYS if beyond else _FEW_WAYS, _MANY_SEARCHES if beyond else _SEARCHES)
            done, *state = _fill(gaps, done, bud, (self.noise, self.tries), load, entries, *ledger.state)
            ledger.advance(*state)
        return gaps


@njit(cache=True)
def _fill(
    gaps: Any, done: int, bud: Any, points_know: Any, load: Any, entries: int, world: Any, used: int, count: int
) -> tuple[int, int, int]:
    """Bud towards gaps from number ``done`` on, as long as there is room; return how far it came, used and count.

    ``entries`` is the most that one chain can need of the duct index.
    """
    bound, searches = bud[0], bud[4]
    noise, tried = points_know
    nowhere = world[0][4]
    points, _, far, label, lobule = world[4]
    room, last = len(world[2][2]) - _PIECES, len(world[3][2]) - entries
    choices = np.empty(_CHOICES, np.int64)
    while done < len(gaps) and count <= room and used <= last:
        gap = gaps[done]
        done += 1
        if far[gap] <= bound:
            continue
        first, tries = count, tried[gap]
        reach = _NEAR * bound
        if tries == _TRIES - 1 and far[gap] > _FAR * bound:
            reach = _ANYWHERE_MM if far[gap] >= nowhere else _WIDE * bound
        for _ in range(searches):
            found = feeders(points[gap], label[gap], lobule[gap], reach, load[4], world, choices)
            refused = 0
            for choice in choices[:found]:
                if not spare(choice, load, world[2]):
                    refused += 1
                    continue
                used, count = _chain(choice, gap, bud, noise[gap], world, used, count)
                if count > first:
                    add_end(choice, (first, count), load, world)
                    break
            if count > first or refused == 0:
                break
        tried[gap] += count == first
    return done, used, count


@njit(cache=True)
def _chain(duct: int, gap: int, bud: Any, noise: Any, world: Any, used: int, count: int) -> tuple[int, int]:
    """Lay pieces from the end of a duct towards a gap until it is served; return used and count."""
    bound, piece, radius, ways, _ = bud
    points, _, far, label, lobule = world[4]
    starts, ends, reserved, _, _, marks, children = world[2]
    radii, mine = np.full(2, radius), marks[duct].copy()
    mine[JOINT] = -1
    mine[LOBULE], mine[LABEL] = lobule[gap], label[gap]
    mine[ORDER] = max(mine[ORDER] + children[duct], 1)  # what goes on from the main duct's tip is a branch of it
    parent = duct
    heading = ends[duct] - starts[duct]
    heading /= math.sqrt((heading * heading).sum())
    for n in range(_PIECES - 1):
        tip = ends[parent]
        aim = points[gap] - tip
        away = math.sqrt((aim * aim).sum())
        if far[gap] <= 0.75 * bound or away < 0.2:
            break
        aim /= away
        bend = noise[:3] if n % 2 == 0 else -noise[:3]
        if n == 0 and children[duct] == 1:
            side = aim - heading * (aim * heading).sum()
            side /= max(math.sqrt((side * side).sum()), 1e-9)
            way = aim + 0.35 * side + 0.15 * bend
        else:
            way = 0.6 * heading + aim + (0.25 if away < _STRAIGHT_MM else 0.5) * bend
        way /= math.sqrt((way * way).sum())
        length = min(piece * min(max(1.0 + 0.25 * noise[3], 0.5), _LONGEST), max(away, 0.4))
        if n == 0:
            length = max(length, _LEAVING * reserved[duct])
        before = count
        used, count = _piece(tip, way, length, (radii, mine, parent, ways), world, used, count)
        if count == before:
            break
        parent = count - 1
        heading = way
    return used, count


@njit(cache=True)
def _piece(tip: Any, way: Any, length: float, duct: Any, world: Any, used: int, count: int) -> tuple[int, int]:
    """Lay one piece the first way that fits: as it is, else shorter, else turned; return used and count."""
    radii, mine, parent, ways = duct
    across = np.cross(way, np.array([0.0, 0.0, 1.0]) if abs(way[2]) < 0.9 else np.array([1.0, 0.0, 0.0]))
    across /= math.sqrt((across * across).sum())
    over = np.cross(way, across)
    for ahead, left, up in ways:
        stop = np.round((tip + length * (ahead * way + left * across + up * over)) * 1000.0) / 1000.0
        outcome, used = lay(tip, stop, radii, mine, parent, world, used, count)
        if outcome == ACCEPTED:
            return used, count + 1
    return used, count
