"""Cases that could not be made: each costs only itself, and leaves a report with a command that makes it again."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from pancreasgen.base.errors import PancreasgenError
from pancreasgen.dataset.disk import explaining, write_by_rename
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.recipe import canonical_json


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a case was not made.

    Attributes:
        index: Number of the case.
        reason: One sentence.
        trace: Where in the program it happened, if it is known.
        by_chance: Whether the machine may be to blame, so that another try is worth it.
        error: The letter, if it is a user's mistake.
    """

    index: int
    reason: str
    trace: str = ""
    by_chance: bool = False
    error: PancreasgenError | None = None


def lock_up(store: Store, failure: Failure, tries: int, command: str) -> None:
    """Write the report of a case that could not be made.

    Args:
        store: The dataset.
        failure: Why.
        tries: How often it was tried.
        command: Words that make this case alone; empty where there are none.
    """
    report = {
        "case": failure.index,
        "reason": failure.reason,
        "trace": failure.trace,
        "tries": tries,
        "command": command,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "written": time.time(),
    }
    folder = store.quarantine
    with explaining(folder, "make"):
        folder.mkdir(exist_ok=True)
    write_by_rename(folder / f"{failure.index:06d}.json", canonical_json(report), store.scratch)


def locked_up(store: Store) -> dict[int, str]:
    """Return number → reason of the cases that could not be made.

    A report that cannot be read counts as well: that it is there is what matters.
    """
    if not store.quarantine.is_dir():
        return {}
    with explaining(store.quarantine, "read"):
        paths = sorted(path for path in store.quarantine.glob("*.json") if path.stem.isdigit())
        return {int(path.stem): _reason(path.read_bytes()) for path in paths}


def _reason(content: bytes) -> str:
    try:
        told: Any = json.loads(content)
        return str(told["reason"])
    except (ValueError, KeyError, TypeError):
        return "unknown, because its report is damaged"


def release(store: Store, index: int) -> None:
    """Remove the report of a case, because it is made or tried again."""
    with explaining(store.quarantine, "write"):
        (store.quarantine / f"{index:06d}.json").unlink(missing_ok=True)
