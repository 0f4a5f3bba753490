"""One resampling for all that moves: every voxel asks where it came from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import make_interp_spline

from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.vary.motion import Floats, Motion

BORDERS = {"air": "nearest", "edge": "nearest", "mirror": "reflect"}
"""What is put where nothing was seen: air (labels: 0), the outermost voxel again, or the mirror image."""
ORDERS = {"linear": 1, "cubic": 3}
AIR_HU = -1000.0
_EXACT = 1e-9
_HALF = 0.5 + 1e-6  # a voxel reaches half its width beyond its centre
_SLAB_VOXELS = 2_000_000
_SAMPLES = 4  # of the flow between two of its knots


@dataclass(frozen=True, slots=True, eq=False)
class Pullback:
    """For every voxel of one grid the place in another that it shows, in fractional indices.

    Attributes:
        source: The grid that is shown.
        target: The grid that shows it.
        matrix: Linear part (3, 3), index to index.
        shift: Constant part (3,).
        bend: What the flow adds: samples (3, a, b, c) in indices of the source, or None.
        weights: For each axis the share (n, a) of each sample in each voxel; empty without a bend.
    """

    source: Grid
    target: Grid
    matrix: Floats
    shift: Floats
    bend: Floats | None
    weights: tuple[Floats, ...]

    def coordinates(self, begin: int, end: int) -> Floats:
        """Return the places (3, x, y, z) for the slices from begin to end."""
        x, y, z = np.ogrid[: self.target.shape[0], : self.target.shape[1], begin:end]
        rows = [row[0] * x + row[1] * y + (row[2] * z + add) for row, add in zip(self.matrix, self.shift, strict=True)]
        where = np.stack(rows)
        if self.bend is not None:
            wx, wy, wz = self.weights
            thin = np.einsum("nabc,zc->nabz", self.bend, wz[begin:end])
            thin = np.einsum("nabz,yb->nayz", thin, wy, optimize=True)
            where += np.einsum("nayz,xa->nxyz", thin, wx, optimize=True)
        return np.asarray(where)

    @property
    def steps(self) -> NDArray[np.int64] | None:
        """The map (3, 4) in whole voxels, if it is one: then nothing is interpolated and no bit changes."""
        exact = np.rint(self.matrix)
        shift = np.rint(self.shift)
        if (
            self.bend is not None
            or np.abs(self.matrix - exact).max() > _EXACT
            or np.abs(self.shift - shift).max() > 1e-6
        ):
            return None
        if not (np.abs(exact).sum(axis=0) == 1).all() or not (np.abs(exact).sum(axis=1) == 1).all():
            return None
        return np.column_stack([exact, shift]).astype(np.int64)


def pullback(motion: Motion, source: Grid, target: Grid | None = None) -> Pullback:
    """Return where each voxel of a grid came from.

    Args:
        motion: What moves.
        source: Where the voxels were.
        target: Where they are wanted; the same grid where None.
    """
    target = target or source
    spacing, inverse = np.array(source.spacing_mm), np.linalg.inv(motion.matrix)
    matrix = inverse * np.array(target.spacing_mm) / spacing[:, None]
    start = inverse @ (np.array(target.origin_mm) - motion.centre_mm) + motion.centre_mm
    shift = (start - np.array(source.origin_mm)) / spacing
    if motion.flow is None:
        return Pullback(source, target, matrix, shift, None, ())
    step = motion.flow.spacing_mm / _SAMPLES
    axes, weights = [], []
    for axis in range(3):
        centres = target.axis_mm(axis)
        count = max(math.ceil((centres[-1] - centres[0]) / step) + 1, 4)
        knots = np.linspace(centres[0] - 0.25 * step, centres[-1] + 0.25 * step, count)
        axes.append(knots)
        weights.append(np.asarray(make_interp_spline(knots, np.eye(count), k=3)(centres)))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    moved = motion.flow.follow(points.reshape(-1, 3), -1.0) - points.reshape(-1, 3)
    bend = ((moved @ inverse.T) / spacing).T.reshape(3, *points.shape[:3])
    return Pullback(source, target, matrix, shift, np.ascontiguousarray(bend), tuple(weights))


def resample(volume: Volume, pull: Pullback, border: str = "air", order: str = "linear") -> tuple[Volume, float]:
    """Return a volume as the grid of a pullback shows it, and the share of its voxels that nothing was seen of.

    Labels are taken from the nearest voxel, at the very places of the image's voxels; so the two move together.

    Args:
        volume: What is shown, on the source grid; of DENSITY, each channel.
        pull: Where each voxel came from.
        border: One of BORDERS.
        order: One of ORDERS; fractions and labels are never cubic, for cubic curves overshoot.
    """
    whole = pull.steps
    label = volume.quantity is Quantity.LABEL
    power = 0 if label else ORDERS[order] if volume.quantity is Quantity.HU else 1
    channels = volume.data if volume.quantity is Quantity.DENSITY else volume.data[None]
    out = np.empty((len(channels), *pull.target.shape), volume.data.dtype)
    fill = {Quantity.HU: AIR_HU, Quantity.DISTANCE: float(volume.data.min())}.get(volume.quantity, 0.0)
    outside = 0
    smooth = [ndimage.spline_filter(c, 3, mode="mirror", output=np.float64) if power == 3 else c for c in channels]
    height = max(_SLAB_VOXELS // (pull.target.shape[0] * pull.target.shape[1]), 1)
    for begin in range(0, pull.target.shape[2], height):
        end = min(begin + height, pull.target.shape[2])
        where = pull.coordinates(begin, end)
        if whole is not None:
            where = np.rint(where)
        beyond = np.zeros(where.shape[1:], np.bool_)
        for axis, count in enumerate(pull.source.shape):
            beyond |= (where[axis] < -_HALF) | (where[axis] > count - 1 + _HALF)
        outside += int(np.count_nonzero(beyond))
        _sample((channels, smooth), where, (0 if whole is not None else power, border), out[..., begin:end])
        if border == "air":
            _fill(out[..., begin:end], beyond, fill)
    share = outside / (pull.target.shape[0] * pull.target.shape[1] * pull.target.shape[2])
    return Volume(out if volume.quantity is Quantity.DENSITY else out[0], pull.target, volume.quantity), share


def _fill(out: NDArray[Any], beyond: NDArray[np.bool_], value: float) -> None:
    for channel in out:
        channel[beyond] = value


def _sample(channels: Any, where: Any, how: tuple[Any, str], out: NDArray[Any]) -> None:
    """Write what each channel shows at some places."""
    power, border = how
    plain, smooth = channels
    for number in range(len(plain)):
        if power == 3:  # the spline's own mirror ends within the volume; beyond it the border's rule is put first
            _inward(where, plain[number].shape, border)
        source = smooth[number] if power == 3 else plain[number]
        mode: Any = "mirror" if power == 3 else BORDERS[border]
        out[number] = ndimage.map_coordinates(source, where, order=power, mode=mode, prefilter=False)


def _inward(where: Floats, shape: tuple[int, ...], border: str) -> None:
    """Bring places beyond a volume to the places within it that the border's rule shows there."""
    for axis, count in enumerate(shape):
        if border == "mirror":
            turned = np.mod(where[axis] + 0.5, 2.0 * count)
            where[axis] = np.where(turned > count, 2.0 * count - turned, turned) - 0.5
        np.clip(where[axis], 0.0, count - 1.0, out=where[axis])
