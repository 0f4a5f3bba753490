"""Plans: what cannot fit is refused before any work, with the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pancreasgen.base.errors import PlanError
from pancreasgen.cli.main import main
from pancreasgen.dataset import plan
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.plan import Plan, make_plan, refuse_too_much
from pancreasgen.dataset.settings import make_settings
from tests.fakes import make_fakes

GB = 10**9
FITS = Plan(100, 4, 10**7, 2 * GB, 5 * GB, 1000, 9 * GB, 50 * GB)


def test_what_fits_is_let_pass() -> None:
    """Four workers of 2 GB in 9 GB, 5 GB of disk in 50."""
    refuse_too_much(FITS)
    assert FITS.most_workers == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"workers": 5}, ("5 workers need 10.0 GB", "9.0 GB are free", "--workers 4")),
        ({"free_disk": 4 * GB}, ("100 cases need about 5.0 GB", "1.0 GB are missing", "about 80 cases")),
        ({"voxels": 300_000_000}, ("300,000,000 voxels; 256,000,000 are the most",)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_both_numbers(change: dict[str, int], words: tuple[str, ...]) -> None:
    """Rc 78; memory names the largest safe number of workers, disk what is missing."""
    with pytest.raises(PlanError) as caught:
        refuse_too_much(replace(FITS, **change))  # type: ignore[arg-type]
    assert caught.value.exit_code == 78
    assert all(word in caught.value.letter() for word in words)


def test_one_worker_is_never_refused_for_memory() -> None:
    """What is free now may be more tomorrow, and one worker is the least."""
    refuse_too_much(replace(FITS, workers=1, free_memory=GB))


def test_finished_cases_serve_as_pilots(tmp_path: Path) -> None:
    """Bytes, files and seconds a case come from the cases that are there; finished ones are not counted again."""
    make_fakes(tmp_path / "d", 3, 1)
    store, settings = Store(tmp_path / "d"), make_settings(find_grammar("human_pancreas"), quick=True)
    found = make_plan(settings, store, range(10), 2)
    folder = store.case_folder(0)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert found.num_cases == 7
    assert found.num_files == 7 * 3
    assert found.disk_bytes == pytest.approx(7 * size, rel=0.02)
    assert found.pilots == 3
    assert 0 < found.case_s < 1
    assert "(mean of 3)" in found.lines()[-1]


def test_a_dry_run_tells_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory, disk, files and time in words; no folder; rc 78 where it cannot fit."""
    words = ["generate", "--quick", "-n", "50", "-o", str(tmp_path / "d"), "--dry-run", "--workers", "2"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert [line.split(":")[0] for line in told.splitlines()][1:] == ["memory", "disk", "time"]
    assert "50 cases to make, 2 at once" in told
    monkeypatch.setattr(plan, "free_disk_bytes", lambda _: 10**6)
    assert main(words) == 78
    assert "are missing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
