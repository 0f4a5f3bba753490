"""Who may work in a folder: one run, or several shards of one run beside each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pancreasgen.base.errors import LockedError
from pancreasgen.dataset.disk import explaining


@contextlib.contextmanager
def held(private: Path, shard: str, shown: Path) -> Iterator[None]:
    """Hold the lock of a folder; it falls with the process, however that ends.

    A whole run is alone. A shard shares the folder with other shards, and is refused where the same one is at work.

    Args:
        private: Folder of the lock files.
        shard: Name of the shard such as ``0-of-8``; empty for a whole run.
        shown: What the user calls the folder.

    Raises:
        LockedError: If another run is in the way; the message names its host and process.
    """
    if not shard:
        with _hold(private / "lock", fcntl.LOCK_EX, shown):
            yield
    else:
        with _hold(private / "lock", fcntl.LOCK_SH, shown), _hold(private / f"lock.{shard}", fcntl.LOCK_EX, shown):
            yield


@contextlib.contextmanager
def briefly(private: Path) -> Iterator[None]:
    """Wait for one's turn to change what shards share, and hold it for the block."""
    path = private / "turn"
    with _opened(path) as handle:
        with explaining(path, "lock"):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    with explaining(path, "lock"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def _hold(path: Path, kind: int, shown: Path) -> Iterator[None]:
    with _opened(path) as handle:
        with explaining(path, "lock"):
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                who = "; ".join(_holders(path.parent)) or "an unknown process"
                raise LockedError(f"another run works in {shown}: {who}", "wait for it, or stop it") from None
            if kind == fcntl.LOCK_EX:
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{socket.gethostname()}, process {os.getpid()}".encode(), 0)
        yield


def _holders(folder: Path) -> list[str]:
    """Return who holds a lock of the folder for himself: what such a file says counts only while it is locked."""
    found = []
    for path in sorted(folder.glob("lock*")):
        with _opened(path) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                shard = f" (shard {path.suffix[1:]})" if path.suffix else ""
                found.append(os.pread(handle, 200, 0).decode(errors="replace").strip() + shard)
    return [text for text in found if text]
