"""What is measured in a finished case: volumes, lengths, counts and HU."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.anatomy.structures import DUCTS, PARENCHYMA, STRUCTURES, VALUES
from pancreasgen.base.grid import Grid, Volume
from pancreasgen.dataset.integrity import integrity_measures
from pancreasgen.network.measure import measure
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.resolvable import resolvable_measures
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.measure import measure_gland
from pancreasgen.organ.organ import Organ

_HU_GROUPS: dict[str, tuple[int, ...]] = {
    "parenchyma": PARENCHYMA,
    "liver": (VALUES["liver"],),
    "spleen": (VALUES["spleen"],),
    "kidney": (VALUES["kidney_right"], VALUES["kidney_left"]),
    "fat": (VALUES["subcutaneous_fat"], VALUES["visceral_fat"]),
    "muscle": (VALUES["muscle"],),
    "aorta": (VALUES["aorta"],),
    "portal_vein": (VALUES["portal_vein"],),
}
_MIN_VOXELS = 20
_AIR_MARGIN_MM = 8.0


def measure_case(
    organ: Organ, network: DuctNetwork, labels: Volume, image: Volume, fraction: Volume, centerline: Volume
) -> dict[str, float]:
    """Return measures by dotted name; what cannot be measured (too few voxels) is left out.

    Args:
        organ: The gland.
        network: The ducts.
        labels: Native labels on the CT's grid.
        image: The CT [HU] on the same grid.
        fraction: Share of each voxel that is duct lumen, 0–255.
        centerline: Kind of the duct whose middle line crosses the voxel, or 0.
    """
    return {
        **gland_measures(organ),
        **duct_measures(organ, network),
        **resolvable_on(network, labels.grid),
        **voxel_measures(network, labels, image, fraction, centerline),
    }


def voxel_measures(
    network: DuctNetwork, labels: Volume, image: Volume, fraction: Volume, centerline: Volume
) -> dict[str, float]:
    """Return what can be measured in the files of a case alone: volumes, HU, and what no body can have."""
    return {
        **label_volumes(labels),
        **hu_medians(labels, image, fraction),
        **integrity_measures(labels, fraction, centerline, network),
    }


def gland_measures(organ: Organ) -> dict[str, float]:
    """Return volume [mL], length [mm] and thickness by region [mm] of the gland."""
    return {f"gland.{name}": value for name, value in measure_gland(organ).items()}


def duct_measures(organ: Organ, network: DuctNetwork) -> dict[str, float]:
    """Return :func:`~pancreasgen.network.measure.measure` by dotted name, and the share of nodes inside the gland.

    What has no value is left out. ``main_reaches`` is the length of the main duct as a share of the gland's axis.
    """
    depth, _ = sample_with_gradient(organ.distance, network.nodes_mm)
    found = {name: value for name, value in measure(network, organ).items() if value is not None}
    known = {f"ducts.{name}": float(value) for name, value in found.items() if not name.startswith("gland_")}
    main_mm = float(network.lengths_mm[network.kind == Kind.MAIN].sum())
    known["ducts.main_reaches"] = round(main_mm / organ.length_mm, 6)
    known["ducts.share_inside"] = round(float((depth >= 0).mean()), 6) if len(depth) else 0.0
    return known


def resolvable_on(network: DuctNetwork, grid: Grid) -> dict[str, float]:
    """Return by dotted name which ducts a grid can show; what has no value is left out.

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> resolvable_on(duct, Grid((9, 9, 9), (1, 1, 1), (0, 0, 0)))["ducts.resolvable_share"]
    1.0
    """
    found = resolvable_measures(network, grid)
    return {f"ducts.{name}": float(value) for name, value in found.items() if value is not None}


def label_volumes(labels: Volume) -> dict[str, float]:
    """Return the volume of each structure that is present [mL]."""
    counts = np.bincount(labels.data.ravel(), minlength=len(STRUCTURES))
    return {
        f"volume_ml.{structure.name}": round(float(counts[structure.value]) * labels.grid.voxel_ml, 4)
        for structure in STRUCTURES
        if structure.value and counts[structure.value]
    }


def hu_medians(labels: Volume, image: Volume, fraction: Volume) -> dict[str, float]:
    """Return median HU of tissues, away from their borders where they are thick enough, and of air and wide lumina.

    A lumen counts as wide where a square of three voxels in the slice is all duct or all bile duct.
    """
    medians: dict[str, float] = {}
    for name, values in _HU_GROUPS.items():
        mask = _inner(_isin(labels.data, values))
        if mask.sum() >= _MIN_VOXELS:
            medians[f"hu.{name}"] = float(np.median(image.data[mask]))
    lumen = _wide_lumen(labels, fraction)
    if lumen.sum() >= _MIN_VOXELS:
        medians["hu.wide_lumen"] = float(np.median(image.data[lumen]))
    air = _far_from_body(labels)
    if air.sum() >= _MIN_VOXELS:
        medians["hu.air"] = float(np.median(image.data[air]))
        medians["noise.air_sd_hu"] = float(np.std(image.data[air]))
    return {name: round(value, 3) for name, value in medians.items()}


def _inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask without its border voxels; the mask itself if it is too thin for that."""
    inner = ndimage.binary_erosion(mask, border_value=True)
    return inner if inner.sum() >= _MIN_VOXELS else mask


def _wide_lumen(labels: Volume, fraction: Volume) -> NDArray[np.bool_]:
    lumen = _isin(labels.data, (*DUCTS, VALUES["common_bile_duct"]))
    full = np.where(_isin(labels.data, DUCTS), fraction.data == 255, lumen)
    return np.asarray(ndimage.binary_erosion(full, np.ones((3, 3, 1), dtype=bool), iterations=1))


def _far_from_body(labels: Volume) -> NDArray[np.bool_]:
    """Return in-plane air that is some way from the body, inside the circle that the scanner sees."""
    grid = labels.grid
    step = max(1, round(_AIR_MARGIN_MM / grid.spacing_mm[0]))
    body = ndimage.binary_dilation(labels.data > 0, ndimage.generate_binary_structure(3, 1), iterations=step)
    x, y, _ = grid.mesh_mm()
    middle = [float(axis.mean()) for axis in (x, y)]
    radius = 0.48 * grid.shape[0] * grid.spacing_mm[0]
    return np.asarray(~body & ((x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2))


def _isin(data: NDArray[np.uint8], values: Iterable[int]) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=bool)
    table[list(values)] = True
    return table[data]
