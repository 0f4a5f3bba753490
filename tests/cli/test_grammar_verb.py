"""``pancreasgen grammar``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pancreasgen.cli.main import main
from pancreasgen.cli.progress import progress, share_done
from pancreasgen.dataset.grammars import grammar_names

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
    assert main(["grammar", "check", str(tmp_path / "m.lsys"), "--format", "json"]) == 65
    fault = json.loads(capsys.readouterr().out)[0]
    assert fault["line"] == 4
    assert fault["code"].startswith("PG")


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
