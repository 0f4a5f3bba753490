"""Label schemes: the published values and no others; what a voxel becomes follows from its native label."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from pancreasgen.anatomy.structures import STRUCTURES, VALUES
from pancreasgen.base.errors import BadInputError, MissingInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.cli.main import main
from pancreasgen.dataset.nifti import nifti_bytes
from pancreasgen.dataset.scheme_files import label_sources, read_labels, scheme_files
from pancreasgen.dataset.schemes import (
    DUCTS,
    INSIDE_OTHERS,
    LESIONS,
    PARENCHYMA,
    SCHEMES,
    checked_scheme,
    masks,
    relabelled,
    scheme,
)

GRID = Grid((54, 3, 3), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
PUBLISHED = {
    "panorama": {1: "lesion", 2: "veins", 3: "arteries", 4: "parenchyma", 5: "pancreatic_duct", 6: "common_bile_duct"},
    "msd": {1: "pancreas", 2: "tumour"},
    "nih": {1: "pancreas"},
    "totalseg": {1: "spleen", 2: "kidney_right", 3: "kidney_left", 4: "gallbladder", 5: "liver", 6: "stomach",
                 7: "pancreas", 19: "duodenum", 52: "aorta", 63: "inferior_vena_cava",
                 64: "portal_vein_and_splenic_vein"},
    "maisi": {4: "pancreas", 24: "pancreatic tumor", 6: "aorta", 7: "inferior vena cava", 10: "gallbladder",
              13: "duodenum", 17: "portal vein and splenic vein", 200: "body"},
    "pants": {21: "pancreatic_duct", 7: "common_bile_duct", 28: "pancreatic_lesion"},
}  # fmt: skip


def everything() -> Volume:
    """Return a volume in which plane x holds structure x."""
    data = np.empty(GRID.shape, "u1")
    data[:] = np.arange(54, dtype="u1")[:, None, None]
    return Volume(data, GRID, Quantity.LABEL)


def row(*names: str) -> Volume:
    """Return a row of voxels, one for each structure."""
    data = np.array([VALUES[name] for name in names], "u1").reshape(-1, 1, 1)
    return Volume(data, Grid(data.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), Quantity.LABEL)


@pytest.mark.parametrize("name", PUBLISHED)
def test_values_are_the_published_ones(name: str) -> None:
    """Each published value names what it is published for; values are distinct and PanTS stays within 1 to 28."""
    told = {item.value: item.name for item in scheme(name).classes}
    assert told.items() >= PUBLISHED[name].items()
    assert len(told) == len(scheme(name).classes)
    if name == "pants":
        assert set(told) <= set(range(1, 29))


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_names_each_structure_once_and_only_structures_that_exist(name: str) -> None:
    """No native structure is in two classes of an exclusive scheme; none is background, a filling, or unknown."""
    named = [part for item in scheme(name).classes for part in item.structures]
    assert set(named) <= set(VALUES) - {"background"}
    if scheme(name).exclusive:
        assert len(named) == len(set(named))
    if name != "full":
        assert not set(named) & {*INSIDE_OTHERS, "table"}


def test_full_is_the_native_volume() -> None:
    """Every structure keeps its number."""
    assert np.array_equal(relabelled(everything(), scheme("full")).data, everything().data)
    assert len(scheme("full").classes) == len(STRUCTURES) - 1


@pytest.mark.parametrize("name", [name for name in SCHEMES if SCHEMES[name].exclusive and name != "full"])
def test_relabelling_is_the_table(name: str) -> None:
    """Voxel by voxel, in plain Python, for every structure but those that lie inside others."""
    found = relabelled(everything(), scheme(name)).data[:, 1, 1]
    for item in STRUCTURES:
        if item.name not in INSIDE_OTHERS:
            wanted = [c.value for c in scheme(name).classes if item.name in c.structures]
            assert found[item.value] == (wanted[0] if wanted else 0), item.name
    assert set(np.unique(found)) <= {0, *(c.value for c in scheme(name).classes)}


def test_a_duct_in_a_lesion_stays_a_duct() -> None:
    """PANORAMA 5 within 1; in the decathlon it is pancreas within tumour; in PanTS it has masks of its own."""
    native = row("pancreas_head", "pdac", "main_duct", "pdac", "visceral_fat")
    assert relabelled(native, scheme("panorama")).data.ravel().tolist() == [4, 1, 5, 1, 0]
    assert relabelled(native, scheme("msd")).data.ravel().tolist() == [1, 2, 1, 2, 0]
    assert relabelled(native, scheme("nih")).data.ravel().tolist() == [1, 1, 1, 1, 0]
    found = {name: mask.data.ravel().tolist() for name, mask in masks(native, scheme("pants")).items()}
    assert found["pancreas"] == [1, 1, 1, 1, 0]
    assert found["pancreas_head"] == [1, 1, 1, 1, 0]
    assert found["pancreatic_duct"] == [0, 0, 1, 0, 0]
    assert found["pancreatic_lesion"] == [0, 1, 0, 1, 0]
    assert found["pancreas_tail"] == [0, 0, 0, 0, 0]


def test_stones_and_stents_take_the_class_of_what_is_nearest() -> None:
    """A stone beside the duct is duct, a stent in the bile duct outside the gland is no pancreas; far ones nothing."""
    native = row("main_duct", "calcification", "pancreas_body", "pancreas_body", "calcification", "pancreas_body",
                 "common_bile_duct", "stent", "common_bile_duct")  # fmt: skip
    assert relabelled(native, scheme("panorama")).data.ravel().tolist()[2:] == [4, 4, 4, 4, 6, 6, 6]
    assert relabelled(native, scheme("panorama")).data[1, 0, 0] in (4, 5)
    assert relabelled(native, scheme("nih")).data.ravel().tolist() == [1] * 6 + [0] * 3


def test_masks_of_organs_never_overlap_and_parts_lie_in_the_pancreas() -> None:
    """In a volume that holds every structure, PanTS' organs share no voxel."""
    found = masks(everything(), scheme("pants"))
    organs = [name for name in found if name == "pancreas" or not name.startswith("pancrea")]
    assert sum(found[name].data.astype(int) for name in organs).max() == 1  # type: ignore[union-attr]
    inside = found["pancreas"].data > 0
    assert all(found[name].data[~inside].sum() == 0 for name in found if name.startswith("pancrea"))
    assert inside.sum() == 9 * len({*PARENCHYMA, *DUCTS, *LESIONS}) + found["pancreas"].data[12].sum()


