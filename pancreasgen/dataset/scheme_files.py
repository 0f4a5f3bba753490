"""Labels of a scheme as files: ``labels_NAME.nii.gz``, or a folder ``labels_NAME/`` of masks that overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pancreasgen.anatomy.structures import VALUES
from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError, MissingInputError
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.dataset.disk import explaining
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.nifti import nifti_bytes, read_nifti
from pancreasgen.dataset.schemes import SCHEMES, Scheme, masks, relabelled, scheme

LABELS_FILE = "labels.nii.gz"


def scheme_files(labels: Volume, names: Iterable[str]) -> dict[str, bytes]:
    """Return file name → content of the labels in some schemes.

    Args:
        labels: Native labels.
        names: Names of schemes.
    """
    files: dict[str, bytes] = {}
    for name in names:
        wanted = scheme(name)
        if wanted.exclusive:
            files[f"labels_{name}.nii.gz"] = nifti_bytes(relabelled(labels, wanted))
        else:
            found = masks(labels, wanted)
            files |= {f"labels_{name}/{item}.nii.gz": nifti_bytes(mask) for item, mask in found.items()}
    return files


def schemes_in(names: Iterable[str]) -> list[str]:
    """Return the schemes that some file names belong to.

    >>> schemes_in(["ct.nii.gz", "labels_msd.nii.gz", "labels_pants/aorta.nii.gz"])
    ['msd', 'pants']
    """
    heads = {name.split("/")[0].removesuffix(".nii.gz") for name in names}
    return [name for name in SCHEMES if f"labels_{name}" in heads]


def structure_files(labels: Volume, names: Iterable[str]) -> dict[str, bytes]:
    """Return ``NAME.nii.gz`` → a mask of 0 and 1 for each of some native structures, which must exist."""
    files = {}
    for name in names:
        mask = (labels.data == VALUES[name]).astype("u1")
        files[f"{name}.nii.gz"] = nifti_bytes(Volume(mask, labels.grid, Quantity.LABEL))
    return files


def label_sources(data: Path) -> Mapping[str, Path]:
    """Return case's name → file of its native labels, for a dataset, a case, or a label file.

    Raises:
        MissingInputError: If there is none.
    """
    with explaining(data, "read"):
        if data.is_file():
            return {data.name.removesuffix(".nii.gz"): data}
        if (data / LABELS_FILE).is_file():
            return {data.resolve().name: data / LABELS_FILE}
        places = [folder / LABELS_FILE for folder in Store(data).case_folders()]
        found = {path.parent.name: path for path in places if path.is_file()}
    if not found:
        raise MissingInputError(
            f"{data} holds no {LABELS_FILE}", "give a dataset, the folder of one of its cases, or a label file"
        )
    return found


def read_labels(path: Path) -> Volume:
    """Return native labels from a file.

    Raises:
        BadInputError: If the file is no NIfTI volume, or holds numbers that are no native labels.
    """
    labels, _ = read_nifti(path, Quantity.LABEL)
    if int(labels.data.max()) > max(VALUES.values()):
        raise BadInputError(
            f"{path} holds label {int(labels.data.max())}, which is no native one",
            "give a labels.nii.gz as `pancreasgen generate` writes it",
        )
    return labels


def in_scheme(names: Iterable[str], structures: Iterable[str]) -> Callable[[Volume], dict[str, bytes]]:
    """Return the function that turns native labels into the files asked for; names are checked now.

    Raises:
        UsageError: If there is no such scheme or structure.
    """
    schemes: list[Scheme] = [scheme(name) for name in dict.fromkeys(names)]
    wanted = list(dict.fromkeys(structures))
    for name in wanted:
        if name not in VALUES or not VALUES[name]:
            raise unknown_name("structure", name, [item for item, value in VALUES.items() if value])
    return lambda labels: scheme_files(labels, [item.name for item in schemes]) | structure_files(labels, wanted)
