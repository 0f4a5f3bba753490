"""Settings and recipes: mistakes are found before any work; a recipe survives the way to disk and back."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError, DiagnosticError, MissingInputError, UsageError
from pancreasgen.dataset import grammars
from pancreasgen.dataset.grammars import GrammarText, find_grammar, folder_of, vessel_grammars
from pancreasgen.dataset.keys import differences
from pancreasgen.dataset.rebuild import rebuild_case
from pancreasgen.dataset.recipe import Recipe, canonical_json
from pancreasgen.dataset.settings import Settings, make_settings, parse_overrides
from pancreasgen.scan.protocol import load_protocol


def test_a_recipe_survives_json(settings: Settings) -> None:
    """from_dict undoes to_dict, also through the text of a file, and pickling."""
    recipe = settings.recipe(4)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_dict(json.loads(canonical_json(recipe.to_dict()))) == recipe
    assert recipe.vessel_grammars == vessel_grammars()
    assert {name: grammar.id for name, grammar in recipe.vessels.items()} == {
        "kidney": "vessels/kidney", "liver": "vessels/liver",
    }  # fmt: skip
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_case_depends_on_no_other(settings: Settings) -> None:
    """Case 999,999 is found at once and differs from its neighbours; the same index gives the same recipe."""
    far = settings.recipe(999_999)
    assert far == settings.recipe(999_999)
    assert far.subject == settings.subject(999_999) != settings.subject(999_998)


def test_the_seed_and_nothing_else_moves_the_subject(grammar: GrammarText, settings: Settings) -> None:
    """Another protocol draws the same person."""
    other = make_settings(grammar, seed=3, quick=True, protocol="low-dose")
    assert other.subject(0) == settings.subject(0)
    assert make_settings(grammar, seed=4, quick=True).subject(0) != settings.subject(0)


def test_given_values_are_taken(grammar: GrammarText) -> None:
    """--set reaches gland, ducts (in the parameter's own unit), body, protocol and image."""
    given = {
        "gland.length_mm": "180", "gland.shape": "L", "ducts.spread": "55", "physique.skin_mm": "3",
        "body.sex": "female", "protocol.mas": "50", "protocol.noise": "false", "image.length_mm": "60",
    }  # fmt: skip
    recipe = make_settings(grammar, quick=True, overrides=given).recipe(0)
    assert (recipe.subject.gland.length_mm, recipe.subject.gland.shape) == (180.0, "L")
    assert recipe.subject.ducts["spread"] == 55.0
    assert recipe.subject.physique.skin_mm == 3.0
    assert recipe.subject.person["sex"] == "female"
    assert (recipe.protocol.mas, recipe.protocol.noise) == (50.0, False)
    assert recipe.image_grid.shape[2] == 12


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("gland.length_mm", "900", "from 80 to 220 mm, not 900"),
        ("gland.length_mm", "nan", "from 80 to 220 mm, not nan"),
        ("gland.length_mm", "long", "from 80 to 220 mm, not 'long'"),
        ("gland.lenght_mm", "160", "no setting `gland.lenght_mm`"),
        ("gland.shape", "banana", "no gland shape `banana`"),
        ("ducts.spread", "200", "from 10 to 80 deg, not 200"),
        ("physique.skin_mm", "-1", "physique.skin_mm must be a number from 1 to 4 mm, not -1"),
        ("body.age_years", "400", "from 20 to 85 years, not 400"),
        ("body.sex", "x", "one of female, male"),
        ("protocol.mas", "inf", "protocol.mas must be a number from 1 to 2000 mAs per rotation, not inf"),
        ("protocol.mas", "1e400", "protocol.mas must be a number from 1 to 2000 mAs per rotation, not 1e400"),
        ("protocol.mas", "-5", "protocol.mas must be a number from 1 to 2000 mAs per rotation, not -5"),
        ("protocol.matrix", "1", "protocol.matrix must be a number from 32 to 1024"),
        ("protocol.matrix", "99.5", "protocol.matrix must be a whole number"),
        ("protocol.kvp", "75", "protocol.kvp must be one of"),
        ("protocol.slice_increment_mm", "0.33", "protocol.slice_increment_mm must be a whole number of rows"),
        ("protocol.mas", "0", "from 1 to 2000 mAs"),
        ("protocol.noise", "maybe", "true or false"),
        ("protocol.kernel", "sort", "no kernel `sort`"),
        ("image.length_mm", "5", "from 20 to 400 mm, not 5"),
        ("colour", "red", "no setting `colour`"),
    ],
)
def test_bad_values_are_usage_errors(grammar: GrammarText, key: str, value: str, words: str) -> None:
    """The letter names the range, or the key that does not exist."""
    with pytest.raises(UsageError) as caught:
        make_settings(grammar, overrides={key: value})
    assert words in caught.value.letter()


