"""``pancreasgen grow --organ``: ducts in a segmented organ."""

from __future__ import annotations

from pathlib import Path

import networkx
import nibabel
import numpy as np
import pytest

from pancreasgen.cli.growing import MaskWish, mask_wish, point_of
from pancreasgen.cli.main import main
from tests.organ.solids import banana, inside, voxels


@pytest.fixture(scope="module")
def organ(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A banana far from the world's origin, in voxels that run to the left and to the back, as label 4 of a file."""
    path = tmp_path_factory.mktemp("mask") / "m.nii.gz"
    mask, affine = voxels(banana(), 62.0, (1.0, 1.0, 1.0), (0.0, 0.0, 180.0))
    affine[:3, 3] += [-80.0, 150.0, 300.0]
    nibabel.save(nibabel.Nifti1Image((mask * 4).astype("u1"), affine), path)
    return path


def test_ducts_lie_in_the_mask(organ: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every node lies in the mask's voxels, in the mask's own world; the notes go to stderr."""
    out = tmp_path / "d.graphml"
    assert main(["grow", "human_pancreas", "--organ", str(organ), "--label", "4", "-o", str(out)]) == 0
    told = capsys.readouterr()
    assert "note: the head is the end on the patient's right" in told.err
    assert "from m.nii.gz" in told.out
    nodes = networkx.read_graphml(out).nodes(data=True)
    points = np.array([[data["x_mm"], data["y_mm"], data["z_mm"]] for _, data in nodes])
    image = nibabel.load(organ)
    assert len(points) > 500
    assert inside(np.asarray(image.dataobj) == 4, image.affine, points).all()


def test_the_papilla_can_be_given(organ: Path, tmp_path: Path) -> None:
    """With --papilla at the thin end the main duct begins there; --set ducts.… still counts, and -q is silent."""
    thin = np.array([-44.0 - 80.0, 10.0 + 150.0, 300.0])
    out = tmp_path / "d.graphml"
    words = ["--papilla", ",".join(map(str, thin)), "--set", "ducts.r_head=0.8", "-q", "-o", str(out)]
    assert main(["grow", "human_pancreas", "--organ", str(organ), *words]) == 0
    graph = networkx.read_graphml(out)
    root = max(
        (data for node, data in graph.nodes(data=True) if graph.in_degree(node) == 0), key=lambda d: d["radius_mm"]
    )
    assert np.linalg.norm([root["x_mm"] - thin[0], root["y_mm"] - thin[1], root["z_mm"] - thin[2]]) < 8.0


@pytest.mark.parametrize(
    ("words", "wanted"),
    [(["--set", "gland.length_mm=150"], "no meaning with --organ"), (["--label", "5"], "has no label 5"),
     (["--papilla", "1,2"], "three numbers R,A,S"), (["--tail", "a,b,c"], "--tail R"),
     (["--papilla", "0,0,0"], "mm from the organ"), (["--steps", "3"], "--steps is for")],
)  # fmt: skip
def test_what_makes_no_sense_gets_a_letter(
    organ: Path, tmp_path: Path, words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that contradict a mask are refused with exit code 2, and nothing is written."""
    out = tmp_path / "d.png"
    assert main(["grow", "human_pancreas", "--organ", str(organ), *words, "-o", str(out)]) == 2
    assert wanted in capsys.readouterr().err
    assert not out.exists()


def test_a_mask_needs_a_grammar_that_wants_one(organ: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plant grows in no organ, options of a mask need a mask, and the mask is not overwritten."""
    assert main(["grow", "abop/plant", "--organ", str(organ), "-o", str(tmp_path / "a.png")]) == 2
    assert "leave --organ out" in capsys.readouterr().err
    assert main(["grow", "human_pancreas", "--label", "3", "-o", str(tmp_path / "a.png")]) == 2
    assert "name it with --organ" in capsys.readouterr().err


def test_a_duct_too_wide_says_what_to_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a thin organ the letter names the parameter of the main duct."""
    mask, affine = voxels(banana(30.0, 2.0, 1.6), 40.0, (0.5, 0.5, 0.5))
    nibabel.save(nibabel.Nifti1Image(mask.astype("u1"), affine), tmp_path / "m.nii.gz")
    out = tmp_path / "a.swc"
    assert main(["grow", "human_pancreas", "--organ", str(tmp_path / "m.nii.gz"), "-q", "-o", str(out)]) == 65
    assert "--set ducts.r_head=0.5" in capsys.readouterr().err


def test_words_become_a_wish() -> None:
    """Points are read with and without spaces; without a mask there is no wish."""
    assert mask_wish(None, None, None, None, None) is None
    assert mask_wish(Path("m.nii"), 3, None, "1,2,3", None) == MaskWish(Path("m.nii"), 3, None, "1,2,3", 0)
    assert point_of("--tail", " 1, -2.5 ,3") == (1.0, -2.5, 3.0)
    assert point_of("--tail", None) is None
