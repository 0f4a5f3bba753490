"""Monsters: a sound body has none, and each that is put into it is counted."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pancreasgen.anatomy.structures import VALUES
from pancreasgen.base.errors import BadInputError, NoRoomError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset import attempts
from pancreasgen.dataset.checks import check_case, failures
from pancreasgen.dataset.ducts_graph import graphml_bytes
from pancreasgen.dataset.ducts_read import network_of
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.dataset.integrity import integrity_measures
from pancreasgen.dataset.recipe import Recipe
from pancreasgen.dataset.settings import Settings, make_settings
from pancreasgen.network.network import DuctNetwork, Kind

GRID = Grid((40, 30, 20), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
NETWORK = DuctNetwork([[6, 10, 20], [30, 10, 20], [12, 13, 20]], [1.0, 0.8, 0.4], [[0, 1], [0, 2]], [1, 3], [0, 1])


class Body:
    """A block of a gland with a straight duct, in fat, with a liver, a vessel and a kidney."""

    def __init__(self) -> None:
        self.labels = np.zeros(GRID.shape, "u1")
        self.labels[1:-1, 1:-1] = VALUES["visceral_fat"]
        self.labels[4:34, 6:15, 6:14] = VALUES["pancreas_body"]
        self.labels[6:31, 10, 10] = VALUES["main_duct"]
        self.labels[3:36, 20:27, 3:18] = VALUES["liver"]
        self.labels[10:13, 3, :] = VALUES["aorta"]
        self.fraction = np.where(self.labels == VALUES["main_duct"], 200, 0).astype("u1")
        self.line = np.where(self.labels == VALUES["main_duct"], Kind.MAIN, 0).astype("u1")
        self.network = NETWORK

    def measures(self) -> dict[str, float]:
        """Return the measures of the body as it is now."""
        volumes = [Volume(array.copy(), GRID, Quantity.LABEL) for array in (self.labels, self.fraction, self.line)]
        return integrity_measures(*volumes, self.network)


def test_a_sound_body_has_no_monsters() -> None:
    """All counts are 0, one main duct, all organs in one piece; a liver that the image holds whole has its volume."""
    found = Body().measures()
    assert failures(check_case({k: v for k, v in found.items() if not k.startswith("whole_ml")}, "delayed")) == ()
    assert found["truth.main_duct_pieces"] == 1
    assert found["whole_ml.liver"] == pytest.approx(33 * 7 * 15 * 0.002)
    assert "connected.spleen" not in found


def _split_gland(body: Body) -> None:
    body.labels[20:23, 6:15, 6:14] = VALUES["visceral_fat"]
    body.labels[20:23, 10, 10] = VALUES["visceral_fat"]


def _vessel_across(body: Body) -> None:
    body.labels[18:21, 5:16, 6:14] = VALUES["visceral_fat"]
    body.labels[18:21, 10, 10] = VALUES["main_duct"]
    body.labels[19, [8, 9, 11, 12], 10] = VALUES["splenic_vein"]


def _duct_in_fat(body: Body) -> None:
    body.labels[2, 18, 3] = VALUES["side_branches"]
    body.fraction[2, 18, 3] = 255


MONSTERS: dict[str, Callable[[Body], Any]] = {
    "connected.pancreas": _split_gland,
    "connected.liver": lambda body: body.labels.__setitem__((slice(18, 22), slice(20, 27)), VALUES["visceral_fat"]),
    "truth.unknown_labels": lambda body: body.labels.__setitem__((2, 2, 2), 99),
    "truth.line_not_duct": lambda body: body.labels.__setitem__((15, 10, 10), VALUES["pancreas_body"]),
    "truth.main_duct_pieces": lambda body: body.labels.__setitem__((15, 10, 10), VALUES["pancreas_body"]),
    "truth.graph_not_duct": lambda body: body.labels.__setitem__((15, 10, 10), VALUES["pancreas_body"]),
    "truth.lumen_not_duct": lambda body: body.fraction.__setitem__((15, 12, 10), 130),
    "truth.duct_without_lumen": lambda body: body.labels.__setitem__((15, 12, 10), VALUES["side_branches"]),
    "truth.ducts_off_gland": _duct_in_fat,
    "truth.vessel_through_duct": _vessel_across,
    "truth.organs_in_air": lambda body: body.labels.__setitem__((3, 22, 5), 0),
}


@pytest.mark.parametrize("name", MONSTERS)
def test_each_monster_is_counted(name: str) -> None:
    """The measure fails its check as something that no body can have."""
    body = Body()
    MONSTERS[name](body)
    failed = [check for check in check_case(body.measures(), "delayed") if not check.passed]
    assert name in [check.name for check in failed]
    assert all(check.is_monster for check in failed if check.name == name)


def test_what_the_image_cuts_off_is_no_monster() -> None:
    """A liver in two pieces that both reach the last slice counts as one; its volume is not judged."""
    body = Body()
    body.labels[18:22, 20:27] = VALUES["visceral_fat"]
    body.labels[3:18, 20:27, 10:] = VALUES["liver"]
    body.labels[22:36, 20:27, 10:] = VALUES["liver"]
    found = body.measures()
    assert found["connected.liver"] == 1
    assert "whole_ml.liver" not in found


def test_a_stone_or_stent_does_not_break_a_duct() -> None:
    """A voxel of calcification on the line keeps the duct whole."""
    body = Body()
    body.labels[15, 10, 10] = VALUES["calcification"]
    body.labels[16, 10, 10] = VALUES["stent"]
    found = body.measures()
    assert (found["truth.main_duct_pieces"], found["truth.line_not_duct"], found["truth.graph_not_duct"]) == (1, 0, 0)


def test_a_carcinoma_may_shut_a_duct_and_a_cyst_may_not() -> None:
    """Where the tumour is, the line may run without lumen and the duct is whole; a cyst there is a fault."""
    for name, pieces, lost in (("pdac", 1, 0), ("serous_cyst", 2, 4)):
        body = Body()
        body.labels[15:19, 9:12, 9:12] = VALUES[name]
        body.fraction[15:19] = 0
        found = body.measures()
        assert (found["truth.main_duct_pieces"], found["truth.line_not_duct"]) == (pieces, lost)
        assert found["truth.lumen_not_duct"] == 0


def test_a_duct_under_thick_slices_is_no_vessels_victim() -> None:
    """A vessel above and below a duct that has its gland beside it does not run through it."""
    body = Body()
    body.labels[15, 10, [9, 11]] = VALUES["splenic_vein"]
    assert body.measures()["truth.vessel_through_duct"] == 0


def test_the_graph_is_read_back_as_it_was_written() -> None:
    """Nodes, radii, kinds and orders to the bit; something else gets a letter."""
    again = network_of(graphml_bytes(NETWORK))
    for name in ("nodes_mm", "radius_mm", "kind", "order"):
        assert np.array_equal(getattr(again, name), getattr(NETWORK, name)), name
    assert np.array_equal(again.segments, NETWORK.segments)
    for content in (b"<graphml", b"<a/>", b'<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph '
                    b'edgedefault="directed"><node id="x"/></graph></graphml>'):  # fmt: skip
        with pytest.raises(BadInputError, match="no graph of ducts"):
            network_of(content)


def _fake_builder(bad: int, name: str) -> Callable[[Recipe, Any], Any]:
    """Return a builder whose first draws fail a check."""

    def build(recipe: Recipe, _report: Any, **_: Any) -> Any:
        wrong = {"truth.organs_in_air": 3.0, "gland.volume_ml": 400.0}[name] if len(recipe.rejected) < bad else 0.0
        checks = check_case({name: wrong or {"gland.volume_ml": 70.0}.get(name, 0.0)}, "delayed")
        return SimpleNamespace(recipe=recipe, checks=checks)

    return build


def test_a_rejected_draw_is_drawn_again_and_its_reason_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bad draws: the third is the case; its recipe tells both reasons, survives JSON, and is another person."""
    monkeypatch.setattr(attempts, "build_case", _fake_builder(2, "truth.organs_in_air"))
    recipe = attempts.settled_case(settings, 5).recipe
    assert recipe.rejected == (("truth.organs_in_air is 3 voxels, not 0 voxels",),) * 2
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert [item["attempt"] for item in recipe.to_dict()["attempts"]] == [0, 1]
    first = settings.recipe(5)
    assert recipe.subject != first.subject
    assert recipe.chance("noise") != first.chance("noise")
    assert settings.recipe(5, recipe.rejected) == recipe


