"""A mask as one piece of tissue: islands dropped or joined, small holes filled, the volume's border looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_HOLE_ML = 0.2  # larger cavities are anatomy (a cyst, a vessel), not holes of the segmentation (assumed)
_LARGE = 0.05  # share of the mask that makes an island worth a bridge (assumed)
_BRIDGE_RADIUS_MM = 4.2  # as the tissue that a procedural gland keeps along its axis, `gland._one_piece`
_SIDES = (("left", "right"), ("back", "front"), ("foot", "head"))


def one_piece(mask: Bools, matrix: Floats, bridge_mm: float, notes: list[str]) -> tuple[Bools, Floats]:
    """Return the largest piece of a mask, cropped, without small holes, and the affine of the crop.

    Args:
        mask: The mask, not empty (I, J, K).
        matrix: Its affine (4, 4) [mm].
        bridge_mm: Large pieces (from 5 % on) are first joined across gaps up to this [mm].
        notes: Told what was decided.

    >>> mask, notes = np.zeros((9, 4, 4), bool), []
    >>> mask[1:5, 1:3, 1:3] = mask[8, 3, 3] = True
    >>> one_piece(mask, np.eye(4), 0.0, notes)[0].shape, notes
    ((4, 2, 2), ['1 island (0.001 mL of 0.0 mL) dropped'])
    """
    size = np.linalg.norm(matrix[:3, :3], axis=0)
    voxel_ml = float(np.prod(size)) / 1000.0
    volume = np.array(mask.shape)
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    mask = mask[box]
    if bridge_mm > 0.0:
        mask = _bridged(mask, size, bridge_mm, notes)
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count > 1:
        sizes = np.bincount(labels.ravel())[1:]
        mask, lost = labels == 1 + sizes.argmax(), int(sizes.sum() - sizes.max())
        islands = "1 island" if count == 2 else f"{count - 1:,} islands"
        notes.append(f"{islands} ({lost * voxel_ml:.2g} mL of {sizes.sum() * voxel_ml:.1f} mL) dropped")
        if lost > 0.1 * sizes.sum():
            gap = _gaps(labels, 1 + int(sizes.argmax()), size)[0][0]
            notes.append(
                f"a large part of the mask lies apart, {gap:.0f} mm away: a bridge of that length would join it"
            )
    inner = ndimage.find_objects(mask.astype(np.uint8))[0]
    start = np.array([outer.start + part.start for outer, part in zip(box, inner, strict=True)])
    _note_border(start, np.array(mask[inner].shape), volume, matrix, notes)
    placed = matrix.copy()
    placed[:3, 3] = matrix[:3, :3] @ start + matrix[:3, 3]
    return _filled(mask[inner], voxel_ml, notes), placed


def _gaps(labels: NDArray[Any], main: int, size: Floats) -> list[tuple[float, int, Floats, Floats]]:
    """Return (gap [mm], label, place in the main piece, place in the other) of the large pieces, the nearest first.

    The gap is that between the voxels' centres; places are in mm along the mask's own axes.
    """
    sizes = np.bincount(labels.ravel())
    tree = cKDTree(np.argwhere(labels == main) * size)
    found = []
    for label in range(1, len(sizes)):
        if label == main or sizes[label] < _LARGE * sizes[1:].sum():
            continue
        points = np.argwhere(labels == label) * size
        gap, row = (np.atleast_1d(item) for item in tree.query(points))
        ties = np.flatnonzero(gap <= gap.min() + 0.1 * size.min())
        best = int(ties[((points[ties] - points[ties].mean(axis=0)) ** 2).sum(axis=1).argmin()])
        found.append((float(gap[best]), label, np.asarray(tree.data[row[best]]), points[best]))
    return sorted(found, key=lambda item: item[0])


def _bridged(mask: Bools, size: Floats, bridge_mm: float, notes: list[str]) -> Bools:
    """Return the mask with straight bridges of tissue to large pieces that are near enough, one after the other."""
    while True:
        labels, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        gaps = _gaps(labels, 1 + int(np.bincount(labels.ravel())[1:].argmax()), size)
        if not gaps or gaps[0][0] > bridge_mm:
            return mask
        gap, label, here, there = gaps[0]
        deep = [float(ndimage.distance_transform_edt(np.pad(labels == item, 1), sampling=size).max())
                for item in (label, int(labels[tuple(np.rint(here / size).astype(int))]))]  # fmt: skip
        radius = max(min(_BRIDGE_RADIUS_MM, *deep), float(size.max()))
        along = (there - here) / gap
        start, length = here - radius * along, gap + 2.0 * radius
        grids = [part * s - c for part, s, c in zip(np.ogrid[tuple(map(slice, mask.shape))], size, start, strict=True)]
        foot = np.clip(sum(g * a for g, a in zip(grids, along, strict=True)), 0.0, length)
        squared = sum((g - foot * a) ** 2 for g, a in zip(grids, along, strict=True))
        tube = (np.asarray(squared) <= radius**2) & ~mask
        volume = float(tube.sum()) * float(np.prod(size)) / 1000.0
        notes.append(f"a piece {gap:.0f} mm away was joined by a bridge; {volume:.2g} mL of it are not in the mask")
        mask = mask | tube


def _filled(mask: Bools, voxel_ml: float, notes: list[str]) -> Bools:
    """Return the mask with its small cavities filled; large ones stay."""
    labels, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    small = sizes * voxel_ml <= _HOLE_ML
    small[0] = False
    if small.any():
        notes.append(f"holes filled: {int(sizes[small].sum()):,} voxels")
    kept = sizes[1:][~small[1:]]
    if len(kept):
        cavities = "1 cavity" if len(kept) == 1 else f"{len(kept):,} cavities"
        notes.append(f"{cavities} ({kept.sum() * voxel_ml:.2g} mL) left free of ducts")
    return np.asarray(mask | small[labels])


def _note_border(start: Ints, span: Ints, volume: Ints, matrix: Floats, notes: list[str]) -> None:
    """Tell on which sides of the body the piece is cut off by the volume's border."""
    sides = []
    for axis in range(3):
        main = int(np.abs(matrix[:3, axis]).argmax())
        for end, touches in ((-1, start[axis] == 0), (1, start[axis] + span[axis] == volume[axis])):
            if touches:
                sides.append(_SIDES[main][int(end * matrix[main, axis] > 0)])
    if sides:
        notes.append(f"the mask touches the border of the volume ({', '.join(sides)}): the organ is cut off there")
