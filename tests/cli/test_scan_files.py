"""Sinograms in and out, regions of them, XCIST, and what is refused, all through the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from pancreasgen.cli.main import main
from pancreasgen.dataset.sinogram_io import read_sinogram

ROOT = Path(__file__).parents[2]
SIZE, PIXEL, STEP = 48, 5.0, 5.0
TINY = ["--quick", "--set", "protocol.num_views=96", "--set", "protocol.num_bins=96"]


def written(path: Path, hu: np.ndarray) -> Path:
    """Write HU about the origin of x and y, 5 mm voxels."""
    affine = np.diag([PIXEL, PIXEL, STEP, 1.0])
    affine[:2, 3] = -(SIZE - 1) / 2 * PIXEL
    image = nibabel.Nifti1Image(hu.astype(np.float32), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    nibabel.save(image, path)
    return path


def body(slices: int = 5) -> np.ndarray:
    """Return a water cylinder of 200 mm with an insert at x = 50, y = −20 mm."""
    line = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL
    x, y = np.meshgrid(line, line, indexing="ij")
    hu = np.where(np.hypot(x, y) < 100, 0.0, -1000.0)
    hu[np.hypot(x - 50, y + 20) < 18] = 400.0
    return np.repeat(hu[:, :, None], slices, axis=2)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan the body to ct.nii.gz with ct.sinogram.npz, and to x.json with x.raw; return the folder."""
    folder = tmp_path_factory.mktemp("scan")
    volume = written(folder / "v.nii.gz", body())
    words = ["scan", str(volume), "--hu", *TINY, "-q", "--seed", "3"]
    assert main([*words, "-o", str(folder / "ct.nii.gz"), "--keep", "sinogram"]) == 0
    assert main([*words, "-o", str(folder / "x.json")]) == 0
    assert main([*words, "-o", str(folder / "plain.nii.gz")]) == 0
    return folder


def loaded(path: Path) -> np.ndarray:
    """Return the voxels of a volume."""
    return np.asarray(nibabel.load(path).dataobj, dtype=np.float64)


def test_keeping_the_sinogram_changes_nothing(scanned: Path) -> None:
    """The CT is the same bytes with and without --keep, and `reconstruct` makes it again from either format."""
    assert (scanned / "ct.nii.gz").read_bytes() == (scanned / "plain.nii.gz").read_bytes()
    for name in ("ct.sinogram.npz", "x.json"):
        assert main(["reconstruct", str(scanned / name), "-q", "-o", str(scanned / "again.nii.gz")]) == 0
        assert np.array_equal(loaded(scanned / "again.nii.gz"), loaded(scanned / "ct.nii.gz"))
        assert np.array_equal(nibabel.load(scanned / "again.nii.gz").affine, nibabel.load(scanned / "ct.nii.gz").affine)


def test_both_formats_hold_the_same(scanned: Path) -> None:
    """Readings bit for bit, protocol, place and grid."""
    (one, grid), (other, same) = read_sinogram(scanned / "ct.sinogram.npz"), read_sinogram(scanned / "x.json")
    assert np.array_equal(one.data, other.data)
    assert grid == same
    assert (one.protocol, one.isocentre_mm, one.first_row_mm) == (
        other.protocol,
        other.isocentre_mm,
        other.first_row_mm,
    )


def test_a_region_shows_what_the_whole_shows(scanned: Path) -> None:
    """A small field of view on the same pixels has the voxels of the large one."""
    sinogram = str(scanned / "ct.sinogram.npz")
    assert (
        main(["reconstruct", sinogram, "-q", "-o", str(scanned / "a.nii.gz"), "--fov", "200", "--matrix", "100"]) == 0
    )
    words = ["--fov", "60", "--matrix", "30", "--centre", "50", "-20"]
    assert main(["reconstruct", sinogram, "-q", "-o", str(scanned / "b.nii.gz"), *words]) == 0
    whole, part = loaded(scanned / "a.nii.gz"), loaded(scanned / "b.nii.gz")
    # whole: x from −99 in steps of 2 mm; part: from 21 and −49
    cut = whole[60:90, 25:55]
    # Not to the bit: a fast backprojection has a small error that depends on the place of its pixels.
    assert np.sqrt(np.mean((part - cut) ** 2)) < 7.0
    assert abs(np.mean(part - cut)) < 1.0
    assert abs(part[12:18, 12:18].mean() - 400) < 25


def test_slices_may_be_thicker_and_fewer(scanned: Path) -> None:
    """Thickness 10, increment 5, z from 5 to 15: the mean of neighbouring slices, at the heights asked for."""
    sinogram = str(scanned / "ct.sinogram.npz")
    words = ["--thickness", "10", "--increment", "5", "--z", "5", "15"]
    assert main(["reconstruct", sinogram, "-q", "-o", str(scanned / "c.nii.gz"), *words]) == 0
    thick, affine = loaded(scanned / "c.nii.gz"), nibabel.load(scanned / "c.nii.gz").affine
    assert thick.shape[2] == 2
    assert affine[2, 3] == pytest.approx(7.5)
    thin = loaded(scanned / "ct.nii.gz")
    assert np.abs(thick[:, :, 0] - (thin[:, :, 1] + thin[:, :, 2]) / 2).max() <= 1.0


