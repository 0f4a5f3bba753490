"""An organ from a file: a segmentation mask in NIfTI, checked before any work."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.dataset.nifti import placed_affine, read_stored
from pancreasgen.organ.mask import MaskOptions, organ_from_mask
from pancreasgen.organ.organ import Organ

_MOST_LISTED = 20
_WHOLE = 1e-3  # how far a scaled label may be from a whole number: float32 files are not exact


def read_organ(
    path: Path, label: int | None = None, options: MaskOptions | None = None
) -> tuple[Organ, tuple[str, ...]]:
    """Return the organ of a mask file, in the file's own world (RAS+), and what was decided on the way.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.
        label: Which of its labels is the organ; None if it holds only one.
        options: What the user knows better.

    Raises:
        PancreasgenError: See :func:`read_mask` and :func:`pancreasgen.organ.mask.organ_from_mask`.
    """
    mask, affine = read_mask(path, label)
    return organ_from_mask(mask, affine, options)


def read_mask(path: Path, label: int | None = None) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return one label of a NIfTI file as a mask (I, J, K) in the file's own order, and the affine (4, 4) [mm, RAS+].

    Args:
        path: A ``.nii`` or ``.nii.gz`` file of whole numbers, of any orientation, oblique ones too.
        label: The wanted label; None if the file holds only one besides 0.

    Raises:
        MissingInputError: If there is no such file.
        NoPermissionError: If it may not be read.
        BadInputError: If the file is damaged, holds more than one volume, colours, fractions, NaN, or no label at all.
        UsageError: If the label is not there, or several are and none is chosen; those present are listed.
    """
    head, stored = read_stored(path)
    affine = placed_affine(head, path)
    slope, inter = _scale(head, path)
    _check_whole(stored, slope, inter, path)
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000.0
    if label is None:
        present, counts = _labels(stored, slope, inter)
        if not len(present):
            raise BadInputError(f"{path} is empty: all its voxels are 0", "look at the segmentation")
        if len(present) > 1:
            raise UsageError(
                f"{path} holds {len(present)} labels", _listed(present, counts, voxel_ml, "choose one with --label")
            )
        label = int(present[0])
    raw = (label - inter) / slope
    mask = np.abs(stored - raw) <= _WHOLE if stored.dtype.kind == "f" else stored == round(raw)
    if not mask.any():
        present, counts = _labels(stored, slope, inter)
        if not len(present):
            raise BadInputError(f"{path} is empty: all its voxels are 0", "look at the segmentation")
        raise UsageError(f"{path} has no label {label}", _listed(present, counts, voxel_ml, "it holds"))
    return np.ascontiguousarray(mask), affine


def _scale(head: NDArray[Any], path: Path) -> tuple[float, float]:
    """Return slope and intercept of a header; a slope of 0 means none, says the standard."""
    slope, inter = float(head["scl_slope"]), float(head["scl_inter"])
    if not math.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    if not math.isfinite(inter):
        raise BadInputError(f"{path} has an impossible scale (intercept {inter})")
    return slope, inter


def _check_whole(stored: NDArray[Any], slope: float, inter: float, path: Path) -> None:
    """Refuse NaN and fractions."""
    if stored.dtype.kind == "f":
        odd = int(stored.size - np.isfinite(stored).sum())
        if odd:
            voxels = "1 voxel that is" if odd == 1 else f"{odd:,} voxels that are"
            raise BadInputError(
                f"{path} holds {voxels} NaN or infinite", "a mask needs whole numbers: set them to 0 first"
            )
    elif (slope, inter) == (1.0, 0.0):
        return
    values = np.unique(stored).astype(np.float64) * slope + inter
    broken = values[np.abs(values - np.rint(values)) > _WHOLE]
    if len(broken):
        raise BadInputError(
            f"{path} holds {broken[0]:g}, which is no whole label",
            "if it holds probabilities, cut it at a threshold first; if it holds an image, segment it first",
        )


def _labels(stored: NDArray[Any], slope: float, inter: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels besides 0, and how many voxels each has."""
    values, counts = np.unique(stored, return_counts=True)
    labels = np.rint(values.astype(np.float64) * slope + inter).astype(np.int64)
    return labels[labels != 0], counts[labels != 0]


def _listed(labels: NDArray[np.int64], counts: NDArray[np.int64], voxel_ml: float, lead: str) -> str:
    """Return the labels with their volumes, in words."""
    rows = zip(labels.tolist()[:_MOST_LISTED], counts.tolist(), strict=False)
    text = ", ".join(f"{label} ({_short(count * voxel_ml)} mL)" for label, count in rows)
    more = len(labels) - _MOST_LISTED
    return f"{lead}: {text}" + (f" and {more} more" if more > 0 else "")


def _short(value: float) -> str:
    """Return a volume with two digits, or all those before the point.

    >>> _short(1043.1), _short(17.388), _short(0.02701)
    ('1043', '17', '0.027')
    """
    return f"{value:.0f}" if value >= 10.0 else f"{value:.2g}"
