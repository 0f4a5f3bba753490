"""A batch: the same tree by every road, and a bad case costs only itself."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pancreasgen.base.errors import BadInputError, DiskError
from pancreasgen.dataset import batch
from pancreasgen.dataset.layout import Store, case_place
from pancreasgen.dataset.quarantine import locked_up
from pancreasgen.dataset.shard import Shard
from pancreasgen.dataset.store import open_store
from tests import fakes
from tests.fakes import deadly, fake, fake_settings, make_fakes, moody, tree, wrong

KILLS = int(os.environ.get("PANCREASGEN_KILLS", "8"))
"""How many kills the test of random kills makes; more by hand."""
ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new processes find `tests.fakes`."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the tree of 24 fake cases that one undisturbed run makes."""
    out = tmp_path_factory.mktemp("whole") / "d"
    assert make_fakes(out, 24, 1).num_made == 24
    return tree(out)


def _generate(out: Path, indices: Any, workers: int = 2, **rules: Any) -> batch.Outcome:
    settings = fake_settings()
    store = open_store(out, settings)
    chosen = batch.Rules(**({"maker": fake} | rules))
    return batch.generate(
        store, settings, indices, workers=workers, painters={}, watch=lambda *_: None, rules=chosen
    )  # fmt: skip


def test_workers_order_and_history_do_not_matter(tmp_path: Path, whole: dict[str, str]) -> None:
    """Two workers, cases backwards, in three goes, one by one: always the same tree."""
    assert _generate(tmp_path / "two", range(24)).num_made == 24
    _generate(tmp_path / "back", range(23, -1, -1))
    for part in (range(5), [17], range(10, 24), range(24)):
        _generate(tmp_path / "goes", part)
    for place in ("two", "back", "goes"):
        assert tree(tmp_path / place) == whole


def test_a_case_alone_is_the_case_of_the_batch(tmp_path: Path, whole: dict[str, str]) -> None:
    """Cases 7 and 123,456 made alone: 7 equals that of the batch, and no other case is drawn or looked for."""
    outcome = _generate(tmp_path / "d", [7, 123_456, 999_999])
    assert outcome.num_made == 3
    alone = {name: value for name, value in tree(tmp_path / "d").items() if name.startswith("cases/000007/")}
    assert alone == {name: value for name, value in whole.items() if name.startswith("cases/000007/")}
    assert (tmp_path / "d/cases/more/000/123/123456/case.json").is_file()
    assert [int(folder.name) for folder in Store(tmp_path / "d").case_folders()] == [7, 123_456, 999_999]


def test_no_folder_gets_long() -> None:
    """Of ten million places, no folder below `cases` holds more than 1,000 and `more`; places are unique."""
    assert [case_place(index) for index in (0, 999, 1000)] == ["000000", "000999", "more/000/001/001000"]
    places = {case_place(index) for index in range(0, 10_000_000, 997)}
    assert len(places) == len(range(0, 10_000_000, 997))
    parents: dict[str, set[str]] = {}
    for index in range(999_000, 1_003_000):
        parts = case_place(index).split("/")
        for depth in range(len(parts)):
            parents.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    assert max(map(len, parents.values())) <= 1000


def test_shards_together_are_the_whole(tmp_path: Path, whole: dict[str, str]) -> None:
    """Three tasks of an array at once in one folder: the tree of the whole; the last wrote the manifest."""
    words = [sys.executable, "tests/fakes.py", str(tmp_path / "d"), "24", "1", "auto/3"]
    runs = [
        subprocess.Popen(words, cwd=ROOT, env=ENVIRONMENT | {variable: str(part)}, stderr=subprocess.PIPE)
        for part, variable in enumerate(("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID"))
    ]
    told = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    assert tree(tmp_path / "d") == whole


def test_a_shard_alone_makes_its_part_and_no_manifest(tmp_path: Path) -> None:
    """Every third case from 1 on; the manifest waits for the others."""
    make_fakes(tmp_path / "d", 10, 1, "1/3")
    assert [int(folder.name) for folder in Store(tmp_path / "d").case_folders()] == [1, 4, 7]
    assert not (tmp_path / "d/manifest.csv").exists()
    for part in ("0/3", "2/3"):
        make_fakes(tmp_path / "d", 10, 1, part)
    assert (tmp_path / "d/manifest.csv").is_file()


def test_shards_share_out_every_case_once() -> None:
    """For any number of shards the parts are disjoint and complete."""
    for count in (1, 2, 7, 30):
        parts = [list(Shard(index, count).of(range(24))) for index in range(count)]
        assert sorted(index for part in parts for index in part) == list(range(24))


def _run(out: Path, workers: int, number: int = 24) -> subprocess.Popen[bytes]:
    words = [sys.executable, "tests/fakes.py", str(out), str(number), str(workers)]
    return subprocess.Popen(words, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, start_new_session=True)


def _incomplete(out: Path) -> list[str]:
    """Return the visible cases that are not what their ``case.json`` says."""
    wrong_ones = []
    for folder in Store(out).case_folders():
        told = json.loads((folder / "case.json").read_bytes())["files"]
        found = tree(folder)
        found.pop("case.json")
        if found != {name: facts["sha256"] for name, facts in told.items()}:
            wrong_ones.append(folder.name)
    return wrong_ones


