"""The phantom: the ground truth that a scanner scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from pancreasgen.anatomy.aftermath import body_with, paint_hard, vessels_with
from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.fields import Field, Space, tube, union
from pancreasgen.anatomy.frame import build_frame
from pancreasgen.anatomy.furnish import paint_frame, paint_organs, paint_peripancreatic_fat
from pancreasgen.anatomy.hard import closed, duct_labels, hard_ducts
from pancreasgen.anatomy.lesions import paint_lesions, paint_oedema
from pancreasgen.anatomy.organ_vessels import organ_vessels, paint_trees
from pancreasgen.anatomy.parenchyma import paint_gland
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import VALUES, structure
from pancreasgen.anatomy.texture import paint_texture
from pancreasgen.anatomy.tissues import palette, tissue_index
from pancreasgen.anatomy.tubes import Tube
from pancreasgen.anatomy.vessels import build_vessels
from pancreasgen.anatomy.viscera import build_viscera
from pancreasgen.anatomy.voxelize import draw_centerline, duct_cover
from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.resolvable import drawn
from pancreasgen.organ.organ import Organ
from pancreasgen.organ.seat import Seat, swollen

REACH_MM = 15.0


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A body on a grid.

    Attributes:
        labels: Values of :data:`~pancreasgen.anatomy.structures.STRUCTURES`; LABEL, uint8.
        materials: Densities of water, bone mineral and iodine (3, *shape) [g/cm³]; DENSITY, float32.
        duct_fraction: Share of the voxel that is pancreatic duct lumen; FRACTION, uint8, 255 = all.
        centerline: :class:`~pancreasgen.network.network.Kind` of the centrelines that are labelled on this grid, see
            :func:`~pancreasgen.network.resolvable.drawn`; LABEL.

    Raises:
        BadInputError: If the volumes do not share one grid.
    """

    labels: Volume
    materials: Volume
    duct_fraction: Volume
    centerline: Volume

    def __post_init__(self) -> None:
        if not self.labels.grid == self.materials.grid == self.duct_fraction.grid == self.centerline.grid:
            raise BadInputError("the volumes of a phantom must share one grid")

    @property
    def grid(self) -> Grid:
        """The grid that all volumes share."""
        return self.labels.grid


def compose(
    organ: Organ, network: DuctNetwork, physique: Physique, grid: Grid, phase: str, chance: Chance,
    vessel_grammars: Mapping[str, Grammar] = MappingProxyType({}),
    seats: Sequence[Seat] = (),
) -> Phantom:  # fmt: skip
    """Compose the body around a gland and its ducts.

    Shapes are painted in the order of the structures' precedence, lowest first.

    Args:
        organ: The gland.
        network: Its ducts.
        physique: The body around it.
        grid: Where the voxels are.
        phase: One of :data:`~pancreasgen.anatomy.tissues.PHASES`.
        chance: Stream for the shapes' unevenness and the texture; the same for all grids of one body.
        vessel_grammars: Rules of the vessels in ``liver`` and ``kidney``; an organ without any keeps no vessels.
        seats: Lesions in their places.

    Raises:
        UsageError: If there is no such phase, or no such organ with vessels.
        PancreasgenError: If a grammar of vessels cannot grow.
    """
    healthy = build_vessels(organ, physique, chance.sub("vessels"), network)
    physique, room = body_with(physique, healthy, seats, phase), swollen(organ, seats)
    canvas = Canvas.blank(grid, palette(physique, phase))
    space = Space.over(grid, chance.sub("shapes"))
    frame = build_frame(space, room, physique)
    vessels = vessels_with(healthy, seats)
    gland = _on_lattice(room, space)
    viscera = build_viscera(space, frame, room, gland, _named(space, vessels), physique)
    paint_frame(canvas, space, frame, physique)
    _paint_tubes(canvas, vessels, above=25, below=30)
    paint_organs(canvas, space, frame, organ, viscera, physique)
    paint_peripancreatic_fat(canvas, gland, space)
    trees = organ_vessels(viscera.shapes, vessels, physique, vessel_grammars, chance.sub("organ vessels"))
    for label in ("hepatic_vessels", "renal_vessels"):
        paint_trees(canvas, trees, label)
    _paint_tubes(canvas, vessels, above=70, below=90)
    bile_ducts = [vessel.points_mm for vessel in healthy if vessel.structure == "common_bile_duct"]
    paint_gland(canvas, organ, network, physique, bile_ducts, chance.sub("gland"))
    paint_lesions(canvas, seats, network, phase)
    _paint_tubes(canvas, vessels, above=90, below=100)
    paint_texture(canvas, physique, chance)
    if any(seat.lesion.oedema_mm > 0.0 for seat in seats):
        paint_oedema(canvas, space, _on_lattice(organ, space), seats)
    fraction, centerline = _paint_ducts(canvas, network)
    paint_hard(canvas, network, healthy, seats)
    return Phantom(
        Volume(canvas.labels, grid, Quantity.LABEL),
        Volume(canvas.materials, grid, Quantity.DENSITY),
        fraction,
        centerline,
    )


