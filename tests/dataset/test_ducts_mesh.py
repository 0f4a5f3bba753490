"""Tubes of triangles: closed, facing outwards, and as large as round ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from pancreasgen.dataset.ducts_io import ply_bytes
from pancreasgen.dataset.ducts_mesh import duct_surface
from pancreasgen.network.network import DuctNetwork


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=2, max_size=9), st.floats(0.05, 4))
def test_any_line_becomes_a_closed_tube(steps: list[tuple[float, float, float]], radius: float) -> None:
    """However a duct bends, folds back or stands still, every edge of its tube has two faces that agree."""
    count = len(steps)
    places = np.cumsum(np.array([(0.0, 0.0, 0.0), *steps]), axis=0)
    rows = np.column_stack([np.arange(count), np.arange(1, count + 1)])
    duct = DuctNetwork(places, np.linspace(radius, radius / 2, count + 1), rows, [1] * count, [0] * count)
    surface = duct_surface(duct)
    assert np.isfinite(surface.vertices_mm).all()
    assert np.allclose(np.linalg.norm(surface.normals, axis=1), 1)
    if len(surface.faces):
        mesh = trimesh.Trimesh(surface.vertices_mm, surface.faces, process=False)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent


@pytest.mark.parametrize("turn_deg", [0, 20, 60, 110])
@pytest.mark.parametrize("radius", [0.1, 0.4, 1.0, 2.0])
def test_a_bent_tube_holds_what_a_round_one_does(turn_deg: float, radius: float) -> None:
    """π r² L for the pieces and a ball for the two ends, at any bend and number of sides; faces look out in LPS."""
    turn = np.radians(turn_deg)
    places = [[10, 0, 0], [30, 0, 0], [30 + 20 * np.cos(turn), 20 * np.sin(turn), 0]]
    duct = DuctNetwork(places, [radius] * 3, [[0, 1], [1, 2]], [1, 1], [0, 0])
    content = ply_bytes(duct)
    assert b"comment SPACE=LPS" in content
    mesh = trimesh.load(io.BytesIO(content), file_type="ply", process=False)
    assert mesh.volume == pytest.approx(np.pi * radius**2 * 40 + 4 / 3 * np.pi * radius**3, rel=1e-4)
    centres = mesh.triangles_center * [-1, -1, 1]
    outward = (centres - _nearest(centres, duct)) * [-1, -1, 1]
    assert (np.einsum("fx,fx->f", mesh.face_normals, outward) > 0).all()


def _nearest(points: np.ndarray, duct: DuctNetwork) -> np.ndarray:
    """Return the points of a duct's axis that are nearest to points."""
    share = np.linspace(0, 1, 2001)[:, None, None]
    ends = duct.nodes_mm[duct.segments]
    axis = ((1 - share) * ends[:, 0] + share * ends[:, 1]).reshape(-1, 3)
    return axis[cKDTree(axis).query(points)[1]]
