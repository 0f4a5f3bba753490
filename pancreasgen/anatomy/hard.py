"""Hard labels of ducts: the rule of two halves, without islands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.anatomy.structures import VALUES
from pancreasgen.network.network import Kind

DUCT_LABELS = {
    Kind.MAIN: VALUES["main_duct"],
    Kind.ACCESSORY: VALUES["accessory_duct"],
    Kind.SIDE: VALUES["side_branches"],
    Kind.LOBULAR: VALUES["side_branches"],
}


CLOSED_255 = 26
"""A duct in a carcinoma is shut, and has no label, where less than a tenth of the voxel is lumen [1/255]."""


def closed(tumour: NDArray[np.bool_], fraction: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which voxels hold a duct that a carcinoma closes.

    >>> closed(np.array([True, True, False]), np.uint8([0, 200, 0])).tolist()
    [True, False, False]
    """
    return tumour & (fraction < CLOSED_255)


def duct_labels() -> NDArray[np.uint8]:
    """Return the label of each :class:`~pancreasgen.network.network.Kind`, 0 for none.

    >>> int(duct_labels()[Kind.MAIN]) == VALUES["main_duct"]
    True
    """
    table = np.zeros(max(Kind) + 1, np.uint8)
    for name, label in DUCT_LABELS.items():
        table[name] = label
    return table


def hard_ducts(fraction: NDArray[np.uint8], line: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which voxels are duct: those on a line, and those half full that hang together with one by their faces.

    Where thin ducts crowd they may fill half of a voxel, although none of them is resolvable; such islands are left to
    the soft label.

    Args:
        fraction: Share of lumen, 255 = all.
        line: Above 0 on centrelines of ducts that are labelled.

    >>> hard_ducts(np.uint8([[200, 130, 10, 255]]), np.uint8([[1, 0, 0, 0]])).tolist()
    [[True, True, False, False]]
    """
    out, seen = np.zeros(fraction.shape, np.bool_), line > 0
    if not seen.any():
        return out
    either = seen | (fraction >= 128)
    box = ndimage.find_objects(either.view(np.uint8))[0]
    piece, count = ndimage.label(either[box])
    kept = np.zeros(count + 1, np.bool_)
    kept[piece[seen[box]]] = True
    out[box] = kept[piece]
    return out