def test_killed_at_any_time_and_started_again(tmp_path: Path, whole: dict[str, str]) -> None:
    """No visible case is ever incomplete, and in the end the tree is that of an undisturbed run, to the byte.

    SIGKILL, SIGTERM or SIGINT go to the parent or to all processes at random moments.
    """
    chance, done, tries = random.Random(7), 0, 0
    while done < KILLS:
        out = tmp_path / f"{tries}"
        tries += 1
        for _ in range(6):
            process = _run(out, chance.choice((1, 2)))
            began = time.monotonic()
            while not (out / ".pancreasgen").exists() and process.poll() is None and time.monotonic() < began + 60:
                time.sleep(0.01)
            wait = chance.choice((0.0, 0.05)) if chance.random() < 0.3 else chance.uniform(0, 4.0)
            end = time.monotonic() + wait
            while time.monotonic() < end and process.poll() is None:
                assert _incomplete(out) == []
                time.sleep(0.02)
            if process.poll() is not None:
                process.communicate()
                break
            number = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
            (os.killpg if chance.random() < 0.3 else os.kill)(process.pid, number)
            process.communicate(timeout=30)
            done += 1
            assert _incomplete(out) == []
        _until_done(out)
        assert tree(out) == whole
        assert list((out / ".pancreasgen/tmp").iterdir()) == []
        assert locked_up(Store(out)) == {}


def _until_done(out: Path) -> None:
    """Give the command until it ends well; the lock of a run that was just killed may last for a moment."""
    for _ in range(20):
        process = _run(out, 2)
        told = process.communicate(timeout=120)[1]
        if process.returncode == 0:
            return
        assert process.returncode == 75, told
        time.sleep(0.2)
    raise AssertionError(told)


def test_the_second_run_is_refused_at_once(tmp_path: Path) -> None:
    """Rc 75, host and process are named, and the first ends as if nothing had been; so too where a shard comes."""
    first = _run(tmp_path / "d", 1, 400)
    while not list((tmp_path / "d").glob("cases/*")) and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGSTOP)  # it holds its lock, however long the others take to come
    for shard in ([], ["1/2"]):
        words = [sys.executable, "tests/fakes.py", str(tmp_path / "d"), "400", "1", *shard]
        second = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        assert second.returncode == 75, second.stderr
        assert f"process {first.pid}" in second.stderr
    first.send_signal(signal.SIGCONT)
    assert first.communicate(timeout=120) is not None
    assert first.returncode == 0
    assert len(list(Store(tmp_path / "d").case_folders())) == 400


def test_a_bad_case_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 80 cases one crashes, one hangs, one eats memory, one cannot be, one meets a bug, one worker is shot.

    Five are in quarantine, each with reason and command; all others are made. Those five are skipped the next time.
    """
    monkeypatch.setenv("PANCREASGEN_SCRATCH", str(tmp_path))
    outcome = _generate(
        tmp_path / "d", range(80), maker=moody, limit_s=4.0, tries=2, command="make --only {index}"
    )  # fmt: skip
    reasons = {failure.index: failure.reason for failure in outcome.failures}
    assert set(reasons) == {fakes.CRASHES, fakes.HANGS, fakes.EATS, fakes.IS_WRONG, fakes.HAS_A_BUG}
    assert outcome.num_made == 75
    assert "SIGSEGV" in reasons[fakes.CRASHES]
    assert "longer than 4 s" in reasons[fakes.HANGS]
    assert "memory ran out" in reasons[fakes.EATS]
    assert reasons[fakes.IS_WRONG] == "case 71: it does not fit"
    assert "ZeroDivisionError: by design" in reasons[fakes.HAS_A_BUG]
    report = json.loads((tmp_path / "d/.pancreasgen/quarantine/000013.json").read_text())
    assert (report["tries"], report["command"]) == (2, "make --only 13")
    bug = json.loads((tmp_path / "d/.pancreasgen/quarantine/000073.json").read_text())
    assert "in moody" in bug["trace"]
    assert (tmp_path / "crashed").exists()
    assert Store(tmp_path / "d").has_case(fakes.CRASHES_ONCE)
    again = _generate(tmp_path / "d", range(80), maker=moody)
    assert (again.num_made, set(again.skipped)) == (0, set(reasons))


def test_a_mended_case_leaves_quarantine(tmp_path: Path) -> None:
    """Asked for again and made well, its report is gone, and the tree is that of a run that never failed."""
    out = tmp_path / "d"
    assert [item.index for item in _generate(out, range(70, 73), maker=moody).failures] == [fakes.IS_WRONG]
    assert locked_up(Store(out)) == {fakes.IS_WRONG: "case 71: it does not fit"}
    assert _generate(out, [fakes.IS_WRONG], try_again=True).num_made == 1
    assert locked_up(Store(out)) == {}
    _generate(tmp_path / "well", range(70, 73))
    assert tree(out) == tree(tmp_path / "well")


@pytest.mark.parametrize("number", [1, 100])
def test_settings_that_fit_nobody_end_the_run_with_their_letter(tmp_path: Path, number: int) -> None:
    """Where no case can be, the first letter is raised after a few of them, not after a hundred."""
    with pytest.raises(BadInputError, match="nothing fits"):
        _generate(tmp_path / "d", range(number), maker=wrong)
    assert 1 <= len(locked_up(Store(tmp_path / "d"))) <= 10


def test_a_machine_on_which_all_workers_die_ends_the_run(tmp_path: Path) -> None:
    """Rc 74 after a few cases, not a hundred in quarantine for what is not their fault."""
    with pytest.raises(DiskError, match="10 cases died one after the other; the last: its worker ended with code 9"):
        _generate(tmp_path / "d", range(100), 1, maker=deadly)
    assert locked_up(Store(tmp_path / "d")) == {}
