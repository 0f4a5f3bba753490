"""Sinograms on disk: one ``.npz``, or a ``.json`` with bare float32 numbers beside it that any tool reads.

Both hold the rows one after the other, each (views, bins), and the same description: units, geometry, protocol. The
geometry is told in full, so that other tools need not know what a protocol is; here it must agree with it.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import checked_number, lock
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.dataset.disk import explaining, input_size
from pancreasgen.dataset.keys import from_file, taken
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.dataset.store import read_json
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.scan import Sinogram

FORMAT, VERSION, KIND = "pancreasgen sinogram", 1, "arc fan"
SUFFIXES = (".npz", ".json")
_MOST_DESCRIPTION = 1_000_000
_MOST_READINGS = 2_000_000_000
_LONGEST_MM = 10_000.0
_ROWS_AT_ONCE = 16  # a cache line of float32
_SAME = 1e-9  # relative: numbers of a JSON text are exact, those of another program's arithmetic nearly


def describe(sinogram: Sinogram, grid: Grid | None = None) -> dict[str, Any]:
    """Return what both formats tell about a sinogram, JSON-ready.

    Args:
        sinogram: The measurements.
        grid: Image that is reconstructed if nobody asks for another.
    """
    views, bins, rows = sinogram.data.shape
    return {
        "format": FORMAT,
        "version": VERSION,
        "synthetic": True,
        "quantity": "path of water behind each reading, corrected for air and beam hardening; 0 is air",
        "unit": "mm",
        "dtype": "<f4",
        "order": ["row", "view", "bin"],
        "shape": [rows, views, bins],
        "space": "RAS+ mm",
        "geometry": geometry(sinogram),
        "protocol": sinogram.protocol.to_dict(),
        "image_grid": None if grid is None else grid.to_dict(),
    }


def geometry(sinogram: Sinogram) -> dict[str, Any]:
    """Return where the rays of a sinogram run, in numbers that need no protocol.

    The focus of view v is at the isocentre + ``source_to_isocentre_mm`` · (−sin β, cos β) with β = ``first_view_rad`` +
    v · ``view_step_rad``; the ray of bin k leaves it along (sin α, −cos α) with α = β + (k − ``central_bin``) ·
    ``bin_angle_rad``; row r lies at z = ``first_row_mm`` + r · ``row_mm``.
    """
    protocol = sinogram.protocol
    angles, fan = protocol.view_angles_rad(), protocol.bin_angles_rad()
    return {
        "kind": KIND,
        "first_view_rad": float(angles[0]),
        "view_step_rad": float(angles[1] - angles[0]),
        "bin_angle_rad": protocol.bin_angle_rad,
        "central_bin": float(-fan[0] / protocol.bin_angle_rad),
        "source_to_isocentre_mm": protocol.source_to_isocentre_mm,
        "source_to_detector_mm": protocol.source_to_detector_mm,
        "isocentre_mm": [float(c) for c in sinogram.isocentre_mm],
        "first_row_mm": float(sinogram.first_row_mm),
        "row_mm": protocol.row_mm,
    }


def npz_bytes(sinogram: Sinogram, grid: Grid | None = None) -> bytes:
    """Return a sinogram as the bytes of a ``.npz`` file: the same sinogram gives the same bytes.

    Members: ``sinogram`` (rows, views, bins) float32 [mm of water], ``view_rad`` (views,), ``bin_rad`` (bins,),
    ``z_mm`` (rows,) and ``description``, the JSON text of :func:`describe`. Nothing is pickled.
    """
    protocol, rows = sinogram.protocol, sinogram.data.shape[2]
    small = {
        "view_rad": protocol.view_angles_rad(),
        "bin_rad": protocol.bin_angles_rad(),
        "z_mm": sinogram.first_row_mm + protocol.row_mm * np.arange(rows),
        "description": np.array(canonical_json(describe(sinogram, grid)).decode()),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        with packed.open(zipfile.ZipInfo("sinogram.npy"), "w", force_zip64=True) as member:
            shape = (rows, protocol.num_views, protocol.num_bins)
            head = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, head)
            for block in _by_rows(sinogram):
                member.write(block.data)
        for name, array in small.items():
            with packed.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return stream.getvalue()


def raw_files(sinogram: Sinogram, name: str, grid: Grid | None = None) -> dict[str, bytes]:
    """Return a sinogram as two files: ``name.raw``, bare little-endian float32, and ``name.json``, which describes it.

    Args:
        sinogram: The measurements.
        name: Name of both files, without the suffix.
        grid: Image that is reconstructed if nobody asks for another.
    """
    told = describe(sinogram, grid) | {"data": f"{name}.raw"}
    return {f"{name}.raw": b"".join(block.data for block in _by_rows(sinogram)), f"{name}.json": canonical_json(told)}


def _by_rows(sinogram: Sinogram) -> Iterator[NDArray[np.float32]]:
    """Yield the rows, a few at a time, as they lie in the files; no second copy of the whole is made."""
    for first in range(0, sinogram.data.shape[2], _ROWS_AT_ONCE):
        part = sinogram.data[:, :, first : first + _ROWS_AT_ONCE]
        yield np.ascontiguousarray(part.transpose(2, 0, 1), dtype="<f4")


def read_sinogram(path: Path) -> tuple[Sinogram, Grid | None]:
    """Read a sinogram of either format, and the image grid that it was made for, if it tells one.

    Raises:
        MissingInputError: If there is no such file, or the ``.raw`` beside a ``.json`` is missing.
        NoPermissionError: If a file may not be read.
        BadInputError: If it is no sinogram, its geometry is not that of its protocol or not an arc fan, its size does
            not fit, or a reading is NaN, infinite or impossible.
        UsageError: If the name ends in neither suffix.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path} must end in {' or '.join(SUFFIXES)}", "sinograms are written by `pancreasgen scan`")
    told, data = _read_npz(path) if path.suffix == ".npz" else _read_raw(path)
    with _about(path):
        sinogram = _sinogram(told, data)
        grid = None if told.get("image_grid") is None else _grid(told["image_grid"])
    return sinogram, grid


