"""Population files: every fault is told, with its line, all at once; correlations and mixtures do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, DiagnosticError, MissingInputError
from pancreasgen.dataset.copula import Correlation, Scores, cholesky
from pancreasgen.dataset.grammars import GrammarText
from pancreasgen.dataset.law import Law, standing
from pancreasgen.dataset.people import MEMBER, Population
from pancreasgen.dataset.population import find_population, load_population, parse_population
from pancreasgen.dataset.recipe import Recipe
from pancreasgen.dataset.settings import make_settings

GOOD = 'distribution = "normal"\nmean = 1\nsd = 1\nlow = 0\nhigh = 2\nunit = ""\nsource = "t"\n'
NORMAL = Law("a", "normal", mean=10, sd=2, low=4, high=16)


def law(name: str, **changes: object) -> str:
    """Return a table with a good law, some of its lines replaced (None leaves one out)."""
    lines = dict(line.split(" = ", 1) for line in GOOD.splitlines())
    lines |= changes  # type: ignore[arg-type]
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("body = 3", 1, "must be a table"),
        ("[body]\na = 3", 2, "must be a table"),
        (law("body.a", sd=0), 4, "needs an sd above 0, not 0"),
        (law("body.a", sd=-1), 4, "needs an sd above 0, not -1"),
        (law("body.a", distribution='"norml"'), 2, "distribution must be one of"),
        (law("body.a", maen=1), 9, "unknown field `maen`"),
        (law("body.a", source=None), 1, "needs a source"),
        (law("body.a", low=3), 5, "low must lie below high, but they are 3 and 2"),
        (law("body.a", low="nan"), 5, "not nan"),
        (law("body.a", mean=None), 1, "a normal needs a mean"),
        (law("body.a", mean=5), 3, "the range 0 to 2 excludes the mean, 5"),
        (law("body.a", distribution='"lognormal"', mean=-1), 3, "a lognormal needs a mean above 0, not -1"),
        ('[body.a]\ndistribution="choice"\nchoices=["x"]\nweights=[0]\nsource="t"', 4, "sum above 0"),
        ('[body.a]\ndistribution="choice"\nchoices=["x"]\nweights=[-1]\nsource="t"', 4, "from 0 to 1e.09, not -1"),
        ('[body.a]\ndistribution="choice"\nchoices=["x", "y"]\nweights=[1]\nsource="t"', 4, "as many weights as"),
        ('[body.a]\ndistribution="constant"\nunit=""\nsource="t"', 1, "a constant needs a value"),
        (law("body.a_mm"), 7, "needs the unit `mm`, not ''"),
        (law("body.a_mm", unit=None), 1, "needs the unit `mm`, and none is given"),
        (law("body.a", unit=None), 1, "needs a unit"),
        (law("gland.lenght_mm", unit='"mm"'), 1, "there is no quantity gland.lenght_mm"),
        (law("gland.length_mm", unit='"mm"', mean=150, low=100, high=300), 6, "high, must lie from 80 to 220 mm"),
        (law("glnd.length_mm"), 1, "there is no group `glnd`"),
        (law("body.a", follows='"body.x"', slope=1, at=0), 9, "cannot follow `body.x`"),
        (law("body.a", follows='["body.a", "body.a"]', slope=1, at=0), 9, "the same number of entries"),
        (law("body.a", follows='"body.a"'), 9, "lacks `slope` and `at`"),
        (law("body.a", follows='"body.b"', slope=1, at=0) + law("body.b", follows='"body.a"', slope=1, at=0), 9,
         "body.a, body.b cannot follow one another"),
        ('extends = "adult"\n' + law("body.a", follows='"body.sex"', slope=1, at=0), 10, "which is no number"),
        ('extends = "mixed-clinic"', 1, "is a mixture"),
        ('extends = "adult"\n[[correlation]]\nbetween = ["body.sex", "body.age_years"]\nr = 0.1\nsource = "t"', 2,
         "body.sex is no number that varies"),
        ('extends = "adult"\n[[correlation]]\nbetween = ["body.ag", "body.age_years"]\nr = 0.1\nsource = "t"', 2,
         "`body.ag` has no law here"),
        ('extends = "adult"\n[[correlation]]\nbetween = ["body.bmi_kg_m2", "body.age_years"]\nr = 1.2\nsource = "t"', 4,
         "from -0.999 to 0.999, not 1.2"),
        ('[mixture]\nadult = 1', 1, "needs a mixture_source"),
        ('mixture_source = "t"\n[mixture]\nadult = 1\nadlt = 2', 4, "no population `adlt`"),
        ('mixture_source = "t"\n[mixture]\nadult = -1', 3, "from 0 to 1e.09, not -1"),
        ('mixture_source = "t"\n[mixture]\nmixed-clinic = 1', 3, "is itself a mixture"),
        ('mixture_source = "t"\n[mixture]\nadult = 1\n' + law("body.a"), 4, "a mixture has no `body` of its own"),
        ('extends = "adult"\n' + law("lesion.diameter_mm", unit='"mm"', mean=30, low=5, high=140)
         + law("gland.length_mm", unit='"mm"', mean=120, low=110, high=140), 7,
         "may be 140 mm, more than the gland is long in the mean .120 mm."),
        ("[body.a\n", 1, "this is not TOML"),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_its_line(text: str, line: int, words: str) -> None:
    """File, line and what is wrong; nothing else is complained about."""
    with pytest.raises(DiagnosticError) as caught:
        parse_population("p", text, "p.toml")
    told = caught.value.diagnostics
    assert any(re.search(words, item.message) for item in told), [item.message for item in told]
    assert len(told) == 1
    assert (told[0].file, told[0].line) == ("p.toml", line)


def test_all_faults_come_at_once() -> None:
    """Five faults in three tables make one letter with five places, in the order of the file."""
    neck = law("gland.ap_neck_mm", mean=30, low=6, high=16, unit='"cm"')
    text = law("body.a", sd=-1) + neck + law("ducts.r", source=None)
    with pytest.raises(DiagnosticError) as caught:
        parse_population("p", text, "my.toml")
    lines = [item.line for item in caught.value.diagnostics]
    assert lines == sorted(lines)
    assert len(lines) == 5
    assert caught.value.letter().count("--> my.toml:") == 5


def test_correlations_that_exclude_one_another_are_refused() -> None:
    """A with b and a with c at 0.9, b with c at −0.9: no such matrix is positive definite."""
    pairs = (("age_years", "bmi_kg_m2", 0.9), ("age_years", "x", 0.9), ("bmi_kg_m2", "x", -0.9))
    text = 'extends = "adult"\n' + law("body.x")
    for one, other, r in pairs:
        text += f'[[correlation]]\nbetween = ["body.{one}", "body.{other}"]\nr = {r}\nsource = "t"\n'
    with pytest.raises(DiagnosticError, match="exclude one another: no such people can exist"):
        parse_population("p", text)


def test_the_copula_gives_the_correlation_and_keeps_the_laws() -> None:
    """4,000 pairs: the normal scores correlate with r = 0.6 (±0.03), and each quantity still follows its own law."""
    other = Law("b", "lognormal", mean=5, sd=2, low=1, high=20)
    people = Population(
        "p", "", {"a": NORMAL, "b": other}, correlations={("a", "b"): Correlation(("a", "b"), 0.6, "t")}
    )
    drawn = [people.draw(Chance(4, case, "subject")) for case in range(4000)]
    a, b = (np.array([values[key] for values in drawn], dtype=float) for key in ("a", "b"))
    scores = [stats.norm.ppf([one.level(float(v)) for v in column]) for one, column in ((NORMAL, a), (other, b))]
    assert np.corrcoef(*scores)[0, 1] == pytest.approx(0.6, abs=0.03)
    truth = stats.truncnorm(-3, 3, 10, 2)
    assert stats.kstest(a, truth.cdf).pvalue > 0.01
    assert stats.kstest([other.level(float(v)) for v in b], "uniform").pvalue > 0.01


def test_a_given_value_moves_those_that_go_with_it() -> None:
    """With b given two standard deviations up, the mean score of a is r × 2."""
    laws = {"a": NORMAL, "b": Law("b", "normal", mean=0, sd=1, low=-50, high=50)}
    people = Population("p", "", laws, correlations={("a", "b"): Correlation(("a", "b"), 0.5, "t")})
    drawn = [people.draw(Chance(1, case, "subject"), {"b": 2.0})["a"] for case in range(1500)]
    assert np.mean(stats.norm.ppf([NORMAL.level(float(v)) for v in drawn])) == pytest.approx(1.0, abs=0.07)


def test_a_quantity_without_partners_is_not_moved_by_a_correlation() -> None:
    """Adding a correlation between two quantities leaves the first of them and all others as they were."""
    laws = {key: Law(key, "normal", mean=0, sd=1, low=-9, high=9) for key in "abcd"}
    chance = Chance(5, 2, "subject")
    free = Population("p", "", laws).draw(chance)
    tied = Population("p", "", laws, correlations={("b", "c"): Correlation(("b", "c"), 0.8, "t")}).draw(chance)
    assert [key for key in laws if free[key] != tied[key]] == ["c"]


def test_cholesky_factors_what_numpy_factors() -> None:
    """L of a random positive definite correlation matrix agrees with NumPy's; scores come in the order promised."""
    rng = np.random.default_rng(3)
    data = np.corrcoef(rng.normal(size=(5, 12)))
    assert np.allclose(cholesky(data.tolist()), np.linalg.cholesky(data), atol=1e-12)
    with pytest.raises(ValueError, match="comes before"):
        Scores(["a", "b"], {("a", "b"): Correlation(("a", "b"), 0.5, "t")}).uniform("b", 0.5)


