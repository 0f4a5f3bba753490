"""How lesions are drawn: which laws hold, published shares and contrasts, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.dataset.diseases import ISO_SIZE, POPULATION_OF, draw_lesions, lesion_laws
from pancreasgen.dataset.findings import hidden
from pancreasgen.dataset.grammars import GrammarText
from pancreasgen.dataset.population import Population, load_population
from pancreasgen.dataset.recipe import Subject
from pancreasgen.dataset.settings import make_settings
from pancreasgen.organ.lesion import KINDS, Lesion
from pancreasgen.organ.seat import seat_of
from pancreasgen.scan.protocol import load_protocol


def drawn(population: str, count: int, **given: float | str) -> list[Lesion]:
    """Return the lesions of the first subjects of a population."""
    laws, fixed = load_population(population), {f"lesion.{key}": value for key, value in given.items()}
    found = []
    for case in range(count):
        chance = Chance(5, case, "subject")
        found += draw_lesions(laws, chance, laws.draw(chance, fixed), fixed)
    return found


def test_every_kind_has_a_population_that_draws_it() -> None:
    """Each kind but none is drawn by the population that it is named after, with every value in its range."""
    assert set(POPULATION_OF) == set(KINDS) - {"none"}
    for kind, population in POPULATION_OF.items():
        assert kind in {lesion.kind for lesion in drawn(population, 12)}


def test_adults_are_healthy_unless_told_otherwise(grammar: GrammarText) -> None:
    """Nobody in `adult` has a lesion; with lesion.kind given, the laws of that kind's population hold."""
    assert make_settings(grammar, seed=5).subject(0).lesions == ()
    (given,) = make_settings(grammar, seed=5, overrides={"lesion.kind": "pdac"}).subject(0).lesions
    (own,) = make_settings(grammar, seed=5, population="pdac").subject(0).lesions
    assert given == own


def test_given_values_are_taken(grammar: GrammarText) -> None:
    """--set lesion.kind=pdac lesion.at=0.2 fixes these two; all others are drawn as before."""
    told = {"lesion.kind": "pdac", "lesion.at": "0.2", "lesion.diameter_mm": "31"}
    (lesion,) = make_settings(grammar, seed=5, overrides=told).subject(0).lesions
    (other,) = make_settings(grammar, seed=5, population="pdac").subject(0).lesions
    assert (lesion.kind, lesion.at, lesion.diameter_mm) == ("pdac", 0.2, 31.0)
    assert lesion.duct_mm == other.duct_mm
    changed = make_settings(grammar, seed=5, population="pdac", overrides={"lesion.kind": "pnet"}).subject(0).lesions
    assert changed == make_settings(grammar, seed=5, population="pnet").subject(0).lesions


