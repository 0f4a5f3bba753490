"""The populations of the catalogue: what each claims of its people's glands, and how grammars choose among them."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError
from pancreasgen.catalogue import entries, entry
from pancreasgen.dataset.checks import check_case
from pancreasgen.dataset.grammars import GrammarText
from pancreasgen.dataset.law import Drawn
from pancreasgen.dataset.population import load_population, parse_population
from pancreasgen.dataset.settings import make_settings
from pancreasgen.organ.gland import ABSENT, HYPOPLASTIC, Gland, shape_organ
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.organ import Organ, Region

NAMES = [name for name in entries("population") if not load_population(name).members]
GROWN_UP = [name for name in NAMES if name != "child"]


def drawn_gland(name: str, case: int, **fixed: Drawn) -> Gland:
    """Return the gland of one person."""
    given = {key.replace("__", "."): value for key, value in fixed.items()}
    values = load_population(name).draw(Chance(11, case, "subject"), given)
    return Gland(**{key[6:]: value for key, value in values.items() if key.startswith("gland.")})  # type: ignore[arg-type]


@cache
def organs(name: str) -> tuple[Organ, ...]:
    """Return the glands of three people."""
    return tuple(shape_organ(drawn_gland(name, case), Chance(11, case, "organ")) for case in range(3))


@pytest.mark.parametrize("name", NAMES)
def test_every_gland_is_one_piece_with_its_landmarks(name: str) -> None:
    """One piece, clear of its grid's border; papillae and tip of the tail inside; head and neck exist.

    So does the uncinate process where it is drawn to.
    """
    for case, organ in enumerate(organs(name)):
        inside = organ.distance.data > 0
        assert ndimage.label(inside)[1] == 1
        assert not any(np.take(inside, [0, -1], axis).any() for axis in range(3))
        for mark in ("major_papilla", "minor_papilla", "tail_tip"):
            assert sample_with_gradient(organ.distance, organ.landmarks[mark])[0][0] > 0.5, mark
        assert np.linalg.norm(organ.landmarks["tail_tip"][0] - organ.axis_mm[-1]) < 5.0
        assert set(np.unique(organ.regions.data)) >= {Region.HEAD, Region.NECK}
        assert (organ.regions.data == Region.UNCINATE).any() == (drawn_gland(name, case).uncinate >= ABSENT)


@pytest.mark.parametrize("name", GROWN_UP)
def test_volumes_of_grown_ups_are_published_ones(name: str) -> None:
    """18.8 to 139.8 mL: the range of 204 trauma CTs, PMID 30298430."""
    assert all(18.8 < organ.volume_ml < 139.8 for organ in organs(name))


def test_a_childs_gland_grows_with_age() -> None:
    """The same child has a larger gland at 13 than at 9 than at 6, never that of most adults (72 ± 26 mL)."""
    for case in range(2):
        glands = [drawn_gland("child", case, body__age_years=age) for age in (6.0, 9.0, 13.0)]
        volumes = [shape_organ(gland, Chance(11, case, "organ")).volume_ml for gland in glands]
        assert volumes == sorted(volumes)
        assert volumes[0] < 0.85 * volumes[-1]
        assert volumes[-1] < 72.4 - 25.8


def test_children_have_the_published_thickness() -> None:
    """Mean and sd of 1,000 children within 5 % and 12 % of head 18.3 ± 3.1, body 14.9 ± 3.0, tail 14.9 ± 3.3 mm."""
    glands = [drawn_gland("child", case) for case in range(1000)]
    for part, mean, sd in (("head", 18.3, 3.1), ("body", 14.9, 3.0), ("tail", 14.9, 3.3)):
        values = np.array([getattr(gland, f"ap_{part}_mm") for gland in glands])
        assert values.mean() == pytest.approx(mean, rel=0.05)
        assert values.std() == pytest.approx(sd, rel=0.12)


def test_uncinate_and_clefts_have_the_published_shares() -> None:
    """7 % have a small and 1.3 % no uncinate process, 17.95 % clefts: 3,000 adults, two standard errors or more."""
    glands = [drawn_gland("adult", case) for case in range(3000)]
    small = [gland.uncinate < HYPOPLASTIC for gland in glands]
    absent = [gland.uncinate < ABSENT for gland in glands]
    assert 100 * (np.mean(small) - np.mean(absent)) == pytest.approx(7.0, abs=1.5)
    assert 100 * np.mean(absent) == pytest.approx(1.3, abs=0.6)
    assert 100 * np.mean([gland.cleft_mm > 3.0 for gland in glands]) == pytest.approx(17.95, abs=1.5)


def test_no_part_of_a_child_is_an_adults() -> None:
    """Every size [mm] and every scale of a child's body has a law of its own, whose mean is below the adult's."""
    child, adult = entry("population", "child")["physique"], entry("population", "adult")["physique"]
    for key, law in adult.items():
        if (law.get("unit") == "mm" and key != "lobule_size_mm") or key.endswith("_scale"):
            assert child[key]["mean"] < law["mean"], key


def test_adults_are_who_they_were() -> None:
    """Golden: what cases 0 and 199 of seed 0 draw; no change of another law moves them."""
    keys = ("body.age_years", "gland.shape", "gland.length_mm", "physique.half_width_mm", "ducts.r_head")
    for case, wanted in (
        (0, [58.791279, "sigmoid", 149.85714, 146.792452, 1.903236]),
        (199, [58.587374, "transverse", 171.039178, 176.796319, 2.053421]),
    ):
        values = load_population("adult").draw(Chance(0, case, "subject"))
        assert [values[key] for key in keys] == wanted
        assert drawn_gland("adult", case) == replace(drawn_gland("adult", case), extent=1.0, ring_mm=0.0)


@pytest.mark.parametrize("name", [name for name in NAMES if "extends" in entry("population", name)])
def test_what_is_not_given_is_the_adults(name: str) -> None:
    """A population that extends `adult` draws the adult's value for each law that it does not give or disturb."""
    own, adult = load_population(name).laws, load_population("adult").laws
    given = {
        f"{group}.{key}"
        for group, laws in entry("population", name).items()
        if isinstance(laws, dict) and group != "checks"
        for key in laws
    }
    assert set(own) == set(adult) | given
    assert all(own[key] == adult[key] for key in adult.keys() - given)


