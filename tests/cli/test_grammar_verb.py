"""``pancreasgen grammar``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.cli.grammar_derive import derivation_steps
from pancreasgen.cli.main import main
from pancreasgen.cli.progress import progress, share_done
from pancreasgen.dataset.grammars import find_grammar, grammar_names
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.predict import foretold_modules
from pancreasgen.grammar.rewrite import derive
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.look.words import word_text

TEXT = 'lsystem 1\ntitle "t"\nparam a = 1 mm in [0, 2] mm "b" source "assumed"\naxiom: F\nproduction:\n  g: F --> F F\n'


def test_list_names_every_grammar_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    """Text and JSON name the same grammars."""
    assert main(["grammar", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(["grammar", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [line.split()[0] for line in lines] == [item["name"] for item in found] == grammar_names()


def test_show_prints_the_file_and_its_parameters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`show` gives back the text to the letter; `--json` the parameters."""
    (tmp_path / "m.lsys").write_text(TEXT)
    assert main(["grammar", "show", str(tmp_path / "m.lsys")]) == 0
    assert capsys.readouterr().out == TEXT
    assert main(["grammar", "show", str(tmp_path / "m.lsys"), "--json"]) == 0
    parameter = json.loads(capsys.readouterr().out)[0]
    assert (parameter["name"], parameter["high"], parameter["source"]) == ("a", 2.0, "assumed")


