"""Lesions in the image: tumours, cysts and fluid painted over the gland and the fat around it.

Everything is computed on the part of the fine grid that holds the lesion. A tumour's HU are those of the gland that was
painted, less the drawn contrast, so that contrasts hold whatever the gland's fat and enhancement are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pancreasgen.anatomy.canvas import Canvas, interpolate, sub_grid
from pancreasgen.anatomy.fields import Field, Space
from pancreasgen.anatomy.structures import PARENCHYMA, VALUES
from pancreasgen.anatomy.tissues import tissue_index, tissues
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.seat import Seat
from pancreasgen.scan.materials import basis_attenuation, basis_densities, density_for_hu

LABEL_OF = {
    "pdac": "pdac",
    "ipmn_main": "ipmn",
    "ipmn_branch": "ipmn",
    "serous_cyst": "serous_cyst",
    "mucinous_cyst": "mucinous_cyst",
    "pnet": "neuroendocrine_tumour",
}
"""Kind of a lesion → its structure."""
HU_PER_IODINE = 25.8  # HU of 1 mg/mL at 70 keV
LEAST_HU, SOFT_HU = 15.0, 40.0  # no tumour is darker than the first; above the second it holds iodine; assumed
WALL_MM = {"serous_cyst": 0.6, "mucinous_cyst": 2.0, "ipmn_branch": 0.8}  # outer wall, assumed
SEPTUM_MM = {"serous_cyst": 0.6, "mucinous_cyst": 1.0, "ipmn_branch": 0.6}  # walls inside, assumed
WALL_SHARE = 0.8  # HU of walls and septa over those of the gland, assumed
CORE_FROM_MM = 15.0  # neuroendocrine tumours of a larger radius have a dark core, assumed
PAPILLARY_MM = 1.2  # thickness of the tumour that lines a main-duct IPMN, assumed
_ROOM = (*PARENCHYMA, VALUES["visceral_fat"], VALUES["peripancreatic_fat"], VALUES["mesenteric_vessels"])
_FATS = (VALUES["visceral_fat"], VALUES["peripancreatic_fat"])
_SAMPLE = 20_000


def gland_hu(canvas: Canvas) -> float | None:
    """Return the median HU at 70 keV of the gland that is painted so far; None if there is none."""
    values = canvas.labels.reshape(-1)
    rows = np.flatnonzero((values >= min(PARENCHYMA)) & (values <= max(PARENCHYMA)))
    if not len(rows):
        return None
    rows = rows[:: max(len(rows) // _SAMPLE, 1)]
    mu = basis_attenuation()[:, 60]
    dense = np.array([canvas.materials[m].reshape(-1)[rows] for m in range(3)], dtype=np.float64)
    return float(np.median(1000.0 * (mu @ dense / mu[0] - 1.0)))


def soft_tissue(hu: Any) -> NDArray[np.float32]:
    """Return the basis densities (3, ...) of tumour tissue with given HU at 70 keV: what exceeds 40 HU is iodine.

    >>> mu = basis_attenuation()[:, 60]
    >>> round(float(1000 * (mu @ soft_tissue(90.0) / mu[0] - 1)), 1)
    90.0
    """
    wanted = np.asarray(hu, dtype=np.float64)
    made_of = tissues()["solid_lesion"].composition
    base = basis_densities(made_of, density_for_hu(made_of, SOFT_HU), 0.0)
    mu = basis_attenuation()[:, 60]
    iodine = np.maximum(wanted - SOFT_HU, 0.0) * mu[0] / (1000.0 * mu[2])
    thinner = (1000.0 + np.minimum(wanted, SOFT_HU)) / (1000.0 + SOFT_HU)
    parts = [base[0] * thinner, base[1] * thinner, base[2] * thinner + iodine]
    return np.asarray(np.stack(np.broadcast_arrays(*parts)), dtype=np.float32)


def paint_lesions(canvas: Canvas, seats: Sequence[Seat], network: DuctNetwork, phase: str) -> None:
    """Paint the masses and the lining of wide ducts over gland and fat; other organs and vessels are left alone.

    Args:
        canvas: Body and gland, without ducts.
        seats: Lesions in their places.
        network: The ducts.
        phase: Phase of the contrast medium.
    """
    reference = gland_hu(canvas) if seats else None
    if reference is None:
        return
    for seat in seats:
        if seat.lesion.kind == "ipmn_main":
            _line_duct(canvas, seat, network, reference)
        if not seat.lesion.is_mass:
            continue
        part = sub_grid(canvas.grid, seat.centre_mm[None], seat.reach_mm)
        if part is None:
            continue
        distance = seat.field(part.mesh_mm())
        paint = _solid if seat.lesion.kind in ("pdac", "pnet") else _cystic
        share, dense, hard = paint(canvas, seat, part, distance, (reference, phase))
        _mix(canvas, part, share, dense, VALUES[LABEL_OF[seat.lesion.kind]])
        if hard is not None:
            _mix(canvas, part, hard, canvas.palette[tissue_index()["calcification"]], VALUES["calcification"], ())


def _block(canvas: Canvas, part: Grid) -> tuple[slice, slice, slice]:
    corner = np.rint(canvas.grid.to_index(np.array(part.origin_mm))).astype(int)
    i, j, k = (slice(int(c), int(c) + n) for c, n in zip(corner, part.shape, strict=True))
    return i, j, k


def _mix(
    canvas: Canvas, part: Grid, share: Field, dense: NDArray[np.float32], label: int, room: tuple[int, ...] = _ROOM
) -> None:  # fmt: skip
    """Mix a material into a part of the canvas where there is room for it; from half on the voxel is the lesion's."""
    block = _block(canvas, part)
    labels = canvas.labels[block]
    free = np.isin(labels, room) if room else np.ones(labels.shape, np.bool_)
    amount = np.where(free, share, np.float32(0.0))
    for channel in range(3):
        values = canvas.materials[channel][block]
        values += amount * (dense[channel] - values)
    labels[free & (share >= 0.5)] = label


