"""The whole road: one seed, one tree, whoever makes it; what was written can be proved and made again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from pancreasgen.cli.main import main
from pancreasgen.dataset import files, plan, stream, verify

WANTED = {
    "ct.nii.gz", "labels.nii.gz", "labels_msd.nii.gz", "ducts_fraction.nii.gz", "centerline.nii.gz",
    "ducts.graphml", "ducts.swc", "ducts.vtp", "preview.png", "case.json",
}  # fmt: skip
COMMAND = ["generate", "--quick", "-n", "2", "--seed", "1", "--scheme", "msd"]


def _tree(root: Path) -> dict[str, bytes]:
    every = (path for path in root.rglob("*") if path.is_file() and ".pancreasgen" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in every}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two quick cases in this process."""
    out = tmp_path_factory.mktemp("data") / "one"
    assert main([*COMMAND, "--workers", "1", "-o", str(out), "-q"]) == 0
    return out


def test_a_case_holds_the_promised_files(data: Path) -> None:
    """All files of a case are there, and nothing else."""
    for index in (0, 1):
        assert {path.name for path in (data / f"cases/{index:06d}").iterdir()} == WANTED


def test_verify_is_content(data: Path) -> None:
    """Hashes, geometry, labels and anatomical checks of both cases agree."""
    number, problems = verify.verify_dataset(data)
    assert (number, problems) == (2, [])


def test_volumes_share_one_affine_to_the_bit(data: Path) -> None:
    """CT int16, truth uint8, equal affines."""
    folder = data / "cases/000000"
    loaded = [nibabel.load(folder / f"{name}.nii.gz") for name in files.VOLUMES]
    assert [str(image.get_data_dtype()) for image in loaded] == ["int16", "uint8", "uint8", "uint8"]
    assert all(np.array_equal(image.affine, loaded[0].affine) for image in loaded)


def test_two_workers_make_the_same_tree(data: Path, tmp_path: Path) -> None:
    """Every byte outside .pancreasgen is equal."""
    out = tmp_path / "two"
    assert main([*COMMAND, "--workers", "2", "-o", str(out), "-q"]) == 0
    assert _tree(out) == _tree(data)


def test_rebuild_gives_the_same_hashes(data: Path, tmp_path: Path) -> None:
    """case.json alone makes the case again."""
    assert main(["rebuild", str(data / "cases/000001/case.json"), "-o", str(tmp_path / "again"), "-q"]) == 0
    assert _tree(tmp_path / "again") == _tree(data / "cases/000001")


def test_the_iterator_yields_the_same_case(data: Path) -> None:
    """`pancreasgen.generate` makes the voxels that the files hold."""
    case = next(stream.generate(1, seed=1, quick=True))
    told = json.loads((data / "cases/000000/case.json").read_text())
    assert files.case_facts(case)["arrays"] == told["arrays"]


def test_the_same_command_again_makes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A finished dataset is left as it is."""
    before = {path: path.stat().st_mtime_ns for path in (data / "cases").rglob("*")}
    assert main([*COMMAND, "-o", str(data)]) == 0
    assert "nothing left to make" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (data / "cases").rglob("*")} == before


@pytest.mark.parametrize("name", sorted(WANTED))
def test_verify_finds_a_flipped_bit_in_any_file(data: Path, name: str) -> None:
    """One flipped bit in the middle of any file is a problem, and none is one once it is healed."""
    path = data / "cases/000001" / name
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[len(broken) // 2] ^= 1
    path.write_bytes(bytes(broken))
    try:
        assert verify.verify_dataset(data)[1]
    finally:
        path.write_bytes(whole)
    path.unlink()
    try:
        assert verify.verify_dataset(data)[1]
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 2)])
def test_a_signal_leaves_complete_cases_and_no_orphans(tmp_path: Path, number: int, workers: int) -> None:
    """After the first case is there, the signal ends the run with rc 128 + n; no draft and no half case stay."""
    out = tmp_path / "d"
    words = ["generate", "--quick", "--set", "ducts.grain=3", "-n", "50", "--seed", "1", "--workers", str(workers)]
    words += ["-o", str(out)]
    script = "import sys; from pancreasgen.cli.main import main; sys.exit(main(sys.argv[1:]))"
    script = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {script}"  # as in a terminal
    process = subprocess.Popen([sys.executable, "-c", script, *words], stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list((out / "cases").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    deadline = time.monotonic() + 5
    assert process.returncode == 128 + number, told
    assert b"Traceback" not in told
    assert list((out / ".pancreasgen/tmp").iterdir()) == []
    assert verify.verify_dataset(out)[0] >= 1
    assert verify.verify_dataset(out)[1] == []
    while (left := _alive(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def _alive(group: int) -> list[int]:
    """Return the processes of a group that still run (zombies, which wait to be counted by init, do not)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[:3]
        except OSError:  # it ended while we looked
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_workers_fit_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more workers than cases, cores or memory allow, and never none."""
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings

    settings = make_settings(find_grammar("human_pancreas"))
    monkeypatch.setattr(plan, "num_cores", lambda: 8)
    monkeypatch.setattr(plan, "free_memory_bytes", lambda: 10**12)
    assert plan.sensible_workers(settings, 3) == 3
    assert plan.sensible_workers(settings, 100) == 8
    monkeypatch.setattr(plan, "free_memory_bytes", lambda: 10**8)
    assert plan.sensible_workers(settings, 100) == 1
