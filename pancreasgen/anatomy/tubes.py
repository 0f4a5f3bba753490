"""Tubes that find their way: vessels lie against the gland and each other, but run through neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from pancreasgen.anatomy.fields import Points, smooth_course
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.organ import Organ

TOUCH_MM = 0.6  # walls and fat between two vessels, and between a vessel and the gland (assumed)
STEP_MM = 2.0
_ROUNDS, _LAST = 36, 8
_NEIGHBOURS, _RAY_MM, _SLIDE = 40, 45.0, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """A vessel.

    Attributes:
        structure: Name in the table of structures.
        points_mm: Course (K, 3) [mm].
        radii_mm: Radius (K,) [mm].
        tissue: What flows in it; empty for the structure's own tissue.
    """

    structure: str
    points_mm: Points
    radii_mm: Points
    tissue: str = ""

    @property
    def length_mm(self) -> float:
        """Length along the course [mm]."""
        return float(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1).sum())

    @property
    def tortuosity(self) -> float:
        """Length along the course to the distance between its ends.

        >>> Tube("aorta", np.array([[0.0, 0, 0], [3.0, 0, 0], [3.0, 4, 0]]), np.ones(3)).tortuosity
        1.4
        """
        return self.length_mm / float(np.linalg.norm(self.points_mm[-1] - self.points_mm[0]))


def tube(structure: str, points_mm: Any, diameters_mm: Any, tissue: str = "") -> Tube:
    """Return a tube along a smooth course through points (K, 3), with diameters (K,) or one for all [mm]."""
    course, radii = smooth_course(points_mm, 0.5 * np.asarray(diameters_mm, dtype=float), STEP_MM)
    return Tube(structure, course, radii, tissue)


class Ground:
    """The gland as vessels see it: how deep a place lies in it, and which way is in.

    Args:
        organ: The gland.
    """

    def __init__(self, organ: Organ) -> None:
        """Remember where the organ's grid ends."""
        grid = organ.distance.grid
        self._volume = organ.distance
        self._low = np.asarray(grid.origin_mm, dtype=float)
        self._high = grid.to_world(np.array(grid.shape) - 1)

    def depth(self, points_mm: Points) -> tuple[Points, Points]:
        """Return the depth below the capsule (N,) [mm, negative outside] and the way in (N, 3), unit vectors.

        Outside the organ's grid the depth is that of the grid's border, less the way to it.
        """
        near = np.clip(points_mm, self._low, self._high)
        value, gradient = sample_with_gradient(self._volume, near)
        away = near - points_mm
        far = np.linalg.norm(away, axis=1)
        gradient = np.where(far[:, None] > 0.0, away, gradient)
        size = np.linalg.norm(gradient, axis=1, keepdims=True)
        return value - far, np.divide(gradient, size, out=np.zeros_like(gradient), where=size > 1e-9)

    def leave(self, points_mm: Points, direction: Points, clear_mm: float, *, first: bool = False) -> Points:
        """Return where rays (N, 3) along a direction (3,) come to lie clear_mm outside the gland (N, 3) [mm].

        Args:
            points_mm: Where the rays begin.
            direction: Their direction, a unit vector.
            clear_mm: How far outside.
            first: Whether the first such place will do; otherwise none further on lies nearer to the gland.
        """
        steps = np.arange(0.0, _RAY_MM, 0.5)
        ray = points_mm[:, None] + steps[:, None] * direction
        meets = self.depth(ray.reshape(-1, 3))[0].reshape(len(points_mm), -1) > -clear_mm
        last = np.where(meets.any(axis=1), len(steps) - 1 - np.argmax(meets[:, ::-1], axis=1), 0)
        soon = np.where(meets.all(axis=1), last, np.argmin(meets, axis=1))
        return np.asarray(ray[np.arange(len(points_mm)), soon if first else last])


