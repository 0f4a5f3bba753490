r"""The turtle's turns on columns of frames, by the conventions of *The Algorithmic Beauty of Plants*.

``+`` turns left: a right-handed turn about up. ``&`` pitches down: a right-handed turn about left. ``/`` rolls right: a
right-handed turn about the heading. ``-``, ``^``, ``\`` are their inverses, ``|`` turns around, ``$`` rolls until left
is horizontal (z is vertical).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar import portable
from pancreasgen.grammar.environment import Frames

Floats = NDArray[np.float64]

_PLANE = {"+": ("heading", "left"), "&": ("up", "heading"), "/": ("left", "up")}
_INVERSE = {"-": "+", "^": "&", "\\": "/"}


def turn(frames: Frames, symbol: str, angle_rad: Any) -> Frames:
    r"""Return the frames after ``+ - & ^ \ /`` by an angle (N,) or one for all [rad].

    The first axis of the plane goes to cos·first + sin·second, the second to cos·second − sin·first.

    >>> turned = turn(Frames.initial(1), "+", np.pi / 2)
    >>> turned.heading.round(6) + 0.0
    array([[1., 0., 0.]])
    """
    sine, cosine = portable.sin_cos(angle_rad)
    if symbol in _INVERSE:
        symbol, sine = _INVERSE[symbol], -sine
    names = _PLANE[symbol]
    first, second = getattr(frames, names[0]), getattr(frames, names[1])
    s, c = np.asarray(sine)[..., None], np.asarray(cosine)[..., None]
    return replace(frames, **{names[0]: c * first + s * second, names[1]: c * second - s * first})


def turn_around(frames: Frames) -> Frames:
    """Return the frames after ``|``."""
    return replace(frames, heading=-frames.heading, left=-frames.left)


def level(frames: Frames) -> Frames:
    """Return the frames after ``$``: left = z × heading, made a unit; unchanged where the heading is vertical."""
    x, y = frames.heading[:, 0], frames.heading[:, 1]
    size = np.sqrt(x * x + y * y)
    steep = (size < 1e-9)[:, None]
    left = np.stack([-y, x, np.zeros_like(x)], axis=1) / np.where(steep, 1.0, size[:, None])
    left = np.where(steep, frames.left, left)
    return replace(frames, left=left, up=np.where(steep, frames.up, cross(frames.heading, left)))


def query_columns(frames: Frames, symbol: str) -> list[Floats]:
    """Return what ``?P ?H ?U ?L`` tell: position [mm], heading, up or left, as three columns (N,).

    >>> [float(column[0]) for column in query_columns(Frames.initial(1), "?H")]
    [0.0, 0.0, 1.0]
    """
    rows = getattr(frames, {"?P": "position_mm", "?H": "heading", "?U": "up", "?L": "left"}[symbol])
    return [np.ascontiguousarray(rows[:, axis]) for axis in range(3)]


def cross(a: Floats, b: Floats) -> Floats:
    """Return a × b for rows (N, 3).

    >>> cross(np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]]))
    array([[0., 0., 1.]])
    """
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )


def ahead(frames: Frames, length_mm: Any) -> Floats:
    """Return the points (N, 3) at a length ahead [mm], rounded to whole micrometres."""
    step = np.asarray(length_mm, dtype=np.float64)[..., None]
    return np.round((frames.position_mm + step * frames.heading) * 1000.0) / 1000.0


def orthonormal(frames: Frames) -> Frames:
    """Return the frames with left and up made square to the heading again; for frames that came from outside."""
    size = np.sqrt((frames.heading**2).sum(axis=1))[:, None]
    heading = frames.heading / np.where(size > 0, size, 1.0)
    left = frames.left - (frames.left * heading).sum(axis=1)[:, None] * heading
    length = np.sqrt((left**2).sum(axis=1))[:, None]
    spare = cross(np.where(np.abs(heading[:, :1]) < 0.6, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]), heading)
    left = np.where(length > 1e-9, left, spare)
    left = left / np.sqrt((left**2).sum(axis=1))[:, None]
    return replace(frames, heading=heading, left=left, up=cross(heading, left))
