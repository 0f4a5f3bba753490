import dataclasses
import json
import tomllib

import pytest

from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.catalogue import entries, entry_text
from pancreasgen.scan.protocol import Protocol, load_protocol
from pancreasgen.scan.ranges import RANGES

NAMES = (
    "delayed",
    "dual-energy",
    "low-dose",
    "pancreatic",
    "photon-counting",
    "portal-venous",
    "thick",
    "thin",
    "unenhanced",
)


def test_the_catalogue_holds_the_promised_protocols() -> None:
    """All nine protocols exist."""
    assert set(NAMES) <= set(entries("protocol"))


@pytest.mark.parametrize("name", NAMES)
def test_every_protocol_survives_json_and_names_its_sources(name: str) -> None:
    """to_dict → JSON → from_dict is the identity; each number has unit and source."""
    protocol = load_protocol(name)
    assert Protocol.from_dict(json.loads(json.dumps(protocol.to_dict()))) == protocol
    for item in tomllib.loads(entry_text("protocol", name))["settings"].values():
        assert set(item) == {"value", "unit", "source"}
        assert item["source"]


def test_doses_are_those_of_abdominal_ct() -> None:
    """Routine CTDIvol is 9 to 10 mGy, low dose a third to a half of it, and all are below the reference level of 15."""
    dose = {name: load_protocol(name).ctdi_vol_mgy() for name in NAMES}
    assert 9.0 < dose["portal-venous"] < 10.0
    assert dose["portal-venous"] / 3.0 < dose["low-dose"] < dose["portal-venous"] / 2.0
    assert max(dose.values()) < 15.0


@pytest.mark.parametrize("name", RANGES)
def test_a_value_out_of_range_names_the_range(name: str) -> None:
    """Above its range every number is refused by its name."""
    with pytest.raises(UsageError, match=name):
        dataclasses.replace(load_protocol("thick"), **{name: RANGES[name][1] * 1.5 + 1.0})


def test_both_spectra_of_a_dual_energy_scan_count() -> None:
    """The CTDIvol of a dual-energy scan is the sum of two, alike within a tenth, about 10 mGy in all."""
    both = load_protocol("dual-energy")
    second = both.second()
    first = dataclasses.replace(both, second_kvp=0.0, second_mas=0.0)
    assert both.ctdi_vol_mgy() == pytest.approx(first.ctdi_vol_mgy() + second.ctdi_vol_mgy())
    assert first.ctdi_vol_mgy() == pytest.approx(second.ctdi_vol_mgy(), rel=0.1)
    assert 9.0 < both.ctdi_vol_mgy() < 11.0


def test_dual_energy_wants_a_voltage_and_a_current() -> None:
    """A second voltage without a table, or without a current, is refused with both numbers."""
    with pytest.raises(UsageError, match="second_kvp from 70"):
        dataclasses.replace(load_protocol("thick"), second_kvp=125, second_mas=100)
    with pytest.raises(UsageError, match="140 kV and 0 mAs"):
        dataclasses.replace(load_protocol("thick"), second_kvp=140)


def test_two_spectra_need_no_bone_correction() -> None:
    """Bone correction of a dual-energy scan is refused with the reason."""
    with pytest.raises(UsageError, match="no beam hardening"):
        dataclasses.replace(load_protocol("dual-energy"), bone_correction=True)


def test_infinite_dose_is_refused() -> None:
    """Noise is switched off by `noise`, not by infinite mAs."""
    with pytest.raises(UsageError, match="mas"):
        dataclasses.replace(load_protocol("thick"), mas=float("inf"))


def test_slices_are_whole_numbers_of_rows() -> None:
    """A slice of 2 mm cannot be made of rows of 1.25 mm."""
    with pytest.raises(UsageError, match=r"rows of 1\.25 mm"):
        dataclasses.replace(load_protocol("thick"), slice_thickness_mm=2.0)
    assert load_protocol("thick").rows_per_slice == 4


def test_unknown_names_get_help() -> None:
    """A wrong kernel, phase, name or field is answered with what exists."""
    with pytest.raises(UsageError, match="kernel `sof`") as kernel:
        dataclasses.replace(load_protocol("thick"), kernel="sof")
    assert "soft" in kernel.value.hint
    with pytest.raises(UsageError, match="phase"):
        dataclasses.replace(load_protocol("thick"), phase="venous")
    with pytest.raises(BadInputError, match="unknown: kv; missing: kvp"):
        Protocol.from_dict({("kv" if k == "kvp" else k): v for k, v in load_protocol("thick").to_dict().items()})


def test_quick_is_the_same_scanner_with_coarse_numbers() -> None:
    """quick() changes sampling only: tube, filters, distances and fan stay."""
    full, quick = load_protocol("portal-venous"), load_protocol("portal-venous").quick()
    assert (quick.matrix, quick.row_mm, quick.slice_thickness_mm) == (128, 5.0, 5.0)
    for name in ("kvp", "mas", "source_to_isocentre_mm", "fan_fov_mm", "kernel", "phase", "fov_mm"):
        assert getattr(quick, name) == getattr(full, name)
