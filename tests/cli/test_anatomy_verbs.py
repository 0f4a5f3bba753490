"""`grow` and `phantom`: what they write can be read back and agrees with itself."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import nibabel
import numpy as np
import pytest

from pancreasgen.anatomy.structures import PARENCHYMA, VALUES
from pancreasgen.cli.main import main
from pancreasgen.dataset import attempts
from pancreasgen.dataset.build import build_case
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.dataset.settings import make_settings


@pytest.mark.parametrize("suffix", ["swc", "graphml", "png", "vtp"])
def test_grow_writes_what_the_suffix_says(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each format is written, in its own dress, and the last line says what to open."""
    out = tmp_path / f"ducts.{suffix}"
    assert main(["grow", "human_pancreas", "--seed", "2", "-o", str(out), "-q"]) == 0
    head = out.read_bytes()[:8]
    assert head.startswith({"swc": b"#", "graphml": b"<?xml", "png": b"\x89PNG", "vtp": b"<?xml"}[suffix])


def test_swc_and_graphml_hold_the_same_tree(tmp_path: Path) -> None:
    """Both formats of one seed have the same total length within 0.1 %; SWC has a node more for each new branch."""
    for suffix in ("swc", "graphml"):
        assert main(["grow", "human_pancreas", "--seed", "2", "-o", str(tmp_path / f"d.{suffix}"), "-q"]) == 0
    rows = np.loadtxt(tmp_path / "d.swc")
    at, up = rows[:, 2:5], rows[:, 6].astype(int)
    child = up > 0
    row_of = {int(number): row for row, number in enumerate(rows[:, 0])}
    swc_mm = np.linalg.norm(at[child] - at[[row_of[n] for n in up[child]]], axis=1).sum()
    graph = nx.read_graphml(tmp_path / "d.graphml")
    place = {name: np.array([data["x_mm"], data["y_mm"], data["z_mm"]]) for name, data in graph.nodes(data=True)}
    graph_mm = sum(np.linalg.norm(place[a] - place[b]) for a, b in graph.edges)
    assert graph.number_of_nodes() < len(rows)
    assert graph_mm == pytest.approx(swc_mm, rel=1e-3)


def test_phantom_is_an_abdomen_with_a_pancreas(tmp_path: Path) -> None:
    """The label volume holds gland, main duct and liver, and nothing that is not in the table."""
    out = tmp_path / "labels.nii.gz"
    assert main(["phantom", "--quick", "--seed", "2", "-o", str(out), "-q"]) == 0
    present = set(np.unique(np.asarray(nibabel.load(out).dataobj)).tolist())
    assert present <= set(VALUES.values())
    assert {*PARENCHYMA, VALUES["main_duct"], VALUES["liver"]} <= present


def test_phantom_shows_the_draw_that_generate_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first draw of a case is rejected the label volume is the second draw's, not the first's."""
    settings = make_settings(find_grammar("human_pancreas"), seed=2, quick=True, overrides={"ducts.grain": "3"})
    verdicts = iter([("no such body",), ()])
    monkeypatch.setattr(attempts, "failures", lambda *_, **__: next(verdicts))
    out = tmp_path / "labels.nii.gz"
    assert main(["phantom", "--quick", "--set", "ducts.grain=3", "--seed", "2", "-o", str(out), "-q"]) == 0
    kept = build_case(settings.recipe(0, (("no such body",),)))
    assert np.array_equal(np.asarray(nibabel.load(out).dataobj), kept.labels.data)
