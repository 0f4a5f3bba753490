"""Bad input gets a letter, not a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pancreasgen.cli import main as cli_main
from pancreasgen.cli.generate import chosen
from pancreasgen.cli.main import VERBS, main


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize(
    ("words", "code", "letter"),
    [
        ("generate -n 0 -o x", 2, "-n must be a whole number from 1 to 10000000, not 0"),
        ("generate -n 1.5 -o x", 2, "-n must be a whole number from 1 to 10000000, not 1.5"),
        ("generate --seed -1 -o x", 2, "--seed must be a whole number from 0 to 9223372036854775807, not -1"),
        ("generate --seed nan -o x", 2, "--seed must be a whole number from 0 to 9223372036854775807, not nan"),
        ("generate --workers 0 -o x", 2, "--workers must be a whole number from 1 to 1024, not 0"),
        (
            "generate --only 1,x -o x",
            2,
            "--only must be whole numbers from 0 to 999999999 with",
        ),
        ("generate -o x --shard 3/3", 2, "--shard: the shard of 3 must be 0 to 2, not 3"),
        ("generate -o x --shard 1", 2, "--shard must be I/N or auto/N with N from 1 to 100,000, not 1"),
        ("generate -o x --shard auto/4", 2, "one of the variables SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX"),
        ("manifest nowhere", 66, "nowhere holds no pancreasgen dataset"),
        ("cite nowhere", 66, "nowhere holds no pancreasgen dataset"),
        ("verify x --rebuild -1", 2, "--rebuild must be a whole number from 0 to 10000000, not -1"),
        ("generate -n 2 --only 7 -o x", 2, "give either -n, for the first cases, or --only"),
        ("generate -n 2", 2, "Missing option '-o' / '--out'"),
        ("generate -o x --sed 3", 2, "No such option"),
        ("generate -o x --population adlt", 2, "did you mean `adult`?"),
        ("generate -o x --grammar human_pancras", 2, "there is no grammar `human_pancras`"),
        ("generate -o x --grammar none.lsys", 66, "there is no grammar file none.lsys"),
        ("generate -o x --protocol portal", 2, "there is no protocol `portal`"),
        ("generate -o x --set gland.length_mm=nan", 2, "from 80 to 220 mm, not nan"),
        ("generate -o x --set gland.length_mm", 2, "--set wants KEY=VALUE"),
        ("generat -o x", 2, "Did you mean `generate`?"),
        ("grow human_pancreas -o ducts.obj", 2, "must end in one of .graphml .swc .vtp .ply .glb .png .html"),
        ("phantom -o labels.nrrd", 2, "must end in .nii.gz"),
        ("scan v.nii.gz -o ct.nii.gz", 2, "either --hu or --labels TABLE.csv"),
        ("scan v.nii.gz --hu --labels t.csv -o ct.nii.gz", 2, "either --hu or --labels TABLE.csv"),
        ("scan v.nii.gz --hu -o ct.nii.gz", 66, "there is no volume v.nii.gz"),
        ("scan v.nii.gz --hu -o ct.nii.gz --set protocol.mass=3", 2, "did you mean `protocol.mas`?"),
        ("scan v.nii.gz --hu -o ct.nii.gz --set protocol.mas=nan", 2, "protocol.mas must be a number from 1 to 2000"),
        ("scan v.nii.gz --hu -o ct.nii.gz --set protocol.matrix=1", 2, "protocol.matrix must be a number from 32"),
        ("grow human_pancreas --steps 3 -o ducts.png", 2, "--steps is for grammars that need no organ"),
        ("grow abop/plant -o none/p.png", 73, "there is no folder none"),
        ("grow abop/plant --watch -o p.png", 2, "--watch follows a file, and `abop/plant` is a grammar of the program"),
        ("grow abop/plant --watch -o p.swc", 2, "must end in one of .png .html with --watch"),
        ("grow none.lsys --watch -o p.html", 66, "there is no grammar file none.lsys"),
        ("grammar new mine.txt", 2, "mine.txt must end in .lsys"),
        ("grammar derive abop/plant --steps 1001", 2, "--steps must be a whole number from 0 to 1000, not 1001"),
        ("phantom -o none/labels.nii.gz", 73, "there is no folder none"),
        ("scan v.nii.gz --hu -o none/ct.nii.gz", 73, "there is no folder none"),
        ("verify nowhere", 66, "nowhere holds no pancreasgen dataset"),
        ("rebuild nothing.json -o x", 66, "there is no file nothing.json"),
        ("grammar check none.lsys", 66, "there is no grammar file none.lsys"),
    ],
)
def test_each_mistake_has_its_letter_and_code(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    code: int,
    letter: str,
) -> None:
    """One letter on stderr, the code of the contract, nothing on stdout, nothing written."""
    monkeypatch.chdir(tmp_path)
    got, out, err = _run(capsys, *words.split())
    assert (got, out) == (code, "")
    assert err.startswith("error")
    assert letter in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_letter_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """The form of a letter: what is wrong, then what to do."""
    _, _, err = _run(capsys, "generate", "-o", "x", "--protocol", "portal-venus")
    assert err.splitlines()[:2] == [
        "error: there is no protocol `portal-venus`",
        "  = help: did you mean `portal-venous`?",
    ]


def test_a_file_in_the_way_is_told_before_any_work(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rc 73, and the file is untouched."""
    (tmp_path / "demo").write_text("mine")
    code, _, err = _run(capsys, "generate", "--quick", "-o", str(tmp_path / "demo"))
    assert code == 73
    assert "is a file; a folder is wanted" in err
    assert (tmp_path / "demo").read_text() == "mine"


