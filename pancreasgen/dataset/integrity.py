"""Monsters: what no body can have, counted in the truth as it is written.

All of it follows from the label volume, the lumen's share, the centreline and the graph, so that `verify` can count
again from the files alone. What the image cuts off is no fault: pieces that reach the first or the last slice count as
one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.anatomy.structures import DUCTS, PARENCHYMA, STRUCTURES, VALUES
from pancreasgen.base.grid import Grid, Volume
from pancreasgen.network.network import DuctNetwork, Kind

LESIONS = tuple(VALUES[name] for name in ("pdac", "ipmn", "neuroendocrine_tumour", "serous_cyst", "mucinous_cyst"))
FILLINGS = (VALUES["calcification"], VALUES["stent"])
IN_DUCTS = (*FILLINGS, VALUES["pdac"])
"""What may stand where the graph has a duct: stones, stents, and a carcinoma that shuts it."""
SOLID = (
    "liver", "spleen", "kidney_right", "kidney_left", "gallbladder", "stomach", "duodenum", "aorta",
    "inferior_vena_cava",
)  # fmt: skip
"""Organs that are one piece each."""
WEIGHED = ("liver", "spleen", "kidney_right", "kidney_left")
"""Organs with a volume of their own, where the image holds them whole."""
_HOLDING = {"liver": ("liver", "hepatic_vessels")}
_VESSELS = tuple(
    item.value for item in STRUCTURES if item.tissue.endswith("blood") and item.name not in ("mesenteric_vessels",)
)
_INNER = tuple(VALUES[name] for name in (*SOLID, "superior_mesenteric_vein", "superior_mesenteric_artery",
                                         "portal_vein", "splenic_vein", "main_duct")) + PARENCHYMA  # fmt: skip
_FULL = np.ones((3, 3, 3), dtype=bool)
_MIN_VOXELS = 30
_SAMPLES_PER_VOXEL = 4


def integrity_measures(labels: Volume, fraction: Volume, centerline: Volume, network: DuctNetwork) -> dict[str, float]:
    """Return counts and shares by dotted name; in a sound case all counts are 0 and all shares nearly 1.

    Args:
        labels: Native labels on the CT's grid.
        fraction: Share of each voxel that is duct lumen, 0–255.
        centerline: Kind of the duct whose middle line crosses the voxel, or 0.
        network: The ducts.
    """
    data = labels.data
    found: dict[str, float] = {"truth.unknown_labels": float((data >= len(STRUCTURES)).sum())}
    gland = _isin(data, (*PARENCHYMA, *DUCTS, *LESIONS, *FILLINGS))
    if gland.any():
        found["connected.pancreas"] = _joined_share(gland)
    for name in SOLID:
        organ = _isin(data, [VALUES[part] for part in _HOLDING.get(name, (name,))])
        size = int(organ.sum())
        if size >= _MIN_VOXELS:
            found[f"connected.{name}"] = _joined_share(organ)
            if name in WEIGHED and not _is_cut(organ):
                found[f"whole_ml.{name}"] = round(size * labels.grid.voxel_ml, 4)
    return found | _ducts(data, fraction.data, centerline.data) | _graph(data, labels.grid, network) | _places(data)


def _ducts(data: NDArray[np.uint8], fraction: NDArray[np.uint8], line: NDArray[np.uint8]) -> dict[str, float]:
    """Return how labels of ducts, lumen and centrelines disagree [voxels], and the main duct's pieces."""
    ducts = _isin(data, DUCTS)
    filled = ducts | _isin(data, IN_DUCTS)
    on_line = (line == Kind.MAIN) | (line == Kind.ACCESSORY)
    found = {
        "truth.line_not_duct": float((on_line & ~filled).sum()),
        "truth.lumen_not_duct": float(((fraction >= 128) & ~(ducts | _isin(data, FILLINGS))).sum()),
        "truth.duct_without_lumen": float((ducts & (fraction == 0) & (line == 0)).sum()),
    }
    main = data == VALUES["main_duct"]
    if main.any():
        pieces = _pieces(_isin(data, (VALUES["main_duct"], *IN_DUCTS)), None)
        found["truth.main_duct_pieces"] = float(len(np.unique(pieces[main])))
    found_box = _box(ducts)
    if found_box is not None:
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in found_box)  # the tissue around them
        inside, tissue = ducts[box], _isin(data[box], (*PARENCHYMA, *LESIONS))
        parts = _pieces(inside, _FULL)
        touching = np.unique(parts[ndimage.binary_dilation(tissue, _FULL) & inside])
        found["truth.ducts_off_gland"] = float(int(parts.max()) - len(touching))
    return found


