import math
from collections.abc import Iterator

import numba
import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError
from pancreasgen.scan.project import BLOCK, Plane, backproject_adjoint, project
from pancreasgen.scan.protocol import Protocol
from tests.scan.bodies import small


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def plane(size: int, spacing_mm: float) -> Plane:
    return Plane((size, size), (spacing_mm, spacing_mm), (-(size - 1) / 2 * spacing_mm,) * 2)


def block_of(image: np.ndarray, materials: int = 1) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(image[..., None], (materials, *image.shape, BLOCK)), dtype=np.float32)


def disc(where: Plane, radius_mm: float, x_mm: float = 0.0, y_mm: float = 0.0) -> np.ndarray:
    x = where.first_mm[0] + np.arange(where.shape[0]) * where.spacing_mm[0]
    y = where.first_mm[1] + np.arange(where.shape[1]) * where.spacing_mm[1]
    return np.clip((radius_mm - np.hypot(x[None] - x_mm, y[:, None] - y_mm)) / where.spacing_mm[0] + 0.5, 0.0, 1.0)


def test_a_disc_casts_its_chord() -> None:
    """Every line integral of a disc at (30, −20) is 2 √(R² − d²), d from the geometry; error below 0.6 mm, mean 0.1."""
    protocol, where = small(), plane(256, 1.0)
    got = project(block_of(disc(where, 80.0, 30.0, -20.0)), where, protocol)[0, :, :, 0]
    beta, gamma = protocol.view_angles_rad()[:, None], protocol.bin_angles_rad()[None]
    focus_x, focus_y = -570.0 * np.sin(beta), 570.0 * np.cos(beta)
    run_x, run_y = np.sin(beta + gamma), -np.cos(beta + gamma)
    distance = (30.0 - focus_x) * run_y - (-20.0 - focus_y) * run_x
    chord = 2.0 * np.sqrt(np.clip(80.0**2 - distance**2, 0.0, None))
    inside = np.abs(distance) < 75.0
    assert np.abs(got - chord)[inside].max() < 0.6
    assert np.abs(got - chord)[inside].mean() < 0.1
    assert got[np.abs(distance) > 82.0].max() == 0.0


def twin(image: np.ndarray, where: Plane, protocol: Protocol, view: int, bin_index: int) -> float:
    """Joseph's method for one ray, in plain words."""
    (x0, y0), (dx, dy), (nx, ny) = where.first_mm, where.spacing_mm, where.shape
    beta = protocol.view_angles_rad()[view]
    alpha = beta + protocol.bin_angles_rad()[bin_index]
    focus = np.array([-math.sin(beta), math.cos(beta)]) * protocol.source_to_isocentre_mm
    run = np.array([math.sin(alpha), -math.cos(alpha)])
    total = 0.0
    if abs(run[1]) >= abs(run[0]):
        for j in range(ny):
            x = focus[0] + (y0 + j * dy - focus[1]) * run[0] / run[1]
            total += np.interp((x - x0) / dx, np.arange(nx), image[j], left=0.0, right=0.0) * dy / abs(run[1])
    else:
        for i in range(nx):
            y = focus[1] + (x0 + i * dx - focus[0]) * run[1] / run[0]
            total += np.interp((y - y0) / dy, np.arange(ny), image[:, i], left=0.0, right=0.0) * dx / abs(run[0])
    return total


def test_the_fast_projector_equals_its_slow_twin() -> None:
    """On random pixels that are not square, the kernel equals plain Joseph to the rounding of float32."""
    protocol, rng = small(), np.random.default_rng(1)
    where = Plane((45, 61), (3.0, 2.0), (-70.0, -55.0))
    image = rng.random((61, 45)) * (rng.random((61, 45)) > 0.3)
    image[[0, -1]] = image[:, [0, -1]] = 0.0
    got = project(block_of(image), where, protocol)[0, :, :, 5]
    for view, k in zip(rng.integers(0, 240, 60), rng.integers(80, 176, 60), strict=True):
        assert got[view, k] == pytest.approx(twin(image, where, protocol, view, k), abs=2e-4)


def test_the_adjoint_is_the_transpose() -> None:
    """⟨Ax, y⟩ = ⟨x, Aᵀy⟩ to 1e-6 for random x and y."""
    protocol, rng, where = small(num_views=90), np.random.default_rng(2), plane(64, 4.0)
    x = rng.random((64, 64, BLOCK)).astype(np.float32)
    y = rng.random((90, 256, BLOCK))
    forward = project(x[None], where, protocol)[0].astype(np.float64)
    assert float((forward * y).sum()) == pytest.approx(
        float((x * backproject_adjoint(y, where, protocol)).sum()), rel=1e-6
    )


def test_turning_the_body_is_turning_the_scanner() -> None:
    """A body turned by a quarter turn gives the same views, a quarter of the circle later."""
    protocol, where = small(), plane(128, 2.0)
    image = np.random.default_rng(3).random((128, 128)) * disc(where, 100.0)
    turned = np.rot90(image.T).T  # +90° from x to y; image is (y, x)
    first = project(block_of(image), where, protocol)[0, :, :, 0]
    second = project(block_of(turned), where, protocol)[0, :, :, 0]
    step = protocol.num_views // 4
    assert np.abs(second - np.roll(first, step, axis=0)).max() < 2e-3


def test_moving_the_body_is_moving_the_plane() -> None:
    """A disc drawn 20 mm to the right equals a centred disc on a plane that lies 20 mm to the right."""
    protocol, where = small(), plane(128, 2.0)
    there = Plane(where.shape, where.spacing_mm, (where.first_mm[0] + 20.0, where.first_mm[1]))
    moved = project(block_of(disc(where, 60.0, 20.0)), where, protocol)
    assert np.abs(project(block_of(disc(where, 60.0)), there, protocol) - moved).max() < 2e-3


def test_threads_do_not_matter(one_thread: None) -> None:
    """One thread and all threads give the same bits."""
    protocol, where = small(), plane(64, 4.0)
    block = np.random.default_rng(4).random((2, 64, 64, BLOCK)).astype(np.float32)
    single = project(block, where, protocol)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert np.array_equal(single, project(block, where, protocol))


def test_a_wrong_block_is_refused() -> None:
    """A block that does not fit the plane is named with both shapes."""
    with pytest.raises(BadInputError, match="64 × 64 × 32"):
        project(np.zeros((1, 64, 64, 7), dtype=np.float32), plane(64, 4.0), small())
