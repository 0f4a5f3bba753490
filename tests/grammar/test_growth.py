"""Growth inside a fake environment: a half space x < wall with a vertical axis, which remembers what was laid."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.environment import Candidates, Frames
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.turtle import interpret


class HalfSpace:
    """Accepts what ends at x < wall and whose parent it accepted."""

    functions = frozenset({"surface", "axis"})
    targets = frozenset({"axis", "gate", "wall"})

    def __init__(self, wall_mm: float = 50.0) -> None:
        self.wall_mm = wall_mm
        self.batches: list[Candidates] = []
        self.accepted: dict[int, bool] = {}
        self.asked: list[tuple[str, int]] = []

    def query(self, name: str, frames: Frames, argument: NDArray[np.float64] | None) -> NDArray[np.float64]:
        self.asked.append((name, len(frames)))
        if name == "axis":
            return frames.position_mm[:, 2] / 100
        assert argument is not None
        return self.wall_mm - (frames.position_mm + argument[:, None] * frames.heading)[:, 0]

    def steer(self, command: str, target: str, frames: Frames, weight: NDArray[np.float64] | None) -> Frames:
        if command == "start":
            gate = np.broadcast_to([3.0, 0.0, 0.0], frames.position_mm.shape)
            return replace(frames, position_mm=gate, segment=np.full(len(frames), -1))
        if command == "join":
            assert target == "wall"
            position = frames.position_mm.copy()
            position[:, 0] = self.wall_mm - 1.0
            return replace(frames, position_mm=position)
        assert weight is not None
        return replace(frames, heading=frames.heading + weight[:, None] * np.array([0.0, 0.0, 1.0]))

    def commit(self, candidates: Candidates) -> NDArray[np.bool_]:
        self.batches.append(candidates)
        for place, number in enumerate(candidates.ids.tolist()):
            parent = int(candidates.parent[place])
            fits = bool(candidates.end_mm[place, 0] < self.wall_mm)
            self.accepted[number] = fits and (parent < 0 or self.accepted[parent])
        return np.array([self.accepted[number] for number in candidates.ids.tolist()], dtype=bool)

    def column(self, name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(batch, name) for batch in self.batches])


HEAD = """lsystem 1
organ requires surface, axis
module Start
module Tip(r: mm, n) "tip"
module Seg(r: mm, l: mm) "piece"
module End(r: mm) "end"
axiom: Start
interpretation:
Seg(r, l) --> !(r) F(l)
production:
"""


def grown(rules: str, wall_mm: float = 50.0, *, head: str = HEAD, key: int = 5) -> tuple[list[str], HalfSpace]:
    grammar, world = parse_grammar(head + rules), HalfSpace(wall_mm)
    word = derive(grammar, key=key, environment=world).word
    return [grammar.symbols[code] for code in word.symbol], world


FREE = """Start --> Tip(2 mm, 0)
Tip(r, n) : n < 7 --> Seg(r, l) [ +(a) /(b) Tip(r * 0.8, n + 1) ] -(20) Tip(r * 0.9, n + 1) : 0.6
  --> Seg(r, l) Tip(r, n + 1) : 0.4
where l = uniform(1 mm, 3 mm), a = uniform(20 deg, 70 deg), b = uniform(0 deg, 360 deg)
"""


def test_free_growth_equals_the_turtle() -> None:
    """Where nothing is refused or asked, growing lays exactly the lines that the turtle draws afterwards."""
    grammar, world = parse_grammar(HEAD + FREE), HalfSpace(1e9)
    free = derive(grammar, key=5)
    word = derive(grammar, key=5, environment=world).word
    assert word.lineage.tolist() == free.word.lineage.tolist()
    assert word.args.tolist() == free.word.args.tolist()
    lines = interpret(free.word, grammar)
    assert len(lines) > 50
    found = {tuple(row) for row in np.hstack([world.column("start_mm"), world.column("end_mm")]).tolist()}
    wanted = np.hstack([lines.start_mm, lines.end_mm])
    near = np.array(sorted(found))
    assert len(near) == len(wanted)
    np.testing.assert_allclose(near, np.array(sorted(map(tuple, wanted.tolist()))), atol=0.0015)


def test_numbers_parents_and_origins() -> None:
    """Ids count in string order, a parent ends where its child begins, origin names the module that was rewritten."""
    grammar, world = parse_grammar(HEAD + FREE), HalfSpace(1e9)
    derive(grammar, key=8, environment=world)
    ids, parent = world.column("ids"), world.column("parent")
    assert ids.tolist() == list(range(len(ids)))
    child = parent >= 0
    assert (parent[child] < ids[child]).all()
    assert np.array_equal(world.column("start_mm")[child], world.column("end_mm")[parent[child]])
    assert {grammar.symbols[code] for code in np.unique(world.column("origin"))} == {"Tip"}
    assert world.column("order").max() > 2
    assert not world.column("joins").any()


def test_refused_lines_are_cut_with_all_behind_them() -> None:
    """A refused line takes its module and what follows in its bracket away; what stands before and beside it stays."""
    rules = """Start --> Seg(1 mm, 2 mm)
  [ +(90) Seg(1 mm, 60 mm) [Tip(1 mm, 0)] Tip(2 mm, 0) ]
  [ -(90) Seg(1 mm, 3 mm) Tip(3 mm, 0) ] End(1 mm)
