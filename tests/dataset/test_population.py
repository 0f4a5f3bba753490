"""Populations: laws, truncation, streams."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from scipy import stats

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import UsageError
from pancreasgen.catalogue import entries
from pancreasgen.dataset.law import Law
from pancreasgen.dataset.people import Population
from pancreasgen.dataset.population import load_population
from pancreasgen.organ.gland import Gland
from pancreasgen.organ.lesion import Lesion

UNIFORM = np.random.default_rng(1).random(4000)


def test_a_truncated_normal_follows_its_law() -> None:
    """Kolmogorov–Smirnov against SciPy's truncated normal."""
    law = Law("a", "normal", low=110, high=210, mean=162, sd=17)
    truth = stats.truncnorm((110 - 162) / 17, (210 - 162) / 17, 162, 17)
    assert stats.kstest([float(law.draw(u)) for u in UNIFORM], truth.cdf).pvalue > 0.01


def test_a_lognormal_has_the_mean_and_sd_that_it_names() -> None:
    """Mean and sd are those of the quantity itself, not of its logarithm."""
    law = Law("a", "lognormal", low=0, high=1e6, mean=16, sd=7)
    draws = np.array([float(law.draw(u)) for u in (np.arange(20000) + 0.5) / 20000])
    assert abs(draws.mean() - 16) < 0.05
    assert abs(draws.std() - 7) < 0.1


def test_a_choice_follows_its_weights() -> None:
    """χ² of 4,000 draws."""
    law = Law("a", "choice", choices=("x", "y", "z"), weights=(1, 2, 5))
    counts = [sum(law.draw(u) == name for u in UNIFORM) for name in "xyz"]
    assert stats.chisquare(counts, np.array([1, 2, 5]) / 8 * 4000).pvalue > 0.01


def test_the_ends_of_chance_stay_in_range() -> None:
    """The smallest and largest uniform numbers give values within low and high."""
    law = Law("a", "normal", low=1, high=2, mean=40, sd=1)
    assert all(1 <= float(law.draw(u)) <= 2 for u in (0.0, 0.5, np.nextafter(1, 0)))


def test_a_new_quantity_moves_no_other() -> None:
    """Draws are keyed by name: adding and removing laws leaves the others as they are."""
    laws = {name: Law(name, "uniform", low=0, high=1) for name in ("b", "a", "c")}
    chance = Chance(3, 1, "subject")
    many = Population("p", "", laws).draw(chance)
    few = Population("p", "", {name: laws[name] for name in ("c", "a")}).draw(chance)
    assert {key: many[key] for key in few} == few


def test_a_follower_feels_a_given_value() -> None:
    """The mean moves by slope × (value − at), also when the value was given and not drawn."""
    age = Law("age", "uniform", low=20, high=80)
    fat = Law("fat", "normal", mean=3, sd=1e-6, low=-9, high=9, follows=("age",), slope=(0.1,), at=(50,))
    values = Population("p", "", {"fat": fat, "age": age}).draw(Chance(0, 0, "subject"), {"age": 70.0})
    assert values["age"] == 70.0
    assert abs(float(values["fat"]) - 5.0) < 1e-4


def test_a_law_may_follow_several_and_in_a_chain() -> None:
    """C follows a and b, b follows a: with next to no spread, c = 1 + 2 a + 3 b and b = 4 a, in any order."""
    still = {"sd": 1e-9, "low": -1e6, "high": 1e6}
    laws = {
        "c": Law("c", "normal", mean=1, follows=("a", "b"), slope=(2.0, 3.0), at=(0.0, 0.0), **still),
        "b": Law("b", "normal", mean=0, follows=("a",), slope=(4.0,), at=(0.0,), **still),
        "a": Law("a", "uniform", low=1, high=2),
    }
    for case in range(5):
        values = Population("p", "", laws).draw(Chance(0, case, "subject"))
        assert values["b"] == pytest.approx(4 * values["a"], abs=1e-5)
        assert values["c"] == pytest.approx(1 + 14 * values["a"], abs=1e-4)


@pytest.mark.parametrize(
    "law",
    [
        Law("a", "normal", low=110, high=210, mean=162, sd=17),
        Law("a", "lognormal", low=1, high=40, mean=16, sd=7),
        Law("a", "uniform", low=-3, high=8),
    ],
)
def test_the_level_of_a_draw_is_the_number_it_was_drawn_with(law: Law) -> None:
    """level(draw(u)) = u, also when the mean is shifted; beyond the range it is an end."""
    for u in (0.001, 0.3, 0.999):
        for shift in (0.0, 2.0):
            assert law.level(float(law.draw(u, shift)), shift) == pytest.approx(u, abs=1e-6)
    assert law.level(-1e6) < 1e-12
    assert law.level(1e6) > 1 - 1e-12


@pytest.mark.parametrize("name", entries("population"))
def test_every_population_of_the_catalogue_can_be_drawn(name: str) -> None:
    """200 people: every draw makes a Gland, a Physique and a Lesion, and every law has a source."""
    population = load_population(name)
    owners = {"gland": Gland, "physique": Physique, "lesion": Lesion}
    known = {group: {f.name for f in fields(owner)} for group, owner in owners.items()}
    for law in population.laws.values():
        group, _, field = law.key.partition(".")
        assert group in ("body", "ducts") or field in known[group], law.key
        assert law.source
    for case in range(200):
        values = population.draw(Chance(0, case, "subject"))
        Gland(**{key[6:]: value for key, value in values.items() if key.startswith("gland.")})  # type: ignore[arg-type]
        Physique(**{key[9:]: value for key, value in values.items() if key.startswith("physique.")})  # type: ignore[arg-type]
        Lesion(**{key[7:]: value for key, value in values.items() if key.startswith("lesion.")})  # type: ignore[arg-type]


def test_an_unknown_population_names_those_that_exist() -> None:
    """The nearest name and the list are in the letter."""
    with pytest.raises(UsageError) as caught:
        load_population("adlt")
    assert "did you mean `adult`?" in caught.value.letter()
