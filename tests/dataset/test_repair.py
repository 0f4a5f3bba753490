"""Damage of any kind is found, and healed to the byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.cli.main import main
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.repair import made_again, settings_of
from pancreasgen.dataset.verify import verify_dataset
from pancreasgen.look.preview import PAINTERS
from tests.fakes import tree

SMALL = ["--quick", "--set", "ducts.grain=3"]  # coarse ducts are quickly made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two quick cases."""
    out = tmp_path_factory.mktemp("data") / "d"
    assert main(["generate", *SMALL, "-n", "2", "--seed", "1", "-o", str(out), "-q"]) == 0
    return out


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Path:
    """Return a copy that may be harmed."""
    shutil.copytree(data, tmp_path / "d")
    return tmp_path / "d"


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _swap(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


HARM: dict[str, Callable[[Path], object]] = {
    "flipped bit": lambda root: _flip(root / "cases/000000/ct.nii.gz"),
    "truncation": lambda root: (root / "cases/000001/ducts.graphml").write_bytes(b"<graphml>"),
    "lost file": lambda root: (root / "cases/000001/ducts.swc").unlink(),
    "lost case": lambda root: shutil.rmtree(root / "cases/000001"),
    "lost case.json": lambda root: (root / "cases/000000/case.json").unlink(),
    "swapped cases": lambda root: _swap(root / "cases/000000", root / "cases/000001"),
    "swapped files": lambda root: _swap(root / "cases/000000/labels.nii.gz", root / "cases/000001/labels.nii.gz"),
    "edited recipe": lambda root: _edit(root / "cases/000000/case.json", '"mas": ', '"mas": 1'),
    "edited measure": lambda root: _edit(root / "cases/000001/case.json", '"measured": {', '"measured": {"x": 1, '),
    "edited settings": lambda root: _edit(root / "dataset.json", '"seed": 1', '"seed": 2'),
    "lost settings": lambda root: (root / "dataset.json").unlink(),
    "edited manifest": lambda root: _edit(root / "manifest.csv", "000001", "000002"),
    "lost manifest": lambda root: (root / "manifest.csv").unlink(),
    "edited labels": lambda root: _edit(root / "labels/labels.json", "spleen", "spleem"),
    "stray file": lambda root: (root / "cases/notes.txt").write_text("mine"),
    "stray in a case": lambda root: (root / "cases/000000/notes.txt").write_text("mine"),
    "foreign case": lambda root: shutil.copytree(root / "cases/000000", root / "cases/000007"),
    "case elsewhere": lambda root: shutil.copytree(root / "cases/000000", root / "cases/more/000/001/000000"),
}  # fmt: skip


def test_a_sound_dataset_has_no_problem(data: Path) -> None:
    """No false alarm."""
    assert verify_dataset(data) == (2, [])


@pytest.mark.parametrize("name", HARM)
def test_each_damage_is_found(copy: Path, name: str) -> None:
    """Rc 1 of `verify`, whatever was done to whichever file."""
    HARM[name](copy)
    assert [problem for problem in verify_dataset(copy)[1] if problem.is_damage]


@pytest.mark.parametrize("names", [
    ["flipped bit", "edited settings", "edited labels", "stray file", "lost manifest", "case elsewhere"],
    ["edited recipe", "lost case", "lost settings"],
], ids=" and ".join)  # fmt: skip
def test_repair_heals_to_the_byte(data: Path, copy: Path, names: list[str]) -> None:
    """After --repair the tree is that which was made first, verify is content, and what was damaged is kept aside."""
    for name in names:
        HARM[name](copy)
    assert main(["verify", str(copy), "--repair", "-q"]) == 0
    assert tree(copy) == tree(data)
    assert list((copy / ".pancreasgen/damaged").iterdir())


def test_repair_needs_settings_that_can_be_believed(copy: Path) -> None:
    """If both copies of the settings are lost or edited past reading, a letter tells so, and nothing is moved."""
    (copy / "cases/000000/ct.nii.gz").unlink()
    (copy / ".pancreasgen/dataset.sealed").write_bytes(b"x")
    before = tree(copy)
    _edit(copy / "dataset.json", '"pancreasgen": "', '"pancreasgen": "9.')
    with pytest.raises(UsageError, match="another version"):
        settings_of(Store(copy))
    (copy / "dataset.json").write_text("{}")
    with pytest.raises(BadInputError, match="settings"):
        settings_of(Store(copy))
    assert main(["verify", str(copy), "--repair", "-q"]) == 65
    assert {k: v for k, v in tree(copy).items() if k != "dataset.json"} == {
        k: v for k, v in before.items() if k != "dataset.json"
    }


def test_settings_come_back_as_they_were(data: Path) -> None:
    """What `dataset.json` tells is enough to draw every case again."""
    settings = settings_of(Store(data))
    told = json.loads((data / "cases/000001/case.json").read_text())["recipe"]
    assert settings.recipe(1).to_dict() == json.loads(json.dumps(told))


def test_some_cases_are_built_again(copy: Path) -> None:
    """`--rebuild 1` builds one case: the same; a case.json that tells otherwise is found even if all hashes fit."""
    quiet = lambda *_: None  # noqa: E731
    assert made_again(Store(copy), 1, PAINTERS, quiet) == {0: []}
    _edit(copy / "cases/000000/case.json", '"gland.volume_ml": ', '"gland.volume_ml": 1')
    assert made_again(Store(copy), 1, PAINTERS, quiet) == {0: ["case.json"]}
    assert main(["verify", str(copy), "--rebuild", "1", "-q"]) == 1


def test_time_is_limited(data: Path) -> None:
    """After the limit no further case is looked at."""
    assert verify_dataset(data, 0.0) == (0, [])


def test_cite_names_program_settings_and_sources(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same settings have the same fingerprint; sources and assumed numbers are counted."""
    assert main(["cite", str(data), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    described = json.loads((data / "dataset.json").read_text())
    assert sum(map(len, told["sources"].values())) + told["assumed"] == len(described["sources"])
    assert (told["seed"], told["population"]) == (1, "adult")
    assert main(["cite", str(data)]) == 0
    assert told["fingerprint"] in capsys.readouterr().out
