"""The organs of the abdomen settle around the gland, one after the other, so that each leaves the others room.

Places and sizes are those of an average adult (assumed), moved with the size of the cavity. The stomach, the duodenum
and the spleen follow the gland. Where two organs would meet, the one that is settled later gives way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pancreasgen.anatomy.bowel import colon, small_bowel
from pancreasgen.anatomy.fields import Field, Shape, Space, carve, union
from pancreasgen.anatomy.frame import Frame, column_of
from pancreasgen.anatomy.kidneys import Kidney, adrenals, kidneys
from pancreasgen.anatomy.liver import gallbladder, great_bay, liver, porta_hepatis, spleen
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.stomach import behind, duodenum, lane_behind, stomach, stomach_bed
from pancreasgen.organ.organ import Organ

LIVER_TO_SPINE_MM = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Viscera:
    """All organs but the gland.

    Attributes:
        shapes: Name of the structure → its distance; no two overlap by more than the interpolation's error, and
            none overlaps gland or vessels.
        kidneys: The kidneys' insides.
        loop_gas_mm: y above which a loop of small bowel holds gas, on the small bowel's nodes [mm].
    """

    shapes: Mapping[str, Shape]
    kidneys: Mapping[str, Kidney]
    loop_gas_mm: Field


class _Land:
    """What is taken already, on the whole lattice; organs are settled one by one."""

    def __init__(self, space: Space, frame: Frame, gland: Field, vessels: Field) -> None:
        self.space, self.room = space, frame.abdomen
        self.gland, self.vessels, self.column = gland, vessels, column_of(space, frame.spine)
        self.taken = np.full(space.grid.shape, -99.0, np.float32)
        self.shapes: dict[str, Shape] = {}

    def settle(self, name: str, shape: Shape, keep: tuple[float, float, float], gap_mm: float) -> None:
        """Cut a shape by all that is there, and take its place.

        Args:
            name: Name of the structure.
            shape: The organ as it would be alone.
            keep: Distances to gland, vessels and wall [mm].
            gap_mm: What organs to come keep from this one.
        """
        window = self.space.window(shape.grid)
        fixed = np.maximum(self.gland[window] + np.float32(keep[0]), self.vessels[window] + np.float32(keep[1]))
        fixed = np.maximum(fixed, np.maximum(self.column[window] + np.float32(2.0), self.taken[window]))
        own = np.minimum(carve(shape.field, fixed), self.room[window] - np.float32(keep[2]))
        self.shapes[name] = Shape(np.asarray(own, np.float32), shape.grid)
        self.taken[window] = np.maximum(self.taken[window], own + np.float32(gap_mm))


def build_viscera(
    space: Space, frame: Frame, organ: Organ, gland: Field, named: Mapping[str, Field], physique: Physique
) -> Viscera:
    """Build all organs but the gland.

    Args:
        space: The lattice.
        frame: The body wall.
        organ: The gland.
        gland: Its distance on the lattice.
        named: Distances to the named vessels on the lattice; ``splenic_artery``, ``splenic_vein``
            and ``gastroduodenal_artery`` among them.
        physique: Sizes, fillings and the fat between organs.
    """
    fat = physique.visceral_fat_mm
    vessels = union(*named.values())
    land = _Land(space, frame, gland, vessels)
    off, gap = 1.0 + 0.15 * fat, 0.4 * fat  # fat on the wall, and between organs
    lane = lane_behind(named["gastroduodenal_artery"])
    land.settle("duodenum", duodenum(space, organ, physique, lane), (0.2, 1.5, off), gap)
    for name, shape in adrenals(space).items():
        land.settle(name, shape, (0.3 * fat, 0.5, off), 2.0)
    pair = kidneys(space, physique)
    for name, kidney in pair.items():
        land.settle(name, kidney.shape, (0.3 * fat, 0.5, off), 0.9 * fat)
    splenic = union(gland, named["splenic_artery"], named["splenic_vein"])
    bed = union(stomach_bed(space, splenic) + np.float32(2.5 + gap), vessels + np.float32(4.0))
    hollow = stomach(space, frame, organ, physique)
    hollow = Shape(-union(-hollow.field, bed[space.window(hollow.grid)], blend_mm=8.0), hollow.grid)
    land.settle("spleen", spleen(space, frame, physique), (0.3 * fat, 0.8, 0.3), gap)
    land.settle("stomach", hollow, (0.3 * fat, 0.8, 0.4 + 0.1 * fat), gap)
    land.settle("gallbladder", gallbladder(space, frame, physique), (0.3 * fat, 0.8, off), 0.4)
    whole = liver(space, frame, physique)
    window = space.window(whole.grid)
    bay = union(great_bay(named), land.column + np.float32(LIVER_TO_SPINE_MM), blend_mm=12.0)[window]
    renal = np.full(space.grid.shape, -99.0, np.float32)  # no tongue of liver behind the kidney
    renal[space.window(pair["kidney_right"].shape.grid)] = pair["kidney_right"].shape.field
    gate = porta_hepatis(named)[window]
    cut = -union(union(-whole.field, bay, blend_mm=8.0), gate, blend_mm=4.0)
    whole = Shape(carve(cut, behind(renal)[window]), whole.grid)
    land.settle("liver", whole, (0.3 * fat, -1.0, 0.2), gap + 0.5)
    away = (2.5 + 0.3 * fat, 2.5, off)
    land.settle("colon", colon(space, frame), away, 0.3 * fat + 0.5)
    loops = small_bowel(space, frame, physique)
    land.settle("small_bowel", loops.shape, away, 1.0)
    return Viscera(land.shapes, pair, loops.gas_level)