def test_the_nearest_key_is_named(grammar: GrammarText) -> None:
    """A slip of the finger is answered with the key that was meant."""
    with pytest.raises(UsageError) as caught:
        make_settings(grammar, overrides={"gland.lenght_mm": "160"})
    assert "did you mean `gland.length_mm`?" in caught.value.letter()


@pytest.mark.parametrize("items", [["a"], ["=3"], ["a="], ["a=1", "a=2"]])
def test_set_wants_key_and_value_once(items: list[str]) -> None:
    """KEY=VALUE, each key once."""
    with pytest.raises(UsageError, match="--set"):
        parse_overrides(items)


def test_a_broken_grammar_is_refused_with_its_place() -> None:
    """File, line and column stand in the letter."""
    broken = GrammarText("b", "lsystem 1\naxiom: F(\n", "b.lsys")
    with pytest.raises(DiagnosticError) as caught:
        make_settings(broken)
    assert "b.lsys:2" in caught.value.letter()


def test_the_image_holds_the_body_and_the_gland(settings: Settings) -> None:
    """For 2 people the field of view covers the body, and the header's float32 holds spacing and origin exactly."""
    for index in range(2):
        recipe = settings.recipe(index)
        grid, body = recipe.image_grid, recipe.subject.physique
        x, y = grid.axis_mm(0), grid.axis_mm(1)
        assert x[0] < -body.half_width_mm
        assert body.half_width_mm < x[-1]
        assert y[0] < -body.back_depth_mm
        assert body.front_depth_mm < y[-1]
        assert np.array_equal(grid.affine.astype(np.float32).astype(np.float64), grid.affine)


def test_the_phantom_has_a_plane_for_every_row(grammar: GrammarText) -> None:
    """The phantom's planes divide each slice evenly, and the ends agree."""
    recipe = make_settings(grammar).recipe(0)
    fine, coarse = recipe.phantom_grid, recipe.image_grid
    rows = load_protocol("portal-venous").rows_per_increment
    assert fine.shape == (*coarse.shape[:2], coarse.shape[2] * rows)
    means = fine.axis_mm(2).reshape(-1, rows).mean(axis=1)
    assert np.allclose(means, coarse.axis_mm(2), atol=1e-9)


