"""Volumes, protocols and sinograms that are wrong: one letter each, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from pancreasgen.base.grid import Grid
from pancreasgen.cli.main import main
from pancreasgen.dataset.sinogram_io import npz_bytes, raw_files
from pancreasgen.scan.protocol import load_protocol
from pancreasgen.scan.scan import Sinogram
from tests.cli.test_scan_files import SIZE, TINY, body, written


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Return the exit code and what stood on stderr."""
    code = main(list(words))
    return code, capsys.readouterr().err


def volume(folder: Path, change: Callable[[np.ndarray], None]) -> list[str]:
    """Return the words that scan a changed body."""
    hu = body()
    change(hu)
    path = written(folder / "v.nii.gz", hu)
    return ["scan", str(path), "--hu", *TINY, "-q", "-o", str(folder / "out.npz")]


def _set(where: Any, value: float) -> Callable[[np.ndarray], None]:
    def change(hu: np.ndarray) -> None:
        hu[where] = value

    return change


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ((3, 3, 1), np.nan, "holds NaN or infinity"),
        ((3, 3, 1), 20_001, "holds the value 20001; HU lie between -3072 and 20,000".replace(",", "")),
        ((3, 3, 1), -4000, "holds the value -4000"),
        (np.s_[:, :, 2], 0, "has a gap: slice 2 along z holds nothing but 0 HU"),
    ],
)
def test_volumes_that_cannot_be_scanned(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, where: Any, value: float, words: str
) -> None:
    """NaN, impossible HU, and a gap that would be a plate: rc 65, no file."""
    code, err = told(capsys, *volume(tmp_path, _set(where, value)))
    assert code == 65
    assert words in err
    assert err.count("error:") == 1
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ((3, 3, 1), -2000, "1 voxels of"),
        ((20, 20, 1), 9000, "above 4000 HU"),
        (np.s_[:, :, 2:4], -1000, "has a gap: slice 2, 3 along z is empty"),
    ],
)
def test_volumes_that_are_scanned_with_a_word(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, where: Any, value: float, words: str
) -> None:
    """Filling, metal and empty slices: one line of warning, rc 0."""
    code, err = told(capsys, *volume(tmp_path, _set(where, value)))
    assert code == 0
    assert words in err
    assert err.count("warning:") == 1


def test_a_narrow_fan_and_few_views_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A fan of 220 mm holds the cylinder; one of 200 mm cuts a plate; 96 views are few: both verbs tell."""
    words = volume(tmp_path, lambda _: None)
    code, err = told(capsys, *words, "--set", "protocol.fan_fov_mm=220")
    assert (code, err) == (0, "")
    image = str(tmp_path / "ct.nii.gz")
    hu = np.full((SIZE, SIZE, 2), 0.0)
    hu[:2], hu[-2:], hu[:, :2], hu[:, -2:] = -1000, -1000, -1000, -1000
    written(tmp_path / "v.nii.gz", hu)
    code, err = told(capsys, *words, "--set", "protocol.fan_fov_mm=200")
    assert code == 0
    assert "the body reaches 15" in err
    assert "the views see 100 mm" in err
    code, err = told(capsys, "reconstruct", str(tmp_path / "out.npz"), "-q", "-o", image)
    assert code == 0
    assert "of the views end inside the body" in err
    code, err = told(
        capsys, "reconstruct", str(tmp_path / "out.npz"), "-q", "-o", image, "--kernel", "sharp", "--matrix", "300"
    )
    assert code == 0
    assert "96 views are few for the kernel `sharp`" in err


def test_a_protocol_file_with_an_unknown_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The letter names file, line and the nearest key, rc 65; the same file mended is used."""
    words = volume(tmp_path, lambda _: None)
    file = tmp_path / "mine.toml"
    file.write_text('extends = "portal-venous"\n[settings]\nmass = 50\n')
    code, err = told(capsys, *words, "--protocol", str(file))
    assert code == 65
    assert "mine.toml:3" in err
    assert "did you mean `mas`?" in err
    file.write_text('extends = "portal-venous"\n[settings]\nkvp = 100\n')
    code, err = told(capsys, *words, "--protocol", str(file))
    assert code == 0
    with np.load(tmp_path / "out.npz") as members:
        assert json.loads(str(members["description"]))["protocol"]["kvp"] == 100


