"""Texture: noise, and the slow unevenness of organs, with a length in mm that no voxel changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.anatomy.canvas import Canvas, node_unit
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import PARENCHYMA, STRUCTURES, VALUES
from pancreasgen.base.chance import Chance

TEXTURE_MM = 4.0  # distance of the noise's nodes; its autocorrelation falls to one half within half of that; assumed
TEXTURE_FACTOR = {
    **dict.fromkeys((STRUCTURES[value].name for value in PARENCHYMA), 1.0),
    **dict.fromkeys(("liver", "spleen", "kidney_right", "kidney_left", "subcutaneous_fat"), 1.0),
    **{"visceral_fat": 1.6, "spine": 3.5, "muscle": 1.4},
}  # how uneven each structure is, relative to texture_hu; assumed


@njit(cache=True)
def slow_noise(x: float, y: float, z: float, size: float, key: np.uint64) -> float:
    """Return value noise of mean 0 and SD about 1 at a point of the world: smooth between hashed nodes."""
    fx, fy, fz = x / size, y / size, z / size
    i, j, k = int(np.floor(fx)), int(np.floor(fy)), int(np.floor(fz))
    u, v, w = fx - i, fy - j, fz - k
    u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    total = 0.0
    for a in range(2):
        for b in range(2):
            for c in range(2):
                weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
                total += weight * (node_unit(key, i + a, j + b, k + c, 4) - 0.5)
    return total * 5.3


@njit(cache=True, parallel=True)
def _texture(labels: Any, water: Any, amount: Any, frame: NDArray[np.float64], scale: float, key: np.uint64) -> None:
    for i in prange(labels.shape[0]):
        for j in range(labels.shape[1]):
            for k in range(labels.shape[2]):
                size = amount[labels[i, j, k]]
                if size > 0.0:
                    x = frame[0, 0] + i * frame[1, 0]
                    y = frame[0, 1] + j * frame[1, 1]
                    z = frame[0, 2] + k * frame[1, 2]
                    water[i, j, k] *= 1.0 + size * slow_noise(x, y, z, scale, key)


def paint_texture(canvas: Canvas, physique: Physique, chance: Chance) -> None:
    """Vary the density of organs slowly; muscle, fat and marrow more, hollow organs and vessels not at all."""
    amount = np.zeros(len(STRUCTURES))
    for name, factor in TEXTURE_FACTOR.items():
        amount[VALUES[name]] = factor * physique.texture_hu / 1000.0
    frame = np.array([canvas.grid.origin_mm, canvas.grid.spacing_mm])
    _texture(canvas.labels, canvas.materials[0], amount, frame, TEXTURE_MM, np.uint64(chance.sub("texture").key))
