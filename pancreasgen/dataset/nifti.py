"""NIfTI-1 files: every header field is written; every header field that matters is checked before memory is taken."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from nibabel.nifti1 import header_dtype
from numpy.typing import NDArray

from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import COORDINATE_LIMIT_MM, MAX_VOXELS, SPACING_RANGE_MM, Grid, Quantity, Volume
from pancreasgen.dataset.disk import explaining, input_size

_HEADER = header_dtype.newbyteorder("<")
_CODES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024}
_TYPES = {code: np.dtype(name) for name, code in _CODES.items()}
_OTHER_TYPES = {32: "complex numbers", 128: "RGB colours", 1536: "128-bit numbers", 2304: "RGBA colours"}
_INTENT_LABEL = 1002
_MM, _UNIT_SCALE_MM = 2, {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_DEFLATE_LIMIT = 1032  # zlib cannot pack tighter than this, so a larger claim is a lie
_OBLIQUE_LIMIT_RAD = 2e-3


@dataclass(frozen=True, slots=True, eq=False)
class Orientation:
    """How a file's array lies in the world: the way in and the way back.

    Attributes:
        axes: For each world axis x, y, z the array axis that runs along it.
        flips: For each world axis whether the array runs against it.
        affine: The file's own 4 × 4 matrix [mm].
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    affine: NDArray[np.float64]

    def to_ras(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array indexed along +x (right), +y (front), +z (head)."""
        turned = np.transpose(array, self.axes)
        return turned[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

    def from_ras(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a RAS+ array in the file's own order; the inverse of :meth:`to_ras`."""
        unflipped = array[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]
        return np.transpose(unflipped, np.argsort(self.axes))


def nifti_bytes(volume: Volume, orientation: Orientation | None = None) -> bytes:
    """Return a volume as the bytes of a ``.nii.gz`` file: the same volume gives the same bytes.

    HU become int16 (rounded, −1024 at least), labels and fractions stay uint8, others float32.

    Args:
        volume: The numbers; DENSITY is not possible.
        orientation: Write in this array order and affine (of a file that was read) instead of RAS+.
    """
    array = stored_array(volume)
    affine = volume.grid.affine
    if orientation is not None:
        array, affine = orientation.from_ras(array), orientation.affine
    header = _header(array, affine, volume.quantity)
    stream = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=1, mtime=0) as packed:
        packed.write(header.tobytes() + b"\0\0\0\0")
        packed.write(np.asfortranarray(array).T.data)
    return stream.getvalue()


def stored_array(volume: Volume) -> NDArray[Any]:
    """Return the array as it is stored on disk: int16 HU, uint8 labels and fractions, else float32 (x, y, z)."""
    if volume.quantity is Quantity.HU:
        return np.asarray(np.clip(np.rint(volume.data), -1024, 32767).astype("<i2"))
    if volume.quantity in (Quantity.LABEL, Quantity.FRACTION):
        return np.asarray(volume.data.astype("u1", casting="same_kind", copy=False))
    if volume.quantity is Quantity.DENSITY:
        raise BadInputError("basis densities are not stored as NIfTI")
    return np.asarray(volume.data.astype("<f4", copy=False))


