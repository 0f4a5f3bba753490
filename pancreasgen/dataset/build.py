"""The story on one page: grow, fill, scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pancreasgen.anatomy.phantom import Phantom, compose
from pancreasgen.anatomy.slices import fraction_on, labels_on
from pancreasgen.anatomy.voxelize import draw_centerline
from pancreasgen.base.grid import Volume
from pancreasgen.dataset.checks import Check, check_case
from pancreasgen.dataset.findings import Finding, Scene, examine
from pancreasgen.dataset.measure import measure_case
from pancreasgen.dataset.nifti import stored_array
from pancreasgen.dataset.recipe import Recipe
from pancreasgen.network.illness import grow_in
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.gland import shape_organ
from pancreasgen.organ.organ import Organ
from pancreasgen.scan.scan import Sinogram, measure, reconstruct_sinogram, scan
from pancreasgen.scan.twin import twin_scan

Report = Callable[[str, float], None]
"""Called with the name of a stage and how much of it is done, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One synthetic CT with its truth.

    Attributes:
        recipe: What was decided.
        organ: The gland.
        network: The ducts.
        phantom: The anatomy on the fine grid.
        image: The CT [HU].
        labels: Native labels on the CT's grid.
        duct_fraction: Share of each CT voxel that is duct lumen, 0–255.
        centerline: :class:`~pancreasgen.network.network.Kind` of the duct whose middle line crosses the voxel, or 0.
        measures: What was measured in the result, by dotted name.
        checks: What was compared with what is anatomically possible.
        findings: What was measured in each lesion, and whether it can be seen.
        sinogram: What the scanner measured, if it was asked for.
    """

    recipe: Recipe
    organ: Organ
    network: DuctNetwork
    phantom: Phantom
    image: Volume
    labels: Volume
    duct_fraction: Volume
    centerline: Volume
    measures: dict[str, float]
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...] = ()
    sinogram: Sinogram | None = None


def silent(stage: str, fraction: float) -> None:
    """Report nothing."""


def build_case(recipe: Recipe, report: Report = silent, keep_sinogram: bool = False) -> Case:
    """Grow, fill, scan: a pure function of the recipe.

    Args:
        recipe: What was decided.
        report: Told about each stage's progress.
        keep_sinogram: Keep what the scanner measured; the image is the same.

    Raises:
        PancreasgenError: If the grammar cannot grow in this organ, or a number in the recipe is impossible.
    """
    subject, protocol, grid = recipe.subject, recipe.protocol, recipe.image_grid
    report("organ", 0.0)
    organ = shape_organ(subject.gland, recipe.chance("organ"), subject.lesions)
    report("ducts", 0.0)
    network, seats = grow_in(recipe.grammar, organ, subject.ducts, subject.lesions, recipe.chance("growth"))
    report("tissue", 0.0)
    tissue, phase = recipe.chance("tissue"), protocol.phase
    phantom = compose(organ, network, subject.physique, recipe.phantom_grid, phase, tissue, recipe.vessels, seats)
    report("scan", 0.0)
    image, sinogram = _scanned(phantom.materials, recipe, report, keep_sinogram)
    report("truth", 0.0)
    labels = labels_on(phantom, network, grid)
    fraction = fraction_on(phantom, grid)
    centerline = draw_centerline(network, grid, tuple(Kind))
    stored = Volume(stored_array(image), grid, image.quantity)  # what files hold is measured, so that it can be again
    measures = measure_case(organ, network, labels, stored, fraction, centerline)
    findings = tuple(examine(seat, Scene(organ, network, subject.physique, labels, stored, protocol)) for seat in seats)
    measures |= {name: value for finding in findings for name, value in finding.measures.items()}
    checks = check_case(measures, protocol.phase, recipe.ranges, protocol.kvp)
    return Case(
        recipe, organ, network, phantom, image, labels, fraction, centerline, measures, checks, findings, sinogram
    )  # fmt: skip


def _scanned(materials: Volume, recipe: Recipe, report: Report, keep: bool) -> tuple[Volume, Sinogram | None]:
    """Return the CT, and what was measured if it is kept; without it, memory does not grow with the rows."""
    protocol, grid, chance = recipe.protocol, recipe.image_grid, recipe.chance("noise")
    if not keep:
        make = twin_scan if protocol.fidelity == "fast" else scan
        return make(materials, protocol, grid, chance, lambda done: report("scan", done)), None
    protocol.check_measures()
    sinogram = measure(materials, protocol, grid, chance, lambda done: report("scan", 0.6 * done))
    image = reconstruct_sinogram(sinogram, protocol, grid, lambda done: report("scan", 0.6 + 0.4 * done))
    return image, sinogram