def test_a_broken_grammar_gets_a_caret(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`grammar check` and `generate` name file, line and column; rc 1 for the checker, 65 where it was to be used."""
    file = tmp_path / "mine.lsys"
    file.write_text("lsystem 1\naxiom: F(\n")
    for words, wanted in (
        (("grammar", "check", str(file)), 1),
        (("generate", "-o", str(tmp_path / "x"), "--grammar", str(file)), 65),
        (("grow", str(file), "-o", str(tmp_path / "x.png")), 65),
    ):
        code, _, err = _run(capsys, *words)
        assert code == wanted
        assert "mine.lsys:2" in err
        assert "^" in err
    assert not (tmp_path / "x").exists()


def test_not_a_case_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A JSON file that is no case is bad input."""
    (tmp_path / "other.json").write_text("{}")
    code, _, err = _run(capsys, "rebuild", str(tmp_path / "other.json"), "-o", str(tmp_path / "x"))
    assert code == 65
    assert "is not a pancreasgen case" in err


def test_control_characters_cannot_fool_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """An escape sequence in a name comes out escaped."""
    _, _, err = _run(capsys, "generate", "-o", "x", "--protocol", "\x1b[31mred")
    assert "\x1b" not in err
    assert "\\x1b[31mred" in err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """--debug raises instead of writing a letter, wherever it stands."""
    with pytest.raises(Exception, match="no protocol"):
        main(["generate", "-o", "x", "--protocol", "nope", "--debug"])


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """KeyboardInterrupt becomes a word and rc 130; a bug becomes rc 70 without a traceback."""

    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_main.root, "main", interrupted)
    code, _, err = _run(capsys, "generate", "-o", "x")
    assert code == 130
    assert "complete cases are kept" in err

    def broken(**_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(cli_main.root, "main", broken)
    code, _, err = _run(capsys, "generate", "-o", "x")
    assert code == 70
    assert "a bug in pancreasgen: ZeroDivisionError: oops" in err


@pytest.mark.parametrize("words", ["--help", *(f"{verb} --help" for verb in VERBS)])
def test_help_loads_nothing_heavy(words: str) -> None:
    """Help of the program and of every verb imports neither NumPy nor any room but the command line's."""
    script = (
        "import sys; from pancreasgen.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'numpy', 'numba', 'scipy', 'nibabel', 'matplotlib', 'rich', 'lark'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", script, *words.split()], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Usage: pancreasgen" in result.stdout


def test_every_verb_has_a_module_and_the_same_first_line() -> None:
    """The table in the main help agrees with the verbs' own help."""
    from importlib import import_module

    for verb, line in VERBS.items():
        command = import_module(f"pancreasgen.cli.{verb}").command
        first = (command.help or "").split("\n")[0]
        told, own = (set(text.lower().replace(".", "").replace(",", "").split()) for text in (line, first))
        assert len(told & own) >= 3, verb


def test_only_chooses_cases() -> None:
    """Numbers are sorted and unique."""
    assert chosen("3,1,3", None) == [1, 3]
    assert list(chosen(None, 2)) == [0, 1]
    assert list(chosen(None, None)) == [0]


@pytest.mark.parametrize("link", ["", "symbolic", "hard"])
@pytest.mark.parametrize(
    "words",
    [
        "scan in.nii.gz --hu -o {out}.nii.gz",
        "scan other.nii.gz --labels in.nii.gz -o {out}.nii.gz",
        "phantom --grammar in.nii.gz -o {out}.nii.gz",
        "grow in.png -o {out}.png",
        "rebuild in.json -o {out}.json",
    ],
)
def test_an_output_never_replaces_an_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, link: str
) -> None:
    """Whatever verb, and by whatever link: rc 2, and the input is untouched."""
    monkeypatch.chdir(tmp_path)
    suffix = words[words.index("{out}") + 5 :]
    source = tmp_path / f"in{suffix}"
    source.write_text("lsystem 1\naxiom: F\n")
    if link == "symbolic":
        (tmp_path / f"out{suffix}").symlink_to(source)
    elif link == "hard":
        (tmp_path / f"out{suffix}").hardlink_to(source)
    code, _, err = _run(capsys, *words.format(out="out" if link else "in").split())
    assert code == 2, err
    assert "is the input itself" in err
    assert source.read_text() == "lsystem 1\naxiom: F\n"


