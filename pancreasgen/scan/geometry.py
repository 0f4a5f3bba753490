"""Where the rays of a scan run: frozen values, no data, no kernels.

Frame: x and y in the plane of the rotation, isocentre where the axis meets it. The view at angle β has its focus at
D (−sin β, cos β): in front (+y) at 0, then to −x. A ray of fan angle γ runs along (sin α, −cos α) with α = β + γ, and
every point p of it has p · (cos α, sin α) = D sin γ. In a parallel beam γ is 0 and the right side is the bin's place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import checked_number, frozen_array
from pancreasgen.base.errors import BadInputError

MOST_VIEWS, MOST_BINS, MOST_ROWS = 100_000, 100_000, 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """The rays of one row: view v, bin k see p · (cos α, sin α) = offset_mm[k] with α = view_rad[v] + bin_rad[k].

    Attributes:
        view_rad: Angle of each view (shape (views,)) [rad].
        bin_rad: What each bin adds to it (shape (bins,)) [rad].
        offset_mm: Signed distance of each bin's ray from the isocentre (shape (bins,)) [mm].
    """

    view_rad: NDArray[np.float64]
    bin_rad: NDArray[np.float64]
    offset_mm: NDArray[np.float64]


def _checked(geometry: Any) -> None:
    """Lock the angles and check the numbers that all geometries have."""
    angles = frozen_array(geometry.angles_rad, "the view angles", (None,), "f8")
    if not 1 <= angles.size <= MOST_VIEWS:
        raise BadInputError(f"a geometry needs 1 to {MOST_VIEWS:,} views, not {angles.size}")
    object.__setattr__(geometry, "angles_rad", angles)
    for name, most in (("num_bins", MOST_BINS), ("num_rows", MOST_ROWS)):
        number = getattr(geometry, name)
        if int(number) != number or not 1 <= number <= most:
            raise BadInputError(f"{name} must be a whole number from 1 to {most:,}, not {number!r}")
        object.__setattr__(geometry, name, int(number))
    checked_number("row_mm", geometry.row_mm, 1e-3, 100.0, "mm")
    checked_number("shift_bins", geometry.shift_bins, -MOST_BINS, MOST_BINS, "bins")
    isocentre = tuple(checked_number("isocentre", c, -2000.0, 2000.0, "mm") for c in geometry.isocentre_mm)
    if len(isocentre) != 2:
        raise BadInputError(f"an isocentre has two coordinates (x, y), not {len(isocentre)}")
    object.__setattr__(geometry, "isocentre_mm", isocentre)


def _check_fan(geometry: Any) -> None:
    _checked(geometry)
    checked_number("source_to_isocentre_mm", geometry.source_to_isocentre_mm, 1.0, 10_000.0, "mm")
    checked_number("bin_angle_rad", geometry.bin_angle_rad, 1e-7, 1.0, "rad")
    widest = float(np.abs(_places(geometry)).max()) * geometry.bin_angle_rad
    if widest >= math.pi / 2.0:
        raise BadInputError(f"a fan must stay within ±90°, not reach {math.degrees(widest):.0f}°", "use fewer bins")


def _places(geometry: Any) -> NDArray[np.float64]:
    """Return the place of each bin's middle about the central ray [bins]."""
    result: NDArray[np.float64] = np.arange(geometry.num_bins) - (geometry.num_bins - 1) / 2.0 + geometry.shift_bins
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Parallel:
    """A stack of parallel beams.

    Attributes:
        angles_rad: Angle of each view (views,) [rad].
        num_bins: Rays of a view.
        bin_mm: Their distance [mm].
        shift_bins: Shift of all bins [bins]; 0 puts the middle of the detector on the isocentre.
        isocentre_mm: Axis of rotation (x, y) [mm].
        first_row_mm: z of row 0 [mm].
        row_mm: Distance of rows [mm].
        num_rows: Rows of the stack.

    Raises:
        BadInputError: If there is no view, a number is not whole where it must be, or an angle is not finite.
        UsageError: If a number is outside its range.

    >>> Parallel(np.zeros(1), 3, 0.5, 0.0, (0.0, 0.0), 0.0, 1.0, 1).rays().offset_mm.tolist()
    [-0.5, 0.0, 0.5]
    """

    angles_rad: NDArray[np.float64]
    num_bins: int
    bin_mm: float
    shift_bins: float
    isocentre_mm: tuple[float, float]
    first_row_mm: float
    row_mm: float
    num_rows: int

    def __post_init__(self) -> None:
        _checked(self)
        checked_number("bin_mm", self.bin_mm, 1e-4, 1000.0, "mm")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Views, bins, rows."""
        return self.angles_rad.size, self.num_bins, self.num_rows

    def rays(self) -> Rays:
        """Return the rays of a row."""
        return Rays(self.angles_rad, np.zeros(self.num_bins), _places(self) * self.bin_mm)


@dataclass(frozen=True, slots=True, eq=False)
class ArcFan:
    """A stack of fan beams on an arc about the focus.

    Attributes:
        angles_rad: Angle of the focus in each view (views,) [rad].
        num_bins: Detector elements along the arc.
        bin_angle_rad: Their distance as the focus sees it [rad].
        shift_bins: Shift of the arc [bins]; a quarter lets opposite views interleave.
        source_to_isocentre_mm: Focus to axis [mm].
        isocentre_mm: Axis of rotation (x, y) [mm].
        first_row_mm: z of row 0 [mm].
        row_mm: Distance of rows [mm].
        num_rows: Rows of the stack.

    Raises:
        BadInputError: As :class:`Parallel`, and if the fan reaches 90°.
        UsageError: If a number is outside its range.

    >>> ArcFan(np.zeros(1), 2, 0.2, 0.0, 500.0, (0.0, 0.0), 0.0, 1.0, 1).rays().bin_rad.tolist()
    [-0.1, 0.1]
    """

    angles_rad: NDArray[np.float64]
    num_bins: int
    bin_angle_rad: float
    shift_bins: float
    source_to_isocentre_mm: float
    isocentre_mm: tuple[float, float]
    first_row_mm: float
    row_mm: float
    num_rows: int

    def __post_init__(self) -> None:
        _check_fan(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Views, bins, rows."""
        return self.angles_rad.size, self.num_bins, self.num_rows

    def rays(self) -> Rays:
        """Return the rays of a row."""
        return _fan_rays(self)


