"""Populations: laws, truncation, streams."""

from __future__ import annotations

import tomllib
from dataclasses import fields

import numpy as np
import pytest
from scipy import stats

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.catalogue import entries
from pancreasgen.dataset.population import Law, load_population, parse_population
from pancreasgen.organ.gland import Gland

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
    base = {"g": {name: {"distribution": "uniform", "low": 0, "high": 1, "source": "t"} for name in ("a", "c")}}
    more = {"g": {"b": dict(base["g"]["a"]), **base["g"]}}
    chance = Chance(3, 1, "subject")
    few, many = parse_population("p", base).draw(chance), parse_population("p", more).draw(chance)
    assert {key: many[key] for key in few} == few


def test_a_follower_feels_a_given_value() -> None:
    """The mean moves by slope × (value − at), also when the value was given and not drawn."""
    laws = {
        "body": {"age": {"distribution": "uniform", "low": 20, "high": 80, "source": "t"}},
        "g": {"d": {"distribution": "normal", "mean": 3, "sd": 1e-6, "low": -9, "high": 9, "source": "t",
                    "follows": "body.age", "slope": 0.1, "at": 50}},
    }  # fmt: skip
    values = parse_population("p", laws).draw(Chance(0, 0, "subject"), {"body.age": 70.0})
    assert values["body.age"] == 70.0
    assert abs(float(values["g.d"]) - 5.0) < 1e-4


@pytest.mark.parametrize("name", entries("population"))
def test_every_population_of_the_catalogue_can_be_drawn(name: str) -> None:
    """200 people: every draw makes a Gland and a Physique, and every law has a source."""
    population = load_population(name)
    known = {"gland": {f.name for f in fields(Gland)}, "physique": {f.name for f in fields(Physique)}}
    for law in population.laws.values():
        group, _, field = law.key.partition(".")
        assert group in ("body", "ducts") or field in known[group], law.key
        assert law.source
    for case in range(200):
        values = population.draw(Chance(0, case, "subject"))
        Gland(**{key[6:]: value for key, value in values.items() if key.startswith("gland.")})  # type: ignore[arg-type]
        Physique(**{key[9:]: value for key, value in values.items() if key.startswith("physique.")})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 3", "must be a table"),
        ("[g.a]\ndistribution='normal'\nsource='t'\nmean=1\nsd=0\nlow=0\nhigh=2", "sd above 0"),
        ("[g.a]\ndistribution='norml'\nsource='t'", "distribution must be one of"),
        ("[g.a]\ndistribution='normal'\nmaen=1\nsource='t'", "unknown field `maen`"),
        ("[g.a]\ndistribution='uniform'\nlow=0\nhigh=1", "needs a source"),
        ("[g.a]\ndistribution='uniform'\nlow=2\nhigh=1\nsource='t'", "below high"),
        ("[g.a]\ndistribution='uniform'\nlow=nan\nhigh=1\nsource='t'", "not nan"),
        ("[g.a]\ndistribution='choice'\nchoices=['x']\nweights=[0]\nsource='t'", "sum above 0"),
        ("[g.a]\ndistribution='constant'\nsource='t'", "needs a value"),
        ("[g.a]\ndistribution='normal'\nmean=1\nsd=1\nlow=0\nhigh=2\nsource='t'\nfollows='g.x'", "cannot follow"),
        ("[g.a]\ndistribution='lognormal'\nmean=-1\nsd=1\nlow=0\nhigh=2\nsource='t'", "mean above 0"),
    ],
)
def test_wrong_files_are_refused_in_words(text: str, words: str) -> None:
    """Each mistake in a population file is named."""
    with pytest.raises((BadInputError, UsageError), match=words):
        parse_population("p", tomllib.loads(text))


def test_an_unknown_population_names_those_that_exist() -> None:
    """The nearest name and the list are in the letter."""
    with pytest.raises(UsageError) as caught:
        load_population("adlt")
    assert "did you mean `adult`?" in caught.value.letter()
