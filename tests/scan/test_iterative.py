"""The statistical iterative reconstruction finds the one best image; its noise and edges are what it states."""

import dataclasses
from typing import Any

import numba
import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.detect import detect, prepare_detector
from pancreasgen.scan.field import Field
from pancreasgen.scan.iterative import Problem, reconstruct_iteratively, solve
from pancreasgen.scan.penalty import Penalty
from pancreasgen.scan.project import BLOCK, Plane
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.reconstruct import reconstruct
from pancreasgen.scan.resolution import penalty_design
from pancreasgen.scan.scan import measure, reconstruct_sinogram, scan
from pancreasgen.scan.weights import path_precision
from tests.scan.bodies import ellipse, small

CHANCE = Chance(3, 1, "noise")
CENTRE = (0.0, 0.0, 0.0)


def tiny(**changes: Any) -> Protocol:
    """Return a coarse scanner, iterative and without noise unless asked otherwise: pixels of 6 mm are its bins."""
    coarse = {"num_bins": 96, "num_views": 120, "matrix": 64, "fov_mm": 384.0, "reconstruction": "iterative"}
    return small(**(coarse | changes))


def radius_of(grid: Grid, centre_mm: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    x, y, _ = grid.mesh_mm()
    return np.hypot(x - centre_mm[0], y - centre_mm[1])[:, :, 0]


def water(num_slices: int = 1, density: float = 1.0) -> Volume:
    return ellipse((130.0, 100.0), (density, 0.0, 0.0), num_slices, size=180, spacing_mm=2.0)


def posed(setting: Protocol, seed: int = 3) -> tuple[Problem, Field, np.ndarray]:
    """Return a scan of a water ellipse as a problem, its field, and FBP's image of it [1 for water]."""
    grid = setting.image_grid(CENTRE, 2)
    plane = Plane.of(grid, (0.0, 0.0))
    sinogram = np.zeros((setting.num_views, setting.num_bins, BLOCK), dtype=np.float32)
    sinogram[:, :, :2] = measure(water(2), setting, grid, Chance(seed, 1, "noise")).data
    field = Field.about(plane, setting.fan_fov_mm / 2.0, setting.bin_angle_rad * setting.source_to_isocentre_mm)
    problem = Problem.of(sinogram, field, setting, plane.spacing_mm[0], "fast")
    start = reconstruct(sinogram, field.plane, setting) / np.float32(1000.0) + np.float32(1.0)
    return problem, field, start * field.inside()[:, :, None]


@pytest.mark.parametrize("strength", [0.0, 0.6])
def test_the_objective_never_rises_and_has_one_minimum(strength: float) -> None:
    """No pass makes it larger; from FBP and from nothing the same image is reached, within 0.5 HU everywhere."""
    problem, _, start = posed(tiny(noise=True, strength=strength))
    from_fbp, told = solve(problem, start, 25)
    from_nothing, told_too = solve(problem, np.zeros_like(start), 40)
    for values in (told, told_too):
        assert np.all(np.diff(values[:, :2], axis=0) <= 1e-6 * values[1:, :2])
    assert told[-1, 0] == pytest.approx(told_too[-1, 0], rel=1e-4)
    assert 1000.0 * np.abs(from_fbp - from_nothing).max() < 0.5


def test_eight_passes_are_enough() -> None:
    """What is given back differs from the minimum by less than a tenth of its noise, root mean square in the body."""
    problem, field, start = posed(tiny(noise=True, strength=0.5))
    nearly, exactly = (solve(problem, start, passes)[0][:, :, 0] for passes in (8, 30))
    x, y = (first + step * np.arange(n) for first, step, n in zip(*_axes(field.plane), strict=True))
    inside = np.hypot(x[None], y[:, None]) < 80.0
    assert (nearly - exactly)[inside].std() < 0.1 * exactly[inside].std()


def _axes(plane: Plane) -> tuple[tuple[float, float], tuple[float, float], tuple[int, int]]:
    return plane.first_mm, plane.spacing_mm, plane.shape


def test_the_gradient_of_the_misfit_is_that_of_the_objective() -> None:
    """Aᵀ makes the difference quotient of the weighted squares along a random way, which is exact at any step."""
    problem, field, start = posed(tiny(strength=0.5))
    rng = np.random.default_rng(2)
    way = rng.standard_normal(start.shape).astype(np.float32) * np.float32(0.02) * field.inside()[:, :, None]

    def misfit(image: np.ndarray) -> float:
        rest = (problem.sinogram - problem.forward(image))[:, :, 0].astype(np.float64)
        return float(0.5 * (problem.weights[:, :, 0] * rest**2).sum())

    gradient = -problem.transpose(problem.weights * (problem.sinogram - problem.forward(start)))
    slope = float((gradient[:, :, 0].astype(np.float64) * way[:, :, 0]).sum())
    step = np.float32(0.5)
    quotient = (misfit(start + step * way) - misfit(start - step * way)) / (2.0 * step)
    assert slope == pytest.approx(quotient, rel=2e-4)


def test_the_gradient_of_the_penalty_is_that_of_its_value() -> None:
    """The same for the roughness, with differences on both sides of the knee and a step far below it."""
    rng = np.random.default_rng(3)
    image, way, trust = (rng.standard_normal((19, 18, BLOCK)).astype(np.float32) for _ in range(3))
    penalty = Penalty(np.abs(trust), (1.0, 0.8, 0.4), 3.0, 0.5)
    slope = (penalty.gradient(image).astype(np.float64) * way).sum(axis=(0, 1))
    step = np.float32(0.01)
    quotient = (penalty.value(image + step * way) - penalty.value(image - step * way)) / (2.0 * step)
    assert quotient == pytest.approx(slope, rel=2e-3, abs=2e-3 * np.abs(slope).max())


def test_the_penalty_lies_below_its_parabola() -> None:
    """Along any line the penalty is at most the parabola that a step is taken with, and touches it where it is made."""
    rng = np.random.default_rng(4)
    image, way, trust = (rng.standard_normal((9, 8, BLOCK)).astype(np.float32) for _ in range(3))
    penalty = Penalty(np.abs(trust), (1.0, 0.8, 0.4), 3.0, 0.5)
    first, second = penalty.along(image, way, np.zeros(BLOCK))
    value = penalty.value(image)
    assert np.allclose(first, (penalty.gradient(image) * way).sum(axis=(0, 1)), rtol=1e-4)
    for step in (-2.0, -0.3, 0.1, 1.5):
        above = value + step * first + 0.5 * step**2 * second
        assert np.all(penalty.value(image + np.float32(step) * way) <= above * (1.0 + 1e-5))


def test_weights_are_one_over_the_variance() -> None:
    """Readings behind 0 and 250 mm of water vary as stated, within 10 % of the variance (no cross-talk)."""
    setting = tiny(noise=True, crosstalk=0.0, mas=20)
    lines = np.zeros((3, setting.num_views, setting.num_bins, BLOCK), dtype=np.float32)
    lines[0, :, :, 1] = 250.0
    read = detect(lines, setting, prepare_detector(setting), CHANCE, range(2))[:, :, :2]
    found = (1.0 / read.astype(np.float64).var(axis=0)).T
    stated = path_precision(setting, np.array([0.0, 250.0])).T
    assert np.allclose((found / stated).mean(axis=1), 1.0, atol=0.1)


def test_water_is_flat_and_air_empty() -> None:
    """Noise-free: every ring of 20 mm of a 240 mm water cylinder is 0 ± 1 HU, air −1000 ± 2."""
    setting = small(reconstruction="iterative")
    grid = setting.image_grid(CENTRE, 1)
    image = scan(ellipse((120.0, 120.0), (1.0, 0.0, 0.0)), setting, grid, CHANCE).data[:, :, 0]
    radius = radius_of(grid)
    for low in range(0, 100, 20):
        assert abs(image[(radius >= low) & (radius < low + 20)].mean()) < 1.0
    assert image[(radius > 135.0) & (radius < 195.0)].mean() == pytest.approx(-1000.0, abs=2.0)


def noise_hu(setting: Protocol, radius_mm: float = 50.0) -> float:
    """Standard deviation in the middle of a water ellipse, from the difference of two scans."""
    grid = setting.image_grid(CENTRE, 8)
    first, second = (scan(water(8), setting, grid, Chance(seed, 1, "noise")).data for seed in (1, 2))
    return float((first - second)[radius_of(grid) < radius_mm].std() / np.sqrt(2.0))


def test_noise_is_what_the_design_says() -> None:
    """Without strength as predicted within 15 %; strength 0.2 and 0.6 take away that share, within 0.07; dose⁻½."""
    plain = tiny(noise=True, strength=0.0, mas=1)  # so large pixels are quiet; edges must not drown the noise
    problem, field, _ = posed(plain)
    middle = problem.penalty.trust.shape[0] // 2, problem.penalty.trust.shape[1] // 2, 0
    design = penalty_design(plain, field.plane.spacing_mm, plain.fov_mm / plain.matrix)
    predicted = 1000.0 * design.noise / float(problem.penalty.trust[middle]) ** 2
    without = noise_hu(plain)
    assert without == pytest.approx(predicted, rel=0.15)
    for strength in (0.2, 0.6):
        assert noise_hu(dataclasses.replace(plain, strength=strength)) / without == pytest.approx(
            1.0 - strength, abs=0.07
        )
    assert without / noise_hu(dataclasses.replace(plain, mas=4)) == pytest.approx(2.0, rel=0.05)


def edge_mm(image: np.ndarray, radius: np.ndarray, level: tuple[float, float]) -> float:
    """Return the width from 25 to 75 % of a disc's edge of 40 mm radius."""
    order = np.argsort(radius[(radius > 20.0) & (radius < 60.0)])
    far = radius[(radius > 20.0) & (radius < 60.0)][order]
    height = (image[(radius > 20.0) & (radius < 60.0)][order] - level[0]) / (level[1] - level[0])
    smooth = np.convolve(height, np.full(9, 1.0 / 9.0), mode="same")
    return float(far[np.argmax(smooth[20:] < 0.25) + 20] - far[np.argmax(smooth[20:] < 0.75) + 20])


def test_edges_stay_when_noise_goes() -> None:
    """With strength 0.6 the edge of a +300 HU disc stays as wide within 10 %, FBP's within 25 %."""
    body = water()
    disc = ellipse((40.0, 40.0), (0.3, 0.0, 0.0), 1, size=180, spacing_mm=2.0, centre_mm=(3.3, 1.7))
    both = Volume(body.data + disc.data, body.grid, Quantity.DENSITY)
    width = {}
    for name, changes in {
        "fbp": {"reconstruction": "fbp"},
        "plain": {"strength": 0.0},
        "strong": {"strength": 0.6},
    }.items():
        setting = tiny(num_bins=192, num_views=240, matrix=128, **changes)
        grid = setting.image_grid(CENTRE, 1)
        image = scan(both, setting, grid, CHANCE).data[:, :, 0]
        width[name] = edge_mm(image, radius_of(grid, (3.3, 1.7)), (0.0, 300.0))
    assert width["strong"] == pytest.approx(width["plain"], rel=0.1)
    assert width["strong"] == pytest.approx(width["fbp"], rel=0.25)


def test_any_region_is_found_with_the_whole_body() -> None:
    """A crop is the crop of the whole to the bit; a fine small field agrees with it within 2 HU in the mean."""
    setting = tiny(noise=True)
    whole = setting.image_grid(CENTRE, 2)
    sinogram = measure(water(2), setting, whole, CHANCE)
    image = reconstruct_sinogram(sinogram, setting, whole).data
    (x0, y0, z0), (sx, sy, sz) = whole.origin_mm, whole.spacing_mm
    part = Grid((20, 15, 2), whole.spacing_mm, (x0 + 25 * sx, y0 + 22 * sy, z0))
    crop = reconstruct_sinogram(sinogram, setting, part).data
    assert np.array_equal(crop, image[25:45, 22:37])
    fine = Grid((60, 60, 2), (1.0, 1.0, sz), (x0 + 25 * sx, y0 + 22 * sy, z0))
    near = reconstruct_sinogram(sinogram, setting, fine).data
    assert near[9:52, 9:52].mean() == pytest.approx(image[27:34, 24:31].mean(), abs=2.0)


def test_a_body_wider_than_the_fan_keeps_its_middle() -> None:
    """Water that views cut off is 0 ± 12 HU in the middle, where FBP of the cut views alone would cup."""
    setting = tiny(fan_fov_mm=240.0, fov_mm=192.0, matrix=64)
    grid = setting.image_grid(CENTRE, 1)
    image = scan(water(), setting, grid, CHANCE).data[:, :, 0]
    assert image[radius_of(grid) < 70.0].mean() == pytest.approx(0.0, abs=12.0)


def test_blocks_and_threads_do_not_matter() -> None:
    """Slices have the bits of those in another block position, and of one thread."""
    setting = tiny(noise=True, num_views=90)
    body = water(36)
    ripple = 1.0 + 0.01 * np.arange(36, dtype=np.float32)
    body = Volume(body.data * ripple, body.grid, Quantity.DENSITY)
    long = setting.image_grid(CENTRE, 34)
    sinogram = measure(body, setting, long, CHANCE)
    image = reconstruct_sinogram(sinogram, setting, long).data
    x, y, z = long.origin_mm
    part = Grid((*long.shape[:2], 3), long.spacing_mm, (x, y, z + 31 * long.spacing_mm[2]))
    assert np.array_equal(reconstruct_sinogram(sinogram, setting, part).data, image[:, :, 31:])
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        single = reconstruct_sinogram(sinogram, setting, part).data
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(single, image[:, :, 31:])


def test_the_direct_projector_agrees() -> None:
    """Joseph's projector instead of the tree gives the same water within 1 HU, and differs by less than the noise."""
    setting = tiny(noise=True, mas=20)
    grid = setting.image_grid(CENTRE, 1)
    sinogram = measure(water(), setting, grid, CHANCE)
    fast, direct = (reconstruct_sinogram(sinogram, setting, grid, method=name).data for name in ("fast", "direct"))
    inside = radius_of(grid) < 70.0
    assert (fast - direct)[inside].mean() == pytest.approx(0.0, abs=1.0)
    assert (fast - direct)[inside].std() < fast[inside].std()


def test_empty_slices_stay_air() -> None:
    """A block without a body is −1000 HU to the bit, and nothing is divided by nothing."""
    setting = tiny()
    empty = np.zeros((setting.num_views, setting.num_bins, BLOCK), dtype=np.float32)
    done: list[float] = []
    image = reconstruct_iteratively(empty, Plane((10, 12), (4.0, 4.0), (-20.0, -22.0)), setting, "fast", done.append)
    assert image.shape == (12, 10, BLOCK)
    assert np.allclose(image, -1000.0, atol=1e-3)
    assert done[-1] == 1.0
    assert done == sorted(done)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strength": 0.9}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"strength": -0.1}, "strength"),
        ({"reconstruction": "iterativ"}, "iterative"),
        ({"reconstruction": "iterative", "pitch": 1.0}, "pitch"),
    ],
)
def test_what_cannot_be_is_told(changes: dict[str, Any], words: str) -> None:
    """A strength out of range, an unknown method and a moving table are refused with a word on what to do."""
    with pytest.raises(UsageError) as caught:
        tiny(**changes)
    assert words in f"{caught.value.message} {caught.value.hint}"
