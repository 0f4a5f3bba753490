"""A lesion's consequences in the ducts: which of them close, widen or make way, and where the lesion lies on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pancreasgen.base.chance import Chance
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.rewrite import Watch
from pancreasgen.network.dilate import HEALTHY, Disease, middle_row
from pancreasgen.network.grow import grow
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.trunk import Axis
from pancreasgen.organ.lesion import Lesion
from pancreasgen.organ.organ import Organ
from pancreasgen.organ.seat import Seat, lean_mm, seat, without

CYST_DUCT_MM = 0.9  # radius of the duct between a branch-duct IPMN and the main duct, assumed
SHUT_SHARE = 0.6  # length of the shut stretch over the tumour's diameter, assumed
BEAD_MM = 8.0  # mean distance of a stricture and the next dilatation, assumed


def grow_in(
    grammar: Grammar, organ: Organ, values: Mapping[str, float], lesions: Sequence[Lesion], chance: Chance,
    watch: Watch | None = None,
) -> tuple[DuctNetwork, tuple[Seat, ...]]:  # fmt: skip
    """Grow the ducts of a gland with its lesions.

    Args:
        grammar: Rules with their parameters.
        organ: The gland, shaped with the same lesions.
        values: Values of parameters that replace the grammar's defaults.
        lesions: What is wrong with it. The first one that concerns the ducts does so.
        chance: Stream of the growth.
        watch: Told after every step.

    Returns:
        The ducts, and every lesion in its place.

    Raises:
        PancreasgenError: See :func:`~pancreasgen.network.grow.grow`.
    """
    places = [seat(lesion, organ, chance.sub(f"lesion {number}")) for number, lesion in enumerate(lesions)]
    diseases = [disease_of(place, organ) for place in places]
    disease = next((item for item in diseases if not item.healthy), HEALTHY)
    network = grow(grammar, without(organ, places), values, chance, watch, disease)
    return network, tuple(on_duct(place, network, organ) for place in places)


def disease_of(place: Seat, organ: Organ) -> Disease:
    """Return what a lesion does to the ducts.

    A carcinoma closes the main duct for most of its diameter and widens it upstream of that; an IPMN widens a
    stretch of the main duct, or the branch that leads to its cyst; chronic disease widens the main duct in beads.

    Args:
        place: The lesion in its place.
        organ: The gland.
    """
    lesion, length = place.lesion, organ.length_mm
    if lesion.kind == "pdac":
        shut = SHUT_SHARE * lesion.diameter_mm / length
        end = lesion.at + 0.5 * shut
        x, y, z = (float(c) for c in lean_mm(lesion, organ))
        wide = 0.5 * lesion.duct_mm
        return Disease("upstream", wide, at=end, shut=shut, ball_mm=lesion.radius_mm, centre_mm=(x, y, z))
    if lesion.kind == "ipmn_main":
        low, high = lesion.at - 0.5 * lesion.span, lesion.at + 0.5 * lesion.span
        return Disease("segment", 0.5 * lesion.duct_mm, start=max(low, 0.02), end=min(high, 1.0))
    if lesion.kind == "ipmn_branch":
        x, y, z = (float(c) for c in place.centre_mm)
        return Disease("cyst", CYST_DUCT_MM, at=lesion.at, ball_mm=lesion.radius_mm, centre_mm=(x, y, z))
    if lesion.kind == "chronic_pancreatitis":
        kind = "segment" if lesion.duct_mm > 0.0 else ""
        return Disease(kind, 0.5 * lesion.duct_mm, start=0.0, end=1.0, depth=lesion.beads, every_mm=BEAD_MM)
    return HEALTHY


def on_duct(place: Seat, network: DuctNetwork, organ: Organ) -> Seat:
    """Return a carcinoma over the main duct that it closes; any other lesion where it is."""
    main = network.segments[network.kind == Kind.MAIN, 1]
    if place.lesion.kind != "pdac" or not len(main):
        return place
    nodes = network.nodes_mm[main]
    row = middle_row(np.asarray(Axis(organ.axis_mm).fraction(nodes)), place.lesion.at)
    return place.moved_to(nodes[row] + lean_mm(place.lesion, organ))
