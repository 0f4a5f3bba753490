"""The CatPhan of scripts/qa_phantom.py shows the HU of what it is made of."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.scan.scan import scan
from tests.scan.bodies import protocol

SCRIPTS = str(Path(__file__).parents[2] / "scripts")


@pytest.fixture(scope="module")
def rooms():
    """Import the phantom's files, which stand beside the package, and let them go again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        import qa_phantom
        import qa_scan

        yield qa_phantom, qa_scan
        for name in ("qa_phantom", "qa_scan"):
            sys.modules.pop(name, None)


def test_inserts_have_the_hu_of_their_material(rooms) -> None:
    """At 120 kVp each insert is within 6 HU of what formula and gravity give for the spectrum behind 20 cm of water."""
    phantom, qa_scan = rooms
    setting = protocol(kvp=120, kernel="standard", fov_mm=220.0, matrix=256, row_mm=2.5)
    section = next(s for s in phantom.SECTIONS if s.name == "sensitometry")
    body = phantom.catphan([(-1.25, 1.25)], section.fill, 0.5)
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    image = qa_scan.as_seen(scan(body, setting, grid, Chance(1, 0, "noise")))[0]
    place = (np.arange(256) - 127.5) * 220.0 / 256.0
    for name, insert in phantom.INSERTS.items():
        u, v = phantom.around(insert.angle_deg, phantom.INSERT_MM)
        inside = np.hypot(place[None] - u, place[:, None] - v) < 4.0
        assert image[inside].mean() == pytest.approx(qa_scan.expected_hu(insert, setting), abs=6.0), name


def test_slabs_of_a_wire_hold_all_of_it(rooms) -> None:
    """Slabs of a ramp add up to the steel of a wire: 0.14² π times its length, within 2 %."""
    phantom, _ = rooms
    section = next(s for s in phantom.SECTIONS if s.name == "sensitometry")
    slabs = [(-10.0 + 2.5 * k, -7.5 + 2.5 * k) for k in range(8)]
    with_wire = phantom.catphan(slabs, section.fill, 0.5).data[1]
    steel = phantom.basis((("Fe", 1.0),), 7.87)[1]
    u = (np.arange(with_wire.shape[0]) - (with_wire.shape[0] - 1) / 2.0) * 0.5
    near = (np.abs(np.abs(u) - phantom.WIRE_MM) < 1.0)[:, None] & (np.abs(u) < 22.0)[None]
    volume = float(with_wire[near].sum()) * 0.5 * 0.5 * 2.5 / steel
    length = 2.0 * phantom.WIRE_REACH_MM / np.cos(np.radians(phantom.RAMP_DEG))
    assert volume == pytest.approx(2.0 * np.pi * phantom.WIRE_RADIUS_MM**2 * length, rel=0.02)
