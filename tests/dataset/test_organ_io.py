"""Mask files: what can be read is read as nibabel reads it, and every bad file gets one clear line."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError, MissingInputError, PancreasgenError, UsageError
from pancreasgen.dataset.organ_io import read_mask, read_organ
from tests.organ.solids import banana, voxels

TURNED = voxels(banana(), 62.0, (0.9, 0.9, 3.0), (15.0, 20.0, -10.0))


def _save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def _ball(dtype: str = "u1", value: int = 1) -> np.ndarray:
    x, y, z = np.ogrid[-12:13, -12:13, -12:13]
    return ((x * x + y * y + z * z < 100) * value).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8", "i8"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_masks_of_every_type_are_read_with_nibabels_affine(tmp_path: Path, dtype: str, suffix: str) -> None:
    """The label's voxels are those that hold it; an oblique affine is that of nibabel within float32."""
    mask, affine = TURNED
    image = nibabel.Nifti1Image((mask * 7).astype(dtype), affine, dtype=dtype)
    nibabel.save(image, tmp_path / f"m{suffix}")
    for label in (7, None):
        found, matrix = read_mask(tmp_path / f"m{suffix}", label)
        assert np.array_equal(found, mask)
        assert np.allclose(matrix, nibabel.load(tmp_path / f"m{suffix}").affine, atol=1e-5)


def test_qform_alone_places_a_mask(tmp_path: Path) -> None:
    """Without an sform the qform is taken, as nibabel does."""
    mask, affine = TURNED
    image = nibabel.Nifti1Image(mask.astype("u1"), affine)
    image.set_sform(None, 0)
    image.set_qform(affine, 1)
    nibabel.save(image, tmp_path / "m.nii.gz")
    assert np.allclose(read_mask(tmp_path / "m.nii.gz")[1], nibabel.load(tmp_path / "m.nii.gz").affine, atol=1e-4)


def test_scaled_labels_are_labels(tmp_path: Path) -> None:
    """Stored numbers times slope plus intercept are what a label means."""
    image = nibabel.Nifti1Image(_ball("i2", 2), np.eye(4))
    image.header.set_slope_inter(1.5, 0.0)
    nibabel.save(image, tmp_path / "m.nii")
    stored = np.asarray(nibabel.load(tmp_path / "m.nii").dataobj)
    label = int(stored.max())
    assert np.array_equal(read_mask(tmp_path / "m.nii", label)[0], stored == label)


def test_the_organ_lies_in_the_world_of_the_mask(tmp_path: Path) -> None:
    """The organ's centre of mass is that of the mask's voxels in nibabel's world, within a millimetre."""
    mask, affine = TURNED
    organ, notes = read_organ(_save(tmp_path / "m.nii.gz", mask.astype("u1"), affine))
    truth = nibabel.affines.apply_affine(affine, np.argwhere(mask)).mean(axis=0)
    centre = organ.distance.grid.to_world(np.argwhere(organ.distance.data > 0)).mean(axis=0)
    assert np.linalg.norm(centre - truth) < 1.0
    assert notes[-1].startswith("the organ has ")


def test_labels_that_are_there_are_listed(tmp_path: Path) -> None:
    """A label that is not there, or none among several, gets the list of labels with their volumes."""
    array = _ball("u1", 3)
    array[0, 0, :5] = 9
    path = _save(tmp_path / "m.nii.gz", array, np.diag([2.0, 2.0, 2.0, 1.0]))
    for label, wanted in ((5, "has no label 5"), (None, "holds 2 labels")):
        with pytest.raises(UsageError, match=wanted) as caught:
            read_mask(path, label)
        count = int((array == 3).sum()) * 0.008
        assert f"3 ({count:.0f} mL), 9 (0.04 mL)" in caught.value.hint
    many = np.arange(64, dtype="u1").reshape(4, 4, 4)
    with pytest.raises(UsageError) as caught:
        read_mask(_save(tmp_path / "n.nii.gz", many))
    assert caught.value.hint.endswith("and 43 more")


def _nan() -> np.ndarray:
    array = _ball("f4")
    array[0, 0, :3] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "wanted"),
    [(_nan(), "3 voxels that are NaN"), (_ball("f4") * np.float32(0.37), "0.37, which is no whole label"),
     (np.zeros((5, 5, 5), "u1"), "is empty"), (np.zeros((5, 5, 5, 2), "u1"), "must hold one volume"),
     (_ball("c8"), "complex numbers"), (np.ones((1, 1, 1), "u1"), "mm thick at most"),
     (np.zeros((5, 5, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "RGB colours")],
)  # fmt: skip
def test_bad_masks_get_one_clear_line(tmp_path: Path, array: np.ndarray, wanted: str) -> None:
    """NaN, fractions, nothing, four axes, complex numbers, one voxel, colours: each is named in one line."""
    with pytest.raises(BadInputError, match=wanted) as caught:
        read_organ(_save(tmp_path / "m.nii.gz", array))
    assert "\n" not in caught.value.message


def test_broken_files_get_one_clear_line(tmp_path: Path) -> None:
    """A missing file, a folder, a text, a file cut off, a sheared or placeless header: each is named."""
    whole = _save(tmp_path / "m.nii.gz", _ball()).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii").write_text("no volume" * 100)
    (tmp_path / "folder.nii").mkdir()
    sheared = np.eye(4)
    sheared[0, 2] = 0.3
    _save(tmp_path / "sheared.nii.gz", _ball(), sheared)
    placeless = nibabel.Nifti1Image(_ball(), None)
    nibabel.save(placeless, tmp_path / "placeless.nii.gz")
    for name, kind, wanted in (
        ("none.nii.gz", MissingInputError, "there is no"), ("cut.nii.gz", BadInputError, "damaged|cut off"),
        ("text.nii", BadInputError, "not a NIfTI-1"), ("folder.nii", BadInputError, "not a file"),
        ("sheared.nii.gz", BadInputError, "not at right angles"), ("placeless.nii.gz", BadInputError, "where it lies"),
    ):  # fmt: skip
        with pytest.raises(kind, match=wanted) as caught:
            read_organ(tmp_path / name)
        assert isinstance(caught.value, PancreasgenError)


def test_memory_is_bounded_before_loading(tmp_path: Path) -> None:
    """A header that claims more voxels than the limit is refused, though the file is small."""
    head = nibabel.Nifti1Header()
    head.set_data_shape((2000, 2000, 2000))
    head.set_data_dtype("u1")
    head.set_sform(np.eye(4), 1)
    head["magic"], head["vox_offset"] = b"n+1", 352
    (tmp_path / "huge.nii").write_bytes(head.binaryblock + b"\0" * 1000)
    with pytest.raises(BadInputError, match="8,000,000,000 voxels"):
        read_mask(tmp_path / "huge.nii")
