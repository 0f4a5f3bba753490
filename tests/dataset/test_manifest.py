"""The manifest: derived, streamed, the same by every road."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pancreasgen.base.errors import UsageError
from pancreasgen.dataset import manifest
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.manifest import listed_cases, manifest_agrees, manifest_bytes, write_manifest
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.dataset.tables import case_row
from tests.fakes import fake, fake_settings


def _facts(index: int) -> dict[str, Any]:
    made = fake(fake_settings(), index, {}, lambda *_: None)
    odd: dict[str, Any] = {"name": '=1+1, "x"', "none": None} if index % 5 == 2 else {}
    return {**made.facts, "measured": made.facts["measured"] | odd | ({"size": 1} if index % 2 else {"size": 0.5})}


def _dataset(root: Path, indices: list[int]) -> Store:
    store = Store(root)
    store.scratch.mkdir(parents=True, exist_ok=True)
    for index in indices:
        folder = store.case_folder(index)
        folder.mkdir(parents=True)
        (folder / "case.json").write_bytes(canonical_json(_facts(index)))
    return store


def _by_hand(indices: list[int]) -> list[dict[str, str]]:
    """Return the rows as one would make them with all cases in memory."""
    rows = [case_row(_facts(index), "") for index in indices]
    columns = {name for row in rows for name in row}
    texts = [{name: "" if row.get(name) is None else str(row[name]) for name in columns} for row in rows]
    return [{k: f"'{v}" if v.startswith("=") else v for k, v in row.items()} for row in texts]


def test_rows_are_those_of_the_cases(tmp_path: Path) -> None:
    """Sorted by number across folders, all columns of all cases, blanks where a case lacks one, no formulas."""
    indices = [0, 2, 3, 999, 1000, 1_234_567]
    store = _dataset(tmp_path, indices)
    assert write_manifest(store) == 6
    text = (tmp_path / "manifest.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    own = {"case", "sha256.case_json"}
    assert [{k: v for k, v in row.items() if k not in own} for row in rows] == [
        {k: v for k, v in row.items() if k not in own} for row in _by_hand(indices)
    ]
    assert [row["case"] for row in rows][-2:] == ["more/000/001/001000", "more/001/234/1234567"]
    assert (tmp_path / "manifest.csv").read_bytes() == manifest_bytes(store)
    assert [index for index, _ in listed_cases(store)] == indices


def test_what_was_read_before_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second manifest reads new and changed cases only, and is the one that a fresh look gives."""
    store = _dataset(tmp_path, list(range(0, 20, 2)))
    write_manifest(store)
    _dataset(tmp_path, [5])
    (store.case_folder(4) / "case.json").write_bytes(canonical_json(_facts(7)))
    os.utime(store.case_folder(4) / "case.json", (1, 1))
    (store.case_folder(8) / "case.json").unlink()
    store.case_folder(8).rmdir()
    read, real = [], manifest._cells

    def cells(store: Store, folder: Path) -> tuple[list[str], list[str]]:
        read.append(folder.name)
        return real(store, folder)

    monkeypatch.setattr(manifest, "_cells", cells)
    assert write_manifest(store) == 10
    assert read == ["000004", "000005"]
    assert (tmp_path / "manifest.csv").read_bytes() == manifest_bytes(store)


@pytest.mark.parametrize("harm", [
    lambda text: text[: len(text) // 2], lambda _: "", lambda text: text.replace("[", "{", 1),
    lambda text: text[:-7], lambda text: "null\n" + text, lambda text: text.replace("columns", "rows"),
    lambda text: text.replace("adult", "child"),
])  # fmt: skip
def test_a_damaged_spool_costs_time_only(tmp_path: Path, harm: Callable[[str], str]) -> None:
    """Whatever became of the spool, the manifest is right."""
    store = _dataset(tmp_path, list(range(12)))
    write_manifest(store)
    spool = tmp_path / ".pancreasgen/rows.jsonl"
    spool.write_text(harm(spool.read_text()))
    write_manifest(store)
    assert (tmp_path / "manifest.csv").read_bytes() == manifest_bytes(store)


def test_a_changed_manifest_does_not_agree(tmp_path: Path) -> None:
    """One byte more, less or other, a missing file, an edited case of the same size and time: each is found."""
    store = _dataset(tmp_path, list(range(12)))
    write_manifest(store)
    path = tmp_path / "manifest.csv"
    whole = path.read_bytes()
    assert manifest_agrees(store)
    for broken in (whole + b"\n", whole[:-1], whole.replace(b"adult", b"adulT", 1), b""):
        path.write_bytes(broken)
        assert not manifest_agrees(store)
    path.write_bytes(whole)
    case = store.case_folder(3) / "case.json"
    facts = case.stat()
    case.write_bytes(case.read_bytes().replace(b"adult", b"adulT"))
    os.utime(case, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert not manifest_agrees(store)
    path.unlink()
    assert not manifest_agrees(store)


def test_parquet_holds_the_same_rows_with_types(tmp_path: Path) -> None:
    """Whole numbers, numbers, truths and texts; empty cells are missing; rows are those of the CSV, group by group."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="NOT TESTED: pyarrow is not installed")
    store = _dataset(tmp_path, list(range(25)))
    write_manifest(store, parquet=True)
    table = parquet.read_table(tmp_path / "manifest.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert (kinds["index"], kinds["checks_passed"], kinds["population"]) == ("int64", "bool", "string")
    assert (kinds["measured.size"], kinds["measured.lesion.size_mm"]) == ("double", "int64")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "manifest.csv").read_text())))
    for ours, theirs in zip(table.to_pylist(), rows, strict=True):
        for name, value in ours.items():
            assert theirs[name] == ("" if value is None else str(value)) or type(value)(theirs[name]) == value
    _dataset(tmp_path, [25])
    write_manifest(store)
    assert parquet.read_table(tmp_path / "manifest.parquet").num_rows == 26


def test_parquet_without_pyarrow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The letter tells what to install; a Parquet file that would be out of date is gone; the CSV is written."""
    import builtins

    real = builtins.__import__

    def imported(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **named)

    store = _dataset(tmp_path, [0])
    (tmp_path / "manifest.parquet").write_bytes(b"old")
    monkeypatch.setattr(builtins, "__import__", imported)
    with pytest.raises(UsageError) as caught:
        write_manifest(store, parquet=True)
    assert "pancreasgen[parquet]" in caught.value.letter()
    assert not (tmp_path / "manifest.parquet").exists()
    assert (tmp_path / "manifest.csv").read_bytes() == manifest_bytes(store)


def test_json_of_a_case_is_what_the_rows_hash(tmp_path: Path) -> None:
    """The manifest seals each case.json: its SHA-256 is a column."""
    from pancreasgen.dataset.disk import sha256_of_file

    store = _dataset(tmp_path, [0, 1])
    write_manifest(store)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "manifest.csv").read_text())))
    told = [sha256_of_file(folder / "case.json") for folder in store.case_folders()]
    assert [row["sha256.case_json"] for row in rows] == told
    assert json.loads((store.case_folder(0) / "case.json").read_text())["recipe"]["index"] == 0
