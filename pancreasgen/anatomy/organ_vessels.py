"""Vessels of liver and kidneys: where they come from, and the trees that grow there from the grammars of vessels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.fields import Field, Points, Shape
from pancreasgen.anatomy.great_vessels import hilum
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import structure
from pancreasgen.anatomy.tissues import tissue_index
from pancreasgen.anatomy.tubes import Tube
from pancreasgen.anatomy.vessel_trees import Root, VesselTree, grow_vessels, hull_field
from pancreasgen.anatomy.voxelize import duct_cover
from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import unknown_name
from pancreasgen.base.grid import Grid
from pancreasgen.grammar.grammar import Grammar

ORGANS = ("liver", "kidney")
_SHARES = {"portal_right": 0.55, "portal_left": 0.42}  # of the portal vein's flow; its diameter follows Murray
_HEPATIC_MM = {"vein_right": 8.8, "vein_middle": 7.6, "vein_left": 7.2}  # diameters, recalled: 7-10 mm


def organ_vessels(
    shapes: Mapping[str, Shape], tubes: Sequence[Tube], physique: Physique, grammars: Mapping[str, Grammar],
    chance: Chance,
) -> list[VesselTree]:  # fmt: skip
    """Grow the vessels inside liver and kidneys.

    They grow in what of an organ lies in the scan, so their twigs depend on the field of view.

    Args:
        shapes: ``liver``, ``kidney_right`` and ``kidney_left`` among them.
        tubes: The vessels that lead there.
        physique: Diameters.
        grammars: Rules of growth, by organ: ``liver`` and ``kidney``; an organ without any keeps no vessels.
        chance: Stream of the growth.

    Raises:
        PancreasgenError: If there is a grammar for no organ, or one that cannot grow.
    """
    for name in grammars:
        if name not in ORGANS:
            raise unknown_name("organ with vessels", name, ORGANS)
    trees: list[VesselTree] = []
    if "liver" in grammars:
        liver = shapes["liver"]
        roots = _liver_roots(liver.field, liver.grid, tubes, physique)
        trees += grow_vessels(grammars["liver"], liver.field, liver.grid, roots, "hepatic_vessels", chance.sub("liver"))
    if "kidney" in grammars:
        for name, side in (("kidney_right", 1.0), ("kidney_left", -1.0)):
            field, grid = shapes[name].field, shapes[name].grid
            if (field > 0).sum() < 8:
                continue
            whole = hull_field(field, grid)
            roots = _kidney_roots(whole, grid, side, physique)
            trees += grow_vessels(grammars["kidney"], whole, grid, roots, "renal_vessels", chance.sub(name))
    return trees


def _liver_roots(liver: Field, grid: Grid, tubes: Sequence[Tube], physique: Physique) -> list[Root]:
    """Return two branches of the portal vein from its end, and three hepatic veins from the cava's top in the scan."""
    inside = grid.to_world(np.argwhere(liver > 4.0))
    if not len(inside):
        return []
    portal = next(tube for tube in tubes if tube.structure == "portal_vein")
    cava = max((tube for tube in tubes if tube.structure == "inferior_vena_cava"), key=lambda t: t.points_mm[-1, 2])
    fork = portal.points_mm[-1]
    top = min(float(inside[:, 2].max()) - 6.0, float(np.quantile(inside[:, 2], 0.93)))
    cava_mm = cava.points_mm[np.argmin(np.abs(cava.points_mm[:, 2] - top))]

    def at(x: float, y: float, z: float) -> Points:
        """Return a place by its rank among the liver's places, from the left, the back and below."""
        return np.array([np.quantile(inside[:, axis], share) for axis, share in enumerate((x, y, z))])

    places = [
        ("portal_right", "to_right_lobe", fork, at(0.85, 0.3, 0.45)),
        ("portal_left", "to_left_lobe", fork + [-4.0, 6.0, 2.0], at(0.03, 0.85, 0.7)),
        ("vein_right", "along_vein_right", cava_mm + [14.0, -2.0, -6.0], at(0.95, 0.2, 0.15)),
        ("vein_middle", "along_vein_middle", cava_mm + [9.0, 14.0, 0.0], at(0.55, 0.9, 0.12)),
        ("vein_left", "along_vein_left", cava_mm + [-8.0, 16.0, 0.0], at(0.02, 0.75, 0.9)),
    ]
    roots = []
    for name, course, start, end in places:
        if name in _SHARES:
            radius, blood = 0.5 * physique.portal_vein_diameter_mm * _SHARES[name] ** (1 / 3), "portal_blood"
            begin = fork
        else:
            radius, blood = 0.5 * _HEPATIC_MM[name] * physique.liver_scale, "hepatic_venous_blood"
            begin = cava_mm
        roots.append(Root(name, course, begin, np.stack([start, end]), radius, blood))
    return roots


def _kidney_roots(whole: Field, grid: Grid, side: float, physique: Physique) -> list[Root]:
    inside = grid.to_world(np.argwhere(whole > 0))
    middle = inside.mean(axis=0)
    gate = hilum(side, physique)
    away = np.array([side * 20.0, -4.0, 0.0])
    artery, vein = 0.42 * physique.renal_artery_diameter_mm, 0.4 * physique.renal_vein_diameter_mm
    sinus = middle + [-side * 14.0 * physique.kidney_scale, 3.0, 0.0]
    return [
        Root("artery", "to_artery", gate, np.stack([sinus + [0, -4, 4], sinus + away + [0, 0, 12]]), artery,
             "arterial_blood"),
        Root("vein", "to_vein", gate + [0.0, 7.5, -5.0], np.stack([sinus + [0, 4, -4], sinus + away + [0, 0, -12]]),
             vein, "renal_venous_blood"),
    ]  # fmt: skip


def paint_trees(canvas: Canvas, trees: Sequence[VesselTree], label: str) -> None:
    """Paint the trees of one structure by the exact share of each voxel that they fill.

    Where veins and arteries share a voxel the one painted later covers its share of what is there.
    """
    item = structure(label)
    for tree in trees:
        if tree.structure != label:
            continue
        flat, share, _ = duct_cover(tree.network, canvas.grid)
        blood = canvas.palette[tissue_index()[tree.tissue]]
        for channel in range(3):
            values = canvas.materials[channel].reshape(-1)
            values[flat] += share.astype(np.float32) * (blood[channel] - values[flat])
        canvas.labels.reshape(-1)[flat[share >= 0.5]] = item.value