Drawing = tuple[Field, NDArray[np.float32], Field | None]


def _solid(canvas: Canvas, seat: Seat, part: Grid, distance: Field, bright: tuple[float, str]) -> Drawing:
    """Return share, densities and nothing hard of a solid tumour."""
    lesion, (reference, phase) = seat.lesion, bright
    hu = max(reference - lesion.contrast_hu(phase, reference), LEAST_HU)
    noise = Space(part, seat.chance).noise("uneven", 5.0)
    if lesion.kind == "pnet":
        share = np.clip(distance / np.float32(canvas.edge_mm) + np.float32(0.5), 0, 1)
        dark = np.clip((distance - np.float32(0.45 * lesion.radius_mm)) / 4.0 + 0.25 * noise, 0, 1)
        dark = dark if lesion.radius_mm > CORE_FROM_MM else np.zeros_like(dark)
        level = hu + (0.45 * reference - hu) * dark + 3.0 * noise
        return share, soft_tissue(np.maximum(level, LEAST_HU)), None
    fade = np.float32(min(lesion.rim_mm, 0.8 * lesion.radius_mm))
    ragged = distance + np.float32(0.12) * fade * noise
    share = np.clip(ragged / fade + np.float32(0.5), 0, 1)
    share = np.where(np.isin(canvas.labels[_block(canvas, part)], _FATS), _strands(share, seat, part), share)
    return np.asarray(share, np.float32), soft_tissue(np.maximum(hu + 3.0 * noise, LEAST_HU)), None


def _strands(share: Field, seat: Seat, part: Grid) -> Field:
    """Return the share of a tumour in fat, where it does not fade but reaches out in strands."""
    reach = Space(part, seat.chance).noise("strands", 3.5)
    border = 4.0 * share * (1.0 - share)
    return np.asarray(np.clip((share - 0.5) * 2.0 + 0.5 + 0.5 * reach * border, 0, 1), np.float32)


def _cystic(canvas: Canvas, seat: Seat, part: Grid, distance: Field, bright: tuple[float, str]) -> Drawing:
    """Return share, densities and calcification of a cyst with walls, septa and, if drawn so, a scar."""
    lesion, reference, edge = seat.lesion, bright[0], np.float32(canvas.edge_mm)
    share = np.clip(distance / edge + np.float32(0.5), 0, 1)
    shell = _layer(np.abs(distance - np.float32(0.5 * WALL_MM[lesion.kind])), WALL_MM[lesion.kind], edge)
    solid = np.maximum(shell, _septa(seat, part, distance, edge))
    hard = None
    if lesion.scar != "none":
        noise = Space(part, seat.chance).noise("scar", 4.0)
        scar = np.clip((distance - np.float32(0.78 * lesion.radius_mm)) / 2.0 + 0.8 * noise, 0, 1)
        scar *= distance > np.float32(0.45 * lesion.radius_mm)
        solid = np.maximum(solid, scar)
        if lesion.scar == "calcified":
            grain = Space(part, seat.chance).noise("grain", 2.5)
            hard = np.asarray(np.clip(grain - np.float32(0.7), 0, 1) * (scar > 0.6), np.float32)
    wall = soft_tissue(max(WALL_SHARE * reference, SOFT_HU))
    fluid = canvas.palette[tissue_index()["cyst_fluid"]]
    dense = np.stack([fluid[m] + solid * (wall[m] - fluid[m]) for m in range(3)]).astype(np.float32)
    return np.asarray(share, np.float32), dense, hard


def _layer(away: Field, thick_mm: float, edge: np.float32) -> Field:
    """Return the share of a thin layer in voxels whose middles lie so far from the layer's middle [mm]."""
    return np.asarray(np.clip((0.5 * (thick_mm + edge) - away) / edge, 0, min(1.0, thick_mm / float(edge))), np.float32)


