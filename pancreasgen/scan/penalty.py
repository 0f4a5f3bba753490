"""The roughness of an image, softer at edges, in units of the noise that the scan puts at each place.

Φ(x) = β Σ over pairs of neighbours of w (½ u² + s · H(u)), u = (x_j − x_k) a_j a_k. a⁴ is the information that the
scan has of a pixel, so that u is a difference in units of its noise and the resolution is the same everywhere
(Fessler and Rogers, IEEE Trans Image Process 5:1346, 1996). H is Huber's function: ½ u² up to δ, a line from there, so
that an edge is smoothed by β alone and noise by β (1 + s). Φ is convex.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.scan.project import BLOCK, Image

Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Penalty:
    """A penalty on a block of slices.

    Attributes:
        trust: a of each pixel (ny, nx, 32): fourth root of its information; 0 for pixels that stay nothing.
        weights: β w of neighbours along x, along y and across [1].
        excess: s, what Huber's function adds to the parabola.
        knee: δ, where it becomes a line.
    """

    trust: Image
    weights: tuple[float, float, float]
    excess: float
    knee: float

    def _numbers(self) -> NDArray[np.float32]:
        return np.array([*self.weights, self.excess, self.knee], dtype=np.float32)

    def gradient(self, image: Image) -> Image:
        """Return dΦ/dx (ny, nx, 32)."""
        out = np.empty_like(image)
        _gradient(out, image, self.trust, self._numbers())
        return out

    def value(self, image: Image) -> Sums:
        """Return Φ of each slice (32,)."""
        rows = np.zeros((image.shape[0], BLOCK))
        _value(rows, image, self.trust, self._numbers())
        result: Sums = rows.sum(axis=0)
        return result

    def along(self, image: Image, way: Image, steps: Sums) -> tuple[Sums, Sums]:
        """Return dΦ/dα and a curvature that lies above Φ everywhere, at image + α way (32,) each.

        Args:
            image: Where the line begins (ny, nx, 32).
            way: Its direction.
            steps: α of each slice (32,).
        """
        rows = np.zeros((2, image.shape[0], BLOCK))
        _along(rows, image, way, self.trust, (steps.astype(np.float32), self._numbers()))
        first, second = rows.sum(axis=1)
        return first, second


def neighbour_weights(spacing_mm: tuple[float, float]) -> tuple[float, float, float]:
    """Return w of neighbours along x, y and across: 1 / distance², in units of the pixel's area.

    >>> neighbour_weights((2.0, 2.0))
    (1.0, 1.0, 0.5)
    """
    dx, dy = spacing_mm
    return dy / dx, dx / dy, dx * dy / (dx**2 + dy**2)


def roughness(spacing_mm: tuple[float, float], fx: NDArray[np.float64], fy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the second derivative of Φ / β is for a wave, without s, at a = 1.

    Args:
        spacing_mm: Pixels along x and y [mm].
        fx: Frequency of the wave along x [1/mm].
        fy: The same along y.
    """
    along_x, along_y, across = neighbour_weights(spacing_mm)
    x, y = 2.0 * math.pi * fx * spacing_mm[0], 2.0 * math.pi * fy * spacing_mm[1]
    result: NDArray[np.float64] = 2.0 * along_x * (1.0 - np.cos(x)) + 2.0 * along_y * (1.0 - np.cos(y))
    result += 2.0 * across * (2.0 - np.cos(x + y) - np.cos(x - y))
    return result


@njit(cache=True, inline="always")
def _pair(index: Any) -> tuple[int, int, int]:
    """Return the step in y and x to the neighbour, and its kind (0: along x, 1: along y, 2: across)."""
    if index == 0:
        return 0, 1, 0
    if index == 1:
        return 1, 0, 1
    return (1, 1, 2) if index == 2 else (1, -1, 2)


@njit(cache=True, parallel=True)
def _gradient(out: Any, image: Any, trust: Any, numbers: Any) -> None:
    ny, nx = image.shape[0], image.shape[1]
    excess, knee = numbers[3], numbers[4]
    for j in prange(ny):
        for i in range(nx):
            to, here, own = out[j, i], image[j, i], trust[j, i]
            for z in range(BLOCK):
                to[z] = np.float32(0.0)
            for n in range(8):
                step_y, step_x, kind = _pair(n % 4)
                sign = 1 if n < 4 else -1
                at_y, at_x = j + sign * step_y, i + sign * step_x
                if at_y < 0 or at_y >= ny or at_x < 0 or at_x >= nx:
                    continue
                there, other, weight = image[at_y, at_x], trust[at_y, at_x], numbers[kind]
                for z in range(BLOCK):
                    scale = own[z] * other[z]
                    u = (here[z] - there[z]) * scale
                    to[z] += weight * scale * (u + excess * min(max(u, -knee), knee))


@njit(cache=True, parallel=True)
def _value(rows: Any, image: Any, trust: Any, numbers: Any) -> None:
    ny, nx = image.shape[0], image.shape[1]
    excess, knee = numbers[3], numbers[4]
    for j in prange(ny):
        for i in range(nx):
            for n in range(4):
                step_y, step_x, kind = _pair(n)
                at_y, at_x = j + step_y, i + step_x
                if at_y >= ny or at_x < 0 or at_x >= nx:
                    continue
                for z in range(BLOCK):
                    u = (image[j, i, z] - image[at_y, at_x, z]) * trust[j, i, z] * trust[at_y, at_x, z]
                    bounded = min(max(u, -knee), knee)
                    huber = bounded * (u - np.float32(0.5) * bounded)
                    rows[j, z] += numbers[kind] * (np.float32(0.5) * u * u + excess * huber)


@njit(cache=True, parallel=True)
def _along(rows: Any, image: Any, way: Any, trust: Any, setting: Any) -> None:
    ny, nx = image.shape[0], image.shape[1]
    steps, numbers = setting
    excess, knee = numbers[3], numbers[4]
    for j in prange(ny):
        for i in range(nx):
            for n in range(4):
                step_y, step_x, kind = _pair(n)
                at_y, at_x = j + step_y, i + step_x
                if at_y >= ny or at_x < 0 or at_x >= nx:
                    continue
                for z in range(BLOCK):
                    scale = trust[j, i, z] * trust[at_y, at_x, z]
                    v = (way[j, i, z] - way[at_y, at_x, z]) * scale
                    u = (image[j, i, z] - image[at_y, at_x, z]) * scale + steps[z] * v
                    bounded = min(max(u, -knee), knee)
                    bend = bounded / u if abs(u) > knee else np.float32(1.0)
                    rows[0, j, z] += numbers[kind] * v * (u + excess * bounded)
                    rows[1, j, z] += numbers[kind] * v * v * (np.float32(1.0) + excess * bend)