class _about:  # noqa: N801 (reads as a word in `with`)
    """Let errors of the block name the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, BadInputError):
            raise BadInputError(f"{self._path}: {error.message}", error.hint) from error


def _grid(data: Any) -> Grid:
    with from_file("image_grid"):
        return Grid.from_dict(data)


def _read_npz(path: Path) -> tuple[dict[str, Any], NDArray[Any]]:
    input_size(path, "sinogram")
    with explaining(path, "read"), path.open("rb") as stream:
        try:
            members = np.load(stream, allow_pickle=False)
            if not isinstance(members, np.lib.npyio.NpzFile):
                raise BadInputError(f"{path} holds a bare array and no description", "give a .npz that `scan` wrote")
            with members:
                return _members(members, path)
        except (zipfile.BadZipFile, EOFError, ValueError, KeyError, RuntimeError, zlib.error) as error:
            raise BadInputError(f"{path} is not a sound .npz file: {error}", "fetch or make it again") from error


def _members(members: np.lib.npyio.NpzFile, path: Path) -> tuple[dict[str, Any], NDArray[Any]]:
    """Return description and readings; sizes are looked at before anything is unpacked."""
    if not {"description", "sinogram"} <= set(members.files):
        raise BadInputError(
            f"{path} is no sinogram: it holds {', '.join(sorted(members.files)) or 'nothing'}",
            "`sinogram` and `description` are wanted; see docs/scan.md",
        )
    claimed = 0 if members.zip is None else max(item.file_size for item in members.zip.infolist())
    if claimed > 4 * _MOST_READINGS + 1000:
        raise BadInputError(f"{path} claims {claimed:,} bytes; the limit is {4 * _MOST_READINGS:,}")
    text = members["description"]
    if text.dtype.kind != "U" or text.shape != () or text.dtype.itemsize > 4 * _MOST_DESCRIPTION:
        raise BadInputError(f"{path} has no text as its description")
    return _object(str(text), path), members["sinogram"]


def _object(text: str, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} has a description that is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadInputError(f"{path} has a description that is not a JSON object")
    return data


def _read_raw(path: Path) -> tuple[dict[str, Any], NDArray[Any]]:
    told = read_json(path)
    with _about(path):
        name = taken(told, "data", str)
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise BadInputError(f"`data` must be the name of a file beside it, not {name!r}")
        shape = _shape(told)
    size = input_size(path.parent / name, "raw sinogram")
    if size != 4 * math.prod(shape):
        raise BadInputError(
            f"{path.parent / name} has {size:,} bytes; {' × '.join(map(str, shape))} float32 numbers have "
            f"{4 * math.prod(shape):,}"
        )
    with explaining(path.parent / name, "read"):
        return told, np.fromfile(path.parent / name, dtype="<f4").reshape(shape)


def _shape(told: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the checked (rows, views, bins) of a description."""
    for key, wanted in (("format", FORMAT), ("version", VERSION), ("dtype", "<f4"), ("unit", "mm")):
        if told.get(key) != wanted:
            raise BadInputError(f"`{key}` must be {wanted!r}, not {str(told.get(key))[:40]!r}")
    if told.get("order") != ["row", "view", "bin"]:
        raise BadInputError(
            f"`order` must be row, view, bin, not {str(told.get('order'))[:60]}", "transpose the numbers"
        )
    shape = taken(told, "shape", list)
    if len(shape) != 3 or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in shape):
        raise BadInputError(f"`shape` must be three whole numbers (rows, views, bins), not {str(shape)[:60]}")
    if math.prod(shape) > _MOST_READINGS:
        raise BadInputError(f"the sinogram claims {math.prod(shape):,} readings; the limit is {_MOST_READINGS:,}")
    return shape[0], shape[1], shape[2]