def _septa(seat: Seat, part: Grid, distance: Field, edge: np.float32) -> Field:
    """Return the share of walls between the compartments, the cells of points about one compartment apart."""
    size, radius = seat.lesion.cell_mm, seat.reach_mm
    count = int(np.ceil((2.0 * radius / size) ** 3))
    points = seat.centre_mm + seat.chance.sub("cells").generator().uniform(-radius, radius, (max(count, 2), 3))
    out = np.zeros(part.shape, np.float32)
    inside = np.argwhere(distance > -edge)
    if len(inside) and len(points) > 1:
        first: Any = cKDTree(points).query(part.to_world(inside), k=2)[0]
        away = np.asarray(0.5 * (first[:, 1] - first[:, 0]), np.float32)
        out[tuple(inside.T)] = _layer(away, SEPTUM_MM[seat.lesion.kind], edge)
    return out


def _line_duct(canvas: Canvas, seat: Seat, network: DuctNetwork, reference: float) -> None:
    """Paint the tumour that lines the widened stretch of a main duct, as a tube around it."""
    lesion = seat.lesion
    rows = np.flatnonzero(network.kind == Kind.MAIN)
    ends, radii = network.nodes_mm[network.segments[rows]], network.capsule_radii_mm[rows]
    wide = radii.max(axis=1) > 0.2 * lesion.duct_mm
    for (start, end), radius in zip(ends[wide], radii[wide], strict=True):
        part = sub_grid(canvas.grid, np.array([start, end]), float(radius.max()) + PAPILLARY_MM + canvas.edge_mm)
        if part is None:
            continue
        share = _capsule(part, start, end, radius + PAPILLARY_MM) / np.float32(canvas.edge_mm) + np.float32(0.5)
        tissue = soft_tissue(max(WALL_SHARE * reference, SOFT_HU))
        _mix(canvas, part, np.clip(share, 0, 1), tissue, VALUES["ipmn"], PARENCHYMA)


def _capsule(part: Grid, start: Any, end: Any, radii: Any) -> Field:
    x, y, z = part.mesh_mm()
    way = end - start
    along = (x - start[0]) * way[0] + (y - start[1]) * way[1] + (z - start[2]) * way[2]
    t = np.clip(along / max(float(way @ way), 1e-9), 0, 1)
    square = sum((c - start[a] - t * way[a]) ** 2 for a, c in enumerate((x, y, z)))
    return np.asarray(radii[0] + t * (radii[1] - radii[0]) - np.sqrt(square), np.float32)


def paint_oedema(canvas: Canvas, space: Space, gland: Field, seats: Sequence[Seat]) -> None:
    """Soak the fat around an inflamed gland: much fluid beside it, strands further away.

    Args:
        canvas: The body with its gland.
        space: The lattice.
        gland: The gland's distance on it.
        seats: Lesions; those with ``oedema_mm`` soak the fat.
    """
    reach = max((seat.lesion.oedema_mm for seat in seats), default=0.0)
    if reach <= 0.0:
        return
    strands = space.noise("strands", 6.0) + 0.7 * space.noise("fine strands", 3.6)
    wet = 1.15 - np.maximum(-gland, 0.0) / np.float32(reach) + np.float32(0.35) * strands
    wet = np.where(gland < -1.6 * reach, np.float32(-1.0), wet).astype(np.float32)
    scale = np.array(canvas.grid.spacing_mm) / space.grid.spacing_mm
    shift = (np.array(canvas.grid.origin_mm) - space.grid.origin_mm) / space.grid.spacing_mm
    fluid = canvas.palette[tissue_index()["oedema"]]
    names = ("visceral_fat", "peripancreatic_fat", "peripancreatic_oedema")
    _soak(canvas.labels, canvas.materials, wet, scale, shift, np.array([VALUES[name] for name in names]), fluid)


@njit(cache=True, parallel=True)
def _soak(labels: Any, materials: Any, wet: Any, scale: Any, shift: Any, values: Any, fluid: Any) -> None:
    """Mix fluid into fat; the share rises from 0 to 0.85 as the field rises from 0.35 to 0.75."""
    for i in prange(labels.shape[0]):
        for j in range(labels.shape[1]):
            for k in range(labels.shape[2]):
                if labels[i, j, k] != values[0] and labels[i, j, k] != values[1]:
                    continue
                w = interpolate(wet, i * scale[0] + shift[0], j * scale[1] + shift[1], k * scale[2] + shift[2])
                share = min(max((w - 0.35) / 0.4, 0.0), 1.0) * 0.85
                if share <= 0.0:
                    continue
                for m in range(3):
                    materials[m, i, j, k] += share * (fluid[m] - materials[m, i, j, k])
                if share >= 0.4:
                    labels[i, j, k] = values[2]