"""
    symbols, world = grown(rules)
    assert symbols == ["Seg", "[", "+", "]", "[", "-", "Seg", "Tip", "]", "End"]
    assert list(world.accepted.values()) == [True, False, True]


def test_children_of_refused_lines_are_not_left_floating() -> None:
    """A chain in one successor loses everything from its first refused line on."""
    symbols, world = grown("Start --> +(90) Seg(1 mm, 40 mm) Seg(1 mm, 20 mm) |Seg(1 mm, 30 mm) Tip(1 mm, 0)\n")
    assert symbols == ["+", "Seg"]
    assert list(world.accepted.values()) == [True, False, False]


def test_environment_that_leaves_orphans_is_caught() -> None:
    """An environment that accepts a child of a refused line is told so."""

    class Careless(HalfSpace):
        def commit(self, candidates: Candidates) -> NDArray[np.bool_]:
            return candidates.end_mm[:, 0] < self.wall_mm

    grammar = parse_grammar(HEAD + "Start --> +(90) Seg(1 mm, 60 mm) |Seg(1 mm, 30 mm)\n")
    with pytest.raises(BadInputError, match="parent"):
        derive(grammar, key=0, environment=Careless())


def test_nothing_grows_through_the_wall() -> None:
    """Tips that ask `surface` stop before the wall; growth ends at a fixpoint with every accepted line inside."""
    rules = """Start --> Tip(2 mm, 0)
stop: Tip(r, n) : n > 60 or surface(2 mm) < 0.5 mm --> End(r)
go: Tip(r, n) --> Seg(r, l) [ +(50) /(b) Tip(r, n + 9) ] Tip(r, n + 1) : 0.3 --> +(5) Seg(r, l) Tip(r, n + 1) : 0.7
where l = uniform(0.5 mm, 1.5 mm), b = uniform(0 deg, 360 deg)
"""
    symbols, world = grown(rules, wall_mm=6.0)
    assert "Tip" not in symbols
    kept = np.array(list(world.accepted.values()))
    assert kept.sum() == symbols.count("Seg") > 100
    assert (world.column("end_mm")[kept][:, 0] < 6.0).all()


def test_queries_are_lazy() -> None:
    """`or` asks the organ only for tips that the left side leaves open."""
    rules = "Start --> Tip(1 mm, 0) Tip(1 mm, 9) Tip(1 mm, 0)\nTip(r, n) : n > 5 or surface(1 mm) < 0 --> End(r)\n"
    _, world = grown(rules)
    assert world.asked[0] == ("surface", 2)


def test_start_toward_and_join() -> None:
    """@start moves without a line, @toward bends the heading at its place, @join lays a marked line to the junction."""
    rules = 'Start --> @start("gate") +(90) @toward("axis", 1) Seg(1 mm, 2 mm) [ @join("wall") End(1 mm) ]\n'
    symbols, world = grown(rules)
    assert symbols == ["@start", "+", "@toward", "Seg", "[", "@join", "End", "]"]
    start, end = world.column("start_mm"), world.column("end_mm")
    assert start[0].tolist() == [3, 0, 0]
    assert end[0] == pytest.approx([3 + 2**0.5, 0, 2**0.5], abs=1e-3)
    assert world.column("joins").tolist() == [False, True]
    assert world.column("parent").tolist() == [-1, 0]
    assert end[1, 0] == 49


def test_what_is_laid_stays_laid() -> None:
    """Rewriting a module that has been drawn does not draw it again."""
    rules = "Start --> Seg(1 mm, 2 mm) Tip(1 mm, 0)\nSeg(r, l) : r < 3 mm --> Seg(r + 1 mm, l)\n"
    symbols, world = grown(rules)
    assert symbols == ["Seg", "Tip"]
    assert len(world.column("ids")) == 1


def test_unknown_names_are_refused_before_growth() -> None:
    """A target or function that the environment does not know is named, with the nearest that it knows."""
    for rules, name, near in (
        ('Start --> @toward("axes", 1) Seg(1 mm, 1 mm)\n', "axes", "axis"),
        ("Start : duct(1 mm) > 0 --> Seg(1 mm, 1 mm)\n", "duct", "functions that exist"),
    ):
        with pytest.raises(BadInputError, match=f"`{name}`") as caught:
            grown(rules)
        assert near in caught.value.hint


def test_negative_lengths_and_radii_are_errors() -> None:
    """A line or radius below 0 names rule, module and step."""
    for rules, what in (
        ("Start --> Seg(1 mm, 0 mm - 1 mm)\n", "length"),
        ("Start --> Seg(0 mm - 1 mm, 1 mm)\n", "radius"),
    ):
        with pytest.raises(BadInputError, match=what) as caught:
            grown("here: " + rules)
        assert "`here`" in caught.value.message


def test_growth_is_the_same_twice_and_differs_by_key() -> None:
    """Growth is a pure function of grammar, key and world."""
    first, again, other = (grown(FREE, 20.0, key=key)[1].column("end_mm").tolist() for key in (1, 1, 2))
    assert first == again
    assert first != other


def test_speed() -> None:
    """20,000 lines in about 150 steps cost the engine less than 2 s of CPU (0.3 s on the machine of this note)."""
    rules = """Start --> Tip(2 mm, 0)
main: Tip(r, n) : n < 150 and r > 1 mm
  --> @toward("axis", 0.5) Seg(r, l) [ /(phi) &(70) Tip(0.9 mm, 60) ] [ /(phi) ^(70) Tip(0.9 mm, 60) ] Tip(r, n + 1)
  where l = lognormal(2 mm, 0.3), phi = uniform(0 deg, 360 deg)
twig: Tip(r, n) : n < 100 --> Seg(r, l) [ +(40) Tip(r, n + 12) ] -(20) /(90) Tip(r, n + 1) : 0.25
  --> Seg(r, l) Tip(r, n + 1) : 0.75
  where l = lognormal(1 mm, 0.25)
"""
    begin = process_time()
    symbols, _ = grown(rules, 1e9)
    spent = process_time() - begin
    assert symbols.count("Seg") > 15_000
    assert spent < 2.0 * max(1.0, symbols.count("Seg") / 20_000)
