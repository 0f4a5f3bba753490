from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pancreasgen.base.errors import BadInputError
from pancreasgen.dataset.foreign import read_source


def written(folder: Path, lowest: float, highest: float) -> Path:
    data = np.zeros((4, 4, 2), dtype=np.float32)
    data[0, 0, 0], data[3, 3, 1] = lowest, highest
    path = folder / "volume.nii.gz"
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    return path


@pytest.mark.parametrize(
    ("lowest", "highest", "named"), [(0, 3e6, "3e+06"), (-32768, 0, "-32768"), (-5, 20_001, "20001")]
)
def test_numbers_that_are_no_hu_are_refused(tmp_path: Path, lowest: float, highest: float, named: str) -> None:
    """A value below −3072 or above 20,000 is named, and the hint tells how labels are given."""
    path = written(tmp_path, lowest, highest)
    with pytest.raises(BadInputError) as refused:
        read_source(path, None)
    assert f"volume.nii.gz holds the value {named};" in refused.value.message
    assert "--labels TABLE.csv" in refused.value.hint


def test_padding_and_metal_are_taken(tmp_path: Path) -> None:
    """−3072 (padding) and 20,000 (metal) are read as they are."""
    volume, _ = read_source(written(tmp_path, -3072, 20_000), None)
    assert (volume.data.min(), volume.data.max()) == (-3072.0, 20_000.0)