def _sinogram(told: Mapping[str, Any], data: NDArray[Any]) -> Sinogram:
    shape, place = _shape(told), taken(told, "geometry", dict)
    if place.get("kind") != KIND:
        raise BadInputError(f"the geometry is `{str(place.get('kind'))[:40]}`; what is reconstructed here is `{KIND}`")
    with from_file("protocol"):
        protocol = Protocol.from_dict(taken(told, "protocol", dict))
    if shape[1:] != (protocol.num_views, protocol.num_bins):
        raise BadInputError(
            f"the sinogram has {shape[1]} views of {shape[2]} bins; its protocol tells {protocol.num_views} of "
            f"{protocol.num_bins}"
        )
    if data.shape != shape or data.dtype != np.dtype("<f4"):
        raise BadInputError(f"the numbers are {data.shape} of type {data.dtype}; {shape} of float32 are described")
    with from_file("geometry"):
        centre = [checked_number("isocentre_mm", c, -2000.0, 2000.0, "mm") for c in taken(place, "isocentre_mm", list)]
        x, y = centre
        first = checked_number("first_row_mm", place["first_row_mm"], -2000.0, 2000.0, "mm")
    _check_readings(data)
    sinogram = Sinogram(lock(np.ascontiguousarray(data.transpose(1, 2, 0))), protocol, (x, y), first)
    for name, own in geometry(sinogram).items():
        if isinstance(own, float) and not _agrees(place.get(name), own):
            raise BadInputError(
                f"`geometry.{name}` is {str(place.get(name))[:40]}; the protocol makes it {own!r}",
                "a sinogram of another geometry needs the protocol that measured it",
            )
    return sinogram


def _agrees(told: Any, own: float) -> bool:
    number = isinstance(told, int | float) and not isinstance(told, bool)
    return number and math.isclose(told, own, rel_tol=_SAME, abs_tol=_SAME)


def _check_readings(data: NDArray[np.float32]) -> None:
    low, high = float(data.min()), float(data.max())
    if not (math.isfinite(low) and math.isfinite(high)):  # NaN in the array is NaN in both
        row, view, bin_ = (int(i) for i in np.argwhere(~np.isfinite(data))[0])
        raise BadInputError(f"the sinogram holds NaN or infinity, first in row {row}, view {view}, bin {bin_}")
    if low < -_LONGEST_MM or high > _LONGEST_MM:
        raise BadInputError(
            f"the sinogram holds the value {low if low < -_LONGEST_MM else high:g}; paths of water [mm] are wanted",
            "divide line integrals −log(I/I₀) by the attenuation of water per mm",
        )