def test_draws_end_with_a_letter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that never passes is no endless loop: the letter names it and its last reasons."""
    monkeypatch.setattr(attempts, "build_case", _fake_builder(99, "truth.organs_in_air"))
    with pytest.raises(BadInputError, match=f"case 2: none of {attempts.MOST} draws passed") as caught:
        attempts.settled_case(settings, 2)
    assert "truth.organs_in_air is 3 voxels" in caught.value.letter()


def test_what_a_user_asked_for_is_not_drawn_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a grammar of one's own an unusual gland is kept, with its failed check; a monster never is."""
    monkeypatch.setattr(attempts, "build_case", _fake_builder(1, "gland.volume_ml"))
    assert not settings.as_published
    case = attempts.settled_case(settings, 0)
    assert case.recipe.rejected == ()
    assert failures(case.checks) == ("gland.volume_ml is 400 mL, not 20 to 170 mL",)


def test_a_draw_without_room_is_drawn_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A main duct too wide for its gland costs a draw, not the case; with numbers of one's own it is told at once."""
    build = _fake_builder(0, "truth.organs_in_air")

    def narrow_at_first(recipe: Recipe, *args: Any, **options: Any) -> Any:
        if not recipe.rejected:
            raise NoRoomError("the grammar grew no duct in this organ")
        return build(recipe, *args, **options)

    monkeypatch.setattr(attempts, "build_case", narrow_at_first)
    with pytest.raises(NoRoomError):
        attempts.settled_case(settings, 3)
    published = make_settings(find_grammar("human_pancreas"), seed=2, quick=True)
    assert attempts.settled_case(published, 3).recipe.rejected == (("the grammar grew no duct in this organ",),)


@pytest.mark.parametrize("wrong", [[{"attempt": 1, "reasons": []}], [{"reasons": []}], [3], {"attempt": 0}])
def test_wrong_attempts_in_a_recipe_get_a_letter(settings: Settings, wrong: Any) -> None:
    """Not numbered from 0, without number, no objects, no list."""
    with pytest.raises(BadInputError, match="attempts"):
        Recipe.from_dict({**settings.recipe(0).to_dict(), "attempts": wrong})
