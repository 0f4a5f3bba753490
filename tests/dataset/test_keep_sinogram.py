"""A case with its sinogram is the same case; the sinogram makes its CT."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from pancreasgen.base.errors import UsageError
from pancreasgen.dataset.attempts import settled_case
from pancreasgen.dataset.build import build_case
from pancreasgen.dataset.files import SINOGRAM_FILE, case_facts, case_files
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.dataset.reconstruction import Wish, planned
from pancreasgen.dataset.settings import make_settings
from pancreasgen.dataset.sinogram_io import read_sinogram
from pancreasgen.scan.scan import reconstruct_sinogram


def test_what_is_kept_is_a_setting() -> None:
    """It is told in dataset.json, travels between processes, and unknown names are refused."""
    settings = make_settings(find_grammar("human_pancreas"), quick=True, keep=["sinogram", "sinogram"])
    assert settings.to_dict()["keep"] == ["sinogram"]
    assert pickle.loads(pickle.dumps(settings)).keep == ("sinogram",)
    with pytest.raises(UsageError, match="no file to keep `phantom`"):
        make_settings(find_grammar("human_pancreas"), keep=["phantom"])


def test_a_kept_sinogram_makes_the_ct(tmp_path: Path) -> None:
    """The image is that of the case without it, bit for bit; read back and reconstructed, so is the sinogram's."""
    settings = make_settings(
        find_grammar("human_pancreas"), seed=1, quick=True, keep=["sinogram"], overrides={"ducts.grain": "3"}
    )
    case = settled_case(settings, 0)
    plain = build_case(case.recipe)
    assert np.array_equal(case.image.data, plain.image.data)
    files = case_files(case, {})
    assert set(files) - set(case_files(plain, {})) == {SINOGRAM_FILE}
    assert case_facts(case) == case_facts(plain)
    (tmp_path / SINOGRAM_FILE).write_bytes(files[SINOGRAM_FILE])
    sinogram, grid = read_sinogram(tmp_path / SINOGRAM_FILE)
    protocol, wanted = planned(sinogram, grid, Wish())
    assert wanted == case.recipe.image_grid
    assert np.array_equal(reconstruct_sinogram(sinogram, protocol, wanted).data, case.image.data)
