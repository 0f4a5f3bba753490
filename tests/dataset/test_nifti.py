"""NIfTI files: what is written can be read by others, and what is read was checked."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from pancreasgen.base.errors import BadInputError, MissingInputError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.nifti import nifti_bytes, read_nifti

GRID = Grid((5, 4, 3), (0.78125, 0.78125, 2.5), (-20.5, 11.25, -80.0))


def _volume(quantity: Quantity, grid: Grid = GRID) -> Volume:
    data = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    if quantity is Quantity.HU:
        return Volume((data * 10.0 - 1000.3).astype("f4"), grid, quantity)
    return Volume((data % 40).astype("u1"), grid, quantity)


def _write(path: Path, quantity: Quantity) -> Path:
    path.write_bytes(nifti_bytes(_volume(quantity)))
    return path


def test_every_header_field_that_matters_is_written(tmp_path: Path) -> None:
    """int16 HU; slope 1, intercept 0; mm; sform = qform, both code 1; the affine equals the grid's to the bit."""
    image = nibabel.load(_write(tmp_path / "ct.nii.gz", Quantity.HU))
    head = np.frombuffer(gzip.decompress((tmp_path / "ct.nii.gz").read_bytes())[:348], nibabel.nifti1.header_dtype)[0]
    assert image.get_data_dtype() == np.int16
    assert (head["scl_slope"], head["scl_inter"], head["xyzt_units"], head["intent_code"]) == (1, 0, 2, 0)
    assert (head["sform_code"], head["qform_code"]) == (1, 1)
    assert np.array_equal(image.affine, GRID.affine)
    assert np.array_equal(image.get_sform(), image.get_qform())
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    assert np.array_equal(np.asarray(image.dataobj), np.rint(_volume(Quantity.HU).data))


def test_labels_are_uint8_with_intent_1002_on_the_same_affine(tmp_path: Path) -> None:
    """Labels carry NIFTI_INTENT_LABEL and lie exactly where the image lies."""
    labels = nibabel.load(_write(tmp_path / "labels.nii.gz", Quantity.LABEL))
    image = nibabel.load(_write(tmp_path / "ct.nii.gz", Quantity.HU))
    assert labels.get_data_dtype() == np.uint8
    assert labels.header["intent_code"] == 1002
    assert np.array_equal(labels.affine, image.affine)


def test_simpleitk_agrees(tmp_path: Path) -> None:
    """SimpleITK reads the same voxels at the same places (in LPS, so x and y change sign)."""
    image = SimpleITK.ReadImage(str(_write(tmp_path / "ct.nii.gz", Quantity.HU)))
    assert image.GetSpacing() == GRID.spacing_mm
    assert np.allclose(image.TransformIndexToPhysicalPoint((4, 1, 2)), GRID.to_world(np.array([4, 1, 2])) * [-1, -1, 1])
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).T, np.rint(_volume(Quantity.HU).data))


def test_nifti_tool_finds_no_fault(tmp_path: Path) -> None:
    """The reference checker accepts header and image."""
    tool = shutil.which("nifti_tool")
    if tool is None:
        pytest.skip("nifti_tool is not installed: the reference check was NOT made")
    path = _write(tmp_path / "ct.nii.gz", Quantity.HU)
    result = subprocess.run([tool, "-check_hdr", "-check_nim", "-infiles", str(path)], capture_output=True, text=True)
    assert result.returncode == 0
    assert "header FAILURE" not in result.stdout + result.stderr


def test_the_same_volume_gives_the_same_bytes() -> None:
    """No clock, no name: two writes are equal, and the gzip header says time 0."""
    first = nifti_bytes(_volume(Quantity.HU))
    assert first == nifti_bytes(_volume(Quantity.HU))
    assert first[4:8] == b"\0\0\0\0"
    assert first[3] == 0


def test_hu_are_cut_at_minus_1024_and_rounded() -> None:
    """Storage rounds to the nearest HU and never goes below −1024."""
    data = np.array([-2000.0, -0.6, 0.4, 3500.0], dtype="f4").reshape(4, 1, 1)
    raw = gzip.decompress(nifti_bytes(Volume(data, Grid((4, 1, 1), (1, 1, 1), (0, 0, 0)), Quantity.HU)))
    assert np.frombuffer(raw[352:], "<i2").tolist() == [-1024, -1, 0, 3500]


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PIR", "SRA", "AIL"])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_any_right_angled_orientation_comes_home(tmp_path: Path, codes: str, form: str) -> None:
    """A point keeps its value whatever the order of the axes, and writing in the file's own order gives it back."""
    volume = _volume(Quantity.HU)
    stored = np.rint(volume.data)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    image = nibabel.Nifti1Image(stored.astype("i2"), GRID.affine).as_reoriented(turn)
    affine = image.affine.copy()
    image.set_qform(affine, code=1)
    image.set_sform(affine if form == "sform" else None, code=1 if form == "sform" else 0)
    nibabel.save(image, tmp_path / "in.nii.gz")
    found, orientation = read_nifti(tmp_path / "in.nii.gz", Quantity.HU)
    assert np.array_equal(found.data, stored)
    assert np.allclose(found.grid.affine, GRID.affine, atol=1e-4)
    (tmp_path / "out.nii.gz").write_bytes(nifti_bytes(found, orientation))
    back = nibabel.load(tmp_path / "out.nii.gz")
    assert np.array_equal(np.asarray(back.dataobj), np.asarray(image.dataobj))
    assert np.allclose(back.affine, affine, atol=1e-4)
    assert np.allclose(back.get_qform(), affine, atol=1e-3)


