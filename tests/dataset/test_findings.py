"""What is measured in a lesion: size, contrast and calibres against a scene whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import VALUES
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.findings import Scene, calibres_mm, examine
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.lesion import Lesion
from pancreasgen.organ.seat import seat
from pancreasgen.scan.protocol import load_protocol

LESION = Lesion(kind="pdac", at=0.5, diameter_mm=20)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Return a ball of 20 mm at 50 HU in a block of gland of 95 HU, and a duct of 2 mm that is 6 mm wide upstream."""
    organ = shape_organ(Gland(), Chance(3, 0, "organ"))
    n = len(organ.axis_mm)
    segments = np.column_stack([np.arange(n - 1), np.arange(1, n)]).astype(np.int32)
    radius = np.where(np.arange(n) > n // 2, 3.0, 1.0)
    network = DuctNetwork(
        organ.axis_mm, radius, segments, np.full(n - 1, Kind.MAIN, np.uint8), np.zeros(n - 1, np.int16)
    )
    grid = Grid.centred((50, 50, 30), (0.8, 0.8, 2.0), tuple(organ.axis_mm[n // 2]))
    x, y, z = grid.mesh_mm()
    ball = sum((c - m) ** 2 for c, m in zip((x, y, z), organ.axis_mm[n // 2], strict=True)) < 100.0
    labels = np.where(ball, VALUES["pdac"], VALUES["pancreas_body"]).astype(np.uint8)
    image = np.where(ball, 50, 95).astype(np.int16)
    return Scene(organ, network, Physique(), Volume(labels, grid, Quantity.LABEL), Volume(image, grid, Quantity.HU),
                 load_protocol("portal-venous"))  # fmt: skip


def test_size_and_contrast_are_the_scenes(scene: Scene) -> None:
    """A ball of 20 mm measures 20 mm within 2 %, 4.19 mL within 5 %, and 45 HU exactly; it is visible."""
    found = examine(seat(LESION, scene.organ, Chance(3, 0, "x")), scene)
    assert (found.visible, found.reason) == (True, "")
    assert found.measures["lesion.diameter_mm"] == pytest.approx(20, rel=0.02)
    assert found.measures["lesion.volume_ml"] == pytest.approx(4.19, rel=0.05)
    assert found.measures["lesion.contrast_hu"] == 45.0
    assert found.to_dict()["measured"] == found.measures


def test_calibres_are_those_on_either_side(scene: Scene) -> None:
    """Upstream 6 mm, downstream 2 mm."""
    found = calibres_mm(seat(LESION, scene.organ, Chance(3, 0, "x")), scene.network, scene.organ)
    assert found == {"lesion.duct_upstream_mm": 6.0, "lesion.duct_downstream_mm": 2.0}


def test_a_disease_without_mass_has_no_size(scene: Scene) -> None:
    """Chronic pancreatitis has calibres, no volume and no contacts, and counts as visible."""
    found = examine(seat(Lesion(kind="chronic_pancreatitis"), scene.organ, Chance(3, 0, "x")), scene)
    assert set(found.measures) == {"lesion.duct_upstream_mm", "lesion.duct_downstream_mm", "lesion.visible"}
    assert found.visible
