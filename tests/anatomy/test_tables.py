"""The tables of structures and tissues, and the physique's door."""

import numpy as np
import pytest

from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import STRUCTURES, structure
from pancreasgen.anatomy.tissues import PHASES, palette, tissue_index, tissues
from pancreasgen.base.errors import UsageError
from pancreasgen.scan.materials import basis_attenuation, hu_at

PORTAL_VENOUS_HU = {
    "pancreas": (75, 125),
    "liver": (102, 132),
    "spleen": (100, 140),
    "fat": (-120, -85),
    "muscle": (45, 75),
    "pancreatic_juice": (0, 25),
    "bile": (0, 25),
    "kidney": (130, 220),
    "arterial_blood": (120, 190),
    "portal_blood": (157, 195),
    "systemic_venous_blood": (120, 160),
    "air": (-1000, -998),
    "bowel_wall": (90, 110),
    "trabecular_bone": (150, 200),
}


def hu_70(densities):
    water = basis_attenuation()[0, 60]
    return 1000 * (densities @ basis_attenuation()[:, 60] / water - 1)


def test_values_are_consecutive():
    """Labels are 0, 1, 2 …, fit a byte, and no name, colour or rank over the ducts occurs twice."""
    assert [item.value for item in STRUCTURES] == list(range(len(STRUCTURES)))
    assert len({item.name for item in STRUCTURES}) == len(STRUCTURES)
    assert len({item.rgb for item in STRUCTURES}) == len(STRUCTURES)
    assert all(0 <= c <= 255 for item in STRUCTURES for c in item.rgb)


def test_every_structure_has_a_tissue():
    """Each structure names a tissue of the catalogue."""
    assert {item.tissue for item in STRUCTURES} <= set(tissues())


def test_ducts_stand_above_gland_above_the_rest():
    """Precedence: ducts over gland over vessels over organs."""
    ranks = [structure(n).precedence for n in ("main_duct", "pancreas_body", "superior_mesenteric_vein", "liver")]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("name", sorted(PORTAL_VENOUS_HU))
def test_portal_venous_hu(name):
    """At 70 keV in the portal-venous phase each tissue lies within its published or recalled range."""
    low, high = PORTAL_VENOUS_HU[name]
    assert low <= hu_70(palette(Physique(), "portal-venous")[tissue_index()[name]]) <= high


def test_unenhanced_hu_is_the_table_s():
    """Without contrast medium every tissue has the HU that the catalogue asks for, within the basis fit's error."""
    found = hu_70(palette(Physique(), "unenhanced"))
    wanted = [tissue.unenhanced_hu for tissue in tissues().values()]
    assert np.abs(found - wanted).max() < 1.5


def test_iodine_adds_what_physics_says():
    """Arterial blood in the pancreatic phase is brighter by 10.4 mg/mL of iodine."""
    tissue = tissues()["arterial_blood"]
    zero = tissue.densities("unenhanced")
    added = hu_at({"H": 0.111894, "O": 0.888106}, 1.0, iodine_mg_ml=tissue.iodine_mg_ml["pancreatic"])
    assert hu_70(tissue.densities("pancreatic")) - hu_70(zero) == pytest.approx(added, abs=1.0)


def test_enhancement_factors_scale_their_group():
    """A factor of 0 removes all iodine of its group and touches no other."""
    none = palette(Physique(artery_enhancement=0), "pancreatic")
    usual = palette(Physique(), "pancreatic")
    changed = {name for name, row in tissue_index().items() if not np.array_equal(none[row], usual[row])}
    assert changed == {"arterial_blood"}
    assert none[tissue_index()["arterial_blood"], 2] == 0


def test_every_tissue_has_sources():
    """Composition, HU and iodine each say where they come from; iodine is listed for known phases only."""
    for tissue in tissues().values():
        assert all(tissue.sources)
        assert set(tissue.iodine_mg_ml) <= set(PHASES) - {"unenhanced"}
        assert sum(tissue.composition.values()) == pytest.approx(1, abs=0.003)


def test_unknown_phase_is_a_letter():
    """A phase that does not exist is refused with those that do."""
    with pytest.raises(UsageError, match="no phase `portal`") as caught:
        palette(Physique(), "portal")
    assert "portal-venous" in caught.value.hint


def test_physique_checks_its_ranges():
    """Every field refuses values beyond its range and NaN, and the message names the field."""
    for name, about in Physique.describe().items():
        for bad in (about["low"] - 1, about["high"] + 1, float("nan"), "wide"):
            with pytest.raises(UsageError, match=name):
                Physique(**{name: bad})


def test_physique_round_trip_and_unknown_field():
    """to_dict and from_dict are inverse; an unknown field is refused with the nearest name."""
    one = Physique(half_width_mm=180, stomach_filling=0.1)
    assert Physique.from_dict(one.to_dict()) == one
    with pytest.raises(UsageError) as caught:
        Physique.from_dict({"skinn_mm": 2})
    assert "skin_mm" in caught.value.hint