@pytest.mark.parametrize("extends", ["p", "adlt"])
def test_unknown_bases_are_refused(extends: str) -> None:
    """What is extended must be one of the catalogue, so that no ring can arise through a user's file."""
    with pytest.raises(BadInputError, match=f"no population `{extends}`"):
        parse_population("p", f'extends = "{extends}"')


def test_what_extends_may_be_extended() -> None:
    """A file that extends `obese` has the laws, ranges and correlations of `obese`, and through it of `adult`."""
    own, obese = parse_population("p", 'extends = "obese"'), load_population("obese")
    assert (own.laws, own.checks, own.correlations) == (obese.laws, obese.checks, obese.correlations)
    assert own.correlations == load_population("adult").correlations


def test_a_grammar_chooses_whom_it_is_grown_in(grammar: GrammarText) -> None:
    """Without --population the grammar's own, else `adult`; a given one wins; the resolved name is what is kept."""
    own = replace(grammar, text=grammar.text.replace("param r_head", "population child\nparam r_head"))
    for text, asked, kept in (
        (grammar, None, "adult"), (own, None, "child"), (own, "elderly", "elderly"), (own, "adult", "adult"),
    ):  # fmt: skip
        settings = make_settings(text, population=asked, quick=True)
        assert settings.to_dict()["population"] == settings.population == kept
        assert settings.recipe(0).population == kept


def test_an_unknown_population_of_a_grammar_is_answered_with_its_file(grammar: GrammarText) -> None:
    """The letter names file, name and what exists, and does not refuse a population that was asked for."""
    lost = replace(grammar, text=grammar.text.replace("param r_head", "population toddler\nparam r_head"))
    with pytest.raises(BadInputError) as caught:
        make_settings(lost)
    for word in ("stick.lsys", "`toddler`", "child", "--population"):
        assert word in caught.value.letter()
    assert make_settings(lost, population="child").population == "child"


@pytest.mark.parametrize("name", NAMES)
def test_every_gland_passes_the_checks_of_its_population(name: str) -> None:
    """Volume and length of people as they are drawn lie in the ranges that a finished case is checked against."""
    own = load_population(name).checks
    for organ in organs(name):
        measures = {"gland.volume_ml": organ.volume_ml, "gland.length_mm": organ.length_mm}
        assert all(check.passed for check in check_case(measures, "portal-venous", own))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"gland.volume" = [1, 2]', "did you mean `gland.volume_ml`"),
        ('"gland.volume_ml" = 3', "must be .least, greatest."),
        ('"gland.volume_ml" = [3, 2]', "must lie below"),
    ],
)
def test_wrong_ranges_get_a_letter(line: str, words: str) -> None:
    """A measure that is not checked, no pair, or ends the wrong way round."""
    with pytest.raises(BadInputError) as caught:
        parse_population("p", f"[checks]\n{line}")
    assert re.search(words, caught.value.letter())
