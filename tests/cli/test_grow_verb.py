"""``pancreasgen grow`` without an organ."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import networkx
import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError, DiagnosticError, UsageError
from pancreasgen.cli.growing import Wish, deadline
from pancreasgen.cli.main import main
from pancreasgen.cli.watch import follow, watch_grammar
from pancreasgen.dataset.free import grow_free
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.predict import expected_steps
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.uses import needs_organ


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
    assert expected_steps(_rules("axiom: F")) == 6
    assert expected_steps(_rules("limits: steps 9\naxiom: F")) == 9


def test_a_word_without_lines_is_told() -> None:
    """Nothing to draw is bad input."""
    with pytest.raises(BadInputError, match="draws nothing"):
        grow_free(_rules("axiom: +(90)"), {}, 0)


def _acting(*acts: Callable[[], object]) -> Callable[[float], None]:
    """Return a sleep that does one act each time it is called, and then presses Ctrl-C."""
    waiting: Iterator[Callable[[], object]] = iter(acts)

    def sleep(_: float) -> None:
        act = next(waiting, None)
        if act is None:
            raise KeyboardInterrupt
        act()

    return sleep


def _idle() -> None:
    """Let a period pass."""


def test_a_change_counts_once_it_rests(tmp_path: Path) -> None:
    """A file caught empty, between two writes, or touched without a change starts no work; a rested change does."""
    file, seen = tmp_path / "g.lsys", []
    file.write_text("one")
    acts = [
        _idle,
        lambda: file.write_text(""),
        lambda: file.write_text("two"),
        _idle,
        _idle,
        file.touch,
        _idle,
        file.unlink,
        lambda: file.write_text("two"),
        _idle,
        lambda: file.write_text("six"),
        _idle,
    ]
    follow(file, lambda: seen.append(file.read_text()), _acting(*acts))
    assert seen == ["one", "two", "six"]


def test_ctrl_c_ends_while_work_is_done(tmp_path: Path) -> None:
    """An interrupt inside the work ends the watch as one between two works does."""

    def work() -> None:
        raise KeyboardInterrupt

    follow(tmp_path / "g.lsys", work, _acting())


GOOD, BROKEN, LONGER = ('lsystem 1\ntitle "a <b>"\naxiom: ' + word for word in ("F(2)F(3)\n", "F(\n", "F(2)F(3)F(4)\n"))


@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_the_last_good_picture_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    """A broken grammar leaves the picture and gets its letter; mended, it is drawn again; at the end the page rests."""
    file, out = tmp_path / "g.lsys", tmp_path / f"g{suffix}"
    file.write_text(GOOD)
    seen: list[bytes] = []

    def look() -> None:
        seen.append(out.read_bytes())

    def save(text: str) -> Callable[[], object]:
        return lambda: file.write_text(text)

    acts = [look, save(BROKEN), _idle, look, save(LONGER), _idle, look]
    watch_grammar(Wish(str(file), 0, "adult", (), 0, None, 60), out, False, _acting(*acts))
    told = capsys.readouterr()
    assert ["2 segments" in told.out, "3 segments" in told.out, "stopped watching" in told.out] == [True] * 3
    assert "g.lsys:3" in told.err
    assert "keeps the last good ducts" in told.err
    if suffix == ".png":
        assert seen[0] == seen[1] != seen[2] == out.read_bytes()
        return
    texts = [page.decode() for page in seen]
    assert ["2 segments" in text for text in texts] == [True, True, False]
    assert ['role="alert"' in text for text in texts] == [False, True, False]
    assert all('"reload_s": 2' in text and "a &lt;b&gt;" in text for text in texts)
    assert '"reload_s": 0' in out.read_text()
    assert "3 segments" in out.read_text()


def test_a_grammar_broken_from_the_start_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page says what is wrong before anything has grown; a wrong option ends the command instead."""
    file, out = tmp_path / "g.lsys", tmp_path / "g.html"
    file.write_text(BROKEN)
    pages: list[str] = []
    acts = [lambda: pages.append(out.read_text()), lambda: file.write_text(GOOD), _idle]
    watch_grammar(Wish(str(file), 0, "adult", (), 0, None, 60), out, True, _acting(*acts))
    assert "nothing has grown yet" in pages[0]
    assert 'role="alert"' in pages[0]
    assert "2 segments" in out.read_text()
    with pytest.raises(UsageError, match="adlt"):
        watch_grammar(Wish(str(file), 0, "adlt", (), 0, None, 60), out, True, _acting())


def test_a_page_needs_no_matplotlib(tmp_path: Path) -> None:
    """A page is made without Matplotlib, which takes longer to load than everything else."""
    script = (
        "import sys; from pancreasgen.cli.main import main; main(sys.argv[1:]); assert 'matplotlib' not in sys.modules"
    )
    words = ["grow", "abop/tree", "-q", "-o", str(tmp_path / "t.html")]
    subprocess.run([sys.executable, "-c", script, *words], check=True)
    assert (tmp_path / "t.html").stat().st_size < 100_000


def test_steps_that_pass_a_limit_are_refused() -> None:
    """Steps that were asked for are taken or refused with the number that works; an explosion is refused unasked."""
    rules = _rules("limits: modules 100\naxiom: F\nproduction:\nF --> FF\n")
    assert len(grow_free(rules, {}, 0, 6)[0].segments) == 64
    with pytest.raises(BadInputError, match="step 7 of `x` would pass its limit of 100 modules"):
        grow_free(rules, {}, 0, 9)
    exploding = _rules("axiom: F\nproduction:\nF --> " + "F" * 100 + "\n")
    with pytest.raises(DiagnosticError, match="grows without bound"):
        grow_free(exploding, {}, 0)
    assert len(grow_free(exploding, {}, 0, 1)[0].segments) == 100


def test_growth_gives_up_in_time() -> None:
    """A derivation is left at the first step past its time."""
    rules = _rules("axiom: FA\nproduction:\nA --> FA\n")
    with pytest.raises(BadInputError, match="the grammar had come to step"):
        grow_free(rules, {}, 0, 9000, deadline(0.0))
