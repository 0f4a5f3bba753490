"""The body for XCIST (catsim): one map of densities a basis material, their compositions, and the JSON that names them.

XCIST's voxelized phantom is, for each material, a file of float32 fractions (x fastest, then y, then z) and a text file
with density and mass fractions of the elements. The materials here have a density of 1 g/cm³, so that a fraction is a
density in g/cm³ and XCIST sees the same three basis materials as this program's scanner. The JSON has a list for each
fact, with an entry for each material; ``x_offset`` … is the place of the isocentre counted in voxels from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.scan.materials import BASIS, BONE_MINERAL, IODINE, WATER

PHANTOM_FILE, CONFIG_FILE = "phantom.json", "phantom.cfg"
COMPOSITIONS: Mapping[str, Mapping[str, float]] = dict(zip(BASIS, (WATER, BONE_MINERAL, IODINE), strict=True))
ATOMIC_NUMBERS = {"H": 1, "O": 8, "P": 15, "Ca": 20, "I": 53}


def material_name(material: str) -> str:
    """Return what a basis material is called in XCIST: a name that none of its own materials has."""
    return f"pancreasgen_{material}"


def xcist_files(materials: Volume, isocentre_mm: tuple[float, float, float]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a phantom, name and content, one at a time; a material that is nowhere is left out.

    Args:
        materials: Densities of the basis materials, quantity DENSITY [g/cm³].
        isocentre_mm: Point about which XCIST turns (x, y, z) [mm].

    Raises:
        BadInputError: If materials are no basis densities, or pixels are not square: XCIST knows one width for both.
    """
    if materials.quantity is not Quantity.DENSITY or materials.data.shape[0] != len(BASIS):
        raise BadInputError(f"densities of {', '.join(BASIS)} are wanted, not {materials.quantity.value}")
    grid = materials.grid
    if abs(grid.spacing_mm[0] - grid.spacing_mm[1]) > 1e-6:
        raise BadInputError(
            f"XCIST takes square pixels only; these are {grid.spacing_mm[0]:g} × {grid.spacing_mm[1]:g} mm",
            "resample the volume first",
        )
    used = [i for i in range(len(BASIS)) if materials.data[i].any()] or [0]
    for i in used:
        content = np.asfortranarray(materials.data[i], dtype="<f4").T.tobytes()
        yield f"{BASIS[i]}.raw", content
        yield material_name(BASIS[i]), material_text(BASIS[i]).encode()
    offset = [float(c) + 1.0 for c in grid.to_index(np.array(isocentre_mm))]
    columns = {
        "mat_name": [material_name(BASIS[i]) for i in used],
        "volumefractionmap_filename": [f"{BASIS[i]}.raw" for i in used],
        "volumefractionmap_datatype": ["float"] * len(used),
    }
    for name, value in zip(("cols", "rows", "slices"), grid.shape, strict=True):
        columns[name] = [value] * len(used)  # type: ignore[list-item]  # whole numbers here, texts above
    for axis, size, place in zip("xyz", grid.spacing_mm, offset, strict=True):
        columns[f"{axis}_size"] = [size] * len(used)  # type: ignore[list-item]  # numbers here
        columns[f"{axis}_offset"] = [place] * len(used)  # type: ignore[list-item]  # numbers here
    yield PHANTOM_FILE, canonical_json({"n_materials": len(used), **columns})
    yield CONFIG_FILE, _CONFIG.encode()


def material_text(material: str) -> str:
    """Return XCIST's text file of a basis material: number of elements, density, a line an element.

    >>> [line for line in material_text("iodine").splitlines() if line[:1].isdigit()]
    ['1', '1.0', '53 1.0']
    """
    elements = COMPOSITIONS[material]
    rows = [f"{ATOMIC_NUMBERS[element]} {fraction!r}" for element, fraction in elements.items()]
    head = f"# pancreasgen: {material}; density 1 g/cm3, so that a fraction is a density in g/cm3"
    return "\n".join(
        [head, "# number of elements", str(len(rows)), "# density", "1.0", "# Z, mass fraction", *rows, ""]
    )


_CONFIG = """# For XCIST: ct = xc.CatSim("phantom.cfg", "your_scanner.cfg")
# Run it in this folder, so that the materials are found.
phantom.callback = "Phantom_Voxelized"
phantom.projectorCallback = "C_Projector_Voxelized"
phantom.filename = "phantom.json"
phantom.centerOffset = [0.0, 0.0, 0.0]
phantom.scale = 1.0
"""
