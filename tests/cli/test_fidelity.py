"""``--fidelity fast``: recorded, rebuilt, and refused where rays are needed."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from pancreasgen.cli.main import main

WORDS = ["--quick", "--set", "image.length_mm=40", "--set", "ducts.grain=3", "-q"]


def _image(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj).astype(float)


def test_a_fast_case_says_so_and_rebuilds_from_its_recipe(tmp_path: Path) -> None:
    """The recipe tells the fidelity and makes the same bytes again; a full scan has the same labels, and like HU."""
    assert main(["generate", *WORDS, "--fidelity", "fast", "-o", str(tmp_path / "fast")]) == 0
    assert main(["generate", *WORDS, "-o", str(tmp_path / "full")]) == 0
    case = tmp_path / "fast/cases/000000"
    recipe = json.loads((case / "case.json").read_text(encoding="utf-8"))
    told = recipe.get("recipe", recipe)
    assert told["protocol"]["fidelity"] == "fast"
    assert main(["rebuild", str(case / "case.json"), "-o", str(tmp_path / "again"), "-q"]) == 0
    (image,) = case.glob("ct.nii.gz")
    (again,) = (tmp_path / "again").rglob("ct.nii.gz")
    assert image.read_bytes() == again.read_bytes()
    full = tmp_path / "full/cases/000000"
    fast_hu, full_hu = _image(image), _image(full / "ct.nii.gz")
    assert (case / "labels.nii.gz").read_bytes() == (full / "labels.nii.gz").read_bytes()
    assert 0.0 < np.abs(fast_hu - full_hu)[np.abs(full_hu) < 200.0].mean() < 10.0


def test_a_fast_scan_has_no_sinogram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever a sinogram is asked of a fast scan, one line says why there is none, before any work."""
    volume = tmp_path / "v.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.full((40, 40, 3), 30.0, "f4"), np.diag([4.0, 4.0, 5.0, 1.0])), volume)
    scan = ["scan", str(volume), "--hu", "--quick", "-q", "--fidelity", "fast"]
    assert main([*scan, "-o", str(tmp_path / "ct.nii.gz")]) == 0
    assert abs(_image(tmp_path / "ct.nii.gz")[15:25, 15:25].mean() - 30.0) < 3.0
    for words in (
        [*scan, "-o", str(tmp_path / "x.npz")],
        [*scan, "-o", str(tmp_path / "y.nii.gz"), "--keep", "sinogram"],
        ["generate", *WORDS, "--fidelity", "fast", "--keep", "sinogram", "-o", str(tmp_path / "set")],
    ):
        assert main(words) == 2
        assert "follows no rays" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_fidelity_is_one_of_two_and_given_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An unknown fidelity, or one given twice, is refused by name."""
    assert main(["generate", "--fidelity", "exact", "-o", str(tmp_path / "a")]) == 2
    assert "exact" in capsys.readouterr().err
    twice = ["--fidelity", "fast", "--set", "protocol.fidelity=full"]
    assert main(["generate", *twice, "-o", str(tmp_path / "a")]) == 2
    assert "not both" in capsys.readouterr().err
    assert main(["generate", "--set", "protocol.fidelity=slow", "-o", str(tmp_path / "a")]) == 2
    assert "fidelity" in capsys.readouterr().err
