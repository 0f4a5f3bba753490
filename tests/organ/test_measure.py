"""Measures of glands whose thickness follows from a formula."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.measure import axis_stations, measure_gland, region_of, thickness_mm
from pancreasgen.organ.organ import Organ, Region

A_MM, B_MM = 9.0, 14.0


def elliptic_cylinder(rise_deg: float, turn_deg: float, spacing: tuple[float, float, float]) -> Organ:
    """An endless cylinder; half axes 9 mm in the axial plane and 14 mm upwards; head and tail by the sign of s.

    Its axis rises by one angle and is turned about z by the other.
    """
    rise, turn = np.radians([rise_deg, turn_deg])
    along = np.array([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)])
    level = np.cross(along, [0.0, 0.0, 1.0]) / np.cos(rise)
    up = np.cross(level, along)
    shape = tuple(int(80 / s) | 1 for s in spacing)
    grid = Grid.centred(shape, spacing, (0.0, 0.0, 0.0))
    x, y, z = grid.mesh_mm()
    s, u, v = (x * e[0] + y * e[1] + z * e[2] for e in (along, level, up))
    rho = np.sqrt((u / A_MM) ** 2 + (v / B_MM) ** 2)
    depth = A_MM * (1.0 - rho)  # zero on the capsule, linear across it along the short axis
    regions = np.where(depth > 0, np.where(s < 0, Region.HEAD, Region.TAIL), 0).astype("u1")
    axis = np.linspace(-30, 30, 25)[:, None] * along
    return Organ(Volume(depth.astype("f4"), grid, Quantity.DISTANCE), axis, {}, Volume(regions, grid, Quantity.LABEL))


@pytest.mark.parametrize("rise_deg", [0.0, 25.0, -50.0])
@pytest.mark.parametrize("turn_deg", [0.0, 110.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 3.0)])
def test_the_thickness_of_an_elliptic_cylinder_is_its_axial_width(
    rise_deg: float, turn_deg: float, spacing: tuple[float, float, float]
) -> None:
    """2a in head and tail, whatever way the axis rises and turns, on cubic and flat voxels; no neck, no body."""
    found = measure_gland(elliptic_cylinder(rise_deg, turn_deg, spacing))
    assert found["ap_head_mm"] == pytest.approx(2 * A_MM, abs=0.15)
    assert found["ap_tail_mm"] == pytest.approx(2 * A_MM, abs=0.15)
    assert found["length_mm"] == pytest.approx(60.0)
    assert {"ap_neck_mm", "ap_body_mm"}.isdisjoint(found)


def test_an_upright_gland_has_no_thickness_across_its_axis() -> None:
    """Where the axis runs along the body there is no one direction across it: nothing is told, nothing is made up."""
    organ = elliptic_cylinder(85.0, 0.0, (1.0, 1.0, 1.0))
    assert set(measure_gland(organ)) == {"volume_ml", "length_mm"}
    assert np.isnan(axis_stations(organ)[1]).all()


def test_thickness_ends_at_the_first_capsule_and_at_the_border() -> None:
    """A slab 6 mm thick beside another one counts alone; one that the grid cuts off ends there; outside is NaN."""
    grid = Grid((41, 5, 5), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    x = grid.mesh_mm()[0] + np.zeros(grid.shape)
    depth = np.maximum.reduce([3.0 - abs(x - 10.0), 3.0 - abs(x - 20.0), x - 35.0])
    slabs = Volume(depth.astype("f4"), grid, Quantity.DISTANCE)
    points = np.array([[9.0, 2, 2], [20.5, 2, 2], [38.0, 2, 2], [15.0, 2, 2]])
    told = thickness_mm(slabs, points, np.tile([1.0, 0, 0], (4, 1)))
    assert told[:2] == pytest.approx([6.0, 6.0], abs=1e-6)
    assert told[2] == pytest.approx(5.0, abs=0.5)
    assert np.isnan(told[3])


def test_regions_outside_are_those_of_the_nearest_tissue() -> None:
    """Inside, the voxel's own region; outside, by brute force over all voxels, on flat voxels too."""
    organ = elliptic_cylinder(20.0, 40.0, (1.5, 1.5, 4.0))
    rng = np.random.default_rng(0)
    points = rng.uniform(-45, 45, (60, 3))
    told = region_of(points, organ)
    grid, data = organ.regions.grid, organ.regions.data
    centres = grid.to_world(np.argwhere(data > 0))
    labels = data[data > 0]
    far = np.linalg.norm(centres[None] - points[:, None], axis=2)
    index = np.clip(np.rint(grid.to_index(points)).astype(int), 0, np.array(grid.shape) - 1)
    own = data[tuple(index.T)]
    sure = np.sort(far, axis=1)[:, 1] > far.min(axis=1) + 1e-9
    nearest = labels[far.argmin(axis=1)]
    assert (own == 0).sum() > 20
    assert (told == np.where(own > 0, own, nearest))[sure | (own > 0)].all()


def test_a_procedural_gland_is_about_as_thick_as_drawn() -> None:
    """Without relief, neck and tail are within 2 mm of what was drawn; head above body above tail above neck."""
    gland = Gland(lobulation_mm=0.0)
    found = measure_gland(shape_organ(gland, Chance(3, 0, "organ")))
    assert found["ap_neck_mm"] == pytest.approx(gland.ap_neck_mm, abs=2.0)
    assert found["ap_tail_mm"] == pytest.approx(gland.ap_tail_mm, abs=2.0)
    assert found["ap_head_mm"] > found["ap_body_mm"] > found["ap_tail_mm"] > found["ap_neck_mm"]
