"""Statistical iterative reconstruction: penalised weighted least squares by preconditioned conjugate gradients.

Wanted is the image x with the least ½ Σ w (A x − y)² + Φ(x): w is one over the variance of a reading
(pancreasgen.scan.weights), A the projector, Φ a roughness that spares edges (pancreasgen.scan.penalty). It is convex
and has one minimum. Along every line the step is the best of a parabola that lies above the function (Erdogan and
Fessler, Phys Med Biol 44:2835, 1999), so no pass ever makes it larger. All views are used in every pass; subsets, which
need not converge, are not needed, because the preconditioner is nearly the inverse: AᵀWA is g / (π f) for a wave of
frequency f, g = AᵀW1 the pixel's information (Fessler and Booth, IEEE Trans Image Process 8:688, 1999).

Each slice is solved alone, so neither blocks nor threads change a result.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numba
import numpy as np
import scipy.fft
from numba import njit, prange
from numpy.typing import NDArray

from pancreasgen.scan.detect import aperture_tap, three_taps
from pancreasgen.scan.field import Field, radius_mm
from pancreasgen.scan.operator import plane_kernels
from pancreasgen.scan.penalty import Penalty, Sums, neighbour_weights
from pancreasgen.scan.project import BLOCK, Image, Plane, fan_geometry
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.reconstruct import OUTSIDE_HU, reconstruct
from pancreasgen.scan.resolution import curvature, penalty_design
from pancreasgen.scan.truncation import reconstruct_whole, widened
from pancreasgen.scan.weights import statistical_weights

Progress = Callable[[float], None]
PASSES = 8
_LINE_STEPS = 3
_FAINTEST = 1e-6  # least information of a pixel, of the largest


@njit(cache=True, parallel=True)
def _blur(lines: Any, sides: Any) -> None:
    for view in prange(lines.shape[0]):
        for n in range(sides.size):
            three_taps(lines[view], sides[n])


def _blurred(lines: Image, sides: NDArray[np.float32]) -> Image:
    """Blur (views, bins, 32) in place as the detector does its signal, and return it: a symmetric matrix."""
    _blur(lines, sides)
    return lines


@njit(cache=True, parallel=True)
def _weigh(out: Any, weights: Any, rest: Any) -> None:
    for view in prange(out.shape[0]):
        for k in range(out.shape[1]):
            for z in range(BLOCK):
                out[view, k, z] = weights[view, k, z] * rest[view, k, z]


@njit(cache=True, parallel=True)
def _products(sums: Any, weights: Any, rest: Any, way: Any) -> None:
    """Fill sums (3, views, 32) with Σ w r², Σ w r p and Σ w p²."""
    for view in prange(rest.shape[0]):
        for k in range(rest.shape[1]):
            for z in range(BLOCK):
                w, r, p = np.float64(weights[view, k, z]), np.float64(rest[view, k, z]), np.float64(way[view, k, z])
                sums[0, view, z] += w * r * r
                sums[1, view, z] += w * r * p
                sums[2, view, z] += w * p * p


@njit(cache=True, parallel=True)
def _go(data: Any, way: Any, steps: Any) -> None:
    """Add to data (…, …, 32) the way, a step for each slice."""
    for j in prange(data.shape[0]):
        for i in range(data.shape[1]):
            for z in range(BLOCK):
                data[j, i, z] += steps[z] * way[j, i, z]


def _dot(one: Image, other: Image) -> Sums:
    """Return the scalar product of each slice (32,)."""
    rows = np.zeros((one.shape[0], BLOCK))
    _dots(rows, one, other)
    result: Sums = rows.sum(axis=0)
    return result


@njit(cache=True, parallel=True)
def _dots(rows: Any, one: Any, other: Any) -> None:
    for j in prange(one.shape[0]):
        for i in range(one.shape[1]):
            for z in range(BLOCK):
                rows[j, z] += np.float64(one[j, i, z]) * np.float64(other[j, i, z])


@dataclass(frozen=True, slots=True, eq=False)
class Preconditioner:
    """The inverse of the second derivative, as far as it is the same everywhere but for the information.

    Attributes:
        root: 1 / √g of each pixel (ny, nx, 32), 0 for pixels that stay nothing.
        inverse: 1 / (G + β (1 + s) R) of waves.
        size: Pixels along y and x that the waves have.
    """

    root: Image
    inverse: NDArray[np.float32]
    size: tuple[int, int]

    def __call__(self, image: Image) -> Image:
        """Return it of an image (ny, nx, 32)."""
        slices = np.empty((BLOCK, *image.shape[:2]), dtype=np.float32)
        np.multiply(image, self.root, out=slices.transpose(1, 2, 0))

        def work(z: int) -> None:
            spectrum = scipy.fft.rfft2(slices[z], self.size)
            spectrum *= self.inverse
            slices[z] = scipy.fft.irfft2(spectrum, self.size)[: slices.shape[1], : slices.shape[2]]

        with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
            list(pool.map(work, range(BLOCK)))
        return np.multiply(slices.transpose(1, 2, 0), self.root, out=np.empty_like(image))


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A block of slices to be found.

    Attributes:
        sinogram: Path of water (views, bins, 32) [mm].
        weights: 1 / variance (views, bins, 32) [1/mm²].
        forward: A, from (ny, nx, 32).
        transpose: Aᵀ, to (ny, nx, 32).
        penalty: Φ.
        preconditioner: About the inverse of the second derivative.
    """

    sinogram: Image
    weights: Image
    forward: Callable[[Image], Image]
    transpose: Callable[[Image], Image]
    penalty: Penalty
    preconditioner: Preconditioner

    @classmethod
    def of(cls, sinogram: Image, field: Field, protocol: Protocol, pixel_mm: float, method: str) -> Problem:
        """Return the problem of a block.

        Args:
            sinogram: Path of water (views, bins, 32) [mm].
            field: Pixels of the iteration.
            protocol: Geometry, dose, kernel, strength.
            pixel_mm: Pixels of the image that is wanted [mm].
            method: Method of the projector.
        """
        plane = field.plane
        kernels = plane_kernels(plane, fan_geometry(protocol).rays(), method)
        forward, transpose = kernels.forward(), kernels.transpose()
        sides = np.array([aperture_tap(protocol), protocol.crosstalk], dtype=np.float32)
        weights = statistical_weights(sinogram, protocol)
        inside = field.inside()[:, :, None]
        known = transpose(weights[None])[0]
        known = np.maximum(known, _FAINTEST * known.max(axis=(0, 1))) * inside
        design = penalty_design(protocol, plane.spacing_mm, pixel_mm)
        x, y, across = (design.beta * w for w in neighbour_weights(plane.spacing_mm))
        penalty = Penalty(np.sqrt(np.sqrt(known)), (x, y, across), design.excess, design.knee)
        size = scipy.fft.next_fast_len(plane.shape[1], real=True), scipy.fft.next_fast_len(plane.shape[0], real=True)
        curve = curvature(protocol, design.beta * (1.0 + design.excess), plane.spacing_mm, size)
        root = np.where(inside & (known > 0.0), 1.0 / np.sqrt(np.where(known > 0.0, known, 1.0)), 0.0)
        return cls(
            sinogram,
            weights,
            lambda image: _blurred(forward(image[None])[0], sides),
            lambda sums: transpose(_blurred(sums, sides)[None])[0],
            penalty,
            Preconditioner(root.astype(np.float32), (1.0 / curve).astype(np.float32), size),
        )