def test_a_mixture_draws_whom_by_its_shares_and_the_person_there() -> None:
    """χ² of 2,000 people; each is exactly the one that the named population draws with the same chance."""
    mixed = load_population("mixed-clinic")
    shares = mixed.laws[MEMBER]
    drawn = [mixed.draw(Chance(8, case, "subject")) for case in range(2000)]
    counts = [sum(values[MEMBER] == name for values in drawn) for name in shares.choices]
    assert stats.chisquare(counts, 2000 * np.array(shares.weights) / sum(shares.weights)).pvalue > 0.01
    for case, values in enumerate(drawn[:40]):
        alone = load_population(str(values[MEMBER])).draw(Chance(8, case, "subject"))
        assert values == {**alone, MEMBER: values[MEMBER]}


def test_a_mixture_can_be_asked_for_one_of_its_members(grammar: GrammarText) -> None:
    """`--set body.population=elderly` gives elderly people, and the recipe's ranges are theirs."""
    settings = make_settings(grammar, population="mixed-clinic", quick=True, overrides={"body.population": "elderly"})
    recipe = settings.recipe(3)
    assert recipe.subject.person["population"] == "elderly"
    assert float(recipe.subject.person["age_years"]) >= 70
    assert recipe.ranges == load_population("elderly").checks


