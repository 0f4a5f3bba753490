"""What a user should know about a scan before it is trusted: one sentence each, no fault."""

from __future__ import annotations

import math

import numpy as np

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.kernels import carried_mtf, finest_mtf10
from pancreasgen.scan.materials import HIGHEST_HU
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.ranges import RANGES
from pancreasgen.scan.scan import Sinogram
from pancreasgen.scan.truncation import cut_share

LOWEST_HU = -1024.0  # what CT files hold for air; whatever is lower is filling
_AIR_HU = -900.0
_BODY_G_CM3 = 0.1
_SHARP_SHARE = 0.5  # of the image's half width that must be free of streaks by views; assumed


def sharp_radius_mm(protocol: Protocol, pixel_mm: float) -> float:
    """Return the radius about the axis within which the views are enough for the kernel [mm].

    Detail of frequency f at radius r is carried by N views of 360° of a fan with its focus at D if
    N ≥ 4 π f r / (1 + r/D) (Natterer, The Mathematics of Computerized Tomography, 1986, chapter III; recalled). f is
    the kernel's MTF50, held as the scanner holds it for its bins and pixels: above it there is too little signal to
    make streaks that stand out (assumed).

    Args:
        protocol: Views, kernel and bins.
        pixel_mm: Width of the image's pixels [mm].
    """
    limit = finest_mtf10(protocol.bin_angle_rad * protocol.source_to_isocentre_mm, pixel_mm)
    half = carried_mtf(protocol.kernel, limit)[0]
    at_axis = protocol.num_views / (4.0 * math.pi * half)
    share = at_axis / protocol.source_to_isocentre_mm
    return math.inf if share >= 1.0 else at_axis / (1.0 - share)


def about_views(protocol: Protocol, grid: Grid) -> list[str]:
    """Return a sentence if the views are too few for the kernel, else nothing.

    >>> from dataclasses import replace
    >>> from pancreasgen.scan.protocol import load_protocol
    >>> grid = Grid.centred((512, 512, 1), (0.8, 0.8, 2.5), (0.0, 0.0, 0.0))
    >>> about_views(load_protocol("portal-venous"), grid)
    []
    >>> len(about_views(replace(load_protocol("portal-venous"), num_views=180), grid))
    1
    """
    radius = sharp_radius_mm(protocol, max(grid.spacing_mm[:2]))
    reach = max(n * s for n, s in zip(grid.shape[:2], grid.spacing_mm[:2], strict=True)) / 2.0
    if radius >= _SHARP_SHARE * reach:
        return []
    return [
        f"{protocol.num_views} views are few for the kernel `{protocol.kernel}`: beyond {radius:.0f} mm from the axis "
        "expect streaks (more num_views, or a softer kernel)"
    ]


def about_width(materials: Volume, protocol: Protocol, isocentre_mm: tuple[float, float]) -> list[str]:
    """Return a sentence if the body is wider than what every view sees, else nothing.

    Args:
        materials: Densities of the basis materials.
        protocol: Its ``fan_fov_mm`` is used.
        isocentre_mm: Axis of rotation (x, y) [mm].
    """
    filled = np.zeros(materials.grid.shape[:2], dtype=bool)
    for k in range(materials.grid.shape[2]):
        filled |= (materials.data[0, :, :, k] + materials.data[1, :, :, k]) > _BODY_G_CM3
    x, y, _ = materials.grid.mesh_mm()
    far = np.hypot(x - isocentre_mm[0], y - isocentre_mm[1])[:, :, 0]
    reach = float(far[filled].max(initial=0.0))
    if reach <= protocol.fan_fov_mm / 2.0:
        return []
    return [
        f"the body reaches {reach:.0f} mm from the axis, the views see {protocol.fan_fov_mm / 2.0:g} mm: what they "
        "miss is guessed, and HU near the edge are not to be trusted" + _wider(protocol)
    ]


def about_cut(sinogram: Sinogram) -> list[str]:
    """Return a sentence if views of a sinogram end inside the body, else nothing."""
    share = cut_share(sinogram.data)
    if share == 0.0:
        return []
    return [
        f"{max(100.0 * share, 0.1):.1f} % of the views end inside the body: what they miss is guessed, and HU near the "
        "edge are not to be trusted"
    ]


def _wider(protocol: Protocol) -> str:
    most = RANGES["fan_fov_mm"][1]
    return f" (fan_fov_mm may be up to {most:g})" if protocol.fan_fov_mm < most else ""


def about_numbers(volume: Volume, name: str) -> list[str]:
    """Return a sentence for each kind of HU that is not taken as it is.

    Args:
        volume: HU.
        name: What the user calls it.
    """
    if volume.quantity is not Quantity.HU:
        raise BadInputError(f"a volume of CT numbers (hu) is wanted, not of {volume.quantity.value}")
    told = []
    low, high = int((volume.data < LOWEST_HU).sum()), int((volume.data > HIGHEST_HU).sum())
    if low:
        told.append(f"{low:,} voxels of {name} are below {LOWEST_HU:g} HU: they are scanned as nothing")
    if high:
        told.append(f"{high:,} voxels of {name} are above {HIGHEST_HU:g} HU: they are scanned as {HIGHEST_HU:g}")
    return told


def about_gaps(volume: Volume, name: str) -> list[str]:
    """Return a sentence if slices are missing in the midst of a volume, filled with air.

    Args:
        volume: HU.
        name: What the user calls it.

    Raises:
        BadInputError: If they are filled with one number that is not air, and would be scanned as a plate.
    """
    low, high = volume.data.min(axis=(0, 1)), volume.data.max(axis=(0, 1))
    plain = np.flatnonzero(low == high)
    rest = np.flatnonzero(low != high)
    if not rest.size:
        return []
    gaps = plain[(plain > rest[0]) & (plain < rest[-1])]
    if not gaps.size:
        return []
    places = _places(gaps)
    solid = gaps[low[gaps] > _AIR_HU]
    if solid.size:
        raise BadInputError(
            f"{name} has a gap: slice {_places(solid)} along z holds nothing but {float(low[solid[0]]):g} HU",
            "fill the missing slices, or give them −1000 HU",
        )
    return [f"{name} has a gap: slice {places} along z is empty, and slices on both sides are not"]


def _places(numbers: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> str:
    """Return the numbers of slices in words, at most five.

    >>> _places(np.array([3, 4]))
    '3, 4'
    """
    shown = ", ".join(str(int(n)) for n in numbers[:5])
    return shown if len(numbers) <= 5 else f"{shown} and {len(numbers) - 5} more"
