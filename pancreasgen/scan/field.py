"""All that the views see: an iterative reconstruction must find the whole body, whatever part of it is wanted."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from pancreasgen.scan.project import BLOCK, Image, Plane

FINEST, COARSEST = 0.7, 1.2
"""Pixels of the iteration, in bins: finer ones tell nothing more, coarser ones cannot carry what the bins see."""


def radius_mm(plane: Plane) -> NDArray[np.float64]:
    """Return how far each pixel is from the isocentre (ny, nx) [mm]."""
    x, y = (
        first + np.arange(n) * step
        for first, n, step in zip(plane.first_mm, plane.shape, plane.spacing_mm, strict=True)
    )
    result: NDArray[np.float64] = np.hypot(x[None, :], y[:, None])
    return result


@dataclass(frozen=True, slots=True)
class Field:
    """All pixels that the views see: what lies beside an image must be found with it.

    Attributes:
        plane: Pixels of the iteration; those at the border are empty.
        radius_mm: Nothing is beyond [mm].
        offset: The image's pixel (0, 0) is this one (x, y), if the pixels are the image's own, else None.
    """

    plane: Plane
    radius_mm: float
    offset: tuple[int, int] | None

    @classmethod
    def about(cls, plane: Plane, radius_mm: float, bin_mm: float) -> Field:
        """Return the field of an image: its own pixels, continued, unless they are too fine or too coarse for the bins.

        Args:
            plane: Pixels of the image.
            radius_mm: Radius of what the views see [mm].
            bin_mm: Distance of bins at the isocentre [mm].
        """
        step = tuple(min(max(size, FINEST * bin_mm), COARSEST * bin_mm) for size in plane.spacing_mm)
        own = step == plane.spacing_mm
        low, shape = [], []
        for axis in (0, 1):
            start = plane.first_mm[axis] if own else 0.0
            below = math.floor((-radius_mm - start) / step[axis]) - 1
            low.append(below)
            shape.append(math.ceil((radius_mm - start) / step[axis]) + 2 - below)
        first = [(plane.first_mm[axis] if own else 0.0) + low[axis] * step[axis] for axis in (0, 1)]
        field = Plane((shape[0], shape[1]), (step[0], step[1]), (first[0], first[1]))
        return cls(field, radius_mm, (-low[0], -low[1]) if own else None)

    def inside(self) -> NDArray[np.bool_]:
        """Return which pixels may hold something (ny, nx)."""
        return np.asarray(radius_mm(self.plane) <= self.radius_mm)

    def image(self, block: Image, plane: Plane) -> Image:
        """Return the pixels of an image: cut out, or interpolated by cubic splines (ny, nx, 32)."""
        nx, ny = plane.shape
        out = np.zeros((ny, nx, BLOCK), dtype=np.float32)
        if self.offset is not None:
            (x0, y0), (fx, fy) = self.offset, self.plane.shape
            x, y = np.arange(nx) + x0, np.arange(ny) + y0
            has_x, has_y = (x >= 0) & (x < fx), (y >= 0) & (y < fy)
            out[np.ix_(has_y, has_x)] = block[np.ix_(y[has_y], x[has_x])]
            return out
        (sx, sy), (px, py) = self.plane.spacing_mm, plane.spacing_mm
        start = [(plane.first_mm[1] - self.plane.first_mm[1]) / sy, (plane.first_mm[0] - self.plane.first_mm[0]) / sx]

        def work(z: int) -> None:
            out[:, :, z] = scipy.ndimage.affine_transform(block[:, :, z], (py / sy, px / sx), start, (ny, nx))

        with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
            list(pool.map(work, range(BLOCK)))
        return out
