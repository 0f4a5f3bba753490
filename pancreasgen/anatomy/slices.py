"""From fine slices to an image's: the truth on the grid of a CT whose slices are made of several of the phantom's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from pancreasgen.anatomy.hard import closed, duct_labels, hard_ducts
from pancreasgen.anatomy.phantom import Phantom
from pancreasgen.anatomy.structures import DUCTS, STRUCTURES, VALUES
from pancreasgen.anatomy.voxelize import draw_centerline
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.resolvable import drawn


def slices_per_slice(fine: Grid, coarse: Grid) -> tuple[int, int]:
    """Return how many fine slices make a coarse one, and the fine slice at which the first coarse one begins.

    Raises:
        BadInputError: If the grids differ in plane, the factor is not an integer, or the coarse grid reaches further.
    """
    factor = round(coarse.spacing_mm[2] / fine.spacing_mm[2])
    first = (coarse.origin_mm[2] - fine.origin_mm[2]) / fine.spacing_mm[2] - 0.5 * (factor - 1)
    begin = round(first)
    fits = (
        fine.shape[:2] == coarse.shape[:2]
        and np.allclose(fine.spacing_mm[:2], coarse.spacing_mm[:2], rtol=0, atol=1e-6)
        and np.allclose(fine.origin_mm[:2], coarse.origin_mm[:2], rtol=0, atol=1e-4)
        and factor >= 1
        and abs(coarse.spacing_mm[2] - factor * fine.spacing_mm[2]) < 1e-6
        and abs(first - begin) < 1e-3
        and begin >= 0
        and begin + factor * coarse.shape[2] <= fine.shape[2]
    )
    if not fits:
        raise BadInputError(
            f"the phantom's grid {fine.to_dict()} must be the image's grid {coarse.to_dict()} with finer slices",
            "use the same voxels in plane and slices that are an integer number of the phantom's",
        )
    return factor, begin


@njit(cache=True)
def _beside(labels: Any, duct: Any, i: int, j: int, k: int) -> int:
    """Return the nearest label in the slice that is no duct, −1 where all of it is duct: what a thin duct lies in."""
    for ring in range(1, max(labels.shape[0], labels.shape[1])):
        for a in range(max(i - ring, 0), min(i + ring + 1, labels.shape[0])):
            for b in range(max(j - ring, 0), min(j + ring + 1, labels.shape[1])):
                if not duct[labels[a, b, k]]:
                    return int(labels[a, b, k])
    return -1


@njit(cache=True, parallel=True)
def _vote(labels: Any, hard: Any, line: Any, factor: int, begin: int, rank: Any, duct: Any, out: Any) -> None:
    """Write the label of each thick voxel.

    ``hard`` is true where it may be duct; ``line`` holds the label of the duct whose centreline crosses it, or 0.
    """
    for i in prange(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                start = begin + k * factor
                winner, votes, best_duct = -1, 0, line[i, j, k]
                for a in range(start, start + factor):
                    value = labels[i, j, a]
                    if duct[value]:
                        if best_duct == 0 or rank[value] > rank[best_duct]:
                            best_duct = value
                        continue
                    count = 0
                    for b in range(start, start + factor):
                        if labels[i, j, b] == value:
                            count += 1
                    if count > votes or (count == votes and rank[value] > rank[winner]):
                        winner, votes = value, count
                if winner < 0 and not hard[i, j, k]:
                    winner = _beside(labels, duct, i, j, start)
                if best_duct > 0 and (winner < 0 or (hard[i, j, k] and rank[best_duct] > rank[winner])):
                    winner = best_duct
                out[i, j, k] = winner


def labels_on(phantom: Phantom, network: DuctNetwork, image_grid: Grid) -> Volume:
    """Return the labels on the grid of an image whose slices are made of several of the phantom's.

    A voxel takes the label that most of its sub-slices have, at a tie the one with the higher precedence. Pancreatic
    ducts follow the rule of two halves again, with the width that is resolvable on the image's grid: at least half
    lumen on average, or crossed by the centreline of a duct that :func:`~pancreasgen.network.resolvable.drawn` names;
    so these stay face-connected, but where a carcinoma closes them. Something of higher precedence keeps its voxels: a
    stone, a stent.

    Args:
        phantom: The fine labels.
        network: The ducts in it.
        image_grid: The image's voxels.

    Raises:
        BadInputError: If the grids do not fit.
    """
    factor, begin = slices_per_slice(phantom.grid, image_grid)
    rank = np.array([item.precedence for item in STRUCTURES])
    duct = np.zeros(len(STRUCTURES), np.bool_)
    duct[list(DUCTS)] = True
    out = np.empty(image_grid.shape, np.uint8)
    kinds = draw_centerline(network, image_grid, Kind, drawn(network, image_grid))
    line, fraction = duct_labels()[kinds.data], fraction_on(phantom, image_grid).data
    tumour = phantom.labels.data[:, :, begin : begin + factor * image_grid.shape[2]] == VALUES["pdac"]
    if tumour.any():
        line[closed(tumour.reshape(*image_grid.shape, factor).any(axis=3), fraction)] = 0
    hard = hard_ducts(fraction, line)
    _vote(phantom.labels.data, hard, line, factor, begin, rank, duct, out)
    return Volume(out, image_grid, Quantity.LABEL)


def fraction_on(phantom: Phantom, image_grid: Grid) -> Volume:
    """Return the duct fraction on the grid of an image: the mean of the sub-slices, uint8.

    Raises:
        BadInputError: If the grids do not fit.
    """
    factor, begin = slices_per_slice(phantom.grid, image_grid)
    fine = phantom.duct_fraction.data[:, :, begin : begin + factor * image_grid.shape[2]]
    total = fine.reshape(*image_grid.shape, factor).sum(axis=3, dtype=np.uint32)
    return Volume(((2 * total + factor) // (2 * factor)).astype(np.uint8), image_grid, Quantity.FRACTION)