def test_a_users_own_file_is_kept_whole_in_the_recipe(grammar: GrammarText, tmp_path: Path) -> None:
    """The text travels with settings and recipe, and its ranges are known when the file is gone."""
    file = tmp_path / "mine.toml"
    file.write_text('extends = "obese"\n[checks]\n"gland.length_mm" = [50, 250]\n' + law("body.a"), encoding="utf-8")
    settings = make_settings(grammar, population=str(file), quick=True)
    file.unlink()
    recipe = Recipe.from_dict(settings.recipe(0).to_dict())
    assert (recipe.population, recipe.ranges["gland.length_mm"]) == ("mine", (50, 250))
    assert "[body.a]" in recipe.population_text
    assert "a" in recipe.subject.person
    assert settings.to_dict()["population_text"] == recipe.population_text
    assert not settings.as_published


def test_the_documents_examples_are_populations() -> None:
    """Both TOML texts of docs/populations.md can be drawn from."""
    text = (Path(__file__).parents[2] / "docs" / "populations.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert parse_population("mine", example).draw(Chance(0, 0, "subject"))["gland.length_mm"] > 0  # type: ignore[operator]


def test_files_that_cannot_be_read_get_a_letter(tmp_path: Path) -> None:
    """Missing, empty, no UTF-8, too large."""
    with pytest.raises(MissingInputError):
        find_population(str(tmp_path / "none.toml"))
    for name, content, words in (
        ("empty.toml", b" \n", "is empty"), ("latin.toml", b"title = \"\xe9\"", "not UTF-8"),
        ("big.toml", b"#" * 300_000, "bytes|large"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInputError, match=words):
            find_population(str(tmp_path / name))


def test_what_a_source_is_worth_is_counted() -> None:
    """Each law and correlation counts once; a mixture counts what its members share once."""
    for name in ("adult", "obese"):
        found = load_population(name)
        assert sum(found.worth().values()) == len(found.laws) + len(found.correlations)
    assert [standing(text) for text in ("PMID 1", "Recalled: x", "assumed", "PMID 1; sd assumed")] == [
        "sourced", "recalled", "assumed", "partly",
    ]  # fmt: skip
    both = sum(load_population("mixed-clinic").worth().values())
    assert both < sum(sum(load_population(name).worth().values()) for name in ("adult", "young", "elderly", "obese"))


def test_fat_follows_the_body_mass_index_and_calibre_follows_age() -> None:
    """1,000 adults: BMI with subcutaneous, visceral and pancreatic fat, age with duct and aorta, all above r = 0.2."""
    drawn = [load_population("adult").draw(Chance(2, case, "subject")) for case in range(1000)]
    columns = {
        key: np.array([values[key] for values in drawn]) for key in drawn[0] if not isinstance(drawn[0][key], str)
    }
    for one, other in (
        ("body.bmi_kg_m2", "physique.subcutaneous_fat_mm"), ("body.bmi_kg_m2", "physique.visceral_fat_mm"),
        ("body.bmi_kg_m2", "physique.pancreatic_fat_fraction"), ("body.bmi_kg_m2", "physique.half_width_mm"),
        ("body.age_years", "ducts.r_head"), ("body.age_years", "physique.aorta_diameter_mm"),
        ("body.age_years", "physique.pancreatic_fat_fraction"),
    ):  # fmt: skip
        assert np.corrcoef(columns[one], columns[other])[0, 1] > 0.2, (one, other)
    assert columns["physique.half_width_mm"].std() == pytest.approx(15, abs=1.5)
