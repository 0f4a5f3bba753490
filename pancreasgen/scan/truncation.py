"""Bodies that are wider than the fan: what the views miss is guessed, so that the rest of the image keeps its HU.

A view that cuts through the body ends in a cliff, which the ramp filter turns into a bright rim and a cupped inside.
So beyond the last bin the body goes on as a cylinder of water would whose path and slope there are those measured
(Hsieh et al., Med Phys 31:2385, 2004): along the detector p² is a parabola with second derivative −8.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pancreasgen.scan.project import Plane
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.ranges import RANGES
from pancreasgen.scan.reconstruct import OUTSIDE_HU

Image = NDArray[np.float32]

CUT_MM = 10.0
"""Path of water at the edge of a view from which the view counts as cut: above noise, below any body [mm]."""
_EDGE = 8  # bins from which path and slope at the edge are taken
_STEEPEST = 40.0  # the path of a cylinder of 600 mm grows by less per mm at 0.4 mm from its rim


def edge_paths_mm(sinogram: Image) -> Image:
    """Return the mean path of water in the outermost 8 bins of each side, shape (2, views, rows) [mm].

    Args:
        sinogram: Path of water (views, bins, rows) [mm].
    """
    ends = (sinogram[:, :_EDGE].mean(axis=1), sinogram[:, -_EDGE:].mean(axis=1))
    return np.stack(ends)


def cut_share(sinogram: Image) -> float:
    """Return the share of views (of all rows) that end inside the body, at either side; 0 for a body that fits.

    >>> cut_share(np.zeros((4, 64, 2), dtype=np.float32))
    0.0
    """
    return float(np.mean((edge_paths_mm(sinogram) > CUT_MM).any(axis=0)))


def widened(sinogram: Image, protocol: Protocol) -> tuple[Image, Protocol]:
    """Return a sinogram that goes on beyond the detector where views are cut, and the protocol of the wider detector.

    Args:
        sinogram: Path of water (views, bins, rows) [mm].
        protocol: What measured it.

    Returns:
        Both unchanged if no view is cut; else with as many more bins at each side as the widest field of view that a
        protocol may have.
    """
    if not (edge_paths_mm(sinogram) > CUT_MM).any():
        return sinogram, protocol
    more = _more_bins(protocol)
    if more == 0:
        return sinogram, protocol
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    left = _beyond(sinogram[:, ::-1], more, bin_mm)[:, ::-1]
    right = _beyond(sinogram, more, bin_mm)
    wide = np.ascontiguousarray(np.concatenate([left, sinogram, right], axis=1))
    half = protocol.bin_angle_rad * (protocol.num_bins + 2 * more) / 2.0
    fov = 2.0 * protocol.source_to_isocentre_mm * math.sin(half)
    return wide, dataclasses.replace(protocol, num_bins=protocol.num_bins + 2 * more, fan_fov_mm=fov)


def reconstruct_whole(
    sinogram: Image, plane: Plane, protocol: Protocol, reconstruct: Callable[[Image, Plane, Protocol], Image]
) -> Image:
    """Return the slices of a block, as ``reconstruct`` makes them, from views that go on where they are cut.

    Args:
        sinogram: Path of water (views, bins, rows) [mm].
        plane: Pixels of the image about the isocentre.
        protocol: Geometry and kernel.
        reconstruct: :func:`pancreasgen.scan.reconstruct.reconstruct` or its like.

    Returns:
        What it returns; outside the circle that every view sees whole nothing was measured, and all is −1000 HU.
    """
    wide, wider = widened(sinogram, protocol)
    image = reconstruct(wide, plane, wider)
    if wider is not protocol:
        x = plane.first_mm[0] + np.arange(plane.shape[0]) * plane.spacing_mm[0]
        y = plane.first_mm[1] + np.arange(plane.shape[1]) * plane.spacing_mm[1]
        image[np.hypot(x[None, :], y[:, None]) > protocol.fan_fov_mm / 2.0] = OUTSIDE_HU
    return image


def _more_bins(protocol: Protocol) -> int:
    """Return how many bins fit at each side within the limits of a protocol."""
    widest = 2.0 * math.asin(RANGES["fan_fov_mm"][1] / 2.0 / protocol.source_to_isocentre_mm)
    room = int(min(widest / protocol.bin_angle_rad - 0.01, RANGES["num_bins"][1])) - protocol.num_bins
    return max(room // 2, 0)


def _beyond(sinogram: Image, more: int, bin_mm: float) -> Image:
    """Return the paths beyond the last bin (views, more, rows): a water cylinder's, which ends softly at the latest."""
    outer, inner = sinogram[:, -_EDGE:].mean(axis=1), sinogram[:, -2 * _EDGE : -_EDGE].mean(axis=1)
    slope = np.clip((outer - inner) / (_EDGE * bin_mm), -_STEEPEST, _STEEPEST)
    edge = np.maximum(outer + slope * (_EDGE / 2.0 - 0.5) * bin_mm, 0.0)
    way = (np.arange(1, more + 1, dtype=np.float64) * bin_mm)[None, :, None]
    square = edge[:, None] ** 2 + 2.0 * (edge * slope)[:, None] * way - 4.0 * way**2
    paths = np.sqrt(np.maximum(square, 0.0))
    paths *= (outer > CUT_MM)[:, None]
    ease = np.clip((more - np.arange(1, more + 1)) / (0.5 * more), 0.0, 1.0)
    paths *= (0.5 - 0.5 * np.cos(np.pi * ease))[None, :, None]
    return np.asarray(paths, dtype=np.float32)
