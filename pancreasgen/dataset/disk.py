"""Files that are whole or absent: exclusive creation, fsync, rename; and what the system's errors mean in words."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pancreasgen.base.errors import (
    BadInputError,
    CannotCreateError,
    DiskError,
    MissingInputError,
    NoPermissionError,
    PancreasgenError,
    UsageError,
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_SHAPE = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT}


def explained(error: OSError, path: Path, doing: str) -> PancreasgenError:
    """Return the letter for a system error met while doing something to a path.

    >>> explained(OSError(errno.ENOSPC, "No space left on device"), Path("demo"), "write").exit_code
    74
    """
    place = f"cannot {doing} {error.filename or path}: {error.strerror or error}"
    if error.errno in _FULL:
        return DiskError(place, "free some space, then give the same command again: complete cases are kept")
    if error.errno in _REFUSED:
        return NoPermissionError(place, "choose a folder that you may write to, or ask for the right to")
    if error.errno in _SHAPE:
        return CannotCreateError(place, "choose another place")
    return DiskError(place, "look after the disk, then give the same command again: complete cases are kept")


@contextmanager
def explaining(path: Path, doing: str) -> Iterator[None]:
    """Turn system errors inside the block into letters about the path.

    Raises:
        DiskError: If the disk is full or fails.
        NoPermissionError: If the system refuses.
        CannotCreateError: If a file stands where a folder is wanted, or the like.
    """
    try:
        yield
    except OSError as error:
        raise explained(error, path, doing) from error


def read_bytes(path: Path, kind: str, limit: int = 64_000_000) -> bytes:
    """Return the bytes of a file that a user named.

    Args:
        path: The file.
        kind: What the file should be, for the message: ``grammar``, ``case`` …
        limit: Largest accepted size [bytes].

    Raises:
        MissingInputError: If there is no such file.
        BadInputError: If it is a folder or too large.
        NoPermissionError: If it may not be read.
    """
    if not path.exists():
        raise MissingInputError(f"there is no {kind} file {path}", "look at the spelling of its path")
    if not path.is_file():
        raise BadInputError(f"{path} is not a file; a {kind} file is wanted")
    size = path.stat().st_size
    if size > limit:
        raise BadInputError(f"{path} has {size:,} bytes; a {kind} file may have {limit:,}")
    with explaining(path, "read"):
        return path.read_bytes()


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet, and wait until the disk holds it."""
    with explaining(path, "write"):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def write_by_rename(path: Path, content: bytes, scratch: Path) -> None:
    """Write or replace a file in one step: readers see the old or the new one, never a half.

    Args:
        path: The file.
        content: All of it.
        scratch: Folder on the same file system for the draft.
    """
    draft = scratch / f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        write_new(draft, content)
        with explaining(path, "write"):
            draft.replace(path)
            sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Wait until the disk holds the folder's list of names."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(content: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes in hexadecimal.

    >>> sha256(b"")[:16]
    'e3b0c44298fc1c14'
    """
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with explaining(path, "read"), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def wanted_suffix(path: Path, suffix: str) -> None:
    """Refuse an output file of the wrong kind before any work is done.

    Raises:
        UsageError: If the name does not end in the suffix.
    """
    if not path.name.endswith(suffix):
        raise UsageError(f"{path} must end in {suffix}")


def write_output(path: Path, content: bytes) -> None:
    """Write one file that a user asked for, replacing an older one in one step.

    Raises:
        CannotCreateError: If its folder does not exist, or a folder has its name.
        DiskError: If the disk is full or fails.
        NoPermissionError: If the system refuses.
    """
    with explaining(path, "open"):
        if path.is_dir():
            raise CannotCreateError(f"{path} is a folder; a file is wanted", "choose another name with -o")
        if not path.parent.is_dir():
            raise CannotCreateError(f"there is no folder {path.parent}", "make it first, or choose another with -o")
    write_by_rename(path, content, path.parent)