def test_a_mixed_population_needs_only_the_kinds() -> None:
    """A population that says how frequent kinds are draws each by the laws of its own population."""
    from pancreasgen.dataset.population import Law

    law = Law("lesion.kind", "choice", choices=("none", "pdac", "pnet"), weights=(1.0, 1.0, 1.0))
    mixed = Population("mixed", "", {**load_population("adult").laws, law.key: law})
    kinds = []
    for case in range(60):
        chance = Chance(5, case, "subject")
        found = draw_lesions(mixed, chance, mixed.draw(chance), {})
        kinds.append(found[0].kind if found else "none")
        if found and found[0].kind == "pnet":
            assert found == tuple(drawn("pnet", case + 1)[-1:])
    assert all(10 <= kinds.count(kind) <= 30 for kind in ("none", "pdac", "pnet"))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"lesion.kind": "pdca"}, "did you mean `pdac`"),
        ({"lesion.at": "3"}, "lesion.at must be a number from 0.02 to 0.98, not 3"),
        ({"lesion.colour": "red"}, "no setting `lesion.colour`"),
        ({"lesion.at": "0.3"}, "`lesion.at` has no meaning: `adult` draws no lesion"),
        (
            {"lesion.kind": "pdac", "lesion.diameter_mm": "140", "gland.length_mm": "120"},
            "a pdac of 140 mm is larger than the gland, which is 120 mm long",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(grammar: GrammarText, told: dict[str, str], words: str) -> None:
    """The letter names the key, the range, or what is missing."""
    with pytest.raises(UsageError) as caught:
        make_settings(grammar, overrides=told).subject(0)
    assert words in caught.value.letter()


def test_carcinomas_lie_and_grow_as_published() -> None:
    """71, 13 and 16 % in head, body and tail (PMID 30264642); above 40 mm 21, 40 and 51 % of those that are dark.

    2,000 draws: shares within 3 points, sizes within 7 (the source counts a registry, the means come from elsewhere).
    """
    found = drawn("pdac", 2000)
    at = np.array([lesion.at for lesion in found])
    parts = {"head": at < 0.4, "body": (at > 0.4) & (at < 0.7), "tail": at > 0.7}
    for part, share in (("head", 71), ("body", 13), ("tail", 16)):
        assert 100 * parts[part].mean() == pytest.approx(share, abs=3)
    dark = np.array([lesion.attenuation == "hypo" for lesion in found])
    large = np.array([lesion.diameter_mm > 40 for lesion in found])
    for part, share in (("head", 21), ("body", 40), ("tail", 51)):
        assert 100 * large[dark & parts[part]].mean() == pytest.approx(share, abs=9)
    assert 0.054 < 1 - dark.mean() < 0.14


def test_contrasts_are_the_published_ones() -> None:
    """100 dark carcinomas: 60.2 ± 24.6, 40.5 ± 23.0 and 18.3 ± 11.8 HU by phase.

    Means within 0.3 SD, spread within a third. Isoattenuating ones differ by
    9.3 ± 11.3 HU in the pancreatic phase (PMID 12202711).
    """
    found = drawn("pdac", 130)
    dark = [lesion for lesion in found if lesion.attenuation == "hypo"][:100]
    assert len(dark) == 100
    for phase, mean, sd in (("pancreatic", 60.2, 24.6), ("portal-venous", 40.5, 23.0), ("delayed", 18.3, 11.8)):
        values = np.array([lesion.contrast_hu(phase, 100.0) for lesion in dark])
        assert abs(values.mean() - mean) < 0.3 * sd
        assert values.std() == pytest.approx(sd, rel=0.34)
    pale = [lesion.contrast_hu("pancreatic", 100.0) for lesion in drawn("pdac", 100, attenuation="iso")]
    assert abs(np.mean(pale) - 9.3) < 0.3 * 11.3


def test_isoattenuating_carcinomas_are_small() -> None:
    """They are 0.41 times as large (12.4 of 30.3 mm), unless the size is given."""
    dark, pale = drawn("pdac", 20, attenuation="hypo"), drawn("pdac", 20, attenuation="iso")
    for one, other in zip(dark, pale, strict=True):
        assert other.diameter_mm == pytest.approx(max(ISO_SIZE * one.diameter_mm, 5.0))
    assert {lesion.diameter_mm for lesion in drawn("pdac", 5, attenuation="iso", diameter_mm=33.0)} == {33.0}


def test_upstream_calibre_and_arterial_ratio_follow_their_laws() -> None:
    """Main duct 6 ± 2.5 mm within 3-12 mm, ratio 1.53 ± 0.45: means of 500 within 0.2 SD."""
    widths = np.array([lesion.duct_mm for lesion in drawn("pdac", 500)])
    assert widths.min() >= 3
    assert widths.max() <= 12
    assert abs(widths.mean() - 6.0) < 0.2 * 2.5
    ratios = np.array([lesion.arterial_ratio for lesion in drawn("pnet", 500)])
    assert abs(ratios.mean() - 1.53) < 0.2 * 0.45


def test_half_of_the_chronically_ill_have_stones() -> None:
    """7 to 50 stones in over half of them (ECR), none in the others."""
    counts = np.array([lesion.num_stones for lesion in drawn("chronic_pancreatitis", 400)])
    assert 0.48 < (counts > 0).mean() < 0.6
    assert counts[counts > 0].min() >= 7
    assert counts.max() <= 50


def test_every_law_of_a_lesion_has_a_source() -> None:
    """No number of a lesion goes without a source or an honest `assumed`."""
    for population in set(POPULATION_OF.values()):
        assert all(law.source for law in lesion_laws(population).values())


def test_a_subject_with_a_lesion_survives_json(grammar: GrammarText) -> None:
    """from_dict undoes to_dict; a lesion from a file that does not fit is bad input that names its key."""
    subject = make_settings(grammar, seed=5, population="ipmn").subject(0)
    data = json.loads(json.dumps(subject.to_dict()))
    assert Subject.from_dict(data) == subject
    data["lesions"][0]["at"] = 7
    with pytest.raises(BadInputError, match=r"subject.lesions.at must be a number from 0.02 to 0.98, not 7"):
        Subject.from_dict(data)


@pytest.mark.parametrize(
    ("lesion", "words"),
    [
        (Lesion(kind="pdac", diameter_mm=30), ""),
        (Lesion(kind="pnet", diameter_mm=2), "too small: 2.0 mm wide"),
        (Lesion(kind="pdac", diameter_mm=12, contrast_portal_hu=4), "as bright as the gland: it differs by 4.0 HU"),
        (Lesion(kind="ipmn_branch", diameter_mm=6, contrast_portal_hu=4), ""),
        (Lesion(kind="chronic_pancreatitis"), ""),
    ],
)
def test_what_cannot_be_seen_is_marked_so(lesion: Lesion, words: str) -> None:
    """Too small for the slices, or too little contrast for a solid mass: the reason says which and by how much."""
    protocol = replace(load_protocol("portal-venous"), phase="portal-venous")
    reason = hidden(seat_of(lesion, np.zeros(3), Chance(1, 0, "x")), protocol, 0.8)
    assert words in reason
    assert bool(words) == bool(reason)
