"""What a grammar sees of the organ: the functions and targets that its rules may name.

Functions (evaluated at a tip, against the snapshot of the step's start):

``surface(d)``   mm to the capsule at the point d ahead, positive inside
``duct(d)``      mm to the skin of the nearest duct that is not kin, at the point d ahead (at most 2.5)
``axis()``       0 at the papilla, 1 at the tip of the tail
``region()``     1 head, 2 uncinate, 3 neck, 4 body, 5 tail
``unserved(d)``  number of tissue points within d ahead that no duct serves yet, in the tip's own territory
``main_duct(d)`` mm to the nearest node of the duct from the major papilla, at the point d ahead (999 if none is there)
``alive(n)``     number of segments of branch order n that the last step committed

Targets of ``@toward`` and ``@away``: ``axis`` (along the gland, back to its middle), ``along`` (parallel to the axis),
``unserved``, ``surface`` (the capsule), ``main_duct`` (the nearest point of the duct from the major papilla), or a
landmark: a point, or along a course. ``@start`` takes the name of a landmark; ``@join("main_duct")`` lays a piece to
the nearest point of the main duct and ends in it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.environment import Candidates, Frames
from pancreasgen.network import index
from pancreasgen.network.dilate import SAFETY_MM, least_depth_mm
from pancreasgen.network.ledger import Ledger
from pancreasgen.network.rules import GrowthRules
from pancreasgen.network.steering import points_ahead, turned, unit
from pancreasgen.network.tree import Tree
from pancreasgen.network.trunk import Axis, Trunk
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.organ import Organ

Floats = NDArray[np.float64]

LOOK_MM = 6.0
CONE_COSINE = 0.2
_KIN_ARC_MM = 5.0
_RAY_MM = 30.0


class GrowthEnvironment:
    """The organ, the ducts so far, and the tissue that still wants one.

    Args:
        organ: Where growth is allowed.
        ledger: The committed ducts.
        rules: With ``by_branch``, side branches of order 1 own the tissue nearest to their first direction; a disease
            reserves the room that the main duct will need.
    """

    functions = frozenset({"surface", "duct", "axis", "region", "unserved", "main_duct", "alive"})

    def __init__(self, organ: Organ, ledger: Ledger, rules: GrowthRules) -> None:
        """Prepare look-ups; nothing is grown yet."""
        self.ledger = ledger
        self.accepted: list[Candidates] = []
        self.refused = {"outside the organ": 0, "too near a duct": 0}
        self.committed_id = np.empty(0, np.int64)
        self.targets = frozenset({"axis", "along", "unserved", "surface", "main_duct", *organ.landmarks})
        self._organ = organ
        self._rules = rules
        self._territory = np.empty(0, np.int64)
        self._landmark = np.empty(0, np.int16)
        self._joint = np.empty(0, np.int64)
        self._trunk, self._axis = Trunk(), Axis(organ.axis_mm)
        self._courses = {name: Axis(points) for name, points in organ.landmarks.items() if len(points) > 1}
        self._orders_last = np.empty(0, np.int16)
        self._names = sorted(name for name, points in organ.landmarks.items() if len(points) == 1)

    # ---- what rules ask

    def query(self, name: str, frames: Frames, argument: Floats | None) -> Floats:
        """Return the value (N,) of an environment function at each tip."""
        if name == "surface":
            return self.ledger.depth(points_ahead(frames, argument))
        if name == "duct":
            return self.ledger.duct_distance(
                points_ahead(frames, argument), self._committed(frames.segment), _KIN_ARC_MM
            )
        if name == "axis":
            return self._axis.fraction(frames.position_mm)
        if name == "region":
            volume = self._organ.regions
            i, j, k = np.clip(np.rint(volume.grid.to_index(frames.position_mm)).astype(int).T, 0, None)
            top = np.array(volume.grid.shape) - 1
            return volume.data[np.minimum(i, top[0]), np.minimum(j, top[1]), np.minimum(k, top[2])].astype(np.float64)
        if name == "main_duct":
            return self._trunk.nearest(points_ahead(frames, argument))[2]
        if name == "unserved":
            reach = LOOK_MM if argument is None else argument
            return self.ledger.pull(frames.position_mm, frames.heading, self._label(frames), reach, CONE_COSINE)[1]
        order = 0.0 if argument is None else np.asarray(argument)
        alive = [(self._orders_last == value).sum() for value in np.broadcast_to(order, len(frames.position_mm))]
        return np.array(alive, dtype=np.float64)

    def steer(self, command: str, target: str, frames: Frames, weight: Floats | None) -> Frames:
        """Return the frames placed at a landmark, or turned towards or away from a target by a share 0…1."""
        if command == "start":
            return self._start(target, frames)
        if command == "join":
            return self._join(target, frames)
        wanted = self._direction(target, frames)
        if command == "away":
            wanted = -wanted
        share = (0.5 if weight is None else np.asarray(weight)) * np.any(wanted != 0.0, axis=1)
        share = np.broadcast_to(share, len(wanted))[:, None]
        return turned(frames, (1.0 - share) * frames.heading + share * wanted)

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
            self._divide()
        return good

    def landmark_number(self, name: str) -> int:
        """Return the number under which a landmark stands in the tree; −1 if the organ has none of that name."""
        return self._names.index(name) if name in self._names else -1

    def tree(self) -> Tree:
        """Return everything that was committed, parents before children."""

        def column(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in self.accepted])

        if not self.accepted:
            none = np.empty(0)
            return Tree(
                np.empty((0, 3)), np.empty((0, 3)), none.astype("i8"), none.astype("i2"), none.astype("i2"), none,
                none.astype("i8"),
            )  # fmt: skip
        return Tree(
            column("start_mm"), column("end_mm"), column("parent"), column("order"), self._landmark,
            column("radius_end_mm"), self._joint,
        )  # fmt: skip

    def _try(self, candidates: Candidates, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Commit some rows, whose parents are all laid; remember what was accepted."""
        wide = np.maximum(candidates.radius_start_mm[rows], candidates.radius_end_mm[rows])
        rows_in_turn = rows[np.lexsort((candidates.lineage[rows], -wide, candidates.order[rows]))]
        chosen = candidates_at(candidates, rows_in_turn)
        parent = self._committed(chosen.parent)
        before = self.ledger.count
        joint = np.full(len(chosen), -1, np.int64)
        joint[chosen.joins] = self._trunk.nearest(chosen.end_mm[chosen.joins])[0]
        ties = np.column_stack([parent, joint])
        outcome = self.ledger.commit(chosen.start_mm, chosen.end_mm, self._reserved(chosen, parent), ties)
        self.refused["outside the organ"] += int((outcome == index.OUTSIDE).sum())
        self.refused["too near a duct"] += int((outcome == index.COLLIDES).sum())
        good = outcome == index.ACCEPTED
        self.committed_id[chosen.ids[good]] = before + np.arange(int(good.sum()))
        kept = candidates_at(replace(chosen, parent=parent), np.flatnonzero(good))
        self.accepted.append(kept)
        self._orders_last = np.concatenate([self._orders_last, kept.order])
        self._territory = np.concatenate([self._territory, self._territory_of(kept.parent)])
        self._landmark = np.concatenate([self._landmark, self._landmark_of(kept)])
        self._joint = np.concatenate([self._joint, joint[good]])
        landmarks = self._landmark[before:]
        trunk = np.flatnonzero((kept.order == 0) & (landmarks == self.landmark_number("major_papilla")))
        self._trunk.add(kept.end_mm[trunk], before + trunk)
        return np.isin(rows, rows_in_turn[good])

    def _reserved(self, chosen: Candidates, parent: NDArray[np.int64]) -> Floats:
        """Return the radii (C, 2) to keep free: more than is drawn where a disease will widen the main duct."""
        radii = np.column_stack([chosen.radius_start_mm, chosen.radius_end_mm])
        if self._rules.disease.healthy:
            return radii
        trees = self._landmark_of(replace(chosen, parent=parent))
        main = (chosen.order == 0) & (trees == self.landmark_number("major_papilla"))
        start, end = chosen.start_mm[main], chosen.end_mm[main]
        room = least_depth_mm(self._organ, start, end) - self._rules.margin_mm - SAFETY_MM
        for side in range(2):
            radii[main, side] = self._rules.disease.reserved_mm(self._axis.fraction(end), radii[main, side], room)
        return radii

    def _join(self, target: str, frames: Frames) -> Frames:
        if target != "main_duct":
            raise BadInputError(f"`@join` knows no duct `{target}`", 'it joins the main duct: @join("main_duct")')
        row, position, _ = self._trunk.nearest(frames.position_mm)
        if (row < 0).any():
            raise BadInputError("`@join` finds no main duct yet", "let the rule wait: ask main_duct(0 mm) first")
        return replace(frames, position_mm=position)

    def _landmark_of(self, kept: Candidates) -> NDArray[np.int16]:
        """The parent's landmark; for a first piece the one at its start, −1 if none is there."""
        result = np.full(len(kept), -1, np.int16)
        child = kept.parent >= 0
        for row in np.flatnonzero(~child):
            places = [np.round(self._organ.landmarks[name][0], 3) for name in self._names]
            here = [number for number, place in enumerate(places) if np.allclose(place, kept.start_mm[row], atol=1e-6)]
            result[row] = here[0] if here else -1
        if child.any():
            result[child] = self._landmark[kept.parent[child]]
        return result

    def _divide(self) -> None:
        """Give every tissue point to the nearest first piece of a side branch, drawn out to a ray; once."""
        label, kept = self.ledger.tissue.label, self.accepted[-1]
        first = np.flatnonzero(kept.order == 1)
        if not (label < 0).all() or not len(label) or not len(first):
            return
        start, direction = kept.start_mm[first], (kept.end_mm - kept.start_mm)[first]
        ray = _RAY_MM * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        label[:] = index.nearest_ray(self.ledger.tissue.points_mm, start, start + ray)
        self._territory[self.ledger.count - len(kept) + first] = np.arange(len(first))

    def _territory_of(self, committed: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(self._territory):
            return np.full(len(committed), -1, np.int64)
        return np.where(committed >= 0, self._territory[np.maximum(committed, 0)], -1)

    def _committed(self, candidate: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the committed ids of candidates' running numbers; −1 stays −1."""
        if not len(self.committed_id):
            return np.full(len(candidate), -1, np.int64)
        return np.where(candidate >= 0, self.committed_id[np.maximum(candidate, 0)], -1)

    def _label(self, frames: Frames) -> NDArray[np.int64]:
        return self._territory_of(self._committed(frames.segment))

    def _direction(self, target: str, frames: Frames) -> Floats:
        points = frames.position_mm
        if target in ("axis", "along"):
            return unit(self._axis.ahead(points, parallel=target == "along"))
        if target == "main_duct":
            return unit(self._trunk.nearest(points)[1] - points)
        if target == "unserved":
            return unit(self.ledger.pull(points, frames.heading, self._label(frames), LOOK_MM, CONE_COSINE)[0])
        if target == "surface":
            return -unit(sample_with_gradient(self._organ.distance, points)[1])
        if target in self._courses:
            return unit(self._courses[target].ahead(points, parallel=False))
        if target in self._organ.landmarks:
            return unit(self._organ.landmarks[target][0] - points)
        near = nearest_name(target, self.targets)
        raise BadInputError(
            f"the organ has no target `{target}`",
            (f"did you mean `{near}`?\n" if near else "") + f"targets: {', '.join(sorted(self.targets))}",
        )

    def _start(self, landmark: str, frames: Frames) -> Frames:
        """Place tips at a landmark, looking along the axis: order 0, a new tree."""
        if landmark not in self._names:
            near = nearest_name(landmark, self._names)
            raise BadInputError(
                f"the organ has no landmark `{landmark}`",
                (f"did you mean `{near}`?\n" if near else "") + f"landmarks: {', '.join(self._names)}",
            )
        many = len(frames.position_mm)
        placed = replace(
            frames,
            position_mm=np.repeat(np.round(self._organ.landmarks[landmark], 3), many, axis=0),
            segment=np.full(many, -1, np.int64),
            order=np.zeros(many, np.int16),
        )
        return turned(placed, self._direction("axis", placed))


def candidates_at(candidates: Candidates, rows: NDArray[np.int64]) -> Candidates:
    """Return the candidates of some rows, in that order."""
    return Candidates(**{item.name: getattr(candidates, item.name)[rows] for item in fields(Candidates)})