def _refusing(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    """Let the system refuse a path, as it would to somebody who is not root."""
    real_open, real_access = os.open, os.access

    def opened(path: str | Path, flags: int, *rest: int) -> int:
        if Path(path).parent == refused and flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, flags, *rest)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != refused and real_access(path, mode))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("phantom --quick -o {0}/labels.nii.gz", "{0}/labels.nii.gz"),
        ("scan v.nii.gz --hu -o {0}/ct.nii.gz", "{0}/ct.nii.gz"),
        ("grow human_pancreas -o {0}/p.png", "{0}/p.png"),
        ("grow abop/plant -o {0}/p.png", "{0}/p.png"),
    ],
)
def test_a_read_only_folder_is_told_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, name: str
) -> None:
    """Rc 77 with the name that the user gave, before an organ is shaped or the volume is looked for."""
    from pancreasgen.organ import gland

    def shaped(*_: object) -> None:
        raise AssertionError("work was done")

    monkeypatch.setattr(gland, "shape_organ", shaped)
    _refusing(monkeypatch, tmp_path)
    code, _, err = _run(capsys, *words.format(tmp_path).split())
    assert code == 77, err
    assert err.startswith(f"error: cannot write {name.format(tmp_path)}: Permission denied")


@pytest.mark.parametrize(
    "words",
    ["grammar check {0}", "grow {0} -o p.png", "scan {0} --hu -o ct.nii.gz", "rebuild {0} -o x",
     "scan v.nii.gz --labels {0} -o ct.nii.gz"],
)  # fmt: skip
def test_a_file_that_may_not_be_read_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Rc 77 for grammar, volume, table and case, and the advice is about reading."""
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.nii.gz"
    secret.write_text("lsystem 1\naxiom: F\n")
    _refusing(monkeypatch, secret)
    code, _, err = _run(capsys, *words.format(secret).split())
    assert code == 77, err
    assert f"cannot read {secret}: Permission denied" in err
    assert "that you may read" in err
    assert "write" not in err


def test_the_folder_of_a_case_points_to_its_dataset(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`verify demo/cases/000000` says to give demo."""
    folder = tmp_path / "demo/cases/000000"
    folder.mkdir(parents=True)
    (tmp_path / "demo/dataset.json").write_text("{}")
    code, _, err = _run(capsys, "verify", str(folder))
    assert code == 66
    assert f"it lies in one: give {tmp_path / 'demo'}" in err