def test_an_oblique_volume(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A volume that is turned by 10° is refused with what to do, rc 65."""
    words = volume(tmp_path, lambda _: None)
    image = nibabel.load(words[1])
    turn, (cosine, sine) = np.eye(4), (np.cos(np.radians(10)), np.sin(np.radians(10)))
    turn[:2, :2] = [[cosine, -sine], [sine, cosine]]
    turned = nibabel.Nifti1Image(np.asarray(image.dataobj), turn @ image.affine)
    turned.set_sform(turned.affine, code=1)
    nibabel.save(turned, words[1])
    code, err = told(capsys, *words)
    assert code == 65
    assert "is oblique" in err
    assert "resample it first" in err


def test_a_voltage_without_a_spectrum(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Rc 2, and the voltages that there are."""
    code, err = told(capsys, *volume(tmp_path, lambda _: None), "--set", "protocol.kvp=115")
    assert code == 2
    assert "protocol.kvp must be one of 70" in err


def tiny() -> tuple[Sinogram, Grid]:
    """Return an empty sinogram of 3 rows, 90 views and 64 bins."""
    from dataclasses import replace

    protocol = replace(load_protocol("portal-venous").quick(), num_views=90, num_bins=64)
    grid = Grid.centred((32, 32, 3), (8.0, 8.0, 5.0), (0.0, 0.0, 0.0))
    return Sinogram(np.zeros((90, 64, 3), dtype=np.float32), protocol, (0.0, 0.0), -5.0), grid


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write an empty sinogram as x.json and x.raw."""
    sinogram, grid = tiny()
    for name, content in raw_files(sinogram, "x", grid).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path / "x.json"


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("geometry", "kind"), "parallel", "the geometry is `parallel`"),
        (("geometry", "row_mm"), 2.5, "`geometry.row_mm` is 2.5; the protocol makes it 5.0"),
        (("geometry", "source_to_isocentre_mm"), None, "`geometry.source_to_isocentre_mm` is None"),
        (("geometry", "isocentre_mm"), [0.0], "`geometry` lacks a value"),
        (("geometry", "isocentre_mm"), [0.0, 9e9], "isocentre_mm must be a number from -2000 to 2000 mm"),
        (("geometry", "first_row_mm"), "low", "first_row_mm must be a number"),
        (("protocol", "num_views"), 100, "has 90 views of 64 bins; its protocol tells 100 of 64"),
        (("protocol", "mass"), 3, "unknown: mass"),
        (("protocol", "kvp"), 115, "kvp must be one of 70"),
        (("protocol",), 7, "`protocol` must be an object"),
        (("shape",), [3, 64, 90], "has 64 views of 90 bins"),
        (("shape",), [4, 90, 64], "bytes; 4 × 90 × 64 float32 numbers have"),
        (("shape",), [3, -90, 64], "`shape` must be three whole numbers"),
        (("shape",), [10**6, 10**6, 10**6], "claims 1,000,000,000,000,000,000 readings"),
        (("order",), ["view", "bin", "row"], "`order` must be row, view, bin"),
        (("dtype",), ">f4", "`dtype` must be '<f4'"),
        (("version",), 2, "`version` must be 1"),
        (("format",), "other", "`format` must be 'pancreasgen sinogram'"),
        (("data",), "../x.raw", "must be the name of a file beside it"),
        (("image_grid",), {"shape": [1, 1]}, "image_grid"),
    ],
)
def test_descriptions_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], raw: Path, keys: tuple[str, ...], value: Any, words: str
) -> None:
    """Another geometry, another size, another form: rc 65, the letter names the file and the key."""
    data = json.loads(raw.read_text())
    place = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    raw.write_text(json.dumps(data))
    code, err = told(capsys, "reconstruct", str(raw), "-q", "-o", str(raw.parent / "ct.nii.gz"))
    assert code == 65, err
    assert words in err
    assert str(raw.parent / "x.") in err
    assert not (raw.parent / "ct.nii.gz").exists()


def test_readings_that_are_none(capsys: pytest.CaptureFixture[str], raw: Path) -> None:
    """NaN is told with its place; a value that is no path; a file cut off; a file that is not there."""
    file, out = raw.parent / "x.raw", str(raw.parent / "ct.nii.gz")
    numbers = np.zeros((3, 90, 64), dtype="<f4")
    numbers[1, 7, 5] = np.nan
    file.write_bytes(numbers.tobytes())
    code, err = told(capsys, "reconstruct", str(raw), "-o", out)
    assert (code, "first in row 1, view 7, bin 5" in err) == (65, True)
    numbers[1, 7, 5] = 1e6
    file.write_bytes(numbers.tobytes())
    code, err = told(capsys, "reconstruct", str(raw), "-o", out)
    assert (code, "holds the value 1e+06" in err) == (65, True)
    file.write_bytes(numbers.tobytes()[:-4])
    code, err = told(capsys, "reconstruct", str(raw), "-o", out)
    assert (code, "x.raw has 69,116 bytes" in err) == (65, True)
    file.unlink()
    code, err = told(capsys, "reconstruct", str(raw), "-o", out)
    assert (code, "there is no raw sinogram" in err) == (66, True)


def test_npz_files_that_are_no_sinograms(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Other members, no zip, cut off, pickled objects, a description that is no JSON: rc 65."""
    good, file, out = npz_bytes(*tiny()), tmp_path / "x.npz", str(tmp_path / "ct.nii.gz")
    assert good == npz_bytes(*tiny())
    np.savez(file, a=np.zeros(3))
    bad = {"it holds a": file.read_bytes(), "not a sound .npz": b"PK nothing"}
    np.savez(file, sinogram=np.zeros(3), description=np.array({"a": 1}, dtype=object))
    bad["allow_pickle"] = file.read_bytes()
    np.savez(file, sinogram=np.zeros(3), description=np.array("{"))
    bad["not JSON"] = file.read_bytes()
    np.save(tmp_path / "x.npy", np.zeros(3))
    bad["holds a bare array"] = (tmp_path / "x.npy").read_bytes()
    bad["x.npz is not a sound"] = good[: len(good) // 2]
    for words, content in bad.items():
        file.write_bytes(content)
        code, err = told(capsys, "reconstruct", str(file), "-o", out)
        assert code == 65, err
        assert words in err
    code, err = told(capsys, "reconstruct", str(tmp_path / "x.mat"), "-o", out)
    assert (code, "must end in .npz or .json" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "letter"),
    [
        ("--kernel sort", 2, "there is no kernel `sort`"),
        ("--thickness 7", 2, "--thickness must be a whole number of rows of 5 mm, not 7 mm"),
        ("--increment 1", 2, "the nearest are 5 or 10 mm"),
        ("--thickness 20", 2, "needs 4 rows; 3 were measured"),
        ("--thickness nan", 2, "--thickness must be a number of mm, not nan"),
        ("--fov 5", 2, "--fov must be a number from 10 to 700 mm"),
        ("--matrix 8", 2, "--matrix must be a whole number from 16 to 2048"),
        ("--fov 20 --matrix 1024", 2, "pixels of 0.0195312 mm are too small"),
        ("--centre 900 0 --fov 50", 2, "nothing of that image was measured"),
        ("--centre 1", 2, "--centre"),
        ("--z 5 1", 2, "--z wants the lower height first"),
        ("--z 100 200", 2, "no slice lies there"),
        ("-o {0}/ct.nrrd", 2, "must end in .nii.gz"),
    ],
)
def test_wishes_that_cannot_be_met(
    capsys: pytest.CaptureFixture[str], raw: Path, words: str, code: int, letter: str
) -> None:
    """What cannot be reconstructed is told before any work, with what can."""
    out = [] if "-o" in words else ["-o", str(raw.parent / "ct.nii.gz")]
    got, err = told(capsys, "reconstruct", str(raw), "-q", *out, *words.format(raw.parent).split())
    assert got == code, err
    assert letter in err


@pytest.mark.parametrize(
    ("words", "letter"),
    [
        ("", "say what to make"),
        ("-o ct.nrrd", "must end in .nii.gz (a CT), or .npz or .json"),
        ("--keep sinogram --xcist d", "--keep sinogram stands beside a CT"),
    ],
)
def test_what_to_make_must_be_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, letter: str
) -> None:
    """Rc 2 before the volume is looked for."""
    monkeypatch.chdir(tmp_path)
    code, err = told(capsys, "scan", "v.nii.gz", "--hu", *words.split())
    assert code == 2
    assert letter in err


def test_protocols_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The list names all; one is shown with unit and source of each number; JSON holds the same."""
    from pancreasgen.catalogue import entries

    assert main(["protocols"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in entries("protocol"))
    assert main(["protocols", "thin"]) == 0
    text = capsys.readouterr().out
    assert "1.25 mm" in text
    assert "NIH Pancreas-CT" in text
    assert main(["protocols", "thin", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["settings"]["kvp"] == {
        "value": 120.0,
        "unit": "kV",
        "source": "MSD pancreas acquisition, Simpson 2019 arXiv:1902.09063; NIH Pancreas-CT",
    }
    code, err = told(capsys, "protocols", "thn")
    assert (code, "did you mean `thin`?" in err) == (2, True)
