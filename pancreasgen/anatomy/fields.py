"""Shapes as signed distances [mm, positive inside] on a coarse lattice, where they can be joined, carved and warped.

Organs are smooth at 2.5 mm, so their distances are computed there and interpolated when they are painted. The lattice
is fixed in the world: a shape does not depend on the grid that it is painted on. Distances of ellipsoids and bent
shapes are first-order approximations, exact at the surface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.interpolate import BSpline, CubicSpline

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid

Field = NDArray[np.float32]
Points = NDArray[np.float64]
LATTICE_MM = 2.5


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A coarse lattice over a grid.

    Attributes:
        grid: The lattice; its nodes lie at multiples of 2.5 mm.
        chance: Stream of all noise.
    """

    grid: Grid
    chance: Chance

    @classmethod
    def over(cls, fine: Grid, chance: Chance) -> Space:
        """Return the lattice that covers a grid with a margin of two cells."""
        low = np.floor(np.array(fine.origin_mm) / LATTICE_MM) - 2
        high = np.ceil([fine.axis_mm(axis)[-1] / LATTICE_MM for axis in range(3)]) + 2
        n = (high - low + 1).astype(int)
        origin = low * LATTICE_MM
        return cls(
            Grid((int(n[0]), int(n[1]), int(n[2])), (LATTICE_MM,) * 3, (origin[0], origin[1], origin[2])), chance
        )

    @property
    def xyz(self) -> tuple[Field, Field, Field]:
        """Coordinates of the nodes, shaped so that they broadcast [mm]."""
        x, y, z = (axis.astype(np.float32) for axis in self.grid.mesh_mm())
        return x, y, z

    def part(self, low_mm: Sequence[float], high_mm: Sequence[float]) -> Space:
        """Return the part of the lattice that covers a box, on the same nodes; at least two nodes along each axis."""
        low = np.floor(self.grid.to_index(np.asarray(low_mm, dtype=float)) + 1e-6).astype(int)
        high = np.ceil(self.grid.to_index(np.asarray(high_mm, dtype=float)) - 1e-6).astype(int)
        low = np.clip(low, 0, np.array(self.grid.shape) - 2)
        high = np.clip(high, low + 1, np.array(self.grid.shape) - 1)
        n, origin = high - low + 1, self.grid.to_world(low)
        shape = (int(n[0]), int(n[1]), int(n[2]))
        return Space(Grid(shape, self.grid.spacing_mm, (origin[0], origin[1], origin[2])), self.chance)

    def window(self, part: Grid) -> tuple[slice, ...]:
        """Return the index of a part of this lattice in arrays of the whole."""
        begin = np.rint(self.grid.to_index(np.array(part.origin_mm))).astype(int)
        return tuple(slice(b, b + n) for b, n in zip(begin, part.shape, strict=True))

    def noise(self, name: str, scale_mm: float) -> Field:
        """Return smooth noise with mean 0 and SD about 1 (shape of the lattice).

        Cubic B-splines over knots at multiples of scale_mm whose values are hashed from (chance, name, knot), so that
        the noise at a point of the world does not depend on the lattice.
        """
        key = self.chance.sub(name).key
        weights, firsts = zip(*(_spline_weights(self.grid.axis_mm(axis), scale_mm) for axis in range(3)), strict=True)
        knots = [first + np.arange(w.shape[1]) for first, w in zip(firsts, weights, strict=True)]
        values = hashed_normal(key, knots[0][:, None, None], knots[1][None, :, None], knots[2][None, None, :])
        out = np.einsum("kc,abc->abk", weights[2], values)
        out = np.einsum("jb,abk->ajk", weights[1], out)
        out = np.einsum("ia,ajk->ijk", weights[0], out)
        return (out / 0.33).astype(np.float32)  # 0.33 = (∑ of squared spline weights, 0.479)^1.5


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A shape on its part of the lattice.

    Attributes:
        field: Signed distance [mm, positive inside]; whatever lies off the grid is outside.
        grid: The nodes.
    """

    field: Field
    grid: Grid


def _spline_weights(axis_mm: Points, scale_mm: float) -> tuple[Points, int]:
    first = int(np.floor(axis_mm[0] / scale_mm)) - 1
    count = int(np.floor(axis_mm[-1] / scale_mm)) - first + 3
    knots = (np.arange(count + 4) + first - 2) * scale_mm
    return BSpline.design_matrix(axis_mm, knots.astype(float), 3).toarray(), first


def hashed_normal(key: int, i: Any, j: Any, k: Any) -> Points:
    """Return numbers of mean 0 and SD 1 that belong to integer nodes (sum of four uniform hashes)."""
    total = np.zeros(np.broadcast_shapes(np.shape(i), np.shape(j), np.shape(k)))
    primes = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
    for salt in range(4):
        x = np.full(total.shape, (key + salt * 0xD6E8FEB86659FD93) % 2**64, dtype=np.uint64)
        for node, prime in zip((i, j, k), primes, strict=True):
            x = x ^ (np.asarray(node).astype(np.int64).astype(np.uint64) * np.uint64(prime))
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
        total += (x >> np.uint64(11)) / 2.0**53 - 0.5
    return total * np.sqrt(3.0)


def ellipsoid(
    xyz: tuple[Any, Any, Any], centre_mm: Sequence[Any] | Points, radii_mm: Sequence[Any], axes: Any = None
) -> Field:
    """Return the distance to an ellipsoid: k₀(1 − k₀)/k₁ with k₀ = |p/r|, k₁ = |p/r²|.

    Args:
        xyz: Coordinates that broadcast [mm].
        centre_mm: Centre.
        radii_mm: Half-axes; infinity makes a cylinder.
        axes: Rows are the directions of the half-axes; the world's where None.
    """
    p = [c - np.float32(m) for c, m in zip(xyz, centre_mm, strict=True)]
    if axes is not None:
        p = [sum(np.float32(row[a]) * p[a] for a in range(3)) for row in np.asarray(axes)]
    q0 = sum((c / np.float32(r)) ** 2 for c, r in zip(p, radii_mm, strict=True))
    q1 = sum((c / np.float32(r) ** 2) ** 2 for c, r in zip(p, radii_mm, strict=True))
    k0 = np.sqrt(q0)
    return (k0 * (1 - k0) / np.maximum(np.sqrt(q1), np.float32(1e-6)) + 0).astype(np.float32)


def tilt(x_deg: float = 0.0, y_deg: float = 0.0, z_deg: float = 0.0) -> Points:
    """Return axes (3, 3) turned about x, then y, then z; rows are the new directions."""
    a, b, c = np.radians([x_deg, y_deg, z_deg])
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray((rz @ ry @ rx).T)


def ramp(values: Any, low: float, high: float) -> Field:
    """Return 0 below low, 1 above high, and Hermite's cubic 3t² − 2t³ between; low may be the greater.

    >>> float(ramp(0.5, 0.0, 1.0))
    0.5
    """
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def union(*fields: Any, blend_mm: float = 0.0) -> Field:
    """Return the union, rounded where shapes meet over blend_mm (polynomial smooth maximum)."""
    out = np.asarray(fields[0], dtype=np.float32)
    for other in fields[1:]:
        if blend_mm > 0:
            h = np.clip(0.5 + 0.5 * (other - out) / np.float32(blend_mm), 0, 1).astype(np.float32)
            out = out + h * (other - out) + np.float32(blend_mm) * h * (1 - h)
        else:
            out = np.maximum(out, other)
    return np.asarray(out, dtype=np.float32)


def carve(field: Any, *others: Any, gap_mm: float = 0.0) -> Field:
    """Return the field without what lies within gap_mm of the others."""
    out = np.asarray(field, dtype=np.float32)
    for other in others:
        out = np.minimum(out, -(other + np.float32(gap_mm)))
    return np.asarray(out, dtype=np.float32)


def smooth_course(points_mm: Any, radii_mm: Any, step_mm: float = 2.0) -> tuple[Points, Points]:
    """Return a course through points, as points (K, 3) at most step_mm apart and radii (K,): a natural cubic spline.

    The parameter is the square root of the chord (centripetal), which keeps the curve from looping.
    """
    points = np.asarray(points_mm, dtype=np.float64)
    radii = np.broadcast_to(np.asarray(radii_mm, dtype=np.float64), (len(points),))
    chord = np.linalg.norm(np.diff(points, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(np.sqrt(np.maximum(chord, 1e-6)))])
    count = max(int(np.ceil(1.1 * chord.sum() / step_mm)), 2) + 1
    t = np.interp(np.linspace(0, chord.sum(), count), np.concatenate([[0.0], np.cumsum(chord)]), at)
    curve = CubicSpline(at, points, bc_type="natural")(t)
    return np.asarray(curve, dtype=np.float64), np.interp(t, at, radii)


@njit(cache=True)
def _tube(points: Points, radii: Points, origin: Points, spacing: Points, reach: float, out: Any) -> None:
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for s in range(len(points) - 1):
        a, b = points[s], points[s + 1]
        wide = max(radii[s], radii[s + 1]) + reach
        for axis in range(3):
            low[axis] = max(0, int(np.ceil((min(a[axis], b[axis]) - wide - origin[axis]) / spacing[axis])))
            most = int(np.floor((max(a[axis], b[axis]) + wide - origin[axis]) / spacing[axis]))
            high[axis] = min(out.shape[axis] - 1, most)
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        square = max(ux * ux + uy * uy + uz * uz, 1e-12)
        for i in range(low[0], high[0] + 1):
            px = origin[0] + i * spacing[0] - a[0]
            for j in range(low[1], high[1] + 1):
                py = origin[1] + j * spacing[1] - a[1]
                for k in range(low[2], high[2] + 1):
                    pz = origin[2] + k * spacing[2] - a[2]
                    t = min(max((px * ux + py * uy + pz * uz) / square, 0.0), 1.0)
                    d = radii[s] + t * (radii[s + 1] - radii[s])
                    d -= np.sqrt((px - t * ux) ** 2 + (py - t * uy) ** 2 + (pz - t * uz) ** 2)
                    if d > out[i, j, k]:
                        out[i, j, k] = d


def tube(grid: Grid, points_mm: Any, radii_mm: Any, reach_mm: float = 12.0) -> Field:
    """Return the distance to a tube of changing radius along a polyline; −reach_mm wherever it is further away."""
    points = np.ascontiguousarray(points_mm, dtype=np.float64)
    radii = np.ascontiguousarray(np.broadcast_to(radii_mm, (len(points),)), dtype=np.float64)
    out = np.full(grid.shape, -reach_mm, np.float32)
    _tube(points, radii, np.array(grid.origin_mm), np.array(grid.spacing_mm), float(reach_mm), out)
    return out


def course_tube(space: Space, points_mm: Any, radii_mm: Any, reach_mm: float = 15.0) -> Field:
    """Return the distance to a tube along the smooth course through points, on a lattice."""
    course, radii = smooth_course(points_mm, radii_mm)
    return tube(space.grid, course, radii, reach_mm)
