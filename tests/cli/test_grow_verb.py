"""``pancreasgen grow`` without an organ."""

from __future__ import annotations

from pathlib import Path

import networkx
import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError
from pancreasgen.cli.main import main
from pancreasgen.dataset.free import grow_free, needs_organ, sensible_steps
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.syntax import parse_grammar


def _rules(text: str) -> Grammar:
    return parse_grammar(f"lsystem 1\n{text}", id="x", file="x.lsys")


@pytest.mark.parametrize(("name", "steps", "lines"), [("plant", 5, 5**5), ("plant", 2, 25), ("tree", 10, 2**10 - 1)])
def test_shipped_grammars_grow_by_themselves(tmp_path: Path, name: str, steps: int, lines: int) -> None:
    """F → F[+F]F[−F]F has 5ⁿ lines after n steps, the tree of n steps 2ⁿ − 1; GraphML holds each of them."""
    out = tmp_path / "tree.graphml"
    assert main(["grow", f"abop/{name}", "--steps", str(steps), "-q", "-o", str(out)]) == 0
    graph = networkx.read_graphml(out)
    assert (graph.number_of_edges(), graph.number_of_nodes()) == (lines, lines + 1)
    assert networkx.is_tree(graph.to_undirected())


@pytest.mark.parametrize("name", ["plant", "tree", "weed"])
def test_pictures_of_shipped_grammars(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each can be looked at with as many steps as its file says."""
    out = tmp_path / "p.png"
    assert main(["grow", f"abop/{name}", "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert f"without an organ; {10 if name == 'tree' else 5} steps" in capsys.readouterr().out


def test_the_seed_and_the_parameters_count(tmp_path: Path) -> None:
    """A stochastic grammar follows the seed; --set ducts.delta turns the branches."""
    made = []
    for number, words in enumerate(([], [], ["--seed", "1"], ["--set", "ducts.delta=60"])):
        out = tmp_path / f"{number}.swc"
        assert main(["grow", "abop/weed", *words, "-q", "-o", str(out)]) == 0
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert len(set(made)) == 3


def test_who_needs_an_organ() -> None:
    """The pancreas does, and so does a grammar that asks a function; the plants do not."""
    for name, needs in (("human_pancreas", True), ("abop/plant", False), ("abop/tree", False)):
        found = find_grammar(name)
        assert needs_organ(parse_grammar(found.text, id=found.id, file=found.file)) is needs
    assert needs_organ(_rules("axiom: A\nproduction:\nA : surface(1 mm) > 0 --> F A"))


def test_branches_from_one_place_share_its_node() -> None:
    """Two lines that start at the origin are one tree; a move without drawing starts another."""
    network, derivation = grow_free(_rules("axiom: [F(2)][+(90)F(3)]f(1)F(1)"), {}, 0)
    assert network.segments.tolist() == [[0, 2], [0, 3], [1, 4]]
    assert network.order.tolist() == [1, 1, 0]
    assert np.allclose(network.lengths_mm, [2, 3, 1])
    assert derivation.steps == 0


def test_steps_without_a_limit_are_few() -> None:
    """A file that sets no limit of steps gets 6; one that does gets its own."""
    assert sensible_steps(_rules("axiom: F")) == 6
    assert sensible_steps(_rules("limits: steps 9\naxiom: F")) == 9


def test_a_word_without_lines_is_told() -> None:
    """Nothing to draw is bad input."""
    with pytest.raises(BadInputError, match="draws nothing"):
        grow_free(_rules("axiom: +(90)"), {}, 0)