@dataclass(frozen=True, slots=True, eq=False)
class ArcCone:
    """A cone beam on a detector that is an arc about the focus, with rows parallel to the axis.

    Attributes:
        angles_rad: Angle of the focus in each view (views,) [rad].
        source_z_mm: z of the focus in each view (views,): constant is axial, linear is helical [mm].
        num_bins: Detector elements along the arc.
        bin_angle_rad: Their distance as the focus sees it [rad].
        shift_bins: Shift of the arc [bins].
        num_rows: Detector rows, centred on the focus.
        row_mm: Height of a row at the isocentre [mm].
        source_to_isocentre_mm: Focus to axis [mm].
        isocentre_mm: Axis of rotation (x, y) [mm].

    Raises:
        BadInputError: As :class:`ArcFan`, and if there is not one z for each view.
        UsageError: If a number is outside its range.

    >>> ArcCone(np.zeros(1), np.zeros(1), 2, 0.2, 0.0, 3, 0.5, 500.0, (0.0, 0.0)).row_offsets_mm().tolist()
    [-0.5, 0.0, 0.5]
    """

    angles_rad: NDArray[np.float64]
    source_z_mm: NDArray[np.float64]
    num_bins: int
    bin_angle_rad: float
    shift_bins: float
    num_rows: int
    row_mm: float
    source_to_isocentre_mm: float
    isocentre_mm: tuple[float, float]

    def __post_init__(self) -> None:
        _check_fan(self)
        places = frozen_array(self.source_z_mm, "the z of the focus", (self.angles_rad.size,), "f8")
        object.__setattr__(self, "source_z_mm", places)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Views, bins, rows."""
        return self.angles_rad.size, self.num_bins, self.num_rows

    def rays(self) -> Rays:
        """Return the rays as seen along the axis."""
        return _fan_rays(self)

    def row_offsets_mm(self) -> NDArray[np.float64]:
        """Return how far above the focus each row's ray passes at the distance of the axis (rows,) [mm]."""
        return np.asarray((np.arange(self.num_rows) - (self.num_rows - 1) / 2.0) * self.row_mm, dtype=np.float64)


def _fan_rays(geometry: ArcFan | ArcCone) -> Rays:
    fan = _places(geometry) * geometry.bin_angle_rad
    return Rays(geometry.angles_rad, fan, geometry.source_to_isocentre_mm * np.sin(fan))


Geometry = Parallel | ArcFan | ArcCone
