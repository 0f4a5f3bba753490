"""From fan views to parallel views.

The ray of view β and fan angle γ is the parallel ray of angle θ = β + γ and place u = D sin γ; a full circle measures
it again from the other side, at β + π + 2γ and −γ. Where the arc is shifted by a quarter bin the two interleave, and a
parallel view has twice the bins. A short scan (half a circle and the fan) measures some rays twice; Parker's weights
(Med Phys 9:254, 1982) share those smoothly.

First each bin is interpolated along the views, then each view along the bins, with a windowed sinc of 8 and 12 taps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.scan.fast import fma
from pancreasgen.scan.filtering import Views, interpolation_taps
from pancreasgen.scan.geometry import ArcFan
from pancreasgen.scan.shear import ROWS

Array = NDArray[np.float32]
_ROWS = np.uint64(ROWS)
ANGLE_TAPS, _PLACE_TAPS = 8, 12


@dataclass(frozen=True, slots=True, eq=False)
class Rebinning:
    """How the views of a fan become parallel ones.

    Attributes:
        views: Where the parallel views lie; twice the bins.
        circle: Views in a full circle if the scan is one, else 0.
        merged: Whether opposite rays interleave.
        weight: Of each ray (views, bins), float32; None for 1.
        direct: View of the fan that parallel view 0 reads in each bin, fractional (bins,).
        step: From parallel view to parallel view [fan views].
        half_turn: Half a circle [fan views].
        sources: Places at which a view's line is read: sample for each parallel bin (2 · bins,), for bins as they are
            and for the opposite ones.
    """

    views: Views
    circle: int
    merged: bool
    weight: Array | None
    direct: NDArray[np.float64]
    step: float
    half_turn: float
    sources: NDArray[np.float64]


def parker_weights(beta_rad: NDArray[np.float64], gamma_rad: NDArray[np.float64], excess_rad: float) -> Array:
    """Return the weights (views, bins) of a short scan; a ray and its opposite have weights of sum 1.

    Args:
        beta_rad: Angle since the first view (views,), 0 to π + 2 excess.
        gamma_rad: Fan angle of each bin (bins,), within ± excess.
        excess_rad: Half of what the scan covers beyond half a circle.
    """
    beta, gamma = beta_rad[:, None], gamma_rad[None]
    rise = np.clip(beta / np.maximum(2.0 * (excess_rad - gamma), 1e-12), 0.0, 1.0)
    fall = np.clip((math.pi + 2.0 * excess_rad - beta) / np.maximum(2.0 * (excess_rad + gamma), 1e-12), 0.0, 1.0)
    weight: Array = (np.sin(0.5 * math.pi * rise) ** 2 * np.sin(0.5 * math.pi * fall) ** 2).astype(np.float32)
    return weight


def plan_rebinning(geometry: ArcFan) -> Rebinning:
    """Return the plan of a full or a short scan.

    Raises:
        BadInputError: If the views are not evenly spaced in rising order, or cover less than half a circle and the fan,
            or more than a full circle.
    """
    beta, rays, bins = geometry.angles_rad, geometry.rays(), geometry.num_bins
    if beta.size < 2 or not np.allclose(np.diff(beta), beta[1] - beta[0], atol=1e-9) or beta[1] <= beta[0]:
        raise BadInputError("the views of a fan must be evenly spaced, in rising order")
    delta, widest = float(beta[1] - beta[0]), float(np.abs(rays.bin_rad).max())
    span = delta * (beta.size - 1)
    full = abs(delta * beta.size - 2.0 * math.pi) < 1e-6
    if not full and (span < math.pi + 2.0 * widest or span > 2.0 * math.pi):
        need = math.degrees(math.pi + 2.0 * widest)
        raise BadInputError(
            f"the views cover {math.degrees(span):.1f}°; this fan needs {need:.1f}° (short scan) to 360°",
            "measure more views, or use a narrower fan",
        )
    merged = full and abs(abs(geometry.shift_bins) - 0.25) < 1e-9
    excess = 0.0 if full else 0.5 * (span - math.pi)
    num = beta.size // 2 if full and beta.size % 2 == 0 else math.ceil(math.pi / delta)
    angles = beta[0] + excess + np.arange(num) * (math.pi / num)
    distance, pitch = geometry.source_to_isocentre_mm, geometry.bin_angle_rad
    step_mm = 0.5 * distance * pitch
    place = (np.arange(2 * bins) - (2 * bins - 1) / 2.0) * step_mm
    gamma = np.arcsin(np.clip(place / distance, -1.0, 1.0))
    if merged:
        sources = gamma[None] / (0.5 * pitch) + (2 * bins - 1) / 2.0
    else:
        middle = (bins - 1) / 2.0 - geometry.shift_bins
        sources = np.stack([gamma, -gamma]) / pitch + middle
    weight = None if merged else np.full((beta.size, bins), 0.5, dtype=np.float32)
    if not full:
        weight = parker_weights(beta - beta[0], rays.bin_rad, excess)
    return Rebinning(
        Views(angles, float(place[0]), step_mm, 2 * bins),
        beta.size if full else 0,
        merged,
        weight,
        (excess - rays.bin_rad) / delta,
        math.pi / num / delta,
        math.pi / delta,
        np.ascontiguousarray(sources),
    )


@njit(cache=True, inline="always")
def _between(line: Any, to: Any, sinogram: Any, place: Any, circle: Any, table: Any) -> None:
    """Add to a cell of a line one bin between the views. place: fractional view, bin. circle: 0 for a short scan."""
    position, k = place
    phases, taps = table.shape[0] - 1, table.shape[1]
    first = math.floor(position)
    where = (position - first) * phases
    phase = int(where)
    rest = np.float32(where - phase)
    for t in range(taps):
        view = first + t - (taps // 2 - 1)
        if circle > 0:
            view = view % circle
        elif view < 0 or view >= sinogram.shape[0]:
            continue
        weight = fma(rest, table[phase + 1, t] - table[phase, t], table[phase, t])
        for z in range(_ROWS):
            line[to, z] = fma(weight, sinogram[view, k, z], line[to, z])


@njit(cache=True)
def _along(out: Any, view: Any, line: Any, places: Any, table: Any) -> None:
    """Add to a parallel view the samples of a line."""
    phases, taps, num = table.shape[0] - 1, table.shape[1], line.shape[0]
    for n in range(places.size):
        first = math.floor(places[n])
        if first < -1 or first > num - 1:
            continue
        where = (places[n] - first) * phases
        phase = int(where)
        rest = np.float32(where - phase)
        for t in range(taps):
            m = first + t - (taps // 2 - 1)
            if 0 <= m < num:
                weight = fma(rest, table[phase + 1, t] - table[phase, t], table[phase, t])
                for z in range(_ROWS):
                    out[view, n, z] = fma(weight, line[m, z], out[view, n, z])


@njit(cache=True, parallel=True)
def _rebin(out: Any, sinogram: Any, scratch: Any, plan: Any, sources: Any, tables: Any) -> None:
    direct, step, half_turn, circle, merged = plan
    by_angle, by_place = tables
    tasks, bins = scratch.shape[0], sinogram.shape[1]
    for task in prange(tasks):
        line = scratch[task]
        for view in range(task, out.shape[0], tasks):
            if merged:
                for m in range(2 * bins):
                    for z in range(_ROWS):
                        line[m, z] = np.float32(0.0)
                early = 0 if merged > 0 else 1  # which of two neighbours is the opposite ray
                for k in range(bins):
                    place = view * step + direct[k]
                    _between(line, 2 * k + 1 - early, sinogram, (place, k), circle, by_angle)
                    _between(line, 2 * (bins - 1 - k) + early, sinogram, (place + half_turn, k), circle, by_angle)
                _along(out, view, line, sources[0], by_place)
                continue
            for side in range(2):
                turns = (0.0, 0.0) if side == 0 else (-half_turn, half_turn)
                for k in range(bins):
                    for z in range(_ROWS):
                        line[k, z] = np.float32(0.0)
                    for turn in range(1 if circle > 0 or side == 0 else 2):
                        at = view * step + direct[k] + turns[1 - turn]
                        _between(line, k, sinogram, (at, k), circle, by_angle)
                _along(out, view, line[:bins], sources[side], by_place)


def rebin(sinogram: Array, geometry: ArcFan) -> tuple[Array, Views]:
    """Return the parallel views (views, 2 · bins, 32) of a block of fan views (views, bins, 32), and where they lie.

    Raises:
        BadInputError: If the scan is neither full nor short (:func:`plan_rebinning`).
    """
    plan = plan_rebinning(geometry)
    data = sinogram if plan.weight is None else sinogram * plan.weight[:, :, None]
    out = np.zeros((plan.views.angles_rad.size, plan.views.num, ROWS), dtype=np.float32)
    scratch = np.zeros((numba.get_num_threads(), plan.views.num, ROWS), dtype=np.float32)
    sign = (1 if geometry.shift_bins > 0.0 else -1) if plan.merged else 0
    numbers = (plan.direct, plan.step, plan.half_turn, plan.circle, sign)
    tables = (interpolation_taps(ANGLE_TAPS), interpolation_taps(_PLACE_TAPS))
    _rebin(out, np.ascontiguousarray(data), scratch, numbers, plan.sources, tables)
    return out, plan.views
