"""Files that are whole or absent: exclusive creation, fsync, rename; and what the system's errors mean in words."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def explained(error: OSError, path: Path, doing: str, inner: bool = True) -> PancreasgenError:
    """Return the letter for a system error met while doing something to a path.

    Args:
        error: What the system said.
        path: What the user calls the place.
        doing: The verb.
        inner: Whether the place that the system names may be told instead; not so for drafts.

    >>> explained(OSError(errno.ENOSPC, "No space left on device"), Path("demo"), "write").exit_code
    74
    """
    place = f"cannot {doing} {(inner and error.filename) or path}: {error.strerror or error}"
    if error.errno in _FULL:
        return DiskError(place, "free some space, then give the same command again: complete cases are kept")
    if error.errno in _REFUSED:
        other = "a file that you may read" if doing == "read" else "a place that you may write to"
        return NoPermissionError(place, f"choose {other}, or ask for the right to")
    if error.errno in _SHAPE:
        return CannotCreateError(place, "choose another place")
    return DiskError(place, "look after the disk, then give the same command again: complete cases are kept")


@contextmanager
def explaining(path: Path, doing: str, inner: bool = True) -> Iterator[None]:
    """Turn system errors inside the block into letters about the path; see :func:`explained`.

    Raises:
        DiskError: If the disk is full or fails.
        NoPermissionError: If the system refuses.
        CannotCreateError: If a file stands where a folder is wanted, or the like.
    """
    try:
        yield
    except OSError as error:
        raise explained(error, path, doing, inner) from error


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
    size = input_size(path, f"{kind} file")
    if size > limit:
        raise BadInputError(f"{path} has {size:,} bytes; a {kind} file may have {limit:,}")
    with explaining(path, "read"):
        return path.read_bytes()


def input_size(path: Path, kind: str) -> int:
    """Return the size [bytes] of a file that a user named.

    Args:
        path: The file.
        kind: What the file should be, for the message.

    Raises:
        MissingInputError: If there is no such file.
        BadInputError: If it is a folder, a pipe or the like.
        NoPermissionError: If it may not be read.
    """
    with explaining(path, "read"):
        try:
            facts = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise MissingInputError(f"there is no {kind} {path}", "look at the spelling of its path") from None
        if not stat.S_ISREG(facts.st_mode):
            raise BadInputError(f"{path} is not a file; a {kind} is wanted")
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return facts.st_size


def write_new(path: Path, content: bytes, shown: Path | None = None) -> None:
    """Write a file that must not exist yet, and wait until the disk holds it.

    Args:
        path: The file.
        content: All of it.
        shown: What the user calls it, if the path is a draft's.
    """
    with explaining(shown or path, "write", inner=False):
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
    draft = _draft(scratch)
    try:
        write_new(draft, content, path)
        with explaining(path, "write", inner=False):
            draft.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):  # what went wrong before is told; the next run clears drafts
            draft.unlink(missing_ok=True)


def _draft(folder: Path) -> Path:
    return folder / f".pancreasgen.{os.getpid()}.{os.urandom(4).hex()}"


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


def check_output(path: Path, *inputs: Path | str | None) -> None:
    """Find out, before any work is done, whether a file can be written, and refuse to replace what is read.

    Args:
        path: The file that a user asked for.
        inputs: Files that the work reads, or names, which may be files or not.

    Raises:
        UsageError: If the output is one of the inputs, by whatever name or link.
        CannotCreateError: If its folder does not exist, or a folder has its name.
        NoPermissionError: If the system refuses.
    """
    refuse_same(path, *inputs)
    with explaining(path, "write"):
        if path.is_symlink() and not path.exists():
            raise CannotCreateError(f"{path} is a link to nothing", "remove it, or choose another name with -o")
        if path.is_dir():
            raise CannotCreateError(f"{path} is a folder; a file is wanted", "choose another name with -o")
        if not path.parent.is_dir():
            raise CannotCreateError(f"there is no folder {path.parent}", "make it first, or choose another with -o")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    check_folder(path.parent, path)


def check_folder(folder: Path, shown: Path) -> None:
    """Try whether files can be made in a folder.

    Args:
        folder: The folder, which exists.
        shown: What the user wants to make in it.

    Raises:
        NoPermissionError: If the system refuses.
        DiskError: If the disk is full or fails.
    """
    draft = _draft(folder)
    write_new(draft, b"", shown)
    draft.unlink()


def refuse_same(path: Path, *inputs: Path | str | None) -> None:
    """Refuse an output that is an input, by whatever name or link.

    Raises:
        UsageError: If it is.
    """
    with explaining(path, "open"):
        for source in inputs:
            if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
                raise UsageError(f"{path} is the input itself, which would be lost", "choose another name with -o")


def write_output(path: Path, content: bytes) -> None:
    """Write one file that a user asked for, replacing an older one in one step.

    Raises:
        CannotCreateError: If its folder does not exist, or a folder has its name.
        DiskError: If the disk is full or fails.
        NoPermissionError: If the system refuses.
    """
    check_output(path)
    write_by_rename(path, content, path.parent)