def route(
    way: Tube, others: Sequence[Tube], ground: Ground | None, gap_mm: float = TOUCH_MM, stiff: float = 0.25,
    *, loose: bool = False,
) -> Tube:  # fmt: skip
    """Return the tube pushed out of the gland and of other tubes; its two ends stay, or only the first.

    Where an end lies in another tube the two are joined: there they may meet. Each round moves every point out of what
    it lies deepest in and then straightens the course a little; the last rounds only move.

    Args:
        way: The wanted course.
        others: Tubes that stay where they are.
        ground: The gland; None for a tube that may run through it.
        gap_mm: Least distance of walls [mm].
        stiff: How much a round straightens, 0 to 0.5.
        loose: Whether the second end may move.

    >>> wall = tube("aorta", [[0.0, 0, -40], [0.0, 0, 40]], 10.0)
    >>> bent = route(tube("splenic_vein", [[-30.0, 1, 0], [30.0, 1, 0]], 6.0), [wall], None)
    >>> bool(np.linalg.norm(bent.points_mm[:, :2], axis=1).min() > 8.4)
    True
    """
    points, radii = way.points_mm.copy(), way.radii_mm
    last = len(points) if loose else len(points) - 1
    crowd = _Crowd(way, others)
    for turn in range(_ROUNDS):
        push = crowd.push(points, gap_mm)
        if ground is not None:
            depth, inward = ground.depth(points)
            push -= np.maximum(depth + radii + gap_mm, 0.0)[:, None] * inward
        if turn in (0, *range(3, _ROUNDS)) and not push[1:last].any():
            break
        along = np.gradient(points, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        push -= _SLIDE * along * (push * along).sum(axis=1, keepdims=True)  # aside, not along itself
        free = turn >= _ROUNDS - _LAST
        if not free:
            push = 1.2 * ndimage.gaussian_filter1d(push, 1.2, axis=0, mode="nearest")
        points[1:last] += push[1:last]
        if not free:
            points[1:-1] += stiff * (points[:-2] + points[2:] - 2.0 * points[1:-1])
            points = _even(points)
    return replace(way, points_mm=points)


def _even(points: Points) -> Points:
    """Return as many points evenly along the same line."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, arc[-1], len(points))
    return np.column_stack([np.interp(at, arc, points[:, axis]) for axis in range(3)])


class _Crowd:
    """Other tubes as balls along their courses, without those that a tube is joined to near its ends."""

    def __init__(self, way: Tube, others: Sequence[Tube]) -> None:
        points = [_dense(other) for other in others]
        self._balls = np.vstack([p for p, _ in points]) if points else np.empty((0, 3))
        self._radii = np.concatenate([r for _, r in points]) if points else np.empty(0)
        self._owner = np.repeat(np.arange(len(points)), [len(r) for _, r in points])
        self._tree = cKDTree(self._balls) if points else None
        self._own = way.radii_mm
        step = np.linalg.norm(np.diff(way.points_mm, axis=0), axis=1)
        arc = np.concatenate([[0.0], np.cumsum(step)])
        self._meets = np.zeros((len(way.points_mm), len(points)), np.bool_)
        for number, (balls, radii) in enumerate(points):
            for end, reach in ((0, arc), (-1, arc[-1] - arc)):
                away = np.linalg.norm(balls - way.points_mm[end], axis=1)
                near = int(np.argmin(away - radii))
                if away[near] < radii[near] + 1.0:
                    self._meets[:, number] |= reach < radii[near] + way.radii_mm[end] + 5.0

    def push(self, points: Points, gap_mm: float) -> Points:
        """Return the way out of the ball that each point lies deepest in (N, 3)."""
        if self._tree is None:
            return np.zeros_like(points)
        many = min(_NEIGHBOURS, len(self._balls))
        found: Any = self._tree.query(points, k=many)
        far, rows = np.asarray(found[0]).reshape(len(points), many), np.asarray(found[1]).reshape(len(points), many)
        deep = self._radii[rows] + self._own[:, None] + gap_mm - far
        deep = np.where(np.take_along_axis(self._meets, self._owner[rows], axis=1), -1.0, deep)
        worst = deep.argmax(axis=1)[:, None]
        ball = self._balls[np.take_along_axis(rows, worst, axis=1)[:, 0]]
        out = points - ball
        size = np.linalg.norm(out, axis=1, keepdims=True)
        out = np.where(size > 1e-6, out / np.maximum(size, 1e-6), [0.0, 1.0, 0.0])
        return np.asarray(np.maximum(np.take_along_axis(deep, worst, axis=1), 0.0) * out)


def _dense(other: Tube) -> tuple[Points, Points]:
    """Return points at most 1 mm apart along a tube, and their radii."""
    step = np.linalg.norm(np.diff(other.points_mm, axis=0), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(step)])
    at = np.linspace(0.0, arc[-1], int(np.ceil(arc[-1])) + 1)
    points = np.column_stack([np.interp(at, arc, other.points_mm[:, axis]) for axis in range(3)])
    return points, np.interp(at, arc, other.radii_mm)


def stand_off(point_mm: Points, radius_mm: float, ground: Ground) -> Points:
    """Return the nearest place to a point (3,) where a ball clears the gland, or comes as near to that as it can."""
    point = np.asarray(point_mm, dtype=float)[None]
    for _ in range(20):
        depth, inward = ground.depth(point)
        point = point - 0.9 * max(float(depth[0]) + radius_mm + TOUCH_MM, 0.0) * inward
    return np.asarray(point[0])


def flattened(vein: Tube, others: Sequence[Tube], ground: Ground, least: float = 0.65) -> Tube:
    """Return a vein narrowed where the gland or its neighbours leave it no room: veins give way.

    Args:
        vein: A routed vein.
        others: Its neighbours, which keep their width; those that it is joined to do not count near the joint.
        ground: The gland.
        least: It keeps this share of its radius.
    """
    depth = ground.depth(vein.points_mm)[0] + vein.radii_mm
    tight = np.maximum(depth, np.linalg.norm(_Crowd(vein, others).push(vein.points_mm, 0.0), axis=1))
    tight = ndimage.gaussian_filter1d(ndimage.maximum_filter1d(np.maximum(tight, 0.0), 5), 1.5, mode="nearest")
    return replace(vein, radii_mm=np.maximum(vein.radii_mm - tight, least * vein.radii_mm))