def test_another_kernel_is_that_kernel(scanned: Path) -> None:
    """The sinogram does not depend on the kernel: reconstructing it with another is scanning with that one."""
    out, sharp = scanned / "k.nii.gz", scanned / "sharp.nii.gz"
    assert main(["reconstruct", str(scanned / "ct.sinogram.npz"), "-q", "-o", str(out), "--kernel", "sharp"]) == 0
    words = ["scan", str(scanned / "v.nii.gz"), "--hu", *TINY, "-q", "--seed", "3", "--set", "protocol.kernel=sharp"]
    assert main([*words, "-o", str(sharp)]) == 0
    assert np.array_equal(loaded(out), loaded(sharp))


def test_the_kernel_that_is_asked_for_shows(scanned: Path) -> None:
    """With bins of 1.3 mm and pixels of 0.8 mm, which carry them, `sharp` has a steeper edge than `soft`."""
    sinogram = scanned / "fine.npz"
    fine = [*TINY[:-1], "protocol.num_bins=400"]
    assert main(["scan", str(scanned / "v.nii.gz"), "--hu", *fine, "-q", "--seed", "3", "-o", str(sinogram)]) == 0
    steepest = []
    for kernel in ("soft", "sharp"):
        out = scanned / f"{kernel}.nii.gz"
        region = ["--fov", "100", "--matrix", "128", "--centre", "50", "-20", "--kernel", kernel]
        assert main(["reconstruct", str(sinogram), "-q", "-o", str(out), *region]) == 0
        steepest.append(float(np.abs(np.diff(loaded(out).mean(axis=2), axis=0)).max()))
    assert steepest[1] > 1.1 * steepest[0]


def test_iterative_is_a_word_away(scanned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reconstructing a sinogram iteratively is scanning so, with less noise than FBP; what does not fit is told."""
    out, scan = scanned / "i.nii.gz", ["scan", str(scanned / "v.nii.gz"), "--hu", *TINY, "-q", "--seed", "3"]
    words = ["reconstruct", str(scanned / "ct.sinogram.npz"), "-q", "-o", str(out), "--strength", "0.5"]
    assert main(words) == 2
    assert "--reconstruction iterative" in capsys.readouterr().err
    assert main([*words, "--reconstruction", "iterative"]) == 0
    scan += ["--reconstruction", "iterative", "-o", str(scanned / "j.nii.gz"), "--set"]
    assert main([*scan, "protocol.reconstruction=fbp"]) == 2
    assert main([*scan, "protocol.strength=0.5"]) == 0
    assert np.array_equal(loaded(out), loaded(scanned / "j.nii.gz"))
    x, y = (n // 2 for n in loaded(out).shape[:2])
    calm, loud = (loaded(path)[x - 5 : x + 5, y - 5 : y + 5].std() for path in (out, scanned / "ct.nii.gz"))
    assert calm < loud


def test_the_document_reads_a_sinogram_with_numpy_alone(scanned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of docs/scan.md runs as it stands; its rays see a cylinder's chords."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/scan.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(scanned)
    names: dict[str, Any] = {}
    exec(next(block for block in blocks if "x.json" in block), names)
    water, offset, alpha = names["water_mm"], names["offset_mm"], names["alpha"]
    insert = 50 * np.cos(alpha) - 20 * np.sin(alpha)  # where the insert's middle lies on the offset's axis
    chords = 2 * np.sqrt(np.maximum(100**2 - offset**2, 0.0))
    clear = (np.abs(insert - offset) > 30) & (np.abs(offset) < 85)
    assert np.abs(water[2] - chords)[clear].max() < 12
    through = (np.abs(insert - offset) < 3) & (np.abs(offset) < 80)
    assert np.median((water[2] - chords)[through]) > 8
    assert np.allclose(names["z_mm"], STEP * np.arange(5))


def test_the_phantom_for_xcist_is_read_by_its_rules(scanned: Path) -> None:
    """Numbers run along x first, then y, z; offsets count the isocentre's voxel from 1; fractions are g/cm³."""
    folder = scanned / "phantom"
    assert main(["scan", str(scanned / "v.nii.gz"), "--hu", *TINY, "-q", "--xcist", str(folder)]) == 0
    told = json.loads((folder / "phantom.json").read_text())
    assert told["n_materials"] == 2
    assert told["mat_name"] == ["pancreasgen_water", "pancreasgen_bone_mineral"]
    maps = {}
    for k, name in enumerate(told["mat_name"]):
        n = [told[key][k] for key in ("cols", "rows", "slices")]
        raw = np.fromfile(folder / told["volumefractionmap_filename"][k], dtype="<f4").reshape(n[::-1])
        maps[name] = raw.transpose(2, 1, 0)
        lines = [line for line in (folder / name).read_text().splitlines() if line[:1].isdigit()]
        assert int(lines[0]) == len(lines) - 2
        assert float(lines[1]) == 1.0
        assert sum(float(line.split()[1]) for line in lines[2:]) == pytest.approx(1.0, abs=1e-3)
    assert told["x_offset"][0] == told["y_offset"][0] == (SIZE + 1) / 2
    assert told["z_offset"][0] == 3.0
    hu = body()
    assert np.allclose(maps["pancreasgen_water"][hu == 0], 1.0)
    assert np.all(maps["pancreasgen_water"][hu == -1000] == 0.0)
    assert np.all((maps["pancreasgen_bone_mineral"] > 0) == (hu == 400))
    assert "phantom.json" in (folder / "phantom.cfg").read_text()
