"""What is measured in a lesion, and whether a reader of the images could see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pancreasgen.anatomy.aftermath import contacts_deg, vessels_with
from pancreasgen.anatomy.lesions import LABEL_OF
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import PARENCHYMA, VALUES
from pancreasgen.anatomy.vessels import build_vessels
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Volume
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.trunk import Axis
from pancreasgen.organ.organ import Organ
from pancreasgen.organ.seat import Seat
from pancreasgen.scan.protocol import Protocol

LEAST_VOXELS = 2.0
"""A mass is seen if it is this many voxels wide in the slice and as high as one slice at least (assumed)."""
LEAST_CONTRAST_HU = 10.0
"""A solid mass is seen if it differs from the gland by this much; 9 HU counts as isoattenuating (PMID 12202711)."""
_FEW = 20


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A finished case, as far as a lesion's findings need it."""

    organ: Organ
    network: DuctNetwork
    physique: Physique
    labels: Volume
    image: Volume
    protocol: Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """What was found in one lesion.

    Attributes:
        kind: What it is.
        visible: Whether it can be seen at the case's resolution and contrast.
        reason: Why not; empty if it can.
        measures: Dotted name → value.
    """

    kind: str
    visible: bool
    reason: str
    measures: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"kind": self.kind, "visible": self.visible, "reason": self.reason, "measured": dict(self.measures)}


def examine(seat: Seat, scene: Scene) -> Finding:
    """Measure a lesion in a finished case, and say whether it can be seen.

    Volume and equivalent diameter come from the labels, contrast from the image away from borders (parenchyma minus
    lesion, medians), the calibre of the main duct from the network, contact with vessels from their courses.

    Args:
        seat: The lesion in its place.
        scene: The case.
    """
    measures: dict[str, float] = {}
    lesion, data = seat.lesion, scene.labels.data
    if lesion.kind in LABEL_OF:
        mine = data == VALUES[LABEL_OF[lesion.kind]]
        volume = float(mine.sum()) * scene.labels.grid.voxel_ml
        measures["lesion.volume_ml"] = volume
        measures["lesion.diameter_mm"] = float((6000.0 * volume / np.pi) ** (1 / 3))
        contrast = _contrast_hu(mine, data, scene.image)
        if contrast is not None:
            measures["lesion.contrast_hu"] = contrast
    calibres = calibres_mm(seat, scene.network, scene.organ)
    measures |= calibres
    if lesion.kind == "pdac" and lesion.duct_mm > 0.0 and len(calibres) == 2:
        narrower = calibres["lesion.duct_downstream_mm"] - calibres["lesion.duct_upstream_mm"]
        measures["upstream.narrower_mm"] = max(narrower, 0.0)
    if lesion.is_mass:
        # how a splenic artery winds does not matter here, so any stream does
        vessels = vessels_with(build_vessels(scene.organ, scene.physique, Chance(0, 0, "vessels")), [seat])
        measures |= {f"lesion.contact_{name}_deg": value for name, value in contacts_deg(seat, vessels).items()}
    reason = hidden(seat, scene.protocol, scene.labels.grid.spacing_mm[0])
    measures["lesion.visible"] = float(not reason)
    return Finding(lesion.kind, not reason, reason, {name: round(value, 3) for name, value in measures.items()})


def hidden(seat: Seat, protocol: Protocol, pixel_mm: float) -> str:
    """Return why a lesion cannot be seen in a scan, empty if it can.

    Diseases without a mass show by what they do to gland and ducts.

    Args:
        seat: The lesion.
        protocol: The scan.
        pixel_mm: Width of a pixel [mm].
    """
    lesion = seat.lesion
    if not lesion.is_mass:
        return ""
    least = max(LEAST_VOXELS * pixel_mm, protocol.slice_thickness_mm)
    if lesion.diameter_mm < least:
        return f"too small: {lesion.diameter_mm:.1f} mm wide, and the scan shows what is wider than {least:.1f} mm"
    if lesion.kind in ("pdac", "pnet"):
        contrast = lesion.contrast_hu(protocol.phase, 100.0)
        if abs(contrast) < LEAST_CONTRAST_HU:
            return (
                f"as bright as the gland: it differs by {abs(contrast):.1f} HU in the {protocol.phase} phase, "
                f"less than {LEAST_CONTRAST_HU:g} HU"
            )
    return ""


def calibres_mm(seat: Seat, network: DuctNetwork, organ: Organ) -> dict[str, float]:
    """Return the main duct's diameter upstream and downstream of a lesion [mm], by name; the greatest on either side.

    Within the lesion's own diameter neither side is asked.

    Args:
        seat: The lesion.
        network: The ducts.
        organ: The gland.
    """
    rows = network.segments[network.kind == Kind.MAIN, 1]
    if not len(rows):
        return {}
    place = np.asarray(Axis(organ.axis_mm).fraction(network.nodes_mm[rows]))
    half = 0.5 * seat.lesion.diameter_mm / organ.length_mm if seat.lesion.is_mass else 0.0
    found = {}
    sides = (("upstream", place > seat.lesion.at + half), ("downstream", place < seat.lesion.at - half))
    for name, there in sides:
        if there.any():
            found[f"lesion.duct_{name}_mm"] = 2.0 * float(network.radius_mm[rows[there]].max())
    return found


def _contrast_hu(mine: NDArray[np.bool_], labels: NDArray[np.uint8], image: Volume) -> float | None:
    gland = (labels >= min(PARENCHYMA)) & (labels <= max(PARENCHYMA))
    medians = []
    for mask in (gland, mine):
        inner = ndimage.binary_erosion(mask)
        inner = inner if inner.sum() >= _FEW else mask
        if inner.sum() < _FEW:
            return None
        medians.append(float(np.median(image.data[inner])))
    return medians[0] - medians[1]
