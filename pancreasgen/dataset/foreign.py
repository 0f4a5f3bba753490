"""Volumes that somebody else made: read, given matter, scanned."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import checked_number, nearest_name
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.disk import read_bytes
from pancreasgen.dataset.framing import parsed_like
from pancreasgen.dataset.keys import of_group
from pancreasgen.dataset.nifti import Orientation, read_nifti
from pancreasgen.dataset.protocol_file import find_protocol
from pancreasgen.dataset.scan_advice import about_gaps, about_numbers, about_views, about_width
from pancreasgen.scan.materials import from_hu
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.scan import Sinogram, measure, scan
from pancreasgen.scan.twin import twin_scan

_HU_RANGE = (-1024.0, 10_000.0)
_VOLUME_HU = (-3072.0, 20_000.0)  # from the lowest value that scanners pad with to far above any metal


def scanner(name: str, quick: bool, overrides: Mapping[str, str]) -> Protocol:
    """Return a protocol, of the catalogue or a user's file, with a user's changes.

    Raises:
        DiagnosticError: If the file has faults.
        UsageError: If a key is no ``protocol.…`` or a value is outside its range.
    """
    protocol = find_protocol(name).protocol
    protocol = protocol.quick() if quick else protocol
    known = [f"protocol.{item.name}" for item in fields(Protocol) if item.name != "name"]
    changes = {}
    for key, text in overrides.items():
        if key not in known:
            near = nearest_name(key, known)
            raise UsageError(f"there is no setting `{key}` for a scan", f"did you mean `{near}`?" if near else "")
        field = key.partition(".")[2]
        changes[field] = parsed_like(key, text, getattr(protocol, field))
    with of_group("protocol"):
        return replace(protocol, **changes)


def read_source(path: Path, table: Path | None) -> tuple[Volume, Orientation]:
    """Return a volume of HU, read as such or made from labels and a table.

    Scanners fill what they did not measure with values down to −3072; whatever lies below −1000 HU is scanned as
    −1000 HU, nothing.

    Args:
        path: The volume.
        table: CSV with the columns ``value`` and ``hu``, if the volume holds labels.

    Raises:
        BadInputError: If a file is wrong, a value is no HU (outside −3072 to 20,000), or a label is not in the table.
        MissingInputError: If a file is missing.
    """
    if table is None:
        volume, orientation = read_nifti(path, Quantity.HU)
        _check_hu(volume, path)
        return volume, orientation
    hu_of = read_table(table)
    labels, orientation = read_nifti(path, Quantity.LABEL)
    present = np.unique(labels.data).tolist()
    missing = [value for value in present if value not in hu_of]
    if missing:
        raise BadInputError(f"{table} says no HU for the labels {', '.join(map(str, missing[:20]))} of {path}")
    lookup = np.zeros(256, dtype=np.float32)
    lookup[list(hu_of)] = list(hu_of.values())
    return Volume(lookup[labels.data], labels.grid, Quantity.HU), orientation


def _check_hu(volume: Volume, path: Path) -> None:
    """Refuse a volume whose numbers cannot be HU."""
    low, high = _VOLUME_HU
    # Infinity is outside too; NaN compares as nothing and is refused by `from_hu`.
    for value in (float(volume.data.min()), float(volume.data.max())):
        if value < low or value > high:
            raise BadInputError(
                f"{path} holds the value {value:g}; HU lie between {low:g} and {high:g}",
                "if the volume holds labels, say their HU with --labels TABLE.csv; if it holds other numbers,\n"
                "make HU of them (water 0, air −1000)",
            )


def read_table(path: Path) -> dict[int, float]:
    """Return label → HU of a CSV file with the columns ``value`` and ``hu``.

    Raises:
        BadInputError: If a column is missing, or a number is impossible; the message names the line.
    """
    try:
        text = read_bytes(path, "table", 1_000_000).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text") from error
    reader = csv.DictReader(io.StringIO(text))
    names = [name.strip().lower() for name in reader.fieldnames or []]
    if "value" not in names or "hu" not in names:
        raise BadInputError(f"{path} must have the columns `value` and `hu`, not {', '.join(names) or 'none'}")
    reader.fieldnames = names
    found: dict[int, float] = {}
    for line, row in enumerate(reader, start=2):
        try:
            value = checked_number("value", row["value"], 0, 255)
            found[int(value)] = checked_number("hu", row["hu"], *_HU_RANGE, "HU")
        except UsageError as error:
            raise BadInputError(f"{path}, line {line}: {error.message}") from error
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A foreign volume, given matter, with the scanner fitted to it.

    Attributes:
        materials: Densities of the basis materials.
        protocol: The setting; its slices are the volume's.
        chance: Stream of the noise.
        warnings: What the user should know, a sentence each.
    """

    materials: Volume
    protocol: Protocol
    chance: Chance
    warnings: tuple[str, ...]

    @property
    def isocentre_mm(self) -> tuple[float, float, float]:
        """The middle of the volume, on the axis of rotation [mm]."""
        grid = self.materials.grid
        x, y, z = (o + (n - 1) / 2.0 * s for o, n, s in zip(grid.origin_mm, grid.shape, grid.spacing_mm, strict=True))
        return x, y, z

    def scanned(self, report: Callable[[float], None]) -> Volume:
        """Return the CT [HU] on the volume's own grid; the report is told how much is done, 0 to 1."""
        make = twin_scan if self.protocol.fidelity == "fast" else scan
        return make(self.materials, self.protocol, self.materials.grid, self.chance, report)

    def measured(self, report: Callable[[float], None]) -> Sinogram:
        """Return the measurements of which :meth:`scanned` makes the CT.

        Raises:
            UsageError: If the scan is a fast one, which measures nothing.
        """
        self.protocol.check_measures()
        return measure(self.materials, self.protocol, self.materials.grid, self.chance, report)


def lay(source: Volume, protocol: Protocol, seed: int, name: str) -> Bench:
    """Return a volume of HU as a body on the table.

    Args:
        source: HU, RAS+.
        protocol: The scanner's setting; its matrix, field of view and slice distance give way to the volume's grid.
        seed: Seed of the noise.
        name: What the user calls the volume.

    Raises:
        BadInputError: If slices are missing in its midst, or it holds NaN or infinity.
    """
    told = about_numbers(source, name) + about_gaps(source, name)
    materials, scanner = from_hu(source), fitted(protocol, source.grid)
    bench = Bench(materials, scanner, Chance(seed, 0, "noise"), ())
    told += about_width(materials, scanner, bench.isocentre_mm[:2]) + about_views(scanner, source.grid)
    return replace(bench, warnings=tuple(told))


def fitted(protocol: Protocol, grid: Grid) -> Protocol:
    """Return the protocol with slices that lie on the grid's planes, as thick as they are apart.

    The rows' height becomes the nearest one of which a whole number fits into a slice.
    """
    step = grid.spacing_mm[2]
    row = step / max(1, round(step / protocol.row_mm))
    return replace(protocol, row_mm=row, slice_thickness_mm=step, slice_increment_mm=step)
