"""What each invariance of intensity declares is a law; records, ranges and letters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.scan.protocol import load_protocol
from pancreasgen.vary.bodies import change_protocol
from pancreasgen.vary.intensity import noise_hu
from pancreasgen.vary.table import INVARIANCES, ON_IMAGES, table_lines
from pancreasgen.vary.variation import Pair, Variation, apply, draw_variation
from tests.vary.fork import GRID, IMAGE, LABELS, vary


def test_blur() -> None:
    """The mean stays, and what is blurred by a and then b is blurred by √(a² + b²)."""
    inner = (slice(10, -10), slice(10, -10))
    once, _ = vary("blur", sigma_mm="1.5")
    assert abs(once.image.data.mean(dtype=np.float64) - IMAGE.data.mean(dtype=np.float64)) < 0.3
    twice, _ = vary("blur", once, sigma_mm="2")
    both, _ = vary("blur", sigma_mm="2.5")
    assert np.abs(twice.image.data - both.image.data)[inner].max() < 0.5
    assert once.image.data.std() < IMAGE.data.std()


@pytest.mark.parametrize(("name", "key", "value"), [("contrast", "factor", "0.75"), ("gamma", "exponent", "1.5")])
def test_contrast_and_gamma(name: str, key: str, value: str) -> None:
    """The order of HU stays: whoever was brighter still is, or, within float32, is the same."""
    varied, _ = vary(name, **{key: value})
    order = np.argsort(IMAGE.data, axis=None, kind="stable")
    assert (np.diff(varied.image.data.ravel()[order]) >= 0).all()
    assert not np.array_equal(varied.image.data, IMAGE.data)
    assert varied.labels is LABELS


def test_luminosity() -> None:
    """Differences stay, exactly."""
    varied, _ = vary("luminosity", shift_hu="5")
    assert np.array_equal(varied.image.data - 5.0, IMAGE.data)


def test_noise() -> None:
    """Shot noise keeps each slice's mean; its variance is σ²(1/dose − 1); another stream is another noise."""
    varied, _ = vary("noise", dose="0.25", sigma_hu="10")
    added = varied.image.data.astype(np.float64) - IMAGE.data
    assert np.abs(added.mean(axis=(0, 1))).max() < 1e-3
    assert added.std() == pytest.approx(10.0 * np.sqrt(3.0), rel=0.03)
    other, _ = apply(draw_variation(Chance(5, 2, "vary"), ["noise"]), Pair(IMAGE))
    assert not np.array_equal(other.image.data, varied.image.data)
    white = 40.0 + Chance(1, 0, "white").generator().normal(0.0, 8.0, GRID.shape)
    assert noise_hu(Volume(white.astype(np.float32), GRID, Quantity.HU)) == pytest.approx(8.0, rel=0.15)


def test_salt_pepper() -> None:
    """The said share of voxels is salt or pepper, half each; no other bit changes."""
    varied, _ = vary("salt_pepper", share="0.02")
    hit = varied.image.data != IMAGE.data
    assert hit.mean() == pytest.approx(0.02, rel=0.1)
    assert set(np.unique(varied.image.data[hit])) == {-1024.0, 3071.0}


def test_window() -> None:
    """Within the window no bit changes; twice is once."""
    varied, _ = vary("window", level_hu="40", width_hu="60")
    within = np.abs(IMAGE.data - 40.0) <= 30.0
    assert np.array_equal(varied.image.data[within], IMAGE.data[within])
    assert np.abs(varied.image.data - 40.0).max() == 30.0
    again, _ = vary("window", varied, level_hu="40", width_hu="60")
    assert np.array_equal(again.image.data, varied.image.data)


def test_scanner_side() -> None:
    """Dose, kernel, thickness and phase change their own number of a protocol and nothing else."""
    protocol = load_protocol("portal-venous")
    for name, text, field in (("dose", "0.5", "mas"), ("kernel", "sharp", "kernel"), ("phase", "delayed", "phase")):
        row = INVARIANCES[name]
        changed = change_protocol(protocol, row.draw(Chance(1, 0, name), {row.keys[0]: text}))
        assert replace(changed, **{field: getattr(protocol, field)}) == protocol
        assert changed != protocol
    thick = change_protocol(protocol, {"name": "thickness", "rows": 2.0})
    assert thick.slice_thickness_mm == pytest.approx(2.0 * protocol.row_mm)


def test_records() -> None:
    """A record does the same again after JSON; a new invariance in the draw moves no other one's values."""
    import json

    every = draw_variation(Chance(9, 3, "vary"), ON_IMAGES)
    again = Variation.from_dict(json.loads(json.dumps(every.to_dict())))
    assert again == every
    assert np.array_equal(
        apply(every, Pair(IMAGE, LABELS))[0].image.data, apply(again, Pair(IMAGE, LABELS))[0].image.data
    )
    assert draw_variation(Chance(9, 3, "vary"), ["noise"]).records[0] == every.records[ON_IMAGES.index("noise")]


def test_every_row_of_the_table_has_a_range_with_a_source() -> None:
    """Every number says where its range comes from, and what is drawn may also be given."""
    assert all("[" in line for line in table_lines()[1:] if line.startswith("    "))
    for row in INVARIANCES.values():
        assert row.preserves
        for case in range(5):
            record = row.draw(Chance(1, case, row.name))
            assert row.checked(record) == record


def test_letters() -> None:
    """Faults are told: unknown names, foreign grids, numbers that are no HU, broken records."""
    with pytest.raises(UsageError, match="no invariance"):
        draw_variation(Chance(1, 0, "vary"), ["rotate"])
    with pytest.raises(UsageError, match="scanner"):
        draw_variation(Chance(1, 0, "vary"), ["kernel"])
    with pytest.raises(UsageError, match="-180 to 180"):
        draw_variation(Chance(1, 0, "vary"), [], {"rotation.deg": "500"})
    with pytest.raises(BadInputError, match="do not share a grid"):
        Pair(IMAGE, Volume(np.zeros((2, 2, 2), np.uint8), Grid((2, 2, 2), (1, 1, 1), (0, 0, 0)), Quantity.LABEL))
    with pytest.raises(BadInputError, match="no HU"):
        vary("noise", Pair(Volume(np.zeros(GRID.shape, np.float32), GRID, Quantity.HU)))
    for broken in (
        [],
        {"schema": 1},
        {"schema": 1, "records": [{"name": "rotation"}], "border": "air", "interpolation": "linear"},
    ):
        with pytest.raises(BadInputError, match="record"):
            Variation.from_dict(broken)
