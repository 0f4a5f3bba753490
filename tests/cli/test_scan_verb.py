"""``pancreasgen scan`` on volumes that somebody else made."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from pancreasgen.base.grid import Grid
from pancreasgen.cli.main import main
from pancreasgen.dataset.foreign import fitted, read_table
from pancreasgen.scan.protocol import load_protocol


def _cylinder() -> np.ndarray:
    x, y = np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5, indexing="ij")
    labels = np.zeros((64, 64, 4), "u1")
    labels[(x * x + y * y < 24**2)] = 1
    labels[((x - 8) ** 2 + y * y < 6**2)] = 2
    return labels


@pytest.fixture
def label_file(tmp_path: Path) -> Path:
    """Write a cylinder with an insert, in LPS order, 5 mm voxels."""
    image = nibabel.Nifti1Image(_cylinder(), np.diag([-5.0, -5.0, 4.0, 1.0]))
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    nibabel.save(image, tmp_path / "labels.nii.gz")
    (tmp_path / "table.csv").write_text("value,hu\n0,-1000\n1,0\n2,60\n")
    return tmp_path / "labels.nii.gz"


def test_a_label_volume_becomes_a_ct_of_its_table(label_file: Path, tmp_path: Path) -> None:
    """Water within 5 HU, the insert 60 ± 8, air −1000 ± 15; geometry and order of the file are kept."""
    out = tmp_path / "ct.nii.gz"
    words = ["scan", str(label_file), "--labels", str(tmp_path / "table.csv"), "--quick", "-q", "-o", str(out)]
    assert main([*words, "--set", "protocol.noise=false", "--set", "protocol.row_mm=4",
                 "--set", "protocol.slice_thickness_mm=4", "--set", "protocol.slice_increment_mm=4"]) == 0  # fmt: skip
    image, labels = nibabel.load(out), _cylinder()
    assert np.array_equal(image.affine, nibabel.load(label_file).affine)
    hu = np.asarray(image.dataobj).astype(float)
    x, y = np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5, indexing="ij")
    water = (np.hypot(x, y) < 21) & (np.hypot(x - 8, y) > 9)
    assert abs(hu[water].mean()) < 5
    assert abs(hu[np.hypot(x - 8, y) < 4].mean() - 60) < 8
    assert abs(hu[np.hypot(x, y) > 28].mean() + 1000) < 15
    assert labels.shape == hu.shape


def test_a_label_without_hu_is_named(label_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels that the table does not know are listed, rc 65."""
    (tmp_path / "table.csv").write_text("value,hu\n0,-1000\n1,0\n")
    words = ["scan", str(label_file), "--labels", str(tmp_path / "table.csv"), "-o", str(tmp_path / "ct.nii.gz")]
    assert main(words) == 65
    assert "says no HU for the labels 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns `value` and `hu`"),
        ("value,hu\n1,x\n", "line 2"),
        ("value,hu\n900,1\n", "line 2"),
        ("", "none"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    """Missing columns and impossible numbers are named with their line."""
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(Exception, match=words):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("step", [0.5, 1.0, 2.5, 3.0, 4.7, 5.0])
def test_the_protocol_fits_any_slice_distance(step: float) -> None:
    """Slices are as thick as they are apart, and hold a whole number of rows near the protocol's."""
    protocol = fitted(load_protocol("portal-venous"), Grid((4, 4, 4), (1, 1, step), (0, 0, 0)))
    assert protocol.slice_thickness_mm == protocol.slice_increment_mm == step
    assert protocol.rows_per_slice * protocol.row_mm == pytest.approx(step)
