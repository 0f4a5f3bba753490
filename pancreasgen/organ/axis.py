"""The long axis of a gland: its course in the body for each published shape type.

The control points are a design (``assumed``): they place the head in the duodenal C, the neck in front of the superior
mesenteric vein, the body over the spine and the tail at the splenic hilum. What is published is how often each shape
occurs and how long a gland is; both are drawn outside and handed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from pancreasgen.base.checks import unknown_name

Floats = NDArray[np.float64]

STEP_MM = 0.5
NECK_LENGTH_MM = 20.0  # recalled: 15–25 mm, reference `neck_len`

# x and y of the eight control points, from the papilla end to the tail, common to all shapes [mm, RAS+].
_PLAN_MM = np.array([[51, 16], [39, 29], [25, 46], [11, 58], [-13, 61], [-42, 47], [-70, 23], [-92, -3]], dtype=float)
_NECK_POINT = 3

# Height of the control points above the neck, by shape as seen from the front [mm].
_HEIGHT_MM: dict[str, list[float]] = {
    "oblique": [-24, -19, -9, 0, 9, 20, 31, 40],
    "sigmoid": [-24, -20, -10, 0, 10, 12, 12, 24],
    "transverse": [-17, -13, -6, 0, 3, 4, 5, 7],
    "L": [-36, -29, -15, 0, 5, 7, 9, 12],
    "horseshoe": [-26, -21, -9, 0, 9, 10, -2, -18],
    "inverted-V": [-26, -20, -9, 0, 13, 6, -8, -22],
}
SHAPES = tuple(_HEIGHT_MM)


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """A gland's axis as dense samples with a frame at each.

    Attributes:
        points_mm: Samples (A, 3), about 0.5 mm apart, from the papilla end to the tip of the tail.
        arc_mm: Length from the papilla end to each sample (A,).
        tangent: Unit vectors (A, 3) towards the tail.
        upward: Unit vectors (A, 3) across the tangent, as upright as possible: the height of the section.
        across: Unit vectors (A, 3), tangent × upward: the thickness of the section, roughly front to back.
        neck_mm: Arc lengths at which the neck begins and ends.
    """

    points_mm: Floats
    arc_mm: Floats
    tangent: Floats
    upward: Floats
    across: Floats
    neck_mm: tuple[float, float]

    @property
    def body_end_mm(self) -> float:
        """Arc length at which the body becomes the tail: halfway between neck and tip (assumed)."""
        return 0.5 * (self.neck_mm[1] + float(self.arc_mm[-1]))

    def until(self, arc_mm: float) -> Axis:
        """Return the axis up to an arc length [mm]; the neck keeps its place, even beyond the end."""
        rows = self.arc_mm <= arc_mm
        return Axis(
            self.points_mm[rows], self.arc_mm[rows], self.tangent[rows], self.upward[rows], self.across[rows],
            self.neck_mm,
        )  # fmt: skip

    def at(self, arc_mm: float) -> Floats:
        """Return the point (3,) at an arc length [mm]."""
        return self.points_mm[int(np.argmin(np.abs(self.arc_mm - arc_mm)))]


def course(shape: str, length_mm: float, bend: Floats) -> Axis:
    """Return the axis of a shape type, scaled about the neck to a length.

    Args:
        shape: One of :data:`SHAPES`.
        length_mm: Wanted length along the axis [mm].
        bend: Shifts (8, 3) of the control points [mm], so that no two glands share a course.

    Raises:
        UsageError: If the shape does not exist.

    >>> axis = course("oblique", 160.0, np.zeros((8, 3)))
    >>> bool(abs(axis.arc_mm[-1] - 160.0) < 0.1)
    True
    """
    if shape not in _HEIGHT_MM:
        raise unknown_name("gland shape", shape, SHAPES)
    control = np.column_stack([_PLAN_MM, _HEIGHT_MM[shape]]) + bend
    control = control - control[_NECK_POINT] + [_PLAN_MM[_NECK_POINT, 0], _PLAN_MM[_NECK_POINT, 1], 0.0]
    neck = control[_NECK_POINT]
    scale = 1.0
    for _ in range(6):  # the spline's length is not linear in the scale, but nearly
        points = _spline(neck + (control - neck) * _stretch(scale))
        scale *= length_mm / _length(points)
    points = _resample(_spline(neck + (control - neck) * _stretch(scale)))
    return _with_frames(points, neck)


def _stretch(scale: float) -> Floats:
    """Length differences stretch the gland sideways more than from front to back: the spine stays where it is."""
    return np.array([scale, 1.0 + 0.5 * (scale - 1.0), scale])


def _spline(control: Floats) -> Floats:
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(control, axis=0), axis=1))])
    return np.asarray(CubicSpline(chord, control)(np.linspace(0.0, chord[-1], 400)), dtype=np.float64)


def _length(points: Floats) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _resample(points: Floats) -> Floats:
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    wanted = np.linspace(0.0, arc[-1], max(round(arc[-1] / STEP_MM), 2) + 1)
    return np.column_stack([np.interp(wanted, arc, points[:, k]) for k in range(3)])


def _with_frames(points: Floats, neck: Floats) -> Axis:
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    upward = np.array([0.0, 0.0, 1.0]) - tangent * tangent[:, 2:3]
    upward /= np.linalg.norm(upward, axis=1, keepdims=True)
    middle = float(arc[int(np.argmin(np.linalg.norm(points - neck, axis=1)))])
    half = NECK_LENGTH_MM / 2
    return Axis(points, arc, tangent, upward, np.cross(tangent, upward), (middle - half, middle + half))
