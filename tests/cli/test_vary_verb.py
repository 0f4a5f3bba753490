"""The verb ``vary`` on files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from pancreasgen.cli.main import main

AFFINE = np.array([[-1.0, 0, 0, 20], [0, 0, -2.0, 9], [0, 1.0, 0, -7], [0, 0, 0, 1]])  # as no RAS+ file lies


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """An image and its labels in an odd orientation, with an affine to match."""
    generator = np.random.default_rng(1)
    labels = np.zeros((24, 20, 10), np.uint8)
    labels[8:16, 6:14, 3:7] = 7
    image = (generator.normal(40.0, 10.0, labels.shape) + 60.0 * labels).astype(np.int16)
    for name, data in (("ct", image), ("seg", labels)):
        nibabel.save(nibabel.Nifti1Image(data, AFFINE), tmp_path / f"{name}.nii.gz")
    return tmp_path / "ct.nii.gz", tmp_path / "seg.nii.gz"


def _data(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def test_a_record_does_the_same_again(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """The same seed and the same record give the same bytes; type, shape and affine stay; variations differ."""
    image, labels = map(str, pair)
    words = ["vary", image, "--labels", labels, "--seed", "1", "-q", "-o"]
    assert main([*words, str(tmp_path / "a"), "-n", "3"]) == 0
    assert main([*words, str(tmp_path / "b"), "-n", "3"]) == 0
    record = str(tmp_path / "a" / "0001" / "variation.json")
    assert main(["vary", image, "--labels", labels, "--from", record, "-q", "-o", str(tmp_path / "c")]) == 0
    for name in ("image.nii.gz", "labels.nii.gz"):
        assert (tmp_path / "a/0001" / name).read_bytes() == (tmp_path / "b/0001" / name).read_bytes()
        assert (tmp_path / "a/0001" / name).read_bytes() == (tmp_path / "c/0000" / name).read_bytes()
    assert (tmp_path / "a/0001/image.nii.gz").read_bytes() != (tmp_path / "a/0002/image.nii.gz").read_bytes()
    made = nibabel.load(tmp_path / "a/0001/image.nii.gz")
    assert made.get_data_dtype() == np.int16
    assert np.allclose(made.affine, AFFINE)
    assert made.shape == (24, 20, 10)
    assert set(json.loads(Path(record).read_text())["report"]) == {"invented_share", "lost_label_share", "jacobian"}


def test_reflection_is_in_the_world(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """A reflection of x is one of the body's right and left, whatever the order of the file's axes."""
    words = ["--only", "reflection", "-q", "-o", str(tmp_path / "a")]
    assert main(["vary", str(pair[0]), "--labels", str(pair[1]), *words]) == 0
    assert np.array_equal(_data(tmp_path / "a/0000/image.nii.gz"), _data(pair[0])[::-1])
    assert np.array_equal(_data(tmp_path / "a/0000/labels.nii.gz"), _data(pair[1])[::-1])


def test_an_oblique_image_keeps_its_affine(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """An oblique file is varied in its own frame: the neutral variation changes neither voxels nor affine."""
    tilt = np.eye(4)
    tilt[:3, :3] = [[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]]
    image = tmp_path / "oblique.nii.gz"
    nibabel.save(nibabel.Nifti1Image(_data(pair[0]), tilt @ AFFINE), image)
    assert (
        main(["vary", str(image), "--set", "rotation.deg=0", "--only", "rotation", "-q", "-o", str(tmp_path / "a")])
        == 0
    )
    made = nibabel.load(tmp_path / "a/0000/image.nii.gz")
    assert np.array_equal(np.asarray(made.dataobj), _data(pair[0]))
    assert np.allclose(made.affine, tilt @ AFFINE, atol=1e-5)
    wrong = ["vary", str(image), "--labels", str(pair[1]), "-q", "-o", str(tmp_path / "b")]
    assert main(wrong) == 65
    assert not (tmp_path / "b").exists()


def test_the_list_and_the_letters(tmp_path: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The table is printed; what cannot be is refused by name, before anything is made."""
    assert main(["vary", "--list"]) == 0
    assert "rotation.deg" in capsys.readouterr().out
    image, out = str(pair[0]), ["-q", "-o", str(tmp_path / "new")]
    record = tmp_path / "r.json"
    record.write_text("[1")
    for words, code, told in (
        (["--only", "rotaton"], 2, "rotation"),
        (["--set", "noise.dose=0"], 2, "0.01 to 1"),
        (["--labels", str(tmp_path / "none.nii.gz")], 66, "none.nii.gz"),
        (["--from", str(record)], 65, "no JSON"),
        (["--from", str(record), "-n", "2"], 2, "leave out"),
    ):
        assert main(["vary", image, *words, *out]) == code
        assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert main(["vary", image, "-q", "-o", str(tmp_path)]) == 73