def _header(array: NDArray[Any], affine: NDArray[np.float64], quantity: Quantity) -> NDArray[Any]:
    """Return the 348 bytes as a structured scalar; the affine must be a turn by right angles with spacing."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    quaternion, handedness = _quaternion(affine[:3, :3] / spacing)
    head = np.zeros((), dtype=_HEADER)
    head["sizeof_hdr"], head["regular"], head["magic"] = 348, b"r", b"n+1"
    head["dim"] = [3, *array.shape, 1, 1, 1, 1]
    head["pixdim"] = [handedness, *spacing, 0, 0, 0, 0]
    head["datatype"], head["bitpix"] = _CODES[array.dtype.str[1:]], array.dtype.itemsize * 8
    head["vox_offset"], head["scl_slope"], head["scl_inter"] = 352, 1, 0
    head["xyzt_units"], head["descrip"] = _MM, b"pancreasgen: synthetic, not a patient"
    head["qform_code"] = head["sform_code"] = 1
    head["quatern_b"], head["quatern_c"], head["quatern_d"] = quaternion
    head["qoffset_x"], head["qoffset_y"], head["qoffset_z"] = affine[:3, 3]
    head["srow_x"], head["srow_y"], head["srow_z"] = affine[:3]
    if quantity is Quantity.LABEL:
        head["intent_code"], head["intent_name"] = _INTENT_LABEL, b"labels"
    return head


def _quaternion(rotation: NDArray[np.float64]) -> tuple[tuple[float, float, float], float]:
    """Return (b, c, d) and qfac of a rotation or rotoreflection (NIfTI-1 standard, method 2)."""
    if np.array_equal(rotation, np.eye(3)):
        return (0.0, 0.0, 0.0), 1.0
    from nibabel.quaternions import mat2quat

    handedness = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    turn = rotation * [1.0, 1.0, handedness]
    _, b, c, d = mat2quat(turn)
    return (float(b), float(c), float(d)), handedness


def read_nifti(path: Path, quantity: Quantity, oblique: bool = False) -> tuple[Volume, Orientation]:
    """Read a NIfTI-1 file, whatever its orientation, onto a RAS+ grid.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file.
        quantity: What the numbers mean; LABEL must be whole numbers 0–255, HU become float32.
        oblique: Take a turned grid in its own frame, as if it were not turned; the orientation knows the way back.

    Raises:
        MissingInputError: If there is no such file.
        NoPermissionError: If it may not be read.
        BadInputError: If the header is wrong, the grid oblique, sheared or too large, the file cut off, or a value
            is not finite.
    """
    head, array = read_stored(path)
    orientation, grid = _placed(head, path, oblique)
    return _volume(orientation.to_ras(array), head, grid, quantity, path), orientation


def read_stored(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the checked header of a NIfTI-1 file and its voxels (i, j, k) as stored, without the scale.

    Raises:
        MissingInputError: If there is no such file.
        NoPermissionError: If it may not be read.
        BadInputError: If the header is wrong, the volume too large, or the file is cut off.
    """
    size = input_size(path, "volume")
    if not path.name.endswith((".nii", ".nii.gz")):
        raise BadInputError(f"{path} is not a .nii or .nii.gz file")
    with explaining(path, "read"), path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: BinaryIO = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]  # a GzipFile reads like any file
        try:
            head = _checked_header(stream.read(348), path, size * _DEFLATE_LIMIT if packed else size)
            stream.seek(int(head["vox_offset"]))
            return head, _read_array(stream, head, path)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BadInputError(f"{path} is damaged: {error}", "fetch or make the file again") from error


def _checked_header(raw: bytes, path: Path, most_bytes: int) -> NDArray[Any]:
    """Return the header if sizes, type and spacing are possible; nothing large was read or allocated yet."""
    if len(raw) < 348:
        raise BadInputError(f"{path} is too short to be a NIfTI file")
    head = np.frombuffer(raw, dtype=_HEADER)[0]
    if head["sizeof_hdr"] != 348:
        head = np.frombuffer(raw, dtype=_HEADER.newbyteorder(">"))[0]
    if head["sizeof_hdr"] != 348 or head["magic"] not in (b"n+1", b"n+1\0"):
        raise BadInputError(f"{path} is not a NIfTI-1 file")
    rank, dims = int(head["dim"][0]), [int(n) for n in head["dim"][1:]]
    if not 3 <= rank <= 7 or min(dims[:3]) < 1 or any(n != 1 for n in dims[3:rank]):
        raise BadInputError(f"{path} must hold one volume with three sizes above 0, not {dims[: max(rank, 0)]}")
    if math.prod(dims[:3]) > MAX_VOXELS:
        raise BadInputError(f"{path} claims {math.prod(dims[:3]):,} voxels; the limit is {MAX_VOXELS:,}")
    if int(head["datatype"]) not in _TYPES:
        code = int(head["datatype"])
        raise BadInputError(
            f"{path} holds {_OTHER_TYPES.get(code, f'numbers of NIfTI type {code}')}, which cannot be read"
        )
    if not (352 <= head["vox_offset"] <= 1_000_000):
        raise BadInputError(f"{path} says that its voxels begin at byte {head['vox_offset']}")
    claimed = int(head["vox_offset"]) + math.prod(dims[:3]) * _TYPES[int(head["datatype"])].itemsize
    if claimed > most_bytes:
        raise BadInputError(f"{path} claims {claimed:,} bytes, more than it can hold: it is cut off or damaged")
    return np.asarray(head)


