"""The files of a case, as bytes: what is written, and the hashes that prove it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pancreasgen.base.grid import Volume
from pancreasgen.dataset.build import Case
from pancreasgen.dataset.disk import sha256
from pancreasgen.dataset.ducts_io import graphml_bytes, swc_bytes, vtp_bytes
from pancreasgen.dataset.nifti import nifti_bytes, stored_array
from pancreasgen.dataset.scheme_files import scheme_files
from pancreasgen.dataset.sinogram_io import npz_bytes
from pancreasgen.network.network import DuctNetwork

Painters = Mapping[str, Callable[[Case], bytes]]
"""File name → function that draws a further file from a case, such as a preview."""

SINOGRAM_FILE = "sinogram.npz"
VOLUMES = ("ct", "labels", "ducts_fraction", "centerline")


def volumes(case: Case) -> dict[str, Volume]:
    """Return the volumes of a case by the name of their file."""
    return dict(zip(VOLUMES, (case.image, case.labels, case.duct_fraction, case.centerline), strict=True))


def case_files(case: Case, painters: Painters, schemes: Iterable[str] = ()) -> dict[str, bytes]:
    """Return file name → content of everything but ``case.json``.

    Args:
        case: The finished case.
        painters: Further files that somebody above this room draws.
        schemes: Names of label schemes to write beside the native one.
    """
    files = {f"{name}.nii.gz": nifti_bytes(volume) for name, volume in volumes(case).items()}
    files |= scheme_files(case.labels, schemes)
    files["ducts.graphml"] = graphml_bytes(case.network, case.organ, case.labels.grid)
    files["ducts.swc"] = swc_bytes(case.network)
    files["ducts.vtp"] = vtp_bytes(case.network)
    if case.sinogram is not None:
        files[SINOGRAM_FILE] = npz_bytes(case.sinogram, case.recipe.image_grid)
    return files | {name: paint(case) for name, paint in painters.items()}


def case_facts(case: Case) -> dict[str, Any]:
    """Return what ``case.json`` tells beside the files: recipe, measures, checks, dose, hashes of the bare arrays."""
    hashes = {name: array_sha256(volume) for name, volume in volumes(case).items()}
    return {
        "recipe": case.recipe.to_dict(),
        "measured": case.measures,
        "checks": [check.to_dict() for check in case.checks],
        "lesions": [finding.to_dict() for finding in case.findings],
        "dose": {"ctdi_vol_mgy": round(case.recipe.protocol.ctdi_vol_mgy(), 3)},  # an estimate, good to about 20 %
        "arrays": hashes | {"ducts": network_sha256(case.network)},
    }


def array_sha256(volume: Volume) -> str:
    """Return the SHA-256 of a volume's voxels as they are stored: the file's bytes after its 352-byte header."""
    return sha256(np.asfortranarray(stored_array(volume)).T.data.cast("B"))


def network_sha256(network: DuctNetwork) -> str:
    """Return the SHA-256 of all columns of a network, one after the other."""
    columns = (network.nodes_mm, network.radius_mm, network.segments, network.kind, network.order)
    return sha256(b"".join(np.ascontiguousarray(column).tobytes() for column in columns))