def solve(problem: Problem, start: Image, passes: int = PASSES, progress: Progress | None = None) -> tuple[Image, Sums]:
    """Return the image after some passes through all views.

    Args:
        problem: What is to be found.
        start: Image to begin with (ny, nx, 32), nothing outside the field [1 for water].
        passes: A projection and a backprojection each.
        progress: Called with the share that is done.

    Returns:
        The image (ny, nx, 32), and the objective of each slice before every pass and at the end (passes + 1, 32).
    """
    image, told = start.copy(), np.zeros((passes + 1, BLOCK))
    rest = problem.sinogram - problem.forward(image)
    path = np.zeros_like(rest)
    downhill, way, last = np.zeros_like(image), np.zeros_like(image), np.zeros(BLOCK)
    for n in range(passes):
        _weigh(path, problem.weights, rest)
        before, downhill = downhill, problem.transpose(path)
        downhill -= problem.penalty.gradient(image)
        best = problem.preconditioner(downhill)
        now = _dot(downhill, best)
        way *= _ratio(np.maximum(now - _dot(before, best), 0.0), last).astype(np.float32)  # Polak and Ribière
        way += best
        last = now
        del before, best, path  # 50 to 70 MB each
        path = problem.forward(way)
        told[n], steps = _steps(problem, rest, path, image, way)
        _go(image, way, steps.astype(np.float32))
        _go(rest, path, -steps.astype(np.float32))
        if progress is not None:
            progress((n + 1) / passes)
    told[passes] = _steps(problem, rest, path, image, way)[0]
    return image, told