def test_schemes_that_cannot_be_asked_for_are_named() -> None:
    """A misspelt one with its nearest; the native one, which is always there."""
    with pytest.raises(UsageError, match="no scheme `panorma`") as caught:
        checked_scheme("panorma")
    assert "panorama" in caught.value.letter()
    with pytest.raises(UsageError, match="no further scheme `full`"):
        checked_scheme("full")


@pytest.fixture
def labels_file(tmp_path: Path) -> Path:
    """Return a label file with every structure."""
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(nifti_bytes(everything()))
    return path


def test_the_verb_writes_schemes_and_masks(labels_file: Path, tmp_path: Path) -> None:
    """Exclusive schemes are one file, PanTS a folder, a structure a mask; affine and voxels agree with the native."""
    out = tmp_path / "out"
    words = ["labels", str(labels_file), "--scheme", "maisi", "--scheme", "pants", "--structure", "liver", "-q"]
    assert main([*words, "-o", str(out)]) == 0
    native = nibabel.load(labels_file)
    made = {path.relative_to(out / "labels").as_posix(): nibabel.load(path) for path in out.rglob("*.nii.gz")}
    assert set(made) == {"labels_maisi.nii.gz", "liver.nii.gz"} | {
        f"labels_pants/{item.name}.nii.gz" for item in scheme("pants").classes
    }
    assert all(np.array_equal(image.affine, native.affine) for image in made.values())
    assert np.array_equal(np.asarray(made["liver.nii.gz"].dataobj) > 0, np.asarray(native.dataobj) == VALUES["liver"])


def test_where_labels_lie(labels_file: Path, tmp_path: Path) -> None:
    """A file, a case, a dataset; nothing there gets a letter, and so do numbers that are no native labels."""
    case = tmp_path / "data/cases/000003"
    case.mkdir(parents=True)
    (case / "labels.nii.gz").write_bytes(labels_file.read_bytes())
    assert list(label_sources(tmp_path / "data")) == list(label_sources(case)) == ["000003"]
    assert list(label_sources(labels_file)) == ["labels"]
    with pytest.raises(MissingInputError, match="holds no labels"):
        label_sources(tmp_path / "data/cases/000003/none")
    wrong = Volume(np.full((2, 2, 2), 77, "u1"), Grid((2, 2, 2), (1, 1, 1), (0, 0, 0)), Quantity.LABEL)
    (tmp_path / "wrong.nii.gz").write_bytes(nifti_bytes(wrong))
    with pytest.raises(BadInputError, match="holds label 77"):
        read_labels(tmp_path / "wrong.nii.gz")


def test_the_document_lists_every_class() -> None:
    """docs/labels.md has a row for each class of each scheme, with its value and its structures."""
    text = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")
    for wanted in SCHEMES.values():
        section = text.partition(f"## `{wanted.name}`")[2].partition("\n## ")[0]
        for item in wanted.classes if wanted.name != "full" else ():
            assert f"| {item.value} | {item.name} | {', '.join(item.structures)} |" in section


def test_files_are_the_same_bytes_each_time() -> None:
    """Two makings of the same labels agree, and unpack."""
    one, other = (scheme_files(everything(), ["nih", "pants"]) for _ in range(2))
    assert one == other
    assert all(gzip.decompress(content) for content in one.values())


@pytest.mark.parametrize(
    ("words", "code", "letter"),
    [
        ("labels x -o y", 2, "give --scheme NAME or --structure NAME"),
        ("labels x --scheme msd", 2, "give DATA and -o FOLDER"),
        ("labels x --scheme mds -o y", 2, "did you mean `msd`?"),
        ("labels x --structure livr -o y", 2, "did you mean `liver`?"),
        ("labels x --scheme msd -o y", 66, "holds no labels.nii.gz"),
        ("generate --scheme full -o y", 2, "no further scheme `full`"),
    ],
)
def test_the_verbs_mistakes(
    words: str,
    code: int,
    letter: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One letter, the code of the contract, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == code
    assert letter in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_lists_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`labels --list` names every scheme; `populations` every population with its counts."""
    assert main(["labels", "--list"]) == 0
    told = capsys.readouterr().out
    assert all(f"{name}: " in told for name in SCHEMES)
    assert main(["populations"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("mixed-clinic", "elderly", "obese", "young", "assumed"))
    assert main(["populations", "mixed-clinic"]) == 0
    assert "%  elderly" in capsys.readouterr().out
    assert main(["populations", "adult", "--json"]) == 0
    assert '"gland.length_mm"' in capsys.readouterr().out