def test_damaged_recipes_are_refused(settings: Settings) -> None:
    """Another schema, a missing field, an edited grammar."""
    whole = settings.recipe(0).to_dict()
    for change, words in (
        ({"schema": 99}, "schema 1, not 99"),
        ({"subject": {}}, "`subject.person` is missing"),
        ({"grammar": whole["grammar"] | {"text": "other"}}, "SHA-256"),
        ({"vessel_grammars": {"liver": {}}}, "`vessel_grammars.liver.text` is missing"),
        ({"vessel_grammars": {"liver": "lsystem 1"}}, "`vessel_grammars.liver` must be an object"),
        ({"image_grid": None}, "`image_grid` must be an object with named values, not 'None'"),
    ):
        with pytest.raises(BadInputError, match=words):
            Recipe.from_dict(whole | change)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("seed", None, "`seed` is missing"),
        ("seed", "abc", "`seed` must be a whole number, not 'abc'"),
        ("seed", 1.5, "`seed` must be a whole number"),
        ("seed", -1, "`seed` must be a whole number from 0 to"),
        ("index", True, "`index` must be a whole number"),
        ("grammar.text", 5, "`grammar.text` must be a text"),
        ("grammar.sha256", None, "`grammar.sha256` is missing"),
        ("subject.gland.length_mm", 900, "subject.gland.length_mm must be a number from 80 to 220 mm, not 900"),
        ("subject.gland.colour", 1, "`subject.gland` lacks a value, or holds one too many"),
        ("subject.physique.skin_mm", "x", "subject.physique.skin_mm must be a number from 1 to 4 mm, not 'x'"),
        ("subject.ducts.spread", "x", "subject.ducts.spread must be a number"),
        ("subject.ducts.spread", 200, "subject.ducts: parameter `spread` must be a number from 10 to 80 deg, not 200"),
        ("protocol.mas", "many", "protocol.mas must be a number from 1 to 2000 mAs"),
        ("protocol.kvp", None, "missing: kvp"),
        ("image_grid.shape", [1, "x", 2], "`image_grid` lacks a value"),
        ("image_grid.shape", [10**4, 10**4, 10**4], "image_grid: a grid must have 1 to"),
        ("image_grid.origin_mm", None, "`image_grid.origin_mm` is missing"),
    ],
)
def test_a_damaged_case_names_its_file_and_the_key(
    settings: Settings, tmp_path: Path, key: str, value: object, words: str
) -> None:
    """Whatever is missing (None here), of the wrong kind or out of range is bad input, rc 65, and nothing is made."""
    data = settings.recipe(0).to_dict()
    *groups, last = key.split(".")
    place = data
    for group in groups:
        place = place[group]
    place.pop(last) if value is None else place.update({last: value})
    file = tmp_path / "case.json"
    file.write_bytes(canonical_json({"recipe": data, "arrays": {}}))
    with pytest.raises(BadInputError) as caught:
        rebuild_case(file, tmp_path / "again", {})
    assert caught.value.exit_code == 65
    assert caught.value.message.startswith(f"{file}, recipe: ")
    assert words in caught.value.letter()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.json"]


def test_differences_name_each_key(settings: Settings) -> None:
    """Equal settings have none; one changed field is one line."""
    other = replace(settings, protocol=replace(settings.protocol, mas=77.0))
    assert differences(settings.to_dict(), settings.to_dict()) == []
    lines = differences(settings.to_dict(), other.to_dict())
    assert len(lines) == 1
    assert lines[0].startswith("protocol.mas is")


def test_grammars_are_found_in_the_package_first(tmp_path: Path) -> None:
    """A wheel's grammars lie inside the package, a checkout's beside it."""
    package = tmp_path / "pancreasgen"
    package.mkdir()
    (tmp_path / "grammars").mkdir()
    assert folder_of(package) == tmp_path / "grammars"
    (package / "grammars").mkdir()
    assert folder_of(package) == package / "grammars"


def test_grammars_by_name_and_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked up with its folder; a path is read; the rest is an error that lists what exists."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "one.lsys").write_text("lsystem 1\naxiom: F\n")
    (tmp_path / "sub" / "two.lsys").write_text("lsystem 1\naxiom: F\n")
    monkeypatch.setattr(grammars, "grammar_folder", lambda: tmp_path)
    assert grammars.grammar_names() == ["one", "sub/two"]
    assert find_grammar("sub/two").id == "sub/two"
    assert find_grammar(str(tmp_path / "one.lsys")).id == "one"
    with pytest.raises(UsageError, match="no grammar `tow`"):
        find_grammar("tow")
    with pytest.raises(MissingInputError):
        find_grammar(str(tmp_path / "none.lsys"))
    (tmp_path / "bad.lsys").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match="UTF-8"):
        find_grammar(str(tmp_path / "bad.lsys"))