def _ratio(above: Sums, below: Sums) -> Sums:
    """Return above / below, 0 where there is nothing below: an empty slice goes nowhere."""
    return np.where(below > 0.0, above / np.where(below > 0.0, below, 1.0), 0.0)


def _steps(problem: Problem, rest: Image, path: Image, image: Image, way: Image) -> tuple[Sums, Sums]:
    """Return the objective and how far to go along a way (32,) each; every step lowers the objective."""
    sums = np.zeros((3, rest.shape[0], BLOCK))
    _products(sums, problem.weights, rest, path)
    square, slope, bend = sums.sum(axis=1)
    steps = np.zeros(BLOCK)
    for _ in range(_LINE_STEPS):
        first, second = problem.penalty.along(image, way, steps)
        steps += _ratio(slope - steps * bend - first, bend + second)
    return 0.5 * square + problem.penalty.value(image), steps


def reconstruct_iteratively(
    sinogram: Image,
    plane: Plane,
    protocol: Protocol,
    method: str = "fast",
    progress: Progress | None = None,
) -> Image:
    """Return the slices of a block.

    Args:
        sinogram: Path of water (views, bins, 32): one column a slice [mm].
        plane: Pixels of the image about the isocentre.
        protocol: Geometry, dose, kernel and strength.
        method: ``fast`` or ``direct``: the projector and the first image.
        progress: Called with the share that is done.

    Returns:
        Shape (ny, nx, 32), float32: HU, water 0 and air −1000; −1000 outside the circle that every view sees whole.

    Raises:
        UsageError: If the method is unknown.
    """
    wide, wider = widened(sinogram, protocol)
    bin_mm = protocol.bin_angle_rad * protocol.source_to_isocentre_mm
    field = Field.about(plane, wider.fan_fov_mm / 2.0, bin_mm)
    start = reconstruct(wide, field.plane, wider, method)
    start = (start * np.float32(0.001) + np.float32(1.0)) * field.inside()[:, :, None]
    problem = Problem.of(sinogram, field, protocol, max(plane.spacing_mm), method)
    image = field.image(solve(problem, start, PASSES, progress)[0], plane)
    image = (image - np.float32(1.0)) * np.float32(1000.0)
    image[radius_mm(plane) > protocol.fan_fov_mm / 2.0] = OUTSIDE_HU
    return image


def narrowed(progress: Progress | None, low: float, high: float) -> Progress | None:
    """Return what to call with the share of a part that goes from low to high of the whole."""
    return None if progress is None else lambda done: progress(low + (high - low) * done)


def reconstruct_block(
    sinogram: Image, plane: Plane, protocol: Protocol, method: str, progress: Progress | None
) -> Image:
    """Return the slices of a block (ny, nx, 32) [HU], as the protocol's ``reconstruction`` says, of any body.

    Arguments are those of :func:`reconstruct_iteratively`.
    """
    if protocol.reconstruction == "iterative":
        return reconstruct_iteratively(sinogram, plane, protocol, method, progress)
    return reconstruct_whole(sinogram, plane, protocol, partial(reconstruct, method=method))
