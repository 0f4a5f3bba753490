"""The turtle by hand cases and laws."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.environment import Frames
from pancreasgen.grammar.growth import MAX_INTERPRETATION_DEPTH
from pancreasgen.grammar.moves import cross, level, orthonormal, turn, turn_around
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.turtle import Segments, interpret


def drawn(axiom: str, more: str = "") -> Segments:
    grammar = parse_grammar(f"lsystem 1\naxiom: {axiom}\n{more}")
    return interpret(derive(grammar, key=0).word, grammar)


@pytest.mark.parametrize(
    ("axiom", "end"),
    [
        ("F(2)", (0, 0, 2)),
        ("+(90)F(1)", (1, 0, 0)),
        ("-(90)F(1)", (-1, 0, 0)),
        ("&(90)F(1)", (0, -1, 0)),
        ("^(90)F(1)", (0, 1, 0)),
        ("/(90)+(90)F(1)", (0, 1, 0)),
        ("\\(90)+(90)F(1)", (0, -1, 0)),
        ("|F(1)", (0, 0, -1)),
        ("+F(1)", (1, 0, 0)),
        ("+(90)&(90)F(1)", (0, -1, 0)),
        ("&(90)/(37)$+(90)F(1)", (1, 0, 0)),
        ("F", (0, 0, 1)),
    ],
)
def test_conventions(axiom: str, end: tuple[float, ...]) -> None:
    """From heading +z, left +x, up +y: + goes left, & down (away from up), / rolls left towards up, | back."""
    assert drawn(axiom).end_mm[-1] == pytest.approx(end)


def test_defaults_come_from_parameters() -> None:
    """A turn without an argument takes `delta` or `angle`, a line without one `step` or `length`."""
    found = drawn("+F", "param delta = 30 deg\nparam step = 2 cm\n")
    assert found.end_mm[0] == pytest.approx((10.0, 0.0, 20 * np.cos(np.pi / 6)), abs=1e-3)
    assert drawn("+F", "param angle = 180\n").end_mm[0] == pytest.approx((0, 0, -1))


def test_brackets_parents_orders_and_radii() -> None:
    """A branch starts where its bracket opens, remembers its parent and depth, and gives the radius back."""
    found = drawn("!(3)F(1)[+(90)!(1)F(2)[F(1)]]F(4)f(1)F(1)")
    assert found.parent.tolist() == [-1, 0, 1, 0, -1]
    assert found.order.tolist() == [0, 1, 2, 0, 0]
    assert found.radius_end_mm.tolist() == [3, 1, 1, 3, 3]
    assert found.start_mm[3].tolist() == [0, 0, 1]
    assert found.start_mm[4].tolist() == [0, 0, 6]


def test_cut_drops_the_rest_of_the_branch() -> None:
    """% leaves out what follows in its branch, and nothing behind the branch."""
    assert drawn("F(1)[F(2)%F(3)[F(4)]]F(5)").end_mm[:, 2].tolist() == [1, 3, 6]


def test_koch_snowflake_closes() -> None:
    """The Koch snowflake of order 3 comes back to its start, and its lines have the length of its formula."""
    grammar = parse_grammar("lsystem 1\nparam delta = 60\naxiom: F--F--F\nproduction:\nF --> F+F--F+F\n")
    found = interpret(derive(grammar, key=0, steps=3).word, grammar)
    assert len(found) == 3 * 4**3
    assert found.end_mm[-1] == pytest.approx((0, 0, 0), abs=0.05)
    assert np.linalg.norm(found.end_mm - found.start_mm, axis=1) == pytest.approx(1.0, abs=2e-3)


def test_positions_are_whole_micrometres() -> None:
    """Every end lies on the micrometre lattice, so that sums cannot differ between machines."""
    found = drawn("+(17)F(1.23456789)&(33)F(2.3456789)/(71)+(12)F(3)")
    assert np.array_equal(found.end_mm, np.round(found.end_mm * 1000) / 1000)


def test_frames_stay_orthonormal() -> None:
    """After 3,000 turns of all kinds the axes are still square, of unit length and right-handed."""
    rng = np.random.default_rng(1)
    frames = Frames.initial(50)
    for symbol in rng.choice(list("+-&^/\\|$"), 3000):
        if symbol in "|$":
            frames = turn_around(frames) if symbol == "|" else level(frames)
        else:
            frames = turn(frames, symbol, rng.uniform(-4, 4, 50))
    axes = np.stack([frames.heading, frames.left, frames.up], axis=1)
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.broadcast_to(np.eye(3), axes.shape), atol=1e-11)
    np.testing.assert_allclose(cross(frames.heading, frames.left), frames.up, atol=1e-11)


def test_level_makes_left_horizontal() -> None:
    """After $ the left axis has no z, and the heading is as before."""
    rng = np.random.default_rng(2)
    frames = turn(turn(Frames.initial(20), "&", rng.uniform(0.1, 3, 20)), "/", rng.uniform(0, 6, 20))
    flat = level(turn(frames, "+", rng.uniform(0.1, 1, 20)))
    assert np.abs(flat.left[:, 2]).max() == 0


def test_frames_from_outside_are_squared() -> None:
    """A heading of any length and direction, opposite to the old one included, becomes a right-handed frame."""
    frames = Frames.initial(3)
    heading = np.array([[0, 0, -5.0], [1, 0, 0], [1e-3, 1e-3, 7.0]])
    for left in (frames.left, heading.copy()):
        fixed = orthonormal(Frames(frames.position_mm, heading, left, frames.up, *[getattr(frames, name) for name in (
            "radius_mm", "segment", "order", "origin")]))  # fmt: skip
        axes = np.stack([fixed.heading, fixed.left, fixed.up], axis=1)
        np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.broadcast_to(np.eye(3), axes.shape), atol=1e-12)
        assert (np.linalg.det(axes) > 0).all()


def test_interpretation_is_recursive_and_bounded() -> None:
    """Interpretation rules apply to what they write, with conditions; a rule that leads to itself is refused."""
    head = "module Seg(l: mm, k)\nmodule Half(l: mm)\n"
    rules = "interpretation:\nSeg(l, k) : k > 0 --> !(k) Half(l) Half(l)\nSeg(l, k) --> f(l)\nHalf(l) --> F(l / 2)\n"
    found = drawn("Seg(4 mm, 2) Seg(1 mm, 0) Seg(2 mm, 1)", head + rules)
    assert found.end_mm[:, 2].tolist() == [2, 4, 6, 7]
    assert found.radius_end_mm.tolist() == [2, 2, 1, 1]
    with pytest.raises(BadInputError, match=f"{MAX_INTERPRETATION_DEPTH} levels"):
        drawn("Seg(1 mm, 0)", head + "interpretation:\nSeg(l, k) --> F(l) Seg(l, k)\n")


def test_refuses_what_it_cannot_draw() -> None:
    """A word that steers by an organ, or sets a radius below 0, is refused."""
    with pytest.raises(BadInputError, match="organ"):
        drawn('@toward("axis", 1) F')
    with pytest.raises(BadInputError, match="radius"):
        drawn("!(-1) F")