def _on_lattice(organ: Organ, space: Space) -> Field:
    """Return the gland's distance on the lattice; outside the organ's grid, minus the way to it as well."""
    index = [organ.distance.grid.to_index(p[..., None] * np.eye(3)[a])[..., a] for a, p in enumerate(space.xyz)]
    clipped = [np.clip(i, 0, n - 1) for i, n in zip(index, organ.distance.grid.shape, strict=True)]
    away = sum(((i - c) * s) ** 2 for i, c, s in zip(index, clipped, organ.distance.grid.spacing_mm, strict=True))
    coordinates = np.stack(np.broadcast_arrays(*clipped))
    near = ndimage.map_coordinates(organ.distance.data, coordinates, order=1, mode="nearest")
    return np.asarray(near - np.sqrt(away), dtype=np.float32)


def _named(space: Space, vessels: list[Tube]) -> dict[str, Field]:
    """Return the distance to each named vessel on the lattice."""
    named: dict[str, Field] = {}
    for vessel in vessels:
        if vessel.structure != "mesenteric_vessels":
            own = tube(space.grid, vessel.points_mm, vessel.radii_mm, REACH_MM)
            named[vessel.structure] = union(own, named.get(vessel.structure, own))
    return named


def _paint_tubes(canvas: Canvas, vessels: list[Tube], above: int, below: int) -> None:
    """Paint the tubes of structures with above ≤ precedence < below, in the order of precedence."""
    chosen = [(structure(v.structure), v) for v in vessels]
    for item, vessel in sorted(chosen, key=lambda pair: pair[0].precedence):
        if above <= item.precedence < below:
            canvas.paint_tube(vessel.points_mm, vessel.radii_mm, item.value, vessel.tissue or item.tissue)


def _paint_ducts(canvas: Canvas, network: DuctNetwork) -> tuple[Volume, Volume]:
    """Mix the lumen into what it lies in; hard labels by the rule of two halves (see structures)."""
    flat, share, kind = duct_cover(network, canvas.grid)
    juice = canvas.palette[tissue_index()["pancreatic_juice"]]
    for channel in range(3):
        values = canvas.materials[channel].reshape(-1)
        values[flat] += share.astype(np.float32) * (juice[channel] - values[flat])
    fraction = np.zeros(canvas.grid.shape, np.uint8)
    fraction.reshape(-1)[flat] = np.rint(share * 255).astype(np.uint8)
    centerline = draw_centerline(network, canvas.grid, Kind, drawn(network, canvas.grid))
    table, labels = duct_labels(), canvas.labels.reshape(-1)
    line = np.where(closed(canvas.labels == VALUES["pdac"], fraction), np.uint8(0), table[centerline.data])
    here = hard_ducts(fraction, line).reshape(-1)[flat]
    labels[flat[here]] = table[kind[here]]
    on_line = np.flatnonzero(line)
    labels[on_line] = line.reshape(-1)[on_line]
    return Volume(fraction, canvas.grid, Quantity.FRACTION), centerline
