"""The dataset's folder: complete or absent, never replaced, never continued with other settings."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pancreasgen.base.errors import BadInputError, CannotCreateError, DiskError, LockedError, UsageError
from pancreasgen.dataset import disk, store, tables
from pancreasgen.dataset.manifest import write_manifest
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.store import Store, locked, open_store, prepare, write_case

FILES = {"a.bin": b"alpha", "b.bin": b"beta" * 1000, "c.bin": b""}
FACTS: dict[str, Any] = {"measured": {}, "checks": [], "arrays": {}}


def _tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def _opened(root: Path, settings: Settings) -> Store:
    opened = open_store(root, settings)
    prepare(opened, settings)
    return opened


def test_a_case_is_written_whole_and_case_json_knows_its_files(tmp_path: Path, settings: Settings) -> None:
    """Each file's size and SHA-256 stand in case.json; nothing is left in the drafts."""
    opened = _opened(tmp_path / "d", settings)
    write_case(opened, 7, FILES, FACTS)
    folder = opened.case_folder(7)
    told = json.loads((folder / "case.json").read_text())
    assert {name: facts["bytes"] for name, facts in told["files"].items()} == {k: len(v) for k, v in FILES.items()}
    assert all(disk.sha256_of_file(folder / name) == facts["sha256"] for name, facts in told["files"].items())
    assert list(opened.scratch.iterdir()) == []
    assert (tmp_path / "d/.pancreasgen/journal.jsonl").read_text().count("\n") == 1


def test_a_second_write_compares_and_never_replaces(tmp_path: Path, settings: Settings) -> None:
    """The same content is accepted without a trace; other content is refused, and the first stays."""
    opened = _opened(tmp_path / "d", settings)
    write_case(opened, 0, FILES, FACTS)
    before = _tree(tmp_path / "d")
    write_case(opened, 0, FILES, FACTS)
    with pytest.raises(BadInputError, match="there already and differs"):
        write_case(opened, 0, FILES | {"a.bin": b"other"}, FACTS)
    assert _tree(tmp_path / "d") == before


def _killed_while_writing(root: Path, settings: Settings, step: int) -> None:
    opened = _opened(root, settings)
    real, count = disk.write_new, 0

    def write_new(path: Path, content: bytes, shown: Path) -> None:
        nonlocal count
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        real(path, content, shown)

    store.write_new = write_new  # type: ignore[attr-defined]
    write_case(opened, 0, FILES, FACTS)


@pytest.mark.parametrize("step", range(4))
def test_a_kill_while_writing_leaves_nothing_visible(tmp_path: Path, settings: Settings, step: int) -> None:
    """SIGKILL before any of the four files: no case is seen; the next run clears the draft and makes the same tree."""
    process = multiprocessing.get_context("fork").Process(
        target=_killed_while_writing, args=(tmp_path / "d", settings, step)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    opened = Store(tmp_path / "d")
    assert list(opened.case_folders()) == []
    assert len(list(opened.scratch.iterdir())) == 1
    again = _opened(tmp_path / "d", settings)
    assert list(again.scratch.iterdir()) == []
    write_case(again, 0, FILES, FACTS)
    fresh = _opened(tmp_path / "fresh", settings)
    write_case(fresh, 0, FILES, FACTS)
    assert _tree(again.cases) == _tree(fresh.cases)


def test_a_full_disk_ends_in_a_letter_and_leaves_no_draft(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC in the middle becomes a disk error (rc 74); nothing visible and no draft stay."""
    opened = _opened(tmp_path / "d", settings)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="No space left"):
        write_case(opened, 0, FILES, FACTS)
    assert list(opened.case_folders()) == []
    assert list(opened.scratch.iterdir()) == []


def test_other_settings_are_refused_with_the_difference(tmp_path: Path, settings: Settings) -> None:
    """One changed field is refused and named; the folder is untouched."""
    _opened(tmp_path / "d", settings)
    before = _tree(tmp_path / "d")
    for other, words in (
        (replace(settings, seed=9), "seed is 3 there, 9 now"),
        (replace(settings, protocol=replace(settings.protocol, mas=77.0)), "protocol.mas is"),
        (replace(settings, overrides={"gland.shape": "L"}), "overrides.gland.shape is None there, L now"),
        (replace(settings, grammar=replace(settings.grammar, text=settings.grammar.text + "\n")), "text differs"),
    ):
        with pytest.raises(UsageError) as caught:
            open_store(tmp_path / "d", other)
        assert words in caught.value.letter()
    assert _tree(tmp_path / "d") == before
    assert open_store(tmp_path / "d", settings) == Store(tmp_path / "d")


def test_foreign_folders_and_files_are_refused_untouched(tmp_path: Path, settings: Settings) -> None:
    """A file, a folder with other content, a path below a file: one line each, nothing changed."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("y")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "dataset.json").write_text("[]")
    before = _tree(tmp_path)
    for place in ("file", "full", "file/below"):
        with pytest.raises(CannotCreateError) as caught:
            open_store(tmp_path / place, settings)
        assert place.split("/")[0] in caught.value.letter()
    with pytest.raises(BadInputError, match="JSON object"):
        open_store(tmp_path / "strange", settings)
    assert _tree(tmp_path) == before


def test_a_file_where_a_folder_is_wanted_inside(tmp_path: Path, settings: Settings) -> None:
    """`cases` as a file is told as such."""
    _opened(tmp_path / "d", settings)
    (tmp_path / "d" / "cases").rmdir()
    (tmp_path / "d" / "cases").write_text("")
    with pytest.raises(CannotCreateError, match="cases"):
        open_store(tmp_path / "d", settings)


def _hold(root: Path, ready: Any, leave: Any) -> None:
    with locked(Store(root)):
        ready.set()
        leave.wait(20)


def test_two_runs_cannot_work_in_one_folder(tmp_path: Path, settings: Settings) -> None:
    """The second is told who holds the lock; when the first is gone the lock is free."""
    _opened(tmp_path / "d", settings)
    context = multiprocessing.get_context("fork")
    ready, leave = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "d", ready, leave))
    process.start()
    assert ready.wait(20)
    with pytest.raises(LockedError, match=f"process {process.pid}"), locked(Store(tmp_path / "d")):
        pass
    leave.set()
    process.join()
    with locked(Store(tmp_path / "d")):
        pass