def _read_array(stream: BinaryIO, head: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return the voxels (i, j, k) as stored, without the scale."""
    shape = tuple(int(n) for n in head["dim"][1:4])
    order = head.dtype["sizeof_hdr"].byteorder
    dtype = _TYPES[int(head["datatype"])].newbyteorder(">" if order == ">" else "<")
    content = stream.read(math.prod(shape) * dtype.itemsize)
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise BadInputError(f"{path} is cut off: {len(content):,} bytes of voxels instead of {math.prod(shape):,}")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F")


def _placed(head: NDArray[Any], path: Path, oblique: bool = False) -> tuple[Orientation, Grid]:
    """Return the orientation and the RAS+ grid of a header."""
    affine = placed_affine(head, path)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = affine[:3, :3] / spacing
    axes = np.abs(direction).argmax(axis=1)
    off_axis = np.abs(direction[[0, 1, 2], axes]) < math.cos(_OBLIQUE_LIMIT_RAD)
    if oblique:
        if np.abs(direction.T @ direction - np.eye(3)).max() > _OBLIQUE_LIMIT_RAD:
            raise BadInputError(f"{path} is sheared: its axes are not at right angles", "resample it first")
        axes = _nearest_axes(direction)
    elif sorted(axes) != [0, 1, 2] or off_axis.any():
        raise BadInputError(f"{path} is oblique: its axes are not parallel to the body's", "resample it first")
    flips = direction[range(3), axes] < 0
    shape = np.array([int(n) for n in head["dim"][1:4]])
    corner = np.where(flips, shape[axes] - 1, 0)
    index = np.zeros(3)
    index[axes] = corner
    origin = affine[:3, :3] @ index + affine[:3, 3]
    orientation = Orientation(tuple(int(a) for a in axes), tuple(bool(f) for f in flips), affine)  # type: ignore[arg-type]  # three axes each
    return orientation, Grid(tuple(shape[axes]), tuple(spacing[axes]), tuple(origin))


def _nearest_axes(direction: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return for each world axis the array axis that runs along it best, each once."""
    from itertools import permutations

    best = max(permutations(range(3)), key=lambda order: sum(abs(direction[axis, order[axis]]) for axis in range(3)))
    return np.array(best, dtype=np.intp)


def placed_affine(head: NDArray[Any], path: Path) -> NDArray[np.float64]:
    """Return the 4 × 4 matrix of a header in mm: sform first, then qform, as the standard says.

    Raises:
        BadInputError: If unit, place or spacing are impossible, or the header gives none.
    """
    unit = int(head["xyzt_units"]) & 7
    if unit not in _UNIT_SCALE_MM:
        raise BadInputError(f"{path} has an unknown unit of length (code {unit})")
    affine = _file_affine(head, path)
    affine[:3] *= _UNIT_SCALE_MM[unit]
    if not np.isfinite(affine).all() or np.abs(affine).max() > COORDINATE_LIMIT_MM:
        raise BadInputError(f"{path} has an impossible place in the world (affine {affine[:3].tolist()})")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not ((spacing >= SPACING_RANGE_MM[0]) & (spacing <= SPACING_RANGE_MM[1])).all():
        raise BadInputError(f"{path} has a spacing of {spacing.tolist()} mm; {SPACING_RANGE_MM} mm is possible")
    return affine


def _file_affine(head: NDArray[Any], path: Path) -> NDArray[np.float64]:
    """Return the 4 × 4 matrix that the header gives."""
    affine = np.eye(4)
    if head["sform_code"] > 0:
        affine[:3] = [head["srow_x"], head["srow_y"], head["srow_z"]]
        return affine
    if head["qform_code"] > 0:
        from nibabel.quaternions import fillpositive, quat2mat

        vector = np.array([head["quatern_b"], head["quatern_c"], head["quatern_d"]], dtype=np.float64)
        if not np.isfinite(vector).all() or vector @ vector > 1.0 + 1e-5:
            raise BadInputError(f"{path} has an impossible rotation in its header")
        spacing = head["pixdim"][1:4].astype(np.float64)
        spacing[2] *= -1.0 if head["pixdim"][0] < 0 else 1.0
        affine[:3, :3] = quat2mat(fillpositive(vector, w2_thresh=-1e-5)) * spacing
        affine[:3, 3] = [head["qoffset_x"], head["qoffset_y"], head["qoffset_z"]]
        return affine
    raise BadInputError(f"{path} does not say where it lies (sform and qform codes are 0)", "set one of them first")


def _volume(array: NDArray[Any], head: NDArray[Any], grid: Grid, quantity: Quantity, path: Path) -> Volume:
    """Return the voxels with the file's scale, checked for their meaning."""
    slope, inter = float(head["scl_slope"]), float(head["scl_inter"])
    if not math.isfinite(slope) or slope == 0:  # the standard: a slope of 0 means no scale
        slope, inter = 1.0, 0.0
    if not math.isfinite(inter):
        raise BadInputError(f"{path} has an impossible scale (intercept {inter})")
    values = array.astype(np.float32) * np.float32(slope) + np.float32(inter)
    if not np.isfinite(values).all():
        raise BadInputError(f"{path} holds NaN or infinity")
    if quantity is Quantity.LABEL:
        whole = np.rint(values)
        if not np.array_equal(whole, values) or whole.min() < 0 or whole.max() > 255:
            raise BadInputError(f"{path} must hold whole labels from 0 to 255")
        return Volume(np.ascontiguousarray(whole.astype(np.uint8)), grid, quantity)
    return Volume(np.ascontiguousarray(values), grid, quantity)
