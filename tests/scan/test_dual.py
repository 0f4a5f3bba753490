import dataclasses

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.scan.detect import prepare_detector
from pancreasgen.scan.dual import Mixer, gain
from pancreasgen.scan.materials import WATER, basis_attenuation, hu_at
from pancreasgen.scan.protocol import Protocol, load_protocol
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, small

CHANCE = Chance(3, 1, "noise")


def dual(**changes: object) -> Protocol:
    """Return the catalogue's dual-energy protocol, coarse, without noise and scatter."""
    plain = {"noise": False, "scatter": 0.0, "modulation": 0.0}
    return dataclasses.replace(load_protocol("dual-energy").quick(), **(plain | changes))


def contents(radius_mm: float, setting: Protocol) -> dict[str, float]:
    """Return HU of water, of a rod with 5 mg/mL of iodine and of a bone in a water cylinder."""
    body = ellipse((radius_mm, radius_mm), (1.0, 0.0, 0.0))
    rod = ellipse((18.0, 18.0), (0.0, 0.0, 0.005), centre_mm=(0.0, 30.0))
    bone = ellipse((18.0, 18.0), (-0.1, 0.3, 0.0), centre_mm=(0.0, -30.0))
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    whole = Volume(body.data + rod.data + bone.data, body.grid, Quantity.DENSITY)
    image = scan(whole, setting, grid, CHANCE).data[:, :, 0]
    x, y, _ = grid.mesh_mm()
    spots = {"iodine": (0.0, 30.0), "bone": (0.0, -30.0), "water": (45.0, 0.0)}
    return {name: float(image[(np.hypot(x - a, y - b) < 11.0)[:, :, 0]].mean()) for name, (a, b) in spots.items()}


@pytest.mark.parametrize("kev", [50.0, 70.0, 100.0])
@pytest.mark.parametrize("radius_mm", [80.0, 160.0])
def test_the_mixed_image_is_that_of_one_energy(kev: float, radius_mm: float) -> None:
    """At any size iodine is within 6 % of its HU at that energy, bone 3 % (8 % at 50 keV), water within 2 HU."""
    found = contents(radius_mm, dual(mono_kev=kev))
    at = int(kev) - 10
    bone = 1000.0 * (0.9 + 0.3 * basis_attenuation()[1, at] / basis_attenuation()[0, at] - 1.0)
    assert found["water"] == pytest.approx(0.0, abs=2.0)
    assert found["iodine"] == pytest.approx(hu_at(WATER, 1.0, kev, 5.0), rel=0.06)
    assert found["bone"] == pytest.approx(bone, rel=0.08 if kev < 60.0 else 0.03)


def test_one_spectrum_alone_depends_on_the_size() -> None:
    """What mixing mends: at one voltage iodine loses over 4 % from a thin to a thick body; mixed, less than 2 %."""
    loss = {}
    for name, setting in (("one", small()), ("mixed", dual())):
        thin, thick = (contents(radius, setting)["iodine"] for radius in (80.0, 160.0))
        loss[name] = abs(1.0 - thick / thin)
    assert loss["one"] > 0.04
    assert loss["mixed"] < 0.02


def test_a_trace_reads_as_the_law_says() -> None:
    """The gain of water is 1, that of iodine falls with the water that it lies behind and with the voltage."""
    water = np.array([0.0, 200.0, 400.0])
    low, high = (gain(prepare_detector(small(kvp=kvp)), 2, water)[128] for kvp in (80, 140))
    assert gain(prepare_detector(small()), 0, water) == pytest.approx(1.0)
    assert (np.diff(low) < 0.0).all()
    assert (low > high).all()


def test_spectra_that_are_too_alike_are_refused() -> None:
    """120 and 120 kV cannot be told apart; the message proposes voltages."""
    setting = dual(kvp=120, second_kvp=120, second_filtration_mm_sn=0.0)
    with pytest.raises(BadInputError, match="too alike") as refused:
        Mixer.of(setting, prepare_detector(setting))
    assert "80 and 140" in refused.value.hint


def test_the_two_scans_have_noise_of_their_own() -> None:
    """Noise of the mix is w² σ₁² + (1 − w)² σ₂² of independent scans, within 10 % (soft tissue, centre)."""
    setting = dual(noise=True)
    mixer = Mixer.of(setting, prepare_detector(setting))
    body = ellipse((150.0, 110.0), (1.0, 0.0, 0.0), 4, slice_mm=20.0)
    grid = setting.image_grid((0.0, 0.0, 0.0), 16)
    x, y, _ = grid.mesh_mm()
    disc = (np.hypot(x, y) < 40.0)[:, :, 0]
    first = dataclasses.replace(setting, second_kvp=0.0, second_mas=0.0)
    spread = [float(scan(body, p, grid, CHANCE).data[disc].var()) for p in (setting, first, setting.second())]
    w = float(np.interp(260.0, np.arange(81) * 10.0, mixer.weight[128]))
    assert spread[0] == pytest.approx(w**2 * spread[1] + (1.0 - w) ** 2 * spread[2], rel=0.1)
