"""How a case is framed: the CT's grid around a gland, and the scanner's settings as users give them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.checks import checked_number
from pancreasgen.base.errors import UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.organ.organ import Organ
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.ranges import RANGES

_BODY_MARGIN = 1.1
_STEP_MM = 1 / 256  # spacings and origins are multiples of it: exact in the float32 of a NIfTI header


def image_grid(organ: Organ, physique: Physique, protocol: Protocol, length_mm: float) -> Grid:
    """Return the CT's grid: the protocol's field of view, widened to hold the body, and slices around the gland.

    Spacings in the slice and the origin are multiples of 1/256 mm, which a NIfTI header holds exactly.

    Args:
        organ: The gland, in the middle of the slices.
        physique: The body, in the middle of the field of view.
        protocol: Matrix, field of view and slices.
        length_mm: Length of the scan [mm].
    """
    width = max(2 * physique.half_width_mm + physique.arms_width_mm, physique.front_depth_mm + physique.back_depth_mm)
    fov = min(max(protocol.fov_mm, _BODY_MARGIN * width), max(protocol.fan_fov_mm, protocol.fov_mm))
    pixel = math.ceil(fov / protocol.matrix / _STEP_MM) * _STEP_MM
    slices = max(1, math.ceil(length_mm / protocol.slice_increment_mm - 1e-9))
    planes = np.flatnonzero(organ.regions.data.any(axis=(0, 1)))
    heights = organ.regions.grid.axis_mm(2)[planes]
    middle = (0.0, 0.5 * (physique.front_depth_mm - physique.back_depth_mm), float(heights[0] + heights[-1]) / 2)
    grid = Grid.centred((protocol.matrix, protocol.matrix, slices), (pixel, pixel, protocol.slice_increment_mm), middle)
    x, y, z = (round(o / _STEP_MM) * _STEP_MM for o in grid.origin_mm)
    return replace(grid, origin_mm=(x, y, z))


def parsed_like(key: str, text: str, old: Any) -> Any:
    """Return text as a value of the old one's kind.

    Args:
        key: Dotted key of a field of a protocol.
        text: What the user gave.
        old: The field's value.

    Raises:
        UsageError: If the text is no such value, or outside the field's range; the message names key and range.

    >>> parsed_like("protocol.mas", "50", 200.0)
    50.0
    """
    if isinstance(old, bool):
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{key} must be true or false, not {text}")
        return text.lower() == "true"
    if not isinstance(old, int | float):
        return text
    number = checked_number(key, text, *RANGES[key.partition(".")[2]])
    if isinstance(old, int) and not number.is_integer():
        raise UsageError(f"{key} must be a whole number, not {text}")
    return number
