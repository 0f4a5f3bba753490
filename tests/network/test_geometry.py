"""Compiled geometry: distances against brute force, containment against sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pancreasgen.network.geometry import contained, segment_distance, trilinear_many

POINT = st.tuples(*[st.floats(-5, 5, allow_nan=False, width=32)] * 3).map(lambda p: np.array(p, dtype=np.float64))


@settings(max_examples=60, deadline=None)
@given(POINT, POINT, POINT, POINT)
def test_segment_distance_is_the_least_over_samples(p, q, a, b):
    """The distance of two segments is never above the least over a fine lattice of pairs, and within its step of it."""
    distance, s, t = segment_distance(p, q, a, b)
    u = np.linspace(0, 1, 101)[:, None]
    first, second = p + u * (q - p), a + u * (b - a)
    sampled = np.linalg.norm(first[:, None] - second[None], axis=2).min()
    step = 0.01 * (np.linalg.norm(q - p) + np.linalg.norm(b - a))
    assert distance <= sampled + 1e-9
    assert sampled <= distance + step
    assert np.linalg.norm(p + s * (q - p) - a - t * (b - a)) == pytest.approx(distance, abs=1e-7)


def test_trilinear_is_exact_on_a_linear_field():
    """Trilinear interpolation returns a linear function exactly inside the grid."""
    i, j, k = np.meshgrid(np.arange(6.0), np.arange(5.0), np.arange(7.0), indexing="ij")
    data = (2 * i - 3 * j + 0.5 * k).astype(np.float32)
    points = np.random.default_rng(0).uniform([0, 0, 0], [9.9, 7.9, 11.9], (50, 3))
    expected = points @ [1.0, -1.5, 0.25]
    assert trilinear_many(data, np.zeros(3), 2.0, points) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("reach", "inside"), [(7.9, True), (8.6, False)])
def test_a_tube_is_contained_as_long_as_its_skin_is(reach, inside):
    """In a ball of 10 mm a tube of 1 mm with a margin of 0.5 mm fits up to 8.5 mm from the centre."""
    axis = np.arange(-12.0, 13.0)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    ball = (10.0 - np.sqrt(x * x + y * y + z * z)).astype(np.float32)
    tip = np.array([reach, 0.0, 0.0])
    assert contained(np.zeros(3), tip, 1.0, 1.0, 0.5, ball, np.full(3, -12.0), 1.0) is inside