def test_check_as_json_has_codes_and_places(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A tool can read the faults."""
    (tmp_path / "m.lsys").write_text(TEXT.replace("axiom: F", "axiom: Fx("))
    assert main(["grammar", "check", str(tmp_path / "m.lsys"), "--format", "json"]) == 1
    fault = json.loads(capsys.readouterr().out)[0]
    assert fault["line"] == 4
    assert fault["code"].startswith("PG")


def _rules(text: str) -> Grammar:
    return parse_grammar(f"lsystem 1\n{text}", id="x", file="x.lsys")


def _told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["grammar", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_check_for_editors_is_one_line_a_fault(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each line is file:line:column: kind: message; both faults stand where they were planted; hints are notes."""
    file = tmp_path / "m.lsys"
    file.write_text("lsystem 1\nmodule Tip(l: mm)\naxiom: Tip(1 mm)\nproduction:\nTip(l) --> F(q) Tip(l, 2)\n")
    code, out, err = _told(capsys, "check", str(file), "--format", "gcc")
    assert (code, err) == (1, "")
    lines = [
        re.fullmatch(rf"{re.escape(str(file))}:(\d+):(\d+): (error|warning|note): (.+)", x) for x in out.splitlines()
    ]
    faults = [line for line in lines if line and line[3] == "error"]
    assert all(lines)
    assert [(line[1], line[2]) for line in faults] == [("5", "14"), ("5", "17")]
    assert all(re.search(r" \[PG\d{3}\]$", line[4]) for line in faults)


def test_check_tells_text_from_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file that is no text is a fault like others: rc 1, in every format; a missing one stays 66."""
    file = tmp_path / "m.lsys"
    file.write_bytes("lsystem 1".encode("utf-16"))
    assert _told(capsys, "check", str(file))[0] == 1
    code, out, _ = _told(capsys, "check", str(file), "--format", "gcc")
    assert code == 1
    assert out.startswith(f"{file}:1:1: error: ")
    assert _told(capsys, "check", str(tmp_path / "none.lsys"))[0] == 66


@pytest.mark.parametrize(
    ("text", "steps", "modules"),
    [
        ("axiom: F\nproduction:\nF --> F[+F]F[-F]F", 4, 5**4 + 6 * (5**4 - 1) // 4),
        ("axiom: A\nproduction:\nA --> AB\nB --> A", 10, 144),
    ],
)
def test_the_length_foretold_is_the_length_derived(text: str, steps: int, modules: int) -> None:
    """Matrix powers, the sum of a series (or Fibonacci's numbers) and the engine agree."""
    rules = _rules(text)
    assert foretold_modules(rules, steps) == modules == len(derive(rules, key=0, steps=steps).word)


def test_the_mean_length_of_a_stochastic_grammar() -> None:
    """A --> AA : 1/2, A --> A : 1/2 has (3/2)^n modules on average; 400 derivations come near."""
    rules = _rules("axiom: A\nproduction:\nA --> AA : 0.5\n  --> A : 0.5")
    assert foretold_modules(rules, 6) == pytest.approx(1.5**6)
    lengths = [len(derive(rules, key=Chance(seed, 0, "growth").key, steps=6).word) for seed in range(400)]
    assert sum(lengths) / 400 == pytest.approx(1.5**6, rel=0.12)


def test_check_says_how_long_the_word_gets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exact for plain rules, about for weights; conditions and organs promise nothing."""
    assert "plant.lsys: no faults; 1 rule; 7,811 modules after 5 steps" in _told(capsys, "check", "abop/plant")[1]
    assert "weed.lsys: no faults; 1 rule; about " in _told(capsys, "check", "abop/weed")[1]
    (tmp_path / "c.lsys").write_text("lsystem 1\naxiom: A(1)\nproduction:\nA(x) : x < 3 --> F A(x + 1)\n")
    assert "depends on conditions" in _told(capsys, "check", str(tmp_path / "c.lsys"))[1]
    out = _told(capsys, "check", "human_pancreas")[1]
    assert "no faults" in out
    assert "modules after" not in out


def test_new_writes_a_copy_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is the grammar to the letter; a file that exists is never touched; other endings are refused."""
    monkeypatch.chdir(tmp_path)
    code, out, _ = _told(capsys, "new", "my own.lsys", "--from", "abop/plant")
    assert code == 0
    assert Path("my own.lsys").read_text() == find_grammar("abop/plant").text
    assert "pancreasgen grow 'my own.lsys' -o 'my own.png'" in out
    for name, rc in (("my own.lsys", 73), ("mine.txt", 2), ("none/mine.lsys", 73)):
        code, _, err = _told(capsys, "new", name)
        assert (code, err.startswith("error")) == (rc, True)
    assert Path("my own.lsys").read_text() == find_grammar("abop/plant").text
    assert _told(capsys, "new", "mine.lsys")[0] == 0
    assert Path("mine.lsys").read_text() == find_grammar("human_pancreas").text


def test_derive_prints_the_strings_of_the_book(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """ABOP's algae (1.2.1): A, AB, ABA, ABAAB; the counts of each rule are those of the letters before."""
    file = tmp_path / "algae.lsys"
    file.write_text("lsystem 1\naxiom: A\nproduction:\nyoung: A --> AB\nold: B --> A\n")
    code, out, _ = _told(capsys, "derive", str(file), "--steps", "3")
    assert code == 0
    lines = out.splitlines()
    assert [line.strip() for line in lines[1::2]] == ["A", "AB", "ABA", "ABAAB"]
    assert lines[6] == "step 3: 5 modules; young × 2, old × 1"
    code, out, _ = _told(capsys, "derive", str(file), "--steps", "3", "--json")
    rows = json.loads(out)["steps"]
    assert [row["string"] for row in rows] == ["A", "AB", "ABA", "ABAAB"]
    assert [row["rules"] for row in rows][1:] == [{"young": 1}, {"young": 1, "old": 1}, {"young": 2, "old": 1}]
    assert _told(capsys, "derive", str(file), "--steps", "3", "--max-modules", "4")[1].splitlines()[-1] == (
        "  ABAA … and 1 more (--max-modules)"
    )


def test_derive_takes_values_and_tells_the_end(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--set works with and without its group, in the parameter's unit; growth that ends is said to end."""
    file = tmp_path / "m.lsys"
    file.write_text("lsystem 1\nparam a = 30 deg in [0, 90] deg\naxiom: B\nproduction:\nB --> +(a) F(2 cm)\n")
    for key in ("a", "ducts.a"):
        code, out, _ = _told(capsys, "derive", str(file), "--steps", "9", "--set", f"{key}=45")
        assert code == 0
        assert "+(45)F(20)" in out
        assert "no rule matches any more" in out
    assert _told(capsys, "derive", str(file), "--set", "a=91")[0] == 2


def test_derive_needs_no_organ(capsys: pytest.CaptureFixture[str]) -> None:
    """A grammar that asks an organ is bad input here, and the letter points to grow."""
    code, out, err = _told(capsys, "derive", "human_pancreas")
    assert (code, out) == (65, "")
    assert "pancreasgen grow human_pancreas" in err


def test_derived_steps_are_those_of_the_engine() -> None:
    """Every step's word is the engine's for that number of steps, and matches add up to the modules rewritten."""
    found = find_grammar("abop/weed")
    rules = parse_grammar(found.text, id=found.id, file=found.file)
    rows = list(derivation_steps(rules, 7, 3))
    for step, word, _, _ in rows:
        assert (word.lineage == derive(rules, key=7, steps=step).word.lineage).all()
    edges = [int((word.symbol == rules.symbols.index("F")).sum()) for _, word, _, _ in rows]
    assert [sum(matched.values()) for _, _, matched, _ in rows] == [0, *edges[:-1]]


def test_words_read_back_as_themselves() -> None:
    """The text of a word, pasted as an axiom, is the same word."""
    found = find_grammar("abop/tree")
    rules = parse_grammar(found.text, id=found.id, file=found.file)
    word = derive(rules, key=0, steps=2).word
    head = found.text[: found.text.index("axiom:")]
    again = derive(parse_grammar(f"{head}axiom: {word_text(word, rules, 10**6)}\n"), key=0, steps=0).word
    assert (word.symbol == again.symbol).all()
    assert word.args == pytest.approx(again.args, rel=1e-5)


def test_cite_sorts_parameters_by_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each source stands once with all its parameters; assumed and silent ones are counted apart; none is lost."""
    file = tmp_path / "m.lsys"
    rows = [("a", "Sahni 2001"), ("b", "assumed; thin"), ("c", "Sahni 2001"), ("d", ""), ("e", "Odd \x1b[31m 1999")]
    lines = [f'param {name} = 1 "what {name} is"' + (f' source "{text}"' if text else "") for name, text in rows]
    file.write_text("\n".join(["lsystem 1", *lines, "axiom: F"]))
    code, out, _ = _told(capsys, "cite", str(file))
    assert code == 0
    assert "m: 5 parameters; 3 with a source, 1 assumed, 1 without a word" in out
    assert out.count("Sahni 2001") == 1
    assert "\x1b" not in out
    found = json.loads(_told(capsys, "cite", str(file), "--json")[1])
    names = [[one["name"] for one in item["parameters"]] for item in found["sources"]]
    names += [[one["name"] for one in found[key]] for key in ("assumed", "without_source")]
    assert names == [["a", "c"], ["e"], ["b"], ["d"]]


def test_progress_is_silent_in_a_pipe_and_grows(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed where nobody looks; the share of a case never falls along the road."""
    with progress(2, quiet=False) as watch:
        watch(0, "scan", 0.5)
    told = capsys.readouterr()
    assert told.out + told.err == ""
    road = [
        (stage, part) for stage in ("organ", "ducts", "tissue", "scan", "truth", "write", "done") for part in (0, 1)
    ]
    shares = [share_done(*place) for place in road]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
