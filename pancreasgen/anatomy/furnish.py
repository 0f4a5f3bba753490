"""How the frame and the organs are painted: walls, folds and contents, cortex and medulla, fasciae and septa."""

from __future__ import annotations

import numpy as np

from pancreasgen.anatomy.bowel import colon_course, folds
from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.fields import Field, Shape, Space
from pancreasgen.anatomy.frame import Frame
from pancreasgen.anatomy.outside import paint_arms, paint_table
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.skeleton import Rod
from pancreasgen.anatomy.stomach import gas_level_mm, rugae, stomach_course
from pancreasgen.anatomy.structures import VALUES
from pancreasgen.anatomy.viscera import Viscera
from pancreasgen.organ.organ import Organ

STOMACH_WALL_MM = 3.3
COLON_WALL_MM = 1.8
BOWEL_WALL_MM = 2.0
PERIPANCREATIC_MM = 10.0  # fat up to here counts as peripancreatic; assumed
BONE = [(0.0, "cortical_bone"), (0.8, "trabecular_bone")]


def paint_frame(canvas: Canvas, space: Space, frame: Frame, physique: Physique) -> None:
    """Paint table, arms and the body wall with its bones."""
    paint_table(canvas, space, physique)
    paint_arms(canvas, physique, physique.half_width_mm)
    skin, hidden = np.float32(physique.skin_mm), np.float32(3.0 * canvas.edge_mm)
    # what the next shape covers anyway is not painted: each layer of the wall is a shell
    steps: list[tuple[str, Field, str]] = [
        ("skin", np.minimum(frame.body, hidden + skin - frame.body), "skin"),
        ("subcutaneous_fat", np.minimum(frame.body - skin, hidden - frame.wall), "fat"),
        ("muscle", np.minimum(frame.wall, hidden - frame.cavity), "muscle"),
        ("visceral_fat", frame.cavity, "fat"),
        ("muscle", frame.inner_muscles, "muscle"),
        ("lung", frame.lungs, "lung"),
    ]
    for name, field, tissue in steps:
        canvas.paint(field, space.grid, VALUES[name], [(0.0, tissue)])
    for plane in frame.planes:
        canvas.veil(plane.sheet, VALUES["muscle"], plane.thick_mm, "fat")
    _paint_septa(canvas, space, frame, physique)
    _paint_rods(canvas, frame.ribs, "ribs")
    spine = frame.spine
    canvas.paint(spine.discs.field, spine.discs.grid, VALUES["spine"], [(0.0, "disc")])
    canvas.paint(spine.bodies.field, spine.bodies.grid, VALUES["spine"], BONE)
    _paint_rods(canvas, spine.arches, "spine")
    canvas.paint(spine.canal.field, spine.canal.grid, VALUES["spinal_canal"], [(0.0, "canal_fat")])
    dural = Shape(spine.canal.field - np.float32(1.6), spine.canal.grid)
    canvas.paint(dural.field, dural.grid, VALUES["spinal_canal"], [(0.0, "cerebrospinal_fluid")])


def _paint_rods(canvas: Canvas, rods: tuple[Rod, ...], name: str) -> None:
    """Paint all cortices first, then all marrow, so that no cortex crosses the marrow of the next rod."""
    for rod in rods:
        tissue = "cortical_bone" if rod.cortex_mm > 0 else "cartilage"
        canvas.paint_rod(rod.points_mm, rod.radii_mm, VALUES[name], [(0.0, tissue)])
    for rod in rods:
        if rod.cortex_mm > 0:
            canvas.paint_rod(rod.points_mm, rod.radii_mm - rod.cortex_mm, VALUES[name], [(0.0, "trabecular_bone")])


def _paint_septa(canvas: Canvas, space: Space, frame: Frame, physique: Physique) -> None:
    """Draw the membranous layer and the septa of the fat under the skin."""
    label = VALUES["subcutaneous_fat"]
    layer = frame.wall + np.float32(0.42 * physique.subcutaneous_fat_mm)
    layer = layer + np.float32(0.10 * physique.subcutaneous_fat_mm) * space.noise("membranous layer", 30.0)
    canvas.veil(Shape(layer, space.grid), label, 0.25, "muscle")
    canvas.veil(Shape(np.float32(9.0) * space.noise("septa", 19.0), space.grid), label, 0.16, "muscle")


def paint_organs(
    canvas: Canvas, space: Space, frame: Frame, organ: Organ, viscera: Viscera, physique: Physique
) -> None:
    """Paint all organs but the gland, in the order of precedence."""
    _paint_stranding(canvas, space, viscera, physique)
    shapes = viscera.shapes
    fluid = "gi_contrast" if physique.positive_contrast else "gi_fluid"
    chyme = "gi_contrast" if physique.positive_contrast else "gi_content"
    _paint_colon(canvas, shapes["colon"], frame, space, physique)
    _paint_loops(canvas, space, viscera, chyme)
    plain = {"liver": "liver", "spleen": "spleen"}
    for name, tissue in plain.items():
        canvas.paint(shapes[name].field, shapes[name].grid, VALUES[name], [(0.0, tissue)])
    _paint_kidneys(canvas, viscera)
    level = gas_level_mm(stomach_course(frame, organ, physique), physique.bowel_gas_fraction)
    _paint_stomach(canvas, shapes["stomach"], space, physique, (fluid, level))
    for name in ("adrenal_right", "adrenal_left"):
        canvas.paint(shapes[name].field, shapes[name].grid, VALUES[name], [(0.0, "adrenal")])
    bladder = shapes["gallbladder"]
    canvas.paint(bladder.field, bladder.grid, VALUES["gallbladder"], [(0.0, "bowel_wall"), (1.2, "bile")])
    tube = shapes["duodenum"]
    canvas.paint(tube.field, tube.grid, VALUES["duodenum"], [(0.0, "bowel_wall")])
    lumen = tube.field - np.float32(2.2) - np.float32(0.6) * folds(Space(tube.grid, space.chance))
    canvas.paint(lumen, tube.grid, VALUES["duodenum"], [(0.0, chyme)])


