"""What a grammar sees of the organ: the functions and targets that its rules may name.

Functions (evaluated at a tip, against the snapshot of the step's start):

``surface(d)``   mm to the capsule at the point d ahead, positive inside
``duct(d)``      mm to the skin of the nearest duct that is not kin, at the point d ahead (at most 2.5)
``axis()``       0 at the papilla, 1 at the tip of the tail
``region()``     1 head, 2 uncinate, 3 neck, 4 body, 5 tail
``unserved(d)``  number of tissue points within d ahead that no duct serves yet, in the tip's own territory
``main_duct(d)`` mm to the nearest node of the duct from the major papilla, at the point d ahead (999 if none is there)
``lobules(d)``   number of lobules within d of the tip, in its territory, that nobody drains yet
``main_arc()``   mm from the major papilla, along its duct, to the node nearest to the tip (0 if none is there)
``alive(n)``     number of segments of branch order n that the last step committed

Targets of ``@toward`` and ``@away``: ``axis`` (along the gland, back to its middle), ``along`` (parallel to the axis),
``unserved``, ``lobule`` (the middle of the tip's lobule, or of the nearest one that nobody drains), ``surface`` (the
capsule), ``main_duct`` (the nearest point of the duct from the major papilla), or a landmark: a point, or along a
course. ``@start`` takes the name of a landmark; ``@join("main_duct")`` lays a piece to the nearest point of the main
duct and ends in it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.environment import Candidates, Frames
from pancreasgen.network import index
from pancreasgen.network.detours import Shifts, candidates_at, detours, leads
from pancreasgen.network.ledger import Ledger
from pancreasgen.network.places import Places, no_target
from pancreasgen.network.rules import GrowthRules
from pancreasgen.network.steering import points_ahead, turned, unit
from pancreasgen.network.territories import divide
from pancreasgen.network.tree import Tree
from pancreasgen.network.trunk import Trunk
from pancreasgen.network.widened import SAFETY_MM, least_depth_mm
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LOOK_SPACINGS = 5.0
CONE_COSINE = 0.2
_KIN_ARC_MM = 5.0
_OWN_TARGETS = frozenset({"axis", "along", "unserved", "lobule", "surface", "main_duct"})


class GrowthEnvironment:
    """The organ, the ducts so far, and the tissue that still wants one.

    Args:
        organ: Where growth is allowed.
        ledger: The committed ducts.
        rules: With ``by_branch``, side branches of order 1 own the tissue nearest to their first direction; with
            lobules, the first piece of a lobular duct must find one; a disease reserves the room that the main duct
            will need.
    """

    functions = frozenset(
        {"surface", "duct", "axis", "region", "unserved", "lobules", "main_duct", "main_arc", "alive"}
    )

    def __init__(self, organ: Organ, ledger: Ledger, rules: GrowthRules) -> None:
        """Prepare look-ups; nothing is grown yet."""
        self.ledger = ledger
        self.places = Places(organ)
        self.refused = {"outside the organ": 0, "too near a duct": 0, "without a lobule": 0}
        self.committed_id = np.empty(0, np.int64)
        self.targets = _OWN_TARGETS | frozenset(self.places.names)
        self._organ = organ
        self._rules = rules
        self._radius_mm: list[Floats] = []
        self._trunk, self._look_mm = Trunk(), _LOOK_SPACINGS * rules.spacing_mm
        self._shifts = Shifts()
        self._orders_last = np.empty(0, np.int16)
        self._divided = False

    # ---- what rules ask

    def query(self, name: str, frames: Frames, argument: Floats | None) -> Floats:
        """Return the value (N,) of an environment function at each tip."""
        frames = self._shifts.frames(frames)
        if name == "surface":
            return self.ledger.depth(points_ahead(frames, argument))
        if name == "duct":
            return self.ledger.duct_distance(
                points_ahead(frames, argument), self._committed(frames.segment), _KIN_ARC_MM
            )
        if name == "axis":
            return self.places.axis.fraction(frames.position_mm)
        if name == "region":
            return self.places.region(frames.position_mm)
        if name == "main_duct":
            return self._trunk.nearest(points_ahead(frames, argument))[2]
        if name == "main_arc":
            return self._trunk.arc(frames.position_mm)
        reach = self._look_mm if argument is None else argument
        if name == "unserved":
            return self._pull(frames, reach)[1]
        if name == "lobules":
            return self.ledger.lobules_near(frames.position_mm, self._labels(frames), reach)
        order = 0.0 if argument is None else np.asarray(argument)
        alive = [(self._orders_last == value).sum() for value in np.broadcast_to(order, len(frames.position_mm))]
        return np.array(alive, dtype=np.float64)

    def steer(self, command: str, target: str, frames: Frames, weight: Floats | None) -> Frames:
        """Return the frames placed at a landmark, or turned towards or away from a target by a share 0…1."""
        if command == "start":
            return self._start(target, frames)
        shifted = self._shifts.frames(frames)
        if command == "join":
            return self._join(target, shifted)
        wanted = self._direction(target, shifted)
        if command == "away":
            wanted = -wanted
        share = (0.5 if weight is None else np.asarray(weight)) * np.any(wanted != 0.0, axis=1)
        share = np.broadcast_to(share, len(wanted))[:, None]
        return turned(frames, (1.0 - share) * frames.heading + share * wanted)

    # ---- what rules draw

    def commit(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Try the candidates by (order, −radius, lineage); return which were accepted, in the order given.

        A candidate whose parent is in the same batch waits until that parent is laid: the batch is tried generation by
        generation, so a child of a refused candidate is refused.
        """
        offset = len(self.committed_id)
        self.committed_id = np.concatenate([self.committed_id, np.full(len(candidates), -1, np.int64)])
        good = np.zeros(len(candidates), np.bool_)
        self._orders_last = np.empty(0, np.int16)
        generation = np.zeros(len(candidates), np.int64)
        for row, parent in enumerate(candidates.parent):
            if parent >= offset:
                generation[row] = generation[parent - offset] + 1
        for level in range(int(generation.max(initial=-1)) + 1):
            rows = np.flatnonzero(generation == level)
            orphan = (candidates.parent[rows] >= 0) & (self._committed(candidates.parent[rows]) < 0)
            good[rows[~orphan]] = self._try(candidates, rows[~orphan])
        if self._rules.by_branch and (self._orders_last == 1).any() and not (self._orders_last == 0).any():
            self._divided = self._divided or divide(self.ledger)
        return good

    def tree(self) -> Tree:
        """Return everything that was committed, parents before children."""
        ledger = self.ledger
        drawn = np.concatenate([*self._radius_mm, np.empty(0)])
        late = np.full(ledger.count - len(drawn), self._rules.filling.radius_mm)
        return Tree(
            ledger.start_mm.copy(), ledger.end_mm.copy(), ledger.parent.copy(),
            ledger.marks(index.ORDER).astype(np.int16), ledger.marks(index.LANDMARK).astype(np.int16),
            np.concatenate([drawn, late]), ledger.marks(index.JOINT).copy(),
        )  # fmt: skip

    def keep(self, stayed: NDArray[np.bool_]) -> None:
        """Forget what was cut, all but what stayed (S,). Rules can go on no more."""
        self._radius_mm = [self.tree().radius_mm[stayed]]
        self.ledger.restart(stayed)

    def _try(self, candidates: Candidates, rows: Ints) -> NDArray[np.bool_]:
        """Commit some rows, whose parents are all laid; remember what was accepted."""
        wide = np.maximum(candidates.radius_start_mm[rows], candidates.radius_end_mm[rows])
        rows_in_turn = rows[np.lexsort((candidates.lineage[rows], -wide, candidates.order[rows]))]
        chosen = self._shifts.inherit(candidates_at(candidates, rows_in_turn))
        parent, before = self._committed(chosen.parent), self.ledger.count
        marks, claims = self._marks(chosen, parent)
        radii = self._reserved(chosen, marks)
        outcome = self.ledger.commit(chosen.start_mm, chosen.end_mm, radii, marks, (parent, claims))
        good = outcome == index.ACCEPTED
        self.committed_id[chosen.ids[good]] = before + np.arange(int(good.sum()))
        self._radius_mm.append(chosen.radius_end_mm[good])
        for row in np.flatnonzero(~good & (chosen.order == 0)):
            good[row] = self._elsewhere(chosen, int(row), marks, parent)
        for number, why in enumerate(self.refused, start=index.OUTSIDE):
            self.refused[why] += int((outcome[~good] == number).sum())
        self._orders_last = np.concatenate([self._orders_last, chosen.order[good]])
        trunk = good & (chosen.order == 0) & (marks[:, index.LANDMARK] == self.places.number("major_papilla"))
        self._trunk.add(chosen.start_mm[trunk], chosen.end_mm[trunk], self.committed_id[chosen.ids[trunk]])
        return np.isin(rows, rows_in_turn[good])

    def _elsewhere(self, chosen: Candidates, row: int, marks: Ints, parent: Ints) -> bool:
        """Lay a refused piece of a trunk where it fits best, in the row's place; return whether it fits anywhere.

        One that joins tries the other pieces of the main duct nearby; one that leads tries other directions.
        """
        here, start, wanted = np.array([row]), chosen.start_mm[row], chosen.end_mm[row].copy()
        joints = np.full(0, -1)
        if chosen.joins[row]:
            joints, ends = self._trunk.around(start)
        elif leads(self.ledger, marks[row, index.LANDMARK]):
            ends = detours(start, wanted, self.places.axis.ahead(start[None], parallel=False)[0])
        else:
            return False
        for number, end in enumerate(ends):
            chosen.end_mm[row] = end
            marks[row, index.JOINT] = joints[number] if len(joints) else -1
            radii = self._reserved(candidates_at(chosen, here), marks[here])
            ties = (parent[here], np.zeros(1, np.bool_))
            before = self.ledger.count
            if self.ledger.commit(start[None], end[None], radii, marks[here], ties)[0] == index.ACCEPTED:
                self.committed_id[chosen.ids[row]] = before
                self._radius_mm.append(chosen.radius_end_mm[here])
                self._shifts.move(int(chosen.ids[row]), end - wanted)
                return True
        return False

    def _marks(self, chosen: Candidates, parent: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the marks of candidates (C, 5): what they inherit; and which of them must find a lobule (C,)."""
        marks = np.full((len(chosen), 5), -1, np.int64)
        child, above = parent >= 0, np.maximum(parent, 0)
        for column in (index.LABEL, index.LOBULE, index.LANDMARK):
            if child.any():
                marks[child, column] = self.ledger.marks(column)[above[child]]
        marks[~child, index.LANDMARK] = self.places.nearest_number(chosen.start_mm[~child])
        marks[:, index.ORDER] = chosen.order
        marks[chosen.joins, index.JOINT] = self._trunk.nearest(chosen.end_mm[chosen.joins])[0]
        claims = np.zeros(len(chosen), np.bool_)
        if len(self.ledger.tissue.seed_mm):
            claims = (chosen.origin == self._rules.lobular) & (marks[:, index.LOBULE] < 0)
        return marks, claims

    def _reserved(self, chosen: Candidates, marks: Ints) -> Floats:
        """Return the radii (C, 2) to keep free: more than is drawn where a disease will widen the main duct."""
        radii = np.column_stack([chosen.radius_start_mm, chosen.radius_end_mm])
        if self._rules.disease.healthy:
            return radii
        main = (chosen.order == 0) & (marks[:, index.LANDMARK] == self.places.number("major_papilla"))
        start, end = chosen.start_mm[main], chosen.end_mm[main]
        room = least_depth_mm(self._organ, start, end) - self._rules.margin_mm - SAFETY_MM
        for side in range(2):
            radii[main, side] = self._rules.disease.reserved_mm(self.places.axis.fraction(end), radii[main, side], room)
        return radii

    # ---- what the tips see

    def _committed(self, candidate: Ints) -> Ints:
        """Return the committed ids of candidates' running numbers; −1 stays −1."""
        if not len(self.committed_id):
            return np.full(len(candidate), -1, np.int64)
        return np.where(candidate >= 0, self.committed_id[np.maximum(candidate, 0)], -1)

    def _labels(self, frames: Frames) -> Ints:
        """Return territory and lobule of each tip (N, 2)."""
        on = self._committed(frames.segment)
        columns = [self.ledger.marks(column) for column in (index.LABEL, index.LOBULE)]
        if not self.ledger.count:
            return np.full((len(on), 2), -1, np.int64)
        return np.column_stack([np.where(on >= 0, column[np.maximum(on, 0)], -1) for column in columns])

    def _pull(self, frames: Frames, reach_mm: Floats | float) -> tuple[Floats, Floats]:
        looks = (reach_mm, self._rules.served_mm)
        return self.ledger.pull(frames.position_mm, frames.heading, self._labels(frames), looks, CONE_COSINE)

    def _direction(self, target: str, frames: Frames) -> Floats:
        points = frames.position_mm
        if target == "main_duct":
            return unit(self._trunk.nearest(points)[1] - points)
        if target == "unserved":
            return unit(self._pull(frames, self._look_mm)[0])
        if target == "lobule":
            lobule = self.ledger.lobule_near(points, self._labels(frames), self._rules.claim_mm)
            found = lobule >= 0
            way = np.zeros_like(points)
            way[found] = self.ledger.tissue.seed_mm[lobule[found]] - points[found]
            return unit(way)
        way_there = self.places.direction(target, points)
        if way_there is not None:
            return way_there
        raise no_target(target, self.targets)

    def _join(self, target: str, frames: Frames) -> Frames:
        if target != "main_duct":
            raise BadInputError(f"`@join` knows no duct `{target}`", 'it joins the main duct: @join("main_duct")')
        row, position, _ = self._trunk.nearest(frames.position_mm)
        if (row < 0).any():
            raise BadInputError("`@join` finds no main duct yet", "let the rule wait: ask main_duct(0 mm) first")
        return replace(frames, position_mm=position - self._shifts.of(frames.segment))

    def _start(self, landmark: str, frames: Frames) -> Frames:
        """Place tips at a landmark, looking along the axis: order 0, a new tree."""
        many = len(frames.position_mm)
        placed = replace(
            frames,
            position_mm=np.repeat(self.places.landmark(landmark)[None], many, axis=0),
            segment=np.full(many, -1, np.int64),
            order=np.zeros(many, np.int16),
        )
        return turned(placed, self._direction("axis", placed))