def test_the_manifest_is_derived_and_sorted(tmp_path: Path, settings: Settings) -> None:
    """A row a case in the order of numbers, whatever the order of writing; it can be made again from the cases."""
    opened = _opened(tmp_path / "d", settings)
    for index in (2, 0):
        facts = FACTS | {"recipe": settings.recipe(index).to_dict(), "measured": {"gland.volume_ml": 70.0 + index}}
        write_case(opened, index, FILES, facts)
    assert write_manifest(opened) == 2
    text = (tmp_path / "d/manifest.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["index"] for row in rows] == ["0", "2"]
    assert rows[1]["measured.gland.volume_ml"] == "72.0"
    assert float(rows[0]["subject.gland.length_mm"]) == settings.subject(0).gland.length_mm
    assert "\n" not in rows[0]["grammar"]


def test_label_tables_agree_with_each_other() -> None:
    """JSON, Slicer and ITK-SNAP name the same values."""
    files = tables.label_tables()
    labels = json.loads(files["labels.json"])["labels"]
    slicer = [line.split() for line in files["slicer.ctbl"].decode().splitlines() if not line.startswith("#")]
    snap = [line.split() for line in files["itksnap.txt"].decode().splitlines() if not line.startswith("#")]
    assert [int(row[0]) for row in slicer] == [item["value"] for item in labels] == [int(row[0]) for row in snap]
    assert [row[1] for row in slicer] == [item["name"] for item in labels]
    assert [row[7].strip('"') for row in snap] == [item["name"] for item in labels]


def _leaves(data: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(data, dict) and data:
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*path, key))]
    return [(path, data)]


def test_each_field_of_the_settings_counts(tmp_path: Path, settings: Settings) -> None:
    """Whichever of more than 30 fields was another one there: refused, and the difference names it."""
    opened = _opened(tmp_path / "d", settings)
    whole = json.loads((opened.root / "dataset.json").read_text())
    leaves = _leaves(whole["settings"])
    assert len(leaves) > 30
    for path, value in leaves:
        other = json.loads(json.dumps(whole))
        place = other["settings"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = [value, "another"]
        (opened.root / "dataset.json").write_text(json.dumps(other))
        with pytest.raises(UsageError) as caught:
            open_store(tmp_path / "d", settings)
        assert ".".join(path) in caught.value.letter()
    (opened.root / "dataset.json").write_text(json.dumps(whole))
    open_store(tmp_path / "d", settings)


def test_two_that_begin_at_once_do_not_mix_settings(tmp_path: Path, settings: Settings) -> None:
    """Both find an empty folder; the one that comes second under the lock is refused, and writes nothing."""
    first = open_store(tmp_path / "d", settings)
    second = open_store(tmp_path / "d", replace(settings, seed=9))
    prepare(first, settings)
    before = _tree(tmp_path / "d")
    with pytest.raises(UsageError, match="other settings"):
        prepare(second, replace(settings, seed=9))
    assert _tree(tmp_path / "d") == before


def test_a_run_that_died_before_its_first_file_leaves_no_riddle(tmp_path: Path, settings: Settings) -> None:
    """After opening, only the program's own folder is there; the same command goes on from it."""
    open_store(tmp_path / "d", settings)
    assert [path.name for path in (tmp_path / "d").iterdir()] == [".pancreasgen"]
    _opened(tmp_path / "d", settings)


def test_shards_work_beside_each_other_and_never_beside_the_whole(tmp_path: Path, settings: Settings) -> None:
    """Shard 0 and 1 hold the folder together; shard 0 again, or the whole, is refused and told who holds it."""
    _opened(tmp_path / "d", settings)
    zero, one = Store(tmp_path / "d", "0-of-2"), Store(tmp_path / "d", "1-of-2")
    with locked(zero), locked(one):
        for other, who in ((zero, "shard 0-of-2"), (Store(tmp_path / "d"), "shard 1-of-2")):
            with pytest.raises(LockedError, match=who), locked(other):
                pass
    with locked(Store(tmp_path / "d")), pytest.raises(LockedError, match=f"process {os.getpid()}"), locked(one):
        pass
