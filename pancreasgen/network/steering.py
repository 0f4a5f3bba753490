"""How headings turn: small vector work that every steering command needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pancreasgen.grammar.environment import Frames

Floats = NDArray[np.float64]


def turned(frames: Frames, heading: Floats) -> Frames:
    """Return the frames with a new heading (N, 3), the rest carried along with as little roll as possible."""
    heading = unit(heading)
    heading = np.where(np.any(heading != 0.0, axis=1, keepdims=True), heading, frames.heading)
    left = frames.left - heading * (frames.left * heading).sum(axis=1, keepdims=True)
    spare = np.cross(frames.up, heading)
    short = np.linalg.norm(left, axis=1, keepdims=True) < 1e-3
    left = unit(np.where(short, spare, left))
    return replace(frames, heading=heading, left=left, up=np.cross(heading, left))


def points_ahead(frames: Frames, distance: Floats | None) -> Floats:
    """Return the points (N, 3) at a distance [mm] ahead of each tip; None for the tips themselves."""
    far = np.zeros(len(frames.position_mm)) if distance is None else np.broadcast_to(distance, len(frames.position_mm))
    return np.ascontiguousarray(frames.position_mm + far[:, None] * frames.heading)


def unit(vectors: Floats) -> Floats:
    """Return vectors (N, 3) of length 1; a null vector stays one."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 1e-12))
