"""Measures of finished cases, on volumes whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pancreasgen.anatomy.structures import VALUES
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.checks import Check, check_case
from pancreasgen.dataset.measure import hu_medians, label_volumes

GRID = Grid((40, 40, 8), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))


def _body() -> tuple[Volume, Volume, Volume]:
    labels = np.zeros(GRID.shape, "u1")
    labels[12:28, 12:28] = VALUES["liver"]
    labels[16:24, 16:24] = VALUES["main_duct"]
    hu = np.select([labels == VALUES["liver"], labels == VALUES["main_duct"]], [110.0, 8.0], -1000.0).astype("f4")
    hu[12, :, :] = 900.0  # a wrong border, which the median must not feel
    fraction = np.where(labels == VALUES["main_duct"], 255, 0).astype("u1")
    return (
        Volume(labels, GRID, Quantity.LABEL),
        Volume(hu, GRID, Quantity.HU),
        Volume(fraction, GRID, Quantity.FRACTION),
    )


def test_medians_are_taken_away_from_borders() -> None:
    """Liver 110, air −1000, the inside of a wide lumen 8."""
    labels, image, fraction = _body()
    medians = hu_medians(labels, image, fraction)
    assert medians["hu.liver"] == 110.0
    assert medians["hu.wide_lumen"] == 8.0
    assert medians["hu.air"] == -1000.0
    assert "hu.spleen" not in medians


def test_volumes_are_counted_in_ml() -> None:
    """8 × 8 × 8 voxels of 2 mm³ are 1.024 mL."""
    labels, _, _ = _body()
    assert label_volumes(labels)["volume_ml.main_duct"] == pytest.approx(1.024)
    assert "volume_ml.background" not in label_volumes(labels)


def test_checks_fail_outside_their_range_and_on_nan() -> None:
    """The ends of a range pass, beyond them and NaN do not; NaN is null in JSON."""
    assert Check("a", 1.0, 1.0, 2.0).passed
    assert not Check("a", 2.1, 1.0, 2.0).passed
    nan = Check("a", math.nan, 1.0, 2.0)
    assert not nan.passed
    assert nan.to_dict()["value"] is None


def test_hu_ranges_are_those_of_the_phase_and_hold_at_about_120_kv() -> None:
    """A liver of 55 HU is right without contrast medium and wrong in the portal phase; at 80 kV nobody says."""
    assert [c.passed for c in check_case({"hu.liver": 55.0}, "portal-venous")] == [False]
    assert [c.passed for c in check_case({"hu.liver": 55.0}, "unenhanced")] == [True]
    assert check_case({"hu.liver": 55.0}, "portal-venous", kvp=80) == ()
    assert [c.passed for c in check_case({"gland.length_mm": 60.0}, "delayed")] == [False]
    assert [c.passed for c in check_case({"gland.length_mm": 60.0}, "delayed", {"gland.length_mm": (25, 95)})] == [True]
