"""Shares of voxels that cones cover: wide cones by cutting voxels into cells, thin ones by cutting the cones.

**Wide cones.** A voxel that the surface may cross is cut into cells no longer than a quarter of the radius. Of a cell
with edges h the surface takes ½ − d/w, between 0 and 1, with d its centre's signed distance and w² = ∑ nᵢ² hᵢ². This
ramp has the mean and the variance of the cell's true profile along the normal n, so that errors of cells cancel in
sums. A curved surface leaves its tangent plane by κx²/2; d grows by the mean of that over the cell.

**Thin cones** (below half of a voxel's shortest edge) are cut into discs of exactly known volume and these into
points; each point's volume goes to the voxel that it lies in. A point within m thin cones counts 1/m from each, and
one within a wide cone nothing. So the total is exact for whatever voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.anatomy.roundcone import Cone, cone_distance, cone_span, slice_radius, touching_ball, volume_up_to

THIN_EDGES = 0.5  # radius in shortest voxel edges below which a cone is thin
DISCS_PER_EDGE = 8
_GOLDEN_RAD = 2.399963229728653  # π(3 − √5)

Ints = NDArray[np.int64]


@njit(cache=True)
def touched(cones: Cone, spacing: Any, corner: Ints, shape: Ints, out: Any) -> int:
    """Write (flat voxel of the box, cone) pairs that may overlap into out; count them only if out is empty.

    The box begins at the grid's voxel ``corner`` and has ``shape``.
    """
    reach = 0.5 * np.sqrt((spacing * spacing).sum())
    count = 0
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for row in range(len(cones)):
        cone = cones[row]
        for axis in range(3):
            least = min(cone[axis] - cone[3], cone[axis + 4] - cone[7]) / spacing[axis]
            most = max(cone[axis] + cone[3], cone[axis + 4] + cone[7]) / spacing[axis]
            low[axis] = max(corner[axis], int(np.ceil(least - 0.5 - 1e-6)))
            high[axis] = min(corner[axis] + shape[axis] - 1, int(np.floor(most + 0.5 + 1e-6)))
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    if cone_distance(i * spacing[0], j * spacing[1], k * spacing[2], cone) < reach:
                        if len(out):
                            flat = ((i - corner[0]) * shape[1] + j - corner[1]) * shape[2] + k - corner[2]
                            out[count, 0] = flat
                            out[count, 1] = row
                        count += 1
    return count


@njit(cache=True)
def _cell_share(px: float, py: float, pz: float, near: tuple[float, float, float], cone: Cone, h: Any) -> float:
    """Return the share of a cell (centre p, edges h) that its nearest cone covers."""
    distance, t, radius = near
    half = 0.5 * np.sqrt(h[0] * h[0] + h[1] * h[1] + h[2] * h[2])
    if distance >= half:
        return 0.0
    if distance <= -half:
        return 1.0
    ux, uy, uz = cone[4] - cone[0], cone[5] - cone[1], cone[6] - cone[2]
    nx, ny, nz = px - cone[0] - t * ux, py - cone[1] - t * uy, pz - cone[2] - t * uz
    norm = np.sqrt(nx * nx + ny * ny + nz * nz)
    if norm == 0.0:
        return 1.0
    nx, ny, nz = nx / norm, ny / norm, nz / norm
    width = np.sqrt((nx * h[0]) ** 2 + (ny * h[1]) ** 2 + (nz * h[2]) ** 2)
    ex, ey, ez = uy * nz - uz * ny, uz * nx - ux * nz, ux * ny - uy * nx  # across the axis, along the surface
    length = ex * ex + ey * ey + ez * ez
    if 0.0 < t < 1.0 and length > 0.0:
        bend = (ex * ex * h[0] ** 2 + ey * ey * h[1] ** 2 + ez * ez * h[2] ** 2) / length
    else:  # a ball bends both ways
        bend = (1.0 - nx * nx) * h[0] ** 2 + (1.0 - ny * ny) * h[1] ** 2 + (1.0 - nz * nz) * h[2] ** 2
    return min(max(0.5 - (distance + bend / (24.0 * radius)) / width, 0.0), 1.0)


@njit(cache=True, parallel=True)
def cover_wide(
    pairs: Ints, starts: Ints, cones: Cone, thin: Any, frame: tuple[Any, Ints, Ints], cells: float
) -> tuple[NDArray[np.float64], Ints]:
    """Return the share of each listed voxel that wide cones cover, and the cone that lies nearest to its centre.

    Args:
        pairs: (flat voxel of the box, cone), sorted by voxel.
        starts: Where each voxel's pairs begin, and the end of the last.
        cones: Rows (ax, ay, az, ra, bx, by, bz, rb) from the grid's first voxel centre [mm].
        thin: Which cones are thin.
        frame: Spacing [mm], corner and shape of the box.
        cells: Cells per radius.
    """
    spacing, corner, shape = frame
    count = len(starts) - 1
    share, nearest = np.zeros(count), np.zeros(count, np.int64)
    reach = 0.5 * np.sqrt((spacing * spacing).sum())
    for v in prange(count):
        flat = pairs[starts[v], 0]
        k = flat % shape[2] + corner[2]
        j = (flat // shape[2]) % shape[1] + corner[1]
        i = flat // (shape[1] * shape[2]) + corner[0]
        x, y, z = i * spacing[0], j * spacing[1], k * spacing[2]
        best, best_wide, least = 1e30, 1e30, 1e30
        for p in range(starts[v], starts[v + 1]):
            row = pairs[p, 1]
            d, _, radius = touching_ball(x, y, z, cones[row])
            if d < best:
                best, nearest[v] = d, row
            if not thin[row]:
                best_wide = min(best_wide, d)
                least = min(least, radius)
        if best_wide <= -reach:
            share[v] = 1.0
        elif best_wide < reach:
            edge = max(least, THIN_EDGES * spacing.min()) / cells
            share[v] = _cells_share((x, y, z), pairs[starts[v] : starts[v + 1], 1], cones, thin, spacing, edge)
    return share, nearest


@njit(cache=True)
def _cells_share(
    centre: tuple[float, float, float], rows: Ints, cones: Cone, thin: Any, spacing: Any, edge: float
) -> float:
    """Return the share of a voxel that wide cones cover: the mean over cells no longer than edge, two at least."""
    n, h = np.empty(3, np.int64), np.empty(3)
    for axis in range(3):
        n[axis] = max(int(np.ceil(spacing[axis] / edge)), 2)
        h[axis] = spacing[axis] / n[axis]
    total = 0.0
    for a in range(n[0]):
        x = centre[0] - 0.5 * spacing[0] + (a + 0.5) * h[0]
        for b in range(n[1]):
            y = centre[1] - 0.5 * spacing[1] + (b + 0.5) * h[1]
            for c in range(n[2]):
                z = centre[2] - 0.5 * spacing[2] + (c + 0.5) * h[2]
                near, found = (1e30, 0.0, 1.0), -1
                for row in rows:
                    if not thin[row]:
                        other = touching_ball(x, y, z, cones[row])
                        if other[0] < near[0]:
                            near, found = other, row
                if found >= 0:
                    total += _cell_share(x, y, z, near, cones[found], h)
    return min(total / (n[0] * n[1] * n[2]), 1.0)


@njit(cache=True)
def points_of(cones: Cone, thin: Any, edge: float) -> tuple[Ints, Ints]:
    """Return the number of discs and of points a disc of each cone; none of wide ones."""
    discs, points = np.zeros(len(cones), np.int64), np.zeros(len(cones), np.int64)
    for row in range(len(cones)):
        if thin[row]:
            _, _, begin, end = cone_span(cones[row])
            discs[row] = max(int(np.ceil((end - begin) * DISCS_PER_EDGE / edge)), 4)
            points[row] = 5 + int(40.0 * (max(cones[row, 3], cones[row, 7]) / edge) ** 2)
    return discs, points


@njit(cache=True, parallel=True)
def cut_thin(
    chosen: Ints, layout: tuple[Ints, Ints, Ints], listed: tuple[Ints, Ints, Ints], cones: Cone, thin: Any,
    frame: tuple[Any, Ints, Ints],
) -> tuple[Ints, NDArray[np.float64]]:  # fmt: skip
    """Return (listed voxel, volume [mm³]) of each point of the chosen thin cones; −1 outside the box.

    Args:
        chosen: Rows of cones.
        layout: Discs and points a disc of all cones; where each chosen cone's points begin, and the end.
        listed: Flat voxels, ascending; where each one's pairs begin; and the cone of each pair.
        cones: All cones.
        thin: Which are thin.
        frame: Spacing [mm], corner and shape of the box.
    """
    discs, points, offsets = layout
    place, volume = np.full(offsets[-1], -1, np.int64), np.zeros(offsets[-1])
    for c in prange(len(chosen)):
        row = chosen[c]
        cone = cones[row]
        length = np.sqrt((cone[4] - cone[0]) ** 2 + (cone[5] - cone[1]) ** 2 + (cone[6] - cone[2]) ** 2)
        axis = (cone[4:7] - cone[0:3]) / length if length > 0.0 else np.array([0.0, 0.0, 1.0])
        across = np.zeros(3)
        across[np.argmin(np.abs(axis))] = 1.0
        first = np.cross(axis, across)
        first /= np.sqrt((first * first).sum())
        second = np.cross(axis, first)
        _, _, begin, end = cone_span(cone)
        step = (end - begin) / discs[row]
        at, before = offsets[c], 0.0
        for disc in range(discs[row]):
            s = begin + (disc + 0.5) * step
            up_to = volume_up_to(s + 0.5 * step, cone)
            part, before = (up_to - before) / points[row], up_to
            radius = slice_radius(s, cone)
            for n in range(points[row]):
                out = radius * np.sqrt((n + 0.5) / points[row])
                turn = _GOLDEN_RAD * n + 1.9 * disc
                p = cone[0:3] + s * axis + out * (np.cos(turn) * first + np.sin(turn) * second)
                found, count = _count(p, row, listed, cones, thin, frame)
                if found >= 0 and count > 0:
                    place[at], volume[at] = found, part / count
                at += 1
    return place, volume


@njit(cache=True)
def _count(
    p: Any, own: int, listed: tuple[Ints, Ints, Ints], cones: Cone, thin: Any, frame: tuple[Any, Ints, Ints]
) -> tuple[int, int]:
    """Return the listed voxel of a point of a thin cone and in how many thin cones it lies; 0 if in a wide one."""
    spacing, corner, shape = frame
    flat = 0
    for axis in range(3):
        index = int(np.floor(p[axis] / spacing[axis] + 0.5)) - corner[axis]
        if index < 0 or index >= shape[axis]:
            return -1, 0
        flat = flat * shape[axis] + index
    voxels, starts, rows = listed
    found = int(np.searchsorted(voxels, flat))
    if found == len(voxels) or voxels[found] != flat:
        return -1, 0
    count = 1
    for q in range(starts[found], starts[found + 1]):
        row = rows[q]
        if row != own and cone_distance(p[0], p[1], p[2], cones[row]) < 0.0:
            if not thin[row]:
                return found, 0
            count += 1
    return found, count


@njit(cache=True)
def gather(place: Ints, volume: NDArray[np.float64], voxel_mm3: float, share: NDArray[np.float64]) -> None:
    """Add the points' volumes to the shares, in their order."""
    for n in range(len(place)):
        if place[n] >= 0:
            share[place[n]] += volume[n] / voxel_mm3