def test_slope_and_other_units_are_followed(tmp_path: Path) -> None:
    """Scaled integers become HU, metres become mm."""
    image = nibabel.Nifti1Image(np.full((3, 3, 3), 1024, "i2"), np.diag([0.002, 0.002, 0.003, 1]))
    image.header.set_slope_inter(0.5, -500)
    image.header.set_xyzt_units("meter")
    nibabel.save(image, tmp_path / "in.nii")
    found, _ = read_nifti(tmp_path / "in.nii", Quantity.HU)
    assert np.allclose(found.grid.spacing_mm, (2, 2, 3))
    assert found.data[0, 0, 0] == 12.0


def _broken(tmp_path: Path, offset: int, form: str, *values: float) -> Path:
    raw = bytearray(gzip.decompress(nifti_bytes(_volume(Quantity.HU))))
    struct.pack_into(form, raw, offset, *values)
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(gzip.compress(bytes(raw)))
    return path


@pytest.mark.parametrize(
    ("offset", "form", "values", "text"),
    [
        (0, "<i", (540,), "not a NIfTI-1"),
        (344, "4s", (b"xxxx",), "not a NIfTI-1"),
        (42, "<h", (0,), "three sizes above 0"),
        (42, "<h", (-5,), "three sizes above 0"),
        (42, "<hhh", (30000, 30000, 30000), "the limit is"),
        (42, "<hhh", (400, 400, 400), "cut off or damaged"),
        (46, "<h", (4,), "cut off"),
        (70, "<h", (1792,), "cannot be read"),
        (108, "<f", (float("nan"),), "begin at byte"),
        (280, "<f", (float("nan"),), "impossible place"),
        (280, "<f", (1e9,), "impossible place"),
        (280, "<ff", (0.5, 0.5), "oblique"),
        (280, "<f", (0.0,), "spacing"),
        (252, "<hh", (0, 0), "does not say where it lies"),
        (123, "<B", (7,), "unknown unit"),
    ],
)
def test_bad_headers_are_refused_in_words(
    tmp_path: Path, offset: int, form: str, values: tuple[float, ...], text: str
) -> None:
    """Each broken field gives bad input with its own sentence."""
    with pytest.raises(BadInputError, match=text):
        read_nifti(_broken(tmp_path, offset, form, *values), Quantity.HU)


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    """A cut stream, noise, a folder and nothing at all are told apart."""
    whole = nifti_bytes(_volume(Quantity.HU))
    (tmp_path / "cut.nii.gz").write_bytes(whole[:-20])
    (tmp_path / "noise.nii.gz").write_bytes(b"\x1f\x8b" + bytes(range(256)))
    (tmp_path / "short.nii").write_bytes(b"abc")
    for name in ("cut.nii.gz", "noise.nii.gz", "short.nii"):
        with pytest.raises(BadInputError):
            read_nifti(tmp_path / name, Quantity.HU)
    with pytest.raises(BadInputError, match="is not a file; a volume is wanted"):
        read_nifti(tmp_path, Quantity.HU)
    (tmp_path / "ct.txt").write_bytes(whole)
    with pytest.raises(BadInputError, match=r"not a \.nii"):
        read_nifti(tmp_path / "ct.txt", Quantity.HU)
    with pytest.raises(MissingInputError):
        read_nifti(tmp_path / "none.nii.gz", Quantity.HU)


def test_a_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    """A tiny file that claims 2 GB of voxels is refused from its header."""
    head = bytearray(gzip.decompress(nifti_bytes(_volume(Quantity.HU)))[:352])
    struct.pack_into("<hhh", head, 42, 600, 600, 600)
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(bytes(head) + bytes(1000)))
    with pytest.raises(BadInputError, match="more than it can hold"):
        read_nifti(tmp_path / "bomb.nii.gz", Quantity.HU)


def test_labels_must_be_whole_numbers(tmp_path: Path) -> None:
    """Half labels and NaN are refused."""
    for value in (0.5, 300.0, np.nan):
        nibabel.save(nibabel.Nifti1Image(np.full((2, 2, 2), value, "f4"), np.eye(4)), tmp_path / "l.nii")
        with pytest.raises(BadInputError):
            read_nifti(tmp_path / "l.nii", Quantity.LABEL)