def paint_peripancreatic_fat(canvas: Canvas, gland: Field, space: Space) -> None:
    """Give the fat within 10 mm of the gland (assumed) its own label."""
    near = Shape(gland + np.float32(PERIPANCREATIC_MM), space.grid)
    canvas.relabel(near, VALUES["visceral_fat"], VALUES["peripancreatic_fat"])


def _paint_stranding(canvas: Canvas, space: Space, viscera: Viscera, physique: Physique) -> None:
    """Draw what runs through the fat of the cavity: the renal fasciae, and the mesentery's and omentum's threads."""
    label = VALUES["visceral_fat"]
    for name, kidney in viscera.kidneys.items():
        part = Space(kidney.shape.grid, space.chance)
        around = kidney.shape.field + np.float32(4.0 + 0.9 * physique.visceral_fat_mm)
        around = around + np.float32(1.5) * part.noise(name + " fascia", 24.0)
        z = part.xyz[2]
        half, middle = 0.5 * (z.max() - z.min()) - 48.0, 0.5 * (z.max() + z.min())
        sheet = np.where(np.abs(z - middle) < half, around, np.copysign(np.float32(99), around))
        canvas.veil(Shape(sheet, part.grid), label, 0.5, "muscle")
    y = space.xyz[1]
    threads = np.float32(7.0) * space.noise("threads", 13.0) + 0 * y
    inner = y > 12.0
    canvas.veil(Shape(np.where(inner, threads, np.copysign(np.float32(99), threads)), space.grid), label, 0.2, "muscle")


def _gas(field: Field, wall_mm: Field | float, space: Space, level_mm: Field | float) -> Field:
    """Return what of an organ's lumen lies above its level."""
    return np.minimum(field - np.float32(wall_mm), space.xyz[1] - np.float32(level_mm)).astype(np.float32)


def _paint_colon(canvas: Canvas, shape: Shape, frame: Frame, space: Space, physique: Physique) -> None:
    label, field = VALUES["colon"], shape.field
    canvas.paint(field, shape.grid, label, [(0.0, "bowel_wall"), (COLON_WALL_MM, "stool")])
    grains, within = space.noise("grains", 7.0), field - np.float32(COLON_WALL_MM + 1.5)
    for tissue, lumps in (("gi_content", 1.6 * (grains - 0.5)), ("stool_gas", 1.6 * (-grains - 0.9))):
        canvas.paint(np.minimum(within, lumps).astype(np.float32), shape.grid, label, [(0.0, tissue)])
    level = gas_level_mm(colon_course(frame, space.chance), physique.bowel_gas_fraction)
    canvas.paint(_gas(field, COLON_WALL_MM + 0.6, space, level), shape.grid, label, [(0.0, "air")])


def _paint_loops(canvas: Canvas, space: Space, viscera: Viscera, chyme: str) -> None:
    shape, label = viscera.shapes["small_bowel"], VALUES["small_bowel"]
    canvas.paint(shape.field, shape.grid, label, [(0.0, "bowel_wall")])
    lumen = shape.field - np.float32(BOWEL_WALL_MM) - folds(space)
    canvas.paint(lumen, shape.grid, label, [(0.0, chyme)])
    gas = _gas(lumen, 0.5, space, viscera.loop_gas_mm)
    canvas.paint(gas, shape.grid, label, [(0.0, "air")])


def _paint_kidneys(canvas: Canvas, viscera: Viscera) -> None:
    for name, kidney in viscera.kidneys.items():
        shape, label = viscera.shapes[name], VALUES[name]
        canvas.paint(shape.field, shape.grid, label, [(0.0, "kidney")])
        medulla = np.minimum(kidney.medulla.field, shape.field)
        canvas.paint(medulla, shape.grid, label, [(0.0, "kidney_medulla")])
        for points, radii in kidney.calyces:
            canvas.paint_rod(points, radii, label, [(0.0, "bowel_wall"), (0.8, "urine")])


def _paint_stomach(canvas: Canvas, shape: Shape, space: Space, physique: Physique, content: tuple[str, float]) -> None:
    label, part = VALUES["stomach"], Space(shape.grid, space.chance)
    canvas.paint(shape.field, shape.grid, label, [(0.0, "bowel_wall")])
    lumen = shape.field - np.float32(STOMACH_WALL_MM) - rugae(part, physique)
    canvas.paint(lumen, shape.grid, label, [(0.0, content[0])])
    canvas.paint(_gas(lumen, 0.4, part, content[1]), shape.grid, label, [(0.0, "air")])