def _graph(data: NDArray[np.uint8], grid: Grid, network: DuctNetwork) -> dict[str, float]:
    """Return how many points along the main and accessory ducts' graph lie in voxels without a duct label."""
    chosen = np.isin(network.kind, (Kind.MAIN, Kind.ACCESSORY))
    ends = network.nodes_mm[network.segments[chosen]]
    if not len(ends):
        return {}
    steps = np.ceil(_SAMPLES_PER_VOXEL * network.lengths_mm[chosen] / min(grid.spacing_mm)).astype(int) + 1
    start = np.repeat(ends[:, 0], steps, axis=0)
    way = np.repeat(ends[:, 1] - ends[:, 0], steps, axis=0)
    share = np.concatenate([(np.arange(count) + 0.5) / count for count in steps])
    place = grid.to_index(start + share[:, None] * way)
    index = np.rint(place).astype(int)
    # a point on the border of two voxels belongs to both: rounding of the file may put it on either side
    inside = np.all((index >= 0) & (index < grid.shape), axis=1) & np.all(np.abs(place - index) < 0.499, axis=1)
    values = data[tuple(index[inside].T)]
    return {"truth.graph_not_duct": float((~_isin(values, (*DUCTS, *IN_DUCTS))).sum())}


def _places(data: NDArray[np.uint8]) -> dict[str, float]:
    """Return how many bare duct voxels have one vessel on opposite sides, and how many inner voxels touch the air.

    Bare are those that no face parts from the vessel by tissue: in thick slices a vessel in its groove may lie above
    and below a duct that has its gland around it.
    """
    through = 0
    duct = _isin(data, (VALUES["main_duct"], VALUES["accessory_duct"]))
    place = np.argwhere(duct[1:-1, 1:-1, 1:-1]) + 1
    if len(place):
        vessel = np.where(_isin(data, _VESSELS), data, 0)
        hit = np.zeros(len(place), dtype=bool)
        for step in _half_of_neighbours():
            one, other = vessel[tuple((place + step).T)], vessel[tuple((place - step).T)]
            hit |= (one > 0) & (one == other)
        tissue = _isin(data, (*PARENCHYMA, *LESIONS))
        covered = np.zeros(len(place), dtype=bool)
        for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)):
            covered |= tissue[tuple((place + step).T)]
        through = int((hit & ~covered).sum())
    inner = _isin(data, _INNER)
    air = data == 0
    touching = 0
    for axis in range(3):
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        a, b = tuple(ahead), tuple(behind)
        touching += int((inner[a] & air[b]).sum() + (inner[b] & air[a]).sum())
    return {"truth.vessel_through_duct": float(through), "truth.organs_in_air": float(touching)}


def _half_of_neighbours() -> list[NDArray[np.int64]]:
    steps = [np.array(step) for step in itertools.product((-1, 0, 1), repeat=3)]
    return steps[len(steps) // 2 + 1 :]


def _joined_share(mask: NDArray[np.bool_]) -> float:
    """Return the largest piece's share of a mask; pieces that reach the first or last slice are one."""
    box = _box(mask)
    if box is None:
        return 0.0
    part = mask[box]
    pieces = _pieces(part, _FULL)
    counts = np.bincount(pieces.ravel())
    counts[0] = 0
    at_end = ((0, box[2].start == 0), (-1, box[2].stop == mask.shape[2]))
    cut = {int(value) for place, is_end in at_end if is_end for value in np.unique(pieces[:, :, place])}
    largest = max(int(counts.max()), int(counts[sorted(cut)].sum()))
    return round(largest / int(counts.sum()), 6)


def _pieces(mask: NDArray[np.bool_], structure: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    """Return the number of the piece that each voxel belongs to."""
    pieces, _ = ndimage.label(mask, structure)
    return np.asarray(pieces, dtype=np.int32)


def _is_cut(mask: NDArray[np.bool_]) -> bool:
    """Whether an organ reaches the border of the image."""
    box = _box(mask)
    return box is not None and any(
        side.start == 0 or side.stop == length for side, length in zip(box, mask.shape, strict=True)
    )


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """Return the smallest box around a mask, or None if it is empty."""
    sides = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(mask.any(axis=others))
        if not len(found):
            return None
        sides.append(slice(int(found[0]), int(found[-1]) + 1))
    return sides[0], sides[1], sides[2]


def _isin(data: NDArray[np.uint8], values: Iterable[int]) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=bool)
    table[list(values)] = True
    return table[data]
